import type { Ask, Decision, Judge, MaybePromise, Plan, Receipt } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import { chatKey, type Key, memberKey, userKey } from '../../core/subject.js'
import type { Storage } from '../../storage/contract/storage.js'
import { START } from '../stand.js'
import { Reference } from './reference.js'
import { type Asked, CROWD, type Schedule, type Step } from './schedules.js'
import type { ReferenceDecision, ReferenceReceipt } from './state.js'

// The keys of the first two are numbers, that of the third is a text.
const USERS: readonly Key[] = [
  userKey(1),
  userKey(2 ** 32 + 1),
  memberKey(userKey(1), -5),
  ...Array.from({ length: CROWD - 3 }, (_, nth) => userKey(2 + nth)),
]

/** Where a schedule is played: one storage, or several workers that share state and take turns. */
interface Stage {
  readonly open: (clock: Clock) => MaybePromise<Storage>
  readonly workers: number
}

let played = 0

/** Plays a schedule against storages and the reference; returns the first difference as text. */
export async function replay(schedule: Schedule, { open, workers }: Stage): Promise<string | undefined> {
  let clock = START
  // Unique names and bots, because many schedules may share one place.
  const number = ++played
  const plan: Plan = { ...schedule.plan, name: `schedule ${number}` }
  const botOf = (nth: number): number => number * 10 + nth
  const reference = new Reference(plan)
  let current = plan
  const storages: Storage[] = []
  const judges: Judge[] = []
  let receipts: { real: Receipt; model: ReferenceReceipt; worker: number }[] = []
  try {
    for (let worker = 0; worker < workers; worker++) {
      const storage = await open(() => clock)
      storages.push(storage)
      judges.push(await storage.prepare(plan))
    }
    for (const [nth, step] of schedule.steps.entries()) {
      const worker = nth % workers
      const storage = storages[worker] as Storage
      const judge = judges[worker] as Judge
      if (step.do === 'ask' || step.do === 'peek') {
        // With several workers the clock never goes back: each would stop its own time separately, and they would disagree.
        clock += workers === 1 ? step.after : Math.max(0, step.after)
        const ask = askOf(plan, current, step, botOf(step.bot))
        let model: ReferenceDecision
        let real: Decision
        if (step.do === 'peek') {
          model = reference.peek(ask, clock)
          real = await judge.peek(ask, clock)
          if (real.receipt !== undefined) return `step ${nth}: a peek gave a receipt`
        } else {
          const { decision, receipt } = reference.evaluate(ask, clock)
          model = decision
          real = await judge.evaluate(ask, clock)
          if ((receipt === undefined) !== (real.receipt === undefined)) return `step ${nth}: receipts differ`
          if (receipt !== undefined && real.receipt !== undefined) {
            receipts.push({ real: real.receipt, model: receipt, worker })
          }
        }
        const difference = differenceOf(real, model)
        if (difference !== undefined) return `step ${nth} (${step.do}): ${difference}`
      } else if (step.do === 'crowd') {
        clock += workers === 1 ? step.after : Math.max(0, step.after)
        const asks = step.asked.map((asked) => askOf(plan, current, asked, botOf(asked.bot)))
        const models = asks.map((ask) => reference.evaluate(ask, clock))
        const reals = await Promise.all(asks.map((ask) => judge.evaluate(ask, clock)))
        for (const [place, { decision, receipt }] of models.entries()) {
          const real = reals[place] as Decision
          const difference = differenceOf(real, decision)
          if (difference !== undefined) return `step ${nth} (one of those asked at once): ${difference}`
          if (receipt !== undefined && real.receipt !== undefined) {
            receipts.push({ real: real.receipt, model: receipt, worker })
          }
        }
      } else if (step.do === 'settle') {
        if (receipts.length === 0) continue
        const {
          real,
          model,
          worker: giver,
        } = receipts[step.which % receipts.length] as (typeof receipts)[number]
        await (judges[giver] as Judge).settle(real, step.how, step.check)
        reference.settle(model, step.how, step.check)
      } else if (step.do === 'reset') {
        const key = USERS[step.user] as Key
        const slot = step.check === undefined ? undefined : plan.checks[step.check]?.slot
        for (const bot of [1, 2].map(botOf)) {
          await storage.reset(bot, key, slot)
          reference.reset(bot, key, slot)
        }
        // A reset discards charges, so their receipts must not be settled any more.
        receipts = []
      } else if (step.do === 'mark') {
        const key = USERS[step.user] as Key
        const until = clock + step.for
        const mark = { since: clock, value: step.value, ...(until < Number.POSITIVE_INFINITY && { until }) }
        await storage.marks.put(botOf(1), step.name, [{ key, mark }])
        reference.putMark(botOf(1), key, step.name, until, step.value)
      } else if (step.do === 'unmark') {
        const key = USERS[step.user] as Key
        await storage.marks.remove(botOf(1), step.name, [key])
        reference.removeMark(botOf(1), key, step.name)
      } else if (step.do === 'prepare' && current === plan) {
        current = changed(plan, step)
        for (const [of, each] of storages.entries()) judges[of] = await each.prepare(current)
        reference.prepare(current)
      }
    }
  } finally {
    for (const storage of storages) await storage.close()
  }
  return undefined
}

/** Makes a later plan: other amounts, another order, and perhaps one check less. */
function changed(plan: Plan, { order, amount }: Extract<Step, { do: 'prepare' }>): Plan {
  const sorted = plan.checks
    .map((check, index) => ({ check, rank: order[index] as number }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ check }) => check)
  const kept = amount === 1 && sorted.length > 1 ? sorted.slice(1) : sorted
  return {
    ...plan,
    checks: kept.map((check) =>
      check.kind === 'bucket' || check.kind === 'window'
        ? { ...check, limit: { amount, per: check.limit.per } }
        : check,
    ),
  }
}

const lists = new Map<string, readonly number[]>()

/** Returns one shared list for equal costs, as in a chain: storages may cache by the identity of the list. */
function shared(costs: readonly number[]): readonly number[] {
  const name = costs.join()
  const known = lists.get(name)
  if (known !== undefined) return known
  if (lists.size > 10_000) lists.clear()
  lists.set(name, costs)
  return costs
}

/** Returns the same question for the current plan: costs, tokens and limits are matched by slot. */
function askOf(first: Plan, current: Plan, step: Asked, bot: number): Ask {
  const places = current.checks.map(({ slot }) => first.checks.findIndex((check) => check.slot === slot))
  return {
    bot,
    subjects: [USERS[step.user], step.chat < 0 ? undefined : chatKey(-100 - step.chat)],
    costs: shared(places.map((place) => step.costs[place] as number)),
    tokens: places
      .filter((place) => first.checks[place]?.kind === 'claim')
      .map((place) => step.tokens[place] as number),
    ...(step.limits !== undefined && { limits: places.map((place) => step.limits?.[place]) }),
  }
}

function differenceOf(real: Decision, model: ReferenceDecision): string | undefined {
  const told = {
    refusedBy: real.refusedBy,
    cause: real.cause,
    retryAfterMs: real.retryAfterMs,
    shadowRefusals: [...real.shadowRefusals],
    notice: real.notice,
    waived: real.waived,
  }
  const { remaining, ...expected } = model
  const order = { ...told, ...expected }
  // Texts are slow to make, and nearly all decisions are equal.
  if (!isSame(order, told) && JSON.stringify(order, unfold) !== JSON.stringify(told, unfold)) {
    return `decided ${JSON.stringify(told, unfold)}, the reference ${JSON.stringify(expected, unfold)}`
  }
  const near = (a: number, b: number): boolean =>
    Math.abs(a - b) <= 1e-6 || (Number.isNaN(a) && Number.isNaN(b))
  const left = [...real.remaining]
  if (
    left.length === remaining.length &&
    left.every((value, index) => near(value, remaining[index] as number))
  ) {
    return undefined
  }
  return `left ${left.join(' ')}, the reference ${remaining.join(' ')}; ${JSON.stringify(told, unfold)}`
}

/** Whether two decisions without objects of their own are equal; false if only their texts can tell. */
function isSame(one: Readonly<Record<string, unknown>>, other: Readonly<Record<string, unknown>>): boolean {
  for (const name in one) {
    const [a, b] = [one[name], other[name]]
    if (a !== b && !(Array.isArray(a) && Array.isArray(b) && a.length === 0 && b.length === 0)) return false
  }
  return true
}

function unfold(_: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? 'never' : value
}
