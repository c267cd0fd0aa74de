import type { Context } from 'grammy'
import type { Ms } from '../core/duration.js'
import type { Wiring } from './guard.js'

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

  set(name: string, item: T, now: Ms): void {
    if (now >= this.turnAt || this.newer.size >= this.most / 2) {
      this.older = this.newer
      this.newer = new Map()
      this.turnAt = now + this.holdFor
    }
    this.newer.set(name, { item, until: now + this.holdFor })
  }
}

const noticed = new WeakMap<object, Map<string, Recent<true>>>()

/**
 * Returns the subjects that a guard has notified recently. Each `guard.reconfigure()` wires guards anew, which must not cause
 * another notice. So the record is kept by the sentinel's events, which all of its chains share, and by the guard's slot and
 * place.
 */
export function noticedBy(
  { services: { events }, place = '' }: Pick<Wiring<Context>, 'services' | 'place'>,
  slot: string,
  noticeEvery: Ms,
): Recent<true> {
  const all = noticed.get(events) ?? new Map<string, Recent<true>>()
  noticed.set(events, all)
  const name = `${slot} ${noticeEvery} ${place}`
  const own = all.get(name) ?? new Recent<true>(noticeEvery)
  all.set(name, own)
  return own
}
