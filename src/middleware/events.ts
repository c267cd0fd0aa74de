import type { Context } from 'grammy'
import type { Ms } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import type { Limit } from '../core/limit.js'
import type { Key } from '../core/subject.js'
import type { DenialReason, Denied } from '../core/verdict.js'
import type { Transition, TransitionEvent } from './membership/transitions.js'

/**
 * An update that passed.
 *
 * @example
 * ```ts
 * import { type AllowedEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ facts }: AllowedEvent): void => console.log(facts.activity, facts.actorId)
 * sentinel().on('allowed', told)
 * ```
 */
export interface AllowedEvent<C extends Context = Context> {
  readonly facts: Facts
  readonly ctx: C
}

/**
 * An update that was stopped.
 *
 * @example
 * ```ts
 * import { type DeniedEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ facts, verdict }: DeniedEvent): void => console.log(facts.actorId, verdict.reason)
 * sentinel().on('denied', told)
 * ```
 */
export interface DeniedEvent<C extends Context = Context> extends AllowedEvent<C> {
  readonly verdict: Denied
  /** Whether the sentinel had let it in, and told so: then a guard in front of its handler has stopped it, or the handler. */
  readonly wasAllowed: boolean
  /** False where this update was denied before: a handler goes on until it returns, and may run into others. It counts once. */
  readonly isFirst: boolean
}

/**
 * A limit in shadow that would have stopped an update.
 *
 * @example
 * ```ts
 * import { type DeniedEvent, type ShadowEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ guard, limit, facts }: ShadowEvent): void => console.log(`${guard}.${limit}`, facts.actorId)
 * sentinel({ throttle: { limit: '20/1m', shadow: true } }).on('shadow', told)
 *
 * // For both: who was stopped, and who would have been.
 * const line = ({ facts, verdict }: DeniedEvent | ShadowEvent): void => console.log(facts.actorId, verdict.reason)
 * sentinel().on('shadow', line)
 * sentinel().on('denied', line)
 * ```
 */
export interface ShadowEvent<C extends Context = Context> extends AllowedEvent<C> {
  /** Of the denial there would have been, where a {@link DeniedEvent} has it. */
  readonly verdict: Pick<Denied, 'guard' | 'limit' | 'reason'>
  /** As in `verdict`; so are `limit` and `reason`. */
  readonly guard: string
  readonly limit: string
  /** What the denial would have been. */
  readonly reason: DenialReason
}

/**
 * Something of ours failed. The update was decided all the same.
 *
 * @example
 * ```ts
 * import { type FailureEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ during, error }: FailureEvent): void => console.error(during, error)
 * sentinel().on('error', told)
 * ```
 */
export interface FailureEvent {
  readonly error: unknown
  /** What was being done, such as `notice` or `throttle.cost`. */
  readonly during: string
}

/**
 * Something a developer should know and mend; told once.
 *
 * @example
 * ```ts
 * import { sentinel, type WarningEvent } from 'grammy-sentinel'
 *
 * const told = ({ code, message }: WarningEvent): void => console.warn(code, message)
 * sentinel().on('warning', told)
 * ```
 */
export interface WarningEvent {
  /** Stable, such as `membership.undelivered`. */
  readonly code: string
  readonly message: string
}

/**
 * A mark was put on somebody, or taken away, by this process. What others on the same storage change is told by its `watch()`.
 *
 * @example
 * ```ts
 * import { keyText, type MarkEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ bot, key, reason }: MarkEvent): void => console.log(bot, keyText(key), reason)
 * sentinel().on('blocked', told)
 * ```
 */
export interface MarkEvent {
  readonly bot: number
  readonly key: Key
  readonly reason?: string | undefined
}

/**
 * The storage stopped answering. Guards go by their `onFailure` until it is back.
 *
 * @example
 * ```ts
 * import { type StorageDownEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ kind, reason }: StorageDownEvent): void => console.error(`${kind} is down: ${reason}`)
 * sentinel().on('storage.down', told)
 * ```
 */
export interface StorageDownEvent {
  /** Which storage, such as `redis`; `unknown` if it was never reached. */
  readonly kind: string
  /** A code such as `ECONNREFUSED`, `TIMEOUT` or `OOM`. */
  readonly reason: string
  /** The same for people, as the storage says it, without passwords; absent where it says no more than the code. */
  readonly message?: string
}

/**
 * The storage answers again.
 *
 * @example
 * ```ts
 * import { type StorageUpEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ kind, afterMs }: StorageUpEvent): void => console.log(`${kind} is back after ${afterMs} ms`)
 * sentinel().on('storage.up', told)
 * ```
 */
export interface StorageUpEvent {
  readonly kind: string
  /** For how long it was down. */
  readonly afterMs: Ms
}

/**
 * What can be listened to with `guard.on(…)`.
 *
 * @example
 * ```ts
 * import { sentinel, type SentinelEvents } from 'grammy-sentinel'
 *
 * const guard = sentinel()
 * const told: (event: SentinelEvents['denied']) => void = ({ verdict }) => console.log(verdict.guard)
 * guard.on('denied', told)
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
  /** What Telegram tells of an account speaks against it, by the option `dossier` of `auth`. */
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
 * A limit was changed while the bot runs, for one subject or for all who hold a role.
 *
 * @example
 * ```ts
 * import { formatLimit, type LimitChangedEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ limit, after }: LimitChangedEvent): void =>
 *   console.log(limit, after === undefined ? 'as usual' : formatLimit(after))
 * sentinel().on('limit.changed', told)
 * ```
 */
export interface LimitChangedEvent {
  readonly bot: number
  /** Whose limit it is; absent where it is that of a role, or of everybody. */
  readonly key?: Key | undefined
  /** For whoever holds this role. */
  readonly role?: string | undefined
  /** Which limit, such as `throttle.user`, or of a policy `checkout.throttle`. */
  readonly limit: string
  /** What held before, where it is known. */
  readonly before?: Limit | undefined
  /** What holds now; absent: the usual one again. */
  readonly after?: Limit | undefined
  /** Who or what changed it, such as `code`, `adapt`, or the text of the administrator's key. */
  readonly by?: string | undefined
}

/**
 * How a hook ended; `dropped` is one for the background that was not run, since too much was under way.
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
 * A hook ran. Told to whoever listens, and timed only then.
 *
 * @example
 * ```ts
 * import { type HookRanEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ name, point, ms, outcome }: HookRanEvent): void => {
 *   if (ms > 100) console.warn(`${name} at ${point} took ${ms} ms: ${outcome}`)
 * }
 * sentinel().on('hook.ran', told)
 * ```
 */
export interface HookRanEvent {
  /** Its name; where it has none, that of its function, or its place among those of its point. */
  readonly name: string
  /** Where it stands, such as `before:throttle`. */
  readonly point: string
  /** How long it took; for one that was too late, how long it was waited for. */
  readonly ms: Ms
  readonly outcome: HookEnding
}

/**
 * A handler held its place of a `concurrency()` guard, or was at a burst of a `debounce()`, for longer than the guard allows, while
 * others waited for it. The next one was let in beside it.
 *
 * @example
 * ```ts
 * import { type OverdueEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ limit, facts, ms }: OverdueEvent): void => console.error(limit, facts.updateId, 'runs for', ms)
 * sentinel({ concurrency: { per: 'user' } }).on('overdue', told)
 * ```
 */
export interface OverdueEvent<C extends Context = Context> {
  readonly facts: Facts
  readonly ctx: C
  readonly guard: string
  readonly limit: string
  /** For how long its handlers have been running. */
  readonly ms: Ms
}

/**
 * Telegram answered 429 to a call of the bot.
 *
 * @example
 * ```ts
 * import { type OutgoingLimitedEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ method, chat, retryAfterMs, retried }: OutgoingLimitedEvent): void =>
 *   console.warn(method, chat, retryAfterMs, retried ? 'will be sent again' : 'is given up')
 * sentinel({ outgoing: {} }).on('outgoing.limited', told)
 * ```
 */
export interface OutgoingLimitedEvent {
  /** The bot's id, where it is known. */
  readonly bot?: number | undefined
  readonly method: string
  /** As the call named it; absent for calls that concern no chat. */
  readonly chat?: number | string | undefined
  /** How long Telegram asked to wait. */
  readonly retryAfterMs: Ms
  /** How many times the call was made so far, this one included. */
  readonly attempt: number
  /** Whether it is made again; else the caller gets the error. */
  readonly retried: boolean
}

/**
 * A group became a supergroup: it has another id now, and a call that named the old one failed.
 *
 * @example
 * ```ts
 * import { type ChatMigratedEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ from, to }: ChatMigratedEvent): void => console.log(`write to ${to} in place of ${from}`)
 * sentinel({ outgoing: {} }).on('chat.migrated', told)
 * ```
 */
export interface ChatMigratedEvent {
  /** The bot's id, where it is known. */
  readonly bot?: number | undefined
  readonly method: string
  readonly from: number | string
  readonly to: number
}

/**
 * A setting of a chat was changed, by an administrator with the menu of `/sentinel` or by `guard.settings`.
 *
 * @example
 * ```ts
 * import { sentinel, type SettingsChangedEvent } from 'grammy-sentinel'
 *
 * const told = ({ chat, setting, before, after, by }: SettingsChangedEvent): void =>
 *   console.log(`${by} changed ${setting} of ${chat} from ${before ?? 'as usual'} to ${after ?? 'as usual'}`)
 * sentinel({ settings: { notices: true } }).on('settings.changed', told)
 * ```
 */
export interface SettingsChangedEvent {
  readonly bot: number
  /** The id of the chat. */
  readonly chat: number
  /** `notices`, or which limit, such as `throttle.user`. */
  readonly setting: string
  /** A limit such as `20/1m`, or whether notices are sent; absent: a limit that is as usual. */
  readonly before?: string | boolean | undefined
  readonly after?: string | boolean | undefined
  /** Who changed it: the text of the administrator's key, such as `u1234567` (`s-100…` for anonymous ones), or `code`. */
  readonly by: string
}
