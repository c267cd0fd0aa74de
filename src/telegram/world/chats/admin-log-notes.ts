import type { Message } from 'grammy/types'
import type { Account } from '../accounts.js'
import type { World } from '../world.js'
import type { StoredMessage } from './chats.js'
import { isAdministrator } from './members.js'

/** Logs a deletion, only if an administrator made it. */
export function noteDeleted(world: World, stored: StoredMessage, by: Account): void {
  const { chat } = stored
  if (chat.kind === 'private' || stored.receiverId !== undefined) return
  if (isAdministrator(world.membership(chat, by.id)))
    world.adminLog.note(chat, by, { what: 'deleted', stored })
}

/** Logs an edit. In channels it need not be the author's. */
export function noteEdited(world: World, stored: StoredMessage, before: Message, by: Account): void {
  const { chat } = stored
  if (chat.kind === 'private' || stored.receiverId !== undefined) return
  world.adminLog.note(chat, by, { what: 'edited', before, stored: { ...stored } })
}
