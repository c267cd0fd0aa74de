import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { type Key, keyText, textKey } from '../../core/subject.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../storage.js'

const PAGE = 1000

/** All who hold one mark of one bot. Judges keep a reference, so it is never replaced. */
export type Holders = Map<Key, Mark>

/** Durable marks in maps: by bot, then by name, then by key. Kept until taken away or lapsed. */
export class MemoryMarks implements Marks {
  private readonly bots = new Map<number, Map<string, Holders>>()
  private sweepAt = 1024

  constructor(private readonly clock: Clock) {}

  /** Made on demand. */
  holders(bot: number, name: string): Holders {
    let names = this.bots.get(bot)
    if (names === undefined) {
      names = new Map()
      this.bots.set(bot, names)
    }
    let holders = names.get(name)
    if (holders === undefined) {
      holders = new Map()
      names.set(name, holders)
    }
    return holders
  }

  get(bot: number, key: Key, name: string): Mark | undefined {
    return liveMark(this.holders(bot, name), key, this.clock())
  }

  put(bot: number, name: string, entries: readonly MarkEntry[]): void {
    const holders = this.holders(bot, name)
    for (const { key, mark } of entries) holders.set(canonical(key), mark)
    if (holders.size > this.sweepAt) {
      const now = this.clock()
      for (const [key, mark] of holders) if (lapsed(mark, now)) holders.delete(key)
      this.sweepAt = holders.size * 2
    }
  }

  remove(bot: number, name: string, keys: readonly Key[]): number {
    const holders = this.holders(bot, name)
    const now = this.clock()
    let held = 0
    for (const key of keys) {
      if (liveMark(holders, key, now) !== undefined) held++
      holders.delete(canonical(key))
    }
    return held
  }

  /** `from` is how many were read before: marks put meanwhile come last, marks taken meanwhile may hide others. */
  scan(bot: number, name: string, from = '0', size = PAGE): MarkPage {
    const now = this.clock()
    const start = Number(from)
    const entries: MarkEntry[] = []
    let index = 0
    for (const [key, mark] of this.holders(bot, name)) {
      if (index++ < start || lapsed(mark, now)) continue
      if (entries.length === size) return { entries, next: String(index - 1) }
      entries.push({ key, mark })
    }
    return { entries }
  }

  clear(): void {
    for (const names of this.bots.values()) for (const holders of names.values()) holders.clear()
  }
}

/** The mark that a key holds now; what has lapsed is taken away. */
export function liveMark(holders: Holders, key: Key, now: Ms): Mark | undefined {
  if (holders.size === 0) return undefined
  const mark = holders.get(key)
  if (mark === undefined) return undefined
  if (!lapsed(mark, now)) return mark
  holders.delete(key)
  return undefined
}

function lapsed(mark: Mark, now: Ms): boolean {
  return mark.until !== undefined && mark.until <= now
}

/** One form of key for each subject, so that a text from an export finds the number from an update. */
function canonical(key: Key): Key {
  return typeof key === 'number' ? key : textKey(keyText(key))
}
