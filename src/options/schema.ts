import type { Context } from 'grammy'
import { z } from 'zod'
import type { Clock, Timers } from '../core/clock.js'
import type { Duration } from '../core/duration.js'
import type { LimitInput } from '../core/limit.js'
import type { RoleOptions } from '../core/roles.js'
import { type AuthOptions, authOptions } from '../middleware/auth.js'
import { type BlockOptions, blockOptions } from '../middleware/block.js'
import { concurrencyOptions } from '../middleware/concurrency/options.js'
import type { ConcurrencyOptions } from '../middleware/concurrency.js'
import { type DebounceOptions, debounceOptions } from '../middleware/debounce.js'
import { type ExemptOptions, exemptOptions } from '../middleware/exempt/exemptions.js'
import { type HookOptions, isHooks } from '../middleware/hooking/hook-options.js'
import { type MembershipOptions, membershipOptions } from '../middleware/membership.js'
import { type OnceOptions, onceOptions } from '../middleware/once.js'
import { callable, given, limit, option, timeSpan } from '../middleware/options/schema.js'
import { type NoticeOptions, noticeOptions } from '../middleware/refusing/notices.js'
import type { WaitUntil } from '../middleware/services/background.js'
import { type ThrottleOptions, throttleOptions } from '../middleware/throttle.js'
import type { StatsPlugin } from '../observability/stats/contract.js'
import { type OutgoingOptions, outgoingOptions } from '../outgoing/options.js'
import { type PolicyOptions, policyOptions } from '../policies/policy-options.js'
import { type SettingsOptions, settingsOptions } from '../settings/settings-options.js'
import type { Storage } from '../storage/contract/storage.js'
import { frozen, has } from './plain.js'

const off = z.literal(false)
const storage = given<Storage>('a storage, such as memory() or redis(url)', (value) =>
  has(value, 'prepare', 'marks'),
)
const timers = given<Timers>(
  'timers: an object with after(ms, run)',
  (value) => typeof Object(value).after === 'function',
)

const hooks = given<HookOptions>('hooks by point, such as { denied: fn }', isHooks)

const names = z.array(z.string()).readonly()

const roleOptions = z.strictObject({
  extends: option(names, 'Roles that holders of this role have as well.'),
  allow: option(names, 'Permissions, such as "orders.*".'),
  deny: option(names, 'Permissions that its holders never have, whatever else allows them.'),
})

/** The defaults of `sentinel()`. */
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

/** Schema of every option of `sentinel()`. Published as JSON Schema for the files that `fromJson()` reads. */
export const optionsSchema = z.strictObject({
  $schema: option(z.string(), 'Where an editor finds the schema of a file. Ignored.'),
  name: option(
    z.string().min(1, 'must be a name'),
    'Name under which state is stored. Default: by order of creation.',
  ),
  storage: option(storage, 'Where state is stored. In code only. Default: memory.'),
  block: option(z.union([off, blockOptions]), 'The block list.', DEFAULTS.block),
  once: option(z.union([off, onceOptions]), 'Handles a redelivered update once.', DEFAULTS.once),
  auth: option(
    z.union([off, authOptions]),
    'Admits only registered users, or holders of a role.',
    DEFAULTS.auth,
  ),
  throttle: option(
    z.union([off, limit, ...throttles]),
    'Limits: how much may come from whom.',
    DEFAULTS.throttle,
  ),
  debounce: option(
    z.union([off, timeSpan, debounceOptions]),
    'Refuses repeated updates, or merges rapid ones into one.',
    DEFAULTS.debounce,
  ),
  concurrency: option(
    z.union([
      off,
      concurrencyOptions,
      z.array(concurrencyOptions).min(1, 'must name at least one').readonly(),
    ]),
    'How many updates of whom are handled at once.',
    DEFAULTS.concurrency,
  ),
  membership: option(
    z.union([z.boolean(), membershipOptions]),
    'Observes who joins, leaves, is banned and so on.',
    DEFAULTS.membership,
  ),
  users: option(z.boolean(), 'Records when users were seen, and counts what they did.', DEFAULTS.users),
  limits: option(z.boolean(), 'Allows limits to be changed at run time, by guard.limits.', DEFAULTS.limits),
  policies: option(
    z.record(z.string(), policyOptions),
    'Sets of limits and requirements for handlers, by name.',
  ),
  outgoing: option(
    z.union([off, outgoingOptions]),
    'Repeats calls that Telegram answered with 429, for bots it is installed on.',
    DEFAULTS.outgoing,
  ),
  hooks: option(hooks, 'Functions that run at certain points while an update is processed. In code only.'),
  stats: option(callable<StatsPlugin>(), 'Statistics: pass stats() of grammy-sentinel/stats. In code only.'),
  settings: option(
    z.union([off, settingsOptions]),
    'What administrators may change for their chat.',
    DEFAULTS.settings,
  ),
  exempt: option(exemptOptions, 'Who is exempt.'),
  roles: option(z.record(z.string(), roleOptions), 'The roles, and what their holders may do.'),
  notices: option(noticeOptions, 'Texts and budget of notices to users whose updates are stopped.'),
  shadow: option(
    z.boolean(),
    'Everything is judged, counted and reported, and nothing is refused.',
    DEFAULTS.shadow,
  ),
  waitUntil: option(
    callable<WaitUntil>(),
    'Receives promises of background work, for platforms that end with the request. In code only.',
  ),
  clock: option(callable<Clock>(), 'A clock in milliseconds since 1970. In code only.'),
  timers: option(timers, 'Schedules delayed work. In code only.'),
})

/**
 * Options of `sentinel()`. All are optional. Options that are left out keep their defaults, also within an object:
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
  /** Address of the JSON Schema, for editors. Ignored. */
  readonly $schema?: string | undefined
  /** Names the stored state, for several sentinels that share one storage. @default numbered by order of creation */
  readonly name?: string | undefined
  /** Storage for the state. @default memory */
  readonly storage?: Storage | undefined
  /** The block list; `false` turns it off. @default on */
  readonly block?: false | BlockOptions<C> | undefined
  /** Handles a redelivered update only once; `false` turns this off. @default on */
  readonly once?: false | OnceOptions | undefined
  /** Admits only registered users, or holders of a role; `{}` turns it on. @default false */
  readonly auth?: false | AuthOptions<C> | undefined
  /**
   * Limits how many updates are admitted: a limit, {@link ThrottleOptions}, or a list of limits with distinct names. `false`
   * turns it off. @default { limit: { amount: 60, per: '1m', burst: 30 } }
   */
  readonly throttle?:
    | false
    | LimitInput
    | (Omit<ThrottleOptions<C>, 'limit'> & Partial<Pick<ThrottleOptions<C>, 'limit'>>)
    | readonly (LimitInput | ThrottleOptions<C>)[]
    | undefined
  /**
   * Merges repeated taps or messages into one call: a window, or {@link DebounceOptions}. `false` turns it off. With
   * `mode: 'trailing'`, nothing of the default applies. @default { window: '500ms', on: ['tap'] }
   */
  readonly debounce?: false | Duration | DebounceOptions<C> | undefined
  /**
   * Limits how many updates of one actor or chat are handled at the same time. `{}` turns it on; a list gives several limits with
   * distinct names. @default false
   */
  readonly concurrency?: false | ConcurrencyOptions<C> | readonly ConcurrencyOptions<C>[] | undefined
  /** Observes members who join and leave: see `guard.membership`. @default true */
  readonly membership?: boolean | MembershipOptions | undefined
  /** Records when each user was last seen and counts what they did: see `guard.users`. @default false */
  readonly users?: boolean | undefined
  /**
   * Lets limits be changed while the bot runs, for a user, a chat or a role: see `guard.limits`. Must be on in every process that
   * shares the storage. @default false
   */
  readonly limits?: boolean | undefined
  /** Bundles of limits and requirements for handlers, by name: `policy('checkout')` puts one in front of a handler. */
  readonly policies?: Readonly<Record<string, PolicyOptions<C>>> | undefined
  /**
   * Handles Telegram's error 429: calls to the chat that is limited wait, other chats go on. Works on bots passed to
   * `guard.install(bot)`; `{}` turns it on. @default false
   */
  readonly outgoing?: false | OutgoingOptions | undefined
  /** Functions that run at points of an update's path, as `guard.hook()` adds them. Overriding this option replaces all of them. */
  readonly hooks?: HookOptions<C> | undefined
  /**
   * Counts updates for `guard.stats()`: pass `stats()` of `grammy-sentinel/stats`. `reconfigure()` cannot change it. @default
   * nothing
   */
  readonly stats?: StatsPlugin | undefined
  /**
   * What the administrators of a group may tune for it, and within which bounds, in the menu of `/sentinel`: see
   * {@link SettingsOptions}. @default false
   */
  readonly settings?: false | SettingsOptions | undefined
  /** Who is exempt from the guards. @default nobody */
  readonly exempt?: ExemptOptions | undefined
  /**
   * The known roles by name: which other roles each includes, and its permissions. If given, any other name of a role is rejected
   * as a typing error. @default any name, and no permissions
   */
  readonly roles?: Readonly<Record<string, RoleOptions>> | undefined
  /** What refused users are told, and how often. */
  readonly notices?:
    | (Omit<NoticeOptions, 'budget'> & {
        /** Most notices that this worker sends. @default '20/1s' */
        readonly budget?: LimitInput | undefined
      })
    | undefined
  /** All guards decide, count and notify listeners, but refuse nothing. @default false */
  readonly shadow?: boolean | undefined
  /**
   * Receives the promises of background work that no update waits for (notices, background hooks), for platforms that would
   * otherwise stop before it ends: `waitUntil` of Cloudflare Workers and Vercel. @default only `close()` waits for it
   */
  readonly waitUntil?: WaitUntil | undefined
  /** Returns the time in milliseconds since 1970. @default Date.now */
  readonly clock?: Clock | undefined
  /** Schedules delayed work. @default setTimeout */
  readonly timers?: Timers | undefined
}

/** Checked options with all defaults. They can be merged over and read again. */
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
