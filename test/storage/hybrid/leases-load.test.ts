import { jest } from '@jest/globals'
import fc from 'fast-check'
import type { Check, Judge } from '../../../src/core/check.js'
import type { Timers } from '../../../src/core/clock.js'
import type { Limit } from '../../../src/core/limit.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import type { LeasingOptions } from '../../../src/storage/hybrid.js'
import { askOf, bucket, Desk, settled } from './desk.js'

/*
 * Workers that lease the same limit, under load. A model of the limit is charged with what they admit: it must never be overdrawn,
 * and while it has enough left, nothing may be refused.
 */

interface Outcome {
  readonly asked: number
  readonly refused: number
  /** Asks that were answered without a round trip. */
  readonly answered: number
  readonly trips: number
  /** The least that the limit ever had left; below zero, more was admitted than it allows. */
  readonly least: number
  /** The most that the limit had left when it refused, beyond what may be lowered and held. */
  readonly spare: number
}

/** Asks by worker, at a time. */
interface Step {
  readonly after: number
  readonly asks: readonly number[]
  /** Time that passes after the asks without a timer firing, as in a process that stands still. Timers that are due fire after the next asks. */
  readonly stands?: number
}

async function underLoad(
  limit: Required<Limit>,
  lease: Omit<LeasingOptions, 'limits'> & { for: number },
  workers: number,
  steps: readonly Step[],
): Promise<Outcome> {
  const { amount, per, burst } = limit
  const desk = new Desk()
  const check = bucket(0, { slot: 'throttle.all', subject: 1, limit } as Partial<Check>)
  let standing = false
  const late: (() => void)[] = []
  const timers: Timers = {
    after: (ms, run) => desk.time.timers.after(ms, () => (standing ? late.push(run) : run())),
  }
  const opened: { worker: Storage; judge: Judge }[] = []
  for (let nth = 0; nth < workers; nth++) {
    const worker = desk.worker({ lease: { limits: ['all'], ...lease }, timers })
    opened.push({ worker, judge: await desk.judge(worker, check) })
  }
  const lowered = Math.max(1, Math.floor((amount * lease.for) / per))
  const admitted: number[] = []
  let left = burst
  let since = desk.time.now
  const outcome = { asked: 0, refused: 0, least: burst, spare: Number.NEGATIVE_INFINITY }
  for (const { after, asks, stands } of steps) {
    for (let passed = 0; passed < after; passed += 5) {
      desk.time.advance(Math.min(5, after - passed))
      await settled()
    }
    const { now } = desk.time
    left = Math.min(burst, left + ((now - since) * amount) / per)
    since = now
    const decisions = opened.flatMap(({ judge }, nth) =>
      Array.from({ length: asks[nth] ?? 0 }, () => judge.evaluate(askOf())),
    )
    await settled()
    for (const { refusedBy } of await Promise.all(decisions)) {
      outcome.asked++
      if (refusedBy === -1) {
        left--
        admitted.push(now)
        continue
      }
      outcome.refused++
      // What workers may hold, besides the unit that is missing and one that refills while a refusal is remembered.
      const held = admitted.filter((at) => at > now - lease.for - per / amount).length
      outcome.spare = Math.max(outcome.spare, left - lowered - held - 2)
    }
    outcome.least = Math.min(outcome.least, left)
    for (const run of late.splice(0)) run()
    await settled()
    if (stands === undefined) continue
    standing = true
    desk.time.advance(stands)
    standing = false
  }
  let [answered, trips] = [0, 0]
  for (const { worker } of opened) {
    const { hybrid } = await worker.health()
    answered += hybrid?.answered ?? 0
    trips += hybrid?.trips ?? 0
  }
  await desk.close()
  return { ...outcome, answered, trips }
}

/** A load of which each worker gets the same, one after the other within each span. */
function evenly(workers: number, asks: number, every: number, times: number): Step[] {
  return Array.from({ length: workers * times }, (_, nth) => ({
    after: every / workers,
    asks: Array.from({ length: workers }, (_, worker) => (nth % workers === worker ? asks : 0)),
  }))
}

test.each([
  { workers: 4, asks: 5, every: 40, limit: 1000, batch: 64, for: 100 },
  { workers: 4, asks: 3, every: 120, limit: 200, batch: 32, for: 800 },
  { workers: 8, asks: 1, every: 10, limit: 1000, batch: 64, for: 200 },
  { workers: 1, asks: 1, every: 2, limit: 1000, batch: 64, for: 100 },
])(
  '$workers workers that share $limit/1s are refused nothing at a load below it, and save trips',
  async (load) => {
    const { workers, asks, every, limit, batch } = load
    const { asked, refused, answered, trips } = await underLoad(
      { amount: limit, per: 1000, burst: limit },
      { batch, for: load.for },
      workers,
      evenly(workers, asks, every, 4000 / every),
    )
    expect(refused).toBe(0)
    expect(answered / asked).toBeGreaterThan(0.6)
    expect(trips / asked).toBeLessThan(0.6)
  },
)

test('a worker whose batches are too short-lived for its load soon stops taking them', async () => {
  const limit = { amount: 1000, per: 1000, burst: 1000 }
  const { asked, trips } = await underLoad(limit, { for: 100 }, 4, evenly(4, 8, 160, 60))
  expect(trips / asked).toBeLessThan(1.05)
})

test('units that workers hold for long without spending them do not add up to more than the limit allows', async () => {
  const limit = { amount: 400, per: 1000, burst: 600 }
  // At first much is spent, then little, but always some, so that each batch is worth another.
  const steps = [
    ...evenly(6, 8, 60, 2),
    ...evenly(6, 1, 24, 80),
    { after: 0, asks: Array.from({ length: 6 }, () => 120) },
    { after: 0, asks: Array.from({ length: 6 }, () => 120) },
  ]
  const { least, spare } = await underLoad(limit, { batch: 64, for: 200 }, 6, steps)
  expect(least).toBeGreaterThanOrEqual(0)
  expect(spare).toBeLessThan(0)
})

test('units that workers hold are given back before the limit has refilled what was spent for them', async () => {
  const limit = { amount: 1000, per: 1000, burst: 1000 }
  const each = (asks: number, after = 0): Step => ({ after, asks: Array.from({ length: 4 }, () => asks) })
  const steps = [each(30), each(5), each(2), each(0, 285), each(300), each(300), each(300)]
  const { least, answered } = await underLoad(limit, { batch: 64, for: 100 }, 4, steps)
  expect(answered).toBeGreaterThan(0)
  expect(least).toBeGreaterThanOrEqual(0)
})

test('units that go back late, to a limit that has refilled meanwhile, are withheld', async () => {
  const limit = { amount: 100, per: 1000, burst: 300 }
  const steps = [
    ...evenly(1, 30, 10, 3),
    { after: 0, asks: [1], stands: 3000 },
    { after: 0, asks: [0, 300] },
    { after: 0, asks: [0, 300] },
  ]
  const { least } = await underLoad(limit, { batch: 64, for: 200 }, 2, steps)
  expect(least).toBeGreaterThanOrEqual(0)
})

test('a worker with an injected clock withholds nothing for the real time that a slow machine takes', async () => {
  let real = 0
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => (real += 3_600_000))
  const desk = new Desk()
  try {
    const limit = { amount: 50, per: 3_600_000, burst: 500 }
    const worker = desk.worker({ lease: { limits: ['all'], for: '1s' } })
    const judge = await desk.judge(worker, bucket(0, { slot: 'throttle.all', subject: 1, limit }))
    for (let i = 0; i < 77; i++) {
      await judge.evaluate(askOf())
      await settled()
    }
    expect((await worker.health()).hybrid?.held).toBeGreaterThan(0)
    desk.time.advance(1000)
    await settled()
    // One unit of the burst is kept back, and a peek takes its own one into account.
    expect(Math.floor((await judge.peek(askOf())).remaining[0] as number)).toBe(499 - 77 - 1)
  } finally {
    clock.mockRestore()
    await desk.close()
  }
})

test('however the load changes, workers never admit too much, and refuse only what is used up or held', async () => {
  const asks = fc.array(fc.constantFrom(0, 0, 1, 1, 2, 5, 12, 80), { minLength: 6, maxLength: 6 })
  const schedule = fc.record({
    amount: fc.constantFrom(5, 20, 100, 400),
    burst: fc.integer({ min: 5, max: 200 }),
    workers: fc.integer({ min: 1, max: 6 }),
    batch: fc.constantFrom(4, 16, 64),
    span: fc.constantFrom(50, 100, 200),
    steps: fc.array(
      fc.record({
        asks,
        after: fc.constantFrom(0, 1, 5, 10, 20, 40, 60, 200, 1000),
        again: fc.constantFrom(1, 1, 3, 50),
      }),
      { minLength: 5, maxLength: 20 },
    ),
    stands: fc.constantFrom(0, 0, 0, 30, 90, 300),
  })
  await fc.assert(
    fc.asyncProperty(schedule, async ({ amount, burst, workers, batch, span, steps, stands }) => {
      const limit = { amount, per: 1000, burst: burst + Math.ceil((amount * span) / 1000) }
      const played = steps.flatMap(({ asks, after, again }, nth) =>
        Array.from({ length: again }, () => ({
          asks,
          after,
          ...(nth % 4 === 3 && stands > 0 && { stands }),
        })),
      )
      const { least, spare } = await underLoad(limit, { batch, for: span }, workers, played)
      expect(least).toBeGreaterThanOrEqual(-1e-6)
      // What goes back late is withheld as far as it may have refilled.
      if (stands === 0) expect(spare).toBeLessThan(0)
    }),
    { numRuns: Number(process.env.SCHEDULES ?? 15) },
  )
})
