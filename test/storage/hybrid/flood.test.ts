import fc from 'fast-check'
import type { Judge, Plan } from '../../../src/core/check.js'
import type { Clock } from '../../../src/core/clock.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { replay } from '../../../src/testing/model/replay.js'
import { type Schedule, type Step, schedulesOf } from '../../../src/testing/model/schedules.js'
import { Stage } from '../../middleware/rig.js'
import { type Audit, audited, having } from '../audited.js'
import { faulty } from '../faulty.js'

const RUNS = Number(process.env.SCHEDULES ?? 400)

/**
 * Makes a flood of a schedule: every request is repeated several times, with increasing tokens. Some are repeated with the same token,
 * after their admission was settled in some way.
 */
function flooding(schedule: Schedule): Schedule {
  const { plan } = schedule
  let token = 0
  let asks = 0
  const steps = schedule.steps.flatMap((step, nth): Step[] => {
    if (step.do !== 'ask') return [step]
    const costs = plan.checks.map((check, index) =>
      check.kind === 'claim' && check.tokens === 'digest' && nth % 3 !== 0
        ? 0
        : nth % 3 === 1
          ? (step.costs[index] as number)
          : 1,
    )
    const after = step.after > 60_000 ? 50 : step.after
    const asked = (again: number, own: number): Step => ({
      ...step,
      limits: nth % 5 === 0 ? step.limits : undefined,
      costs,
      after: again === 0 ? after : again === 3 ? -1 : again,
      tokens: plan.checks.map(() => own),
    })
    const flood = Array.from({ length: 4 }, (_, again) => asked(again, ++token))
    if (nth % 2 === 0) return flood
    const settle: Step = {
      do: 'settle',
      which: asks++,
      how: nth % 4 === 1 ? 'release' : 'refund',
      check: undefined,
    }
    const first = token - 3
    return [
      ...flood.slice(0, 3),
      settle,
      asked(1, first),
      ...flood.slice(3),
      asked(2, first),
      asked(0, first),
    ]
  })
  return { plan, steps }
}

test('a flood is refused locally like in the reference model, and every effect still reaches the storage', async () => {
  const audit: Audit = { exact: 0, bans: 0, otherwise: 0 }
  const open = (clock: () => number) =>
    audited(faulty(clock, new Stage().timers), { clock }, audit, memory({ clock }))
  const floods = schedulesOf(fc).map(flooding)
  await fc.assert(
    fc.asyncProperty(floods, async (schedule) => {
      const difference = await replay(schedule, { open, workers: 1 })
      if (difference !== undefined) throw new Error(difference)
    }),
    { numRuns: RUNS, includeErrorInReport: true },
  )
  // Otherwise the audits would have checked nothing.
  expect(audit.exact).toBeGreaterThan(RUNS / 2)
  expect(audit.bans).toBeGreaterThan(RUNS / 100)
  expect(audit.otherwise).toBeLessThan(audit.exact / 2)
  if (process.env.SCHEDULES !== undefined) console.log(audit)
})

/**
 * A storage shared by several workers. Memory storage treats every plan as a newer version, so equal plans are prepared once; and all
 * workers share one time, which never goes back even if one of them passes an earlier time.
 */
function sharedBy(workers: number): (clock: Clock) => Storage {
  let opened = 0
  let place: Storage | undefined
  let judges = new Map<string, Promise<Judge>>()
  return (clock) => {
    if (opened++ % workers === 0 || place === undefined) {
      place = faulty(clock, new Stage().timers)
      judges = new Map()
    }
    const [shared, known] = [place, judges]
    return having(shared, {
      prepare(plan: Plan) {
        const name = JSON.stringify(plan)
        const judge = known.get(name) ?? Promise.resolve(shared.prepare(plan)).then(inOneTime)
        known.set(name, judge)
        return judge
      },
      close: () => undefined,
    })
  }
}

function inOneTime(judge: Judge): Judge {
  let latest = 0
  return {
    evaluate(ask, at = latest) {
      latest = Math.max(latest, at)
      return judge.evaluate(ask, latest)
    },
    peek: (ask, at) => judge.peek(ask, at),
    settle: (receipt, how, check) => judge.settle(receipt, how, check),
  }
}

/** Removes leases: claims with a lease admit updates again when it has ended, in any order of tokens, but hybrid() needs rising ones here. */
function withoutLeases(schedule: Schedule): Schedule {
  const checks = schedule.plan.checks.map((check) => {
    if (check.kind !== 'claim') return check
    const { lease: _, ...rest } = check
    return rest
  })
  return { ...schedule, plan: { ...schedule.plan, checks } }
}

test('two workers taking turns in a flood refuse locally only what the storage would refuse', async () => {
  const audit: Audit = { exact: 0, bans: 0, otherwise: 0 }
  const place = sharedBy(2)
  const open = (clock: Clock) => audited(place(clock), { clock }, audit, memory({ clock }))
  const floods = schedulesOf(fc).map(withoutLeases).map(flooding)
  await fc.assert(
    fc.asyncProperty(floods, async (schedule) => {
      const difference = await replay(schedule, { open, workers: 2 })
      if (difference !== undefined) throw new Error(difference)
    }),
    { numRuns: RUNS, includeErrorInReport: true },
  )
  expect(audit.exact).toBeGreaterThan(RUNS / 4)
  if (process.env.SCHEDULES !== undefined) console.log(audit)
})
