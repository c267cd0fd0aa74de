import type { Account } from '../accounts.js'

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
