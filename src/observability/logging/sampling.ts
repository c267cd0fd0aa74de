import type { Clock, Timers } from '../../core/clock.js'
import type { Limit } from '../../core/limit.js'

/** A kind of entry, of which so many are said. */
export interface Kind {
  readonly level: 'info' | 'warn' | 'error'
  readonly what: string
  /** By whose logger it is said. */
  readonly guard?: string | undefined
  readonly detail?: string | undefined
}

interface Window {
  readonly name: string
  readonly kind: Kind
  readonly endAt: number
  said: number
  leftOut: number
}

/** Kinds that are sampled apart, at most: the rest share one a level. */
const MOST_KINDS = 200
const REST = 'other'

/**
 * Lets so many of a kind be said in a span, and counts the rest: when the span is over, whoever asked is told how many were left out.
 * Nothing is armed while nothing is left out.
 */
export class Sampling {
  private readonly windows = new Map<string, Window>()
  private callOff: (() => void) | undefined

  constructor(
    private readonly limit: Limit,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly leftOut: (kind: Kind, count: number) => void,
  ) {}

  /** Whether one of this kind may be said. */
  takes(kind: Kind): boolean {
    const { level, what, guard = '', detail = '' } = kind
    const name = [level, what, guard, detail].join('\n')
    const now = this.clock()
    let window = this.windows.get(name)
    // A clock that was put back ends the span, too.
    if (window !== undefined && (now >= window.endAt || now < window.endAt - this.limit.per)) {
      this.end(window)
      window = undefined
    }
    if (window === undefined) {
      if (this.windows.size >= MOST_KINDS) this.endOver(now)
      if (this.windows.size >= MOST_KINDS && what !== REST) return this.takes({ level, what: REST })
      window = { name, kind, endAt: now + this.limit.per, said: 0, leftOut: 0 }
      this.windows.set(name, window)
    }
    if (window.said < this.limit.amount) {
      window.said++
      return true
    }
    window.leftOut++
    this.callOff ??= this.timers.after(Math.max(1, window.endAt - now), this.look)
    return false
  }

  /** Tells all that was left out. */
  flush(): void {
    this.callOff?.()
    this.callOff = undefined
    for (const window of [...this.windows.values()]) this.end(window)
  }

  private readonly look = (): void => {
    this.callOff = undefined
    const now = this.clock()
    this.endOver(now)
    const next = Math.min(
      ...[...this.windows.values()].flatMap(({ leftOut, endAt }) => (leftOut > 0 ? [endAt] : [])),
    )
    if (next < Number.POSITIVE_INFINITY) {
      this.callOff = this.timers.after(Math.max(1, Math.min(next - now, this.limit.per)), this.look)
    }
  }

  private endOver(now: number): void {
    for (const window of [...this.windows.values()]) if (now >= window.endAt) this.end(window)
  }

  private end({ name, kind, leftOut }: Window): void {
    this.windows.delete(name)
    if (leftOut > 0) this.leftOut(kind, leftOut)
  }
}
