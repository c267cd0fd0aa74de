import type { MaybePromise } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { getOrInsert } from '../../core/maps.js'
import { jsonText } from '../contract/json.js'
import { endOf, isLapsed } from '../contract/lapse.js'
import { checkSpace, checkValueKey, type ValuePage, type Values } from '../contract/values.js'
import { PageReader } from './reading.js'

/** Lapsed values are swept when a space has doubled in size since the last sweep, and not below this size. */
const FIRST_SWEEP = 1024

interface Kept {
  readonly text: string
  readonly until: Ms | undefined
  readonly serial: number
}

class Space {
  readonly kept = new Map<string, Kept>()
  sweepAt = FIRST_SWEEP
}

/** Values as JSON texts in maps, by space. */
export class MemoryValues implements Values {
  private readonly spaces = new Map<string, Space>()
  private readonly reader = new PageReader<string, Kept>()
  private serial = 0

  constructor(private readonly clock: Clock) {}

  get(space: string, key: string): unknown {
    checkValueKey(space, key)
    const kept = this.spaces.get(space)?.kept.get(key)
    return kept === undefined || isLapsed(kept, this.clock()) ? undefined : JSON.parse(kept.text)
  }

  put(space: string, key: string, value: unknown, until?: Ms): void {
    checkValueKey(space, key)
    const text = jsonText(value, `values.${space}`)
    const at = getOrInsert(this.spaces, space, () => new Space())
    at.kept.set(key, { text, until: endOf(until), serial: at.kept.get(key)?.serial ?? ++this.serial })
    if (at.kept.size <= at.sweepAt) return
    const now = this.clock()
    for (const [name, kept] of at.kept) if (isLapsed(kept, now)) at.kept.delete(name)
    at.sweepAt = Math.max(FIRST_SWEEP, at.kept.size * 2)
  }

  touch(space: string, key: string, until?: Ms): boolean {
    checkValueKey(space, key)
    const at = this.spaces.get(space)?.kept
    const kept = at?.get(key)
    if (at === undefined || kept === undefined || isLapsed(kept, this.clock())) return false
    at.set(key, { ...kept, until: endOf(until) })
    return true
  }

  remove(space: string, key: string): boolean {
    checkValueKey(space, key)
    const at = this.spaces.get(space)
    const kept = at?.kept.get(key)
    if (at === undefined || kept === undefined) return false
    at.kept.delete(key)
    if (at.kept.size === 0) this.spaces.delete(space)
    return !isLapsed(kept, this.clock())
  }

  scan(space: string, from?: string, size?: number): MaybePromise<ValuePage> {
    checkSpace(space)
    return this.reader.paged(from, () => this.page(space, from, size))
  }

  private page(space: string, from?: string, size?: number): ValuePage {
    const at = this.spaces.get(space)
    if (at === undefined) return { entries: [] }
    const now = this.clock()
    const { found, ...cursor } = this.reader.page(at.kept, from, size, (kept) => !isLapsed(kept, now))
    const entries = found.map(([key, { text, until }]) => {
      const value = JSON.parse(text) as unknown
      return until === undefined ? { key, value } : { key, value, until }
    })
    return { entries, ...cursor }
  }

  names(): Iterable<string> {
    return this.spaces.keys()
  }
}
