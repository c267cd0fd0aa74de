import { z } from 'zod'
import type { Duration, Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { capacityOf, formatLimit, type Limit, type LimitInput, MOST_AMOUNT } from '../../core/limit.js'
import { duration, limit as limitSchema, option } from '../options/schema.js'
import type { Bounds } from './runtime-limits.js'

const WHOLE = 'must be a whole number of at least 1'
const whole = z.number(WHOLE).int(WHOLE).min(1, WHOLE).max(MOST_AMOUNT, WHOLE)
const SHARE = 'must be a number above 0 and below 1'
const share = z.number(SHARE).gt(0, SHARE).lt(1, SHARE)

export const adaptOptions = z.strictObject({
  min: limitSchema.meta({ description: 'It never gets less than this, per the same span.' }),
  max: limitSchema.meta({ description: 'It never gets more than this, per the same span.' }),
  earn: option(
    z.strictObject({
      after: option(whole, 'Updates that passed in a row, without a refusal by this limit.', 100),
      by: option(whole, 'Units of the amount that they earn. Default: a tenth of the limit.'),
    }),
    'What good conduct brings.',
  ),
  lose: option(
    z.strictObject({
      after: option(whole, 'Refusals by this limit.', 5),
      within: option(duration, 'Within so long.', '10m'),
      to: option(share, 'The share of the amount that is left.', 0.5),
    }),
    'What bad conduct costs.',
  ),
  for: option(duration, 'What was earned or lost holds so long after the last change.', '7d'),
})

/**
 * Lets conduct move a user's limit, by additive increase and multiplicative decrease
 * (D. Chiu and R. Jain, 1989): who keeps to it earns a little, who runs against it loses a share.
 *
 * @example
 * ```ts
 * import { type AdaptOptions, throttle } from 'grammy-sentinel'
 *
 * const adapt: AdaptOptions = {
 *   min: '5/1m',
 *   max: '40/1m',
 *   earn: { after: 200, by: 2 },
 *   lose: { after: 3, within: '5m', to: 0.5 },
 * }
 * throttle({ limit: '20/1m', adapt })
 * ```
 */
export interface AdaptOptions {
  /** It never gets less than this; per the same span as the limit. */
  readonly min: LimitInput
  /** It never gets more than this; per the same span as the limit. */
  readonly max: LimitInput
  /** `after` so many updates that passed in a row, the amount grows `by` so many units. */
  readonly earn?: {
    /** @default 100 */
    readonly after?: number
    /** @default a tenth of the limit's amount, and at least 1 */
    readonly by?: number
  }
  /** `after` so many refusals `within` a span, the amount shrinks `to` a share of itself, rounded down. */
  readonly lose?: {
    /** @default 5 */
    readonly after?: number
    /** @default '10m' */
    readonly within?: Duration
    /** Above 0 and below 1. @default 0.5 */
    readonly to?: number
  }
  /** After so long without a change the usual limit holds again. @default '7d' */
  readonly for?: Duration
}

/** How a limit adapts: every number of it. */
export interface Adaptation {
  readonly base: Limit
  readonly least: number
  readonly most: number
  /** The limits of these two: whatever was earned or lost under other options holds within them. */
  readonly bounds: Bounds
  readonly earnAfter: number
  readonly earnBy: number
  readonly loseAfter: number
  readonly loseWithin: Ms
  readonly loseTo: number
  readonly holdFor: Ms
}

/** Checks how a limit is to adapt. */
export function readAdapt(
  options: z.output<typeof adaptOptions>,
  base: Limit,
  cost: number,
  what: string,
): Adaptation {
  const { min, max, earn = {}, lose = {} } = options
  const wrong = (name: string, problem: string): SentinelError =>
    new SentinelError('option.invalid', `${what}.${name}: ${problem}`)
  for (const [name, bound] of [
    ['min', min],
    ['max', max],
  ] as const) {
    if (bound.per !== base.per) {
      throw wrong(
        name,
        `${formatLimit(bound)} is not per the same span as the limit, ${formatLimit(base)}. Only the amount adapts.`,
      )
    }
    if (bound.burst !== undefined) {
      throw wrong(name, `a burst of its own. The burst adapts with the amount: leave it out.`)
    }
  }
  if (min.amount > base.amount) throw wrong('min', `${min.amount} is more than the limit, ${base.amount}.`)
  if (max.amount < base.amount) throw wrong('max', `${max.amount} is less than the limit, ${base.amount}.`)
  const bounds: Bounds = { min: limitAt(base, min.amount), max: limitAt(base, max.amount) }
  const adaptation: Adaptation = {
    base,
    bounds,
    least: min.amount,
    most: max.amount,
    earnAfter: earn.after ?? 100,
    earnBy: earn.by ?? Math.max(1, Math.round(base.amount / 10)),
    loseAfter: lose.after ?? 5,
    loseWithin: lose.within ?? 600_000,
    loseTo: lose.to ?? 0.5,
    holdFor: options.for ?? 604_800_000,
  }
  if (cost > capacityOf(bounds.min)) {
    throw wrong(
      'min',
      `an update costs ${cost}, so nothing would pass under ${formatLimit(bounds.min)}. Raise it.`,
    )
  }
  return adaptation
}

/** The limit of an amount; its burst grows and shrinks alike. */
export function limitAt(base: Limit, amount: number): Limit {
  if (base.burst === undefined) return { amount, per: base.per }
  const burst = Math.round((base.burst * amount) / base.amount)
  return { amount, per: base.per, burst: Math.min(MOST_AMOUNT, Math.max(1, burst)) }
}
