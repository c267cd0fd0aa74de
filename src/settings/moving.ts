import { chatKey, type Key, keySubject, memberKey, senderKey, subjectKey } from '../core/subject.js'
import { outlasts } from '../middleware/block/block-list.js'
import { BLOCKED } from '../middleware/block.js'
import { RECONCILED, Roster } from '../middleware/membership/roster.js'
import type { Services } from '../middleware/services.js'
import { ROLE_MARK } from '../middleware/throttle/runtime-limits.js'
import { PAUSED } from '../outgoing/pause-mark.js'
import type { Mark, Marks } from '../storage/storage.js'

/** A group that has become a supergroup. */
export interface Move {
  readonly bot: number
  readonly from: number
  readonly to: number
  /** Keys under the new id whose block has been put, but not reported yet. */
  readonly unreported: Set<Key>
}

/**
 * Marks that {@link moveMarks} does not move. Telegram limits the old chat, not the new one. A roster is marked as complete when
 * its members have been moved. A block is kept under both ids: updates about the move itself still come from the old group.
 */
const STAYS: ReadonlySet<string> = new Set([PAUSED, RECONCILED, BLOCKED])

/**
 * Moves what is stored for a group to its new id; otherwise a blocked group would be free again. Blocks, of the group as a chat
 * and as a sender, are kept under both ids. All other marks are moved. May be repeated after a failure.
 */
export async function moveMarks(services: Services, move: Move): Promise<void> {
  const { bot, from, to } = move
  const { marks } = services.storage
  const keys = [chatKey, senderKey].map((keyOf) => [keyOf(from), keyOf(to)] as const)
  // Blocks first, and both even if one fails: while the storage is down, they are read from a copy and hold in this process.
  const failures: unknown[] = []
  for (const [old, key] of keys) {
    await copyBlock(services, move, old, key).catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
  for (const [old, key] of keys) {
    for (const [name, mark] of await marks.of(bot, old)) {
      if (!STAYS.has(name)) await moveMark(marks, bot, name, mark, old, key)
    }
  }
}

/** Moves the roles granted in a group, for which every holder of a role has to be checked, and its roster. May be repeated. */
export async function moveMembers(services: Services, { bot, from, to }: Move): Promise<void> {
  const { roles, storage, clock } = services
  const { marks } = storage
  for (const role of roles.names) {
    const name = `${ROLE_MARK}${role}`
    const there: [Key, Key, Mark][] = []
    let next: string | undefined
    do {
      const page = await marks.scan(bot, name, next)
      for (const { key, mark } of page.entries) {
        const { kind, id, actor } = keySubject(key)
        if (kind !== 'member' || id !== from || actor === undefined) continue
        const holder = subjectKey(actor)
        // The group's anonymous administrators write as the supergroup from now on.
        there.push([key, memberKey(holder === senderKey(from) ? senderKey(to) : holder, to), mark])
      }
      next = page.next
    } while (next !== undefined)
    for (const [old, key, mark] of there) await moveMark(marks, bot, name, mark, old, key)
  }
  await new Roster(marks, bot, to).takeOver(from, clock())
}

/** Copies a block, unless one that lasts as long is there. */
async function copyBlock(
  { storage: { marks }, events }: Services,
  { bot, unreported }: Move,
  old: Key,
  key: Key,
): Promise<void> {
  const mark = await marks.get(bot, old, BLOCKED)
  if (mark === undefined) return
  if (outlasts(mark, await marks.get(bot, key, BLOCKED))) {
    unreported.add(key)
    await marks.put(bot, BLOCKED, [{ key, mark }])
  }
  if (unreported.delete(key)) events.tell('blocked', { bot, key, reason: mark.reason })
}

/** Moves a mark. One that exists under the new id already is newer, and stays. */
async function moveMark(
  marks: Marks,
  bot: number,
  name: string,
  mark: Mark,
  old: Key,
  key: Key,
): Promise<void> {
  if ((await marks.get(bot, key, name)) === undefined) await marks.put(bot, name, [{ key, mark }])
  await marks.remove(bot, name, [old])
}
