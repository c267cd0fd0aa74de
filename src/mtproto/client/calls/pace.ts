import type { Ms } from '../../../core/duration.js'

/** After this long without calls a new run begins, because Telegram counts over minutes. */
const QUIET: Ms = 60_000
/** Maximum spacing between calls; if Telegram wants more, it refuses again. */
const WIDEST: Ms = 30_000
/** Below this spacing a timer is not worth it. */
const NARROWEST: Ms = 20
/** Factor on the spacing after a refusal in spite of it, and factor tried at intervals of TRIED_EVERY without a refusal. */
const SLOWER = 1.25
const FASTER = 0.9
const TRIED_EVERY: Ms = 60_000

/** The time at which a call may be made, as computed when the turn was taken. */
interface Turn {
  readonly at: Ms
}

/**
 * How fast one method may be called, learned from refusals. If `n` calls passed before Telegram demanded a wait, then `n` calls
 * take the time since the first of them, plus the wait: this gives the spacing between calls. A client that keeps to it is rarely
 * refused again.
 */
export class Pace {
  /** Telegram accepts no call before this time. */
  #shutUntil: Ms = Number.NEGATIVE_INFINITY
  /** Spacing between two calls. */
  #spacing: Ms = 0
  /** When the next new turn is, behind all turns taken. */
  #next: Ms = Number.NEGATIVE_INFINITY
  /** When the next turn would be if no turns were waiting. */
  #free: Ms = Number.NEGATIVE_INFINITY
  /** Turns taken but not used yet. */
  readonly #waiting = new Set<Turn>()
  /** Start of the current run of calls, and number of calls in it. A pause or a refusal ends the run. */
  #since: Ms = Number.NaN
  #calls = 0
  #lastAt: Ms = Number.NEGATIVE_INFINITY
  #refusedAt: Ms = Number.NEGATIVE_INFINITY
  #triedAt: Ms = Number.NEGATIVE_INFINITY
  /** Increases with each refusal. */
  #epoch = 0
  /** The run that the spacing was last computed from: its length including the wait, its number of calls, and the minimum spacing. */
  #run = { took: 0, calls: 1, least: 0 }

  get epoch(): number {
    return this.#epoch
  }

  /** Whether a wait demanded by Telegram is still in progress. */
  isShut(now: Ms): boolean {
    return this.#shutUntil > now
  }

  /** When a new call could be made. */
  readyAt(now: Ms): Ms {
    return Math.max(now, this.#shutUntil, this.#next)
  }

  /**
   * Takes the next turn, in order of request; undefined if it is later than `until`. A refusal of another call voids all turns
   * taken before it: see {@link go}. Every turn must end with `go` or `leave`.
   */
  turn(now: Ms, until: Ms): Turn | undefined {
    const at = this.readyAt(now)
    if (at > until) return undefined
    this.#next = at + this.#spacing
    const turn = { at }
    this.#waiting.add(turn)
    return turn
  }

  /** Uses the turn; false if a refusal has voided it, so that the caller needs a new one. */
  go(turn: Turn): boolean {
    if (!this.#waiting.delete(turn)) return false
    this.#free = Math.max(this.#free, turn.at + this.#spacing)
    return true
  }

  /** Gives the turn up, so that later turns do not wait for it. */
  leave(turn: Turn): void {
    if (!this.#waiting.delete(turn)) return
    let next = this.#free
    for (const { at } of this.#waiting) next = Math.max(next, at + this.#spacing)
    this.#next = next
  }

  /** Notes that a call was accepted. */
  passed(now: Ms): void {
    this.#count(now)
    if (this.#spacing === 0 || now - Math.max(this.#refusedAt, this.#triedAt) < TRIED_EVERY) return
    this.#triedAt = now
    this.#spacing = this.#spacing < NARROWEST ? 0 : this.#spacing * FASTER
  }

  /** Notes that a call sent in epoch `sentIn` was refused, with a wait of `waitMs`. */
  refused(sentIn: number, now: Ms, waitMs: Ms): void {
    this.#shutUntil = Math.max(this.#shutUntil, now + waitMs)
    if (sentIn === this.#epoch) {
      this.#count(now)
      this.#run = { took: now - this.#since + waitMs, calls: this.#calls, least: this.#spacing * SLOWER }
      this.#refusedAt = now
      // Later calls belong to a new run.
      this.#calls = 0
      this.#since = this.#shutUntil
    } else this.#run.calls++ // This call was already on its way when another one was refused.
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
