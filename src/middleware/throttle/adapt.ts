import { z } from 'zod'
import type { Duration, Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { capacityOf, formatLimit, type Limit, type LimitInput, MOST_AMOUNT } from '../../core/limit.js'
import { limit as limitSchema, option, timeSpan } from '../options/schema.js'
import type { Bounds } from './runtime-limits.js'

const WHOLE = 'must be a whole number of at least 1'
const whole = z.number(WHOLE).int(WHOLE).min(1, WHOLE).max(MOST_AMOUNT, WHOLE)
const SHARE = 'must be a number above 0 and below 1'
const share = z.number(SHARE).gt(0, SHARE).lt(1, SHARE)

export const adaptOptions = z.strictObject({
  min: limitSchema.meta({ description: 'The limit never falls below this, per the same time span.' }),
  max: limitSchema.meta({ description: 'The limit never rises above this, per the same time span.' }),
  earn: option(
    z.strictObject({
      after: option(whole, 'How many updates in a row must pass without a refusal by this limit.', 100),
      by: option(whole, 'How much the amount then rises. Default: a tenth of the limit.'),
    }),
    'What good conduct brings.',
    {},
  ),
  lose: option(
    z.strictObject({
      after: option(whole, 'How many refusals by this limit.', 5),
      within: option(timeSpan, 'Within this time.', '10m'),
      to: option(share, 'The share of the amount that remains.', 0.5),
    }),
    'What bad conduct costs.',
    {},
  ),
  for: option(timeSpan, 'How long a change lasts, counted from the latest one.', '7d'),
})

/**
 * Adapts a user's limit to their conduct, by additive increase and multiplicative decrease
 * (D. Chiu and R. Jain, 1989): users who keep to the limit earn a little, users who exceed it lose a share.
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
  /** The smallest limit, with the same span as the limit itself. */
  readonly min: LimitInput
  /** The largest limit, with the same span as the limit itself. */
  readonly max: LimitInput
  /** `after` this many updates that passed in a row, the amount grows `by` this many units. */
  readonly earn?:
    | {
        /** @default 100 */
        readonly after?: number | undefined
        /** @default a tenth of the limit's amount, and at least 1 */
        readonly by?: number | undefined
      }
    | undefined
  /** `after` this many refusals `within` a span, the amount shrinks `to` this share of itself, rounded down. */
  readonly lose?:
    | {
        /** @default 5 */
        readonly after?: number | undefined
        /** @default '10m' */
        readonly within?: Duration | undefined
        /** The share that remains, above 0 and below 1. @default 0.5 */
        readonly to?: number | undefined
      }
    | undefined
  /** How long an adapted limit lasts after its last change; then the usual limit applies again. @default '7d' */
  readonly for?: Duration | undefined
}

/** The rules of adaptation, with defaults filled in. */
export interface Adaptation {
  readonly base: Limit
  readonly least: number
  readonly most: number
  /** Bounds as limits; what was earned or lost under other options is clamped to them. */
  readonly bounds: Bounds
  readonly earnAfter: number
  readonly earnBy: number
  readonly loseAfter: number
  readonly loseWithin: Ms
  readonly loseTo: number
  readonly holdFor: Ms
}

/** Checks and reads the options of adaptation. */
export function readAdapt(
  options: z.output<typeof adaptOptions>,
  base: Limit,
  cost: number,
  what: string,
): Adaptation {
  const { min, max, earn, lose, for: holdFor } = options
  const wrong = (name: string, problem: string): SentinelError =>
    new SentinelError('option.invalid', `${what}.${name}: ${problem}`)
  for (const [name, bound] of [
    ['min', min],
    ['max', max],
  ] as const) {
    if (bound.per !== base.per) {
      throw wrong(
        name,
        `${formatLimit(bound)} has another time span than the limit, ${formatLimit(base)}. Only the amount adapts.`,
      )
    }
    if (bound.burst !== undefined) {
      throw wrong(name, `it has its own burst, but the burst adapts with the amount. Leave it out.`)
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
    earnAfter: earn.after,
    earnBy: earn.by ?? Math.max(1, Math.round(base.amount / 10)),
    loseAfter: lose.after,
    loseWithin: lose.within,
    loseTo: lose.to,
    holdFor,
  }
  if (cost > capacityOf(bounds.min)) {
    throw wrong(
      'min',
      `an update costs ${cost}, so nothing would pass under ${formatLimit(bounds.min)}. Raise it.`,
    )
  }
  return adaptation
}

/** Returns the limit for an amount, with its burst scaled in proportion. */
export function limitAt(base: Limit, amount: number): Limit {
  if (base.burst === undefined) return { amount, per: base.per }
  const burst = Math.round((base.burst * amount) / base.amount)
  return { amount, per: base.per, burst: Math.min(MOST_AMOUNT, Math.max(1, burst)) }
}
