import { randomBytes } from 'node:crypto'
import { keepLatest } from '../../../core/maps.js'
import type { Account, PersonAccount } from '../accounts.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import type { SharedChat } from './chats.js'
import type { InviteLink, InviteTerms } from './invite-link.js'
import { enteringFrom, hasRight, isIn } from './members.js'
import { assertRight, changeMembership, requestToJoin } from './membership.js'

/** Maximum number of links kept per chat; beyond it the oldest are dropped. */
const KEPT_AT_MOST = 10_000

export function createInvite(
  world: World,
  chat: SharedChat,
  creator: Account,
  terms: InviteTerms,
  isPrimary = false,
): InviteLink {
  assertMayInvite(world, chat, creator)
  checkTerms(world, terms)
  const link: InviteLink = {
    url: `https://t.me/+${randomBytes(12).toString('base64url')}`,
    creator,
    isPrimary,
    terms,
    isRevoked: false,
    joined: new Set(),
  }
  chat.invites.set(link.url, link)
  keepLatest(chat.invites, KEPT_AT_MOST)
  return link
}

/** Creates a new primary link and revokes the administrator's previous one. */
export function exportInvite(world: World, chat: SharedChat, creator: Account): InviteLink {
  assertMayInvite(world, chat, creator)
  const former = primaryInvite(chat, creator.id)
  if (former !== undefined) former.isRevoked = true
  return createInvite(world, chat, creator, {}, true)
}

export function primaryInvite(chat: SharedChat, creatorId: number): InviteLink | undefined {
  return [...chat.invites.values()].find(
    (link) => link.isPrimary && !link.isRevoked && link.creator.id === creatorId,
  )
}

export function editInvite(
  world: World,
  chat: SharedChat,
  editor: Account,
  url: string,
  terms: InviteTerms,
): InviteLink {
  const link = ownInvite(world, chat, editor, url)
  if (link.isPrimary) throw badRequest('CHAT_INVITE_PERMANENT')
  if (link.isRevoked) throw badRequest('INVITE_HASH_EXPIRED')
  checkTerms(world, terms)
  link.terms = terms
  return link
}

/** Revokes a link; a revoked primary link is replaced by a new one. */
export function revokeInvite(world: World, chat: SharedChat, editor: Account, url: string): InviteLink {
  const link = ownInvite(world, chat, editor, url)
  if (link.isRevoked) throw badRequest('INVITE_HASH_EXPIRED')
  link.isRevoked = true
  if (link.isPrimary) createInvite(world, chat, editor, {}, true)
  return link
}

/** Finds a link of the editor. Administrators can change only their own links, and bots see only the beginning of others. */
function ownInvite(world: World, chat: SharedChat, editor: Account, url: string): InviteLink {
  assertMayInvite(world, chat, editor)
  const link = chat.invites.get(url.trim())
  if (link?.creator !== editor) throw badRequest('INVITE_HASH_EXPIRED')
  return link
}

function assertMayInvite(world: World, chat: SharedChat, account: Account): void {
  assertRight(world, chat, account, 'can_invite_users', 'not enough rights to manage chat invite link')
}

function checkTerms(world: World, { name, expireDate, memberLimit, createsJoinRequest }: InviteTerms): void {
  if ((name?.length ?? 0) > 32) throw badRequest('invite link name is too long')
  if (expireDate !== undefined && expireDate <= world.date()) throw badRequest('EXPIRE_DATE_INVALID')
  if (memberLimit === undefined) return
  if (createsJoinRequest === true)
    throw badRequest("member limit can't be specified for links requiring administrator approval")
  if (memberLimit < 1 || memberLimit > 99_999) throw badRequest('USAGE_LIMIT_INVALID')
}

/**
 * Joins a chat by an invite link, or sends a join request if the link requires approval.
 *
 * @throws Refusal if the link is invalid, or the person may not join.
 */
export function joinByInvite(
  world: World,
  url: string,
  person: PersonAccount,
  bio?: string,
): 'joined' | 'requested' {
  const found = world.inviteAt(url.trim())
  if (found === undefined) throw badRequest('INVITE_HASH_INVALID')
  const { chat, link } = found
  const standing = world.membership(chat, person.id)
  if (isIn(standing)) throw badRequest('USER_ALREADY_PARTICIPANT')
  if (standing.status === 'kicked') throw badRequest('USER_BANNED_IN_CHANNEL')
  const { expireDate, memberLimit, createsJoinRequest } = link.terms
  if (link.isRevoked || !hasRight(world.membership(chat, link.creator.id), 'can_invite_users'))
    throw badRequest('INVITE_HASH_EXPIRED')
  if (expireDate !== undefined && world.date() >= expireDate) throw badRequest('INVITE_HASH_EXPIRED')
  const inside = [...link.joined].filter((id) => isIn(world.membership(chat, id)))
  if (memberLimit !== undefined && inside.length >= memberLimit) throw badRequest('USERS_TOO_MUCH')
  if (createsJoinRequest === true) {
    requestToJoin(world, chat, person, bio, link)
    return 'requested'
  }
  const next = enteringFrom(standing)
  changeMembership(world, { chat, target: person, next, performer: person, invite: link })
  return 'joined'
}
