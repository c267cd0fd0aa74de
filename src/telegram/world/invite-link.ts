import type { ChatInviteLink } from 'grammy/types'
import type { Account } from './accounts.js'
import type { SharedChat } from './chats.js'

/** What may be said of a link; the defaults are no name, no end, no limit, and no request. */
export interface InviteTerms {
  readonly name?: string | undefined
  /** Unix seconds. */
  readonly expireDate?: number | undefined
  /** So many may come by it, 1 to 99,999. */
  readonly memberLimit?: number | undefined
  /** Whoever comes by it has to be let in by an administrator. */
  readonly createsJoinRequest?: boolean | undefined
}

export interface InviteLink {
  readonly url: string
  readonly creator: Account
  readonly isPrimary: boolean
  terms: InviteTerms
  isRevoked: boolean
  /** Who came in by it. Whoever is gone makes room again. */
  readonly joined: Set<number>
}

/** The Bot API's ChatInviteLink, as `viewerId` sees it. */
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
