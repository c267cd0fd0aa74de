import { Bot, InlineKeyboard } from 'grammy'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'

const TOKEN = 'a-token-of-the-test'

interface Answer {
  readonly status: number
  // Tests check the body with matchers.
  readonly body: Record<string, unknown>
}

let telegram: Telegram
let bot: Bot

beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual', patience: '5s', control: { token: TOKEN } })
})
afterEach(() => telegram.close())

async function ask(method: string, path: string, body?: unknown, token = TOKEN): Promise<Answer> {
  const response = await fetch(`${telegram.control?.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

async function made(path: string, body: object): Promise<Record<string, unknown> & { id: number }> {
  const answer = await ask('POST', path, body)
  expect(answer).toMatchObject({ status: 201 })
  return answer.body as Record<string, unknown> & { id: number }
}

async function acts(does: string, rest: object): Promise<Record<string, unknown>> {
  const answer = await ask('POST', '/acts', { does, ...rest })
  expect(answer).toMatchObject({ status: 200 })
  return answer.body
}

/** Starts a grammY bot that was created over the control API, like the users and the group. */
async function plaza(handlers: (bot: Bot) => void) {
  const created = await ask('POST', '/bots', { username: 'plaza_bot' })
  const { token, api_root } = created.body as { token: string; api_root: string }
  bot = new Bot(token, { client: { apiRoot: api_root } })
  handlers(bot)
  await telegram.runs(bot, { allowed_updates: ['message', 'callback_query', 'chat_member', 'inline_query'] })
  const alice = await made('/users', { first_name: 'Alice', username: 'alice', language_code: 'en' })
  const bob = await made('/users', { first_name: 'Bob' })
  const me = (created.body as { bot: { id: number } }).bot.id
  const group = await made('/groups', { title: 'Plaza', owner: alice.id, members: [bob.id], admins: [me] })
  return { alice: alice.id, bob: bob.id, me, group: group.id }
}

test('a whole story from another process: people act, the bot answers, and its calls can be read', async () => {
  const { alice, bob, me, group } = await plaza((it) => {
    it.command('start', (ctx) =>
      ctx.reply('Well?', { reply_markup: new InlineKeyboard().text('Buy', 'buy') }),
    )
    it.callbackQuery('buy', (ctx) => ctx.answerCallbackQuery('Sold'))
    it.hears('spam', (ctx) => ctx.banAuthor())
    it.on('inline_query', (ctx) => ctx.answerInlineQuery([]))
  })
  expect(await acts('sends', { who: alice, to: me, text: '/start' })).toMatchObject({ text: '/start' })
  const heard = await ask('GET', `/users/${alice}/heard?text=Well&wait=5s`)
  const [offer] = heard.body as unknown as { message_id: number }[]
  const tapped = await acts('taps', {
    who: alice,
    to: me,
    message_id: offer?.message_id,
    button: 'Buy',
    wait: '5s',
  })
  expect(tapped).toMatchObject({ query: { data: 'buy' }, answer: { text: 'Sold' } })
  expect(await acts('asks', { who: alice, to: me, query: 'cats', wait: '5s' })).toMatchObject({
    answer: { results: [] },
  })
  await acts('sends', { who: bob, in: group, text: 'spam' })
  const banned = await ask('GET', `/calls?method=banChatMember&bot=${me}&wait=5s`)
  expect(banned).toMatchObject({
    status: 200,
    body: [{ method: 'banChatMember', params: { chat_id: group, user_id: bob }, result: { ok: true } }],
  })
  expect(await ask('GET', `/chats/${group}/members/${bob}`)).toMatchObject({ body: { status: 'kicked' } })
  expect(await ask('POST', '/settled', { bots: [me], wait: '5s' })).toEqual({ status: 200, body: null })
  const [call] = banned.body as unknown as { number: number }[]
  const later = await ask('GET', `/calls?after=${call?.number}&method=sendMessage`)
  expect(later).toMatchObject({ status: 200, body: [] })
})

test('administrators, members and the clock can be controlled', async () => {
  const { alice, bob, me, group } = await plaza(() => undefined)
  const link = await acts('makes_invite_link', { who: alice, in: group, member_limit: 1, for: '1h' })
  const carol = await made('/users', { first_name: 'Carol' })
  expect(await acts('joins_by', { who: carol.id, link: link.invite_link })).toBe('joined')
  await acts('restricts', { who: alice, in: group, whom: bob, permissions: {}, for: '1h' })
  expect(await ask('POST', '/acts', { does: 'sends', who: bob, in: group, text: 'hi' })).toEqual({
    status: 400,
    body: {
      error: {
        code: 'telegram.invalid',
        message: expect.stringMatching(/^Bob writes in "Plaza": they are restricted/),
      },
    },
  })
  const before = (await ask('GET', '/clock')).body.now as number
  expect(await ask('POST', '/clock/advance', { by: '61m' })).toEqual({
    status: 200,
    body: { now: before + 61 * 60_000 },
  })
  const hi = await acts('sends', { who: bob, in: group, text: 'hi' })
  await acts('reacts', { who: carol.id, in: group, message_id: hi.message_id, emoji: '👍' })
  await acts('pins', { who: alice, in: group, message_id: hi.message_id })
  await acts('promotes', { who: alice, in: group, whom: carol.id, rights: { can_delete_messages: true } })
  await acts('deletes', { who: carol.id, in: group, message_id: hi.message_id })
  await acts('sends', { who: alice, in: group, text: 'rules', anonymously: true })
  const news = await made('/channels', { title: 'News', owner: bob, linked_group: group })
  await acts('posts', { who: bob, in: news.id, text: 'We are open' })
  await acts('sends', { who: bob, in: group, as: news.id, text: 'an ad' })
  await acts('blocks', { who: bob, to: me })
  const { body } = await ask('GET', `/chats/${group}/messages?limit=3`)
  expect(body).toMatchObject([
    { text: 'rules', from: { username: 'GroupAnonymousBot' } },
    { text: 'We are open', is_automatic_forward: true },
    { text: 'an ad', from: { username: 'Channel_Bot' } },
  ])
  expect(await ask('GET', `/chats/${news.id}`)).toMatchObject({ body: { type: 'channel', title: 'News' } })
  expect(await ask('GET', `/users/${bob}`)).toMatchObject({ body: { first_name: 'Bob' } })
  expect(await ask('GET', `/users/${bob}/heard?pattern=^ru`)).toMatchObject({ body: [{ text: 'rules' }] })
  expect(await ask('GET', `/users/${bob}/heard?in=${group}&limit=1`)).toMatchObject({ body: [{}] })
})

test('faults and raw updates can be set', async () => {
  const { me, alice } = await plaza((it) => {
    it.on('message', (ctx) => ctx.reply('here'))
    it.catch(() => undefined)
  })
  expect(await ask('POST', '/faults', { method: 'sendMessage', code: 403, times: 0 })).toMatchObject({
    status: 201,
  })
  await acts('sends', { who: alice, to: me, text: 'hi' })
  expect(await ask('GET', '/calls?method=sendMessage&wait=5s')).toMatchObject({
    body: [{ result: { ok: false, error_code: 403 } }],
  })
  expect(await ask('DELETE', '/faults')).toEqual({ status: 200, body: null })
  const update = { message: { message_id: 1, date: 1, text: 'raw', chat: { id: alice, type: 'private' } } }
  const given = await ask('POST', '/updates', { bot: me, update })
  expect(given).toMatchObject({ status: 201, body: { update_id: expect.any(Number) } })
  const heard = `/users/${alice}/heard?text=here`
  const here = { body: [{ text: 'here' }] }
  expect(await ask('GET', `${heard}&wait=5s`)).toMatchObject(here)
  expect(await ask('GET', `${heard}&wait=1ms`)).toMatchObject({ status: 408 })
  expect(await ask('GET', `${heard}&wait=1ms&ever=true`)).toMatchObject(here)
  expect(await ask('GET', heard)).toMatchObject(here)
})

test('requests need the token and an accepted Host header', async () => {
  for (const token of ['', 'a-token-of-the-tesT', `${TOKEN}x`, TOKEN.slice(1)]) {
    expect(await ask('GET', '/clock', undefined, token)).toMatchObject({
      status: 401,
      body: { error: { code: 'token.invalid' } },
    })
  }
  const bare = await fetch(`${telegram.control?.url}/clock`)
  expect(bare.status).toBe(401)
  // Unknown routes are also hidden from clients without the token.
  expect(await ask('GET', '/nothing', undefined, 'wrong')).toMatchObject({ status: 401 })
  await expect(startTelegram({ control: { token: 'short' } })).rejects.toThrow(/16 or more printable/)
  const drawn = await startTelegram({ control: true })
  expect(drawn.control?.token).toMatch(/^[\w-]{32}$/)
  await drawn.close()
  const without = await startTelegram()
  expect((await fetch(`${without.apiRoot}/control/clock`)).status).toBe(404)
  await without.close()
})

test.each<[string, string, unknown, number, RegExp]>([
  ['GET', '/clok', undefined, 404, /There is no \/control\/clok\. Did you mean \/control\/clock\?/],
  ['POST', '/clock', {}, 405, /\/control\/clock takes GET, not POST/],
  ['POST', '/users', '{', 400, /The body is not JSON/],
  ['POST', '/users', {}, 400, /^body\.first_name: /],
  ['POST', '/users', { first_name: 'A', firstname: 'B' }, 400, /Unrecognized key/],
  ['POST', '/users', { first_name: 'A', username: '@a' }, 400, /write it without @/],
  ['POST', '/groups', { title: 'A', owner: 1 }, 404, /There is no account 1\./],
  ['GET', '/users/1', undefined, 404, /There is no account 1\./],
  ['GET', '/chats/-5/messages', undefined, 404, /There is no chat -5\./],
  ['POST', '/acts', { does: 'send', who: 1 }, 400, /body\.does: .*Did you mean "sends"\?/],
  ['POST', '/acts', { does: 'sends', who: 1 }, 400, /body\.text: /],
  ['POST', '/faults', { method: 'sendMesage', code: 500 }, 400, /Did you mean "sendMessage"\?/],
  ['POST', '/clock/advance', { by: 'soon' }, 400, /"soon"/],
  ['GET', '/calls?limit=0', undefined, 400, /^query\.limit: /],
])('%s %s with %j is refused with an explanation', async (method, path, body, status, words) => {
  const answer = await ask(method, path, body)
  expect(answer.status).toBe(status)
  expect((answer.body as { error: { message: string } }).error.message).toMatch(words)
})

test('users, bots and chats are not confused, and actions need a place', async () => {
  const { alice, me, group } = await plaza(() => undefined)
  const news = await made('/channels', { title: 'News', owner: alice })
  const told = async (rest: object): Promise<string> => {
    const { status, body } = await ask('POST', '/acts', rest)
    return `${status} ${(body as { error: { message: string } }).error.message}`
  }
  expect(await told({ does: 'sends', who: me, in: group, text: 'x' })).toBe(
    `400 ${me} is a bot. Name a person.`,
  )
  expect(await told({ does: 'sends', who: alice, to: alice, text: 'x' })).toBe(
    `400 ${alice} is a person. Name a bot.`,
  )
  expect(await told({ does: 'sends', who: alice, text: 'x' })).toMatch(
    /^400 Name the place by one of: in .* or to/,
  )
  expect(await told({ does: 'joins', who: alice, to: me })).toMatch(
    /^400 This action takes place in a group or channel/,
  )
  expect(await told({ does: 'posts', who: alice, in: group, text: 'x' })).toMatch(/for a group use sends/)
  expect(await told({ does: 'creates_topic', who: alice, in: news.id, name: 'x' })).toMatch(
    /this is a channel/,
  )
  expect(await told({ does: 'blocks', who: alice })).toBe('400 Name the bot by to.')
})

test('waiting in vain ends with status 408 and an explanation', async () => {
  const { alice } = await plaza(() => undefined)
  const heard = await ask('GET', `/users/${alice}/heard?text=nothing&wait=1ms`)
  expect(heard).toMatchObject({
    status: 408,
    body: { error: { code: 'wait.over', message: expect.stringContaining('did not hear "nothing"') } },
  })
  expect(await ask('GET', '/calls?method=banChatMember&wait=1ms')).toMatchObject({
    status: 408,
    body: { error: { message: expect.stringContaining('No bot called banChatMember') } },
  })
  expect(await ask('GET', `/users/${alice}/heard?pattern=(`)).toMatchObject({ status: 400 })
})

test('the OpenAPI document describes all routes, and its references can be resolved', async () => {
  interface Document {
    readonly openapi: string
    readonly paths: Record<string, Record<string, { operationId: string; parameters: { name: string }[] }>>
    readonly components: { readonly schemas: Record<string, unknown> }
  }
  const read = async (url: string) => (await (await fetch(url)).json()) as Document
  const document = await read(`${telegram.control?.url}/openapi.json`)
  const botApi = await read(`${telegram.apiRoot}/openapi.json`)
  expect(document.openapi).toBe('3.1.0')
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  expect(operations.length).toBeGreaterThan(15)
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
  const member = document.paths['/chats/{chat_id}/members/{user_id}']?.get
  expect(member?.parameters.map(({ name }) => name)).toEqual(['chat_id', 'user_id'])
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)#\/components\/schemas\/(\w+)"/g)]
  expect(references.length).toBeGreaterThan(10)
  for (const [, file, name] of references) {
    expect(file === '' ? document.components.schemas : botApi.components.schemas).toHaveProperty(
      name as string,
    )
  }
  const deeds = JSON.stringify(document.paths['/acts'])
  for (const does of ['sends', 'taps', 'joins', 'requests_to_join', 'reacts', 'blocks'])
    expect(deeds).toContain(`"const":"${does}"`)
})
