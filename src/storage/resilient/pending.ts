import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { Lease } from '../../core/request-bound.js'
import { type Key, keyText } from '../../core/subject.js'
import type { Mark, Marks } from '../storage.js'
import { isOfTheCaller } from './reason.js'

/** A mark that was put, or taken away, while the storage was down. */
export interface Write {
  readonly bot: number
  readonly name: string
  readonly key: Key
  /** Undefined: taken away. */
  readonly mark: Mark | undefined
  /** What is there and newer than this stays. */
  readonly at: Ms
}

/** A write that has begun. */
export interface Ticket {
  readonly bot: number
  readonly name: string
  readonly keys: readonly Key[]
  readonly ids: readonly string[]
  readonly order: number
  ended: boolean
}

/** Writes of one mark and subject that have not ended. */
interface Begun {
  /** Which of them began last. */
  newest: number
  count: number
  /** The last that reached the storage, or is kept. */
  settled: number
  /** What is kept if none of those after it comes to anything. */
  outdone: { readonly write: Write; readonly order: number } | undefined
}

/** Where kept writes go. */
export interface Replay {
  readonly marks: Marks
  /** Bounds a call in time. */
  readonly bounded: <T>(work: () => MaybePromise<T>) => Promise<T>
  /** Told what is in the storage now. */
  readonly written: (bot: number, name: string, keys: readonly Key[]) => void
  /** Told why a write was given up that the storage will never take. */
  readonly refused: (error: unknown) => void
}

/** Kept at most. */
const MOST = 10_000
/** Written at once. */
const AT_ONCE = 100

/** Writes of marks that did not reach the storage, the last of each mark and subject; written when it is back. */
export class PendingMarks {
  private readonly writes = new Map<string, Write>()
  /** By mark and subject. */
  private readonly begun = new Map<string, Begun>()
  private order = 0
  private replaying: Promise<boolean> | undefined
  private readonly lease = new Lease()
  /** What is being written now, and when it is over. */
  private sent: { readonly ids: ReadonlySet<string>; readonly done: Promise<void> } | undefined
  /** Not kept, since too many were, or given up. */
  dropped = 0

  constructor(
    /** Told that something waits. */
    private readonly kept: () => void,
  ) {}

  get size(): number {
    return this.writes.size
  }

  has(bot: number, name: string, key: Key): boolean {
    return this.writes.size > 0 && this.writes.has(idOf(bot, name, key))
  }

  /** A write of now begins: until it has ended, one that began before it is not kept, however late it fails. */
  begin(bot: number, name: string, keys: readonly Key[]): Ticket {
    const order = ++this.order
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
    return { bot, name, keys, ids, order, ended: false }
  }

  /** A write ends. Where it and all others of the same came to nothing, what was kept before them is kept again. */
  end(ticket: Ticket): void {
    if (ticket.ended) return
    ticket.ended = true
    for (const id of ticket.ids) {
      const all = this.begun.get(id)
      if (all === undefined || --all.count > 0) continue
      this.begun.delete(id)
      const { outdone, settled } = all
      if (outdone !== undefined && outdone.order >= settled && !this.writes.has(id))
        this.hold([outdone.write])
    }
  }

  /**
   * Keeps a write that has failed, and ends it: all of it or nothing, but for subjects that a later write is about. For these it is kept if
   * the later one comes to nothing.
   *
   * @returns What of it holds; undefined where too much is kept already.
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
    }
    this.end(ticket)
    return held ? own : undefined
  }

  private settle(id: string, order: number): void {
    const all = this.begun.get(id)
    if (all !== undefined) all.settled = Math.max(all.settled, order)
  }

  private setAside(write: Write, order: number): void {
    const all = this.begun.get(idOf(write.bot, write.name, write.key))
    if (all !== undefined && order >= (all.outdone?.order ?? 0)) all.outdone = { write, order }
  }

  private hold(writes: readonly Write[]): boolean {
    const news = writes.filter(({ bot, name, key }) => !this.writes.has(idOf(bot, name, key))).length
    if (this.writes.size + news > MOST) {
      this.dropped += writes.length
      return false
    }
    for (const write of writes) this.writes.set(idOf(write.bot, write.name, write.key), write)
    if (writes.length > 0) this.kept()
    return true
  }

  /**
   * Makes a write that has begun. It outdoes those of the same subjects that are kept, and comes after those that are just
   * being sent: else these would outdo it. When it is through it has ended.
   */
  direct<T>(ticket: Ticket, write: () => MaybePromise<T>): MaybePromise<T> {
    this.take(ticket)
    const sent = this.lease.isLost ? undefined : this.sent
    const earlier = ticket.ids.some((id) => sent?.ids.has(id)) ? sent?.done : undefined
    const through = (value: T): T => {
      if (!ticket.ended) for (const id of ticket.ids) this.settle(id, ticket.order)
      this.end(ticket)
      return value
    }
    const failed = (error: unknown): never => {
      // It was never a write, so it outdoes nothing.
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

  /** What is kept of the same is not sent meanwhile. */
  private take({ ids, order, ended }: Ticket): void {
    if (ended || this.writes.size === 0) return
    for (const id of ids) {
      const write = this.writes.get(id)
      if (write === undefined) continue
      this.writes.delete(id)
      // Those that are older than this write, and have not ended, are older than what is kept, too.
      this.setAside(write, order - 1)
    }
  }

  /** Writes them. Whatever somebody else has written there since is left alone. Whether none is left; does not reject. */
  replay(to: Replay): Promise<boolean> {
    if (this.replaying !== undefined && !this.lease.isLost) return this.replaying
    this.sent = undefined
    this.lease.renew()
    const replaying = this.send(to).finally(() => {
      if (this.replaying === replaying) this.replaying = undefined
    })
    this.replaying = replaying
    return replaying
  }

  /** Gives them up; how many. */
  clear(): number {
    const { size } = this.writes
    this.dropped += size
    this.writes.clear()
    return size
  }

  private async send(to: Replay): Promise<boolean> {
    let atOnce = AT_ONCE
    while (this.writes.size > 0) {
      this.lease.renew()
      const some = this.some(atOnce)
      const { bot, name } = some[0] as Write
      try {
        await this.sendSome(some, to)
      } catch (error) {
        // They stay, and are tried again; who asked for them was told then.
        if (!isOfTheCaller(error)) return false
        if (some.length > 1) {
          // One of them is no write at all: it must not keep the others back.
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
    return true
  }

  /** Of one bot and name. */
  private async sendSome(some: readonly Write[], { marks, bounded }: Replay): Promise<void> {
    const { bot, name } = some[0] as Write
    const there = await Promise.all(some.map(({ key }) => bounded(() => marks.get(bot, key, name))))
    // Not what was outdone meanwhile, nor what somebody has written since.
    const due = some.filter((write, index) => {
      const { since = Number.NEGATIVE_INFINITY } = there[index] ?? {}
      return this.writes.get(idOf(bot, name, write.key)) === write && since <= write.at
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

  /** The next of one bot and name. */
  private some(most: number): readonly Write[] {
    const some: Write[] = []
    for (const write of this.writes.values()) {
      const [first = write] = some
      if (write.bot === first.bot && write.name === first.name && some.push(write) === most) break
    }
    return some
  }
}

/** What a write is about: a mark of a subject. */
export function idOf(bot: number, name: string, key: Key): string {
  return `${bot} ${keyText(key)} ${name}`
}
