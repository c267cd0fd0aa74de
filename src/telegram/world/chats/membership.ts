import type { ChatAdministratorRights, ChatMemberUpdated } from 'grammy/types'
import type { Account, PersonAccount } from '../accounts.js'
import { post } from '../messages/posting.js'
import { assertNotUpgraded } from '../messages/speaking.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import { describeChat, isGroup, type PrivateChat, type SharedChat } from './chats.js'
import { describeInvite } from './describe-invite.js'
import type { InviteLink } from './invite-link.js'
import {
  describeMember,
  enteringFrom,
  hasRight,
  isAdministrator,
  isIn,
  keepingTag,
  LEFT,
  MEMBER,
  type Membership,
  type Right,
} from './members.js'

interface Change {
  readonly chat: SharedChat
  readonly target: Account
  readonly next: Membership
  /** Who made the change; the target itself when joining or leaving. */
  readonly performer: Account
  /** The target sent a join request, which the performer approved. */
  readonly isApproval?: boolean
  /** The change is one of the tag or custom title, which all other changes keep. */
  readonly isTag?: boolean
  readonly invite?: InviteLink | undefined
}

/**
 * Changes a membership and queues updates for bots: my_chat_member, chat_member, then the service message.
 *
 * @throws Refusal in a group that was upgraded to a supergroup.
 */
export function changeMembership(world: World, change: Change): void {
  const { chat, target, next, performer, invite } = change
  assertNotUpgraded(chat)
  const old = world.membership(chat, target.id)
  chat.members.set(target.id, change.isTag === true ? next : keepingTag(old, next))
  chat.joinRequests.delete(target.id)
  const current = world.membership(chat, target.id)
  if (isIn(current) && !isIn(old)) invite?.joined.add(target.id)
  if (JSON.stringify(old) === JSON.stringify(current)) return
  world.adminLog.note(chat, performer, { what: 'membership', target, before: old, after: current })
  const made = { date: world.date(), by: performer.id }
  if (isIn(current) && !isIn(old)) chat.joins.set(target.id, made)
  if (current.status === 'restricted' || current.status === 'kicked') chat.restrictions.set(target.id, made)
  else chat.restrictions.delete(target.id)
  const updateFor = (viewerId: number): ChatMemberUpdated => ({
    chat: describeChat(chat),
    from: performer.user,
    date: world.date(),
    old_chat_member: describeMember(target.user, old, viewerId),
    new_chat_member: describeMember(target.user, current, viewerId),
    ...(invite !== undefined && { invite_link: describeInvite(chat, invite, viewerId) }),
    // "True, if the user joined the chat after sending a direct join request without using an invite link".
    ...(change.isApproval === true && invite === undefined && { via_join_request: true }),
  })
  if (target.kind === 'bot') world.emit(target, 'my_chat_member', updateFor(target.id))
  for (const bot of world.botsIn(chat))
    if (bot !== target && isAdministrator(world.membership(chat, bot.id)))
      world.emit(bot, 'chat_member', updateFor(bot.id))
  if (isGroup(chat) && isIn(old) !== isIn(current))
    post(world, chat, {
      author: isIn(current) && change.isApproval === true ? target : performer,
      content: isIn(current) ? { new_chat_members: [target.user] } : { left_chat_member: target.user },
    })
}

/** Blocks or unblocks a bot for a person. */
export function setBlocked(world: World, chat: PrivateChat, blocked: boolean): void {
  if (chat.blocked === blocked) return
  chat.blocked = blocked
  const { bot, person } = chat
  const as = (isBlocked: boolean) =>
    describeMember(bot.user, isBlocked ? { status: 'kicked', untilDate: 0 } : MEMBER, bot.id)
  world.emit(bot, 'my_chat_member', {
    chat: describeChat(chat),
    from: person.user,
    date: world.date(),
    old_chat_member: as(!blocked),
    new_chat_member: as(blocked),
  })
}

export function requestToJoin(
  world: World,
  chat: SharedChat,
  person: PersonAccount,
  bio?: string,
  invite?: InviteLink,
): void {
  assertNotUpgraded(chat)
  chat.joinRequests.set(person.id, {
    person,
    at: world.clock.now(),
    ...(bio !== undefined && { bio }),
    ...(invite !== undefined && { invite }),
  })
  const described = describeChat(chat)
  if (described.type !== 'supergroup' && described.type !== 'channel') return
  for (const bot of world.botsIn(chat))
    if (hasRight(world.membership(chat, bot.id), 'can_invite_users'))
      world.emit(bot, 'chat_join_request', {
        chat: described,
        from: person.user,
        user_chat_id: person.id,
        date: world.date(),
        ...(bio !== undefined && { bio }),
        ...(invite !== undefined && { invite_link: describeInvite(chat, invite, bot.id) }),
        ...(bot.me.supports_join_request_queries && {
          query_id: world.joinQueries.open(bot.id, person.id, (answer) => {
            if (answer !== 'queue') decideJoinRequest(world, chat, bot, person.id, answer === 'approve')
          }),
        }),
      })
}

/** Approves or declines a join request. */
export function decideJoinRequest(
  world: World,
  chat: SharedChat,
  performer: Account,
  userId: number,
  approve: boolean,
): void {
  assertRight(world, chat, performer, 'can_invite_users', 'not enough rights')
  const request = chat.joinRequests.get(userId)
  if (request === undefined)
    throw badRequest(
      isIn(world.membership(chat, userId)) ? 'USER_ALREADY_PARTICIPANT' : 'HIDE_REQUESTER_MISSING',
    )
  chat.joinRequests.delete(userId)
  if (approve)
    changeMembership(world, {
      chat,
      target: request.person,
      next: enteringFrom(world.membership(chat, userId)),
      performer,
      isApproval: true,
      invite: request.invite,
    })
}

/** Checks whether `performer` may ban, unban or restrict `target`. */
export function assertMayRestrict(world: World, chat: SharedChat, performer: Account, target: Account): void {
  const standing = world.membership(chat, target.id)
  if (standing.status === 'creator') throw badRequest("can't remove chat owner")
  assertRight(
    world,
    chat,
    performer,
    'can_restrict_members',
    'not enough rights to restrict/unrestrict chat member',
  )
  if (target === performer) throw badRequest("can't restrict self")
  if (standing.status === 'administrator' && !mayEdit(world, chat, performer, standing))
    throw badRequest('user is an administrator of the chat')
}

/** Checks whether `performer` may promote or demote `target`. */
export function assertMayPromote(world: World, chat: SharedChat, performer: Account, target: Account): void {
  const standing = world.membership(chat, target.id)
  assertRight(world, chat, performer, 'can_promote_members', 'not enough rights')
  if (standing.status === 'creator') throw badRequest("can't remove chat owner")
  if (target === performer) throw badRequest("can't promote self")
  if (standing.status === 'administrator' && !mayEdit(world, chat, performer, standing))
    throw badRequest('CHAT_ADMIN_REQUIRED')
}

/** Checks whether `performer` has each of the rights that they give. Anybody who may promote can give anonymity. */
export function assertMayGive(
  world: World,
  chat: SharedChat,
  performer: Account,
  rights: ChatAdministratorRights,
): void {
  const own = world.membership(chat, performer.id)
  const { is_anonymous: _, ...given } = rights
  for (const [right, isGiven] of Object.entries(given))
    if (isGiven === true && !hasRight(own, right as Right)) throw badRequest('RIGHT_FORBIDDEN')
}

/** The membership of somebody who was banned. A basic group has no list of banned users: a removed user can rejoin. */
export function bannedFrom({ kind }: SharedChat, untilDate: number): Membership {
  return kind === 'group' ? LEFT : { status: 'kicked', untilDate }
}

function mayEdit(
  world: World,
  chat: SharedChat,
  performer: Account,
  standing: Membership & { status: 'administrator' },
): boolean {
  return standing.promotedBy === performer.id || world.membership(chat, performer.id).status === 'creator'
}

export function assertRight(
  world: World,
  chat: SharedChat,
  performer: Account,
  right: Right,
  otherwise: string,
): void {
  if (!hasRight(world.membership(chat, performer.id), right)) throw badRequest(otherwise)
}
