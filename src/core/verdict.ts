import type { RefusalCause } from './check.js'
import type { Ms } from './duration.js'

/**
 * Why an update was stopped.
 *
 * - `blocked`: on the block list, or not on the allow list
 * - `unregistered`: not registered
 * - `forbidden`: lacks a required role or permission
 * - `limited`: over a limit; `penalised`: banned for exceeding a limit too often
 * - `duplicate`: an `update_id` that was handled before, or is being handled
 * - `repeated`: the same content or tap again too soon
 * - `busy`: too many updates of the subject are being handled, and waiting for a place took too long
 * - `suspect`: the account was judged suspicious by what Telegram tells about it
 * - `vetoed`: a resolver or a hook refused
 * - `denied`: the handler refused, with `ctx.sentinel.deny()`
 * - `unavailable`: the storage did not answer and the guard is one that refuses then
 *
 * @example
 * ```ts
 * import type { DenialReason } from 'grammy-sentinel'
 *
 * const harmless: readonly DenialReason[] = ['duplicate', 'repeated']
 * ```
 */
export type DenialReason =
  | 'blocked'
  | 'unregistered'
  | 'forbidden'
  | 'limited'
  | 'penalised'
  | 'duplicate'
  | 'repeated'
  | 'busy'
  | 'suspect'
  | 'vetoed'
  | 'denied'
  | 'unavailable'

/**
 * The verdict for an update that passed.
 *
 * @example
 * ```ts
 * import type { Allowed, Verdict } from 'grammy-sentinel'
 *
 * const passed = (verdict: Verdict): verdict is Allowed => verdict.allowed
 * ```
 */
export interface Allowed {
  readonly allowed: true
}

/**
 * The verdict for an update that was stopped: by which guard, why, and when asking again can succeed.
 *
 * @example
 * ```ts
 * import { type Denied, sentinel } from 'grammy-sentinel'
 *
 * const line = ({ guard, limit, reason, retryAfterMs }: Denied) => `${guard}.${limit} ${reason} ${retryAfterMs}`
 * sentinel().on('denied', ({ verdict }) => console.log(line(verdict))) // 'throttle.user limited 1000'
 * ```
 */
export interface Denied {
  readonly allowed: false
  /** The guard's name, such as `throttle`. */
  readonly guard: string
  /** The name of the limit or check within the guard, such as `user`; the hook's name for a veto; empty if a resolver or handler denied, `resolver` if a resolver's earlier answer did. */
  readonly limit: string
  readonly reason: DenialReason
  /**
   * `check`: the guard's own rule. `penalty`: a ban is in force; the refusal that begins a ban has `check`, and the ban's length
   * as `retryAfterMs`. `echo`: a later part of an album whose first part was refused. `unavailable`: the storage did not answer.
   */
  readonly cause: RefusalCause
  /** Milliseconds, exact (for `busy` an upper bound, which may be a fraction); `Infinity` when waiting does not help. */
  readonly retryAfterMs: Ms
  /**
   * The note of `auth`'s resolver or dossier, of a hook's veto or of `ctx.sentinel.deny()`; a reference to the `error` event if
   * the guards of a handler could not be prepared; for a block its `reason`, if the storage returns it synchronously, as memory does. Not shown to the user.
   */
  readonly note?: string | undefined
}

/**
 * The decision on an update.
 *
 * @example
 * ```ts
 * import type { Verdict } from 'grammy-sentinel'
 *
 * const told = (verdict: Verdict) =>
 *   verdict.allowed ? 'passed' : `${verdict.guard}: ${verdict.reason}, again in ${verdict.retryAfterMs} ms`
 * ```
 */
export type Verdict = Allowed | Denied

/** Shared by all admitted updates: the verdict carries nothing else. */
export const ALLOWED: Allowed = Object.freeze({ allowed: true })
