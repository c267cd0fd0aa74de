import type { Judge, MaybePromise, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import type { Archive } from './archive.js'
import type { ChangeListener } from './changes.js'
import type { CircuitHealth } from './condition.js'
import type { SessionStorage, SessionsOptions } from './sessions.js'
import type { Users } from './users.js'
import type { Values } from './values.js'

/**
 * A durable fact about a subject, such as being blocked, registered, unreachable or in a role. Marks are never evicted.
 *
 * @example
 * ```ts
 * import { type Mark, memory, userKey } from 'grammy-sentinel'
 *
 * const vip: Mark = { since: Date.now(), until: Date.now() + 30 * 86_400_000, reason: 'paid' }
 * await memory().marks.put(42, 'role:vip', [{ key: userKey(7), mark: vip }]) // for the bot 42
 * ```
 */
export interface Mark {
  /** When the mark was put, in milliseconds since 1970. */
  readonly since: Ms
  /** When the mark lapses, in milliseconds since 1970. Absent or `Infinity`: never. */
  readonly until?: Ms
  /** The reason, as text for people to read. */
  readonly reason?: string
  /** Additional data kept with the mark, as plain JSON. */
  readonly value?: unknown
}

/**
 * A mark together with the subject that holds it.
 *
 * @example
 * ```ts
 * import { type MarkEntry, userKey } from 'grammy-sentinel'
 *
 * const entries: readonly MarkEntry[] = [7, 8].map((id) => ({ key: userKey(id), mark: { since: Date.now() } }))
 * ```
 */
export interface MarkEntry {
  readonly key: Key
  readonly mark: Mark
}

/**
 * A page of {@link MarkEntry}s. `next` is the cursor of the following page; the last page has none. Other pages may have fewer
 * entries than asked for, even none, because lapsed marks are left out.
 *
 * @example
 * ```ts
 * import type { MarkPage, Marks } from 'grammy-sentinel'
 *
 * async function count(marks: Marks, bot: number, name: string): Promise<number> {
 *   let held = 0
 *   let page: MarkPage | undefined
 *   do {
 *     page = await marks.scan(bot, name, page?.next)
 *     held += page.entries.length
 *   } while (page.next !== undefined)
 *   return held
 * }
 * ```
 */
export interface MarkPage {
  readonly entries: readonly MarkEntry[]
  readonly next?: string
}

/**
 * Durable marks, kept by bot and subject and indexed by mark name. A lapsed mark reads as absent.
 *
 * @example
 * ```ts
 * import { type Marks, sentinel, userKey } from 'grammy-sentinel'
 *
 * const marks: Marks = sentinel().storage.marks
 * const held = await marks.get(42, userKey(7), 'role:vip') // undefined
 * ```
 */
export interface Marks {
  get(bot: number, key: Key, name: string): MaybePromise<Mark | undefined>
  /** Returns all marks of one subject, by name. */
  of(bot: number, key: Key): MaybePromise<ReadonlyMap<string, Mark>>
  /** Puts one mark on many subjects, replacing any mark of that name they already hold. */
  put(bot: number, name: string, entries: readonly MarkEntry[]): MaybePromise<void>
  /** Removes one mark from many subjects. Returns how many of them held it. */
  remove(bot: number, name: string, keys: readonly Key[]): MaybePromise<number>
  /**
   * Returns the holders of a mark, one page at a time, in no guaranteed order. May miss subjects marked during the scan, and may
   * return a subject twice whose mark is removed and put again meanwhile.
   */
  scan(bot: number, name: string, from?: string, size?: number): MaybePromise<MarkPage>
}

/**
 * How many round trips a {@link hybrid} storage has avoided since it was created.
 *
 * @example
 * ```ts
 * import type { HybridHealth } from 'grammy-sentinel'
 *
 * const saved = ({ answered, trips }: HybridHealth): number => answered / (answered + trips)
 * ```
 */
export interface HybridHealth {
  /**
   * Whether the remote storage reports changes by other workers. While it does not, nothing is remembered for more than a second.
   */
  readonly watching: boolean
  /** Refusals remembered at present. */
  readonly refusals: number
  /** Updates decided without a round trip. */
  readonly answered: number
  /** Round trips made to decide updates, to take leases and to give them back. */
  readonly trips: number
  /** Units of leased limits that were spent. */
  readonly leased: number
  /** Units that were leased, not spent and given back. */
  readonly returned: number
  /** Units that are leased and not yet spent. */
  readonly held: number
}

/**
 * The calls that a storage on a server has made since it was created, to evaluate asks and to settle them. Questions that arrive
 * together share one call.
 *
 * @example
 * ```ts
 * import type { CallsHealth } from 'grammy-sentinel'
 *
 * const perCall = ({ questions, made }: CallsHealth): number => questions / Math.max(1, made)
 * ```
 */
export interface CallsHealth {
  readonly made: number
  /** Calls that failed as a whole. */
  readonly failed: number
  /** Questions carried by all these calls. */
  readonly questions: number
  /**
   * Distribution of calls by size: each entry counts the calls with at most `atMost` questions and more than the previous
   * entry's.
   */
  readonly sizes: readonly { readonly atMost: number; readonly calls: number }[]
  /** Questions waiting for a call at present. */
  readonly waiting: number
}

/**
 * The condition of a storage. Numbers that the storage cannot provide are absent.
 *
 * @example
 * ```ts
 * import { memory, type StorageHealth } from 'grammy-sentinel'
 *
 * const health: StorageHealth = await memory().health()
 * health.kind // 'memory'
 * ```
 */
export interface StorageHealth {
  readonly ok: boolean
  /** The kind of storage, such as `memory`. */
  readonly kind: string
  /** Subjects that have volatile state. */
  readonly tracked?: number
  /** Bytes taken by the records of limits. Penalties, claims and marks are not counted. */
  readonly bytes?: number
  /** Records evicted before they expired, to stay within the cap. */
  readonly evicted?: number
  /** Records that could not be stored because penalties filled the cap. Those updates were admitted without being counted. */
  readonly untracked?: number
  /**
   * Records that this process found unreadable since it started. An unreadable limit record is replaced by a fresh one; asks
   * about a subject with an unreadable mark fail.
   */
  readonly corrupt?: number
  /** Calls made to the server. Only from storages on a server. */
  readonly calls?: CallsHealth
  /** Round trips avoided. Only from {@link hybrid}. */
  readonly hybrid?: HybridHealth
  /** State of the circuit breaker. Only from storages that may fail. */
  readonly circuit?: CircuitHealth
  /** Index into `storages` of the one in use. Only from storages made of several. */
  readonly inUse?: number
  /** The health of each storage. Only from storages made of several. */
  readonly storages?: readonly StorageHealth[]
}

/**
 * Keeps the state of guards and decides their plans. Knows nothing of Telegram.
 *
 * Volatile state (buckets, windows, claims) may be evicted; durable marks, users and values are not.
 *
 * @example
 * ```ts
 * import { memory, sentinel, type Storage } from 'grammy-sentinel'
 *
 * // One for two bots: every key carries the id of its bot.
 * const storage: Storage = memory()
 * const guards = [sentinel({ storage, name: 'shop' }), sentinel({ storage, name: 'help' })]
 * await storage.close()
 * ```
 */
export interface Storage {
  /**
   * Compiles a plan. A later plan of the same name takes over the state of the earlier one, for each slot whose kind of check is
   * unchanged.
   */
  prepare(plan: Plan): MaybePromise<Judge>
  readonly marks: Marks
  /** Records about the users of a bot. */
  readonly users: Users
  /** The application's own values, such as settings and sessions. Shared by all bots on this storage. */
  readonly values: Values
  /**
   * Returns this storage's {@link Values} as a storage for grammY's `session()`.
   *
   * @throws SentinelError `value.invalid` for an invalid name, `duration.invalid` for an invalid `ttl`.
   */
  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T>
  /**
   * Reports every change from now on to a listener, whichever process sharing the storage made it, this one included. Returns a
   * function that stops the reports.
   */
  watch(listener: ChangeListener): MaybePromise<() => void>
  /** Reads and writes the durable content as a whole. Absent if the storage does not support this. */
  readonly archive?: Archive | undefined
  /** Whether every answer needs a round trip, so that remembering answers pays off. Absent: false. */
  readonly remote?: boolean
  /**
   * The kind of storage, such as `redis`: its name in reports until it has been reached. Absent: the `kind` that `health()`
   * returns.
   */
  readonly kind?: string | undefined
  /** Forgets the volatile state of a subject, penalties included: of one slot, or of all slots. */
  reset(bot: number, key: Key, slot?: string): MaybePromise<void>
  health(): MaybePromise<StorageHealth>
  /** Releases all resources. Idempotent. */
  close(): MaybePromise<void>
}
