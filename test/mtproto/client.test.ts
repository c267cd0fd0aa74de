import { jest } from '@jest/globals'
import { Bot } from 'grammy'
import { refusedOr } from '../../src/mtproto/client/calls/refusal.js'
import { type MtprotoOptions, mtproto } from '../../src/mtproto/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { Person, TelegramGroup } from '../../src/telegram/index.js'
import { until } from '../servers/until.js'
import { account, alice, all, client, face, guest, kept, onStage, person, telegram } from './stage.js'

onStage()

let bob: Person
let plaza: TelegramGroup

beforeEach(async () => {
  bob = telegram.createUser({ firstName: 'Bob', isPremium: true })
  plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
})

test('a bot can log in with its token', async () => {
  expect(await client().connect()).toMatchObject({ id: account.id, isBot: true, username: 'watcher_bot' })
})

test('members are listed with their status and the date they joined', async () => {
  const before = Math.floor(Date.now() / 1000) * 1000
  await bob.in(plaza).joins()
  const members = await all(client().members('plaza'))
  expect(members).toContainEqual({
    user: expect.objectContaining({ id: bob.id, firstName: 'Bob', isPremium: true }),
    status: 'member',
    joinedAt: expect.any(Number),
  })
  const { joinedAt = 0 } = members.find(({ user }) => user.id === bob.id) ?? {}
  expect(joinedAt).toBeGreaterThanOrEqual(before)
  expect(members).toContainEqual({ user: expect.objectContaining({ id: alice.id }), status: 'creator' })
})

test('a group of several pages is listed completely, with progress', async () => {
  const crowd = Array.from({ length: 450 }, (_, n) => telegram.createUser({ firstName: `User ${n}` }))
  const town = telegram.createGroup({
    title: 'Town',
    owner: alice,
    admins: [account],
    members: crowd,
    username: 'town',
  })
  const told: number[] = []
  const members = await all(client().members('town', { onProgress: ({ seen }) => told.push(seen) }))
  expect(new Set(members.map(({ user }) => user.id)).size).toBe(452)
  expect(told).toEqual([200, 380, 452])
  expect(face.calls('channels.getParticipants')).toBe(3)
  expect(town.id).toBeLessThan(0)
})

test('a dossier contains what is known, and reasons for what is not', async () => {
  await bob.in(plaza).joins()
  const watcher = client()
  await all(watcher.members('plaza'))
  face.fail('photos.getUserPhotos', 400, 'BOT_METHOD_INVALID')
  expect(await watcher.dossier(bob.id)).toMatchObject({
    profile: { firstName: 'Bob', isPremium: true, isScam: false },
    commonChats: 1,
    age: {},
    unknown: { photos: 'BOT_METHOD_INVALID' },
  })
})

test('names are resolved once, and remembered', async () => {
  const watcher = client()
  expect(await watcher.resolve('@alice')).toBe(alice.id)
  expect(await watcher.resolve('alice')).toBe(alice.id)
  expect(await watcher.resolve('plaza')).toBe(plaza.id)
  expect(face.calls('contacts.resolveUsername')).toBe(2)
  await expect(watcher.resolve('nobody_at_all')).rejects.toMatchObject({
    code: 'mtproto.refused',
    reason: 'USERNAME_NOT_OCCUPIED',
  })
})

test('history() reads all messages, and purge() deletes those of a user by id if the account may not delete them at once', async () => {
  await bob.in(plaza).joins()
  for (let n = 0; n < 130; n++) await (n % 2 === 0 ? bob : alice).in(plaza).sends(`message ${n}`)
  const watcher = client()
  const read = await all(watcher.history('plaza'))
  expect(read.filter(({ isService }) => !isService)).toHaveLength(130)
  await all(watcher.members('plaza'))
  expect(await watcher.purge('plaza', bob.id)).toEqual({
    deleted: 65,
    way: 'by id',
    reason: 'BOT_METHOD_INVALID',
  })
  const left = await all(watcher.history('plaza'))
  expect(left.filter(({ isService }) => !isService).map(({ senderId }) => senderId)).toEqual(
    Array(65).fill(alice.id),
  )
})

test('messages in the name of a channel are purged by its id, for bots one by one and for people at once', async () => {
  const spam = telegram.createChannel({ title: 'Spam', owner: bob })
  await bob.in(plaza).joins()
  const write = async () => {
    for (let n = 0; n < 3; n++) await bob.in(plaza).as(spam).sends(`buy ${n}`)
    await bob.in(plaza).sends('hello')
  }
  await write()
  expect(await client().purge('plaza', spam.id)).toMatchObject({ deleted: 3, way: 'by id' })
  await write()
  const owner = await person()
  await all(owner.history('plaza'))
  expect(await owner.purge('plaza', spam.id)).toEqual({ deleted: 3, way: 'at once' })
  expect(plaza.messages.flatMap(({ text }) => text ?? [])).toEqual(['hello', 'hello'])
})

test('waits as long as Telegram demands, up to the patience, and reports waits', async () => {
  const waits: number[] = []
  const watcher = client({
    patience: '3s',
    onWait: ({ method, waitMs }) => waits.push(waitMs, method.length),
  })
  await watcher.connect()
  face.fail('contacts.resolveUsername', 420, 'FLOOD_WAIT_1')
  expect(await watcher.resolve('alice')).toBe(alice.id)
  expect(waits).toHaveLength(2)
  // A longer wait than the patience is refused.
  face.fail('contacts.resolveUsername', 420, 'FLOOD_WAIT_60')
  await expect(watcher.resolve('plaza')).rejects.toMatchObject({ code: 'mtproto.flood' })
  expect(watcher.counts()).toMatchObject({ waits: 2, errors: { FLOOD_WAIT: expect.any(Number) } })
})

test('purge() ends by its signal, also while a deletion waits for a FLOOD_WAIT', async () => {
  await bob.in(plaza).joins()
  await bob.in(plaza).sends('spam')
  const watcher = client()
  face.fail('channels.deleteMessages', 420, 'FLOOD_WAIT_8')
  const ending = new AbortController()
  const failed = expect(watcher.purge('plaza', bob.id, { signal: ending.signal })).rejects.toThrow('enough')
  await until('the deletion waits', () => watcher.counts().waiting === 1)
  ending.abort(new Error('enough'))
  await failed
  expect(watcher.counts().waiting).toBe(0)
})

test('history() and purge() begin at the newest message, even if many messages before it were deleted', async () => {
  const bot = new Bot(account.token, account.config)
  const ids: number[] = []
  for (let n = 0; n < 120; n++) {
    const { message_id } = await bot.api.sendMessage(plaza.id, `message ${n}`)
    ids.push(message_id)
  }
  const first = ids[0] as number
  // Deletes all messages from the first one on, more than a page.
  for (let from = 1; from < first + 112; from += 100)
    await bot.api.deleteMessages(
      plaza.id,
      Array.from({ length: Math.min(100, first + 112 - from) }, (_, n) => from + n),
    )
  await bob.in(plaza).joins()
  await bob.in(plaza).sends('spam')
  const watcher = client()
  const texts: string[] = []
  for await (const { text, isService } of watcher.history(plaza.id)) if (!isService) texts.push(text)
  expect(texts).toEqual(['spam', ...Array.from({ length: 8 }, (_, n) => `message ${119 - n}`)])
  expect(watcher.counts().gaps).toBe(0)
  expect(await watcher.purge(plaza.id, bob.id)).toMatchObject({ deleted: 1, way: 'by id' })
  // When Telegram has dropped the single events, it sends only the id of the last message.
  face.forget(plaza)
  texts.length = 0
  for await (const { text, isService } of watcher.history(plaza.id, { depth: 9 }))
    if (!isService) texts.push(text)
  expect(texts[0]).toBe('message 119')
})

test('an exception of a listener does not affect other listeners', async () => {
  const watcher = client()
  const told: unknown[] = []
  const said = jest.spyOn(console, 'error').mockImplementation(() => undefined)
  watcher.onError(() => {
    throw new Error('of the listener')
  })
  watcher.onError((error) => told.push(error))
  const bot = new Bot(account.token, account.config)
  const failure = new Error('of the handler')
  bot.on('message', () => {
    throw failure
  })
  await watcher.bridge(bot)
  await alice.in(plaza).sends('hello')
  await until('the failure is told', () => told.length > 0)
  // A rethrown error would be an unhandled rejection, which fails the test, as it ends a process.
  expect(told).toHaveLength(1)
  expect(said.mock.calls.flat().join()).toContain('of the listener')
  said.mockRestore()
})

describe('failures', () => {
  test('an unknown token, or a bridge that cannot start, causes an error of ours with the reason', async () => {
    const unknown = guest({ botToken: '1:wrong' })
    const refusal = {
      code: 'mtproto.refused',
      method: 'auth.importBotAuthorization',
      reason: expect.any(String),
    }
    await expect(unknown.connect()).rejects.toMatchObject(refusal)
    await expect(unknown.dossier(5)).rejects.toMatchObject(refusal)
    const bot = new Bot(account.token, account.config)
    face.fail('updates.getState', 400, 'SOMETHING_WRONG', 20)
    await expect(client().bridge(bot)).rejects.toMatchObject({
      code: 'mtproto.refused',
      method: 'updates.getState',
      reason: 'SOMETHING_WRONG',
    })
  })

  test('a call that close() interrupts, or that is made after it, rejects with an explanation', async () => {
    for (const text of ['Session is reset', 'Client is destroyed'])
      expect(refusedOr(new Error(text), 'users.getUsers')).toMatchObject({
        code: 'mtproto.session',
        message: expect.stringContaining('closed while users.getUsers was under way'),
      })
    const other = new Error('something else')
    expect(refusedOr(other, 'users.getUsers')).toBe(other)
    // A call of mtcute itself must reject as well, not cause an unhandled rejection.
    const ended = client()
    const mtcute = await ended.raw()
    await ended.close()
    await expect(mtcute.call({ _: 'help.getConfig' })).rejects.toMatchObject({ code: 'mtproto.session' })
  })
})

describe('a session in a storage', () => {
  const KEY = 'ab'.repeat(32)
  let storage: Storage
  beforeEach(() => {
    storage = memory()
  })

  test('is reused without another login', async () => {
    const first = client({ storage, encryptionKeys: [KEY] })
    await first.connect()
    await first.close()
    const second = client({ storage, encryptionKeys: [KEY] })
    expect(await second.connect()).toMatchObject({ id: account.id })
    expect(face.calls('auth.importBotAuthorization')).toBe(1)
  })

  test('is encrypted, and the key can be rotated', async () => {
    const first = client({ storage, encryptionKeys: [KEY] })
    await first.connect()
    await first.close()
    const { entries } = await storage.values.scan('mtproto.main')
    const auth = entries.find(({ key }) => key.startsWith('auth:'))
    expect(auth?.value).toMatchObject({ sealed: expect.stringMatching(/^gcm:/) })
    const other = 'cd'.repeat(32)
    await expect(client({ storage, encryptionKeys: [other] }).connect()).rejects.toMatchObject({
      code: 'mtproto.session',
    })
    const both = client({ storage, encryptionKeys: [other, KEY] })
    await both.connect()
    await both.close()
    expect(await client({ storage, encryptionKeys: [other] }).connect()).toMatchObject({ id: account.id })
  })

  test('of another account that is not encrypted is refused, but can be imported as a string', async () => {
    const other = telegram.createBot({ username: 'other_bot' })
    const theirs = memory()
    const stranger = guest({ botToken: other.token, storage: theirs })
    await stranger.connect()
    await stranger.close()
    const first = client({ storage, encryptionKeys: [KEY] })
    await first.connect()
    await first.close()
    for (const { key, value } of (await theirs.values.scan('mtproto.main')).entries)
      if (key.startsWith('auth:')) await storage.values.put('mtproto.main', key, value)
    await expect(client({ storage, encryptionKeys: [KEY] }).connect()).rejects.toMatchObject({
      code: 'mtproto.session',
      message: expect.stringContaining('not encrypted'),
    })
    // The way that the error suggests.
    const open = client({ storage: theirs, name: 'open' })
    await open.connect()
    const session = await open.exportSession()
    await open.close()
    const sealed = guest({ storage: theirs, name: 'sealed', encryptionKeys: [KEY] })
    expect(await sealed.importSession(session)).toMatchObject({ id: account.id })
  })

  test('can be moved to another storage as a string', async () => {
    const first = client({ storage })
    await first.connect()
    const session = await first.exportSession()
    await first.close()
    const second = client({ storage: memory(), session })
    expect(await second.connect()).toMatchObject({ id: account.id })
  })
})

test('updates by MTProto reach the handlers of a bot like those of the Bot API', async () => {
  const bot = new Bot(account.token, account.config)
  const heard: unknown[] = []
  bot.on('message:text', (ctx) =>
    heard.push([ctx.chat.id, ctx.from.id, ctx.message.text, ctx.update.update_id > 2 ** 52]),
  )
  bot.on(':new_chat_members', (ctx) => heard.push(ctx.message?.new_chat_members?.map(({ id }) => id)))
  const watcher = client()
  await watcher.bridge(bot)
  await bob.in(plaza).joins()
  await bob.in(plaza).sends('hello')
  await alice.to(account).sends('a word')
  await until('all of it is heard', () => heard.length >= 3)
  expect(heard).toHaveLength(3)
  expect(heard).toContainEqual([bob.id])
  expect(heard).toContainEqual([plaza.id, bob.id, 'hello', true])
  expect(heard).toContainEqual([alice.id, alice.id, 'a word', true])
})

test.each<[string, Partial<MtprotoOptions>, RegExp]>([
  ['no number', { apiId: 0 }, /mtproto\.apiId: .*my\.telegram\.org/],
  ['no token', { botToken: 'token' }, /mtproto\.botToken/],
  ['a short key', { encryptionKeys: ['ab'] }, /openssl rand/],
])(
  'options with %s are refused before anything is loaded, without secrets in the error',
  (_, options, complaint) => {
    expect(() => client(options)).toThrow(complaint)
  },
)

describe('a person', () => {
  test('can log in with a code and a password, and may do what bots may not', async () => {
    face.givePhone(alice, '+49 170 1234567', 'correct horse')
    await bob.in(plaza).joins()
    for (let n = 0; n < 30; n++) await bob.in(plaza).sends(`message ${n}`)
    const person = mtproto({ apiId: 1, apiHash: 'any', server: face.address })
    kept(person)
    const login = { phone: '+491701234567', code: () => face.codeFor('+491701234567') }
    await expect(person.logIn({ ...login, password: () => 'wrong' })).rejects.toMatchObject({
      reason: 'PASSWORD_HASH_INVALID',
    })
    expect(await person.logIn({ ...login, password: () => 'correct horse' })).toMatchObject({
      id: alice.id,
      isBot: false,
    })
    await all(person.members('plaza'))
    // Thirty messages, and the service message about joining.
    expect(await person.purge('plaza', bob.id)).toEqual({ deleted: 31, way: 'at once' })
  })

  test('is refused with a wrong code', async () => {
    face.givePhone(alice, '+491701234567')
    const person = mtproto({ apiId: 1, apiHash: 'any', server: face.address })
    kept(person)
    const login = { phone: '+491701234567', code: () => '00000' }
    await expect(person.logIn(login)).rejects.toMatchObject({
      code: 'mtproto.refused',
      reason: 'PHONE_CODE_INVALID',
    })
  })
})
