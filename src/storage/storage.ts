import type { Judge, MaybePromise, Plan } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import type { Key } from '../core/subject.js'

/** A durable fact about a subject: blocked, registered, unreachable, a role. Never evicted. */
export interface Mark {
  /** When it was put, in milliseconds since 1970. */
  readonly since: Ms
  /** When it lapses, in milliseconds since 1970. Absent: never. */
  readonly until?: Ms
  /** Why, for people. */
  readonly reason?: string
  /** What goes with it; plain JSON. */
  readonly value?: unknown
}

/** A mark and whose it is. */
export interface MarkEntry {
  readonly key: Key
  readonly mark: Mark
}

/** A page of {@link MarkEntry}s; `next` is absent on the last. */
export interface MarkPage {
  readonly entries: readonly MarkEntry[]
  readonly next?: string
}

/**
 * Durable marks, by bot and subject, indexed by the mark's name. A mark that has lapsed is not there.
 */
export interface Marks {
  get(bot: number, key: Key, name: string): MaybePromise<Mark | undefined>
  /** Puts one mark on many subjects, replacing what was there. */
  put(bot: number, name: string, entries: readonly MarkEntry[]): MaybePromise<void>
  /** Takes one mark from many subjects; how many held it. */
  remove(bot: number, name: string, keys: readonly Key[]): MaybePromise<number>
  /** All who hold a mark, a page at a time, in no promised order. Subjects marked while you read may be missed. */
  scan(bot: number, name: string, from?: string, size?: number): MaybePromise<MarkPage>
}

/** How a storage is. Numbers that it cannot tell are absent. */
export interface StorageHealth {
  readonly ok: boolean
  /** Which storage, such as `memory`. */
  readonly kind: string
  /** Subjects with volatile state. */
  readonly tracked?: number
  /** Records given up to stay within the cap, though they had not expired. */
  readonly evicted?: number
  /** Records that could not be kept at all, since penalties filled the cap: those updates were admitted uncounted. */
  readonly untracked?: number
}

/**
 * Keeps the state of guards, and decides. Knows nothing of Telegram.
 *
 * Volatile state (buckets, windows, claims) may be evicted; durable marks are not.
 */
export interface Storage {
  /**
   * Compiles a plan. A later plan of the same name takes over the state of the earlier: slot by slot, where the
   * kind of check is the same.
   */
  prepare(plan: Plan): MaybePromise<Judge>
  readonly marks: Marks
  /** Forgets the volatile state of a subject: of one slot, or all of it. Penalties included. */
  reset(bot: number, key: Key, slot?: string): MaybePromise<void>
  health(): MaybePromise<StorageHealth>
  /** Lets go of everything it holds. Idempotent. */
  close(): MaybePromise<void>
}
