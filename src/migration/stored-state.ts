import type { Ms } from '../core/duration.js'
import { chatKey, type Key, keySubject, memberKey, senderKey, subjectKey } from '../core/subject.js'
import { outlasts } from '../middleware/block/block-list.js'
import { BLOCKED } from '../middleware/block.js'
import { readMark } from '../middleware/membership/read-mark.js'
import { RECONCILED, Roster } from '../middleware/membership/roster.js'
import type { Services } from '../middleware/services.js'
import { ROLE_MARK } from '../middleware/throttle/runtime-limits.js'
import { PAUSED } from '../outgoing/pause-mark.js'
import { pagesOf } from '../storage/contract/pages.js'
import type { Mark, Marks } from '../storage/contract/storage.js'

/** A group that has become a supergroup. */
export interface Move {
  readonly bot: number
  readonly from: number
  readonly to: number
  /** Keys under the new id to which the block was copied. A repetition does not copy it again: it may have been lifted meanwhile. */
  readonly copied: Set<Key>
}

/**
 * The mark of a group whose blocks are kept under the new id, too. Telegram announces the move twice, perhaps to two processes,
 * and a block that was lifted between the two messages must not return with the second one.
 */
const MOVED = 'moved'
/** Twice the day for which Telegram delivers updates. */
const MOVED_FOR: Ms = 2 * 86_400_000

/**
 * Marks that {@link moveMarks} does not move. Telegram limits the old chat, not the new one. A roster is marked as complete when
 * its members have been moved. A block is kept under both ids: updates about the move itself still come from the old group.
 */
const STAYS: ReadonlySet<string> = new Set([PAUSED, RECONCILED, BLOCKED, MOVED])

/**
 * Moves what is stored for a group to its new id; otherwise a blocked group would be free again. Blocks, of the group as a chat
 * and as a sender, are kept under both ids. All other marks are moved. May be repeated after a failure.
 */
export async function moveMarks(services: Services, move: Move): Promise<void> {
  const { bot, from, to } = move
  const { marks } = services.storage
  const keys = [chatKey, senderKey].map((keyOf) => [keyOf(from), keyOf(to)] as const)
  await copyBlocks(services, move, keys)
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
    for await (const { entries } of pagesOf((next) => marks.scan(bot, name, next))) {
      for (const { key, mark } of entries) {
        const { kind, id, actor } = keySubject(key)
        if (kind !== 'member' || id !== from || actor === undefined) continue
        const holder = subjectKey(actor)
        // The group's anonymous administrators write as the supergroup from now on.
        there.push([key, memberKey(holder === senderKey(from) ? senderKey(to) : holder, to), mark])
      }
    }
    for (const [old, key, mark] of there) await moveMark(marks, bot, name, mark, old, key)
  }
  await new Roster(marks, bot, to).takeOver(from, clock())
}

/** Copies blocks before all else, and all of them even if one fails: while the storage is down, they hold in this process. */
async function copyBlocks(
  services: Services,
  move: Move,
  keys: readonly (readonly [old: Key, key: Key])[],
): Promise<void> {
  const { storage, clock } = services
  const { bot, from, to } = move
  const group = chatKey(from)
  // While the storage is down, this cannot be read, but blocks can, from a copy. They must not wait for its time-out first.
  const moved = readMark(storage.marks, bot, group, MOVED)
  const failures: unknown[] = []
  for (const [old, key] of keys) {
    await copyBlock(services, move, old, key, moved).catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
  if ((await moved) !== undefined) return
  const since = clock()
  await storage.marks.put(bot, MOVED, [{ key: group, mark: { since, until: since + MOVED_FOR, value: to } }])
}

/** Copies a block, unless one that lasts as long is there, or the group has the mark {@link MOVED}. */
async function copyBlock(
  { storage: { marks }, events }: Services,
  { bot, copied }: Move,
  old: Key,
  key: Key,
  moved: Promise<Mark | undefined>,
): Promise<void> {
  if (copied.has(key)) return
  const mark = await marks.get(bot, old, BLOCKED)
  if ((await moved) !== undefined) return
  if (mark !== undefined && outlasts(mark, await marks.get(bot, key, BLOCKED))) {
    try {
      await marks.put(bot, BLOCKED, [{ key, mark }])
    } catch (error) {
      // While the storage is down, a block holds in this process and is written later. If it does, it is copied.
      if (outlasts(mark, await marks.get(bot, key, BLOCKED))) throw error
    }
    events.tell('blocked', { bot, key, reason: mark.reason })
  }
  copied.add(key)
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
