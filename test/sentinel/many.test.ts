import { memory } from '../../src/storage/memory/memory.js'
import { Stage } from '../middleware/rig.js'
import { faulty } from '../storage/faulty.js'
import { settled } from '../storage/outage.js'
import { desk, later } from './desk.js'

const BOB = 8

const from = (first: number, length: number) => Array.from({ length }, (_, index) => first + index)

/** A sentinel on a remote storage that can be made to fail, and a clock that is moved by hand. */
function elsewhere() {
  const time = new Stage()
  const { clock, timers } = time
  const server = faulty(clock, timers)
  const made = desk({ storage: server, clock, timers })
  for (const event of ['storage.down', 'storage.up', 'error'] as const) made.guard.on(event, () => undefined)
  return { ...made, server, clock: time }
}

describe('more subjects than are kept for a storage that is down', () => {
  test.each(['block', 'unblock'] as const)('%s rejects, as not all could be kept', async (verb) => {
    const { guard, says, server } = elsewhere()
    await says(BOB, 'met')
    const many = from(1000, 12_000)
    if (verb === 'unblock') await guard.block(many)
    server.fault = 'refuses'
    await expect(guard[verb](many)).rejects.toMatchObject({
      code: 'storage.unavailable',
      message: expect.stringContaining('Too many writes wait for it already'),
    })
    expect((await guard.health()).storage.circuit?.dropped.marks).toBe(2000)
    await expect(guard[verb](many.slice(0, 5000))).rejects.toMatchObject({
      message: expect.stringContaining('which writes it when the storage is back'),
    })
    await guard.close()
  })
})

test('after a failure the other subjects are not all sent at the same moment', async () => {
  const { guard, says, server } = elsewhere()
  await says(BOB, 'met')
  const many = from(1000, 20_000)
  await guard.block(many)
  const { get, remove } = server.kept.marks
  let under = 0
  let most = 0
  let removals = 0
  const counted = async <T>(work: () => T): Promise<Awaited<T>> => {
    most = Math.max(most, ++under)
    await settled()
    under--
    return await work()
  }
  Object.assign(server.kept.marks, {
    get: (...args: Parameters<typeof get>) => counted(() => get.apply(server.kept.marks, args)),
    remove: (...args: Parameters<typeof remove>) =>
      counted(() => {
        if (++removals === 3) throw new Error('one hiccup')
        return remove.apply(server.kept.marks, args)
      }),
  })
  await expect(guard.unblock(many)).rejects.toMatchObject({ code: 'storage.unavailable' })
  expect(removals).toBe(200)
  // Ten batches of a hundred, and the missed writes, which are repeated once.
  expect(most).toBeLessThan(2000)
  await guard.close()
})

test('a call about many subjects counts for the very next update', async () => {
  const { guard, says, reached } = desk({ block: { only: true } })
  await guard.allow([BOB, 9, 10, 2000])
  await says(BOB, 'met')
  void guard.disallow([9, 10])
  void guard.block(from(2000, 1001))
  for (const id of [9, 10, 2000]) await says(id, `from ${id}`)
  expect(reached).toEqual(['met'])
  await guard.close()
})

describe.each([
  ['in a storage that answers later', () => ({ storage: later() })],
  ['in memory', () => ({})],
])('a list that is imported beside others, %s', (_, options) => {
  const many = from(1000, 1000)
  const blockOf = (id: number) => ({ subject: `u${id}`, since: 1, until: 2_000_000_000_000 })

  test('is read after earlier calls', async () => {
    const { guard, says } = desk(options())
    await says(BOB, 'met')
    await guard.block(many)
    await Promise.all([guard.unblock(many), guard.import({ version: 1, blocked: [blockOf(1999)] })])
    expect((await guard.export()).blocked).toEqual([blockOf(1999)])
    await guard.close()
  })

  test.each([true, false])('does not overwrite later calls, with the bot known: %s', async (isMet) => {
    const { guard, says } = desk(options())
    if (isMet) await says(BOB, 'met')
    const importing = guard.import({ version: 1, blocked: many.map(blockOf) })
    await Promise.all([guard.unblock(1999), guard.unblock([1998, 1997])])
    await importing
    for (const id of [1999, 1998, 1997]) expect(await guard.isBlocked(id)).toBe(false)
    expect((await guard.export()).blocked).toHaveLength(997)
    await guard.close()
  })

  test('does not overwrite calls made while it is read', async () => {
    const { guard, says } = desk(options())
    await says(BOB, 'met')
    const importing = guard.import({ version: 1, blocked: many.map(blockOf) })
    for (let turn = 0; turn < 3; turn++) await Promise.resolve()
    await guard.block([1000, 1001], { reason: 'spam' })
    await importing
    expect(await guard.blockOf(1000)).toMatchObject({ reason: 'spam' })
    await guard.close()
  })
})

describe('a list that was imported before the bot was met, in a storage that answers later', () => {
  const many = from(1000, 1000)
  const permanent = many.map((id) => ({ subject: `u${id}`, since: 1 }))

  test('does not overwrite what is requested while it is being written', async () => {
    const { clock } = new Stage()
    const { guard, says, quiet } = desk({ clock, storage: later(memory({ clock })) })
    await guard.import({ version: 1, blocked: permanent })
    const meeting = says(BOB, 'met')
    const requests = [guard.unblock(1999), guard.block(1998, { for: '1h' }), guard.unblock([1997, 1996])]
    expect(await guard.isBlocked(1995)).toBe(true)
    expect(await Promise.all(requests)).toEqual([1, undefined, 2])
    await meeting
    await quiet()
    expect((await guard.export()).blocked).toHaveLength(997)
    for (const id of [1999, 1997, 1996]) expect(await guard.isBlocked(id)).toBe(false)
    expect(await guard.blockOf(1998)).toHaveProperty('until')
    await guard.close()
  })

  test('is not shortened by a list that was imported at the same moment', async () => {
    const { guard, says, quiet } = desk({ storage: later() })
    const until = 2_000_000_000_000
    await Promise.all([
      guard.import({ version: 1, blocked: permanent }),
      guard.import({ version: 1, blocked: permanent.map((block) => ({ ...block, until })) }),
    ])
    await says(BOB, 'met')
    await quiet()
    expect((await guard.export()).blocked).toEqual(permanent)
    await guard.close()
  })

  test('is not shortened by a list that is imported as the bot is met', async () => {
    const { guard, says } = desk({ storage: later() })
    await guard.import({ version: 1, blocked: permanent })
    const second = guard.import({
      version: 1,
      blocked: permanent.map((block) => ({ ...block, until: 2_000_000_000_000 })),
    })
    await Promise.all([second, says(BOB, 'met')])
    expect((await guard.export()).blocked).toEqual(permanent)
    await guard.close()
  })
})

test('a subject that is named twice is blocked, registered and unblocked once', async () => {
  const { guard, says } = desk()
  const told: string[] = []
  for (const event of ['blocked', 'unblocked', 'registered'] as const) guard.on(event, () => told.push(event))
  expect(await guard.block([9, 9])).toBeUndefined()
  expect(await guard.unblock([9, 9])).toBe(1)
  await says(BOB, 'met')
  await guard.block([9, 9])
  await guard.register([9, 9, 9])
  expect(await guard.unblock([9, 9])).toBe(1)
  expect(told).toEqual(['blocked', 'registered', 'unblocked'])
  await guard.close()
})

test('a batch in progress writes nothing about a user whose data is erased meanwhile', async () => {
  const { guard, says } = desk({ storage: later() })
  await says(BOB, 'met')
  // Loads the parts of the package that are loaded on demand, so that all later calls start at once.
  await guard.grant(BOB, 'vip')
  await guard.users.export(BOB)
  const many = from(1000, 2000)
  const writing = [
    guard.import({
      version: 1,
      blocked: many.map((id) => ({ subject: `u${id}`, since: 1, reason: `User ${id}` })),
    }),
    guard.register(many),
    guard.grant(many, 'vip', { chat: -1001000000001 }),
  ]
  await Promise.all([guard.users.erase(2999), guard.users.erase(2998, { keepBlock: true })])
  await Promise.all(writing)
  const marksOf = async (id: number) =>
    (await guard.users.export(id)).bots.flatMap(({ marks }) => marks.map(({ name }) => name))
  expect(await marksOf(2997)).toEqual(['blocked', 'registered'])
  expect(await marksOf(2999)).toEqual([])
  expect(await marksOf(2998)).toEqual(['blocked'])
  expect(await guard.hasRole(2997, 'vip', { chat: -1001000000001 })).toBe(true)
  for (const id of [2998, 2999]) expect(await guard.hasRole(id, 'vip', { chat: -1001000000001 })).toBe(false)
  await guard.close()
})
