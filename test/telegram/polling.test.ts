import { run } from '@grammyjs/runner'
import { Bot } from 'grammy'
import { type Person, startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { arrived, type Caller, caller, updatesOf } from './calling.js'

let telegram: Telegram
let bot: TelegramBot
let alice: Person
let call: Caller

beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'polling_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  call = caller(telegram.apiRoot, bot)
})
afterEach(() => telegram.close())

const textsOf = (answer: { result?: unknown }) =>
  (answer.result as { message: { text: string } }[]).map((update) => update.message.text)
const idsOf = (answer: { result?: unknown }) =>
  (answer.result as { update_id: number }[]).map((update) => update.update_id)

test('ids are consecutive and positive, and an offset confirms all updates before it', async () => {
  for (const text of ['a', 'b', 'c']) await alice.to(bot).sends(text)
  const first = await call('getUpdates')
  const ids = idsOf(first)
  expect(ids[0]).toBeGreaterThan(0)
  expect(ids).toEqual([ids[0], ids[0]! + 1, ids[0]! + 2])
  expect(textsOf(await call('getUpdates'))).toEqual(['a', 'b', 'c'])
  expect(textsOf(await call('getUpdates', { offset: ids[1] }))).toEqual(['b', 'c'])
  expect(bot.pending).toBe(2)
  expect(textsOf(await call('getUpdates', { limit: 1 }))).toEqual(['b'])
})

test('a negative offset keeps only the last updates', async () => {
  for (const text of ['a', 'b', 'c']) await alice.to(bot).sends(text)
  expect(textsOf(await call('getUpdates', { offset: -1 }))).toEqual(['c'])
  expect(bot.pending).toBe(1)
})

test('an offset far beyond the last update confirms nothing', async () => {
  await alice.to(bot).sends('one')
  const [first] = (await call('getUpdates', { offset: 2_000_000_000 })).result as { update_id: number }[]
  expect((await call('getUpdates', { offset: first!.update_id + 12 })).result).toHaveLength(1)
  expect((await call('getUpdates', { offset: first!.update_id + 11 })).result).toEqual([])
})

test('a long poll is answered as soon as an update arrives', async () => {
  const polling = call('getUpdates', { timeout: 30 })
  await alice.to(bot).sends('hello')
  expect(textsOf(await polling)).toEqual(['hello'])
})

test('a long poll ends empty after its timeout', async () => {
  expect(await call('getUpdates', { timeout: 1 })).toEqual({ ok: true, result: [] })
})

test('of two concurrent polls, the earlier is answered with a conflict', async () => {
  const earlier = call('getUpdates', { timeout: 30 })
  await arrived(telegram, 'getUpdates')
  const later = call('getUpdates', { timeout: 30 })
  expect(await earlier).toEqual({
    ok: false,
    error_code: 409,
    description:
      'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
  })
  await alice.to(bot).sends('hello')
  expect(textsOf(await later)).toEqual(['hello'])
})

test('chat_member and reactions are sent only to bots that request them, and the choice is remembered', async () => {
  const group = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [bot] })
  const bob = telegram.createUser({ firstName: 'Bob' })
  await bob.in(group).joins()
  const kinds = (updates: Record<string, unknown>[]) => updates.map((update) => Object.keys(update)[1])
  expect(kinds(await updatesOf(call))).toEqual(['message'])

  await updatesOf(call, ['chat_member', 'message_reaction'])
  await bob.in(group).leaves()
  const message = await alice.in(group).sends('hi')
  await alice.in(group).reacts(message, '👍')
  expect(kinds(await updatesOf(call))).toEqual(['chat_member', 'message_reaction'])

  await updatesOf(call, [])
  await bob.in(group).joins()
  expect(kinds(await updatesOf(call))).toEqual(['message'])
})

test('allowed_updates are parsed as Telegram does', async () => {
  const group = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [bot] })
  const bob = telegram.createUser({ firstName: 'Bob' })
  const choose = (allowed_updates: unknown) => call('getUpdates', { offset: -1, allowed_updates })
  const toldOf = async () => {
    const { result } = await call('getUpdates')
    await call('getUpdates', { offset: (idsOf({ result }).at(-1) ?? 0) + 1 })
    return (result as object[]).map((update) => Object.keys(update)[1])
  }
  const comesAndGoes = async () => {
    await updatesOf(call)
    await bob.in(group).joins()
    await bob.in(group).leaves()
    return toldOf()
  }
  const byDefault = ['message', 'message']

  await choose(['Chat_Member', 'wobble', 'toString'])
  expect(await comesAndGoes()).toEqual(['chat_member', 'chat_member'])
  // Invalid lists change nothing.
  for (const unreadable of ['nonsense', '{}', { message: true }, 5, ['message', 7]])
    expect(await choose(unreadable)).toMatchObject({ ok: true })
  expect(await comesAndGoes()).toEqual(['chat_member', 'chat_member'])
  // A list without any known name means the default: everything except members and reactions.
  await choose(['wobble'])
  expect(await comesAndGoes()).toEqual(byDefault)
})

test('an update is kept for a day', async () => {
  await alice.to(bot).sends('yesterday')
  telegram.clock.advance('23h')
  await alice.to(bot).sends('today')
  telegram.clock.advance('2h')
  expect(textsOf(await call('getUpdates'))).toEqual(['today'])
})

test('raw updates are delivered unchanged, and can be redelivered', async () => {
  const { update_id } = telegram.deliver(bot, { message_reaction_count: {} as never })
  const first = await call('getUpdates')
  expect(first.result).toEqual([{ update_id, message_reaction_count: {} }])
  await call('getUpdates', { offset: update_id + 1 })
  telegram.deliver(bot, { update_id, message_reaction_count: {} as never })
  expect(idsOf(await call('getUpdates', { offset: update_id + 1 }))).toEqual([update_id])
  expect(idsOf(await call('getUpdates', { offset: update_id + 1 }))).toEqual([])
  await alice.to(bot).sends('next')
  expect(idsOf(await call('getUpdates'))).toEqual([update_id + 1])
})

test.each(['callback_query', 'inline_query', 'pre_checkout_query', 'shipping_query'])(
  'a raw update with a malformed %s is delivered unchanged',
  async (kind) => {
    for (const value of [null, 0, 'text', [], {}, { id: 5 }, { id: null }]) {
      const { update_id } = telegram.deliver(bot, { [kind]: value })
      expect((await call('getUpdates')).result).toEqual([{ update_id, [kind]: value }])
      await call('getUpdates', { offset: update_id + 1 })
    }
  },
)

test.each([2 ** 53, 1e300, 0.5, -7])(
  'a raw update with the id %d does not affect the ids of others',
  async (id) => {
    await alice.to(bot).sends('before')
    telegram.deliver(bot, { update_id: id, message_reaction_count: {} as never })
    await alice.to(bot).sends('after')
    const ids = idsOf(await call('getUpdates'))
    expect(ids).toContain(id)
    const [before = 0, after] = ids.filter((other) => other !== id)
    expect(after).toBe(before + 1)
  },
)

test('queries in raw updates can be answered', async () => {
  const from = { id: alice.id, is_bot: false, first_name: 'Alice' }
  telegram.deliver(bot, { callback_query: { id: '7', from, chat_instance: '1', data: 'x' } })
  telegram.deliver(bot, {
    shipping_query: { id: '8', from, invoice_payload: 'x', shipping_address: {} as never },
  })
  expect(await call('answerCallbackQuery', { callback_query_id: '7' })).toEqual({ ok: true, result: true })
  expect(await call('answerShippingQuery', { shipping_query_id: '8', ok: true })).toMatchObject({
    description: 'Bad Request: there must be at least one shipping option',
  })
  const refusal = { shipping_query_id: '8', ok: false, error_message: 'Too far' }
  expect(await call('answerShippingQuery', refusal)).toEqual({ ok: true, result: true })
})

test('a redelivered update beside a new one does not set the offset of a bot back', async () => {
  const grammy = new Bot(bot.token, { client: { apiRoot: telegram.apiRoot }, botInfo: bot.info })
  const seen: string[] = []
  grammy.on('message:text', (ctx) => {
    seen.push(ctx.message.text)
  })
  const old = telegram.deliver(bot, { message: (await alice.to(bot).sends('old')) as never })
  await alice.to(bot).sends('new')
  telegram.deliver(bot, old)
  const running = grammy.start()
  await telegram.settled()
  await grammy.stop()
  await running
  expect(seen).toEqual(['old', 'old', 'old', 'new'])
})

test('works under the runner', async () => {
  const grammy = new Bot(bot.token, { client: { apiRoot: telegram.apiRoot }, botInfo: bot.info })
  grammy.on('message:text', (ctx) => ctx.reply(`Heard ${ctx.message.text}`))
  const runner = run(grammy)
  await alice.to(bot).sends('one')
  await alice.to(bot).sends('two')
  await alice.hears('Heard one')
  await alice.hears('Heard two')
  await runner.stop()
})

test('a client that hangs up loses no updates', async () => {
  const hangUp = new AbortController()
  const lost = fetch(`${telegram.apiRoot}/bot${bot.token}/getUpdates?timeout=30`, { signal: hangUp.signal })
  await arrived(telegram, 'getUpdates')
  hangUp.abort()
  await expect(lost).rejects.toThrow('abort')
  await telegram.called('getUpdates')
  await alice.to(bot).sends('hello')
  expect(textsOf(await call('getUpdates'))).toEqual(['hello'])
})

test('close() ends a running bot with an explanation', async () => {
  const grammy = new Bot(bot.token, { client: { apiRoot: telegram.apiRoot } })
  const ended = expect(grammy.start()).rejects.toThrow(/409.*stop the bot before it/)
  await arrived(telegram, 'getUpdates')
  await telegram.close()
  await ended
})

test('settled() names a bot that does not fetch its updates', async () => {
  await alice.to(bot).sends('hello')
  await expect(telegram.settled({ timeout: 10 })).rejects.toThrow(/@polling_bot \(1 updates\)/)
})
