import type { Account } from '../accounts.js'
import { post, withoutReply } from '../messages/posting.js'
import { isService } from '../messages/service-messages.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import type { StoredMessage, WorldChat } from './chats.js'
import { hasRight, mayManage } from './members.js'
import { topicOfMessage } from './topics.js'

/** Pins a message, with a service message. */
export function pin(world: World, stored: StoredMessage, author: Account): void {
  const { chat, message } = stored
  assertMayPin(world, chat, author)
  if (isService(message) || message.ephemeral_message_id !== undefined)
    throw badRequest("message can't be pinned")
  if (chat.history.pinned.has(message.message_id)) return
  chat.history.pinned.add(message.message_id)
  if (chat.kind !== 'private') world.adminLog.note(chat, author, { what: 'pinned', stored })
  const content = { pinned_message: withoutReply(message) }
  post(world, chat, { author, content, thread: topicOfMessage(stored) })
}

/** Unpins messages; those that are not pinned are ignored. */
export function unpin(
  world: World,
  chat: WorldChat,
  author: Account,
  messages: readonly StoredMessage[],
): void {
  assertMayPin(world, chat, author)
  for (const { message } of messages) chat.history.pinned.delete(message.message_id)
}

/** Pinned messages, most recently sent first. */
export function pinnedIn(chat: WorldChat): readonly StoredMessage[] {
  return [...chat.history.pinned]
    .sort((a, b) => b - a)
    .map((id) => chat.history.find(id))
    .filter((stored) => stored !== undefined)
}

function assertMayPin(world: World, chat: WorldChat, author: Account): void {
  if (chat.kind === 'private') return
  const membership = world.membership(chat, author.id)
  const may =
    chat.kind === 'channel'
      ? hasRight(membership, 'can_edit_messages')
      : mayManage(chat, membership, 'can_pin_messages')
  if (!may) throw badRequest('not enough rights to manage pinned messages in the chat')
}
