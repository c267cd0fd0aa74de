import { type Key, keySubject, type SubjectRef } from '../core/subject.js'
import type { Services } from '../middleware/services.js'
import { isHeld, pagesOf } from '../storage/contract/pages.js'
import type { UserRecord, Users } from '../storage/contract/users.js'

/** Returns what all bots know about a subject, combined in the order in which the bots were met. */
export function profileOf({ bots, storage }: Services, key: Key): Promise<UserProfile | undefined> {
  return knownTo(
    bots.all().map(({ id }) => id),
    storage.users,
    key,
  )
}

/** Yields all users that any bot knows, each once; reads the storage page by page. */
export async function* everybody(services: Services): AsyncGenerator<UserProfile, void, undefined> {
  const bots = services.bots.all().map(({ id }) => id)
  const { users } = services.storage
  for (const [index, id] of bots.entries()) {
    const earlier = bots.slice(0, index)
    for await (const page of pagesOf((from) => users.scan(id, from))) {
      for (const record of page.users) {
        // Users that an earlier bot knows were yielded already.
        if (await isHeld(earlier, (bot) => users.get(bot, record.key))) continue
        const later = await knownTo(bots.slice(index + 1), users, record.key)
        yield merged(profile(record), later)
      }
    }
  }
}

async function knownTo(bots: readonly number[], users: Users, key: Key): Promise<UserProfile | undefined> {
  let known: UserProfile | undefined
  for (const bot of bots) {
    const record = await users.get(bot, key)
    if (record === undefined) continue
    known = known === undefined ? profile(record) : merged(known, profile(record))
  }
  return known
}

function profile({ key, ...known }: UserRecord): UserProfile {
  return { subject: keySubject(key), ...known }
}

/** Combines the profiles of two bots. If both store a field, the first bot's value is used. */
function merged(first: UserProfile, second: UserProfile | undefined): UserProfile {
  if (second === undefined) return first
  const counts = new Map(Object.entries(first.counts))
  for (const [name, count] of Object.entries(second.counts)) counts.set(name, (counts.get(name) ?? 0) + count)
  return {
    subject: first.subject,
    firstSeen: Math.min(first.firstSeen, second.firstSeen),
    lastSeen: Math.max(first.lastSeen, second.lastSeen),
    counts: Object.fromEntries(counts),
    data: Object.fromEntries([...Object.entries(second.data), ...Object.entries(first.data)]),
  }
}

/**
 * What `guard.users` knows about a subject; several bots are combined.
 *
 * @example
 * ```ts
 * import type { UserProfile } from 'grammy-sentinel'
 *
 * const line = ({ subject, lastSeen, counts }: UserProfile) =>
 *   `${subject.id}: ${counts.message ?? 0} messages, last seen ${new Date(lastSeen).toISOString()}`
 * ```
 */
export interface UserProfile {
  readonly subject: SubjectRef
  /** In milliseconds since 1970, like `lastSeen`. */
  readonly firstSeen: number
  readonly lastSeen: number
  /** Updates by activity (`message`, `tap` …), stopped updates (`denials`), and your own counts. */
  readonly counts: Readonly<Record<string, number>>
  /** Data that you store with the user, as plain JSON. */
  readonly data: Readonly<Record<string, unknown>>
}
