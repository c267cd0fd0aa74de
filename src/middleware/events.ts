import type { Context } from 'grammy'
import type { Ms } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import type { Limit } from '../core/limit.js'
import type { Key } from '../core/subject.js'
import type { Denied } from '../core/verdict.js'
import type { Transition, TransitionEvent } from './membership/transitions.js'

/**
 * Event for an update that passed.
 *
 * @example
 * ```ts
 * import { type AllowedEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ facts }: AllowedEvent): void => console.log(facts.activity, facts.actorId)
 * sentinel().on('allowed', listener)
 * ```
 */
export interface AllowedEvent<C extends Context = Context> {
  readonly facts: Facts
  readonly ctx: C
}

/**
 * Event for an update that was stopped.
 *
 * @example
 * ```ts
 * import { type DeniedEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ facts, verdict }: DeniedEvent): void => console.log(facts.actorId, verdict.reason)
 * sentinel().on('denied', listener)
 * ```
 */
export interface DeniedEvent<C extends Context = Context> extends AllowedEvent<C> {
  readonly verdict: Denied
  /**
   * True if the sentinel had admitted the update before, with an `allowed` event; a handler or a guard in front of it stopped it
   * then.
   */
  readonly wasAllowed: boolean
  /**
   * False if this update was denied before: a handler continues after a denial and may cause another. An update is counted as
   * denied once.
   */
  readonly isFirst: boolean
}

/**
 * Event for a check in shadow mode that would have stopped an update.
 *
 * @example
 * ```ts
 * import { type DeniedEvent, type ShadowEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ verdict, facts }: ShadowEvent): void => console.log(verdict.guard, verdict.limit, facts.actorId)
 * sentinel({ throttle: { limit: '20/1m', shadow: true } }).on('shadow', listener)
 *
 * // For both: who was stopped, and who would have been.
 * const line = ({ facts, verdict }: DeniedEvent | ShadowEvent): void => console.log(facts.actorId, verdict.reason)
 * sentinel().on('shadow', line)
 * sentinel().on('denied', line)
 * ```
 */
export interface ShadowEvent<C extends Context = Context> extends AllowedEvent<C> {
  /** The denial that would have happened, in the same place as in a {@link DeniedEvent}, so that one function can read both. */
  readonly verdict: Pick<Denied, 'guard' | 'limit' | 'reason'>
}

/**
 * Event for a failure inside the package or in one of your functions that it calls. The update was decided nevertheless.
 *
 * @example
 * ```ts
 * import { type FailureEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ during, error }: FailureEvent): void => console.error(during, error)
 * sentinel().on('error', listener)
 * ```
 */
export interface FailureEvent {
  readonly error: unknown
  /** The operation that failed, such as `notice` or `throttle.cost`. */
  readonly during: string
}

/**
 * Event for a mistake that a developer should know about and fix. Each is reported once.
 *
 * @example
 * ```ts
 * import { sentinel, type WarningEvent } from 'grammy-sentinel'
 *
 * const listener = ({ code, message }: WarningEvent): void => console.warn(code, message)
 * sentinel().on('warning', listener)
 * ```
 */
export interface WarningEvent {
  /** Stable, such as `membership.undelivered`. */
  readonly code: string
  readonly message: string
}

/**
 * Event for a mark that this process put on a subject or removed. Changes by other processes on the same storage are reported by
 * its `watch()`.
 *
 * @example
 * ```ts
 * import { keyText, type MarkEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ bot, key, reason }: MarkEvent): void => console.log(bot, keyText(key), reason)
 * sentinel().on('blocked', listener)
 * ```
 */
export interface MarkEvent {
  readonly bot: number
  readonly key: Key
  readonly reason?: string | undefined
}

/**
 * Event for a storage that stopped answering. Guards follow their `onFailure` until it is back.
 *
 * @example
 * ```ts
 * import { type StorageDownEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ kind, reason }: StorageDownEvent): void => console.error(`${kind} is down: ${reason}`)
 * sentinel().on('storage.down', listener)
 * ```
 */
export interface StorageDownEvent {
  /** Which storage, such as `redis`; `unknown` if it was never reached. */
  readonly kind: string
  /** A code such as `ECONNREFUSED`, `TIMEOUT` or `OOM`. */
  readonly reason: string
  /** A message for people, from the storage, without passwords; absent if it says no more than the code. */
  readonly message?: string
}

/**
 * Event for a storage that answers again.
 *
 * @example
 * ```ts
 * import { type StorageUpEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ kind, afterMs }: StorageUpEvent): void => console.log(`${kind} is back after ${afterMs} ms`)
 * sentinel().on('storage.up', listener)
 * ```
 */
export interface StorageUpEvent {
  readonly kind: string
  /** How long it was down. */
  readonly afterMs: Ms
}

/**
 * The events of `guard.on(…)`, by name.
 *
 * @example
 * ```ts
 * import { sentinel, type SentinelEvents } from 'grammy-sentinel'
 *
 * const guard = sentinel()
 * const listener: (event: SentinelEvents['denied']) => void = ({ verdict }) => console.log(verdict.guard)
 * guard.on('denied', listener)
 * ```
 */
export interface SentinelEvents<C extends Context = Context> {
  allowed: AllowedEvent<C>
  denied: DeniedEvent<C>
  shadow: ShadowEvent<C>
  /** An update of a kind that this version does not know; it passed. */
  unknown: AllowedEvent<C>
  membership: Transition<TransitionEvent, C>
  blocked: MarkEvent
  unblocked: MarkEvent
  registered: MarkEvent
  unregistered: MarkEvent
  /** The option `dossier` of `auth` marked an account as suspicious because of what Telegram tells about it. */
  suspected: MarkEvent
  'storage.down': StorageDownEvent
  'storage.up': StorageUpEvent
  'limit.changed': LimitChangedEvent
  'hook.ran': HookRanEvent
  overdue: OverdueEvent<C>
  'outgoing.limited': OutgoingLimitedEvent
  'chat.migrated': ChatMigratedEvent
  'settings.changed': SettingsChangedEvent
  error: FailureEvent
  warning: WarningEvent
}

/**
 * Event for a limit that was changed at run time, for one subject or for all holders of a role.
 *
 * @example
 * ```ts
 * import { formatLimit, type LimitChangedEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ limit, after }: LimitChangedEvent): void =>
 *   console.log(limit, after === undefined ? 'as usual' : formatLimit(after))
 * sentinel().on('limit.changed', listener)
 * ```
 */
export interface LimitChangedEvent {
  readonly bot: number
  /** The subject whose limit changed; absent if it is the limit of a role, or of everybody. */
  readonly key?: Key | undefined
  /** The role whose holders have the limit. */
  readonly role?: string | undefined
  /** The guard and the name of the limit: `throttle.user`, or `throttle.checkout` for the limit that `guard.limits` calls `checkout`. */
  readonly limit: string
  /** The limit before the change; absent if the usual one applied. */
  readonly before?: Limit | undefined
  /** The limit from now on; absent if the usual one applies again. */
  readonly after?: Limit | undefined
  /** Who or what changed it, such as `code`, `adapt`, or the text of the administrator's key. */
  readonly by?: string | undefined
}

/**
 * How a hook ended. `dropped`: a background hook that was not run because too many were running.
 *
 * @example
 * ```ts
 * import type { HookEnding, HookRanEvent } from 'grammy-sentinel'
 *
 * const bad: readonly HookEnding[] = ['failed', 'late', 'dropped']
 * const isBad = ({ outcome }: HookRanEvent): boolean => bad.includes(outcome)
 * ```
 */
export type HookEnding = 'done' | 'vetoed' | 'failed' | 'late' | 'dropped'

/**
 * Event for a hook that ran. Hooks are only timed if this event has a listener.
 *
 * @example
 * ```ts
 * import { type HookRanEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ name, point, ms, outcome }: HookRanEvent): void => {
 *   if (ms > 100) console.warn(`${name} at ${point} took ${ms} ms: ${outcome}`)
 * }
 * sentinel().on('hook.ran', listener)
 * ```
 */
export interface HookRanEvent {
  /** The hook's name, by default that of its function or its position among the hooks of its point. */
  readonly name: string
  /** The point it was added at, such as `before:throttle`. */
  readonly point: string
  /** How long it took; for a late hook, how long the update waited for it. */
  readonly ms: Ms
  readonly outcome: HookEnding
}

/**
 * Event for handlers that kept others waiting for too long: they held a place of a `concurrency()` guard, or handled a burst of a
 * `debounce()`, for longer than the guard's `deadline`. The next update or burst was let in beside them.
 *
 * @example
 * ```ts
 * import { type OverdueEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ limit, facts, ms }: OverdueEvent): void => console.error(limit, facts.updateId, 'runs for', ms)
 * sentinel({ concurrency: { scope: 'user' } }).on('overdue', listener)
 * ```
 */
export interface OverdueEvent<C extends Context = Context> {
  readonly facts: Facts
  readonly ctx: C
  readonly guard: string
  readonly limit: string
  /** How long the handlers have been running. */
  readonly ms: Ms
}

/**
 * Event for a call of the bot that Telegram answered with 429.
 *
 * @example
 * ```ts
 * import { type OutgoingLimitedEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ method, chat, retryAfterMs, retried }: OutgoingLimitedEvent): void =>
 *   console.warn(method, chat, retryAfterMs, retried ? 'will be sent again' : 'is given up')
 * sentinel({ outgoing: {} }).on('outgoing.limited', listener)
 * ```
 */
export interface OutgoingLimitedEvent {
  /** The bot's id, if known. */
  readonly bot?: number | undefined
  readonly method: string
  /** The chat as the call named it; absent for calls that concern no chat. */
  readonly chat?: number | string | undefined
  /** How long Telegram asked to wait. */
  readonly retryAfterMs: Ms
  /** How many times the call was made so far, including this time. */
  readonly attempt: number
  /** Whether the call will be made again; otherwise the caller gets the error. */
  readonly retried: boolean
}

/**
 * Event for a group that became a supergroup: its id changed, and a call with the old id failed.
 *
 * @example
 * ```ts
 * import { type ChatMigratedEvent, sentinel } from 'grammy-sentinel'
 *
 * const listener = ({ from, to }: ChatMigratedEvent): void => console.log(`write to ${to} in place of ${from}`)
 * sentinel({ outgoing: {} }).on('chat.migrated', listener)
 * ```
 */
export interface ChatMigratedEvent {
  /** The bot's id, if known. */
  readonly bot?: number | undefined
  readonly method: string
  readonly from: number | string
  readonly to: number
}

/**
 * Event for a changed setting of a chat, by an administrator with the menu of `/sentinel` or by `guard.settings`.
 *
 * @example
 * ```ts
 * import { sentinel, type SettingsChangedEvent } from 'grammy-sentinel'
 *
 * const listener = ({ chat, setting, before, after, by }: SettingsChangedEvent): void =>
 *   console.log(`${by} changed ${setting} of ${chat} from ${before ?? 'as usual'} to ${after ?? 'as usual'}`)
 * sentinel({ settings: { notices: true } }).on('settings.changed', listener)
 * ```
 */
export interface SettingsChangedEvent {
  readonly bot: number
  /** The id of the chat. */
  readonly chat: number
  /** `notices`, or the name of a limit, such as `throttle.user`. */
  readonly setting: string
  /** A limit such as `20/1m`, or whether notices are sent; absent for the usual limit. */
  readonly before?: string | boolean | undefined
  readonly after?: string | boolean | undefined
  /** Who changed it: the text of the administrator's key, such as `u1234567` (`s-100…` for anonymous ones), or `code`. */
  readonly by: string
}
