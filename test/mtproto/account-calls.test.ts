import { Api } from 'grammy'
import type { Person, TelegramChannel, TelegramGroup } from '../../src/telegram/index.js'
import { account, alice, all, client, face, onStage, person, telegram } from './stage.js'

onStage()

let bob: Person
let plaza: TelegramGroup
let news: TelegramChannel

beforeEach(async () => {
  bob = telegram.createUser({ firstName: 'Bob', username: 'bob_b' })
  plaza = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    admins: [account],
    members: [bob],
    username: 'plaza',
  })
  news = telegram.createChannel({ title: 'News', owner: alice, admins: [account], username: 'the_news' })
})

const api = () => new Api(account.token, account.config.client)

describe('dialogs', () => {
  test('contain all chats of a person, those with the latest messages first', async () => {
    await alice.to(account).sends('hello')
    await bob.in(plaza).sends('first')
    await alice.in(news).sends('a post')
    const [channel, group, chat] = await all((await person()).dialogs())
    expect(channel).toMatchObject({ chat: news.id, kind: 'channel', title: 'News', username: 'the_news' })
    expect(group).toMatchObject({
      chat: plaza.id,
      kind: 'supergroup',
      latest: { text: 'first', senderId: bob.id },
    })
    expect(chat).toMatchObject({ chat: account.id, kind: 'bot', latest: { text: 'hello' } })
  })

  test('are read page by page, each once, and progress is reported', async () => {
    for (let n = 0; n < 230; n++) {
      const group = telegram.createGroup({ title: `Group ${n}`, owner: alice })
      await alice.in(group).sends(`word ${n}`)
    }
    const told: number[] = []
    const found = await all((await person()).dialogs({ onProgress: ({ seen }) => told.push(seen) }))
    expect(new Set(found.map(({ chat }) => chat)).size).toBe(found.length)
    expect(found.filter(({ title }) => title.startsWith('Group'))).toHaveLength(230)
    expect(told.length).toBeGreaterThanOrEqual(3)
  })
})

test('methods that bots may not call are refused in the words of Telegram, the others answered', async () => {
  const watcher = client()
  const refused = { code: 'mtproto.refused', reason: 'BOT_METHOD_INVALID' }
  await expect(all(watcher.dialogs())).rejects.toMatchObject(refused)
  await expect(all(watcher.search({ chat: 'plaza', text: 'word' }))).rejects.toMatchObject(refused)
  await expect(all(watcher.search({ text: 'word' }))).rejects.toMatchObject(refused)
  await expect(all(watcher.adminLog('plaza'))).rejects.toMatchObject(refused)
  await expect(watcher.sessions()).rejects.toMatchObject(refused)
  await expect(watcher.endSession('1')).rejects.toMatchObject(refused)
  expect(await watcher.fullChat('plaza')).toMatchObject({ id: plaza.id, title: 'Plaza' })
  expect(await all(watcher.photos('alice'))).toEqual([])
})

describe('photos', () => {
  test('are listed with the latest first, over several pages, and can be downloaded', async () => {
    for (let n = 0; n < 205; n++) await alice.setsProfilePhoto(`photo ${n}`)
    const watcher = client()
    const told: number[] = []
    const found = await all(watcher.photos('alice', { onProgress: ({ seen }) => told.push(seen) }))
    expect(found).toHaveLength(205)
    expect(told).toEqual([100, 200, 205])
    expect(found[0]).toMatchObject({ kind: 'photo', origin: { photoOf: 'alice' }, at: expect.any(Number) })
    const bytes = async (nth: number) => {
      const [piece] = await all(watcher.download(found[nth] as NonNullable<(typeof found)[number]>))
      return Buffer.from(piece ?? []).toString()
    }
    expect([await bytes(0), await bytes(204)]).toEqual(['photo 204', 'photo 0'])
    face.expireFileReferences()
    expect(await bytes(150)).toBe('photo 54')
    expect(await all(watcher.download({ photoOf: 'alice' }))).toEqual([Buffer.from('photo 204')])
  })
})

test('fullChat() returns what the Bot API lacks', async () => {
  const carol = telegram.createUser({ firstName: 'Carol' })
  await carol.in(plaza).joins()
  await api().setChatDescription(plaza.id, 'Be kind')
  await api().restrictChatMember(plaza.id, bob.id, { can_send_messages: false })
  await api().banChatMember(plaza.id, carol.id)
  const { message_id: id } = await api().sendMessage(plaza.id, 'rules')
  await api().pinChatMessage(plaza.id, id)
  expect(await client().fullChat('plaza')).toEqual({
    id: plaza.id,
    kind: 'supergroup',
    title: 'Plaza',
    username: 'plaza',
    about: 'Be kind',
    isForum: false,
    isScam: false,
    isFake: false,
    isVerified: false,
    isRestricted: false,
    members: 3,
    administrators: 2,
    banned: 1,
    restricted: 1,
    pinnedMessage: id,
    canListMembers: true,
    hasHiddenMembers: false,
    hasAntispam: false,
  })
  await expect((await person(bob)).fullChat(-1_009_999_999_999)).rejects.toMatchObject({
    code: 'mtproto.refused',
  })
})

test('fullChat() supports basic groups and channels as well', async () => {
  const village = telegram.createGroup({
    title: 'Village',
    basic: true,
    owner: alice,
    admins: [account],
    members: [bob],
  })
  const watcher = client()
  expect(await watcher.fullChat(village.id)).toMatchObject({
    id: village.id,
    kind: 'group',
    title: 'Village',
    members: 3,
    administrators: 2,
    canListMembers: true,
  })
  expect(await watcher.fullChat('the_news')).toMatchObject({ id: news.id, kind: 'channel', members: 2 })
})

describe('search', () => {
  test('finds texts, authors, times and kinds in one chat', async () => {
    for (let n = 0; n < 250; n++) await (n % 2 === 0 ? bob : alice).in(plaza).sends(`apple ${n}`)
    await bob.in(plaza).sends('see https://example.com')
    await bob.in(plaza).sends('pear')
    const reader = await person()
    const told: { readonly seen: number; readonly total: number }[] = []
    const apples = await all(
      reader.search({ chat: 'plaza', text: 'Apple', onProgress: (progress) => told.push(progress) }),
    )
    expect(apples.map(({ text }) => text)).toEqual(Array.from({ length: 250 }, (_, n) => `apple ${249 - n}`))
    expect(told.map(({ seen, total }) => [seen, total])).toEqual([
      [100, 250],
      [200, 250],
      [250, 250],
    ])
    expect(await all(reader.search({ chat: 'plaza', text: 'apple', from: 'bob_b' }))).toHaveLength(125)
    expect(await all(reader.search({ chat: 'plaza', shows: 'links' }))).toMatchObject([
      { text: 'see https://example.com', chat: plaza.id, senderId: bob.id },
    ])
    expect(await all(reader.search({ chat: 'plaza', text: 'pear', since: Date.now() + 60_000 }))).toEqual([])
    expect(
      await all(reader.search({ chat: 'plaza', text: 'pear', until: Date.now() + 60_000 })),
    ).toHaveLength(1)
  })

  test('finds texts in all chats', async () => {
    for (let n = 0; n < 60; n++) {
      await alice.in(news).sends(`apple ${n}`)
      await bob.in(plaza).sends(`apple ${n}`)
    }
    await alice.to(account).sends('one apple more')
    const reader = await person()
    const found = await all(reader.search({ text: 'apple' }))
    expect(found).toHaveLength(121)
    expect(new Set(found.map(({ chat, id }) => `${chat} ${id}`)).size).toBe(121)
    expect(new Set(found.map(({ chat }) => chat))).toEqual(new Set([plaza.id, news.id, account.id]))
    // Bob is not in the channel, so he finds only messages of the group.
    expect(await all((await person(bob, '491700000001')).search({ text: 'apple' }))).toHaveLength(60)
  })
})

describe('the admin log', () => {
  test('contains what was done and by whom, the latest first', async () => {
    const carol = telegram.createUser({ firstName: 'Carol' })
    await carol.in(plaza).joins()
    const message = await carol.in(plaza).sends('buy now')
    await carol.in(plaza).edits(message, 'buy here')
    await api().deleteMessage(plaza.id, message.message_id)
    await api().restrictChatMember(plaza.id, bob.id, { can_send_messages: false })
    await api().banChatMember(plaza.id, carol.id)
    await api().setChatTitle(plaza.id, 'Square')
    const log = await all((await person()).adminLog('plaza'))
    const by = { id: account.id }
    expect(log).toMatchObject([
      { by, action: { kind: 'title', before: 'Plaza', after: 'Square' } },
      {
        by,
        action: {
          kind: 'rights',
          before: { status: 'member' },
          after: { status: 'banned', user: { id: carol.id } },
        },
      },
      {
        by,
        action: {
          kind: 'rights',
          before: { status: 'member' },
          after: { status: 'restricted', user: { id: bob.id } },
        },
      },
      { by, action: { kind: 'deleted', message: { text: 'buy here', senderId: carol.id } } },
      {
        by: { id: carol.id },
        action: { kind: 'edited', before: { text: 'buy now' }, after: { text: 'buy here' } },
      },
      { by: { id: carol.id }, action: { kind: 'joined' } },
    ])
    expect(log.every(({ at }) => Math.abs(at - Date.now()) < 600_000)).toBe(true)
  })

  test('can be filtered by kind, administrator and text, over several pages', async () => {
    const crowd = Array.from({ length: 150 }, (_, n) => telegram.createUser({ firstName: `Guest ${n}` }))
    for (const guest of crowd) await guest.in(plaza).joins()
    await api().setChatTitle(plaza.id, 'Square')
    const owner = await person()
    const told: number[] = []
    const onProgress = ({ seen }: { readonly seen: number }) => told.push(seen)
    expect(await all(owner.adminLog('plaza', { only: ['joined'], onProgress }))).toHaveLength(150)
    expect(told).toEqual([100, 150])
    expect(await all(owner.adminLog('plaza', { only: ['info', 'deleted'] }))).toHaveLength(1)
    expect(await all(owner.adminLog('plaza', { by: ['watcher_bot'] }))).toHaveLength(1)
    expect(await all(owner.adminLog('plaza', { text: 'guest 149' }))).toHaveLength(1)
    await expect(all((await person(bob, '491700000001')).adminLog('plaza'))).rejects.toMatchObject({
      reason: 'CHAT_ADMIN_REQUIRED',
    })
  })
})

test('a person can list their sessions, and end another one', async () => {
  const first = await person()
  const second = await person()
  const sessions = await first.sessions()
  expect(sessions).toHaveLength(2)
  expect(sessions.map(({ isCurrent }) => isCurrent)).toEqual([true, false])
  expect(sessions[0]).toMatchObject({ apiId: 1, device: expect.stringContaining('grammy-sentinel') })
  const [, other] = sessions
  await expect(first.endSession('not one')).rejects.toMatchObject({ code: 'mtproto.session' })
  await expect(first.endSession('4711')).rejects.toMatchObject({ reason: 'HASH_INVALID' })
  await first.endSession(other?.id ?? '')
  expect(await first.sessions()).toHaveLength(1)
  await expect(second.sessions()).rejects.toMatchObject({ reason: 'AUTH_KEY_UNREGISTERED' })
})
