import type { Ms } from '../../../core/duration.js'

/** Who was quiet for so long begins anew: Telegram counts over minutes. */
const QUIET: Ms = 60_000
/** No longer than this apart; Telegram says more if it wants more. */
const WIDEST: Ms = 30_000
/** Below that it is not worth a timer. */
const NARROWEST: Ms = 20
/** A refusal in spite of the pace makes it so much slower; where there was none for a while, the next calls are that much faster. */
const SLOWER = 1.25
const FASTER = 0.9
const TRIED_EVERY: Ms = 60_000

/** When a call may go, as things stood when it was asked for. */
export interface Turn {
  readonly at: Ms
}

/**
 * How fast one method may be called: learned from what Telegram refuses. So many calls passed in so long, then it demanded a wait: all
 * of it together is how long so many take. Who keeps to that is hardly refused again.
 */
export class Pace {
  /** Until when Telegram takes none. */
  #shutUntil: Ms = Number.NEGATIVE_INFINITY
  /** Between two calls. */
  #spacing: Ms = 0
  /** When the next one may go, behind those that went and those that wait. */
  #next: Ms = Number.NEGATIVE_INFINITY
  /** When it could go if nobody waited. */
  #free: Ms = Number.NEGATIVE_INFINITY
  /** Turns of those who wait. */
  readonly #waiting = new Set<Turn>()
  /** The run of calls since it was quiet or refused, and how many there were. */
  #since: Ms = Number.NaN
  #calls = 0
  #lastAt: Ms = Number.NEGATIVE_INFINITY
  #refusedAt: Ms = Number.NEGATIVE_INFINITY
  #triedAt: Ms = Number.NEGATIVE_INFINITY
  /** Moves with each refusal. */
  #epoch = 0
  /** What was learned from last: so many calls took so long, the wait included. */
  #run = { took: 0, calls: 1, least: 0 }

  get epoch(): number {
    return this.#epoch
  }

  /** Whether Telegram has demanded a wait that is not over. */
  isShut(now: Ms): boolean {
    return this.#shutUntil > now
  }

  /** When a call could go, if it came now. */
  readyAt(now: Ms): Ms {
    return Math.max(now, this.#shutUntil, this.#next)
  }

  /**
   * Takes the next turn; undefined if that is later than a caller waits. Turns are in the order of asking. One that was taken before
   * Telegram refused another call is worth nothing: see {@link go}. Each is gone or left in the end.
   */
  turn(now: Ms, until: Ms): Turn | undefined {
    const at = this.readyAt(now)
    if (at > until) return undefined
    this.#next = at + this.#spacing
    const turn = { at }
    this.#waiting.add(turn)
    return turn
  }

  /** It was their turn, and they go; false where Telegram has refused another call since: then they need another one. */
  go(turn: Turn): boolean {
    if (!this.#waiting.delete(turn)) return false
    this.#free = Math.max(this.#free, turn.at + this.#spacing)
    return true
  }

  /** They do not go: nobody waits behind a turn that nobody takes. */
  leave(turn: Turn): void {
    if (!this.#waiting.delete(turn)) return
    let next = this.#free
    for (const { at } of this.#waiting) next = Math.max(next, at + this.#spacing)
    this.#next = next
  }

  /** A call was taken. */
  passed(now: Ms): void {
    this.#count(now)
    if (this.#spacing === 0 || now - Math.max(this.#refusedAt, this.#triedAt) < TRIED_EVERY) return
    this.#triedAt = now
    this.#spacing = this.#spacing < NARROWEST ? 0 : this.#spacing * FASTER
  }

  /** A call that was sent in an epoch was refused for so long. */
  refused(sentIn: number, now: Ms, waitMs: Ms): void {
    this.#shutUntil = Math.max(this.#shutUntil, now + waitMs)
    if (sentIn === this.#epoch) {
      this.#count(now)
      this.#run = { took: now - this.#since + waitMs, calls: this.#calls, least: this.#spacing * SLOWER }
      this.#refusedAt = now
      // Those that follow are a run of their own.
      this.#calls = 0
      this.#since = this.#shutUntil
    } else this.#run.calls++ // It was on its way together with one that was refused.
    const { took, calls, least } = this.#run
    this.#spacing = Math.min(WIDEST, Math.max(least, took / calls))
    this.#epoch++
    this.#next = this.#shutUntil
    this.#free = this.#shutUntil
    this.#waiting.clear()
  }

  #count(now: Ms): void {
    if (this.#calls === 0 || now - this.#lastAt > QUIET) {
      if (!(this.#since > now - QUIET)) this.#since = now
      this.#calls = 0
    }
    this.#calls++
    this.#lastAt = now
  }
}
