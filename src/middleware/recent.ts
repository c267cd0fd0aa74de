import type { Ms } from '../core/duration.js'

/**
 * What is remembered for a while, by name. Bounded, and never swept: there are two generations, and the older is let go of as
 * a whole when all of it has lapsed or the newer has grown to half of what may be.
 */
export class Recent<T> {
  private newer = new Map<string, { readonly item: T; readonly until: Ms }>()
  private older = new Map<string, { readonly item: T; readonly until: Ms }>()
  private turnAt: Ms = Number.NEGATIVE_INFINITY

  constructor(
    private readonly holdFor: Ms,
    private readonly most = 20_000,
  ) {}

  get size(): number {
    return this.newer.size + this.older.size
  }

  get(name: string, now: Ms): T | undefined {
    const found = this.newer.get(name) ?? this.older.get(name)
    return found === undefined || found.until <= now ? undefined : found.item
  }

  set(name: string, item: T, now: Ms): void {
    if (now >= this.turnAt || this.newer.size >= this.most / 2) {
      this.older = this.newer
      this.newer = new Map()
      this.turnAt = now + this.holdFor
    }
    this.newer.set(name, { item, until: now + this.holdFor })
  }
}
