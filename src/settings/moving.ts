import { chatKey, type Key, keySubject, memberKey, senderKey, subjectKey } from '../core/subject.js'
import { outlasts } from '../middleware/block/block-list.js'
import { BLOCKED } from '../middleware/block.js'
import type { Services } from '../middleware/services.js'
import { ROLE_MARK } from '../middleware/throttle/runtime-limits.js'
import type { Mark, Marks } from '../storage/storage.js'

/**
 * Moves what is stored for a group to its new id when it becomes a supergroup; otherwise a blocked group would be free again.
 * Blocks, of the group as a chat and as a sender, are kept under both ids. Its limits and settings are moved. Roles granted in
 * the group are moved in the background, because every holder of a role has to be checked.
 */
export async function moveChat(services: Services, bot: number, from: number, to: number): Promise<void> {
  const { marks } = services.storage
  for (const keyOf of [chatKey, senderKey]) {
    const [old, key] = [keyOf(from), keyOf(to)]
    for (const [name, mark] of await marks.of(bot, old)) {
      const isNew = await copyMark(marks, bot, name, mark, key)
      // Updates about the move itself still come from the old group, so its block stays.
      if (name !== BLOCKED) await marks.remove(bot, name, [old])
      else if (isNew) services.events.tell('blocked', { bot, key, reason: mark.reason })
    }
  }
  if (services.roles.names.length === 0) return
  if (services.background.run('chats.roles', () => moveRoles(services, bot, from, to))) return
  throw new Error('too much work in progress for the roles of a chat')
}

async function moveRoles(
  { roles, storage: { marks } }: Services,
  bot: number,
  from: number,
  to: number,
): Promise<void> {
  for (const role of roles.names) {
    const name = `${ROLE_MARK}${role}`
    const there: [Key, Key, Mark][] = []
    let next: string | undefined
    do {
      const page = await marks.scan(bot, name, next)
      for (const { key, mark } of page.entries) {
        const { kind, id, actor } = keySubject(key)
        if (kind === 'member' && id === from && actor !== undefined) {
          there.push([key, memberKey(subjectKey(actor), to), mark])
        }
      }
      next = page.next
    } while (next !== undefined)
    for (const [old, key, mark] of there) {
      await copyMark(marks, bot, name, mark, key)
      await marks.remove(bot, name, [old])
    }
  }
}

/** Copies a mark; returns whether it was written. An existing mark under the new id stays, unless it is a block that ends sooner. */
async function copyMark(marks: Marks, bot: number, name: string, mark: Mark, to: Key): Promise<boolean> {
  const there = await marks.get(bot, to, name)
  if (there !== undefined && !(name === BLOCKED && outlasts(mark, there))) return false
  await marks.put(bot, name, [{ key: to, mark }])
  return true
}
