import type { Context } from 'grammy'
import type { Ms } from '../core/duration.js'
import type { Wiring } from './guard.js'

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

const noticed = new WeakMap<object, Map<string, Recent<true>>>()

/**
 * To whom a guard has said something lately. Guards are wired anew with each `guard.reconfigure()`, which whoever was told does not know: it
 * is remembered by events, which the chains of a sentinel share, and by where a guard stands.
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
