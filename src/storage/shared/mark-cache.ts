import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Key } from '../../core/subject.js'
import type { StorageChange } from '../contract/changes.js'
import { canonicalKey } from '../contract/keys.js'
import type { Mark, Marks } from '../contract/storage.js'
import { whenOver, writesThrough } from './writes-through.js'

interface Known {
  /** Names of the copied marks. */
  names: readonly string[]
  readAt: Ms
  /** The marks must be read (again): they have changed since, or were never read. */
  due: boolean
  /** The reading in progress. */
  reading: Promise<void> | undefined
}

/** Maximum number of subjects examined to find one that can be dropped, oldest first. */
const MOST_LOOKED = 16

/**
 * Copies marks from the durable to the deciding storage, one subject at a time, when the subject is first asked about. Bounded:
 * with too many subjects, those read first are dropped.
 */
export class MarkCache {
  private readonly bots = new Map<number, Map<Key, Known>>()
  private size = 0

  constructor(
    private readonly from: Marks,
    private readonly to: Marks,
    private readonly clock: Clock,
    private readonly refresh: Ms,
    private readonly most: number,
  ) {}

  /** Returns undefined if the marks of a subject are known, else a promise that resolves when they are. */
  know(bot: number, key: Key): Promise<void> | undefined {
    const own = canonicalKey(key)
    const known = this.bots.get(bot)?.get(own)
    if (known !== undefined) {
      const late = this.clock() - known.readAt
      // If the clock went back, the age is unknown; read again.
      if (!known.due && late < this.refresh && late >= 0) return undefined
      if (known.reading !== undefined) return known.reading
    }
    return this.read(bot, own, known ?? this.add(bot, own))
  }

  /** Makes changed marks be read again before they are next used. */
  changed(change: StorageChange): void {
    if (change.kind === 'gap') {
      for (const subjects of this.bots.values()) for (const known of subjects.values()) known.due = true
    } else if (change.kind === 'marks') this.outdate(change.bot, change.keys)
  }

  /** Wraps the durable marks so that changes made through them are seen by the next ask. */
  over(marks: Marks): Marks {
    return writesThrough(marks, (write, bot, keys) => whenOver(write, () => this.outdate(bot, keys)))
  }

  clear(): void {
    this.bots.clear()
    this.size = 0
  }

  private outdate(bot: number, keys: readonly Key[]): void {
    const subjects = this.bots.get(bot)
    if (subjects === undefined) return
    for (const key of keys) {
      const known = subjects.get(canonicalKey(key))
      if (known !== undefined) known.due = true
    }
  }

  private add(bot: number, key: Key): Known {
    if (this.size >= this.most) this.makeRoom(bot)
    let subjects = this.bots.get(bot)
    if (subjects === undefined) {
      subjects = new Map()
      this.bots.set(bot, subjects)
    }
    const known: Known = { names: [], readAt: Number.NEGATIVE_INFINITY, due: true, reading: undefined }
    subjects.set(key, known)
    this.size++
    return known
  }

  /**
   * Drops the oldest subjects, of the same bot where possible, so that a bot with many users does not push out those of others.
   * Subjects being read are kept, because their readers would only read them again; so the cap may be exceeded for a moment.
   */
  private makeRoom(bot: number): void {
    const own = this.bots.get(bot)
    const [from, subjects] =
      own !== undefined && own.size > 0 ? [bot, own] : ([...this.bots].find(([, { size }]) => size > 0) ?? [])
    if (from === undefined || subjects === undefined) return
    let looked = 0
    for (const [key, { names, reading }] of subjects) {
      if (this.size < this.most || ++looked > MOST_LOOKED) return
      if (reading !== undefined) continue
      subjects.delete(key)
      this.size--
      for (const name of names) atOnce(this.to.remove(from, name, [key]))
    }
  }

  private read(bot: number, key: Key, known: Known): Promise<void> | undefined {
    // A change during the reading sets this again, which causes another reading.
    known.due = false
    const failed = (error: unknown): never => {
      known.due = true
      throw error
    }
    let found: MaybePromise<ReadonlyMap<string, Mark>>
    try {
      found = this.from.of(bot, key)
    } catch (error) {
      return failed(error)
    }
    if (!isPromise(found)) {
      this.copy(bot, key, known, found)
      return undefined
    }
    known.reading = found
      .then((marks) => this.copy(bot, key, known, marks), failed)
      .finally(() => {
        known.reading = undefined
      })
    return known.reading
  }

  private copy(bot: number, key: Key, known: Known, marks: ReadonlyMap<string, Mark>): void {
    // The subject was dropped meanwhile.
    if (this.bots.get(bot)?.get(key) !== known) return
    for (const name of known.names) if (!marks.has(name)) atOnce(this.to.remove(bot, name, [key]))
    for (const [name, mark] of marks) atOnce(this.to.put(bot, name, [{ key, mark }]))
    known.names = [...marks.keys()]
    known.readAt = this.clock()
  }
}

/** Rejects asynchronous storages: a half-made copy must never be used for a decision. */
function atOnce(result: MaybePromise<unknown>): void {
  if (!isPromise(result)) return
  throw new SentinelError(
    'option.invalid',
    'combine.volatile: it answers with promises, so it is not local. Pass memory().',
  )
}
