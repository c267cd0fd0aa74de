import type { ChatInviteLink } from 'grammy/types'
import type { Account } from './accounts.js'
import type { SharedChat } from './chats.js'

/** Properties of an invite link. Defaults: no name, no expiry, no limit, no approval. */
export interface InviteTerms {
  readonly name?: string | undefined
  /** Unix time in seconds. */
  readonly expireDate?: number | undefined
  /** Maximum number of members joined by the link, 1 to 99,999. */
  readonly memberLimit?: number | undefined
  /** Joining by the link requires approval by an administrator. */
  readonly createsJoinRequest?: boolean | undefined
}

export interface InviteLink {
  readonly url: string
  readonly creator: Account
  readonly isPrimary: boolean
  terms: InviteTerms
  isRevoked: boolean
  /** Ids of members who joined by the link; those who have left again do not count towards the limit. */
  readonly joined: Set<number>
}

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
