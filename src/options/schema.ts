import type { Context } from 'grammy'
import { z } from 'zod'
import type { Clock, Timers } from '../core/clock.js'
import type { Duration } from '../core/duration.js'
import type { LimitInput } from '../core/limit.js'
import type { RoleOptions } from '../core/roles.js'
import { type AuthOptions, authOptions } from '../middleware/auth.js'
import { type BlockOptions, blockOptions } from '../middleware/block.js'
import type { WaitUntil } from '../middleware/chain/background.js'
import { type ConcurrencyOptions, concurrencyOptions } from '../middleware/concurrency.js'
import { type DebounceOptions, debounceOptions } from '../middleware/debounce.js'
import { type ExemptOptions, exemptOptions } from '../middleware/exempt/exemptions.js'
import { type HookOptions, isHooks } from '../middleware/hooking/hook-options.js'
import { type MembershipOptions, membershipOptions } from '../middleware/membership.js'
import { type OnceOptions, onceOptions } from '../middleware/once.js'
import { callable, duration, given, limit, option } from '../middleware/options/schema.js'
import { type NoticeOptions, noticeOptions } from '../middleware/refusing/notices.js'
import { type ThrottleOptions, throttleOptions } from '../middleware/throttle.js'
import type { StatsPlugin } from '../observability/stats/contract.js'
import { type OutgoingOptions, outgoingOptions } from '../outgoing/options.js'
import { type PolicyOptions, policyOptions } from '../policies/policy-options.js'
import { type SettingsOptions, settingsOptions } from '../settings/settings-options.js'
import type { Storage } from '../storage/storage.js'
import { frozen, has } from './layer.js'

const off = z.literal(false)
const storage = given<Storage>('a storage, such as memory() or redis(url)', (value) =>
  has(value, 'prepare', 'marks'),
)
const timers = given<Timers>('timers: an object with after(ms, run)', (value) => has(value, 'after'))

const hooks = given<HookOptions>('hooks by point, such as { denied: fn }', isHooks)

const names = z.array(z.string()).readonly()

const roleOptions = z.strictObject({
  extends: option(names, 'Roles that its holders count as, too.'),
  allow: option(names, 'Permissions, such as "orders.*".'),
  deny: option(names, 'Permissions that its holders never have.'),
})

/** What holds by default. */
export const DEFAULTS = frozen({
  block: {},
  once: {},
  auth: false,
  throttle: { limit: { amount: 60, per: '1m', burst: 30 } },
  debounce: { window: '500ms', on: ['tap'] },
  concurrency: false,
  membership: true,
  users: false,
  limits: false,
  outgoing: false,
  settings: false,
  exempt: {},
  notices: {},
  shadow: false,
} as const satisfies SentinelOptions)

const throttles = [
  throttleOptions.partial({ limit: true }),
  z
    .array(z.union([limit, throttleOptions]))
    .min(1, 'must name at least one; throttle: false turns limits off')
    .readonly(),
] as const

/** Every option of `sentinel()`. Published as JSON Schema, for the files that `fromJson()` reads. */
export const optionsSchema = z.strictObject({
  $schema: option(z.string(), 'Where an editor finds the schema of a file. Ignored.'),
  name: option(z.string().min(1, 'must be a name'), 'Names the state. Default: by order of making.'),
  storage: option(storage, 'Keeps the state. In code only. Default: memory.'),
  block: option(z.union([off, blockOptions]), 'The block list.', DEFAULTS.block),
  once: option(z.union([off, onceOptions]), 'Handles a redelivered update once.', DEFAULTS.once),
  auth: option(z.union([off, authOptions]), 'Lets in only the registered, or holders of a role.', false),
  throttle: option(z.union([off, limit, ...throttles]), 'How much may come from whom.', DEFAULTS.throttle),
  debounce: option(z.union([off, duration, debounceOptions]), 'Makes one of many.', DEFAULTS.debounce),
  concurrency: option(
    z.union([
      off,
      concurrencyOptions,
      z.array(concurrencyOptions).min(1, 'must name at least one').readonly(),
    ]),
    'How much of whom is handled at once.',
    false,
  ),
  membership: option(z.union([z.boolean(), membershipOptions]), 'Observes who comes and goes.', true),
  users: option(z.boolean(), 'Notes when users were seen, and counts what they did.', false),
  limits: option(z.boolean(), 'Limits can be changed while the bot runs: guard.limits.', false),
  policies: option(
    z.record(z.string(), policyOptions),
    'Bundles of limits and demands for handlers, by name.',
  ),
  outgoing: option(
    z.union([off, outgoingOptions]),
    "Waits out Telegram's 429, for bots it is installed on.",
    false,
  ),
  hooks: option(hooks, 'Functions at points on the way of an update. In code only.'),
  stats: option(
    callable<StatsPlugin>(),
    'Counts what comes: stats() of grammy-sentinel/stats. In code only.',
  ),
  settings: option(
    z.union([off, settingsOptions]),
    'What the administrators of a chat may tune for it.',
    false,
  ),
  exempt: option(exemptOptions, 'Who is let off.'),
  roles: option(z.record(z.string(), roleOptions), 'What roles there are, and what they may do.'),
  notices: option(noticeOptions, 'What is said to whoever is stopped, and how often.'),
  shadow: option(z.boolean(), 'All is judged, counted and told, and nothing refused.', false),
  waitUntil: option(callable<WaitUntil>(), 'Keeps a platform waiting for work aside. In code only.'),
  clock: option(callable<Clock>(), 'Tells the time in milliseconds since 1970. In code only.'),
  timers: option(timers, 'Schedules delayed work. In code only.'),
})

/**
 * Options of `sentinel()`. All are optional; what is left out holds its default, object by object: giving
 * `throttle: { scope: 'chat' }` keeps the default limit. Lists and limits are replaced as a whole.
 *
 * @example
 * ```ts
 * import { type SentinelOptions, sentinel } from 'grammy-sentinel'
 *
 * const options: SentinelOptions = {
 *   throttle: { limit: '20/1m', penalty: { bans: ['10m', '1h'] } },
 *   debounce: '1s',
 *   exempt: { owner: 1234567, chatAdmins: true },
 *   notices: { texts: { de: { limited: 'Langsam! Wieder in {wait}.' } } },
 * }
 * sentinel(options)
 * ```
 */
export interface SentinelOptions<C extends Context = Context> {
  /** Where an editor finds the schema of a file of options. Ignored. */
  readonly $schema?: string | undefined
  /** Names the state, where several sentinels share one storage. @default by order of making */
  readonly name?: string | undefined
  /** Keeps the state. @default memory */
  readonly storage?: Storage | undefined
  /** The block list; `false` turns it off. @default on */
  readonly block?: false | BlockOptions<C> | undefined
  /** Handles a redelivered update once; `false` turns it off. @default on */
  readonly once?: false | OnceOptions | undefined
  /** Lets in only who is registered, or holds a role; `{}` turns it on. @default false */
  readonly auth?: false | AuthOptions<C> | undefined
  /**
   * Limits how much comes from whom: a limit, {@link ThrottleOptions}, or several with names of their own. `false` turns it
   * off. @default { limit: { amount: 60, per: '1m', burst: 30 } }
   */
  readonly throttle?:
    | false
    | LimitInput
    | (Omit<ThrottleOptions<C>, 'limit'> & Partial<Pick<ThrottleOptions<C>, 'limit'>>)
    | readonly (LimitInput | ThrottleOptions<C>)[]
    | undefined
  /**
   * Merges repeated taps or messages into one call: a window, or {@link DebounceOptions}. `false` turns it off. Under
   * `mode: 'trailing'` nothing is left of the default. @default { window: '500ms', on: ['tap'] }
   */
  readonly debounce?: false | Duration | DebounceOptions<C> | undefined
  /**
   * Lets at most so many updates of one actor or chat be handled at once; `{}` turns it on, a list has several with names of their
   * own. @default false
   */
  readonly concurrency?: false | ConcurrencyOptions<C> | readonly ConcurrencyOptions<C>[] | undefined
  /** Observes who comes and goes. @default true */
  readonly membership?: boolean | MembershipOptions | undefined
  /** Notes when users were seen, and counts what they did: see `guard.users`. @default false */
  readonly users?: boolean | undefined
  /**
   * Limits can be changed while the bot runs, for a user, a chat or a role: see `guard.limits`. Turn it on in every process that shares
   * the storage. @default false
   */
  readonly limits?: boolean | undefined
  /** Bundles of limits and demands for handlers, by name: `policy('checkout')` is one of them. */
  readonly policies?: Readonly<Record<string, PolicyOptions<C>>> | undefined
  /**
   * Waits out Telegram's 429 for the one chat that is limited, on bots that `guard.install(bot)` is called with; `{}` turns it
   * on. @default false
   */
  readonly outgoing?: false | OutgoingOptions | undefined
  /** Functions at points on the way of an update, as `guard.hook()` puts them there. Laid over others, they replace all of them. */
  readonly hooks?: HookOptions<C> | undefined
  /** Counts what comes, for `guard.stats()`: give it `stats()` of `grammy-sentinel/stats`. Stays as it was made. @default nothing */
  readonly stats?: StatsPlugin | undefined
  /**
   * What the administrators of a group may tune for it, within bounds, by the menu of `/sentinel`: see {@link SettingsOptions}.
   * @default false
   */
  readonly settings?: false | SettingsOptions | undefined
  /** Who is let off. @default nobody */
  readonly exempt?: ExemptOptions | undefined
  /**
   * What roles there are, by name: whom they count as, and what they may do. With it any other name is refused as a slip.
   * @default any name, and no permissions
   */
  readonly roles?: Readonly<Record<string, RoleOptions>> | undefined
  /** What is said to whoever is stopped, and how often. */
  readonly notices?:
    | (Omit<NoticeOptions, 'budget'> & {
        /** Notices of this worker at most. @default '20/1s' */
        readonly budget?: LimitInput | undefined
      })
    | undefined
  /** All guards are judged, counted and told to listeners, and refuse nothing. @default false */
  readonly shadow?: boolean | undefined
  /**
   * Told of work that no update waits for (notices, hooks in the background), where a platform would else end before it is done:
   * `waitUntil` of Cloudflare Workers and Vercel. @default `close()` alone waits
   */
  readonly waitUntil?: WaitUntil | undefined
  /** Tells the time in milliseconds since 1970. @default Date.now */
  readonly clock?: Clock | undefined
  /** Schedules delayed work. @default setTimeout */
  readonly timers?: Timers | undefined
}

/** Options that were checked, with every default. They may be layered over and read again. */
export interface ResolvedOptions<C extends Context = Context> {
  readonly name?: string
  readonly storage?: Storage
  readonly block: false | BlockOptions<C>
  readonly once: false | OnceOptions
  readonly auth: false | AuthOptions<C>
  readonly throttle: false | ThrottleOptions<C> | readonly ThrottleOptions<C>[]
  readonly debounce: false | DebounceOptions<C>
  readonly concurrency: false | ConcurrencyOptions<C> | readonly ConcurrencyOptions<C>[]
  readonly membership: boolean | MembershipOptions
  readonly users: boolean
  readonly limits: boolean
  readonly policies?: Readonly<Record<string, PolicyOptions<C>>>
  readonly outgoing: false | OutgoingOptions
  readonly hooks?: HookOptions<C>
  readonly waitUntil?: WaitUntil
  readonly settings: false | SettingsOptions
  readonly stats?: StatsPlugin
  readonly exempt: ExemptOptions
  readonly roles?: Readonly<Record<string, RoleOptions>>
  readonly notices: NoticeOptions
  readonly shadow: boolean
  readonly clock?: Clock
  readonly timers?: Timers
}
