import type { RefusalCause } from './check.js'
import type { Ms } from './duration.js'

/**
 * Why an update was stopped.
 *
 * - `blocked`: on the block list, or not on the allow list
 * - `unregistered`: not registered
 * - `forbidden`: without the role, or what allows it
 * - `limited`: over a limit; `penalised`: banned for having been so too often
 * - `duplicate`: an `update_id` that was handled before, or is being handled
 * - `repeated`: the same content or tap again too soon
 * - `busy`: too much of theirs is being handled, and waiting took too long
 * - `suspect`: what Telegram tells of the account speaks against it
 * - `vetoed`: a resolver or a hook said no
 * - `denied`: the handler said no, later
 * - `unavailable`: the storage did not answer and the guard is one that stays closed
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
 * Passed.
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
 * Stopped: by whom, why, and when asking again can succeed.
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
  /** The name of the limit or check within the guard, such as `user`; empty for what a resolver or handler denied. */
  readonly limit: string
  readonly reason: DenialReason
  /**
   * `check`: the guard's own rule. `penalty`: a ban is in force; the refusal that begins one has `check`, and the ban for its
   * `retryAfterMs`. `echo`: a later photo of an album whose first was refused. `unavailable`: the storage did not answer.
   */
  readonly cause: RefusalCause
  /** Milliseconds, exact; `Infinity` when waiting does not help. */
  readonly retryAfterMs: Ms
  /**
   * What a resolver of `auth`, or `ctx.sentinel.deny()`, had to say of it; of a block its `reason`, where the storage tells
   * at once, as memory does. Not shown to the user.
   */
  readonly note?: string | undefined
}

/**
 * What was decided for an update.
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

/** One for all: nothing more is to be said. */
export const ALLOWED: Allowed = Object.freeze({ allowed: true })
