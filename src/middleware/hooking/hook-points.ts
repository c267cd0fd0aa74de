import type { Context } from 'grammy'
import type { Facts } from '../../core/facts.js'
import type { Denied, Verdict } from '../../core/verdict.js'
import type { Hook } from '../../hooks/hook.js'
import { EVENTS } from '../chain/event-names.js'
import type { SentinelEvents } from '../events.js'
import { TRANSITION_EVENTS } from '../membership/transition-events.js'
import type { Transition, TransitionEvent } from '../membership/transitions.js'

/** Guards that have `before:` and `after:` hook points, in the order of a sentinel. */
const HOOKED_GUARDS = [
  'membership',
  'block',
  'once',
  'auth',
  'permission',
  'debounce',
  'throttle',
  'rate-limiter',
  'concurrency',
] as const

/**
 * A guard that has `before:` and `after:` hook points.
 *
 * @example
 * ```ts
 * import { type HookedGuard, sentinel } from 'grammy-sentinel'
 *
 * const guard: HookedGuard = 'throttle'
 * sentinel().hook(`after:${guard}`, ({ verdict }) => console.log(verdict.allowed))
 * ```
 */
export type HookedGuard = (typeof HOOKED_GUARDS)[number]

/**
 * The argument of hooks before a guard. Nothing has been decided or charged yet.
 *
 * @example
 * ```ts
 * import { type BeforeEvent, sentinel } from 'grammy-sentinel'
 *
 * const tenant = ({ facts }: BeforeEvent) => ({ enrich: { tenant: facts.chatId ?? 0 } })
 * sentinel().hook('before:throttle', tenant)
 * ```
 */
export interface BeforeEvent<C extends Context = Context> {
  readonly facts: Facts
  readonly ctx: C
  /** The values that earlier hooks have added for this update. */
  readonly enriched: Readonly<Record<string, unknown>>
}

/**
 * The argument of hooks after a guard: includes whether that guard admitted the update.
 *
 * @example
 * ```ts
 * import { type AfterEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ verdict, facts }: AfterEvent): void => {
 *   if (!verdict.allowed) console.log(facts.actorId, verdict.reason)
 * }
 * sentinel().hook('after:throttle', listener)
 * ```
 */
export interface AfterEvent<C extends Context = Context> extends BeforeEvent<C> {
  /** The verdict of this guard; later guards are not considered. */
  readonly verdict: Verdict
}

/**
 * The points where hooks may decide, with the arguments of their hooks; the update waits for them. See {@link HookPoints}.
 *
 * @example
 * ```ts
 * import type { DecidingPoints } from 'grammy-sentinel'
 *
 * const isGroup = ({ facts }: DecidingPoints['before:block']): boolean => facts.inGroup
 * ```
 */
export type DecidingPoints<C extends Context = Context> = {
  readonly [G in HookedGuard as `before:${G}`]: BeforeEvent<C>
} & { readonly [G in HookedGuard as `after:${G}`]: AfterEvent<C> } & { readonly allowed: BeforeEvent<C> }

/**
 * The points where hooks are only notified, with the arguments of their hooks; nothing waits for them. See {@link HookPoints}.
 *
 * @example
 * ```ts
 * import type { TellingPoints } from 'grammy-sentinel'
 *
 * const line = ({ member, chat }: TellingPoints['membership.joined']): string => `${member.id} joined ${chat.id}`
 * ```
 */
export type TellingPoints<C extends Context = Context> = {
  readonly [E in Exclude<keyof SentinelEvents, 'allowed' | 'hook.ran'>]: SentinelEvents<C>[E]
} & { readonly [E in TransitionEvent as `membership.${E}`]: Transition<E, C> }

/**
 * All hook points, with the arguments of their hooks.
 *
 * - `before:<guard>`: all of these run before anything is decided, in the order of the guards. A veto charges nothing.
 * - `after:<guard>`: run in the order of the guards, up to the guard that refuses. A veto gives back what was charged.
 * - `allowed`: runs when all guards have admitted the update, before its handlers. A veto gives back what was charged.
 * - `denied`, `blocked`, `registered`, `membership.joined`, `limit.changed`, `storage.down`, `error` and all other events but
 *   `hook.ran`: run when the event is raised. They decide nothing, and nothing waits for them.
 *
 * @example
 * ```ts
 * import { type HookPoints, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ verdict }: HookPoints['denied']): void => console.log(verdict.guard)
 * sentinel().hook('denied', listener)
 * ```
 */
export type HookPoints<C extends Context = Context> = DecidingPoints<C> & TellingPoints<C>

/**
 * A hook for a point. Where hooks decide, it may return an answer; elsewhere it may not.
 *
 * @example
 * ```ts
 * import type { HookAt } from 'grammy-sentinel'
 *
 * const adults: HookAt<'before:throttle'> = ({ enriched }) => (enriched.adult === true ? undefined : { veto: 'a child' })
 * const log: HookAt<'denied'> = ({ verdict }) => console.log(verdict.reason)
 * ```
 */
export type HookAt<
  P extends keyof HookPoints<C>,
  C extends Context = Context,
> = P extends keyof DecidingPoints<C> ? Hook<HookPoints<C>[P]> : Hook<HookPoints<C>[P], never>

/**
 * Hooks by point: the option `hooks` of `sentinel()`.
 *
 * @example
 * ```ts
 * import { type HookOptions, sentinel } from 'grammy-sentinel'
 *
 * const hooks: HookOptions = {
 *   'before:throttle': ({ facts }) => (facts.inGroup ? { veto: 'not in groups' } : undefined),
 *   denied: [({ verdict }) => console.log(verdict.guard), ({ facts }) => console.log(facts.actorId)],
 * }
 * sentinel({ hooks })
 * ```
 */
export type HookOptions<C extends Context = Context> = {
  readonly [P in keyof HookPoints<C>]?: HookAt<P, C> | readonly HookAt<P, C>[] | undefined
}

/** All points where hooks decide. */
export const DECIDING: readonly string[] = [
  ...HOOKED_GUARDS.flatMap((guard) => [`before:${guard}`, `after:${guard}`]),
  'allowed',
]

const MEMBERSHIP = 'membership.'

/** All points where hooks are notified. `allowed` is a deciding point, and hooks at `hook.ran` would trigger themselves. */
export const TELLING: readonly string[] = [
  ...EVENTS.filter((event) => event !== 'allowed' && event !== 'hook.ran'),
  ...TRANSITION_EVENTS.map((event) => MEMBERSHIP + event),
]

/** Returns the event behind a notifying point, and a filter for the events that belong to the point. */
export function eventOf(point: string): {
  readonly event: keyof SentinelEvents
  readonly meant: (event: unknown) => boolean
} {
  if (!point.startsWith(MEMBERSHIP)) return { event: point as keyof SentinelEvents, meant: () => true }
  const wanted = point.slice(MEMBERSHIP.length)
  return { event: 'membership', meant: (event) => (event as Transition).event === wanted }
}

/** Returns the verdict for a veto of a hook. */
export function vetoVerdict(hook: string, note: string): Denied {
  return {
    allowed: false,
    guard: 'hook',
    limit: hook,
    reason: 'vetoed',
    cause: 'check',
    retryAfterMs: Number.POSITIVE_INFINITY,
    note: note === '' ? undefined : note,
  }
}
