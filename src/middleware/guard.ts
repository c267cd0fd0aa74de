import type { Context, MiddlewareFn, NextFunction } from 'grammy'
import type { Check, MaybePromise } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import type { Activity } from '../core/kinds.js'
import type { Limit } from '../core/limit.js'
import type { Key } from '../core/subject.js'
import type { DenialReason } from '../core/verdict.js'
import type { SentinelControl } from './control.js'
import type { Denial } from './denial.js'
import type { House } from './house.js'

/** Finds the subject of a scope in an update; undefined leaves its checks out. */
export type SubjectOf<C extends Context> = (facts: Facts, ctx: C) => Key | undefined

/**
 * Who is let off a check: `nobody`; the `trusted` (owner, listed users); holders of exempt `roles`, too; or
 * `everybody` who is exempt, administrators of the chat included.
 */
export type Excused = 'nobody' | 'trusted' | 'roles' | 'everybody'

/** A check, and what each update asks of it. */
export interface Question<C extends Context> {
  readonly check: Check
  /** Updates it is for. */
  readonly on: readonly Activity[]
  /** Of those, only where this holds. */
  readonly when?: ((facts: Facts, ctx: C) => boolean) | undefined
  /** What it charges; 1 unless told. */
  readonly cost?: ((facts: Facts, ctx: C) => number) | number | undefined
  /** What a claim takes; undefined leaves the check out. */
  readonly token?: ((facts: Facts, ctx: C) => number | undefined) | undefined
  /** Nearly every update has a token: spares them a list of costs of their own. */
  readonly usual?: boolean
  /** Another limit for this update. */
  readonly limit?: ((facts: Facts, ctx: C) => Limit | undefined) | undefined
  readonly excused: Excused
  /** A shadow for the guard's own use: it learns of it in `admit`, nobody else does. */
  readonly probe?: boolean
  /** What to call it in verdicts: the name of the limit within the guard. */
  readonly name: string
  readonly reason: DenialReason
  /** How to answer whom it refuses. */
  readonly denial: Denial<C>
  /** What is known of why, for listeners and `deny` functions; asked only where somebody reads it. */
  readonly note?: ((facts: Facts, ctx: C) => string | undefined) | undefined
}

/** Where a guard writes down what it will ask. */
export interface Wiring<C extends Context> {
  /** What the guards of a chain share: storage, clock, bots, events, background work. */
  readonly house: House
  /** The index of a scope; made on first mention, shared by name. */
  scope(name: string, subjectOf: SubjectOf<C>): number
  /** Adds a check. Its order is the order of asking. Its index. */
  ask(question: Question<C>): number
  /** Whether the chain already asks something under this slot. */
  asks(slot: string): boolean
  /** What a limit is called that was given no name: after the handler it is for, else as usual. */
  nameFor(guard: string, usual: string): string
}

/** What a guard does beside its checks. All optional. */
export interface Wired<C extends Context> {
  /** Called once the chain stands: what the guard does beside asking must not outlive a chain that came to nothing. */
  begin?(): void
  /** Sees every update before anything is decided. Must not throw. */
  observe?(facts: Facts, ctx: C): MaybePromise<void>
  /** Of which updates it sees anything: all, unless told. */
  readonly observes?: readonly Activity[]
  /** Has the last word on what was admitted. `probed`: the probes that found no mark, by index. */
  admit?(facts: Facts, ctx: C, probed: readonly number[]): MaybePromise<Admission | undefined>
  /** How to answer whom `admit` vetoes; a notice unless told. */
  readonly denial?: Denial<C>
  /** What `admit` vetoes is told, and passes. */
  readonly shadow?: boolean
  /** Takes an admitted update over, to run its handlers later; false to let it go on. */
  divert?(facts: Facts, ctx: C, next: NextFunction, control: SentinelControl): boolean
  /** Update kinds that Telegram must be asked for. */
  readonly needs?: readonly string[]
  /** Finishes what it holds back. */
  drain?(): Promise<void>
}

/** A limit that no plan knows, as verdicts tell of it. What the plan's limits charged for its refusal is given back. */
export interface Vetoer {
  readonly guard: string
  readonly limit: string
  readonly retryAfterMs: Ms
  /** Whether it is time to say so. */
  readonly notice: boolean
}

/** The last word: a reason vetoes, an identity enriches `ctx.sentinel`. */
export interface Admission {
  readonly veto?: DenialReason | undefined
  /** Who vetoes; the resolver of `auth` unless told. */
  readonly by?: Vetoer | undefined
  readonly note?: string | undefined
  readonly identity?: unknown
}

/**
 * What makes a guard. Made by `throttle()` and the like, for `compose()` and `sentinel()` to fuse: what `wire` takes and
 * gives is theirs, and may change in any version.
 *
 * @example
 * ```ts
 * import { type GuardDefinition, throttle } from 'grammy-sentinel'
 *
 * const [definition]: readonly GuardDefinition[] = throttle('5/10s').definitions
 * console.log(definition?.name) // 'throttle'
 * ```
 */
export interface GuardDefinition<C extends Context = Context> {
  /** Which guard, such as `throttle`. */
  readonly name: string
  wire(wiring: Wiring<C>): Wired<C> | undefined
}

/** The same guard, judging and refusing nothing. */
export function inShadow<C extends Context>(definition: GuardDefinition<C>): GuardDefinition<C> {
  return {
    name: definition.name,
    wire(wiring) {
      const wired = definition.wire({
        house: wiring.house,
        scope: (name, subjectOf) => wiring.scope(name, subjectOf),
        asks: (slot) => wiring.asks(slot),
        nameFor: (guard, usual) => wiring.nameFor(guard, usual),
        ask: (question) => wiring.ask({ ...question, check: { ...question.check, shadow: true } }),
      })
      return wired === undefined ? undefined : { ...wired, shadow: true }
    },
  }
}

/**
 * A guard: middleware by itself (`bot.use(throttle('5/10s'))`), or a part of `compose()` and `sentinel()`, which
 * fuse several into one plan.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { type Guard, throttle } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * const slow: Guard = throttle('5/10s')
 * bot.use(slow)
 * ```
 */
export interface Guard<C extends Context = Context> extends MiddlewareFn<C> {
  /** What it is made of: one definition, or several that were fused. */
  readonly definitions: readonly GuardDefinition<C>[]
}
