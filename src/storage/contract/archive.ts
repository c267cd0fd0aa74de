import type { MaybePromise } from '../../core/check.js'
import { getOrInsert } from '../../core/maps.js'
import { type Key, keySubject, keyText, subjectKey } from '../../core/subject.js'
import type { UserRecord } from './users.js'

/**
 * The names under which a storage keeps durable data: enough to read all of it.
 *
 * @example
 * ```ts
 * import { type ArchiveContents, memory } from 'grammy-sentinel'
 *
 * const contents: ArchiveContents | undefined = await memory().archive?.contents()
 * console.log(contents?.bots.map(({ id, marks }) => `${id}: ${marks.join(', ')}`), contents?.spaces)
 * ```
 */
export interface ArchiveContents {
  readonly bots: readonly {
    readonly id: number
    /** Names of the marks in use, or recently in use. */
    readonly marks: readonly string[]
    /** Whether there are user records of the bot. */
    readonly users: boolean
  }[]
  /** Spaces that hold values. */
  readonly spaces: readonly string[]
}

/**
 * A subject and the names of its marks, including lapsed ones that are still stored.
 *
 * @example
 * ```ts
 * import { keyText, type MarkedSubject } from 'grammy-sentinel'
 *
 * const line = ({ key, names }: MarkedSubject) => `${keyText(key)}: ${names.join(', ')}`
 * ```
 */
export interface MarkedSubject {
  readonly key: Key
  readonly names: readonly string[]
}

/**
 * Access to all durable data of a storage, for migrations and for erasing a user. Each call may read through everything, so it is
 * meant for rare use. A storage without an archive cannot be migrated automatically or searched for all data of a user.
 *
 * @example
 * ```ts
 * import { type Archive, memory, userKey } from 'grammy-sentinel'
 *
 * const archive: Archive | undefined = memory().archive
 * for (const { key, names } of (await archive?.marksOf(42, [userKey(7)])) ?? []) {
 *   for (const name of names) console.log(key, name)
 * }
 * ```
 */
export interface Archive {
  contents(): MaybePromise<ArchiveContents>
  /** Writes user records as given, replacing existing ones, many in one round trip. */
  restore(bot: number, users: readonly UserRecord[]): MaybePromise<void>
  /**
   * Returns all marks of these subjects and of keys derived from them, such as a member of a chat or a user's use of a command.
   */
  marksOf(bot: number, keys: readonly Key[]): MaybePromise<readonly MarkedSubject[]>
  /**
   * Deletes what limits and claims hold about these subjects and the keys derived from them, in every plan there ever was.
   * Derived state that is stored under an irreversible digest is left to expire, unless the derived key has marks and is known
   * from them.
   */
  forget(bot: number, keys: readonly Key[]): MaybePromise<void>
}

/** Whether a key is the given subject or derived from it: a member of a chat, the use of a command. */
function actsAs(key: Key, actor: Key): boolean {
  const text = keyText(actor)
  const own = keyText(key)
  if (own === text) return true
  // Most keys belong to other subjects; this cheap test avoids parsing them.
  if (!own.endsWith(`:${text}`)) return false
  let { actor: inner } = keySubject(key)
  while (inner?.actor !== undefined) inner = inner.actor
  return inner !== undefined && keyText(subjectKey(inner)) === text
}

/** Whether a key is one of the given subjects or derived from one of them. */
export function actsAsAny(key: Key, actors: readonly Key[]): boolean {
  return actors.some((actor) => actsAs(key, actor))
}

/** Returns the contents of an archive, sorted. Marks and users are those that were found, in any order and possibly repeated. */
export function contentsOf(
  marks: Iterable<readonly [bot: number, name: string]>,
  users: Iterable<number>,
  spaces: Iterable<string>,
): ArchiveContents {
  const names = new Map<number, Set<string>>()
  for (const [bot, name] of marks) getOrInsert(names, bot, () => new Set()).add(name)
  const known = new Set(users)
  const ids = [...new Set([...names.keys(), ...known])].sort((a, b) => a - b)
  return {
    bots: ids.map((id) => ({ id, marks: [...(names.get(id) ?? [])].sort(), users: known.has(id) })),
    spaces: [...new Set(spaces)].sort(),
  }
}

/** Groups pairs of a subject and a mark name by subject. */
export function markedSubjects(found: Iterable<readonly [key: Key, name: string]>): readonly MarkedSubject[] {
  const names = new Map<Key, string[]>()
  for (const [key, name] of found) getOrInsert(names, key, () => []).push(name)
  return [...names].map(([key, all]) => ({ key, names: all }))
}
