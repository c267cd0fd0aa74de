import type { MaybePromise } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { getOrInsert } from '../../core/maps.js'
import type { Key } from '../../core/subject.js'
import type { StorageChange } from '../contract/changes.js'
import { jsonText } from '../contract/json.js'
import { canonicalKey } from '../contract/keys.js'
import { isLapsed, withEnd } from '../contract/lapse.js'
import type { Listeners } from '../contract/listeners.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../contract/storage.js'
import { PageReader } from './reading.js'

/** Lapsed marks are swept when a list has doubled in size since the last sweep, and not below this size. */
const FIRST_SWEEP = 1024

interface Held {
  readonly mark: Mark
  /** Number in the order of insertion; used as the cursor of pages. */
  readonly serial: number
}

/** The holders of one mark of one bot. Judges keep a reference to the object, so it is never replaced. */
export class Holders {
  readonly held = new Map<Key, Held>()
  sweepAt = FIRST_SWEEP
}

/** What nobody holds. Nothing is added to it. */
const NOBODY = new Holders()

/** Durable marks in maps: by bot, then by name, then by key. Kept until removed or lapsed. */
export class MemoryMarks implements Marks {
  private readonly bots = new Map<number, Map<string, Holders>>()
  private readonly reader = new PageReader<Key, Held>()
  private serial = 0

  constructor(
    private readonly clock: Clock,
    private readonly changes: Listeners<StorageChange>,
  ) {}

  /** Returns the holders of a mark, creating an empty list if needed. For marks that are written or belong to a plan. */
  holders(bot: number, name: string): Holders {
    const names = getOrInsert(this.bots, bot, () => new Map<string, Holders>())
    return getOrInsert(names, name, () => new Holders())
  }

  /** Returns the holders of a mark for reading. Creates none: the names that are asked about may come from users. */
  private read(bot: number, name: string): Holders {
    return this.bots.get(bot)?.get(name) ?? NOBODY
  }

  get(bot: number, key: Key, name: string): Mark | undefined {
    const mark = liveMark(this.read(bot, name), canonicalKey(key), this.clock())
    return mark && handed(mark)
  }

  of(bot: number, key: Key): ReadonlyMap<string, Mark> {
    const own = canonicalKey(key)
    const now = this.clock()
    const held = new Map<string, Mark>()
    for (const [name, holders] of this.bots.get(bot) ?? []) {
      const mark = liveMark(holders, own, now)
      if (mark !== undefined) held.set(name, handed(mark))
    }
    return held
  }

  put(bot: number, name: string, entries: readonly MarkEntry[]): void {
    if (entries.length === 0) return
    const holders = this.holders(bot, name)
    for (const { key, mark } of entries) {
      const own = canonicalKey(key)
      const serial = holders.held.get(own)?.serial ?? ++this.serial
      const { value } = mark
      const kept = value === undefined ? { ...mark } : { ...mark, value: copied(value, name) }
      holders.held.set(own, { mark: withEnd(kept), serial })
    }
    if (holders.held.size > holders.sweepAt) {
      const now = this.clock()
      for (const [key, { mark }] of holders.held) if (isLapsed(mark, now)) holders.held.delete(key)
      holders.sweepAt = Math.max(FIRST_SWEEP, holders.held.size * 2)
    }
    this.tell(bot, name, entries.length, () => entries.map(({ key }) => canonicalKey(key)))
  }

  remove(bot: number, name: string, keys: readonly Key[]): number {
    const holders = this.read(bot, name)
    const now = this.clock()
    let count = 0
    for (const key of keys) {
      const own = canonicalKey(key)
      if (liveMark(holders, own, now) !== undefined) count++
      holders.held.delete(own)
    }
    this.tell(bot, name, keys.length, () => keys.map(canonicalKey))
    return count
  }

  scan(bot: number, name: string, from?: string, size?: number): MaybePromise<MarkPage> {
    return this.reader.paged(from, () => this.page(bot, name, from, size))
  }

  private page(bot: number, name: string, from?: string, size?: number): MarkPage {
    const now = this.clock()
    const { held } = this.read(bot, name)
    const { found, ...cursor } = this.reader.page(held, from, size, ({ mark }) => !isLapsed(mark, now))
    const entries = found.map(([key, { mark }]) => ({ key, mark: handed(mark) }))
    return { entries, ...cursor }
  }

  /** Yields the names of the marks in use or recently in use. */
  *names(): Generator<[bot: number, name: string]> {
    for (const [bot, names] of this.bots) {
      for (const [name, { held }] of names) if (held.size > 0) yield [bot, name]
    }
  }

  /** Yields all marks, lapsed or not, whose key matches. */
  *ofAll(bot: number, fits: (key: Key) => boolean): Generator<[key: Key, name: string]> {
    for (const [name, { held }] of this.bots.get(bot) ?? []) {
      for (const key of held.keys()) if (fits(key)) yield [key, name]
    }
  }

  private tell(bot: number, name: string, changed: number, keysOf: () => Key[]): void {
    if (changed > 0 && this.changes.any) this.changes.tell({ kind: 'marks', bot, name, keys: keysOf() })
  }
}

/** Returns a copy for callers, who may change its value. */
function handed(mark: Mark): Mark {
  return typeof mark.value === 'object' ? { ...mark, value: copied(mark.value, 'value') } : mark
}

function copied(value: unknown, name: string): unknown {
  return JSON.parse(jsonText(value, `marks.${name}`))
}

/** Returns the mark that a key holds at a time. Does not delete lapsed marks, since `at` may be in the future. */
export function liveMark({ held }: Holders, key: Key, at: Ms): Mark | undefined {
  if (held.size === 0) return undefined
  const mark = held.get(key)?.mark
  return mark === undefined || isLapsed(mark, at) ? undefined : mark
}
