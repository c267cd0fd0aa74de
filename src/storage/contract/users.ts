import type { MaybePromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { shown } from '../../core/show.js'
import type { Key } from '../../core/subject.js'
import { isName, jsonText } from './json.js'

/**
 * The record of one user of a bot.
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
  /** Milliseconds since 1970, as is `lastSeen`. */
  readonly firstSeen: Ms
  readonly lastSeen: Ms
  /** Totals by name: the sums of the `counts` passed to {@link Users.note}. */
  readonly counts: Readonly<Record<string, number>>
  /** Data that the application keeps with the user, as plain JSON. */
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * Reports that a user was seen, and what they did.
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
  /** In milliseconds since 1970. An activity reported late may move `firstSeen` back, but never `lastSeen`. */
  readonly at: Ms
  /** Added to the totals. Names have 1 to 64 characters. */
  readonly counts?: Readonly<Record<string, number>>
}

/**
 * A page of {@link UserRecord}s. `next` is the cursor of the following page; the last page has none.
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
 * The users of a bot: when they were seen, counters, and data of the application. Durable, never evicted. Registration and roles
 * are {@link Marks} instead, so that checks can read them.
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
   * Adds to the counters of many users in one round trip. A user may appear more than once; an unknown user gets a record.
   *
   * @throws SentinelError `value.invalid` for a time or a count that is not a number; nothing is added in that case.
   */
  note(bot: number, activity: readonly UserActivity[]): MaybePromise<void>
  /**
   * Merges fields into a user's data and returns the resulting record. A given field replaces the stored one; `null` removes it.
   * An unknown user gets a record with the current time as `firstSeen` and `lastSeen`.
   *
   * @throws SentinelError `value.invalid` if `data` is not a plain JSON object.
   */
  patch(bot: number, key: Key, data: Readonly<Record<string, unknown>>): MaybePromise<UserRecord>
  /**
   * Returns every user once, one page at a time, in no guaranteed order. May miss users added during the scan. `size` is the
   * maximum per page, 1,000 by default.
   */
  scan(bot: number, from?: string, size?: number): MaybePromise<UserPage>
  /** Deletes the record. Returns whether there was one. Marks and limits are stored elsewhere and remain. */
  erase(bot: number, key: Key): MaybePromise<boolean>
}

/**
 * Rejects activity that cannot be added to counters.
 *
 * @throws SentinelError `value.invalid`.
 */
export function checkActivity(activity: readonly UserActivity[]): void {
  for (const { at, counts = {} } of activity) {
    if (!Number.isFinite(at)) throw invalid(`${shown(at)} is not a time; pass milliseconds since 1970`)
    for (const [name, count] of Object.entries(counts)) {
      if (!isName(name, 64)) throw invalid('the name of a count must have 1 to 64 characters')
      if (!Number.isFinite(count)) throw invalid(`count "${name}" is ${shown(count)}, which is not a number`)
    }
  }
}

/**
 * Rejects a record that cannot be restored.
 *
 * @throws SentinelError `value.invalid`.
 */
export function checkRecord({ key, firstSeen, lastSeen, counts }: UserRecord): void {
  checkActivity([
    { key, at: firstSeen, counts },
    { key, at: lastSeen },
  ])
}

/** Returns totals to which counts are added. */
export function addedCounts(
  totals: Readonly<Record<string, number>>,
  counts: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const names = Object.keys(counts)
  if (names.length === 0) return totals
  // Entries rather than an object, since a name may be `__proto__`.
  const sums = new Map(Object.entries(totals))
  for (const name of names) sums.set(name, (sums.get(name) ?? 0) + (counts[name] as number))
  return Object.fromEntries(sums)
}

/**
 * Parses the data given to {@link Users.patch}: maps each field to its JSON text, or to null if it is to be removed. Fields that
 * are `undefined` are skipped.
 *
 * @throws SentinelError `value.invalid`.
 */
export function patchTexts(data: Readonly<Record<string, unknown>>): Map<string, string | null> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw invalid(`${shown(data)} is not data that can be stored; pass an object such as { language: 'en' }`)
  }
  const texts = new Map<string, string | null>()
  for (const [name, value] of Object.entries(data)) {
    if (!isName(name, 512)) throw invalid('the name of a field of data must have 1 to 512 characters')
    if (value === undefined) continue
    texts.set(name, value === null ? null : jsonText(value, `users.data.${name}`))
    if (isExact(value)) continue
    throw invalid(`data.${name} holds a number that is not finite, which JSON cannot represent; leave it out`)
  }
  return texts
}

/** Returns data with the fields of {@link patchTexts} replaced or removed. */
export function patchedData(
  data: object,
  texts: ReadonlyMap<string, string | null>,
): Readonly<Record<string, unknown>> {
  const fields = new Map<string, unknown>(Object.entries(data))
  for (const [name, text] of texts) {
    if (text === null) fields.delete(name)
    else fields.set(name, JSON.parse(text))
  }
  return Object.fromEntries(fields)
}

/** Whether a value holds no `NaN` or infinity, which JSON would turn into null. */
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
