import { SentinelError } from '../../src/core/errors.js'
import { keyText, subject, userKey } from '../../src/core/subject.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import type { UserActivity } from '../../src/storage/contract/users.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { UserProfile } from '../../src/users/profiles.js'
import { desk, later, nextId, posts, says, taps, tick, types } from '../sentinel/desk.js'

const ALICE = 7
const BOB = 8

/** A memory storage, and every write of activity to it. */
function noting(fail: () => Error | undefined = () => undefined) {
  const inner = memory()
  const writes: { bot: number; activity: readonly UserActivity[] }[] = []
  const users: Storage['users'] = {
    get: (...args) => inner.users.get(...args),
    patch: (...args) => inner.users.patch(...args),
    scan: (...args) => inner.users.scan(...args),
    erase: (...args) => inner.users.erase(...args),
    async note(bot, activity) {
      await tick()
      const error = fail()
      if (error !== undefined) throw error
      writes.push({ bot, activity })
      await inner.users.note(bot, activity)
    },
  }
  const storage = new Proxy(inner, {
    get(of, name) {
      if (name === 'users') return users
      const value: unknown = Reflect.get(of, name)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
  return { storage, writes }
}

describe('activity', () => {
  test('is noted for updates of users, and written in batches once a second', async () => {
    const { storage, writes } = noting()
    const { handle, says: say, guard, time } = desk({ users: true, storage })
    await say(ALICE, 'one', 'two')
    await handle(taps(ALICE, 'yes'))
    await handle(types(BOB, 'query'))
    time.advance(999)
    await tick()
    expect(writes).toEqual([])
    expect((await guard.health()).activity).toEqual({ waiting: 2, dropped: 0 })
    time.advance(1)
    await tick()
    await tick()
    expect(writes).toHaveLength(1)
    expect(await guard.users.read(ALICE)).toEqual({
      subject: subject.user(ALICE),
      firstSeen: time.now - 1000,
      lastSeen: time.now - 1000,
      counts: { message: 2, tap: 1 },
      data: {},
    })
    expect((await guard.users.read(BOB))?.counts).toEqual({ inline: 1 })
    expect((await guard.health()).activity).toEqual({ waiting: 0, dropped: 0 })
    // Without activity nothing is written.
    time.advance(60_000)
    await tick()
    expect(writes).toHaveLength(1)
    await say(ALICE, 'three')
    time.advance(1000)
    await guard.close()
    expect(await storage.users.get(42, userKey(ALICE))).toMatchObject({
      lastSeen: time.now - 1000,
      counts: { message: 3, tap: 1 },
    })
  })

  test('counts denials, and duplicates only once', async () => {
    const storage = memory()
    const { guard, handle, says: say } = desk({ users: true, storage })
    const twice = says(ALICE, 'twice', { id: nextId() })
    await handle(twice)
    await handle(twice)
    await handle(posts('nobody says so'))
    await guard.block(BOB)
    await say(BOB, 'let me in', 'please')
    await guard.close()
    expect((await storage.users.get(42, userKey(ALICE)))?.counts).toEqual({ message: 1 })
    expect((await storage.users.get(42, userKey(BOB)))?.counts).toEqual({ message: 2, denials: 2 })
  })

  test('is written when the sentinel closes, and counts a denial by a handler once', async () => {
    const storage = memory()
    const { guard, says: say } = desk(
      { users: true, storage, throttle: { limit: '2/1h', deny: 'silent' } },
      (bot) => {
        bot.hears('mine', (ctx) => ctx.sentinel.deny({ notice: false }))
      },
    )
    await say(ALICE, 'mine', 'two', 'over', 'over')
    await guard.close()
    expect((await storage.users.get(42, userKey(ALICE)))?.counts).toEqual({ message: 4, denials: 3 })
  })

  test('is only noted while the option is on', async () => {
    const storage = memory()
    const { guard, says: say } = desk({ storage })
    await say(ALICE, 'one')
    expect((await guard.health()).activity).toBeUndefined()
    guard.reconfigure({ users: true })
    await say(ALICE, 'two', 'three')
    guard.reconfigure({ users: false })
    await say(ALICE, 'four')
    await guard.close()
    expect((await storage.users.get(42, userKey(ALICE)))?.counts).toEqual({ message: 2 })
  })

  test('of several bots is stored separately, and reported together', async () => {
    const { guard, says: say, another, time } = desk({ users: true, storage: noting().storage })
    const other = another(43)
    await say(ALICE, 'one')
    time.advance(500)
    await other.handle(says(ALICE, 'two'))
    await other.handle(says(BOB, 'three'))
    const { storage } = guard
    time.advance(1000)
    await tick()
    await tick()
    await tick()
    expect((await storage.users.get(43, userKey(ALICE)))?.counts).toEqual({ message: 1 })
    const alice = await guard.users.read(ALICE)
    expect(alice?.counts).toEqual({ message: 2 })
    expect((alice?.lastSeen ?? 0) - (alice?.firstSeen ?? 0)).toBe(500)
    const found: UserProfile[] = []
    for await (const profile of guard.users.scan()) found.push(profile)
    expect(found.map(({ subject: { id }, counts }) => [id, counts.message])).toEqual([
      [ALICE, 2],
      [BOB, 1],
    ])
  })

  test('that the storage refuses is reported, kept, and written with the next batch', async () => {
    let broken: Error | undefined = new Error('away')
    const { storage, writes } = noting(() => broken)
    const { guard, says: say, time } = desk({ users: true, storage })
    const failures: string[] = []
    guard.on('error', ({ during, error }) => failures.push(`${during}: ${(error as Error).message}`))
    await say(ALICE, 'one')
    for (let second = 0; second < 3; second++) {
      time.advance(1000)
      for (let i = 0; i < 4; i++) await tick()
    }
    expect(failures).toEqual(Array(3).fill('users.note: away'))
    broken = undefined
    await say(ALICE, 'two')
    time.advance(1000)
    for (let i = 0; i < 4; i++) await tick()
    expect(writes).toHaveLength(1)
    expect((await guard.users.read(ALICE))?.counts).toEqual({ message: 2 })
    expect(failures).toHaveLength(3)
    // At the end there is no retry: this failure is reported, too.
    broken = new Error('for good')
    await say(ALICE, 'three')
    await guard.close()
    expect(failures.at(-1)).toBe('users.note: for good')
  })

  test('that waits for a storage that is down is reported once: when it is lost', async () => {
    const down = new SentinelError('storage.unavailable', 'the storage is down')
    const { guard, says: say, time } = desk({ users: true, storage: noting(() => down).storage })
    const failures: string[] = []
    guard.on('error', ({ during }) => failures.push(during))
    await say(ALICE, 'one')
    for (let second = 0; second < 3; second++) {
      time.advance(1000)
      for (let i = 0; i < 4; i++) await tick()
    }
    expect(failures).toEqual([])
    expect((await guard.health()).activity).toEqual({ waiting: 1, dropped: 0 })
    await guard.close()
    expect(failures).toEqual(['users.note'])
  })

  test('of a flood of many users is bounded, in memory and in writes', async () => {
    let release = (): void => undefined
    const gate = new Promise<void>((open) => {
      release = open
    })
    const { storage, writes } = noting()
    const held: Storage['users'] = {
      ...storage.users,
      async note(bot, activity) {
        await gate
        await storage.users.note(bot, activity)
      },
    }
    const stuck = new Proxy(storage, {
      get: (of, name) => (name === 'users' ? held : Reflect.get(of, name)),
    })
    const { guard, handle } = desk({ users: true, storage: stuck, throttle: false })
    for (let id = 1; id <= 16_000; id++) await handle(says(id, 'hello'))
    // Half of the maximum is being written, and as much waits again: the rest is not counted.
    expect((await guard.health()).activity).toEqual({ waiting: 10_000, dropped: 1000 })
    await handle(says(15_000, 'known'))
    expect((await guard.health()).activity?.dropped).toBe(1000)
    release()
    await guard.close()
    expect(writes.flatMap(({ activity }) => activity)).toHaveLength(15_000)
    expect(Math.max(...writes.map(({ activity }) => activity.length))).toBeLessThanOrEqual(1000)
  })

  test('delays no update even if the storage hangs', async () => {
    const { storage } = noting()
    const hanging = new Proxy(storage, {
      get: (of, name) =>
        name === 'users' ? { ...of.users, note: () => new Promise(() => undefined) } : Reflect.get(of, name),
    })
    const { says: say, reached, time } = desk({ users: true, storage: hanging })
    for (let i = 0; i < 5; i++) {
      await say(ALICE, String(i))
      time.advance(1000)
    }
    expect(reached).toEqual(['0', '1', '2', '3', '4'])
  })
})

describe.each<[string, () => Storage]>([
  ['in memory', () => memory()],
  ['that answers later', () => later()],
])('users in a storage %s', (_, make) => {
  test('have custom data, merged field by field', async () => {
    const { guard, says: say } = desk({ storage: make() })
    expect(await guard.users.read(ALICE)).toBeUndefined()
    await say(ALICE, 'hello')
    expect(await guard.users.read(ALICE)).toBeUndefined()
    await guard.users.patch(ALICE, { language: 'en', theme: { dark: true } })
    await guard.users.patch(subject.user(ALICE), { theme: null, size: 2 })
    expect(await guard.users.read(ALICE)).toMatchObject({ data: { language: 'en', size: 2 }, counts: {} })
    await guard.users.patch(subject.sender(-100), { kind: 'channel' })
    const found: string[] = []
    for await (const { subject: whom } of guard.users.scan()) found.push(`${whom.kind} ${whom.id}`)
    expect(found.sort()).toEqual(['sender -100', 'user 7'])
    await guard.close()
  })

  test('are patched for each bot once it is known', async () => {
    const { guard, says: say, another } = desk({ storage: make() })
    const given = { list: [1] }
    await guard.users.patch(ALICE, given)
    given.list.push(2)
    expect(await guard.users.read(ALICE)).toBeUndefined()
    await say(BOB, 'hello')
    await tick()
    expect((await guard.users.read(ALICE))?.data).toEqual({ list: [1] })
    await another(43).handle(says(BOB, 'hello'))
    await tick()
    expect((await guard.storage.users.get(43, userKey(ALICE)))?.data).toEqual({ list: [1] })
    await guard.close()
  })

  test('are erased with their data, marks and state of limits', async () => {
    const { guard, says: say, reached, time } = desk({ storage: make(), users: true, throttle: '2/1h' })
    await say(BOB, 'hello')
    await guard.register(ALICE)
    await guard.grant(ALICE, 'vip')
    await guard.users.patch(ALICE, { language: 'en' })
    await say(ALICE, '1', '2', 'over')
    const told: string[] = []
    guard.on('unregistered', ({ key }) => told.push(keyText(key)))
    expect(await guard.users.erase(ALICE)).toMatchObject({ found: true })
    expect(told).toEqual(['u7'])
    time.advance(1000)
    await tick()
    await tick()
    expect(await guard.users.read(ALICE)).toBeUndefined()
    expect([await guard.isRegistered(ALICE), await guard.hasRole(ALICE, 'vip')]).toEqual([false, false])
    expect(await guard.users.erase(ALICE)).toMatchObject({ found: false })
    await say(ALICE, 'anew')
    expect(reached).toEqual(['hello', '1', '2', 'anew'])
    expect((await guard.users.read(BOB))?.counts).toEqual({ message: 1 })
    await guard.close()
  })

  test('are erased in their private chat, too', async () => {
    const {
      guard,
      says: say,
      reached,
    } = desk({ storage: make(), throttle: { limit: '1/1h', scope: 'chat' } })
    await say(ALICE, '1', 'over')
    await guard.users.erase(ALICE)
    await say(ALICE, '2')
    expect(reached).toEqual(['1', '2'])
    await guard.close()
  })

  test('stay blocked after erasure if the option says so', async () => {
    const { guard, says: say, reached } = desk({ storage: make() })
    await say(BOB, 'hello')
    await guard.block([ALICE, BOB], { reason: 'spam' })
    await guard.grant(ALICE, 'vip')
    expect(await guard.users.erase(ALICE, { keepBlock: true })).toMatchObject({ found: true })
    expect(await guard.users.erase(BOB)).toMatchObject({ found: true })
    expect((await guard.blockOf(ALICE))?.reason).toBe('spam')
    expect([await guard.hasRole(ALICE, 'vip'), await guard.isBlocked(BOB)]).toEqual([false, false])
    await say(ALICE, 'blocked')
    await say(BOB, 'free')
    expect(reached).toEqual(['hello', 'free'])
    await guard.close()
  })

  test('are erased before a bot is known, including marks that wait for it', async () => {
    const { guard, says: say, reached } = desk({ storage: make() })
    await guard.block([ALICE, BOB])
    expect(await guard.users.erase(ALICE)).toMatchObject({ found: true })
    await say(ALICE, 'free')
    await tick()
    await say(BOB, 'blocked')
    expect(reached).toEqual(['free'])
    await guard.close()
  })
})

test('a write during an erasure does not restore the user', async () => {
  let release = (): void => undefined
  const gate = new Promise<void>((open) => {
    release = open
  })
  const inner = memory()
  const { note } = inner.users
  const storage = new Proxy(inner, {
    get(of, name) {
      if (name === 'users') {
        return new Proxy(of.users, {
          get(users, method) {
            if (method === 'note') {
              return async (...args: Parameters<typeof note>) => {
                await gate
                return users.note(...args)
              }
            }
            const value: unknown = Reflect.get(users, method)
            return typeof value === 'function' ? value.bind(users) : value
          },
        })
      }
      const value: unknown = Reflect.get(of, name)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
  const { guard, says: say, time } = desk({ users: true, storage })
  await say(ALICE, 'one')
  time.advance(1000)
  await say(ALICE, 'two')
  const erased = guard.users.erase(ALICE)
  await tick()
  release()
  await erased
  await guard.close()
  expect(await inner.users.get(42, userKey(ALICE))).toBeUndefined()
})

test('invalid subjects, data and options are refused', async () => {
  const { guard } = desk()
  await expect(guard.users.read(0)).rejects.toMatchObject({ code: 'subject.invalid' })
  await expect(guard.users.patch(ALICE, { big: 1n })).rejects.toMatchObject({ code: 'value.invalid' })
  await expect(guard.users.patch(ALICE, [] as unknown as Record<string, unknown>)).rejects.toMatchObject({
    code: 'value.invalid',
  })
  await expect(guard.users.erase(ALICE, { keepBlock: 'yes' as unknown as boolean })).rejects.toMatchObject({
    code: 'option.invalid',
  })
})
