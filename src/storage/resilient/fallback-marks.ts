import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { Heartbeat, SharedTimer } from '../../core/request-bound.js'
import type { Key } from '../../core/subject.js'
import { canonicalKey } from '../contract/keys.js'
import type { Mark, MarkEntry, Marks } from '../contract/storage.js'
import { inBackground } from '../shared/in-background.js'
import type { PatientMarks } from '../shared/patient-marks.js'

/** Marks per page. */
const PAGE = 1000
/** Marks of single subjects read at once. */
const AT_ONCE = 100
/** Maximum number of stale subjects per list. Beyond it the whole list is read again. */
const MOST_STALE = 10_000
/** How often a list is counted if it changes meanwhile. */
const MOST_COUNTS = 3
/** How long to wait before reading again after a failure. */
const AGAIN: Ms = 1000
/** By how much clocks may differ: marks put this shortly before the storage may have lost its data, or lapsing so soon, do not count. */
const SKEW: Ms = 60_000
/** So many lost marks may just have been removed by another process. */
const FEW = 1

/** The holders of one mark of one bot, as far as they are copied. */
interface List {
  readonly bot: number
  readonly name: string
  /** The whole list must be read. */
  due: boolean
  /** The whole list has been read at least once. */
  read: boolean
  /** Some marks did not fit into the copy. */
  cut: boolean
  size: number
  /** Subjects changed since they were read. Pages requested before the change must not overwrite them. */
  readonly stale: Set<Key>
  /**
   * Set while no plan reads this mark: the subjects for which this process wrote it. Only these are copied, in case a later plan
   * does.
   */
  own: Set<Key> | undefined
}

interface CopyOptions {
  readonly from: PatientMarks
  readonly to: Marks
  readonly most: number
  /** The time of day. */
  readonly clock: Clock
  /** The clock for timers. */
  readonly steady: Clock
  readonly timers: Timers
  /** Whether the storage is up. */
  readonly isUp: () => boolean
  /** Adds a time limit to a call. */
  readonly bounded: <T>(work: () => MaybePromise<T>) => Promise<T>
  /** Called with the number of marks that the storage has lost, if it has kept none. */
  readonly emptied: (marks: number) => void
  /** Receives errors in maintaining the copy. */
  readonly failed: (error: unknown) => void
  /** Whether a write by this process is waiting to reach the storage, so that the copy is newer. */
  readonly isQueued: (bot: number, name: string, key: Key) => boolean
}

/**
 * A copy of the marks that plans read, kept in the storage that decides while the other one is down. Read in the background, list
 * by list and page by page, one call at a time; changes are read subject by subject. Updates never wait for it. Of marks that no
 * plan reads, only those written by this process are copied.
 */
export class FallbackMarks {
  /** Number of marks in the copy. */
  size = 0
  /** Marks put before this time may have been lost, until everything is read again; `-Infinity`: none. */
  private before = Number.NEGATIVE_INFINITY
  /** Whether everything is being read again. */
  private comparing = false
  /** How many of these marks the storage does not have any more, and whether it has any. */
  private missing = 0
  private hasKept = false
  /** How often `size` was changed. */
  private resized = 0
  private readonly names = new Set<string>()
  private readonly bots = new Set<number>()
  private readonly lists = new Map<string, List>()
  private lastBot = Number.NaN
  private working = false
  private stopped = false
  private readonly again: SharedTimer
  private readonly reading: Heartbeat

  constructor(private readonly options: CopyOptions) {
    this.again = new SharedTimer(options.steady, options.timers)
    this.reading = new Heartbeat(options.steady)
  }

  /** Whether all lists have been read completely. */
  get complete(): boolean {
    for (const { read, cut, own } of this.lists.values())
      if (own === undefined && (!read || cut)) return false
    return true
  }

  /** Starts copying marks of these names. */
  follow(names: Iterable<string>): void {
    for (const name of names) {
      if (this.names.has(name)) continue
      this.names.add(name)
      for (const bot of this.bots) this.begin(bot, name)
    }
  }

  /** Starts copying the marks of this bot. */
  meet(bot: number): void {
    // The reading, or its timer, was lost when its request ended: read everything again.
    if (this.again.isLost || (this.working && this.reading.isLost)) this.refresh()
    if (bot === this.lastBot) return
    this.lastBot = bot
    if (this.bots.has(bot)) return
    this.bots.add(bot)
    for (const name of this.names) this.begin(bot, name)
  }

  /** Whether the copy has the whole list. */
  knows(bot: number, name: string): boolean {
    return this.lists.get(idOf(bot, name))?.read === true
  }

  /** Records that marks have changed and must be read again. */
  stale(bot: number, name: string, keys: readonly Key[]): void {
    const list = this.lists.get(idOf(bot, name))
    if (list === undefined) return
    if (list.own !== undefined) {
      for (const key of keys) if (list.own.has(canonicalKey(key))) list.stale.add(canonicalKey(key))
    } else if (list.stale.size + keys.length > MOST_STALE) {
      list.stale.clear()
      list.due = true
    } else for (const key of keys) list.stale.add(canonicalKey(key))
    this.work()
  }

  /** Applies a write of this process to the copy at once, so that a block takes effect even if the storage goes down next. */
  write(bot: number, name: string, put: readonly MarkEntry[], gone: readonly Key[]): void {
    const { to } = this.options
    const list = this.lists.get(idOf(bot, name)) ?? this.keep(bot, name, new Set())
    for (const { key } of put) if (!this.holds(list, key)) this.resize(list, 1)
    for (const key of gone) if (this.holds(list, key)) this.resize(list, -1)
    if (put.length > 0) this.aside(() => to.put(bot, name, put))
    if (gone.length > 0) this.aside(() => to.remove(bot, name, gone))
    if (list.own !== undefined) this.noteOwn(list, list.own, put)
  }

  /** Remembers the subjects of this process's writes, dropping the oldest beyond the maximum. */
  private noteOwn(list: List, own: Set<Key>, put: readonly MarkEntry[]): void {
    for (const { key } of put) {
      own.delete(canonicalKey(key))
      own.add(canonicalKey(key))
    }
    const old = [...take(own, own.size - MOST_STALE)]
    if (old.length === 0) return
    for (const key of old) {
      own.delete(key)
      list.stale.delete(key)
      if (this.holds(list, key)) this.resize(list, -1)
    }
    this.aside(() => this.options.to.remove(list.bot, list.name, old))
  }

  /**
   * Whether a subject holds the mark. An asynchronous copy cannot tell at once; the size is then corrected by the next reading.
   */
  private holds({ bot, name }: List, key: Key): boolean {
    const mark = this.options.to.get(bot, key, name)
    if (!isPromise(mark)) return mark !== undefined
    mark.catch(this.options.failed)
    return true
  }

  private aside(apply: () => MaybePromise<unknown>): void {
    inBackground(apply, this.options.failed)
  }

  /** Called when the storage may have lost its data: it went down, or a connection was lost. */
  doubt(): void {
    if (this.before === Number.NEGATIVE_INFINITY) this.before = this.options.clock() - SKEW
  }

  /** Reads everything again, after changes may have been missed. */
  refresh(): void {
    this.comparing = this.before > Number.NEGATIVE_INFINITY
    this.hasKept = false
    for (const list of this.lists.values()) {
      if (list.own === undefined) list.due = true
      else for (const key of list.own) list.stale.add(key)
    }
    this.work()
  }

  stop(): void {
    this.stopped = true
    this.again.off()
  }

  private begin(bot: number, name: string): void {
    const list = this.lists.get(idOf(bot, name)) ?? this.keep(bot, name, undefined)
    list.own = undefined
    list.due = true
    this.work()
  }

  private keep(bot: number, name: string, own: Set<Key> | undefined): List {
    const list = { bot, name, due: false, read: false, cut: false, size: 0, stale: new Set<Key>(), own }
    this.lists.set(idOf(bot, name), list)
    return list
  }

  private work(): void {
    if ((this.working && !this.reading.isLost) || this.stopped || !this.options.isUp()) return
    this.again.off()
    this.working = true
    this.reading.beat()
    void this.read()
  }

  /** Reads until nothing is due. Never rejects; a failed reading is repeated. */
  private async read(): Promise<void> {
    let failed = false
    try {
      // Wait one turn: the caller may follow more marks, whose lists can then be read together.
      await undefined
      for (let list = this.next(); list !== undefined && !this.stopped; list = this.next()) {
        await (list.due ? this.readAll(list) : this.readStale(list))
      }
      this.compare()
    } catch {
      // What was due remains due. The failure is reported by calls that depend on the storage.
      failed = true
    } finally {
      this.working = false
    }
    if (!failed || this.stopped) return
    this.again.set(AGAIN, () => this.work())
  }

  /** Everything has been read, and nothing is due. */
  private compare(): void {
    const { comparing, missing, hasKept } = this
    if (!comparing || this.stopped) return
    this.before = Number.NEGATIVE_INFINITY
    this.comparing = false
    this.missing = 0
    if (missing > FEW && !hasKept && this.complete) this.options.emptied(missing)
  }

  private next(): List | undefined {
    let stale: List | undefined
    for (const list of this.lists.values()) {
      if (list.due) return list
      if (list.stale.size > 0) stale ??= list
    }
    return stale
  }

  private async readAll(list: List): Promise<void> {
    const { bot, name } = list
    const { from, bounded, most } = this.options
    const seen = new Set<Key>()
    let room = most - (this.size - list.size)
    list.due = false
    list.cut = false
    try {
      let next: string | undefined
      do {
        const page = await bounded(() => from.scan(bot, name, next, PAGE))
        this.reading.beat()
        const entries = page.entries.slice(0, Math.max(0, room))
        room -= entries.length
        list.cut = entries.length < page.entries.length
        for (const { key } of entries) seen.add(canonicalKey(key))
        this.hasKept ||= entries.some(({ mark }) => mark.since < this.before)
        await this.put(
          list,
          entries.filter(({ key }) => this.isOurs(list, key)),
        )
        next = list.cut ? undefined : page.next
      } while (next !== undefined && !this.stopped)
      await this.keepOnly(list, seen)
      list.read = true
    } catch (error) {
      list.due = true
      throw error
    }
  }

  /** Removes the subjects that no longer hold the mark, and counts those that the copy has. */
  private async keepOnly(list: List, seen: ReadonlySet<Key>): Promise<void> {
    const { bot, name } = list
    const { to } = this.options
    for (let tries = 0; tries < MOST_COUNTS; tries++) {
      const { resized } = this
      let size = 0
      let next: string | undefined
      do {
        const page = await to.scan(bot, name, next, PAGE)
        const gone = page.entries.filter(({ key }) => !seen.has(canonicalKey(key)) && this.isOurs(list, key))
        this.missing += gone.filter(({ mark }) => this.isMissed(mark)).length
        const keys = gone.map(({ key }) => key)
        if (keys.length > 0) await to.remove(bot, name, keys)
        size += page.entries.length - gone.length
        next = page.next
      } while (next !== undefined)
      // What was written meanwhile may or may not have been on a page.
      const isExact = this.resized === resized
      this.resize(list, size - list.size)
      if (isExact) return
    }
  }

  /** Whether the storage would still have this mark if it had lost nothing and nobody had removed it. */
  private isMissed({ since, until }: Mark): boolean {
    return since < this.before && (until === undefined || until > this.options.clock() + SKEW)
  }

  /** Whether a mark that was read may be put into the copy, which has nothing newer. */
  private isOurs({ bot, name, stale }: List, key: Key): boolean {
    return !stale.has(canonicalKey(key)) && !this.options.isQueued(bot, name, key)
  }

  private resize(list: List, by: number): void {
    this.resized++
    list.size += by
    this.size += by
  }

  private async put({ bot, name }: List, entries: readonly MarkEntry[]): Promise<void> {
    if (entries.length > 0) await this.options.to.put(bot, name, entries)
  }

  private async readStale(list: List): Promise<void> {
    const { bot, name, stale } = list
    const { from, to, bounded } = this.options
    const keys = [...take(stale, AT_ONCE)]
    for (const key of keys) stale.delete(key)
    let marks: readonly (Mark | undefined)[]
    try {
      marks = await Promise.all(keys.map((key) => bounded(() => from.get(bot, key, name, true))))
    } catch (error) {
      for (const key of keys) stale.add(key)
      throw error
    }
    for (const [index, key] of keys.entries()) {
      const had = (await to.get(bot, key, name)) !== undefined
      // Checked last: this process may have written the mark meanwhile.
      if (!this.isOurs(list, key) || list.own?.has(key) === false) continue
      const mark = marks[index]
      if (mark === undefined) list.own?.delete(key)
      if (mark === undefined) {
        if (had) this.resize(list, -1)
        await to.remove(bot, name, [key])
      } else if (had || this.size < this.options.most) {
        if (!had) this.resize(list, 1)
        await to.put(bot, name, [{ key, mark }])
      } else list.cut = true
    }
  }
}

function* take<T>(items: Iterable<T>, most: number): Generator<T, void, undefined> {
  let left = most
  for (const item of items) {
    if (left-- <= 0) return
    yield item
  }
}

function idOf(bot: number, name: string): string {
  return `${bot} ${name}`
}
