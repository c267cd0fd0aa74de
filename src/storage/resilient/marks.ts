import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../contract/storage.js'
import type { PatientMarks } from '../shared/patient-marks.js'
import type { FallbackMarks } from './fallback-marks.js'
import { AGAIN, type Line } from './line.js'
import { markLeftBy, marksLeftBy, type QueuedMarks, type Write } from './queued-marks.js'
import { isOfTheCaller } from './reason.js'

/** A write of marks: what it concerns, the entries to keep if it fails, and how to make it. */
interface MarkWrite<T> {
  readonly touched: readonly [bot: number, name: string, keys: readonly Key[]]
  /** One entry for each of the keys. */
  readonly writes: () => readonly Write[]
  readonly work: () => MaybePromise<T>
}

interface ResilientMarksOptions {
  readonly line: Line
  readonly remote: PatientMarks
  /** The storage that holds the copy. */
  readonly local: Marks
  readonly copy: FallbackMarks
  readonly queued: QueuedMarks
  readonly clock: Clock
}

/**
 * The marks of a storage that may be down. Meanwhile single marks are read from the copy; writes take effect in this process at
 * once, are queued for the storage, and are rejected to tell the caller.
 */
export class ResilientMarks implements PatientMarks {
  constructor(private readonly options: ResilientMarksOptions) {}

  get(bot: number, key: Key, name: string, patient = false): MaybePromise<Mark | undefined> {
    const { line, remote, local, copy, queued, clock } = this.options
    // What waits to be written is in force here, also while the storage answers and does not have it yet.
    const write = queued.get(bot, name, key)
    if (write !== undefined) return markLeftBy(write, clock())
    return line.ask(
      () => remote.get(bot, key, name, patient),
      (error) =>
        copy.knows(bot, name) && !isOfTheCaller(error)
          ? local.get(bot, key, name)
          : line.refuse('marks.get', error),
      patient,
      true,
    )
  }

  of(bot: number, key: Key): MaybePromise<ReadonlyMap<string, Mark>> {
    const { line, remote, queued, clock } = this.options
    const found = line.demand('marks.of', () => remote.of(bot, key), false, true)
    if (!queued.any) return found
    const writes = queued.of(bot, key)
    const left = (marks: ReadonlyMap<string, Mark>) => marksLeftBy(writes, marks, clock())
    return isPromise(found) ? found.then(left) : left(found)
  }

  put(bot: number, name: string, entries: readonly MarkEntry[]): MaybePromise<void> {
    const { remote } = this.options
    return this.write('marks.put', {
      touched: [bot, name, entries.map(({ key }) => key)],
      writes: () => entries.map(({ key, mark }) => ({ bot, name, key, mark, at: mark.since })),
      work: () => remote.put(bot, name, entries),
    })
  }

  remove(bot: number, name: string, keys: readonly Key[]): MaybePromise<number> {
    const { remote, clock } = this.options
    const at = clock()
    return this.write('marks.remove', {
      touched: [bot, name, keys],
      writes: () => keys.map((key) => ({ bot, name, key, mark: undefined, at })),
      work: () => remote.remove(bot, name, keys),
    })
  }

  scan(bot: number, name: string, from?: string, size?: number): MaybePromise<MarkPage> {
    const { line, remote } = this.options
    return line.demand('marks.scan', () => remote.scan(bot, name, from, size), true, true)
  }

  private write<T>(what: string, { touched, writes, work }: MarkWrite<T>): MaybePromise<T> {
    const { copy, queued, line } = this.options
    const replaced = this.replacedBy(touched)
    const ticket = queued.begin(...touched)
    const written = (value: T): T => {
      // The copy is updated before the caller continues, so that a block takes effect even if the storage goes down next.
      this.apply(writes())
      copy.stale(...touched)
      return value
    }
    const failed = (error: unknown): Promise<never> => {
      if (isOfTheCaller(error)) {
        queued.end(ticket)
        throw error
      }
      const entries = writes().map((write, index): Write => ({ ...write, replaces: replaced[index] }))
      const kept = queued.keep(ticket, entries)
      if (kept === undefined) {
        return line.refuse(
          what,
          error,
          ` Too many writes wait for it already: this one is not retried. If the storage was only slow, it took effect.${AGAIN}`,
        )
      }
      this.apply(kept)
      return line.refuse(
        what,
        error,
        ' It holds in this process, which writes it when the storage is back, unless it ends before.',
      )
    }
    const done = line.ask<T>(() => queued.direct(ticket, work), failed, true)
    return isPromise(done) ? done.then(written) : written(done)
  }

  /** Returns `since` of the marks that a write replaces, as far as this process knows them. */
  private replacedBy([bot, name, keys]: MarkWrite<unknown>['touched']): readonly (Ms | undefined)[] {
    const { local, queued } = this.options
    return keys.map((key) => {
      const write = queued.get(bot, name, key)
      if (write !== undefined) return write.replaces
      try {
        const mark = local.get(bot, key, name)
        if (!isPromise(mark)) return mark?.since
        // A copy elsewhere answers too late.
        mark.catch(() => undefined)
      } catch {
        // The write itself is refused for the same reason.
      }
      return undefined
    })
  }

  private apply(writes: readonly Write[]): void {
    const [first] = writes
    if (first === undefined) return
    const put = writes.flatMap(({ key, mark }) => (mark === undefined ? [] : [{ key, mark }]))
    const gone = writes.flatMap(({ key, mark }) => (mark === undefined ? [key] : []))
    this.options.copy.write(first.bot, first.name, put, gone)
  }
}
