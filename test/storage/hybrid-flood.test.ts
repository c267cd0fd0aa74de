import fc from 'fast-check'
import { memory } from '../../src/storage/memory/memory.js'
import { replay } from '../../src/testing/model/replay.js'
import { type Schedule, type Step, schedulesOf } from '../../src/testing/model/schedules.js'
import { Stage } from '../middleware/rig.js'
import { type Audit, audited } from './audited.js'
import { faulty } from './faulty.js'

const RUNS = Number(process.env.SCHEDULES ?? 400)

/** The same, as a flood: every ask comes some times over, with tokens that rise, and mostly without claims of other kinds. */
function flooding(schedule: Schedule): Schedule {
  const { plan } = schedule
  let token = 0
  const steps = schedule.steps.flatMap((step, nth): Step[] => {
    if (step.do !== 'ask') return [step]
    const costs = plan.checks.map((check, index) =>
      check.kind === 'claim' && check.tokens === 'digest' && nth % 4 !== 0
        ? 0
        : nth % 3 === 0
          ? (step.costs[index] as number)
          : 1,
    )
    const after = step.after > 60_000 ? 50 : step.after
    return Array.from({ length: 4 }, (_, again): Step => {
      token++
      return {
        ...step,
        limits: nth % 5 === 0 ? step.limits : undefined,
        costs,
        after: again === 0 ? after : again === 3 ? -1 : again,
        // Now and then one that was there before.
        tokens: plan.checks.map(() => (again === 2 && nth % 3 === 0 ? Math.max(0, token - 3) : token)),
      }
    })
  })
  return { plan, steps }
}

test('a flood is refused without a trip as the plain model refuses it, and every effect still reaches the storage', async () => {
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
  // Else the audits were of nothing.
  expect(audit.exact).toBeGreaterThan(RUNS / 2)
  expect(audit.bans).toBeGreaterThan(RUNS / 100)
  expect(audit.otherwise).toBeLessThan(audit.exact / 2)
  if (process.env.SCHEDULES !== undefined) console.log(audit)
}, 120_000)
