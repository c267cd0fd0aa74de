import type { Ms } from '../core/duration.js'
import { getOrInsert } from '../core/maps.js'

/**
 * A bounded map whose entries expire. It is never swept: there are two generations, and the older is dropped as
 * a whole when all of its entries have expired or the newer has half of the maximum size.
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

  /** Adds a name unless it is there already; returns whether it was not. */
  add(this: Recent<true>, name: string, now: Ms): boolean {
    const isNew = this.get(name, now) === undefined
    if (isNew) this.set(name, true, now)
    return isNew
  }

  set(name: string, item: T, now: Ms): void {
    if (now >= this.turnAt || this.newer.size >= this.most / 2) this.turn(now)
    this.newer.set(name, { item, until: now + this.holdFor })
  }

  /** Drops the older generation, and begins another one. */
  turn(now: Ms): void {
    this.older = this.newer
    this.newer = new Map()
    this.turnAt = now + this.holdFor
  }
}

/**
 * Returns the subjects that a guard has notified recently, by the guard's slot and place. They are shared with the guards that
 * replace it, since `guard.reconfigure()` must not cause another notice.
 */
export function notifiedBy(
  { shared }: { readonly shared: { readonly notified: Map<string, Recent<true>> } },
  slot: string,
  noticeEvery: Ms,
  place = '',
): Recent<true> {
  return getOrInsert(shared.notified, `${slot} ${noticeEvery} ${place}`, () => new Recent(noticeEvery))
}
