import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { Heartbeat } from '../../core/request-bound.js'
import { type Key, keyText } from '../../core/subject.js'
import { canonicalKey } from '../contract/keys.js'
import type { Mark, MarkPage, Marks } from '../contract/storage.js'
import { isOfTheCaller } from './reason.js'

/** A mark that was put or removed while the storage was down. */
export interface Write {
  readonly bot: number
  readonly name: string
  readonly key: Key
  /** Undefined: removed. */
  readonly mark: Mark | undefined
  /** When the write was made. Anything newer in the storage is left alone. */
  readonly at: Ms
  /** `since` of the mark that it replaces, as far as this process knows it. */
  readonly replaces?: Ms | undefined
}

/** A write in progress. */
export interface Ticket {
  readonly bot: number
  readonly name: string
  readonly keys: readonly Key[]
  readonly ids: readonly string[]
  readonly order: number
  /** Its entries count as queued, and are queued one by one if it fails. */
  expected: boolean
  ended: boolean
}

/** The writes in progress for one mark of one subject. */
interface Begun {
  /** Order of the latest to begin. */
  newest: number
  count: number
  /** Order of the latest that reached the storage or is queued. */
  settled: number
  /** The write to queue if none of the later ones succeeds. */
  outdone: { readonly write: Write; readonly order: number } | undefined
}

/** The destination of queued writes. */
interface Replay {
  readonly marks: Marks
  /** Adds a time limit to a call. */
  readonly bounded: <T>(work: () => MaybePromise<T>) => Promise<T>
  /** Called with the keys that were written or left alone because the storage had something newer. */
  readonly written: (bot: number, name: string, keys: readonly Key[]) => void
  /** Receives the error for a write that the storage will never accept. */
  readonly refused: (error: unknown) => void
}

/** Maximum number of queued writes. */
const MOST = 10_000
/** Between the orders of two writes: one that is queued or expected comes between them. */
const STEP = 2
/** Number of entries written at once. */
const AT_ONCE = 100

/** Writes of marks that did not reach the storage: the latest per mark and subject. Written when it is back. */
export class QueuedMarks {
  private readonly writes = new Map<string, Write>()
  /** By mark and subject. */
  private readonly begun = new Map<string, Begun>()
  /** Number of these with a queued write that a later one has replaced. */
  private outdone = 0
  private order = 0
  private replaying: Promise<void> | undefined
  private readonly heartbeat = new Heartbeat()
  /** The entries being written now, and when that is over. */
  private sent: { readonly ids: ReadonlySet<string>; readonly done: Promise<void> } | undefined
  /** Writes that were discarded because too many were queued, or that the storage refused. */
  dropped = 0

  constructor(
    /** Called when something is queued. */
    private readonly kept: () => void,
  ) {}

  get size(): number {
    return this.writes.size
  }

  /** Whether a write is queued, or may be queued again because a later one to the same mark is in progress. */
  get any(): boolean {
    return this.writes.size + this.outdone > 0
  }

  /** Returns the queued write of a mark, also while a later one to the same mark is in progress, which may fail. */
  get(bot: number, name: string, key: Key): Write | undefined {
    if (!this.any) return undefined
    const id = idOf(bot, name, key)
    const { outdone, settled = 0 } = this.begun.get(id) ?? {}
    return (
      this.writes.get(id) ?? (outdone !== undefined && outdone.order >= settled ? outdone.write : undefined)
    )
  }

  /** Returns the queued writes of a subject's marks, as {@link get} does. */
  of(bot: number, key: Key): Write[] {
    const text = keyText(key)
    return this.all((write) => write.bot === bot && keyText(write.key) === text)
  }

  /** Returns the queued writes of one mark, as {@link get} does. */
  on(bot: number, name: string): Write[] {
    return this.any ? this.all((write) => write.bot === bot && write.name === name) : []
  }

  private all(fits: (write: Write) => boolean): Write[] {
    const all = [...this.writes.values(), ...[...this.begun.values()].map(({ outdone }) => outdone?.write)]
    return all.filter(
      (write): write is Write =>
        write !== undefined && fits(write) && this.get(write.bot, write.name, write.key) === write,
    )
  }

  has(bot: number, name: string, key: Key): boolean {
    return this.get(bot, name, key) !== undefined
  }

  /** Registers a write that begins now. Until it ends, earlier writes that fail late are not queued in its place. */
  begin(bot: number, name: string, keys: readonly Key[]): Ticket {
    this.order += STEP
    const { order } = this
    const ids = keys.map((key) => idOf(bot, name, key))
    for (const id of ids) {
      const others = this.begun.get(id)
      if (others === undefined)
        this.begun.set(id, { newest: order, count: 1, settled: 0, outdone: undefined })
      else {
        others.newest = order
        others.count++
      }
    }
    return { bot, name, keys, ids, order, expected: false, ended: false }
  }

  /** Lets the entries of a write that has begun count as queued until it has succeeded. If it fails, they are queued. */
  expect(ticket: Ticket, writes: readonly Write[]): void {
    ticket.expected = true
    for (const write of writes) this.setAside(write, ticket.order - 1)
  }

  /** Ends a write. If it and all other writes to the same item failed, the last entry they replaced is queued again. */
  end(ticket: Ticket): void {
    if (ticket.ended) return
    ticket.ended = true
    for (const id of ticket.ids) {
      const all = this.begun.get(id)
      if (all === undefined || --all.count > 0) continue
      this.begun.delete(id)
      const { outdone, settled } = all
      if (outdone === undefined) continue
      this.outdone--
      if (outdone.order >= settled && !this.writes.has(id) && !this.hold([outdone.write])) this.dropped++
    }
  }

  /**
   * Queues a failed write and ends it: all of its entries or none, except those that a later write concerns. These are queued
   * only if the later write fails. Of a write that was expected, as many are queued as there is room for.
   *
   * @returns The entries queued now; undefined if there was no room for all.
   */
  keep(ticket: Ticket, writes: readonly Write[]): readonly Write[] | undefined {
    const { order } = ticket
    const own: Write[] = []
    const others: Write[] = []
    const last = (write: Write): boolean =>
      this.begun.get(idOf(write.bot, write.name, write.key))?.newest === order
    for (const write of writes) (last(write) ? own : others).push(write)
    const held = this.hold(own)
    if (held) {
      for (const { bot, name, key } of own) this.settle(idOf(bot, name, key), order)
      for (const write of others) this.setAside(write, order)
    } else if (!ticket.expected) this.dropped += own.length
    this.end(ticket)
    return held ? own : undefined
  }

  private settle(id: string, order: number): void {
    const all = this.begun.get(id)
    if (all !== undefined) all.settled = Math.max(all.settled, order)
  }

  private setAside(write: Write, order: number): void {
    const all = this.begun.get(idOf(write.bot, write.name, write.key))
    if (all === undefined || order < (all.outdone?.order ?? 0)) return
    if (all.outdone === undefined) this.outdone++
    all.outdone = { write, order }
  }

  private hold(writes: readonly Write[]): boolean {
    const news = writes.filter(({ bot, name, key }) => !this.writes.has(idOf(bot, name, key))).length
    if (this.writes.size + news > MOST) return false
    for (const write of writes) this.writes.set(idOf(write.bot, write.name, write.key), write)
    if (writes.length > 0) this.kept()
    return true
  }

  /**
   * Makes a write that has begun. It replaces queued entries of the same items and waits for those being sent, which might
   * otherwise overwrite it. The write ends when it succeeds.
   */
  direct<T>(ticket: Ticket, write: () => MaybePromise<T>): MaybePromise<T> {
    this.take(ticket)
    const sent = this.heartbeat.isLost ? undefined : this.sent
    const earlier = ticket.ids.some((id) => sent?.ids.has(id)) ? sent?.done : undefined
    const through = (value: T): T => {
      if (!ticket.ended) for (const id of ticket.ids) this.settle(id, ticket.order)
      this.end(ticket)
      return value
    }
    const failed = (error: unknown): never => {
      // An invalid write replaces nothing.
      if (isOfTheCaller(error)) this.end(ticket)
      throw error
    }
    try {
      const written = earlier === undefined ? write() : earlier.then(write)
      return isPromise(written) ? written.then(through, failed) : through(written)
    } catch (error) {
      return failed(error)
    }
  }

  /** Takes queued entries of the same items out of the queue while the write is made. */
  private take({ ids, order, ended }: Ticket): void {
    if (ended || this.writes.size === 0) return
    for (const id of ids) {
      const write = this.writes.get(id)
      if (write === undefined) continue
      this.writes.delete(id)
      // Unfinished writes older than this one are also older than the queued entry.
      this.setAside(write, order - STEP)
    }
  }

  /** Sends all queued writes, except where the storage has something newer. Never rejects. */
  replay(to: Replay): Promise<void> {
    if (this.replaying !== undefined && !this.heartbeat.isLost) return this.replaying
    this.sent = undefined
    this.heartbeat.beat()
    const replaying = this.send(to).finally(() => {
      if (this.replaying === replaying) this.replaying = undefined
    })
    this.replaying = replaying
    return replaying
  }

  /** Discards all queued writes. Returns how many. */
  clear(): number {
    const { size } = this.writes
    this.dropped += size
    this.writes.clear()
    return size
  }

  private async send(to: Replay): Promise<void> {
    let atOnce = AT_ONCE
    while (this.writes.size > 0) {
      this.heartbeat.beat()
      const some = this.some(atOnce)
      const { bot, name } = some[0] as Write
      try {
        await this.sendSome(some, to)
      } catch (error) {
        // The entries stay queued; their writers have already been told.
        if (!isOfTheCaller(error)) return
        if (some.length > 1) {
          // One entry is invalid. Send entries one by one, so that it does not hold up the others.
          atOnce = 1
          continue
        }
        this.dropped++
        to.refused(error)
      } finally {
        this.sent = undefined
      }
      for (const write of some) {
        const id = idOf(bot, name, write.key)
        if (this.writes.get(id) === write) this.writes.delete(id)
      }
      const keys = some.map(({ key }) => key)
      to.written(bot, name, keys)
    }
  }

  /** All entries are of one bot and mark name. */
  private async sendSome(some: readonly Write[], { marks, bounded }: Replay): Promise<void> {
    const { bot, name } = some[0] as Write
    const there = await Promise.all(some.map(({ key }) => bounded(() => marks.get(bot, key, name))))
    // Skip entries replaced meanwhile, and those for which the storage has something newer. A mark that the writer knew is older,
    // even if it was put by a worker whose clock is ahead.
    const due = some.filter((write, index) => {
      const { since = Number.NEGATIVE_INFINITY } = there[index] ?? {}
      const isNewer = since > write.at && since !== write.replaces
      return this.writes.get(idOf(bot, name, write.key)) === write && !isNewer
    })
    const put = due.flatMap(({ key, mark }) => (mark === undefined ? [] : [{ key, mark }]))
    const gone = due.flatMap(({ key, mark }) => (mark === undefined ? [key] : []))
    const sending = Promise.all([
      put.length === 0 ? undefined : bounded(() => marks.put(bot, name, put)),
      gone.length === 0 ? undefined : bounded(() => marks.remove(bot, name, gone)),
    ])
    const ids = new Set(due.map(({ key }) => idOf(bot, name, key)))
    const done = (): void => undefined
    this.sent = { ids, done: sending.then(done, done) }
    await sending
  }

  /** Returns the next entries of one bot and mark name. */
  private some(most: number): readonly Write[] {
    const some: Write[] = []
    for (const write of this.writes.values()) {
      const [first = write] = some
      if (write.bot === first.bot && write.name === first.name && some.push(write) === most) break
    }
    return some
  }
}

/** Returns the mark that a write leaves; undefined if it was removed or has lapsed. */
export function markLeftBy({ mark }: Write, now: Ms): Mark | undefined {
  return mark !== undefined && (mark.until ?? Number.POSITIVE_INFINITY) > now ? mark : undefined
}

/** Returns the marks of a subject as they are once the writes have been made. */
export function marksLeftBy(
  writes: readonly Write[],
  found: ReadonlyMap<string, Mark>,
  now: Ms,
): ReadonlyMap<string, Mark> {
  const marks = new Map(found)
  for (const write of writes) {
    const mark = markLeftBy(write, now)
    if (mark === undefined) marks.delete(write.name)
    else marks.set(write.name, mark)
  }
  return marks
}

/**
 * Returns a page of the holders of a mark as they are once the writes have been made. The first page also has the subjects on which
 * it is put; one of these may be on a later page as well.
 */
export function pageLeftBy(writes: readonly Write[], page: MarkPage, isFirst: boolean, now: Ms): MarkPage {
  const left = new Map(writes.map((write) => [keyText(write.key), markLeftBy(write, now)]))
  const kept = page.entries.filter(({ key }) => !left.has(keyText(key)))
  const changed = isFirst ? writes.map(({ key }) => key) : page.entries.map(({ key }) => key)
  const put = changed.flatMap((key) => {
    const mark = left.get(keyText(key))
    return mark === undefined ? [] : [{ key: canonicalKey(key), mark }]
  })
  return { ...page, entries: [...kept, ...put] }
}

/** Identifies a mark of a subject. */
export function idOf(bot: number, name: string, key: Key): string {
  return `${bot} ${keyText(key)} ${name}`
}
