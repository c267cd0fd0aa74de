/**
 * How many updates went which way in this process, since it was made.
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
  /** Of a kind this version does not know: passed, undecided. */
  unknown: number
  /** Would have been stopped by a limit in shadow. */
  shadow: number
  /** By guard and reason, such as `throttle.limited`. In JSON an object. */
  readonly denials: Map<string, number>
}

/** JSON knows no maps: it would show every count as none. */
class Denials extends Map<string, number> {
  toJSON(): Readonly<Record<string, number>> {
    return Object.fromEntries(this)
  }
}

/** Nothing counted yet. */
export function newTally(): Tally {
  return { allowed: 0, denied: 0, unknown: 0, shadow: 0, denials: new Denials() }
}
