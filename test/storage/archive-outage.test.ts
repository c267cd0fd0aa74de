import { userKey } from '../../src/core/subject.js'
import { combine } from '../../src/storage/combine.js'
import type { Archive } from '../../src/storage/contract/archive.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { failover } from '../../src/storage/failover.js'
import { hybrid } from '../../src/storage/hybrid.js'
import { Stage } from '../middleware/rig.js'
import { desk } from '../sentinel/desk.js'
import { type Faulty, faulty } from './faulty.js'
import { passing, settled } from './outage.js'

/* The data of a user, exported or erased while a storage does not answer. */

const ALICE = 7

/** A storage that can be made to fail together with its archive. */
function archived(time: Stage): Faulty {
  const server = faulty(time.clock, time.timers)
  const { contents, restore, marksOf, forget } = server.kept.archive as Archive
  const over =
    <A extends unknown[], T>(work: (...args: A) => T) =>
    async (...args: A) => {
      // Fails or hangs like every other call.
      await server.health()
      return work.apply(server.kept.archive, args)
    }
  const archive = {
    contents: over(contents),
    restore: over(restore),
    marksOf: over(marksOf),
    forget: over(forget),
  }
  return Object.assign(server, { archive })
}

/** The options of a storage that lives by a stage's time. */
const timesOf = ({ clock, timers }: Stage) => ({ clock, timers })

/** How a call ends, and after how many milliseconds; undefined if it is still pending after a minute. */
async function ending(
  time: Stage,
  work: () => Promise<unknown>,
): Promise<[end: unknown, after: number] | undefined> {
  const began = time.now
  let ended: [unknown, number] | undefined
  work().then(
    () => (ended = ['done', time.now - began]),
    ({ code }) => (ended = [code, time.now - began]),
  )
  await settled()
  while (ended === undefined && time.now - began < 60_000) await passing(time, 100)
  return ended
}

describe.each<[string, (server: Storage, time: Stage) => Storage]>([
  ['a storage', (server) => server],
  ['hybrid()', (server, { clock, timers }) => hybrid(server, { clock, timers })],
  ['combine()', (durable, { clock }) => combine({ durable, clock })],
  ['failover()', (server, time) => failover([server, archived(time)], timesOf(time))],
])('with %s', (kind, make) => {
  async function met() {
    const time = new Stage()
    const { clock, timers } = time
    const server = archived(time)
    const { guard, says } = desk({ storage: make(server, time), clock, timers })
    for (const event of ['storage.down', 'storage.up', 'error'] as const) guard.on(event, () => undefined)
    await says(ALICE, 'met')
    await guard.grant(ALICE, 'vip')
    const close = (): Promise<unknown> => {
      server.resume()
      return ending(time, () => guard.close())
    }
    return { time, server, guard, close }
  }
  // With two storages, the other one can still be read; but an erasure must report that data remains.
  const expected = (verb: 'export' | 'erase') =>
    kind === 'failover()' && verb === 'export' ? 'done' : 'storage.unavailable'

  test.each(['export', 'erase'] as const)('that is known to be down, %s() ends at once', async (verb) => {
    const { time, server, guard, close } = await met()
    server.fault = 'refuses'
    for (let call = 0; call < 5; call++) await ending(time, async () => guard.storage.users.get(42, 'u7'))
    server.fault = 'hangs'
    expect(await ending(time, () => guard.users[verb](ALICE))).toEqual([expected(verb), 0])
    await close()
  })

  test.each(['export', 'erase'] as const)('that hangs, %s() ends when calls have timed out', async (verb) => {
    const { time, server, guard, close } = await met()
    server.fault = 'hangs'
    const [end, after] = (await ending(time, () => guard.users[verb](ALICE))) ?? []
    expect([end, Number(after) < 12_000]).toEqual([expected(verb), true])
    await close()
  })

  test.each(['export', 'erase'] as const)(
    'that refuses, %s() reports it like all other calls',
    async (verb) => {
      const { time, server, guard, close } = await met()
      server.fault = 'refuses'
      expect(await ending(time, () => guard.users[verb](ALICE))).toEqual([expected(verb), 0])
      await close()
    },
  )
})

test('a storage within failover() that keeps its data is named with a reason', async () => {
  const time = new Stage()
  const server = archived(time)
  const storage = failover([failover([archived(time), server], timesOf(time)), archived(time)], timesOf(time))
  server.fault = 'refuses'
  await expect(async () => storage.archive?.forget(42, [userKey(ALICE)])).rejects.toThrow(
    'keep their data: 0 (ECONNREFUSED).',
  )
  server.resume()
  await ending(time, async () => storage.close())
})
