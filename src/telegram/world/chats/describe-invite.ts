import type { ChatInviteLink } from 'grammy/types'
import type { SharedChat } from './chats.js'
import type { InviteLink } from './invite-link.js'

/** Converts a link to the Bot API's ChatInviteLink, as `viewerId` sees it. */
export function describeInvite(chat: SharedChat, link: InviteLink, viewerId: number): ChatInviteLink {
  const { url, creator, isPrimary, isRevoked } = link
  const { name, expireDate, memberLimit, createsJoinRequest = false } = link.terms
  const pending = [...chat.joinRequests.values()].filter(({ invite }) => invite === link).length
  return {
    invite_link: viewerId === creator.id ? url : `${url.slice(0, url.indexOf('+') + 9)}…`,
    creator: creator.user,
    creates_join_request: createsJoinRequest,
    is_primary: isPrimary,
    is_revoked: isRevoked,
    ...(name !== undefined && name !== '' && { name }),
    ...(expireDate !== undefined && { expire_date: expireDate }),
    ...(memberLimit !== undefined && { member_limit: memberLimit }),
    ...(pending > 0 && { pending_join_request_count: pending }),
  }
}
