import { type Clock, systemClock } from '../core/clock.js'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import type { ArchiveContents } from './contract/archive.js'
import { isName } from './contract/json.js'
import type { Storage } from './contract/storage.js'
import { Checkpoint } from './migrate/checkpoint.js'
import { Checksum } from './migrate/checksum.js'
import { type Item, type Step, stepsGone, stepsOf } from './migrate/steps.js'

/**
 * Progress of a migration. `count` reads the source once to find the total, `copy` writes the target, `verify` reads both sides
 * and compares them.
 *
 * @example
 * ```ts
 * import type { MigrationProgress } from 'grammy-sentinel'
 *
 * const line = ({ phase, step, done, total }: MigrationProgress) => `${phase} ${step}: ${done} of ${total}`
 * ```
 */
export interface MigrationProgress {
  readonly phase: 'count' | 'copy' | 'verify'
  /** The kind of data at work, such as `marks 42 blocked`, `users 42` or `values session`. */
  readonly step: string
  /** Items finished in this phase, including those finished before an interruption. */
  readonly done: number
  /** Items of this phase. During `count`: the number found until now. */
  readonly total: number
}

/**
 * Options of {@link migrate}.
 *
 * @example
 * ```ts
 * import { type MigrateOptions, memory, migrate } from 'grammy-sentinel'
 *
 * const options: MigrateOptions = { onProgress: ({ done, total }) => console.log(done, total), batch: 200 }
 * await migrate(memory(), memory(), options)
 * ```
 */
export interface MigrateOptions {
  /** Called after every page. */
  readonly onProgress?: (progress: MigrationProgress) => void
  /** Continues an interrupted run from the checkpoint kept in the target; `false` starts over. @default true */
  readonly resume?: boolean
  /** After a completed migration: compares again and copies what differs. @default false */
  readonly again?: boolean
  /** Allows a target that already has data. Items with the same key are replaced. @default false */
  readonly merge?: boolean
  /**
   * Removes from the target what the source does not have (such as a block lifted meanwhile), for every kind that the source has
   * or that this migration has ever moved. An entirely empty source removes nothing. @default false
   */
  readonly mirror?: boolean
  /** Names the checkpoint, for a target that receives several sources. @default 'default' */
  readonly name?: string
  /** Items read and written at once, 1 to 1,000; also the most held in memory. @default 500 */
  readonly batch?: number
  /** What to move, for a source that has no archive. @default everything in the source */
  readonly contents?: ArchiveContents
  /** Stops the migration between two pages: it rejects with `migrate.refused` and can be resumed. */
  readonly signal?: AbortSignal
  /** Tells the time. @default Date.now */
  readonly clock?: Clock
}

/**
 * The result for one kind of data.
 *
 * @example
 * ```ts
 * import type { MigratedStep } from 'grammy-sentinel'
 *
 * const line = ({ step, count, checksum, verified }: MigratedStep) =>
 *   `${verified ? 'same' : 'DIFFERS'} ${step}: ${count} items, ${checksum}`
 * ```
 */
export interface MigratedStep {
  /** The kind of data, such as `marks 42 blocked`, `users 42` or `values session`. */
  readonly step: string
  /** Items in the source. */
  readonly count: number
  /** Checksum over all items of the source, independent of their order: 16 hexadecimal digits. */
  readonly checksum: string
  /** Whether the target has the same items. */
  readonly verified: boolean
  /** Items in the target that the source does not have. */
  readonly extra: number
  /** How many extra items were removed, with `mirror`. */
  readonly removed: number
}

/**
 * The result of {@link migrate}.
 *
 * @example
 * ```ts
 * import { type Migration, memory, migrate } from 'grammy-sentinel'
 *
 * const { verified, copied, steps }: Migration = await migrate(memory(), memory())
 * console.log(verified, copied, steps.length) // true 0 0
 * ```
 */
export interface Migration {
  /** Whether counts and checksums of both sides are the same for every kind of data. */
  readonly verified: boolean
  /** Items written by this run. */
  readonly copied: number
  readonly steps: readonly MigratedStep[]
}

const BATCH = 500
/** Maximum number of times a kind that differs is copied again. It may differ because the source is still being written to. */
const MOST_PASSES = 3

/**
 * Copies all durable data of a storage to another, page by page: marks (blocks, registration, roles), users, values and sessions.
 * Counts, copies, then compares counts and checksums of both sides. The state of limits and the bans of penalties are not moved;
 * both start afresh.
 *
 * An empty source does not count as a migration: `copied` and every `count` are 0, and nothing is recorded as completed.
 *
 * A migration can be stopped at any time and run again; it then continues where it stopped. Writes to the source during the
 * migration may be missed. So copy while the bots run, stop them, run it with `again: true, mirror: true` to copy what differs,
 * and start the bots on the target.
 *
 * @throws SentinelError `migrate.refused` for a target that already has data, for a migration that is already completed, and when
 * `signal` stopped it; `storage.unsupported` for a source without an archive; `option.invalid`; and the errors of both storages.
 *
 * @example
 * ```ts
 * import { migrate } from 'grammy-sentinel'
 * import { postgres } from 'grammy-sentinel/postgres'
 * import { redis } from 'grammy-sentinel/redis'
 *
 * const [from, to] = [redis('redis://localhost:6379'), postgres('postgres://bot@localhost/shop')]
 * const { verified, steps } = await migrate(from, to, {
 *   onProgress: ({ phase, done, total }) => console.log(`${phase} ${done}/${total}`),
 * })
 * console.log(verified, steps)
 * await Promise.all([from.close(), to.close()])
 * ```
 */
export async function migrate(from: Storage, to: Storage, options: MigrateOptions = {}): Promise<Migration> {
  const { name = 'default', batch = BATCH } = options
  if (from === to) throw wrong('from and to are the same storage. Pass two.')
  if (!isName(name, 64)) throw wrong("name must be a text of 1 to 64 characters, such as 'default'.")
  if (!Number.isInteger(batch) || batch < 1 || batch > 1000) {
    throw wrong(`batch: ${shown(batch)} must be a whole number from 1 to 1,000.`)
  }
  const contents = options.contents ?? (await from.archive?.contents())
  if (contents === undefined) {
    throw new SentinelError(
      'storage.unsupported',
      "migrate.from: it cannot list its contents (it has no archive). Name them: contents: { bots: [{ id: 42, marks: ['blocked'], users: true }], spaces: ['session'] }.",
    )
  }
  const checkpoint = await Checkpoint.read(to, name, options.resume !== false)
  const steps = stepsOf(contents)
  const all = [...steps, ...stepsGone(checkpoint.kinds, steps)]
  return new Mover(from, to, all, checkpoint, options, batch).run()
}

function wrong(what: string): SentinelError {
  return new SentinelError('option.invalid', `migrate.${what}`)
}

class Mover {
  private readonly counts = new Map<string, number>()
  private copied = 0

  constructor(
    private readonly from: Storage,
    private readonly to: Storage,
    private readonly steps: readonly Step[],
    private readonly checkpoint: Checkpoint,
    private readonly options: MigrateOptions,
    private readonly batch: number,
  ) {}

  async run(): Promise<Migration> {
    const { resume = true, again = false, clock = systemClock } = this.options
    const { completed, found } = this.checkpoint
    if (completed !== undefined && resume && !again) {
      throw new SentinelError(
        'migrate.refused',
        `migrate: this was completed at ${new Date(completed).toISOString()}. To compare again and copy differences, overwriting what the target has changed since, pass again: true (--again).`,
      )
    }
    if (!found) await this.refuseFull()
    else if (!resume) await this.checkpoint.reset()
    await this.count()
    // An empty source is most likely the wrong one. No checkpoint is written, so that a later run with the right one counts as
    // the first.
    const isEmpty = this.total === 0
    if (!isEmpty) await this.checkpoint.begin(this.steps.map(({ name }) => name))
    if ((completed === undefined || !resume) && !isEmpty) await this.copyAll()
    const steps = await this.verifyAll()
    const verified = steps.every((step) => step.verified)
    if (verified && !isEmpty) await this.checkpoint.complete(clock())
    return { verified, copied: this.copied, steps }
  }

  /** Rejects a target that has data, unless `merge` allows to replace it. */
  private async refuseFull(): Promise<void> {
    if (this.options.merge === true) return
    for (const step of this.steps) {
      // A page may be empty without being the last, if all its items have lapsed.
      for await (const { items } of this.pages(step, this.to)) {
        if (items.length === 0) continue
        throw new SentinelError(
          'migrate.refused',
          `migrate.to: it already has ${step.name}. Move into an empty storage (another prefix or schema will do), or pass merge: true (--merge) to overwrite them.`,
        )
      }
    }
  }

  private async count(): Promise<void> {
    let total = 0
    for (const step of this.steps) {
      let own = 0
      for await (const { items } of this.pages(step, this.from)) {
        own += items.length
        total += items.length
        this.tell('count', step, total, total)
      }
      this.counts.set(step.name, own)
    }
  }

  private async copyAll(): Promise<void> {
    let done = 0
    for (const step of this.steps) {
      const own = this.counts.get(step.name) ?? 0
      if (!this.checkpoint.isDone(step.name)) await this.copy(step, done, true)
      done += own
      this.tell('copy', step, done, this.total)
    }
  }

  private async copy(step: Step, before: number, noting: boolean): Promise<void> {
    const start = noting ? this.checkpoint.positionIn(step.name) : undefined
    let own = start?.items ?? 0
    for await (const { items, next } of this.pages(step, this.from, start?.from)) {
      if (items.length > 0) await step.put(this.to, items)
      this.copied += items.length
      own += items.length
      if (!noting) continue
      if (next !== undefined) await this.checkpoint.reached(step.name, next, own)
      this.tell('copy', step, before + own, Math.max(before + own, this.total))
    }
    if (noting) await this.checkpoint.finished(step.name)
  }

  private async verifyAll(): Promise<readonly MigratedStep[]> {
    const results: MigratedStep[] = []
    let done = 0
    for (const step of this.steps) {
      results.push(await this.verify(step, done))
      done += this.counts.get(step.name) ?? 0
      this.tell('verify', step, done, this.total)
    }
    return results
  }

  /** Compares both sides, copying what differs again and looking for items that only the target has. */
  private async verify(step: Step, before: number): Promise<MigratedStep> {
    let extra = 0
    let removed = 0
    const mirrors = this.options.mirror === true && this.total > 0
    for (let pass = 0; ; pass++) {
      const source = await this.sumOf(step, this.from, before)
      const target = new Checksum()
      if (pass === 0) {
        for await (const { items } of this.pages(step, this.to))
          for (const item of items) target.add(step.textOf(item))
      } else {
        extra = 0
        for await (const { items } of this.pages(step, this.to)) {
          const gone = await this.missing(step, items)
          for (const item of items) if (!gone.has(item.key)) target.add(step.textOf(item))
          extra += gone.size
          if (!mirrors || gone.size === 0) continue
          await step.remove(this.to, [...gone])
          removed += gone.size
        }
      }
      const verified = source.equals(target)
      if (verified || pass === MOST_PASSES) {
        const { count } = source
        const left = mirrors ? 0 : extra
        return { step: step.name, count, checksum: String(source), verified, extra: left, removed }
      }
      await this.copy(step, before, false)
    }
  }

  private async sumOf(step: Step, storage: Storage, before: number): Promise<Checksum> {
    const sum = new Checksum()
    for await (const { items } of this.pages(step, storage)) {
      for (const item of items) sum.add(step.textOf(item))
      const done = before + sum.count
      this.tell('verify', step, done, Math.max(done, this.total))
    }
    return sum
  }

  /** Returns the keys that the source does not have. */
  private async missing(step: Step, items: readonly Item[]): Promise<ReadonlySet<string>> {
    const has = await Promise.all(items.map(({ key }) => step.has(this.from, key)))
    return new Set(items.flatMap(({ key }, index) => (has[index] === true ? [] : [key])))
  }

  private async *pages(
    step: Step,
    storage: Storage,
    start?: string,
  ): AsyncGenerator<{ items: readonly Item[]; next: string | undefined }, void, undefined> {
    let at = start
    do {
      this.refuseAborted()
      const { items, next } = await step.page(storage, at, this.batch)
      yield { items, next }
      at = next
    } while (at !== undefined)
  }

  private refuseAborted(): void {
    if (this.options.signal?.aborted !== true) return
    throw new SentinelError('migrate.refused', 'migrate: stopped on request. Run it again to resume.')
  }

  private get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0)
  }

  private tell(phase: MigrationProgress['phase'], { name: step }: Step, done: number, total: number): void {
    this.options.onProgress?.({ phase, step, done, total })
  }
}
