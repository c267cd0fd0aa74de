import type { Account } from '../accounts.js'
import type { SharedChat, WorldChat } from '../chats/chats.js'
import { hasRight, isAdministrator, type Permissions } from '../chats/members.js'
import { isAllowed } from '../chats/visitors.js'
import { badRequest, Refusal } from '../refusal.js'
import type { World } from '../world.js'
import type { Content } from './content.js'

/**
 * For each kind of content, the permission it requires and its name in Telegram's error text (can_send_message_content in
 * td/telegram/MessageContent.cpp).
 */
const NEEDS = [
  ['animation', 'can_send_other_messages', 'animations'],
  ['photo', 'can_send_photos', 'photos'],
  ['video', 'can_send_videos', 'videos'],
  ['video_note', 'can_send_video_notes', 'video notes'],
  ['voice', 'can_send_voice_notes', 'voice notes'],
  ['audio', 'can_send_audios', 'music'],
  ['document', 'can_send_documents', 'documents'],
  ['poll', 'can_send_polls', 'polls'],
  ['sticker', 'can_send_other_messages', 'stickers'],
  ['game', 'can_send_other_messages', 'games'],
  ['dice', 'can_send_other_messages', 'dice'],
  ['venue', 'can_send_messages', 'venues'],
  ['location', 'can_send_messages', 'locations'],
  ['contact', 'can_send_messages', 'contacts'],
  ['invoice', 'can_send_messages', 'invoice messages'],
] as const satisfies readonly (readonly [keyof Content, keyof Permissions, string])[]

/** The permission that a message requires. */
export function permissionFor(content: Content): keyof Permissions {
  return needOf(content).permission
}

function needOf(content: Content): { readonly permission: keyof Permissions; readonly called: string } {
  const need = NEEDS.find(([name]) => content[name] !== undefined)
  if (need === undefined) return { permission: 'can_send_messages', called: 'text messages' }
  const [, permission, called] = need
  return { permission, called }
}

interface Speech {
  readonly content: Content
  /** The channel in whose name they write. */
  readonly voice?: SharedChat | undefined
}

/**
 * Checks whether somebody may write a message in a group or channel.
 *
 * @throws Refusal in Telegram's words: for a missing right, a banned sender, or slow mode (429).
 */
export function assertMaySpeak(world: World, chat: WorldChat, author: Account, speech: Speech): void {
  if (chat.kind === 'private') return
  assertNotUpgraded(chat)
  const membership = world.membership(chat, author.id)
  if (chat.kind === 'channel') {
    if (!hasRight(membership, 'can_post_messages'))
      throw badRequest('need administrator rights in the channel chat')
    return
  }
  const { content, voice } = speech
  if (voice !== undefined && chat.bannedSenders.has(voice.id)) throw badRequest('USER_BANNED_IN_CHANNEL')
  const { permission, called } = needOf(content)
  if (!isAllowed(world, chat, author.id, permission))
    throw badRequest(`not enough rights to send ${called} to the chat`)
  if (isAdministrator(membership)) return
  const turn = chat.turns.get(author.id)
  if (turn === undefined || (turn.album !== undefined && turn.album === content.media_group_id)) return
  const wait = Math.ceil((turn.at - world.clock.now()) / 1000)
  if (wait > 0) throw new Refusal(429, `Too Many Requests: retry after ${wait}`, { retry_after: wait })
}

/** @throws Refusal naming the supergroup, if the basic group was upgraded. */
export function assertNotUpgraded({ migratedTo }: SharedChat): void {
  if (migratedTo === undefined) return
  throw new Refusal(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
    migrate_to_chat_id: migratedTo.id,
  })
}

/** Notes a message for slow mode. Entries that have expired are dropped once there are many. */
export function noteTurn(world: World, chat: SharedChat, authorId: number, album: string | undefined): void {
  if (chat.slowModeDelay === 0 || isAdministrator(world.membership(chat, authorId))) return
  const now = world.clock.now()
  if (chat.turns.size >= MANY_WAITING)
    for (const [id, { at }] of chat.turns) if (at <= now) chat.turns.delete(id)
  chat.turns.set(authorId, { at: now + chat.slowModeDelay * 1000, album })
}

const MANY_WAITING = 10_000
