import type { World } from '../world.js'
import { isGroup, type SharedChat, type StoredMessage } from './chats.js'
import { isIn, isPermitted, type Permissions } from './members.js'

/**
 * Whether an account can read a chat: a member can; anybody can if the chat is public; and those who can read a channel can read
 * its discussion group, because its comments are shown below the posts. Somebody who is banned cannot.
 */
export function canRead(world: World, chat: SharedChat, accountId: number): boolean {
  const standing = world.membership(chat, accountId)
  if (isIn(standing)) return true
  if (standing.status === 'kicked') return false
  if (chat.username !== undefined) return true
  const channel = isGroup(chat) && chat.linkedId !== undefined ? world.sharedChat(chat.linkedId) : undefined
  return channel !== undefined && canRead(world, channel, accountId)
}

/** Whether an account can see a message: ephemeral ones only its author and its receiver can. */
export function canSee(world: World, stored: StoredMessage, accountId: number): boolean {
  const { chat, receiverId, authorId } = stored
  if (receiverId !== undefined && receiverId !== accountId && authorId !== accountId) return false
  if (chat.kind === 'private') return accountId === chat.person.id || accountId === chat.bot.id
  return canRead(world, chat, accountId)
}

/**
 * Whether somebody may write without joining, which only discussion groups allow (`get_channel_join_to_send` in
 * td/telegram/ChatManager.cpp).
 */
export function mayComment(world: World, chat: SharedChat, accountId: number): boolean {
  return isGroup(chat) && chat.linkedId !== undefined && !chat.joinToWrite && canRead(world, chat, accountId)
}

/** Whether an account has a permission in a chat, as a member or as somebody who comments without joining. */
export function isAllowed(
  world: World,
  chat: SharedChat,
  accountId: number,
  permission: keyof Permissions,
): boolean {
  const membership = world.membership(chat, accountId)
  return isPermitted(chat, membership, permission, isIn(membership) || mayComment(world, chat, accountId))
}
