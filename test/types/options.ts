import type { Context } from 'grammy'
import {
  type AdaptOptions,
  type AuthOptions,
  type BlockOptions,
  type ConcurrencyOptions,
  type DebounceOptions,
  type ExemptOptions,
  type MembershipOptions,
  type OnceOptions,
  type PermissionOptions,
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
  Lenient<ConcurrencyOptions>,
  Lenient<DebounceOptions>,
  Lenient<ExemptOptions>,
  Lenient<MembershipOptions>,
  Lenient<OnceOptions>,
  Lenient<Penalty>,
  Lenient<PermissionOptions>,
  Lenient<RequireOptions>,
  Lenient<ThrottleOptions>,
] = [true, true, true, true, true, true, true, true, true, true, true, true, true]

export const passedOn = (name?: string) => throttle({ limit: '1/1m', name })
// @ts-expect-error: the limit is not optional.
throttle({ limit: undefined })
