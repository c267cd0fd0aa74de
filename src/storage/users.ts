import type { MaybePromise } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import type { Key } from '../core/subject.js'
import { isName, jsonText } from './json.js'

/**
 * What is known of one user of a bot.
 *
 * @example
 * ```ts
 * import type { UserRecord } from 'grammy-sentinel'
 *
 * const line = ({ firstSeen, counts }: UserRecord) =>
 *   `since ${new Date(firstSeen).toISOString()}, ${counts.messages ?? 0} messages`
 * ```
 */
export interface UserRecord {
  readonly key: Key
  /** In milliseconds since 1970, as `lastSeen`. */
  readonly firstSeen: Ms
  readonly lastSeen: Ms
  /** Totals by name, of what {@link Users.note} added. */
  readonly counts: Readonly<Record<string, number>>
  /** What you keep with them; plain JSON. */
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * That a user was seen, and what they did.
 *
 * @example
 * ```ts
 * import { type UserActivity, userKey } from 'grammy-sentinel'
 *
 * const activity: UserActivity = { key: userKey(7), at: Date.now(), counts: { messages: 3, denials: 1 } }
 * ```
 */
export interface UserActivity {
  readonly key: Key
  /** In milliseconds since 1970. What is told late moves `firstSeen` back, never `lastSeen`. */
  readonly at: Ms
  /** Added to the totals, by names of 1 to 64 characters. */
  readonly counts?: Readonly<Record<string, number>>
}

/**
 * A page of {@link UserRecord}s; `next` is absent on the last.
 *
 * @example
 * ```ts
 * import type { UserPage, Users } from 'grammy-sentinel'
 *
 * async function seenSince(users: Users, bot: number, time: number): Promise<number> {
 *   let seen = 0
 *   let page: UserPage | undefined
 *   do {
 *     page = await users.scan(bot, page?.next)
 *     seen += page.users.filter(({ lastSeen }) => lastSeen >= time).length
 *   } while (page.next !== undefined)
 *   return seen
 * }
 * ```
 */
export interface UserPage {
  readonly users: readonly UserRecord[]
  readonly next?: string
}

/**
 * The users of a bot: when they were seen, counters, and data of yours. Durable, never evicted. Registration and
 * roles are {@link Marks}, so that checks can ask for them.
 *
 * @example
 * ```ts
 * import { memory, userKey } from 'grammy-sentinel'
 *
 * const { users } = memory()
 * await users.note(42, [{ key: userKey(7), at: Date.now(), counts: { messages: 1 } }])
 * await users.patch(42, userKey(7), { language: 'en' })
 * await users.get(42, userKey(7)) // { counts: { messages: 1 }, data: { language: 'en' }, … }
 * ```
 */
export interface Users {
  get(bot: number, key: Key): MaybePromise<UserRecord | undefined>
  /**
   * Adds to counters, of many users in one trip; one user may be there twice. Whoever is new gets a record.
   *
   * @throws SentinelError `value.invalid` for a time or a count that is no number; then nothing was added.
   */
  note(bot: number, activity: readonly UserActivity[]): MaybePromise<void>
  /**
   * Merges into a user's data, field by field: what is given replaces what is there, `null` takes it away. Whoever is
   * new gets a record, first and last seen now. The record as it is then.
   *
   * @throws SentinelError `value.invalid` for what is no plain JSON object.
   */
  patch(bot: number, key: Key, data: Readonly<Record<string, unknown>>): MaybePromise<UserRecord>
  /**
   * Every user once, a page at a time, in no promised order. Users added while you read may be missed. `size` is the
   * most of a page, 1,000 by default.
   */
  scan(bot: number, from?: string, size?: number): MaybePromise<UserPage>
  /** Forgets the record; whether there was one. Marks and limits are kept elsewhere, and stay. */
  erase(bot: number, key: Key): MaybePromise<boolean>
}

/**
 * Refuses activity that cannot be added.
 *
 * @throws SentinelError `value.invalid`.
 */
export function checkActivity(activity: readonly UserActivity[]): void {
  for (const { at, counts = {} } of activity) {
    if (!Number.isFinite(at)) throw invalid(`${shown(at)} is no time; pass milliseconds since 1970`)
    for (const [name, count] of Object.entries(counts)) {
      if (!isName(name, 64)) throw invalid('a count has no name; give it one of 1 to 64 characters')
      if (!Number.isFinite(count)) throw invalid(`count "${name}" is ${shown(count)}, which is no number`)
    }
  }
}

/**
 * A patch of {@link Users.patch}, read: each field as JSON, null to take it away. A field that is undefined stays as it
 * is.
 *
 * @throws SentinelError `value.invalid`.
 */
export function patchTexts(data: Readonly<Record<string, unknown>>): Map<string, string | null> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw invalid(`${shown(data)} is no data; pass an object such as { language: 'en' }`)
  }
  const texts = new Map<string, string | null>()
  for (const [name, value] of Object.entries(data)) {
    if (!isName(name, 512)) throw invalid('a field of data has no name; give it one of 1 to 512 characters')
    if (value === undefined) continue
    texts.set(name, value === null ? null : jsonText(value, `users.data.${name}`))
    if (isExact(value)) continue
    throw invalid(`data.${name} holds a number that is not finite, for which JSON has no form; leave it out`)
  }
  return texts
}

/** Whether no number in what can be written would be kept as null. */
function isExact(value: unknown): boolean {
  let exact = true
  JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'number' && !Number.isFinite(part)) exact = false
    return part
  })
  return exact
}

function invalid(problem: string): SentinelError {
  return new SentinelError('value.invalid', `users: ${problem}.`)
}
