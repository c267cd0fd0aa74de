import type { Ms } from './duration.js'
import type { Limit } from './limit.js'
import type { Key } from './subject.js'

/**
 * A value, or a promise of one: what is synchronous in memory is a round trip elsewhere.
 *
 * @example
 * ```ts
 * import type { Decision, MaybePromise } from 'grammy-sentinel'
 *
 * const admitted = async (decision: MaybePromise<Decision>) => (await decision).refusedBy === -1
 * ```
 */
export type MaybePromise<T> = T | Promise<T>

/** Whether a value is still to come. */
export function isPromise<T>(value: MaybePromise<T> | undefined): value is Promise<T> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

/**
 * What follows a refusal, atomically with it and for the first enforcing refuser only: the one write that a
 * refusal makes.
 *
 * Refusals of one subject by one check are counted within `within`; when there are `after` of them the subject
 * is banned from that check for the next of `bans`. The ladder is forgotten when the longest ban has passed
 * once more without a new one. `noticeEvery` lets one refusal in that span say so (`Decision.notice`), and one that begins
 * a ban of that length or more, whatever was said before.
 *
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
 * What becomes of a check while its storage does not answer: `open`, it is left out; `closed`, it refuses; `local`,
 * it is decided in memory until the storage is back, marks by the last known copy of them.
 *
 * @example
 * ```ts
 * import type { Check, WhenDown } from 'grammy-sentinel'
 *
 * const ruleOf = ({ whenDown = 'local' }: Check): WhenDown => whenDown
 * ```
 */
export type WhenDown = 'open' | 'closed' | 'local'

/** What all checks have in common. */
export interface Asked {
  /** The guard that asks, for verdicts and metrics. */
  readonly guard: string
  /** Names the state: unique in a plan and stable over restarts. State outlives a change of the numbers. */
  readonly slot: string
  /** Index into `Plan.scopes`: whose record this check reads. */
  readonly subject: number
  /** Judged and counted, never refusing. */
  readonly shadow?: boolean
  /** The check is left out for whoever holds one of these marks; `subject` is an index into `Plan.scopes`. */
  readonly unless?: { readonly subject: number; readonly anyOf: readonly string[] }
  readonly onRefusal?: Consequence
  /** While the storage does not answer; storages themselves have no use for it. Absent: `local`. */
  readonly whenDown?: WhenDown
}

/**
 * First variant whose durable mark the subject holds wins: roles and stored limits cost no second trip.
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
  /** Index into `Plan.scopes`: whose marks are read. */
  readonly subject: number
  readonly limit: Limit | 'stored'
  /**
   * Of a stored limit: its amount and its burst are brought within those of these two, which are per the same span; one per another
   * span is passed over. It was stored when other bounds held.
   */
  readonly within?: { readonly min: Limit; readonly max: Limit }
}

/** A check that counts. */
export interface Limited extends Asked {
  readonly limit: Limit
  readonly variants?: readonly Variant[]
}

/**
 * Refuses whoever holds one of the marks: a block list.
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
 * Refuses whoever holds none of the marks: registration, roles.
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
 * The first to take the token wins, for `holdFor`.
 *
 * - `whenHeld: 'refuse'`: a later taker is refused (once, debounce).
 * - `whenHeld: 'waive'`: a later taker shares the fate of the first (the parts of an album): admitted without
 *   being judged by the claims and limits that follow, or refused by the same check, without a second notice.
 * - `retry`: a claim that is released (the handler threw) may be taken once more, and since all that follows was
 *   paid by the first, it is not judged by the claims and limits that follow.
 * - `lease`: the claim lapses after so long unless completed, as if released: a killed worker frees it.
 * - `tokens`: `'sequence'` for tokens that rise by one (update ids: a storage keeps them as bitmaps), `'digest'`
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
 * A token bucket: `burst` at once, refilled at `amount` per `per`.
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
 * At most `amount` within any span of `per` (`log`: exact, a time stamp a unit; `counters`: two counters, for large
 * amounts, exact under steady traffic and up to twice as much in the worst case), or within spans of `per` that begin
 * with their first charge (`fixed`).
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
 * One question of a plan. Plain data: guards write it at wiring, a storage compiles it.
 *
 * @example
 * ```ts
 * import type { Check, Plan } from 'grammy-sentinel'
 *
 * const kindsOf = (plan: Plan): Check['kind'][] => plan.checks.map((check) => check.kind)
 * ```
 */
export type Check = AbsentCheck | PresentCheck | ClaimCheck | BucketCheck | WindowCheck

/**
 * All checks of a chain, in order, at most 31. `scopes` names the subjects an ask brings.
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
  /** Which sentinel on this storage: state is kept per name, and outlives a change of the plan. */
  readonly name: string
  readonly scopes: readonly string[]
  readonly checks: readonly Check[]
}

/** So many checks fit a set of bits: a chain of more is two chains. */
export const MOST_CHECKS = 31

/**
 * What one update asks of a plan. Not changed once given: a storage may keep it.
 *
 * @example
 * ```ts
 * import { type Ask, userKey } from 'grammy-sentinel'
 *
 * const ask: Ask = { bot: 42, subjects: [userKey(7)], costs: [1], tokens: [0] }
 * ```
 */
export interface Ask {
  /** The bot's id: part of every key. */
  readonly bot: number
  /** By scope; undefined leaves out the checks of that scope. */
  readonly subjects: readonly (Key | undefined)[]
  /**
   * By check: 0 leaves the check out; limits charge so much. Fractions are fine. A storage may go by which list it
   * is, so equal costs are best one list, and a list is never changed.
   */
  readonly costs: readonly number[]
  /**
   * By claim (the plan's checks of kind `claim`, in order): what it takes, a whole number below 2^53. May end
   * early when the rest is left out.
   */
  readonly tokens: readonly number[]
  /** By check: a limit for this update alone, in place of the plan's. */
  readonly limits?: readonly (Limit | undefined)[]
}

/**
 * Why a check refused: by its own rule, because a penalty is in force, because the first part of the same album was
 * refused, or because the storage did not answer and the check is one that is then closed.
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
 * The answer to an ask.
 *
 * @example
 * ```ts
 * import type { Decision } from 'grammy-sentinel'
 *
 * const waitOf = (decision: Decision) => (decision.refusedBy === -1 ? 0 : decision.retryAfterMs)
 * ```
 */
export interface Decision {
  /** -1: admitted and all charged; else the index of the check that refused, and nothing is charged. */
  readonly refusedBy: number
  readonly cause: RefusalCause
  /** When asking again can succeed, to the millisecond, if nothing else is charged meanwhile; `Infinity` if never by itself. 0 when admitted. */
  readonly retryAfterMs: Ms
  /**
   * By check: what is left of each limit (after the charge, if any); NaN where nothing is counted. Read it at once: a
   * storage may tell what is left by the time it is read.
   */
  readonly remaining: readonly number[]
  /** Shadow checks that would have refused. */
  readonly shadowRefusals: readonly number[]
  /** Say it: the first refusal of the notice span. */
  readonly notice: boolean
  /** A claim waived the rest: nothing was charged by limits. */
  readonly waived: boolean
  /** To settle an admission later; absent on refusals and peeks. */
  readonly receipt?: Receipt | undefined
  /** Made in memory, in place of a storage that did not answer. @default false */
  readonly alone?: boolean | undefined
}

/**
 * Proof of an admission, for {@link Judge.settle}. Opaque to all but the storage that gave it.
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
  /** The handler finished: leased claims are held for good. */
  | 'complete'
  /** The handler threw: `retry` claims may be taken once more, for free. */
  | 'release'
  /** Charges are given back; never more than was charged. */
  | 'refund'

/**
 * A plan, compiled by a storage.
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
  /** Decides in order, atomically, in one round trip, on the storage's clock unless `at` is given. */
  evaluate(ask: Ask, at?: Ms): MaybePromise<Decision>
  /** The same answer; writes nothing. */
  peek(ask: Ask, at?: Ms): MaybePromise<Decision>
  /** Idempotent. `check` narrows a refund to one check. */
  settle(receipt: Receipt, how: Settlement, check?: number): MaybePromise<void>
}
