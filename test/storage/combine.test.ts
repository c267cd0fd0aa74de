import type { Ask, Judge, Plan } from '../../src/core/check.js'
import { userKey } from '../../src/core/subject.js'
import { combine } from '../../src/storage/combine.js'
import type { StorageChange } from '../../src/storage/contract/changes.js'
import type { Mark, Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { later } from '../sentinel/desk.js'
import { conformance } from './conformance.js'

conformance('memory, combined with memory', {
  make: (clock) => combine({ durable: memory({ clock }), volatile: memory({ clock }), clock }),
  schedules: 300,
})
conformance('a storage that answers later, combined with memory', {
  make: (clock) => combine({ durable: later(memory({ clock })), clock }),
  schedules: 300,
})

const ALICE = userKey(7)
const BOB = userKey(8)
const plan: Plan = {
  name: 'main',
  scopes: ['user'],
  checks: [
    { kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] },
    { kind: 'bucket', guard: 'throttle', slot: 'user', subject: 0, limit: { amount: 60, per: 60_000 } },
  ],
}
const askOf = (key: number | string): Ask => ({ bot: 42, subjects: [key], costs: [1, 1], tokens: [] })

let now: number
const clock = (): number => now

beforeEach(() => {
  now = 1_795_000_000_000
})

/** A durable storage that other processes change, whose reads of marks are counted, and can be held up. */
function shared() {
  const inner = memory({ clock })
  let reads = 0
  let gate: Promise<void> | undefined
  let failing: Error | undefined
  const durable: Storage = later(inner)
  const held: Storage = {
    ...durable,
    marks: {
      ...durable.marks,
      async of(bot, key) {
        reads++
        if (failing !== undefined) throw failing
        const found = await inner.marks.of(bot, key)
        await gate
        return found
      },
    },
    // Changes by other processes cause no event.
    watch: () => () => undefined,
  }
  return {
    held,
    inner,
    reads: () => reads,
    fail(error?: Error) {
      failing = error
    },
    close() {
      let open = (): void => undefined
      gate = new Promise((done) => {
        open = done
      })
      return () => {
        gate = undefined
        open()
      }
    },
  }
}

async function judged(judge: Judge, key = ALICE): Promise<number> {
  return (await judge.evaluate(askOf(key), now)).refusedBy
}

const blocked: Mark = { since: 1 }

describe('a combined storage', () => {
  test('reads the marks of a subject once, and answers synchronously from then on', async () => {
    const { held, inner, reads } = shared()
    await inner.marks.put(42, 'blocked', [{ key: ALICE, mark: blocked }])
    const judge = await combine({ durable: held, clock }).prepare(plan)
    expect(await judged(judge)).toBe(0)
    expect(judge.evaluate(askOf(ALICE), now)).toMatchObject({ refusedBy: 0 })
    const first = [judge.evaluate(askOf(BOB), now), judge.peek(askOf(BOB), now)]
    expect(await Promise.all(first)).toMatchObject([{ refusedBy: -1 }, { refusedBy: -1 }])
    expect(judge.evaluate(askOf(BOB), now)).toMatchObject({ refusedBy: -1 })
    expect(reads()).toBe(2)
  })

  test('reads nothing for plans without marks', async () => {
    const { held, reads } = shared()
    const judge = await combine({ durable: held, clock }).prepare({ ...plan, checks: plan.checks.slice(1) })
    expect(judge.evaluate({ ...askOf(ALICE), costs: [1] }, now)).toMatchObject({ refusedBy: -1 })
    expect(reads()).toBe(0)
  })

  test('sees changes of another process within the refresh time, even without being notified', async () => {
    const { held, inner } = shared()
    const judge = await combine({ durable: held, refresh: '10s', clock }).prepare(plan)
    expect(await judged(judge)).toBe(-1)
    await inner.marks.put(42, 'blocked', [{ key: ALICE, mark: blocked }])
    now += 9999
    expect(await judged(judge)).toBe(-1)
    now += 1
    expect(await judged(judge)).toBe(0)
    await inner.marks.remove(42, 'blocked', [ALICE])
    now += 10_000
    expect(await judged(judge)).toBe(-1)
    // After the clock was put back, the age of cached marks is unknown.
    await inner.marks.put(42, 'blocked', [{ key: ALICE, mark: blocked }])
    now -= 60_000
    expect(await judged(judge)).toBe(0)
  })

  test('sees changes of another process at once if it is notified', async () => {
    const { held, inner } = shared()
    let tell = (_: StorageChange): void => undefined
    const watch = (listener: (change: StorageChange) => void) => {
      tell = listener
      return () => undefined
    }
    const judge = await combine({ durable: { ...held, watch }, refresh: '1d', clock }).prepare(plan)
    expect([await judged(judge), await judged(judge, BOB)]).toEqual([-1, -1])
    for (const key of [ALICE, BOB]) await inner.marks.put(42, 'blocked', [{ key, mark: blocked }])
    tell({ kind: 'marks', bot: 42, name: 'blocked', keys: ['u7'] })
    expect([await judged(judge), await judged(judge, BOB)]).toEqual([0, -1])
    tell({ kind: 'gap' })
    expect(await judged(judge, BOB)).toBe(0)
  })

  test('reads marks again that changed while they were read', async () => {
    const { held, close } = shared()
    const storage = combine({ durable: held, clock })
    const judge = await storage.prepare(plan)
    const open = close()
    const decision = judge.evaluate(askOf(ALICE), now)
    // The read under way started before the block.
    await Promise.resolve()
    await storage.marks.put(42, 'blocked', [{ key: ALICE, mark: blocked }])
    open()
    expect((await decision).refusedBy).toBe(0)
  })

  test('rejects if marks cannot be read, and reads them once they can be', async () => {
    const { held, fail } = shared()
    const judge = await combine({ durable: held, clock }).prepare(plan)
    fail(new Error('away'))
    await expect(Promise.all([judged(judge), judged(judge)])).rejects.toThrow('away')
    fail()
    expect(await judged(judge)).toBe(-1)
    now += 60_000
    fail(new Error('away again'))
    await expect(judged(judge)).rejects.toThrow('away again')
    fail()
    expect(await judged(judge)).toBe(-1)
  })

  test('reads marks again whose write failed but took effect', async () => {
    const { held, inner } = shared()
    const marks = {
      ...held.marks,
      async put(...args: Parameters<Storage['marks']['put']>) {
        await inner.marks.put(...args)
        throw new Error('the answer was lost')
      },
    }
    const storage = combine({ durable: { ...held, marks }, clock })
    const judge = await storage.prepare(plan)
    expect(await judged(judge)).toBe(-1)
    const write = async () => storage.marks.put(42, 'blocked', [{ key: ALICE, mark: blocked }])
    await expect(write()).rejects.toThrow('lost')
    expect(await judged(judge)).toBe(0)
  })

  test('remembers a bounded number of subjects, and still never admits a blocked one', async () => {
    const { held, inner, reads } = shared()
    const volatile = memory({ clock })
    const everybody = Array.from({ length: 3000 }, (_, index) => userKey(index + 1))
    const odd = everybody.filter((_, index) => index % 2 === 0)
    await inner.marks.put(
      42,
      'blocked',
      odd.map((key) => ({ key, mark: blocked })),
    )
    const judge = await combine({ durable: held, volatile, maxSubjects: 1000, clock }).prepare(plan)
    for (let round = 0; round < 2; round++) {
      for (const [index, key] of everybody.entries()) {
        expect(await judged(judge, key)).toBe(index % 2 === 0 ? 0 : -1)
      }
      const { entries } = await volatile.marks.scan(42, 'blocked')
      expect(entries.length).toBeLessThanOrEqual(500)
    }
    expect(reads()).toBe(6000)
    // More at once than can be remembered: each is decided correctly, or refused.
    const asks = everybody.slice(0, 900).map((key) => judged(judge, key))
    expect(await Promise.all(asks)).toEqual(
      everybody.slice(0, 900).map((_, index) => (index % 2 === 0 ? 0 : -1)),
    )
  })

  test('decides for more subjects at once than it remembers, and forgets them afterwards', async () => {
    const { held, inner, close } = shared()
    const volatile = memory({ clock })
    const crowd = Array.from({ length: 3000 }, (_, index) => userKey(index + 1))
    await inner.marks.put(
      42,
      'blocked',
      crowd.map((key) => ({ key, mark: blocked })),
    )
    const judge = await combine({ durable: held, volatile, maxSubjects: 1000, clock }).prepare(plan)
    const open = close()
    const asks = crowd.map((key) => judged(judge, key))
    await new Promise((done) => setImmediate(done))
    open()
    expect(await Promise.all(asks)).toEqual(crowd.map(() => 0))
    // For each new entry room is made, and some more.
    for (let id = 5000; id < 6000; id++) await judged(judge, userKey(id))
    expect((await volatile.marks.scan(42, 'blocked')).entries).toEqual([])
  })

  test('does not report the marks it copies to watchers, but reports resets', async () => {
    const { held, inner } = shared()
    await inner.marks.put(42, 'blocked', [{ key: ALICE, mark: blocked }])
    const storage = combine({ durable: held, clock })
    const told: StorageChange[] = []
    const stop = await storage.watch((change) => void told.push(change))
    await judged(await storage.prepare(plan))
    expect(told).toEqual([])
    await storage.reset(42, ALICE)
    expect(told).toEqual([{ kind: 'reset', bot: 42, key: ALICE }])
    stop()
    await storage.reset(42, ALICE)
    expect(told).toHaveLength(1)
  })

  test('accepts only a local storage for counting', async () => {
    expect(() => combine({ durable: memory(), volatile: later() })).toThrow(/combine\.volatile: it is remote/)
    const { remote: _, ...slow } = later()
    const judge = await combine({ durable: memory(), volatile: slow, clock }).prepare(plan)
    await expect((async () => judge.evaluate(askOf(ALICE), now))()).resolves.toMatchObject({ refusedBy: -1 })
    const durable = memory()
    await durable.marks.put(42, 'blocked', [{ key: ALICE, mark: blocked }])
    const { remote: __, ...slower } = later()
    const misled = await combine({ durable, volatile: slower, clock }).prepare(plan)
    await expect((async () => misled.evaluate(askOf(ALICE), now))()).rejects.toMatchObject({
      code: 'option.invalid',
    })
    expect(() => combine({ durable: memory(), maxSubjects: 999 })).toThrow(/combine\.maxSubjects: 999/)
    expect(() => combine({ durable: memory(), refresh: 'soon' as '1s' })).toThrow(/combine\.refresh/)
  })

  test('connects to the durable storage once, when the first plan with marks is prepared', async () => {
    const { held } = shared()
    let answer: (() => void) | undefined
    let away = true
    let met = 0
    const health = async () => {
      met++
      await new Promise<void>((done) => {
        answer = done
      })
      if (away) throw new Error('away')
      return held.health()
    }
    const storage = combine({ durable: { ...held, health }, clock })
    await storage.prepare({ ...plan, checks: plan.checks.slice(1) })
    expect(met).toBe(0)
    const both = () =>
      Promise.allSettled([storage.prepare(plan), storage.prepare({ ...plan, name: 'other' })])
    const failing = both()
    answer?.()
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    away = false
    const waiting = both()
    answer?.()
    expect((await waiting).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect(met).toBe(2)
    await storage.prepare({ ...plan, name: 'third' })
    expect(met).toBe(2)
  })

  test('watches for changes again if that failed', async () => {
    const { held } = shared()
    let attempts = 0
    const watch = async () => {
      if (++attempts === 1) throw new Error('away')
      return () => undefined
    }
    const storage = combine({ durable: { ...held, watch }, clock })
    await expect((async () => storage.prepare(plan))()).rejects.toThrow('away')
    expect(await judged(await storage.prepare(plan))).toBe(-1)
    expect(attempts).toBe(2)
    await storage.close()
    expect((await storage.health()).ok).toBe(false)
  })
})
