import type { ChatFullInfo, ChatPhoto } from 'grammy/types'
import type { SharedChat } from '../../world/chats/chats.js'
import { primaryInvite } from '../../world/chats/invites.js'
import { describeMember, isAdministrator, isIn, LEFT } from '../../world/chats/members.js'
import { changeMembership } from '../../world/chats/membership.js'
import { pinnedIn } from '../../world/chats/pins.js'
import { fileIdOf, type StoredFile, uniqueIdOf } from '../../world/media/files.js'
import { badRequest } from '../../world/refusal.js'
import { assertPresent, type Call, chatOf, type Methods, required, sharedChatOf } from '../call.js'

/** Fields of every full chat, with fixed values. */
const COMMON = {
  accent_color_id: 0,
  max_reaction_count: 11,
  accepted_gift_types: {
    unlimited_gifts: true,
    limited_gifts: true,
    unique_gifts: true,
    premium_subscription: true,
    gifts_from_channels: true,
  },
}

export const chatMethods: Methods = {
  getChat(call): ChatFullInfo {
    const chat = chatOf(call)
    const pinned = pinnedIn(chat)[0]
    const shown = {
      ...(pinned !== undefined && {
        pinned_message: pinned.message as NonNullable<ChatFullInfo['pinned_message']>,
      }),
      ...COMMON,
    }
    if (chat.kind === 'private') {
      if (!chat.started && !sharesChat(call, chat.person.id)) throw badRequest('chat not found')
      const { id, first_name, last_name, username } = chat.person.user
      const photo = call.world.profilePhotos.get(id)?.[0]
      return {
        id,
        type: 'private',
        first_name,
        ...(last_name !== undefined && { last_name }),
        ...(username !== undefined && { username, active_usernames: [username] }),
        ...(photo !== undefined && { photo: chatPhoto(photo) }),
        ...shown,
      }
    }
    if (chat.username === undefined) assertPresent(call, chat)
    const invite = primaryInvite(chat, call.bot.id)
    const described = {
      id: chat.id,
      title: chat.title,
      ...(chat.username !== undefined && { username: chat.username, active_usernames: [chat.username] }),
      ...(chat.linkedId !== undefined && { linked_chat_id: chat.linkedId }),
      ...(invite !== undefined && { invite_link: invite.url }),
      ...(chat.description !== undefined && { description: chat.description }),
      ...(chat.photo !== undefined && { photo: chatPhoto(chat.photo) }),
      ...(chat.autoDeleteTime > 0 && { message_auto_delete_time: chat.autoDeleteTime }),
      ...shown,
    }
    if (chat.kind === 'channel') return { ...described, type: 'channel' }
    const { permissions } = chat
    if (chat.kind === 'group') {
      const { username: _, active_usernames: __, linked_chat_id: ___, ...basic } = described
      return { ...basic, type: 'group', permissions }
    }
    return {
      ...described,
      type: 'supergroup',
      permissions,
      ...(chat.forum !== undefined && { is_forum: true as const }),
      ...((chat.joinToWrite || chat.linkedId === undefined) && { join_to_send_messages: true as const }),
      ...(chat.slowModeDelay > 0 && { slow_mode_delay: chat.slowModeDelay }),
      ...(chat.stickerSetName !== undefined && { sticker_set_name: chat.stickerSetName }),
    }
  },

  getChatMember(call) {
    const { world, bot } = call
    const userId = required(call, 'user_id', 'invalid user_id specified')
    const chat = chatOf(call)
    const account = world.accounts.find(userId)
    if (account === undefined) throw badRequest('user not found')
    if (chat.kind === 'private') {
      if (userId !== chat.person.id && userId !== bot.id) throw badRequest('user not found')
      return describeMember(account.user, { status: 'member' }, bot.id)
    }
    if (chat.username === undefined) assertPresent(call, chat)
    return describeMember(account.user, world.membership(chat, userId), bot.id)
  },

  getChatMemberCount: countMembers,
  // The name that getChatMemberCount had until Bot API 5.3, still accepted by Telegram.
  getChatMembersCount: countMembers,

  /** Omits other bots, as Telegram does, but not the calling bot. */
  getChatAdministrators(call) {
    const { world, bot } = call
    const chat = chatOf(call)
    if (chat.kind === 'private') throw badRequest('there are no administrators in the private chat')
    assertPresent(call, chat)
    return administrators(call, chat).map((account) => {
      const described = describeMember(account.user, world.membership(chat, account.id), bot.id)
      if (described.status !== 'creator' && described.status !== 'administrator')
        throw badRequest('CHAT_ADMIN_REQUIRED')
      return described
    })
  },

  leaveChat(call) {
    const { world, bot } = call
    const chat = sharedChatOf(call)
    if (world.membership(chat, bot.id).status === 'creator') throw badRequest("can't remove chat owner")
    changeMembership(world, { chat, target: bot, next: LEFT, performer: bot })
    return true
  },
}

function chatPhoto(photo: StoredFile): ChatPhoto {
  const [id, uniqueId] = [fileIdOf(photo, 'chat_photo'), uniqueIdOf(photo, 'chat_photo')]
  return {
    small_file_id: id,
    small_file_unique_id: uniqueId,
    big_file_id: id,
    big_file_unique_id: uniqueId,
  }
}

function countMembers(call: Call): number {
  const chat = chatOf(call)
  if (chat.kind === 'private') return 2
  assertPresent(call, chat)
  return call.world.membersOf(chat).length
}

function administrators({ world, bot }: Call, chat: SharedChat) {
  return world
    .membersOf(chat)
    .filter((account) => isAdministrator(world.membership(chat, account.id)))
    .filter((account) => account.kind === 'person' || account === bot)
}

function sharesChat({ world, bot }: Call, personId: number): boolean {
  return world
    .chats()
    .some(
      (chat) =>
        chat.kind !== 'private' &&
        isIn(world.membership(chat, bot.id)) &&
        isIn(world.membership(chat, personId)),
    )
}
