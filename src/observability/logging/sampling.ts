import type { Clock, Timers } from '../../core/clock.js'
import type { Limit } from '../../core/limit.js'

/** A kind of entry, which is sampled separately. */
export interface Kind {
  readonly level: 'info' | 'warn' | 'error'
  readonly what: string
  /** The guard whose logger writes it. */
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

/** Most kinds that are sampled separately; further kinds share one window for each level. */
const MOST_KINDS = 200
const REST = 'other'

/**
 * Admits a number of entries of each kind per span and counts the others. At the end of the span it reports how many were
 * omitted. No timer runs while nothing is omitted.
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

  /** Whether an entry of this kind may be logged. */
  takes(kind: Kind): boolean {
    const { level, what, guard = '', detail = '' } = kind
    const name = [level, what, guard, detail].join('\n')
    const now = this.clock()
    let window = this.windows.get(name)
    // If the clock was set back, the span ends, too.
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

  /** Reports everything that was omitted so far. */
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
