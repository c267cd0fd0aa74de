import type { Judge, MaybePromise, Plan } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import type { Key } from '../core/subject.js'
import type { Archive } from './archive.js'
import type { ChangeListener } from './changes.js'
import type { CircuitHealth } from './condition.js'
import type { SessionStorage, SessionsOptions } from './sessions.js'
import type { Users } from './users.js'
import type { Values } from './values.js'

/**
 * A durable fact about a subject: blocked, registered, unreachable, a role. Never evicted.
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
  /** When it was put, in milliseconds since 1970. */
  readonly since: Ms
  /** When it lapses, in milliseconds since 1970. Absent or `Infinity`: never. */
  readonly until?: Ms
  /** Why, for people. */
  readonly reason?: string
  /** What goes with it; plain JSON. */
  readonly value?: unknown
}

/**
 * A mark and whose it is.
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
 * A page of {@link MarkEntry}s; `next` is absent on the last.
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
 * Durable marks, by bot and subject, indexed by the mark's name. A mark that has lapsed is not there.
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
  /** All marks of one subject, by name. */
  of(bot: number, key: Key): MaybePromise<ReadonlyMap<string, Mark>>
  /** Puts one mark on many subjects, replacing what was there. */
  put(bot: number, name: string, entries: readonly MarkEntry[]): MaybePromise<void>
  /** Takes one mark from many subjects; how many held it. */
  remove(bot: number, name: string, keys: readonly Key[]): MaybePromise<number>
  /** All who hold a mark, a page at a time, in no promised order. Subjects marked while you read may be missed. */
  scan(bot: number, name: string, from?: string, size?: number): MaybePromise<MarkPage>
}

/**
 * What a {@link hybrid} storage has saved, since it was made.
 *
 * @example
 * ```ts
 * import type { HybridHealth } from 'grammy-sentinel'
 *
 * const saved = ({ answered, trips }: HybridHealth): number => answered / (answered + trips)
 * ```
 */
export interface HybridHealth {
  /** Whether changes by other workers are told. While they are not, nothing is remembered for more than a second. */
  readonly watching: boolean
  /** Refusals that are remembered. */
  readonly refusals: number
  /** Updates that were decided without a round trip. */
  readonly answered: number
  /** Round trips to decide updates, and to take leases. */
  readonly trips: number
  /** Units of leased limits that were spent. */
  readonly leased: number
  /** Units that were leased, not spent and given back. */
  readonly returned: number
  /** Units that are leased and not spent yet. */
  readonly held: number
}

/**
 * The calls that a storage on a server has made to decide and settle, since it was made: questions that come together share one.
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
  /** Of these, how many failed as a whole. */
  readonly failed: number
  /** Questions that went with them. */
  readonly questions: number
  /** How many calls carried how many questions: at most so many, and more than the one before. */
  readonly sizes: readonly { readonly atMost: number; readonly calls: number }[]
  /** Questions that wait for a call now. */
  readonly waiting: number
}

/**
 * How a storage is. Numbers that it cannot tell are absent.
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
  /** Which storage, such as `memory`. */
  readonly kind: string
  /** Subjects with volatile state. */
  readonly tracked?: number
  /** Bytes that the records of limits take; penalties, claims and marks are not counted. */
  readonly bytes?: number
  /** Records given up to stay within the cap, though they had not expired. */
  readonly evicted?: number
  /** Records that could not be kept at all, since penalties filled the cap: those updates were admitted uncounted. */
  readonly untracked?: number
  /**
   * Records that could not be read, by this process and since it began. What limits count is begun anew where that happens;
   * whoever has such marks is not decided about.
   */
  readonly corrupt?: number
  /** The calls it has made; of storages on servers. */
  readonly calls?: CallsHealth
  /** What is decided without a round trip; of {@link hybrid}. */
  readonly hybrid?: HybridHealth
  /** How it has fared; of storages that may fail. */
  readonly circuit?: CircuitHealth
  /** Of several storages, which one is used: an index into `storages`. */
  readonly inUse?: number
  /** How each of several storages is. */
  readonly storages?: readonly StorageHealth[]
}

/**
 * Keeps the state of guards, and decides. Knows nothing of Telegram.
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
   * Compiles a plan. A later plan of the same name takes over the state of the earlier: slot by slot, where the
   * kind of check is the same.
   */
  prepare(plan: Plan): MaybePromise<Judge>
  readonly marks: Marks
  /** What is known of the users of a bot. */
  readonly users: Users
  /** Values of your own: settings, sessions. Shared by all bots on this storage. */
  readonly values: Values
  /**
   * Its {@link Values} as a storage of grammY's `session()`.
   *
   * @throws SentinelError `value.invalid` for an invalid name, `duration.invalid` for an invalid `ttl`.
   */
  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T>
  /**
   * Tells a listener of every change from now on, by whichever process that shares the storage; the function it gives
   * stops that. A process is told of its own changes, too.
   */
  watch(listener: ChangeListener): MaybePromise<() => void>
  /** All that it keeps, as a whole. Absent: it cannot be looked through. */
  readonly archive?: Archive | undefined
  /** Whether every answer is a round trip, so that it is worth remembering. Absent: it is not. */
  readonly remote?: boolean
  /** Which storage it is, such as `redis`: what it is called when it was never reached. Absent: what `health()` says, once it has. */
  readonly kind?: string | undefined
  /** Forgets the volatile state of a subject: of one slot, or all of it. Penalties included. */
  reset(bot: number, key: Key, slot?: string): MaybePromise<void>
  health(): MaybePromise<StorageHealth>
  /** Lets go of everything it holds. Idempotent. */
  close(): MaybePromise<void>
}
