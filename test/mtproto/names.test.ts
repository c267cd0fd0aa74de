import { SentinelError } from '../../src/core/errors.js'
import type { Caller } from '../../src/mtproto/client/calls/caller.js'
import { Names } from '../../src/mtproto/client/calls/names.js'
import { hintFor, PERMISSIONS, permissionsWith } from '../../src/mtproto/client/calls/permissions.js'
import { MtprotoRefusal } from '../../src/mtproto/client/calls/refusal.js'
import { SessionStorage } from '../../src/mtproto/client/sessions/session-storage.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { Person } from '../../src/telegram/index.js'
import { account, alice, client, face, onStage, telegram } from './stage.js'

onStage()

/** Changes the username of a person without an update. */
function rename({ account: { user } }: Person, username: string): void {
  Object.assign(user, { username })
}

const asked = () => face.calls('contacts.resolveUsername')

describe('a username', () => {
  test('is resolved once, whoever asks and however it is written', async () => {
    const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
    const watcher = client()
    const found = await Promise.all([
      watcher.resolve('@alice'),
      watcher.resolve('ALICE'),
      watcher.resolve('alice'),
    ])
    expect(found).toEqual([alice.id, alice.id, alice.id])
    await watcher.dossier('alice')
    for await (const _ of watcher.members('plaza')) break
    expect(await watcher.resolve('plaza')).toBe(plaza.id)
    expect(asked()).toBe(2)
    expect(watcher.counts().names).toEqual({ asked: 2, left: 198 })
  })

  test('that does not exist is remembered as well', async () => {
    const watcher = client()
    for (let n = 0; n < 3; n++) {
      await expect(watcher.resolve('nobody_at_all')).rejects.toMatchObject({
        reason: 'USERNAME_NOT_OCCUPIED',
      })
    }
    expect(asked()).toBe(1)
  })

  test('is resolved again when another user is seen with it, or its owner with another name', async () => {
    const bob = telegram.createUser({ firstName: 'Bob' })
    const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], members: [bob] })
    const watcher = client()
    expect(await watcher.resolve('alice')).toBe(alice.id)
    rename(alice, 'alicia')
    rename(bob, 'alice')
    // Telegram has not reported the change yet.
    expect(await watcher.resolve('alice')).toBe(alice.id)
    for await (const _ of watcher.members(plaza.id)) {
      // The list contains both users.
    }
    expect(await watcher.resolve('alice')).toBe(bob.id)
    expect(await watcher.resolve('alicia')).toBe(alice.id)
    expect(asked()).toBe(3)
  })

  test('is looked up only up to the daily limit, across processes, and counts() returns the rest', async () => {
    for (const name of ['bobby', 'carol', 'david']) telegram.createUser({ firstName: name, username: name })
    const storage = memory()
    const watcher = client({ storage, namesPerDay: 2 })
    await watcher.resolve('alice')
    await watcher.close()
    const next = client({ storage, namesPerDay: 2 })
    await next.resolve('bobby')
    expect(next.counts().names).toEqual({ asked: 2, left: 0 })
    await expect(next.resolve('carol')).rejects.toMatchObject({
      code: 'mtproto.flood',
      message: expect.stringMatching(/2 names were looked up within a day.*again in 24 h/),
    })
    expect(await next.resolve('alice')).toBe(alice.id)
    expect(asked()).toBe(2)
    await next.close()
    const unbound = client({ storage, namesPerDay: Number.POSITIVE_INFINITY })
    await unbound.resolve('david')
    expect(asked()).toBe(3)
  })
})

test('many concurrent first look-ups do not exceed the daily limit', async () => {
  const crowd = Array.from({ length: 10 }, (_, n) => `somebody_${n}`)
  for (const username of crowd) telegram.createUser({ firstName: username, username })
  const watcher = client({ namesPerDay: 3 })
  await watcher.connect()
  const answers = await Promise.allSettled(crowd.map((name) => watcher.resolve(name)))
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
  expect(asked()).toBe(3)
  expect(watcher.counts().names).toEqual({ asked: 3, left: 0 })
})

describe('over time', () => {
  let now: number
  let storage: Storage
  let calls: number
  let names: Names
  const caller = {
    async call({ username }: { readonly username: string }) {
      calls++
      if (username === 'nobody') throw new MtprotoRefusal('contacts.resolveUsername', 'USERNAME_NOT_OCCUPIED')
      return { peer: { _: 'peerUser', userId: 7 } }
    },
  } as unknown as Caller

  beforeEach(() => {
    now = 1_795_000_000_000
    calls = 0
    storage = memory({ clock: () => now })
    const session = new SessionStorage(storage, 'main', [])
    names = new Names({
      values: storage.values,
      space: session.space,
      peers: session.peers,
      clock: () => now,
      perDay: 3,
    })
  })

  test('a name is looked up again after a day, and an unknown name after an hour', async () => {
    await names.resolve('alice', caller)
    await expect(names.resolve('nobody', caller)).rejects.toMatchObject({ reason: 'USERNAME_NOT_OCCUPIED' })
    now += 3_599_999
    await names.resolve('alice', caller)
    await expect(names.resolve('nobody', caller)).rejects.toMatchObject({ reason: 'USERNAME_NOT_OCCUPIED' })
    expect(calls).toBe(2)
    now += 1
    await expect(names.resolve('nobody', caller)).rejects.toMatchObject({ reason: 'USERNAME_NOT_OCCUPIED' })
    expect(calls).toBe(3)
    await expect(names.resolve('other', caller)).rejects.toMatchObject({ code: 'mtproto.flood' })
    now += 86_400_000
    await names.resolve('alice', caller)
    expect(calls).toBe(4)
    expect(names.quota).toEqual({ asked: 1, left: 2 })
  })

  test('a look-up that was not made because of a long wait does not count', async () => {
    const hasty = {
      call: () => Promise.reject(new SentinelError('mtproto.flood', 'too long')),
    } as unknown as Caller
    await expect(names.resolve('alice', hasty)).rejects.toMatchObject({ code: 'mtproto.flood' })
    expect(names.quota).toEqual({ asked: 0, left: 3 })
    expect(await names.resolve('alice', caller)).toBe(7)
    expect(names.quota).toEqual({ asked: 1, left: 2 })
  })

  test('an update of a username invalidates what was remembered', async () => {
    await names.resolve('alice', caller)
    names.saw({
      _: 'updateShort',
      update: { _: 'updateUserName', userId: 7, usernames: [{ username: 'Alicia', active: true }] },
    })
    await names.resolve('alice', caller)
    expect(calls).toBe(2)
    // Incomplete users (min) are ignored, because their usernames may be missing.
    names.saw({ users: [{ _: 'user', id: 7, min: true }] })
    names.saw({
      users: [{ _: 'user', id: 8, username: 'bob' }],
      chats: [{ _: 'channel', id: 7, username: 'chat' }],
    })
    await names.resolve('alice', caller)
    expect(calls).toBe(2)
  })

  test.each(['messages.invitedUsers', 'payments.paymentResult', 'messages.chatInviteJoinResultOk'])(
    'usernames in nested updates of %s are noticed',
    async (_) => {
      await names.resolve('alice', caller)
      const users = [{ _: 'user', id: 8, username: 'Alice' }]
      names.saw({ _, updates: { _: 'updates', updates: [{ _: 'updateDeleteMessages' }], users, chats: [] } })
      await names.resolve('alice', caller)
      expect(calls).toBe(2)
      names.saw({ _, updates: { _: 'updatesTooLong' }, users: 7 })
    },
  )
})

describe('permissions of methods', () => {
  test('add a hint to a refusal, with what a bot can do instead', async () => {
    const raw = client()
    const search = async () => {
      for await (const _ of raw.search({ chat: 'plaza', text: 'word' })) break
    }
    telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
    await expect(search()).rejects.toMatchObject({
      reason: 'BOT_METHOD_INVALID',
      hint: expect.stringMatching(/for people's accounts: use history\(\)/),
      message: expect.stringMatching(/refuses messages\.search: BOT_METHOD_INVALID\. This is for/),
    })
  })

  test('can be overridden, and never prevent a call', async () => {
    const watcher = client({ permissions: { 'contacts.resolveUsername': 'people' } })
    expect(await watcher.resolve('alice')).toBe(alice.id)
    face.fail('contacts.resolveUsername', 400, 'BOT_METHOD_INVALID')
    await expect(watcher.resolve('someone')).rejects.toMatchObject({
      hint: expect.stringMatching(/log one in with logIn\(\)/),
    })
    face.fail('contacts.resolveUsername', 400, 'BOT_METHOD_INVALID')
    await expect(client().resolve('someone')).rejects.toMatchObject({
      hint: expect.stringMatching(/Bots could call this so far/),
    })
    expect(() => client({ permissions: { 'messages.search': 'nobody' as never } })).toThrow(/permissions/)
  })

  test('give no hint for other refusals', () => {
    expect(hintFor('messages.search', 'CHAT_ADMIN_REQUIRED', PERMISSIONS)).toBeUndefined()
    expect(hintFor('bots.sendCustomRequest', 'USER_BOT_REQUIRED', PERMISSIONS)).toMatch(/botToken/)
    expect(permissionsWith({ 'a.b': 'bots' }).get('a.b')).toBe('bots')
    expect(permissionsWith({ ['__proto__']: 'bots' }).get('toString')).toBeUndefined()
  })
})

describe('an id', () => {
  const NOBODY = 999_999
  const NOWHERE = -1_001_234_567_890
  const read = async (messages: AsyncIterable<unknown>) => {
    for await (const _ of messages) break
  }

  test('of a user or chat that the account has not met is refused with the method and a hint', async () => {
    const watcher = client()
    const hint = expect.stringContaining('only users it has met')
    await expect(watcher.dossier(NOBODY)).rejects.toMatchObject({ method: 'users.getUsers', hint })
    const places = [
      watcher.fullChat(NOWHERE),
      read(watcher.members(NOWHERE)),
      watcher.purge(NOWHERE, alice.id),
    ]
    for (const place of places) {
      await expect(place).rejects.toMatchObject({
        code: 'mtproto.refused',
        method: 'channels.getChannels',
        hint,
      })
    }
  })

  test('of the wrong kind is refused with an error of ours', async () => {
    const basic = telegram.createGroup({ title: 'Basic', owner: alice, admins: [account], basic: true })
    const watcher = client()
    const code = 'subject.invalid'
    await expect(read(watcher.members(basic.id))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/^mtproto: -\d+ is not a supergroup or channel; basic groups/),
    })
    await expect(read(watcher.history(alice.id, { from: 1, to: 2 }))).rejects.toMatchObject({ code })
    await expect(watcher.dossier(basic.id)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/^mtproto: -\d+ is not a user\.$/),
    })
    await expect(watcher.dossier(0)).rejects.toMatchObject({ code })
  })
})
