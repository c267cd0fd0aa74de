import type { ChatAdministratorRights, ChatPermissions } from 'grammy/types'
import type { Account } from '../../world/accounts.js'
import type { SharedChat } from '../../world/chats/chats.js'
import {
  completePermissions,
  completeRights,
  grantsAnything,
  hasRight,
  isIn,
  isUnrestricted,
  LEFT,
  MEMBER,
  type Membership,
  untilDateAt,
} from '../../world/chats/members.js'
import {
  assertMayGive,
  assertMayPromote,
  assertMayRestrict,
  bannedFrom,
  changeMembership,
} from '../../world/chats/membership.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, required, sharedChatOf } from '../call.js'

export const memberMethods: Methods = {
  banChatMember: ban,
  // The name that banChatMember had until Bot API 5.3, still accepted by Telegram.
  kickChatMember: ban,

  unbanChatMember(call) {
    const { world, bot, params } = call
    const { chat, target } = superchatAndTarget(call)
    const { status } = world.membership(chat, target.id)
    if (params.flag('only_if_banned') && status !== 'kicked') return true
    assertMayRestrict(world, chat, bot, target)
    if (status !== 'left') changeMembership(world, { chat, target, next: LEFT, performer: bot })
    return true
  },

  restrictChatMember(call) {
    const { world, bot, params } = call
    const { chat, target } = chatAndTarget(call)
    if (chat.kind !== 'supergroup') throw badRequest('method is available only for supergroups')
    const given = params.object('permissions')
    if (given === undefined) throw badRequest("can't parse permissions: expected an Object")
    assertMayRestrict(world, chat, bot, target)
    const standing = world.membership(chat, target.id)
    const permissions = completePermissions(
      given as ChatPermissions,
      params.flag('use_independent_chat_permissions'),
    )
    const isMember = isIn(standing)
    const untilDate = untilDateAt(params.integer('until_date'), world.date())
    const free: Membership = isMember ? MEMBER : LEFT
    const next: Membership = isUnrestricted(permissions)
      ? free
      : { status: 'restricted', isMember, permissions, untilDate }
    changeMembership(world, { chat, target, next, performer: bot })
    return true
  },

  setChatAdministratorCustomTitle(call) {
    const { world, bot, params } = call
    const { chat, target } = groupAndTarget(call)
    const standing = world.membership(chat, target.id)
    if (standing.status === 'creator') throw badRequest('only the owner can edit their custom title')
    if (standing.status !== 'administrator') throw badRequest('user is not an administrator')
    if (standing.promotedBy !== bot.id || !hasRight(world.membership(chat, bot.id), 'can_promote_members'))
      throw badRequest('not enough rights to change custom title of the user')
    const customTitle = titleIn(params.text('custom_title') ?? '', 'CUSTOM_TITLE')
    const { customTitle: _, ...rest } = standing
    const next: Membership = customTitle === '' ? rest : { ...rest, customTitle }
    changeMembership(world, { chat, target, next, performer: bot, isTag: true })
    return true
  },

  setChatMemberTag(call) {
    const { world, bot, params } = call
    const { chat, target } = groupAndTarget(call)
    if (!hasRight(world.membership(chat, bot.id), 'can_manage_tags')) throw badRequest('CHAT_ADMIN_REQUIRED')
    const standing = world.membership(chat, target.id)
    if (standing.status !== 'member' && standing.status !== 'restricted')
      throw badRequest(isIn(standing) ? 'USER_ADMIN_INVALID' : 'USER_NOT_PARTICIPANT')
    const tag = titleIn(params.text('tag') ?? '', 'TAG')
    const { tag: _, ...rest } = standing
    const next = tag === '' ? rest : { ...rest, tag }
    changeMembership(world, { chat, target, next, performer: bot, isTag: true })
    return true
  },

  promoteChatMember(call) {
    const { world, bot, params } = call
    const { chat, target } = superchatAndTarget(call)
    assertMayPromote(world, chat, bot, target)
    const standing = world.membership(chat, target.id)
    if (!isIn(standing)) throw badRequest('USER_NOT_PARTICIPANT')
    const names = Object.keys(completeRights(chat.kind, {}, false)) as (keyof ChatAdministratorRights)[]
    const asked: Partial<ChatAdministratorRights> = Object.fromEntries(
      names.map((name) => [name, params.flag(name)]),
    )
    // The name of this right until Bot API 6.0, still accepted by Telegram.
    if (params.flag('can_manage_voice_chats')) asked.can_manage_video_chats = true
    // In channels this right is granted along with others, unless the call names it (process_promote_chat_member_query in
    // Client.cpp).
    if (chat.kind === 'channel' && !params.has('can_restrict_members') && grantsAnything(asked))
      asked.can_restrict_members = true
    const rights = completeRights(chat.kind, asked, false)
    if (!grantsAnything(rights)) {
      if (standing.status === 'administrator')
        changeMembership(world, { chat, target, next: MEMBER, performer: bot })
      return true
    }
    assertMayGive(world, chat, bot, rights)
    const next: Membership = {
      status: 'administrator',
      rights: { ...rights, can_manage_chat: true },
      promotedBy: bot.id,
    }
    changeMembership(world, { chat, target, next, performer: bot })
    return true
  },
}

/** Bans a user. `revoke_messages` has no effect: it concerns what the banned user still sees, which is nothing here. */
function ban(call: Call): true {
  const { world, bot, params } = call
  const { chat, target } = chatAndTarget(call)
  assertMayRestrict(world, chat, bot, target)
  const next = bannedFrom(chat, untilDateAt(params.integer('until_date'), world.date()))
  changeMembership(world, { chat, target, next, performer: bot })
  return true
}

/** "0-16 characters, emoji are not allowed." */
function titleIn(given: string, called: 'CUSTOM_TITLE' | 'TAG'): string {
  const title = given.trim()
  if ([...title].length > 16) throw badRequest(`${called}_INVALID`)
  if (/\p{Extended_Pictographic}/u.test(title)) throw badRequest(`${called}_EMOJI_NOT_ALLOWED`)
  return title
}

function superchatAndTarget(call: Call): { chat: SharedChat; target: Account } {
  const found = chatAndTarget(call)
  if (found.chat.kind === 'group')
    throw badRequest('method is available for supergroup and channel chats only')
  return found
}

function groupAndTarget(call: Call): { chat: SharedChat; target: Account } {
  const found = chatAndTarget(call)
  if (found.chat.kind === 'channel') throw badRequest('method is available only for groups and supergroups')
  return found
}

function chatAndTarget(call: Call): { chat: SharedChat; target: Account } {
  const userId = required(call, 'user_id', 'invalid user_id specified')
  const chat = sharedChatOf(call)
  const target = call.world.accounts.find(userId)
  if (target === undefined) throw badRequest('user not found')
  return { chat, target }
}
