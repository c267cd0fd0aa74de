import { isPromise } from '../../core/check.js'
import { type Clock, steadyClock } from '../../core/clock.js'
import { SentinelError } from '../../core/errors.js'
import { Heartbeat } from '../../core/request-bound.js'

/**
 * What {@link fromGrammyStorage} stores under a key of the adapter. The content is a single JSON text, which no adapter alters
 * (Firestore does not accept nested lists, MongoDB interprets dots and dollar signs).
 *
 * @example
 * ```ts
 * import type { StorageAdapter } from 'grammy'
 * import { fromGrammyStorage, type KeptDocument } from 'grammy-sentinel'
 *
 * const durable = (adapter: StorageAdapter<KeptDocument>) => fromGrammyStorage(adapter)
 * ```
 */
export interface KeptDocument {
  readonly json: string
}

/**
 * The part of grammY's storage adapters that {@link fromGrammyStorage} uses: the three methods that every published adapter has.
 *
 * @example
 * ```ts
 * import type { GrammyAdapter, KeptDocument } from 'grammy-sentinel'
 *
 * const kept = new Map<string, KeptDocument>()
 * const adapter: GrammyAdapter = {
 *   read: (key) => kept.get(key),
 *   write: (key, value) => void kept.set(key, value),
 *   delete: (key) => void kept.delete(key),
 * }
 * ```
 */
export interface GrammyAdapter {
  read(key: string): unknown
  write(key: string, value: KeptDocument): unknown
  delete(key: string): unknown
}

/** Waits for an answer with a time limit: rejects if it takes too long. */
export type Bounded = <T>(answer: Promise<T>) => Promise<T>

/** Maximum number of concurrent calls when working on many documents. */
const AT_ONCE = 16

/**
 * Documents by name, in an adapter. Every call has a time limit, because a writer holds a turn that others wait for: a single
 * call without an answer would block them for good.
 */
export class Documents {
  constructor(
    private readonly adapter: GrammyAdapter,
    private readonly prefix: string,
    private readonly bounded: Bounded,
  ) {}

  /** Returns the name of a document, in letters that are valid in file names, columns and paths. */
  nameOf(...parts: readonly (string | number)[]): string {
    return [this.prefix, ...parts.map((part) => plain(String(part)))].join('.')
  }

  async read(name: string): Promise<unknown> {
    const kept = await this.trying('read', () => this.adapter.read(name))
    if (kept === undefined || kept === null) return undefined
    const json = typeof kept === 'object' && 'json' in kept ? kept.json : undefined
    try {
      if (typeof json === 'string') return JSON.parse(json) as unknown
    } catch (cause) {
      throw foreign(name, cause)
    }
    throw foreign(name, undefined)
  }

  async write(name: string, content: unknown): Promise<void> {
    const json = JSON.stringify(content)
    await this.trying('write', () => this.adapter.write(name, { json }))
  }

  async remove(name: string): Promise<void> {
    await this.trying('delete', () => this.adapter.delete(name))
  }

  private async trying(what: string, call: () => unknown): Promise<unknown> {
    try {
      const answer = call()
      return isPromise(answer) ? await this.bounded(answer) : answer
    } catch (cause) {
      // The adapter's message may contain hosts and passwords, so it is only in the cause.
      throw new SentinelError(
        'storage.failed',
        `grammY's storage adapter failed to ${what}; see the cause.`,
        {
          cause,
        },
      )
    }
  }
}

function foreign(name: string, cause: unknown): SentinelError {
  return new SentinelError(
    'storage.failed',
    `${name} in grammY's storage adapter holds other data. Give fromGrammyStorage() a prefix that nothing else uses.`,
    { cause },
  )
}

/** Replaces everything but letters, digits, `-` and `_` by its code point between `~`. Reversible. */
function plain(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/gu, (letter) => `~${(letter.codePointAt(0) as number).toString(16)}~`)
}

/** Does work on many items, some of them concurrently. Throws the first failure once no work is in progress. */
export async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const item = items[next++] as T
      await work(item).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
}

/** The latest request for a turn. */
interface Turn {
  readonly ended: Promise<void>
  /** Shared by all turns that wait for each other; renewed when a turn begins. */
  readonly heartbeat: Heartbeat
}

/** Runs work of the same name one at a time, in the order requested. A turn whose request has ended is not waited for. */
export class Turns {
  private readonly last = new Map<string, Turn>()

  constructor(private readonly clock: Clock = steadyClock) {}

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(name)
    const isNext = before === undefined || before.heartbeat.isLost
    const heartbeat = isNext ? new Heartbeat(this.clock) : before.heartbeat
    if (isNext) heartbeat.beat()
    const result = (isNext ? Promise.resolve() : before.ended).then(() => {
      heartbeat.beat()
      return work()
    })
    // The next turn waits for the end of this one, even if it fails; the failure goes to the caller only.
    const ended = result.then(
      () => undefined,
      () => undefined,
    )
    this.last.set(name, { ended, heartbeat })
    try {
      return await result
    } finally {
      if (this.last.get(name)?.ended === ended) this.last.delete(name)
    }
  }

  /** Resolves when all requested work has ended. */
  async idle(): Promise<void> {
    while (this.last.size > 0) await Promise.all([...this.last.values()].map(({ ended }) => ended))
  }
}
