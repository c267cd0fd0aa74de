import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Key } from '../../core/subject.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../storage.js'
import type { MarksCopy } from './copy.js'
import type { Line } from './line.js'
import type { PendingMarks } from './pending.js'
import { isOfTheCaller } from './reason.js'

export interface ResilientMarksOptions {
  readonly line: Line
  readonly remote: Marks
  /** Where the copy is. */
  readonly local: Marks
  readonly copy: MarksCopy
  readonly pending: PendingMarks
  readonly clock: Clock
  /** Told what the copy could not take. */
  readonly failed: (error: unknown) => void
}

/**
 * The marks of a storage. While it is down, what is asked of single marks is answered from the copy, and what is
 * written holds in this process at once and is written when the storage is back; the writer is told that it is not yet.
 */
export class ResilientMarks implements Marks {
  constructor(private readonly options: ResilientMarksOptions) {}

  get(bot: number, key: Key, name: string): MaybePromise<Mark | undefined> {
    const { line, remote, local, copy, pending } = this.options
    return line.ask(
      () => remote.get(bot, key, name),
      (error) => {
        const isKnown = copy.knows(bot, name) || pending.has(bot, name, key)
        return isKnown && !isOfTheCaller(error) ? local.get(bot, key, name) : line.refuse('marks.get', error)
      },
    )
  }

  of(bot: number, key: Key): MaybePromise<ReadonlyMap<string, Mark>> {
    const { line, remote } = this.options
    return line.demand('marks.of', () => remote.of(bot, key))
  }

  put(bot: number, name: string, entries: readonly MarkEntry[]): MaybePromise<void> {
    const { line, remote, local } = this.options
    const keys = entries.map(({ key }) => key)
    return this.write(
      'marks.put',
      () => remote.put(bot, name, entries),
      () => entries.map(({ key, mark }) => ({ bot, name, key, mark, at: mark.since })),
      () => local.put(bot, name, entries),
      line,
      [bot, name, keys],
    )
  }

  remove(bot: number, name: string, keys: readonly Key[]): MaybePromise<number> {
    const { line, remote, local, clock } = this.options
    return this.write(
      'marks.remove',
      () => remote.remove(bot, name, keys),
      () => keys.map((key) => ({ bot, name, key, mark: undefined, at: clock() })),
      () => local.remove(bot, name, keys),
      line,
      [bot, name, keys],
    )
  }

  scan(bot: number, name: string, from?: string, size?: number): MaybePromise<MarkPage> {
    const { line, remote } = this.options
    return line.demand('marks.scan', () => remote.scan(bot, name, from, size), true)
  }

  private write<T>(
    what: string,
    work: () => MaybePromise<T>,
    writes: () => Parameters<PendingMarks['keep']>[0],
    apply: () => MaybePromise<unknown>,
    line: Line,
    touched: [bot: number, name: string, keys: readonly Key[]],
  ): MaybePromise<T> {
    const { copy, pending } = this.options
    const written = (value: T): T => {
      // The copy has it before the caller has it: who is blocked is blocked, whatever happens next.
      if (copy.follows(touched[1])) this.aside(apply)
      copy.stale(...touched)
      return value
    }
    const done = line.ask(
      () => pending.direct(...touched, work),
      (error): Promise<never> => {
        if (isOfTheCaller(error)) throw error
        if (!pending.keep(writes())) {
          return line.refuse(what, error, ' Too many writes wait for it already: this one was given up.')
        }
        this.aside(apply)
        return line.refuse(
          what,
          error,
          ' It holds in this process now, and is written when the storage is back, if the process lives so long.',
        )
      },
      true,
    )
    return isPromise(done) ? done.then(written) : written(done)
  }

  private aside(apply: () => MaybePromise<unknown>): void {
    const { failed } = this.options
    try {
      const applied = apply()
      if (isPromise(applied)) applied.catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}
