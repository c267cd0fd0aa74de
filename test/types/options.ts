import type { Context } from 'grammy'
import {
  type AdaptOptions,
  type AuthOptions,
  type BlockingOptions,
  type BlockOptions,
  type ComposeOptions,
  type ConcurrencyOptions,
  type DebounceOptions,
  type DenyOptions,
  type ExemptOptions,
  type GrantOptions,
  type MembershipOptions,
  type OnceOptions,
  type RateLimiterOptions,
  type ReconcileOptions,
  type RequireOptions,
  type SentinelOptions,
  type ThrottleOptions,
  throttle,
} from '../../src/index.js'

// With `exactOptionalPropertyTypes`, options may be undefined explicitly, in single guards as in sentinel(). So options that may be
// absent can be passed on as they are.

/** The names of optional properties that may be absent, but not undefined. */
type Strict<T> = {
  [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? undefined extends Required<T>[K]
      ? never
      : K
    : never
}[keyof T]
type Lenient<T> = [Strict<T>] extends [never] ? true : Strict<T>
type Penalty = NonNullable<ThrottleOptions<Context>['penalty']>

export const lenient: readonly [
  Lenient<SentinelOptions>,
  Lenient<AdaptOptions>,
  Lenient<AuthOptions>,
  Lenient<BlockOptions>,
  Lenient<ComposeOptions>,
  Lenient<ConcurrencyOptions>,
  Lenient<DebounceOptions>,
  Lenient<DenyOptions>,
  Lenient<ExemptOptions>,
  Lenient<MembershipOptions>,
  Lenient<OnceOptions>,
  Lenient<Penalty>,
  Lenient<RateLimiterOptions>,
  Lenient<ReconcileOptions>,
  Lenient<RequireOptions>,
  Lenient<ThrottleOptions>,
] = [true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true]

// A missing end makes a block or a role permanent, and a missing chat makes a role apply everywhere. A value that was lost by mistake
// must not do that, so these may be absent, but not undefined.
export const blocking = (lost?: '1d'): BlockingOptions[] => [
  // @ts-expect-error: a block without an end must be requested as one.
  { for: lost },
  // @ts-expect-error: the same for a date.
  { until: lost === undefined ? lost : new Date() },
]
export const granting = (lost?: '1d', chat?: number): GrantOptions[] => [
  // @ts-expect-error: a role without an end must be requested as one.
  { for: lost },
  // @ts-expect-error: the same for a date.
  { until: lost === undefined ? lost : new Date() },
  // @ts-expect-error: a role that applies everywhere must be requested as one.
  { chat },
]

export const passedOn = (name?: string) => throttle({ limit: '1/1m', name })
// @ts-expect-error: the limit is not optional.
throttle({ limit: undefined })
