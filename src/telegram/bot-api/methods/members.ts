import type { ChatAdministratorRights, ChatPermissions } from 'grammy/types'
import type { Account } from '../../world/accounts.js'
import type { SharedChat } from '../../world/chats.js'
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
  type Right,
  untilDateAt,
} from '../../world/members.js'
import { assertMayPromote, assertMayRestrict, changeMembership } from '../../world/membership.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, required, sharedChatOf } from '../call.js'

export const memberMethods: Methods = {
  banChatMember: ban,
  // Telegram still takes the name it had until Bot API 5.3.
  kickChatMember: ban,

  unbanChatMember(call) {
    const { world, bot, params } = call
    const { chat, target } = chatAndTarget(call)
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

  promoteChatMember(call) {
    const { world, bot, params } = call
    const { chat, target } = chatAndTarget(call)
    assertMayPromote(world, chat, bot, target)
    const standing = world.membership(chat, target.id)
    if (!isIn(standing)) throw badRequest('USER_NOT_PARTICIPANT')
    const names = Object.keys(completeRights(chat.kind, {}, false)) as (keyof ChatAdministratorRights)[]
    const asked: Partial<ChatAdministratorRights> = Object.fromEntries(
      names.map((name) => [name, params.flag(name)]),
    )
    const rights = completeRights(chat.kind, asked, false)
    if (!grantsAnything(rights)) {
      if (standing.status === 'administrator')
        changeMembership(world, { chat, target, next: MEMBER, performer: bot })
      return true
    }
    const own = world.membership(chat, bot.id)
    if (
      names.some((name) => name !== 'is_anonymous' && rights[name] === true && !hasRight(own, name as Right))
    )
      throw badRequest('RIGHT_FORBIDDEN')
    const next: Membership = {
      status: 'administrator',
      rights: { ...rights, can_manage_chat: true },
      promotedBy: bot.id,
    }
    changeMembership(world, { chat, target, next, performer: bot })
    return true
  },
}

/** What they wrote stays: `revoke_messages` is about what the banned person still sees, and that is nothing. */
function ban(call: Call): true {
  const { world, bot, params } = call
  const { chat, target } = chatAndTarget(call)
  assertMayRestrict(world, chat, bot, target)
  const untilDate = untilDateAt(params.integer('until_date'), world.date())
  changeMembership(world, { chat, target, next: { status: 'kicked', untilDate }, performer: bot })
  return true
}

function chatAndTarget(call: Call): { chat: SharedChat; target: Account } {
  const userId = required(call, 'user_id', 'invalid user_id specified')
  const chat = sharedChatOf(call)
  const target = call.world.accounts.find(userId)
  if (target === undefined) throw badRequest('user not found')
  return { chat, target }
}
