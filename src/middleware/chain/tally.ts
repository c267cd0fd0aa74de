/**
 * How many updates were allowed, denied and so on in this process, since the sentinel was created.
 *
 * @example
 * ```ts
 * import { sentinel, type Tally } from 'grammy-sentinel'
 *
 * const shareDenied = ({ allowed, denied }: Tally) => denied / Math.max(1, allowed + denied)
 * console.log(shareDenied((await sentinel().health()).tally))
 * ```
 */
export interface Tally {
  allowed: number
  denied: number
  /** Updates of a kind this version does not know; they passed undecided. */
  unknown: number
  /** Updates that a limit in shadow mode would have stopped. */
  shadow: number
  /** Denials by guard and reason, such as `throttle.limited`. An object in JSON. */
  readonly denials: Map<string, number>
}

/** A map that becomes an object in JSON, where a plain map would be empty. */
class Denials extends Map<string, number> {
  toJSON(): Readonly<Record<string, number>> {
    return Object.fromEntries(this)
  }
}

/** Creates a tally with all counts at zero. */
export function newTally(): Tally {
  return { allowed: 0, denied: 0, unknown: 0, shadow: 0, denials: new Denials() }
}
