import type { Ms } from './duration.js'
import type { Limit } from './limit.js'
import type { Key } from './subject.js'

/**
 * A value or a promise of it: in-memory storages answer synchronously, remote ones after a round trip.
 *
 * @example
 * ```ts
 * import type { Decision, MaybePromise } from 'grammy-sentinel'
 *
 * const admitted = async (decision: MaybePromise<Decision>) => (await decision).refusedBy === -1
 * ```
 */
export type MaybePromise<T> = T | Promise<T>

/** Whether a value is a promise. */
export function isPromise<T>(value: MaybePromise<T> | undefined): value is Promise<T> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

/**
 * What follows a refusal. It is applied atomically with the refusal and only for the first check that refuses and is not in
 * shadow mode; it is the only write that a refusal makes.
 *
 * Refusals of a subject by a check are counted within `within`. When there are `after` of them, the subject is banned from that
 * check for the next duration of `bans`. The sequence of bans starts again after the longest ban has passed once more without a
 * new one. `noticeEvery` allows one notice (`Decision.notice`) per that span; a refusal that begins a ban of at least that length
 * is always noticed.
 * @example
 * ```ts
 * import type { Consequence } from 'grammy-sentinel'
 *
 * // Five refusals within a minute: away for a minute, then ten; told once in ten seconds.
 * const stern: Consequence = {
 *   penalty: { after: 5, within: 60_000, bans: [60_000, 600_000] },
 *   noticeEvery: 10_000,
 * }
 * ```
 */
export interface Consequence {
  readonly penalty?: { readonly after: number; readonly within: Ms; readonly bans: readonly Ms[] }
  readonly noticeEvery?: Ms
}

/**
 * What happens to a check while its storage does not answer. `open`: the check is skipped. `closed`: it refuses. `local`: it is
 * decided in memory until the storage is back, with marks taken from the last known copy.
 * @example
 * ```ts
 * import type { Check, WhenDown } from 'grammy-sentinel'
 *
 * const ruleOf = ({ whenDown = 'local' }: Check): WhenDown => whenDown
 * ```
 */
export type WhenDown = 'open' | 'closed' | 'local'

/** The fields that all checks share. */
export interface Asked {
  /** Name of the guard that added the check, for verdicts and metrics. */
  readonly guard: string
  /** Names the state: unique in a plan and stable over restarts. The state survives a change of the check's numbers. */
  readonly slot: string
  /** Index into `Plan.scopes`: the subject whose record this check reads. */
  readonly subject: number
  /** True for a check that is evaluated and counted but never refuses. */
  readonly shadow?: boolean
  /** Skips the check for subjects with one of these marks; `subject` is an index into `Plan.scopes`. */
  readonly unless?: { readonly subject: number; readonly anyOf: readonly string[] }
  readonly onRefusal?: Consequence
  /** Applies while the storage does not answer; storages themselves do not read it. @default 'local' */
  readonly whenDown?: WhenDown
}

/**
 * A limit for holders of a mark. The first variant whose durable mark the subject holds wins. Variants are part of the plan, so
 * that roles and stored limits need no second round trip.
 *
 * @example
 * ```ts
 * import type { Variant } from 'grammy-sentinel'
 *
 * const vip: Variant = { mark: 'role:vip', subject: 0, limit: { amount: 100, per: 60_000 } }
 * ```
 */
export interface Variant {
  readonly mark: string
  /** Index into `Plan.scopes`: the subject whose marks are read. */
  readonly subject: number
  readonly limit: Limit | 'stored'
  /**
   * Bounds for a stored limit: its amount and burst are clamped to those of `min` and `max`, which share one span. A stored limit
   * with another span is ignored: it was stored when other bounds applied.
   */
  readonly within?: { readonly min: Limit; readonly max: Limit }
}

/** A check that counts against a limit. */
export interface Limited extends Asked {
  readonly limit: Limit
  readonly variants?: readonly Variant[]
}

/**
 * Refuses subjects that hold one of the marks, such as blocked ones.
 *
 * @example
 * ```ts
 * import type { Check } from 'grammy-sentinel'
 *
 * const notBlocked: Check = { kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] }
 * ```
 */
export interface AbsentCheck extends Asked {
  readonly kind: 'absent'
  readonly anyOf: readonly string[]
}

/**
 * Refuses subjects that hold none of the marks: registration, roles.
 *
 * @example
 * ```ts
 * import type { Check } from 'grammy-sentinel'
 *
 * const staff: Check = { kind: 'present', guard: 'auth', slot: 'auth', subject: 0, anyOf: ['role:admin'] }
 * ```
 */
export interface PresentCheck extends Asked {
  readonly kind: 'present'
  readonly anyOf: readonly string[]
}

/**
 * Lets the first update that takes a token win it for `holdFor`.
 *
 * - `whenHeld: 'refuse'`: a later update with the token is refused (once, debounce).
 * - `whenHeld: 'waive'`: a later update shares the outcome of the first (parts of an album). It is either admitted, skipping the
 *   claims and limits that follow, or refused by the same check, without a second notice.
 * - `retry`: a claim that was released because the handler threw may be taken once more. The claims and limits that follow are
 *   skipped then, since the first attempt has paid for them.
 * - `lease`: a claim that is not completed within this time is treated as released, so that a killed worker frees it.
 * - `tokens`: `'sequence'` for tokens that rise by one (update ids, which a storage keeps as bitmaps), `'digest'`
 *   for any other.
 *
 * @example
 * ```ts
 * import type { Check } from 'grammy-sentinel'
 *
 * const once: Check = {
 *   kind: 'claim', guard: 'once', slot: 'once', subject: 0,
 *   tokens: 'sequence', holdFor: 86_400_000, whenHeld: 'refuse',
 * }
 * ```
 */
export interface ClaimCheck extends Asked {
  readonly kind: 'claim'
  readonly tokens: 'sequence' | 'digest'
  readonly holdFor: Ms
  readonly lease?: Ms
  readonly retry?: boolean
  readonly whenHeld: 'refuse' | 'waive'
}

/**
 * A token bucket: holds up to `burst` units and is refilled with `amount` units per `per`.
 *
 * @example
 * ```ts
 * import type { Check } from 'grammy-sentinel'
 *
 * const bucket: Check = {
 *   kind: 'bucket', guard: 'throttle', slot: 'user', subject: 0,
 *   limit: { amount: 60, per: 60_000, burst: 30 },
 * }
 * ```
 */
export interface BucketCheck extends Limited {
  readonly kind: 'bucket'
}

/**
 * Allows at most `amount` within a span of `per`. `log`: within any such span, exactly, with one time stamp per unit. `counters`:
 * within any such span, from two counters; meant for large amounts, exact under steady traffic and up to twice as much in the
 * worst case. `fixed`: within spans that begin with their first charge.
 *
 * @example
 * ```ts
 * import type { Check } from 'grammy-sentinel'
 *
 * const window: Check = {
 *   kind: 'window', form: 'log', guard: 'throttle', slot: 'user', subject: 0,
 *   limit: { amount: 20, per: 60_000 },
 * }
 * ```
 */
export interface WindowCheck extends Limited {
  readonly kind: 'window'
  readonly form: 'log' | 'counters' | 'fixed'
}

/**
 * One check of a plan. Plain data: guards create checks at wiring, a storage compiles them.
 *
 * @example
 * ```ts
 * import type { Check, Plan } from 'grammy-sentinel'
 *
 * const kindsOf = (plan: Plan): Check['kind'][] => plan.checks.map((check) => check.kind)
 * ```
 */
export type Check = AbsentCheck | PresentCheck | ClaimCheck | BucketCheck | WindowCheck

/** Whether a check only reads marks. */
export function isMarkCheck({ kind }: Check): boolean {
  return kind === 'absent' || kind === 'present'
}

/**
 * All checks of a chain, in order, at most 31. `scopes` names the subjects that an ask supplies.
 *
 * @example
 * ```ts
 * import type { Plan } from 'grammy-sentinel'
 *
 * const plan: Plan = {
 *   name: 'main',
 *   scopes: ['user'],
 *   checks: [
 *     { kind: 'bucket', guard: 'throttle', slot: 'user', subject: 0, limit: { amount: 20, per: 60_000 } },
 *   ],
 * }
 * ```
 */
export interface Plan {
  /** Name of the sentinel on this storage. State is kept per name and survives a change of the plan. */
  readonly name: string
  readonly scopes: readonly string[]
  readonly checks: readonly Check[]
}

/** Most checks of a plan: storages keep one bit for each in a 32-bit integer. More checks need a second chain. */
export const MOST_CHECKS = 31

/**
 * What one update asks of a plan. Never modified after it was passed on, so a storage may keep it.
 *
 * @example
 * ```ts
 * import { type Ask, userKey } from 'grammy-sentinel'
 *
 * const ask: Ask = { bot: 42, subjects: [userKey(7)], costs: [1], tokens: [0] }
 * ```
 */
export interface Ask {
  /** The bot's id, part of every key. */
  readonly bot: number
  /** Subjects by scope; undefined skips the checks of that scope. */
  readonly subjects: readonly (Key | undefined)[]
  /**
   * Costs by check: 0 skips the check, limits charge the cost, which may be a fraction. A storage may cache by list
   * identity: pass the same list for equal costs, and never change a list.
   */
  readonly costs: readonly number[]
  /**
   * Tokens by claim (the plan's checks of kind `claim`, in order): whole numbers below 2^53. The list may be shorter than
   * the claims if the rest are skipped.
   */
  readonly tokens: readonly number[]
  /** Limits by check that replace the plan's for this ask alone. */
  readonly limits?: readonly (Limit | undefined)[]
}

/**
 * Why a check refused: `check`, by its own rule; `penalty`, a ban is in force; `echo`, the first part of the same album was
 * refused; `unavailable`, the storage did not answer and the check is one that closes then.
 *
 * @example
 * ```ts
 * import type { Decision, RefusalCause } from 'grammy-sentinel'
 *
 * const causeOf = (decision: Decision): RefusalCause | undefined =>
 *   decision.refusedBy === -1 ? undefined : decision.cause
 * ```
 */
export type RefusalCause = 'check' | 'penalty' | 'echo' | 'unavailable'

/**
 * A storage's answer to an ask.
 *
 * @example
 * ```ts
 * import type { Decision } from 'grammy-sentinel'
 *
 * const waitOf = (decision: Decision) => (decision.refusedBy === -1 ? 0 : decision.retryAfterMs)
 * ```
 */
export interface Decision {
  /** -1 if the ask was admitted and charged; otherwise the index of the refusing check, and nothing was charged. */
  readonly refusedBy: number
  readonly cause: RefusalCause
  /**
   * Exact milliseconds until asking again can succeed if nothing else is charged meanwhile; `Infinity` if never by itself. 0 if
   * admitted.
   */
  readonly retryAfterMs: Ms
  /**
   * By check: what is left of each limit after the charge, if any; NaN for checks that do not count. Read it at once: a
   * storage may compute the values only when they are read.
   */
  readonly remaining: readonly number[]
  /** Indexes of the shadow checks that would have refused. */
  readonly shadowRefusals: readonly number[]
  /** True if the user should be notified: the first refusal of the notice span. */
  readonly notice: boolean
  /** True if a claim skipped the checks that follow, so limits charged nothing. */
  readonly waived: boolean
  /** Settles the admission later; absent on refusals and peeks. */
  readonly receipt?: Receipt | undefined
  /** True if the decision was made in memory because the storage did not answer. @default false */
  readonly alone?: boolean | undefined
}

/**
 * Proof of an admission, for {@link Judge.settle}. Opaque to all but the storage that issued it.
 *
 * @example
 * ```ts
 * import type { Decision, Receipt } from 'grammy-sentinel'
 *
 * const receiptOf = (decision: Decision): Receipt | undefined => decision.receipt
 * ```
 */
export interface Receipt {
  readonly ask: Ask
  readonly at: Ms
}

/**
 * How an admission ended.
 *
 * @example
 * ```ts
 * import type { Settlement } from 'grammy-sentinel'
 *
 * const ending = (threw: boolean): Settlement => (threw ? 'release' : 'complete')
 * ```
 */
export type Settlement =
  /** The handler finished: leased claims stay taken for their whole `holdFor`. */
  | 'complete'
  /** The handler threw: claims with `retry` may be taken once more, free of charge. */
  | 'release'
  /** Gives charges back, never more than was charged. */
  | 'refund'

/**
 * A plan compiled by a storage.
 *
 * @example
 * ```ts
 * import type { Ask, Judge } from 'grammy-sentinel'
 *
 * async function admit(judge: Judge, ask: Ask): Promise<boolean> {
 *   const { refusedBy, receipt } = await judge.evaluate(ask)
 *   if (receipt !== undefined) await judge.settle(receipt, 'complete')
 *   return refusedBy === -1
 * }
 * ```
 */
export interface Judge {
  /** Decides all checks in order, atomically, in one round trip. Uses the storage's clock unless `at` is given. */
  evaluate(ask: Ask, at?: Ms): MaybePromise<Decision>
  /** Returns the decision that `evaluate()` would make, without writing anything. */
  peek(ask: Ask, at?: Ms): MaybePromise<Decision>
  /** Settles an admission; idempotent. `check` narrows a refund to one check. */
  settle(receipt: Receipt, how: Settlement, check?: number): MaybePromise<void>
}
