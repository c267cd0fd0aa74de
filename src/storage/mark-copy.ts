import { isPromise, type MaybePromise } from '../core/check.js'
import type { Clock } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { type Key, keyText, textKey } from '../core/subject.js'
import type { StorageChange } from './changes.js'
import type { Mark, Marks } from './storage.js'

interface Known {
  /** Marks that were copied, by name. */
  names: readonly string[]
  readAt: Ms
  /** Something changed since it was read, or it never was. */
  due: boolean
  /** Under way. */
  reading: Promise<void> | undefined
}

/** Subjects looked at for one to be forgotten, the oldest first. */
const MOST_LOOKED = 16

/**
 * Copies marks from where they are kept to where they are judged by, subject by subject, when first asked for. Bounded: of too
 * many subjects, those that were read first are forgotten.
 */
export class MarkCopy {
  private readonly bots = new Map<number, Map<Key, Known>>()
  private size = 0

  constructor(
    private readonly from: Marks,
    private readonly to: Marks,
    private readonly clock: Clock,
    private readonly refresh: Ms,
    private readonly most: number,
  ) {}

  /** Undefined where the marks of a subject are known; else when they are. */
  know(bot: number, key: Key): Promise<void> | undefined {
    const own = typeof key === 'number' ? key : textKey(keyText(key))
    const known = this.bots.get(bot)?.get(own)
    if (known !== undefined) {
      const late = this.clock() - known.readAt
      // A clock that was put back tells nothing of how old this is.
      if (!known.due && late < this.refresh && late >= 0) return undefined
      if (known.reading !== undefined) return known.reading
    }
    return this.read(bot, own, known ?? this.add(bot, own))
  }

  /** What changed is read again before it is next judged by. */
  changed(change: StorageChange): void {
    if (change.kind === 'gap') {
      for (const subjects of this.bots.values()) for (const known of subjects.values()) known.due = true
    } else if (change.kind === 'marks') this.outdate(change.bot, change.keys)
  }

  /** The marks that are kept, so that what is changed through them counts for the next ask. */
  over(marks: Marks): Marks {
    const writing = <T>(bot: number, keys: readonly Key[], write: () => MaybePromise<T>): MaybePromise<T> => {
      // Though it fails, it may have been written.
      let result: MaybePromise<T>
      try {
        result = write()
      } catch (error) {
        this.outdate(bot, keys)
        throw error
      }
      if (isPromise(result)) return result.finally(() => this.outdate(bot, keys))
      this.outdate(bot, keys)
      return result
    }
    return {
      get: (bot, key, name) => marks.get(bot, key, name),
      of: (bot, key) => marks.of(bot, key),
      scan: (bot, name, from, size) => marks.scan(bot, name, from, size),
      put(bot, name, entries) {
        const keys = entries.map(({ key }) => key)
        return writing(bot, keys, () => marks.put(bot, name, entries))
      },
      remove: (bot, name, keys) => writing(bot, keys, () => marks.remove(bot, name, keys)),
    }
  }

  clear(): void {
    this.bots.clear()
    this.size = 0
  }

  private outdate(bot: number, keys: readonly Key[]): void {
    const subjects = this.bots.get(bot)
    if (subjects === undefined) return
    for (const key of keys) {
      const known = subjects.get(typeof key === 'number' ? key : textKey(keyText(key)))
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
   * Makes room: of this bot's if it has any, so that a bot with many users does not push out those of others. Never what is
   * being read: whoever waits for it would read it again, and push out the next. So there may be more for a moment.
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
    // A change from now on sets this again, so that the marks are read once more.
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
    // All was forgotten meanwhile.
    if (this.bots.get(bot)?.get(key) !== known) return
    for (const name of known.names) if (!marks.has(name)) atOnce(this.to.remove(bot, name, [key]))
    for (const [name, mark] of marks) atOnce(this.to.put(bot, name, [{ key, mark }]))
    known.names = [...marks.keys()]
    known.readAt = this.clock()
  }
}

/** Refuses what takes its time: a copy that is half made must never be judged by. */
function atOnce(result: MaybePromise<unknown>): void {
  if (!isPromise(result)) return
  throw new SentinelError(
    'option.invalid',
    'combine.volatile: it answers with promises, so it is not in this process. Pass memory().',
  )
}
