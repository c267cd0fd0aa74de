import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
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
  private replaying: Promise<boolean> | undefined
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

  /** All of them or none; whether they are kept. */
  keep(writes: readonly Write[]): boolean {
    const news = writes.filter(({ bot, name, key }) => !this.writes.has(idOf(bot, name, key))).length
    if (this.writes.size + news > MOST) {
      this.dropped += writes.length
      return false
    }
    for (const write of writes) this.writes.set(idOf(write.bot, write.name, write.key), write)
    this.kept()
    return true
  }

  /**
   * Makes a write of now. It outdoes those of the same subjects that are kept, and comes after those that are just being
   * sent: else these would outdo it.
   */
  direct<T>(bot: number, name: string, keys: readonly Key[], write: () => MaybePromise<T>): MaybePromise<T> {
    if (this.writes.size === 0 && this.sent === undefined) return write()
    const outdone = this.take(bot, name, keys)
    const failed = (error: unknown): never => {
      // It was never a write, so it outdoes nothing.
      if (isOfTheCaller(error)) this.putBack(outdone)
      throw error
    }
    const earlier = keys.some((key) => this.sent?.ids.has(idOf(bot, name, key))) ? this.sent?.done : undefined
    try {
      const written = earlier === undefined ? write() : earlier.then(write)
      return isPromise(written) ? written.catch(failed) : written
    } catch (error) {
      return failed(error)
    }
  }

  private take(bot: number, name: string, keys: readonly Key[]): readonly Write[] {
    return keys.flatMap((key) => {
      const id = idOf(bot, name, key)
      const write = this.writes.get(id)
      this.writes.delete(id)
      return write === undefined ? [] : [write]
    })
  }

  private putBack(writes: readonly Write[]): void {
    this.keep(writes.filter(({ bot, name, key }) => !this.has(bot, name, key)))
  }

  /** Writes them. Whatever somebody else has written there since is left alone. Whether none is left; does not reject. */
  replay(to: Replay): Promise<boolean> {
    this.replaying ??= this.send(to).finally(() => {
      this.replaying = undefined
    })
    return this.replaying
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

function idOf(bot: number, name: string, key: Key): string {
  return `${bot} ${keyText(key)} ${name}`
}
