import type { Context } from 'grammy'
import { z } from 'zod'
import type { Duration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { LimitInput } from '../core/limit.js'
import { shown } from '../core/show.js'
import { type DebounceOptions, debounceOptions } from '../middleware/debounce.js'
import { given, limit, option, parseOptions, refusal, timeSpan } from '../middleware/options/schema.js'
import type { Denial } from '../middleware/refusing/denial.js'
import { type ThrottleOptions, throttleOptions } from '../middleware/throttle.js'

/**
 * The options of a policy. All are optional; those left out are inherited from the extended policy.
 *
 * @example
 * ```ts
 * import { type PolicyOptions, sentinel } from 'grammy-sentinel'
 *
 * const strict: PolicyOptions = { throttle: { limit: '5/1m', penalty: { bans: ['10m'] } } }
 * const checkout: PolicyOptions = { extends: 'strict', throttle: '3/1m', debounce: '1s', roles: ['customer'] }
 * sentinel({ policies: { strict, checkout } })
 * ```
 */
export interface PolicyOptions<C extends Context = Context> {
  /** The name, if the policy was made by {@link definePolicy}. */
  readonly name?: string | undefined
  /** The policy that this one is based on: a name that the sentinel knows, or a policy. */
  readonly extends?: string | Policy<C> | undefined
  /**
   * Limits: a limit, {@link ThrottleOptions}, or a list of limits with distinct names. Merged option by option with the extended
   * policy; a list, or `false`, replaces its limits. A limit without a name is named after the policy.
   */
  readonly throttle?:
    | false
    | LimitInput
    | (Omit<ThrottleOptions<C>, 'limit'> & Partial<Pick<ThrottleOptions<C>, 'limit'>>)
    | readonly (LimitInput | ThrottleOptions<C>)[]
    | undefined
  /** Merges repeated taps or messages into one call: a window, or {@link DebounceOptions}; `false` for none. */
  readonly debounce?: false | Duration | DebounceOptions<C> | undefined
  /** Requires one of these roles, held everywhere or in the chat of the update; `false` requires none. */
  readonly roles?: false | readonly string[] | undefined
  /** Requires registration. @default false */
  readonly registered?: boolean | undefined
  /** How refused users are answered, for parts that do not set it. @default 'notice' */
  readonly deny?: Denial<C> | undefined
  /** Minimum time between two notices, for parts that do not set it. @default '1m' */
  readonly noticeEvery?: Duration | undefined
  /** Guards decide, count and notify listeners, but refuse nothing. @default false */
  readonly shadow?: boolean | undefined
}

/**
 * The options that one handler overrides. They are merged over the policy as a policy is merged over the one it extends.
 *
 * @example
 * ```ts
 * import { type PolicyOverride, policy } from 'grammy-sentinel'
 *
 * const slower: PolicyOverride = { throttle: '1/1m' }
 * policy('checkout', slower)
 * ```
 */
export type PolicyOverride<C extends Context = Context> = Omit<PolicyOptions<C>, 'name' | 'extends'>

/**
 * A policy with a name, made by {@link definePolicy}.
 *
 * @example
 * ```ts
 * import { definePolicy, type Policy, sentinel } from 'grammy-sentinel'
 *
 * const checkout: Policy = definePolicy('checkout', { throttle: '3/1m' })
 * sentinel({ policies: { checkout } })
 * ```
 */
export interface Policy<C extends Context = Context> extends PolicyOptions<C> {
  readonly name: string
}

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/
const A_NAME = 'must be a letter, then up to 63 letters, digits, - and _, such as "checkout"'

const off = z.literal(false)
const policyName = z.string().regex(NAME, A_NAME)

/** Options of one policy, as `policies` of `sentinel()` takes them. */
export const policyOptions = z.strictObject({
  name: option(
    policyName,
    'Its name. If it was made by definePolicy(), it must be the key under which it is listed.',
  ),
  extends: option(
    z.union([
      policyName,
      given<Policy>('a policy made by definePolicy()', (value) => typeof Object(value).name === 'string'),
    ]),
    'The policy that this one changes.',
  ),
  throttle: option(
    z.union([
      off,
      limit,
      throttleOptions.partial({ limit: true }),
      z
        .array(z.union([limit, throttleOptions]))
        .min(1, 'must name at least one; throttle: false turns limits off')
        .readonly(),
    ]),
    'Limits: how much may come from whom. An unnamed limit is named after the policy.',
  ),
  debounce: option(
    z.union([off, timeSpan, debounceOptions]),
    'Merges repeated taps or messages into one call.',
  ),
  roles: option(
    z.union([
      off,
      z
        .array(z.string().min(1, 'must be the name of a role').max(64, 'must be the name of a role'))
        .min(1, 'must name at least one; roles: false asks for none')
        .readonly(),
    ]),
    'Demands one of these roles.',
  ),
  registered: option(z.boolean(), 'Demands registration.', false),
  ...refusal,
})

/** Options of a handler: those of a policy, without its name and base. */
const overrideOptions = policyOptions.omit({ name: true, extends: true })

/**
 * Defines a named bundle of limits and requirements, to be put in front of handlers with {@link policy}. The result is a plain
 * value. Given to a sentinel (`sentinel({ policies: { checkout } })`) it can be used by name; `policy(checkout)` works without
 * that.
 *
 * @param name A letter, then up to 63 letters, digits, `-` and `_`. Its limits store their state under this name, so renaming resets them.
 * @throws SentinelError `option.invalid`, `option.unknown`, `limit.invalid`, `duration.invalid`, `scope.unknown`, naming the
 * invalid part. A policy extended by name is looked up later, when guards are wired.
 *
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { definePolicy, policy, sentinel } from 'grammy-sentinel'
 *
 * const strict = definePolicy('strict', { throttle: { limit: '5/1m', penalty: { bans: ['10m'] } } })
 * const checkout = definePolicy('checkout', { extends: strict, throttle: '3/1m', debounce: '1s', roles: ['customer'] })
 * const bot = new Bot('123:token')
 * bot.use(sentinel())
 * bot.command('buy', policy(checkout), (ctx) => ctx.reply('Thank you!'))
 * ```
 */
export function definePolicy<C extends Context = Context>(
  name: string,
  options: Omit<PolicyOptions<C>, 'name'>,
): Policy<C> {
  checkName(name, 'definePolicy')
  const own: unknown = (options as PolicyOptions | undefined)?.name
  if (own !== undefined && own !== name) {
    throw new SentinelError(
      'option.invalid',
      `definePolicy: ${shown(own)} contradicts the name it is defined under, "${name}". Leave it out of the options.`,
    )
  }
  parseOptions(name, policyOptions, options)
  return Object.freeze({ ...options, name })
}

/**
 * Rejects an invalid name of a policy.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkName(name: unknown, what: string): asserts name is string {
  if (typeof name === 'string' && NAME.test(name)) return
  throw new SentinelError('option.invalid', `${what}: ${shown(name)} is wrong; it ${A_NAME}.`)
}

/** Checks the overrides of a handler. */
export function checkOverride(own: PolicyOverride | undefined): void {
  if (own !== undefined) parseOptions('policy', overrideOptions, own)
}
