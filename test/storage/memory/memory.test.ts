import { jest } from '@jest/globals'
import type { Ask, Judge, Plan } from '../../../src/core/check.js'
import { GLOBAL_KEY, type Key, memberKey, userKey } from '../../../src/core/subject.js'
import { DigestClaims, SequenceClaims } from '../../../src/storage/memory/claims.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { Moment } from '../../../src/storage/memory/moment.js'
import { type RecordLayout, RecordTable } from '../../../src/storage/memory/records.js'
import { conformance } from '../conformance.js'

conformance('memory', { make: (clock) => memory({ clock }), schedules: 3000 })

const START = 1_795_000_000_000

/** The default chain, with limits so high that they never refuse. */
const chain: Plan = {
  name: 'main',
  scopes: ['actor', 'bot', 'actor.inline', 'actor.edits'],
  checks: [
    { kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] },
    {
      kind: 'claim',
      guard: 'once',
      slot: 'once',
      subject: 1,
      tokens: 'sequence',
      holdFor: 86_400_000,
      whenHeld: 'refuse',
    },
    {
      kind: 'claim',
      guard: 'throttle',
      slot: 'album',
      subject: 0,
      tokens: 'digest',
      holdFor: 10_000,
      whenHeld: 'waive',
    },
    {
      kind: 'claim',
      guard: 'debounce',
      slot: 'debounce',
      subject: 0,
      tokens: 'digest',
      holdFor: 500,
      whenHeld: 'refuse',
    },
    ...(['user', 'inline', 'edits'] as const).map(
      (slot, index) =>
        ({
          kind: 'bucket',
          guard: 'throttle',
          slot,
          subject: index === 0 ? 0 : index + 1,
          limit: { amount: 60, per: 86_400_000, burst: 30 },
        }) as const,
    ),
  ],
}

function askOf(key: Key, token: number): Ask {
  return { bot: 1, subjects: [key, GLOBAL_KEY, key, key], costs: [1, 1, 0, 0, 1, 0, 0], tokens: [token] }
}

/** A limit on users, and a ban for those who exceed it. */
function strict(amount: number, per: number): Plan {
  const onRefusal = { penalty: { after: 1, within: 1000, bans: [100_000] } }
  const limit = { amount, per }
  return {
    name: 'strict',
    scopes: ['user'],
    checks: [{ kind: 'bucket', guard: 'throttle', slot: 'user', subject: 0, limit, onRefusal }],
  }
}

const asking = (judge: Judge, id: number, cost = 1, at = START) =>
  judge.evaluate({ bot: 1, subjects: [userKey(id)], costs: [cost], tokens: [] }, at)

/** Counts the calls of a table to its layout: one for every row it examines. */
class CountedLayout implements RecordLayout {
  readonly stride = 3
  looked = 0

  clear(cells: Float64Array, at: number): void {
    cells[at + 2] = 1000
  }

  expiry(cells: Float64Array, at: number): number {
    this.looked++
    return cells[at + 2] as number
  }
}

function tableOf(cap: number, layout: RecordLayout = new CountedLayout()) {
  const counts = { evicted: 0, untracked: 0 }
  return { counts, table: new RecordTable(layout, cap, 0x5eed, counts, undefined) }
}

/** Length of the longest run of occupied slots of a block: the most that a look-up may have to probe. */
function longestRun(table: RecordTable): number {
  const slots = 4096
  const blocks = table.bytes / (slots * new CountedLayout().stride * 8)
  let longest = 0
  for (let block = 0; block < blocks; block++) {
    let length = 0
    // A run may continue at the beginning of the block.
    for (let slot = 0; slot < slots * 2; slot++) {
      const row = block * slots + (slot % slots)
      length = table.cellsOf(row)[table.offsetOf(row)] === 0 ? 0 : length + 1
      longest = Math.max(longest, length)
    }
  }
  return longest
}

test('two guards with the same name and limits share them, whichever is asked', async () => {
  const storage = memory({ clock: () => START })
  const first = await storage.prepare(strict(3, 60_000))
  const second = await storage.prepare(strict(3, 60_000))
  const admitted: boolean[] = []
  for (const judge of [first, first, second, first, second, second, first]) {
    admitted.push((await asking(judge, 1)).refusedBy === -1)
  }
  expect(admitted).toEqual([true, true, true, false, false, false, false])
  expect((await storage.health()).tracked).toBe(1)
})

describe('memory is bounded', () => {
  test('the cap holds for random subjects', async () => {
    const storage = memory({ maxSubjects: 50, clock: () => START })
    const judge = await storage.prepare(strict(1, 60_000))
    for (let id = 1; id <= 500; id++) {
      await asking(judge, id)
      expect((await storage.health()).tracked).toBeLessThanOrEqual(50)
    }
    expect(await storage.health()).toMatchObject({ tracked: 50, evicted: 450, untracked: 0 })
  })

  test('the cap holds while one plan replaces another', async () => {
    const storage = memory({ maxSubjects: 50, clock: () => START })
    let judge = await storage.prepare(strict(1, 60_000))
    for (let id = 1; id <= 500; id++) {
      if (id % 20 === 0) judge = await storage.prepare(strict(1 + (id % 3), 60_000))
      await asking(judge, id)
      await asking(judge, Math.max(1, id - 25))
      expect((await storage.health()).tracked).toBeLessThanOrEqual(50)
    }
  })

  test('expired records are evicted first, then those that expire soonest', async () => {
    const storage = memory({ maxSubjects: 20, clock: () => START })
    const judge = await storage.prepare(strict(20, 20_000))
    // Subject n has used n of 20: the more it has used, the later its record expires.
    for (let id = 1; id <= 20; id++) await asking(judge, id, id)
    const left = async (id: number) =>
      (await judge.peek({ bot: 1, subjects: [userKey(id)], costs: [1], tokens: [] }, START)).remaining[0]
    await asking(judge, 100, 20)
    expect(await left(1)).toBe(19)
    expect(await left(2)).toBe(17)
    await asking(judge, 101, 20, START + 2000)
    expect(await storage.health()).toMatchObject({ evicted: 1, untracked: 0 })
    expect((await asking(judge, 20, 20, START + 2000)).refusedBy).toBe(0)
  })

  test('penalties are never evicted; when they fill the table, new subjects are admitted and counted', async () => {
    const storage = memory({ maxSubjects: 10, clock: () => START })
    const judge = await storage.prepare(strict(1, 1000))
    for (let id = 1; id <= 10; id++) {
      await asking(judge, id)
      expect((await asking(judge, id)).refusedBy).toBe(0)
    }
    for (let id = 11; id <= 20; id++) expect((await asking(judge, id)).refusedBy).toBe(-1)
    expect(await storage.health()).toMatchObject({ tracked: 10, evicted: 0, untracked: 10 })
    for (let id = 1; id <= 10; id++)
      expect(await asking(judge, id, 1, START + 50_000)).toMatchObject({ cause: 'penalty' })
    // The ban and its record have expired.
    expect((await asking(judge, 21, 1, START + 200_000)).refusedBy).toBe(-1)
    expect((await asking(judge, 21, 1, START + 200_000)).refusedBy).toBe(0)
  })

  test('an insertion examines few rows, however large the table is', () => {
    const layout = new CountedLayout()
    const { table } = tableOf(200_000, layout)
    let most = 0
    for (let id = 0; id < 300_000; id++) {
      layout.looked = 0
      table.insert(id, 0)
      most = Math.max(most, layout.looked)
    }
    expect(table.size).toBe(200_000)
    // Two by the sweep, and 64 to choose the row to evict.
    expect(most).toBeLessThanOrEqual(66)
  })

  test('records move as others are added and removed, and none is lost or confused', () => {
    for (let seed = 1; seed <= 100; seed++) {
      // Such a large record makes blocks of eight slots, in which all subjects are neighbours.
      const layout: RecordLayout = {
        stride: 40_000,
        clear: (cells, at) => cells.fill(0, at + 1, at + 2),
        expiry: () => Number.POSITIVE_INFINITY,
      }
      const table = new RecordTable(layout, 1000, seed, { evicted: 0, untracked: 0 }, undefined)
      const states = new Map<number, number>()
      let drawn = seed
      const draw = (below: number): number => {
        drawn = (Math.imul(drawn, 1103515245) + 12345) >>> 0
        return (drawn >>> 8) % below
      }
      for (let step = 0; step < 60; step++) {
        const key = 1 + draw(7)
        const row = table.find(key)
        expect([seed, step, row >= 0]).toEqual([seed, step, states.has(key)])
        if (row >= 0) {
          expect([seed, step, table.copyOf(row)[1]]).toEqual([seed, step, states.get(key)])
          if (draw(2) === 0) {
            table.remove(row)
            states.delete(key)
          }
        } else if (states.size < 6) {
          const made = table.insert(key, 0)
          const state = draw(1000)
          table.cellsOf(made)[table.offsetOf(made) + 1] = state
          states.set(key, state)
        }
      }
    }
  })

  test('a later plan takes over the state of all subjects', async () => {
    const storage = memory({ clock: () => START })
    const used = (id: number): number => 1 + (id % 5)
    const limit = { amount: 10, per: 3_600_000 }
    const plan = (amount: number): Plan => ({
      name: 'chain',
      scopes: ['user'],
      checks: [
        { kind: 'bucket', guard: 'throttle', slot: 'user', subject: 0, limit: { ...limit, amount } },
        {
          kind: 'window',
          form: 'log',
          guard: 'throttle',
          slot: 'log',
          subject: 0,
          limit: { ...limit, amount },
        },
      ],
    })
    const ask = (id: number, cost: number): Ask => ({
      bot: 1,
      subjects: [userKey(id)],
      costs: [cost, cost],
      tokens: [],
    })
    const judge = await storage.prepare(plan(10))
    for (let id = 1; id <= 3000; id++) await judge.evaluate(ask(id, used(id)))
    const later = await storage.prepare(plan(10))
    for (let id = 1; id <= 3000; id++) {
      const { remaining } = await later.evaluate(ask(id, 1))
      const left = 10 - used(id) - 1
      expect([id, ...remaining]).toEqual([id, expect.closeTo(left, 6), left])
    }
    await storage.close()
  })

  test.each<[string, (index: number) => number]>([
    ['sequential', (index) => index],
    ['multiples of 2^10', (index) => index * 2 ** 10],
    ['multiples of 2^20', (index) => index * 2 ** 20],
    ['multiples of 2^32', (index) => index * 2 ** 32],
    ['negative', (index) => -1 - index * 4096],
  ])('look-ups of %s ids stay short', (_, idOf) => {
    const { table } = tableOf(1_000_000)
    const size = 100_000
    for (let index = 0; index < size; index++) table.insert(idOf(index + 1), 0)
    const longest = longestRun(table)
    // With random placement in blocks that are at most three quarters full, the longest run without a gap is about 100.
    expect(longest).toBeLessThan(256)
    for (let index = 0; index < size; index += 97)
      expect(table.find(idOf(index + 1))).toBeGreaterThanOrEqual(0)
  })

  test('growing to a million subjects causes no pause, at no more than 64 bytes each', async () => {
    // A pause of the storage would occur in every attempt; one of the garbage collector or of a busy machine does not.
    let shortest = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 4 && shortest >= 50; attempt++) {
      const storage = memory({ maxSubjects: 1_000_000, clock: () => START })
      const judge = await storage.prepare(chain)
      const before = process.memoryUsage().arrayBuffers
      let longest = 0
      for (let id = 0; id < 1_000_000; ) {
        // Processor time does not count the time in which other processes run.
        const start = process.cpuUsage()
        for (const end = id + 100; id < end; id++)
          judge.evaluate(askOf(userKey(100_000_000 + id * 7), id), START)
        const { user, system } = process.cpuUsage(start)
        longest = Math.max(longest, (user + system) / 1000)
      }
      shortest = Math.min(shortest, longest)
      const { bytes = Number.NaN, tracked } = await storage.health()
      expect(tracked).toBe(1_000_000)
      expect(bytes / 1_000_000).toBeLessThanOrEqual(64)
      expect((process.memoryUsage().arrayBuffers - before) / 1_000_000).toBeLessThanOrEqual(64)
      await storage.close()
    }
    expect(shortest).toBeLessThan(50)
  })

  test('claims on random sequence numbers are held in two thousand chunks at most', () => {
    const claims = new SequenceClaims(86_400_000, 1000, 10_000, new Moment())
    let [largest, evicted] = [0, 0]
    for (let i = 0; i < 20_000; i++) {
      const token = (i * 2_654_435_761 * 4096) % Number.MAX_SAFE_INTEGER
      claims.take(GLOBAL_KEY, token, i)
      claims.take(GLOBAL_KEY, 7, i)
      if (claims.stateOf(GLOBAL_KEY, 7) === 0) evicted++
      largest = Math.max(largest, claims.size)
    }
    expect(largest).toBeLessThanOrEqual(2048)
    // Made-up numbers do not evict those in use.
    expect(evicted).toBe(0)
  })

  test('claims on digests are bounded, and lapsed ones are deleted', () => {
    const moment = new Moment()
    const claims = new DigestClaims(500, undefined, 1000, moment)
    for (let i = 0; i < 5000; i++) {
      claims.take(userKey(i), i, i)
      expect(claims.size).toBeLessThanOrEqual(1000)
    }
    moment.now = 500
    claims.take(userKey(1), 1, 1)
    moment.now = 1000
    claims.take(userKey(1), 1, 1)
    expect(claims.size).toBeLessThanOrEqual(2)
  })

  test('a subject that is forgotten leaves nothing behind, whatever its key', async () => {
    const storage = memory({ clock: () => START })
    const judge = await storage.prepare(strict(1, 1000))
    const keys: Key[] = [userKey(1), memberKey(userKey(1), -5), GLOBAL_KEY]
    const ask = (key: Key): Ask => ({ bot: 1, subjects: [key], costs: [1], tokens: [] })
    for (const key of keys) {
      await judge.evaluate(ask(key), START)
      expect((await judge.evaluate(ask(key), START)).refusedBy).toBe(0)
    }
    expect((await storage.health()).tracked).toBe(3)
    for (const key of keys) await storage.reset(1, key)
    expect((await storage.health()).tracked).toBe(0)
    for (const key of keys) expect((await judge.evaluate(ask(key), START)).refusedBy).toBe(-1)
  })

  test('reading marks that nobody holds stores nothing, since their names may come from users', async () => {
    const { marks } = memory()
    await marks.put(1, 'role:admin', [{ key: userKey(1), mark: { since: 1 } }])
    const kept = jest.spyOn(Map.prototype, 'set')
    for (let i = 0; i < 100; i++) {
      const name = `role:whatever ${i}`
      await marks.get(1, userKey(1), name)
      await marks.scan(1, name)
      await marks.remove(1, name, [userKey(1)])
      await marks.put(1, name, [])
    }
    const written = kept.mock.calls.filter(([key]) => String(key).startsWith('role:whatever'))
    kept.mockRestore()
    expect(written).toEqual([])
    expect(await marks.get(1, userKey(1), 'role:admin')).toEqual({ since: 1 })
  })

  test('it starts no timer', async () => {
    const timers = [jest.spyOn(globalThis, 'setTimeout'), jest.spyOn(globalThis, 'setInterval')]
    const storage = memory({ maxSubjects: 10 })
    const judge = await storage.prepare(strict(1, 1000))
    for (let id = 1; id < 50; id++) await asking(judge, id >> 1)
    await storage.close()
    for (const timer of timers) expect(timer).not.toHaveBeenCalled()
    for (const timer of timers) timer.mockRestore()
  })

  test.each([0, 1.5, Number.NaN, -1])('refuses maxSubjects: %p', (maxSubjects) => {
    expect(() => memory({ maxSubjects })).toThrow(/maxSubjects/)
  })
})
