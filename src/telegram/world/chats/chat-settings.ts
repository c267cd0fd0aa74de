import type { Account } from '../accounts.js'
import type { StoredFile } from '../media/files.js'
import { photoSizes } from '../media/media.js'
import { post } from '../messages/posting.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import { isGroup, type SharedChat } from './chats.js'
import { hasRight, mayManage, type Permissions } from './members.js'

/** In characters (Bot API, setChatTitle and setChatDescription). */
const LONGEST_TITLE = 128
const LONGEST_DESCRIPTION = 255
/** Delays of slow mode that Telegram allows, in seconds (set_channel_slow_mode_delay in td/telegram/ChatManager.cpp). */
const SLOW_MODES: readonly number[] = [0, 5, 10, 30, 60, 300, 900, 3600]
/**
 * In seconds. Any value up to this is accepted, although Telegram documents "must be from 0 up to 365 * 86400 and be divisible by
 * 86400": its apps offer others, too.
 */
const LONGEST_LIFE = 365 * 86_400

/** Renames a chat, with a service message unless the title is unchanged. */
export function setTitle(world: World, chat: SharedChat, author: Account, given: string): void {
  const title = given.trim().slice(0, LONGEST_TITLE)
  if (title === '') throw badRequest('title must be non-empty')
  if (!mayChangeInfo(world, chat, author)) throw badRequest('not enough rights to change chat title')
  if (title === chat.title) return
  world.adminLog.note(chat, author, { what: 'title', before: chat.title, after: title })
  chat.title = title
  post(world, chat, { author, content: { new_chat_title: title } })
}

/** Sets the description of a chat, without a service message. */
export function setDescription(world: World, chat: SharedChat, author: Account, given: string): void {
  if (given.length > LONGEST_DESCRIPTION) throw badRequest('CHAT_ABOUT_TOO_LONG')
  if (!mayChangeInfo(world, chat, author)) throw badRequest('not enough rights to set chat description')
  const description = given.trim()
  if (description === (chat.description ?? '')) throw badRequest('chat description is not modified')
  world.adminLog.note(chat, author, { what: 'about', before: chat.description ?? '', after: description })
  chat.description = description === '' ? undefined : description
}

/** Sets or removes the photo of a chat, with a service message. */
export function setPhoto(
  world: World,
  chat: SharedChat,
  author: Account,
  photo: StoredFile | undefined,
): void {
  if (!mayChangeInfo(world, chat, author)) throw badRequest('not enough rights to change chat photo')
  if (photo === undefined && chat.photo === undefined) throw badRequest('CHAT_NOT_MODIFIED')
  chat.photo = photo
  const content =
    photo === undefined ? { delete_chat_photo: true as const } : { new_chat_photo: photoSizes(photo) }
  post(world, chat, { author, content })
}

/** Sets what ordinary members may do. */
export function setPermissions(
  world: World,
  chat: SharedChat,
  author: Account,
  permissions: Permissions,
): void {
  if (!isGroup(chat)) throw badRequest("can't change channel chat permissions")
  if (!hasRight(world.membership(chat, author.id), 'can_restrict_members'))
    throw badRequest('not enough rights to change chat permissions')
  chat.permissions = permissions
}

/** Sets how long members must wait between two messages. */
export function setSlowMode(world: World, chat: SharedChat, author: Account, seconds: number): void {
  if (chat.kind !== 'supergroup') throw badRequest('chat is not a supergroup')
  if (!SLOW_MODES.includes(seconds)) throw badRequest('invalid new value for slow mode delay')
  if (!hasRight(world.membership(chat, author.id), 'can_restrict_members'))
    throw badRequest('not enough rights in the supergroup')
  if (seconds !== chat.slowModeDelay)
    world.adminLog.note(chat, author, { what: 'slow mode', before: chat.slowModeDelay, after: seconds })
  chat.slowModeDelay = seconds
  chat.turns.clear()
}

/** Sets how long new messages are kept, with a service message. */
export function setAutoDelete(world: World, chat: SharedChat, author: Account, seconds: number): void {
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > LONGEST_LIFE)
    throw badRequest('message auto-delete time must be from 0 to 365 days')
  const membership = world.membership(chat, author.id)
  const may = hasRight(membership, chat.kind === 'channel' ? 'can_delete_messages' : 'can_change_info')
  if (!may) throw badRequest('not enough rights to change message auto-delete time in the chat')
  if (seconds === chat.autoDeleteTime) return
  world.adminLog.note(chat, author, { what: 'auto-delete', before: chat.autoDeleteTime, after: seconds })
  chat.autoDeleteTime = seconds
  const told = { message_auto_delete_time: seconds }
  post(world, chat, { author, content: { message_auto_delete_timer_changed: told } })
}

/** Sets the sticker set of a supergroup. */
export function setStickerSet(
  world: World,
  chat: SharedChat,
  author: Account,
  name: string | undefined,
): void {
  if (!mayChangeInfo(world, chat, author))
    throw badRequest('not enough rights to change supergroup sticker set')
  if (name !== undefined && world.stickerSets.find(name) === undefined) throw badRequest('STICKERSET_INVALID')
  chat.stickerSetName = name
}

/** Bans a channel from writing in the chat, or unbans it. */
export function setSenderBanned(
  world: World,
  chat: SharedChat,
  author: Account,
  senderId: number,
  banned: boolean,
): void {
  const sender = world.sharedChat(senderId)
  if (sender === undefined) throw badRequest('chat not found')
  if (sender.kind !== 'channel' || sender === chat) throw badRequest("can't restrict the chat")
  if (!hasRight(world.membership(chat, author.id), 'can_restrict_members'))
    throw badRequest('not enough rights to restrict/unrestrict chat member')
  if (banned) chat.bannedSenders.add(senderId)
  else chat.bannedSenders.delete(senderId)
}

function mayChangeInfo(world: World, chat: SharedChat, author: Account): boolean {
  return mayManage(chat, world.membership(chat, author.id), 'can_change_info')
}
