import type { Ask, Plan, WindowCheck } from '../../core/check.js'
import type { Limit } from '../../core/limit.js'
import type { Key } from '../../core/subject.js'
import {
  type Charge,
  type LimitedCheck,
  type Memory,
  nameOf,
  type ReferenceReceipt,
  type Window,
} from './state.js'

const THOUSAND = 1000

/** Returns how long until a charge fits; 0 if it does already. */
export function waitOf(
  memory: Memory,
  check: LimitedCheck,
  limit: Limit,
  state: string,
  cost: number,
): number {
  const now = memory.own
  const fits = roomAt(memory, check, limit, state, cost)
  if (!fits(Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY
  // Without charges room only grows, so the time is found by doubling and then bisecting to the millisecond.
  if (fits(now)) return 0
  let high = 1
  while (!fits(now + high)) high *= 2
  let low = 0
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (fits(now + middle)) high = middle
    else low = middle
  }
  return high
}

function roomAt(
  memory: Memory,
  check: LimitedCheck,
  limit: Limit,
  state: string,
  cost: number,
): (time: number) => boolean {
  if (check.kind === 'bucket') {
    const charge = unitsOf(cost, limit)
    const depth = depthOf(limit)
    return (time) =>
      charge + (time === Number.POSITIVE_INFINITY ? 0n : missing(memory, limit, state, time)) <= depth
  }
  const most = amountOf(check, limit)
  if (check.form === 'log') {
    return (time) => Math.ceil(cost) + logUsed(memory, check, limit, state, time) <= most
  }
  const charge = thousandthsOf(cost)
  if (check.form === 'fixed') {
    return (time) => charge + fixedUsed(memory, limit, state, time) <= most * THOUSAND
  }
  return (time) => {
    if (time === Number.POSITIVE_INFINITY) return charge <= most * THOUSAND
    const { used, before, covered } = counters(memory, limit, state, time)
    // Both sides are multiplied by `per`, so that nothing is rounded.
    return before * covered + (used + charge) * limit.per <= most * THOUSAND * limit.per
  }
}

function missing(memory: Memory, limit: Limit, state: string, time: number): bigint {
  const bucket = memory.buckets.get(state)
  if (bucket === undefined) return 0n
  const left = bucket.missing - BigInt(time - bucket.at) * bucket.amount
  if (left <= 0n) return 0n
  // When the limit changes, the time until the bucket is full stays the same, rounded to the nearest unit.
  const amount = BigInt(limit.amount)
  const units = (2n * left * amount + bucket.amount) / (2n * bucket.amount)
  const depth = depthOf(limit)
  return units > depth ? depth : units
}

function logUsed(memory: Memory, check: WindowCheck, { per }: Limit, state: string, time: number): number {
  const { charges } = memory.windows.get(state) ?? { charges: [] }
  return charges.slice(-ringOf(check)).filter((charge) => charge.at + per > time).length
}

function fixedUsed(memory: Memory, { per }: Limit, state: string, time: number): number {
  const window = memory.windows.get(state)
  if (window === undefined || window.start + per <= time) return 0
  return sum(window.charges)
}

function counters(
  memory: Memory,
  { per }: Limit,
  state: string,
  time: number,
): { used: number; before: number; covered: number } {
  const window = memory.windows.get(state)
  if (window === undefined) return { used: 0, before: 0, covered: per }
  const spans = Math.floor((time - window.start) / per)
  const begin = window.start + spans * per
  return {
    used: sum(window.charges.filter(({ at }) => at >= begin)),
    before: sum(window.charges.filter(({ at }) => at >= begin - per && at < begin)),
    covered: begin + per - time,
  }
}

export function charge(memory: Memory, plan: Plan, index: number, ask: Ask, limit: Limit): void {
  const check = plan.checks[index] as LimitedCheck
  const state = nameOf(ask.bot, check.slot, ask.subjects[check.subject] as Key)
  const cost = ask.costs[index] as number
  const at = memory.own
  if (check.kind === 'bucket') {
    const units = missing(memory, limit, state, at) + unitsOf(cost, limit)
    memory.buckets.set(state, { missing: units, amount: BigInt(limit.amount), at })
    return
  }
  let window = memory.windows.get(state)
  const idle =
    window === undefined ||
    (check.form === 'fixed' && window.start + limit.per <= at) ||
    (check.form === 'counters' && lastSpanOf(window, limit) + 2 * limit.per <= at)
  if (window === undefined || (idle && check.form !== 'log')) {
    window = { charges: [], start: at, last: at }
    memory.windows.set(state, window)
  }
  window.last = at
  if (check.form === 'log') {
    for (let unit = 0; unit < Math.ceil(cost); unit++) window.charges.push({ at, size: 1 })
    window.charges = window.charges.slice(-ringOf(check))
  } else window.charges.push({ at, size: thousandthsOf(cost) })
}

export function refund(memory: Memory, { ask, plan, own, limits }: ReferenceReceipt, index: number): void {
  const was = plan.checks[index] as LimitedCheck
  const state = nameOf(ask.bot, was.slot, ask.subjects[was.subject] as Key)
  const cost = ask.costs[index] as number
  const limit = limits[index] as Limit
  if (was.kind === 'bucket') {
    const bucket = memory.buckets.get(state)
    if (bucket === undefined) return
    const amount = BigInt(limit.amount)
    // missing / amount of the bucket, minus units / amount of the charge.
    bucket.missing = bucket.missing * amount - unitsOf(cost, limit) * bucket.amount
    bucket.amount *= amount
    return
  }
  const window = memory.windows.get(state)
  if (window === undefined) return
  const size = was.form === 'log' ? 1 : thousandthsOf(cost)
  for (let unit = 0; unit < (was.form === 'log' ? Math.ceil(cost) : 1); unit++) {
    const found = window.charges.findIndex((charge) => charge.at === own && charge.size === size)
    if (found < 0) continue
    // With two counters the span keeps its start, even if the charge that started it is refunded.
    window.charges.splice(found, 1)
  }
}

/** Returns what is left of a limit now. */
export function leftOf(memory: Memory, check: LimitedCheck, limit: Limit, state: string): number {
  const now = memory.own
  if (check.kind === 'bucket') {
    return Number(depthOf(limit) - missing(memory, limit, state, now)) / limit.per
  }
  const most = amountOf(check, limit)
  if (check.form === 'log') return Math.max(0, most - logUsed(memory, check, limit, state, now))
  if (check.form === 'fixed') return Math.max(0, most - fixedUsed(memory, limit, state, now) / THOUSAND)
  const { used, before, covered } = counters(memory, limit, state, now)
  return Math.max(0, most - (used + (before * covered) / limit.per) / THOUSAND)
}

function unitsOf(cost: number, { per }: Limit): bigint {
  return BigInt(Math.max(1, Math.round(cost * per)))
}

function depthOf({ amount, per, burst = amount }: Limit): bigint {
  return BigInt(burst) * BigInt(per)
}

function thousandthsOf(cost: number): number {
  return Math.max(1, Math.round(cost * THOUSAND))
}

/** Number of stamps that an exact window keeps: the largest limit that the plan names. */
function ringOf({ limit, variants = [] }: WindowCheck): number {
  return Math.max(limit.amount, ...variants.map((each) => (each.limit === 'stored' ? 0 : each.limit.amount)))
}

function amountOf(check: WindowCheck, { amount }: Limit): number {
  return check.form === 'log' ? Math.min(amount, ringOf(check)) : amount
}

function sum(charges: readonly Charge[]): number {
  return charges.reduce((total, { size }) => total + size, 0)
}

/** Returns when the span of the last charge began. */
function lastSpanOf({ last, start }: Window, { per }: Limit): number {
  return start + Math.floor((last - start) / per) * per
}
