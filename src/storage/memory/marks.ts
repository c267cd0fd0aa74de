import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { type Key, keyText, textKey } from '../../core/subject.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../storage.js'

const PAGE = 1000
/** A list is looked through for what has lapsed when it has doubled since, from this size on. */
const FIRST_SWEEP = 1024

interface Held {
  readonly mark: Mark
  /** In the order of putting: where a page ends. */
  readonly serial: number
}

/** All who hold one mark of one bot. Judges keep a reference, so it is never replaced. */
export class Holders {
  readonly held = new Map<Key, Held>()
  sweepAt = FIRST_SWEEP
}

/** The reading of a list, kept from page to page so that a page need not look for where the last one ended. */
interface Reading {
  readonly holders: Holders
  readonly from: string
  readonly ahead: Key
  readonly rest: Iterator<[Key, Held]>
}

/** Durable marks in maps: by bot, then by name, then by key. Kept until taken away or lapsed. */
export class MemoryMarks implements Marks {
  private readonly bots = new Map<number, Map<string, Holders>>()
  private serial = 0
  private reading: Reading | undefined

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
      holders = new Holders()
      names.set(name, holders)
    }
    return holders
  }

  get(bot: number, key: Key, name: string): Mark | undefined {
    return liveMark(this.holders(bot, name), canonicalKey(key), this.clock())
  }

  put(bot: number, name: string, entries: readonly MarkEntry[]): void {
    const holders = this.holders(bot, name)
    for (const { key, mark } of entries) {
      const own = canonicalKey(key)
      const serial = holders.held.get(own)?.serial ?? ++this.serial
      holders.held.set(own, { mark: { ...mark }, serial })
    }
    if (holders.held.size <= holders.sweepAt) return
    const now = this.clock()
    for (const [key, { mark }] of holders.held) if (lapsed(mark, now)) holders.held.delete(key)
    holders.sweepAt = Math.max(FIRST_SWEEP, holders.held.size * 2)
  }

  remove(bot: number, name: string, keys: readonly Key[]): number {
    const holders = this.holders(bot, name)
    const now = this.clock()
    let count = 0
    for (const key of keys) {
      const own = canonicalKey(key)
      if (liveMark(holders, own, now) !== undefined) count++
      holders.held.delete(own)
    }
    return count
  }

  /** `from` is the serial that the page begins with, so marks taken away between two pages hide no others. */
  scan(bot: number, name: string, from = '0', size = PAGE): MarkPage {
    const now = this.clock()
    const holders = this.holders(bot, name)
    const known = this.reading?.holders === holders && this.reading.from === from ? this.reading : undefined
    const rest = known?.rest ?? holders.held.entries()
    const start = Number(from)
    const entries: MarkEntry[] = []
    const most = Math.max(1, size)
    this.reading = undefined
    // What was read ahead may have been taken away or replaced meanwhile.
    const ahead = known === undefined ? undefined : holders.held.get(known.ahead)
    let next: [Key, Held] | undefined
    if (known !== undefined && ahead !== undefined && ahead.serial === start) next = [known.ahead, ahead]
    for (next ??= nextOf(rest); next !== undefined; next = nextOf(rest)) {
      const [key, { mark, serial }] = next
      if (serial < start || lapsed(mark, now)) continue
      if (entries.length === most) {
        this.reading = { holders, from: String(serial), ahead: key, rest }
        return { entries, next: String(serial) }
      }
      entries.push({ key, mark })
    }
    return { entries }
  }

  clear(): void {
    this.reading = undefined
    for (const names of this.bots.values()) for (const { held } of names.values()) held.clear()
  }
}

function nextOf(iterator: Iterator<[Key, Held]>): [Key, Held] | undefined {
  const { done, value } = iterator.next()
  return done === true ? undefined : value
}

/** The mark that a key holds at a time. Takes nothing away: somebody may only be asking what would be then. */
export function liveMark({ held }: Holders, key: Key, at: Ms): Mark | undefined {
  if (held.size === 0) return undefined
  const mark = held.get(key)?.mark
  return mark === undefined || lapsed(mark, at) ? undefined : mark
}

function lapsed(mark: Mark, at: Ms): boolean {
  return mark.until !== undefined && mark.until <= at
}

/** One form of key for each subject, so that a text from an export finds the number from an update. */
export function canonicalKey(key: Key): Key {
  return typeof key === 'number' ? key : textKey(keyText(key))
}
