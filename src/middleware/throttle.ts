import type { Context } from 'grammy'
import { z } from 'zod'
import type { Check, Consequence, Variant, WhenDown } from '../core/check.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Facts } from '../core/facts.js'
import type { Activity } from '../core/kinds.js'
import { capacityOf, formatLimit, type Limit, type LimitInput, MOST_AMOUNT, MOST_PER } from '../core/limit.js'
import { guardOf } from './compose.js'
import type { Guard, Question, Wired, Wiring } from './guard.js'
import {
  activities,
  commandNamed,
  duration,
  grantedRole,
  limit as limitSchema,
  named,
  onFailure,
  option,
  parseOptions,
  prompt,
  refusal,
  timeSpan,
} from './options/schema.js'
import { checkKey, JOINS, type ScopeName, scopeOf, scopeOption } from './options/scopes.js'
import type { Denial } from './refusing/denial.js'
import { type Adaptation, type AdaptOptions, adaptOptions, readAdapt } from './throttle/adapt.js'
import { limitOf } from './throttle/computed-limit.js'
import { ADAPTED_MARK, type Changeable, roleVariants } from './throttle/runtime-limits.js'
import { storedVariants } from './throttle/stored-variants.js'
import { watchConduct } from './throttle/watch-conduct.js'

/** The largest amount for which `sliding` keeps a time stamp per unit; larger limits use two counters. */
const MOST_STAMPS = 64
const ALBUM_FOR = parseDuration('1m')
/** The activities a limit covers by default: the usual ways to talk to a bot. */
export const TALK: readonly Activity[] = ['message', 'tap', 'reaction', 'vote']

type LimitOf<C extends Context> = (facts: Facts, ctx: C) => LimitInput | undefined
type CostOf<C extends Context> = (facts: Facts, ctx: C) => number
type KeyOf<C extends Context> = (facts: Facts, ctx: C) => string | number | undefined

const COST = 'must be a number above zero'
const REFUSALS = 'must be a whole number of at least 1'

export const throttleOptions = z.strictObject({
  name: option(
    named('uploads'),
    'Name of the limit in verdicts, peek() and reset(), and of its state. Default: the scope.',
  ),
  limit: z
    .union([prompt<LimitOf<Context>>(), limitSchema])
    .meta({ description: 'The limit, such as "20/1m".' }),
  otherwise: option(
    limitSchema,
    'If limit is a function: the limit for users for whom it returns nothing. It does not cap the others.',
    '60/1m',
  ),
  algorithm: option(
    z.enum(['bucket', 'sliding', 'sliding-log', 'sliding-counters', 'fixed']),
    'How it counts.',
    'bucket',
  ),
  scope: option(scopeOption, 'What it counts by.', 'user'),
  key: option(prompt<KeyOf<Context>>(), 'Counts by a key of your own instead of a scope. In code only.'),
  on: option(
    activities,
    'Activities that it counts. Default: messages, taps, reactions and votes together; edits, joins and inline queries separately.',
  ),
  commands: option(
    z.array(commandNamed('buy')).min(1, 'must name at least one').readonly(),
    'Only these commands.',
  ),
  cost: option(
    z.union([prompt<CostOf<Context>>(), z.number(COST).positive(COST)]),
    'What an update costs.',
    1,
  ),
  inline: option(limitSchema, 'The limit of inline queries. Default: five times limit.'),
  roles: option(
    z.record(grantedRole, limitSchema),
    'Other limits for holders of a role. The first role that the user holds counts.',
  ),
  penalty: option(
    z.strictObject({
      after: option(z.number(REFUSALS).int(REFUSALS).min(1, REFUSALS), 'How many refusals lead to a ban.', 5),
      within: option(timeSpan, 'Within this time.', '1m'),
      bans: z
        .array(duration.refine((ms) => ms >= 1 && ms <= MOST_PER, 'must be from 1 ms to 366 days'))
        .min(1, 'must name at least one')
        .readonly()
        .meta({ description: 'Lengths of the bans, one after another. The last one is repeated.' }),
    }),
    'Temporary bans after repeated refusals by this limit.',
  ),
  adapt: option(adaptOptions, "Adapts a user's limit to their conduct, within bounds."),
  ...refusal,
  onFailure: onFailure('local'),
})

/**
 * Options of {@link throttle}.
 *
 * @example
 * ```ts
 * import { type ThrottleOptions, throttle } from 'grammy-sentinel'
 *
 * const uploads: ThrottleOptions = {
 *   name: 'uploads',
 *   limit: '3/1h',
 *   commands: ['upload'],
 *   roles: { vip: '30/1h' },
 *   penalty: { after: 5, within: '1m', bans: ['10m', '1h'] },
 * }
 * throttle(uploads)
 * ```
 */
export interface ThrottleOptions<C extends Context = Context> {
  /**
   * Name of the limit in verdicts, `peek()` and `reset()`, and of its state. @default the scope, such as `user`; for a handler,
   * its place
   */
  readonly name?: string | undefined
  /** The amount per span: `'20/1m'`, an object with `burst`, or a function of the update. */
  readonly limit: LimitInput | LimitOf<C>
  /**
   * With a function as `limit`: applies when the function returns undefined, and to `.inline`, `.edits` and `.joins`.
   * Not a ceiling: the function may return a larger limit. But an exact window (`sliding-log`, or `sliding` with at most 64 here)
   * keeps no more time stamps than this amount. @default '60/1m'
   */
  readonly otherwise?: LimitInput | undefined
  /**
   * `bucket`: a token bucket, which allows `burst` at once and refills steadily. `sliding`: at most the amount within any span of
   * that length; exact up to 64 (`sliding-log`), with two counters above (`sliding-counters`), which hold steady traffic to the
   * limit but may let nearly twice as much pass in the worst case. `fixed`: spans that begin with their first charge.
   * @default 'bucket'
   */
  readonly algorithm?: 'bucket' | 'sliding' | 'sliding-log' | 'sliding-counters' | 'fixed' | undefined
  /** The subject whose updates are counted together. @default 'user' */
  readonly scope?: ScopeName | undefined
  /** Counts by a key of your own instead of a scope; updates with an undefined key are not limited. Needs a `name`. */
  readonly key?: KeyOf<C> | undefined
  /**
   * The activities to limit. By default, messages, taps, reactions and votes share the bucket, while edits, joins and inline
   * queries have separate buckets of the same limit (inline queries: `inline`). Joins are counted for the user who joins or
   * leaves, even if someone else adds or removes them, and in each chat separately. All other activities are limited only if
   * listed, payments never.
   */
  readonly on?: readonly Activity[] | undefined
  /** Limits these commands only. */
  readonly commands?: readonly string[] | undefined
  /** What an update costs: a number above zero (fractions are fine), or a function. @default 1 */
  readonly cost?: number | CostOf<C> | undefined
  /** The bucket of inline queries, which come with every keystroke. @default five times `limit`, including its burst */
  readonly inline?: LimitInput | undefined
  /**
   * Other limits for holders of a role (the mark `role:<name>`); the first role that the user holds applies. Not beside a function
   * as `limit`, which would replace them.
   */
  readonly roles?: Readonly<Record<string, LimitInput>> | undefined
  /**
   * Bans from this limit after repeated refusals. Each further ban takes the next duration of `bans`, then the last one again and
   * again; the sequence starts anew after the longest ban has passed once more without a new ban.
   */
  readonly penalty?:
    | {
        /** Number of refusals that lead to a ban. @default 5 */
        readonly after?: number | undefined
        /** The span in which the refusals are counted. @default '1m' */
        readonly within?: Duration | undefined
        /** The durations of successive bans, such as ['1m', '10m', '1h']; each from 1 ms to 366 days. */
        readonly bans: readonly Duration[]
      }
    | undefined
  /** Adapts the limit of each user to their conduct, within bounds; see {@link AdaptOptions}. Only with `scope: 'user'`. */
  readonly adapt?: AdaptOptions | undefined
  /** How a refused update is answered. @default 'notice' */
  readonly deny?: Denial<C> | undefined
  /** The shortest time between two notices. @default '1m' */
  readonly noticeEvery?: Duration | undefined
  /** Evaluates and counts updates and tells listeners, but never refuses. @default false */
  readonly shadow?: boolean | undefined
  /**
   * What happens while the storage does not answer: `local` decides in this process's memory until it is back, `open` lets
   * updates pass, `closed` refuses them (`unavailable`). @default 'local'
   */
  readonly onFailure?: WhenDown | undefined
}

/**
 * Limits how many updates a user, chat or other subject may send.
 *
 * An album costs as much as one message. Edits, joins and inline queries have buckets of their own. Checkouts,
 * channel posts (except commands for the bot) and service messages are not limited, unless `on` lists them. Completed payments are
 * never limited, also where `on` lists them: their money has been taken.
 *
 * @param options A limit such as `'20/1m'`, or {@link ThrottleOptions}.
 * @throws SentinelError `duration.invalid`, `limit.invalid`, `option.invalid`, `option.unknown`, `scope.unknown`;
 * `limit.duplicate` if a chain has two limits of one name. When it is wired, `role.unknown` if the sentinel defines its roles and
 * one of those in `roles` is not among them.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { throttle } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(throttle('20/1m'))
 * bot.use(throttle({ name: 'uploads', limit: '3/1h', commands: ['upload'], penalty: { bans: ['10m', '1h'] } }))
 * ```
 */
export function throttle<C extends Context = Context>(options: LimitInput | ThrottleOptions<C>): Guard<C> {
  const settings = readThrottle(options as LimitInput | ThrottleOptions)
  const { name, limit } = settings
  const label = name ?? (typeof limit === 'function' ? 'by function' : formatLimit(limit))
  return guardOf({ name: 'throttle', label, wire: (wiring) => wire(wiring, settings) })
}

/** The checked options, with the rules of adaptation. */
type Settings = z.output<typeof throttleOptions> & { readonly adaptation: Adaptation | undefined }

/** Checks the options of one limit. */
export function readThrottle(options: LimitInput | ThrottleOptions, what = 'throttle'): Settings {
  const short = typeof options !== 'object' || (options !== null && 'per' in options)
  const given = short ? { limit: options } : (options as ThrottleOptions)
  const settings = parseOptions(what, throttleOptions, given)
  checkKey(what, given)
  if (settings.algorithm === 'sliding-log' && (typeof settings.cost === 'function' || settings.cost < 1)) {
    throw new SentinelError(
      'option.invalid',
      `${what}.algorithm: "sliding-log" stores one timestamp per unit, so costs must be fixed whole numbers. Use 'sliding-counters' or 'bucket'.`,
    )
  }
  const { limit, cost, roles = {} } = settings
  if (typeof limit === 'function' && Object.keys(roles).length > 0) {
    throw new SentinelError(
      'option.invalid',
      `${what}.roles: the limit is a function, which replaces the limits of roles. Give one of the two.`,
    )
  }
  if (typeof limit !== 'function' && typeof cost === 'number' && cost > capacityOf(limit)) {
    throw new SentinelError(
      'option.invalid',
      `${what}.cost: ${cost} is more than the limit ever allows at once (${capacityOf(limit)}), so nothing would pass. Lower it, or raise burst.`,
    )
  }
  return { ...settings, adaptation: adaptationOf(settings, what) }
}

/** Returns how a limit adapts to conduct; undefined if it does not. */
function adaptationOf(settings: Omit<Settings, 'adaptation'>, what: string): Adaptation | undefined {
  const { adapt, limit, scope, key, algorithm } = settings
  if (adapt === undefined) return undefined
  const wrong = (problem: string): SentinelError =>
    new SentinelError('option.invalid', `${what}.adapt: ${problem}`)
  if (typeof limit === 'function') throw wrong('the limit is a function, which can adapt by itself.')
  if (scope !== 'user' || key !== undefined)
    throw wrong("only limits that count users (scope: 'user') adapt.")
  if (algorithm === 'sliding-log') {
    throw wrong("an exact window stores a fixed number of timestamps. Use 'sliding-counters' or 'bucket'.")
  }
  return readAdapt(adapt, limit, fixedCost(settings) ?? 1, `${what}.adapt`)
}

/** The cost of every update; undefined if a function computes it. */
function fixedCost({ cost }: Pick<Settings, 'cost'>): number | undefined {
  return typeof cost === 'number' ? cost : undefined
}

/** A part of a limit. Each has records of its own: few of those who write also edit, so the main records stay small. */
interface Part {
  /** What distinguishes its name and records, such as `.edits`. */
  readonly suffix: string
  readonly on: readonly Activity[]
  readonly limit: Limit
  readonly computed?: Question<Context>['limit']
  readonly penalty?: Settings['penalty']
  /** Returns the limits that precede `limit`. With `log`, a time stamp is stored per unit. */
  readonly variants?: (log: boolean) => readonly Variant[]
}

function wire(wiring: Wiring<Context>, settings: Settings): Wired<Context> | undefined {
  const { limit, penalty, adaptation, scope } = settings
  const { name = wiring.nameFor('throttle', scope) } = settings
  const slot = `throttle.${name}`
  const base = typeof limit === 'function' ? settings.otherwise : limit
  for (const role of Object.keys(settings.roles ?? {})) wiring.services.roles.check(role, 'throttle.roles')
  askAlbum(wiring)
  const ask = (part: Part): number => {
    const { subjectOf, name: scopeName } = scopeOf(scope, settings.key, name, part.suffix)
    return wiring.ask({
      check: checkOf(settings, part, `${slot}${part.suffix}`, wiring.scope(scopeName, subjectOf)),
      on: part.on,
      when: gateOfCommands(settings.commands),
      // A cost of 1 is known in advance: the chain computes no cost for such updates.
      cost: settings.cost === 1 ? undefined : settings.cost,
      limit: part.computed,
      exempt: 'everybody',
      name: `${name}${part.suffix}`,
      reason: 'limited',
      denial: settings.deny,
    })
  }
  const failed = (error: unknown): void => wiring.services.failed(error, slot)
  const ofCommands = settings.commands !== undefined || scope === 'command'
  const index = ask({
    suffix: '',
    on: settings.on ?? (ofCommands ? (['message'] as const) : TALK),
    limit: base,
    computed: typeof limit === 'function' ? limitOf(limit, base, failed) : undefined,
    penalty,
    variants: (log) => variantsOf(settings, { slot, name, limit: base }, log, wiring),
  })
  if (settings.on === undefined && !ofCommands) {
    ask({ suffix: '.inline', on: ['inline'], limit: settings.inline ?? times(base, 5) })
    ask({ suffix: '.edits', on: ['edit'], limit: base })
    ask({ suffix: JOINS, on: ['membership'], limit: base })
  }
  return adaptation && watchConduct(wiring.services, slot, name, adaptation, index)
}

/** Makes the parts of an album share the verdict and the charge of the first part. Added once per chain. */
function askAlbum(wiring: Wiring<Context>): void {
  if (wiring.asks('album')) return
  wiring.ask({
    check: {
      kind: 'claim',
      guard: 'throttle',
      slot: 'album',
      subject: wiring.scope('actor', (facts) => facts.actor),
      tokens: 'digest',
      holdFor: ALBUM_FOR,
      whenHeld: 'waive',
    },
    on: ['message'],
    // The chain replaces it once it knows what all its limits charge.
    token: ({ album }) => (album === undefined ? undefined : 0),
    exempt: 'everybody',
    name: 'album',
    reason: 'limited',
    denial: 'silent',
  })
}

function checkOf(settings: Settings, part: Part, slot: string, subject: number): Check {
  const { algorithm, noticeEvery, deny, cost, shadow, onFailure: whenDown } = settings
  const { limit, penalty } = part
  const stamps = typeof cost === 'number' && cost >= 1 && limit.amount <= MOST_STAMPS
  const log =
    algorithm === 'sliding-log' || (algorithm === 'sliding' && stamps && settings.adapt === undefined)
  const onRefusal: Consequence = {
    ...(deny === 'silent' ? {} : { noticeEvery }),
    ...(penalty && { penalty }),
  }
  const variants = part.variants?.(log) ?? []
  const common = {
    guard: 'throttle',
    slot,
    subject,
    shadow,
    limit,
    onRefusal,
    whenDown,
    ...(variants.length === 0 ? {} : { variants }),
  }
  if (algorithm === 'bucket') return { ...common, kind: 'bucket' }
  if (algorithm === 'fixed') return { ...common, kind: 'window', form: 'fixed' }
  return { ...common, kind: 'window', form: log ? 'log' : 'counters' }
}

/** Other limits in order of precedence: those set at run time, those of roles, then the one adapted to conduct. */
function variantsOf(
  settings: Settings,
  changeable: Pick<Changeable, 'slot' | 'name' | 'limit'>,
  log: boolean,
  wiring: Wiring<Context>,
): readonly Variant[] {
  const roles = Object.entries(settings.roles ?? {})
  const scope = settings.key === undefined ? settings.scope : undefined
  const most = log ? Math.max(changeable.limit.amount, ...roles.map(([, { amount }]) => amount)) : undefined
  const computed = typeof settings.limit === 'function'
  const stored = storedVariants(
    wiring,
    { ...changeable, roles, most, cost: fixedCost(settings), computed },
    scope,
  )
  const actor = wiring.scope('actor', (facts) => facts.actor)
  const within = settings.adaptation?.bounds
  const adapted: Variant[] =
    within === undefined
      ? []
      : [{ mark: `${ADAPTED_MARK}${changeable.slot}`, subject: actor, limit: 'stored', within }]
  return [...stored, ...roleVariants(roles, wiring.services.roles, actor), ...adapted]
}

/** Returns a test for updates with one of these commands; undefined if every update qualifies. */
export function gateOfCommands(
  commands: readonly string[] | undefined,
): ((facts: Facts) => boolean) | undefined {
  if (commands === undefined) return undefined
  const wanted = new Set(commands.map((command) => command.replace(/^\//, '').toLowerCase()))
  return (facts) => facts.command !== undefined && wanted.has(facts.command)
}

function times(limit: Limit, factor: number): Limit {
  const amount = Math.min(MOST_AMOUNT, limit.amount * factor)
  return { amount, per: limit.per, burst: Math.min(MOST_AMOUNT, capacityOf(limit) * factor) }
}

/**
 * Another name for {@link throttle}.
 *
 * @throws SentinelError as {@link throttle} does.
 *
 * @example
 * ```ts
 * import type { Context } from 'grammy'
 * import { rateLimit } from 'grammy-sentinel'
 *
 * class Shop {
 *   @rateLimit('3/1m')
 *   async buy(ctx: Context): Promise<void> {
 *     await ctx.reply('Bought.')
 *   }
 * }
 * ```
 */
export const rateLimit: typeof throttle = throttle
