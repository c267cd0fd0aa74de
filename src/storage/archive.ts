import type { MaybePromise } from '../core/check.js'
import { type Key, keySubject, keyText, subjectKey } from '../core/subject.js'
import type { UserRecord } from './users.js'

/**
 * What a storage keeps for good, by name: enough to read all of it.
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
    /** Names of marks that somebody holds, or held until lately. */
    readonly marks: readonly string[]
    /** Whether any user has a record. */
    readonly users: boolean
  }[]
  /** Spaces of values. */
  readonly spaces: readonly string[]
}

/**
 * A subject and the names of its marks, those included that have lapsed but are still kept.
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
 * All that a storage keeps, looked at as a whole: to move it elsewhere, and to forget somebody. Looks through everything, so it is
 * not for every day. A storage that does without cannot be moved or asked for all of somebody.
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
  /** Puts records of users as they are, in place of what was there, many in one trip. */
  restore(bot: number, users: readonly UserRecord[]): MaybePromise<void>
  /** All marks of subjects, and of what they act as: themselves inside a chat, their use of a command. */
  marksOf(bot: number, keys: readonly Key[]): MaybePromise<readonly MarkedSubject[]>
  /**
   * Forgets what limits and claims keep of subjects, under every plan there ever was, and of what they act as. Where the latter
   * is filed under digests that tell nothing of whose it is, it is left to lapse, but for those that have marks.
   */
  forget(bot: number, keys: readonly Key[]): MaybePromise<void>
}

/** Whether a key is a subject itself, or what it acts as: a member of a chat, the use of a command. */
export function actsAs(key: Key, actor: Key): boolean {
  const text = keyText(actor)
  const own = keyText(key)
  if (own === text) return true
  // Most are others', and need not be read.
  if (!own.endsWith(`:${text}`)) return false
  let { actor: inner } = keySubject(key)
  while (inner?.actor !== undefined) inner = inner.actor
  return inner !== undefined && keyText(subjectKey(inner)) === text
}

/** Whether a key is one of some subjects, or what one of them acts as. */
export function actsAsAny(key: Key, actors: readonly Key[]): boolean {
  return actors.some((actor) => actsAs(key, actor))
}

/** Marks by subject, from pairs of a subject and a name. */
export function markedSubjects(found: Iterable<readonly [key: Key, name: string]>): readonly MarkedSubject[] {
  const names = new Map<Key, string[]>()
  for (const [key, name] of found) {
    const known = names.get(key)
    if (known === undefined) names.set(key, [name])
    else known.push(name)
  }
  return [...names].map(([key, all]) => ({ key, names: all }))
}
