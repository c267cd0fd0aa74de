import type { MaybePromise } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { getOrInsert } from '../../core/maps.js'
import type { Key } from '../../core/subject.js'
import { jsonText } from '../contract/json.js'
import { canonicalKey } from '../contract/keys.js'
import {
  addedCounts,
  checkActivity,
  checkRecord,
  patchedData,
  patchTexts,
  type UserActivity,
  type UserPage,
  type UserRecord,
  type Users,
} from '../contract/users.js'
import { PageReader } from './reading.js'

interface Known {
  readonly serial: number
  firstSeen: Ms
  lastSeen: Ms
  /**
   * Replaced rather than modified: objects with the same names share their hidden class and take a third of the memory of maps.
   */
  counts: Readonly<Record<string, number>>
  /** As JSON. */
  data: string
}

const NO_COUNTS = Object.freeze({})

/** Users in maps, by bot. Kept until erased. */
export class MemoryUsers implements Users {
  private readonly bots = new Map<number, Map<Key, Known>>()
  private readonly reader = new PageReader<Key, Known>()
  private serial = 0

  constructor(private readonly clock: Clock) {}

  get(bot: number, key: Key): UserRecord | undefined {
    const own = canonicalKey(key)
    const known = this.bots.get(bot)?.get(own)
    return known === undefined ? undefined : recordOf(own, known)
  }

  note(bot: number, activity: readonly UserActivity[]): void {
    checkActivity(activity)
    for (const { key, at, counts = {} } of activity) {
      const known = this.knownOf(bot, canonicalKey(key), at)
      known.firstSeen = Math.min(known.firstSeen, at)
      known.lastSeen = Math.max(known.lastSeen, at)
      known.counts = addedCounts(known.counts, counts)
    }
  }

  patch(bot: number, key: Key, data: Readonly<Record<string, unknown>>): UserRecord {
    const texts = patchTexts(data)
    const own = canonicalKey(key)
    const known = this.knownOf(bot, own, this.clock())
    known.data = JSON.stringify(patchedData(JSON.parse(known.data) as object, texts))
    return recordOf(own, known)
  }

  scan(bot: number, from?: string, size?: number): MaybePromise<UserPage> {
    return this.reader.paged(from, () => this.page(bot, from, size))
  }

  private page(bot: number, from?: string, size?: number): UserPage {
    const all = this.bots.get(bot)
    if (all === undefined) return { users: [] }
    const { found, ...cursor } = this.reader.page(all, from, size, () => true)
    const users = found.map(([key, known]) => recordOf(key, known))
    return { users, ...cursor }
  }

  /** Replaces existing records. */
  restore(bot: number, users: readonly UserRecord[]): void {
    for (const record of users) {
      checkRecord(record)
      const { key, firstSeen, lastSeen, counts, data } = record
      const known = this.knownOf(bot, canonicalKey(key), firstSeen)
      known.firstSeen = firstSeen
      known.lastSeen = lastSeen
      known.counts = addedCounts(NO_COUNTS, counts)
      known.data = jsonText(data, 'users.data')
    }
  }

  /** Returns the bots that have users. */
  botIds(): readonly number[] {
    return [...this.bots].filter(([, all]) => all.size > 0).map(([bot]) => bot)
  }

  erase(bot: number, key: Key): boolean {
    return this.bots.get(bot)?.delete(canonicalKey(key)) ?? false
  }

  private knownOf(bot: number, key: Key, at: Ms): Known {
    const all = getOrInsert(this.bots, bot, () => new Map<Key, Known>())
    return getOrInsert(all, key, () => ({
      serial: ++this.serial,
      firstSeen: at,
      lastSeen: at,
      counts: NO_COUNTS,
      data: '{}',
    }))
  }
}

/** Returns a copy, which later changes do not affect. */
function recordOf(key: Key, { firstSeen, lastSeen, counts, data }: Known): UserRecord {
  return { key, firstSeen, lastSeen, counts: { ...counts }, data: JSON.parse(data) }
}
