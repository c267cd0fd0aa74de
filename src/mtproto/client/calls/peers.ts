/**
 * A Telegram user, as MTProto describes it.
 *
 * @example
 * ```ts
 * import type { Profile } from 'grammy-sentinel/mtproto'
 *
 * const nameOf = ({ firstName, username }: Profile) => (username === undefined ? firstName : `@${username}`)
 * ```
 */
export interface Profile {
  readonly id: number
  readonly isBot: boolean
  readonly isDeleted: boolean
  readonly isPremium: boolean
  /** Telegram has flagged the user as a scammer. */
  readonly isScam: boolean
  /** Telegram has flagged the user as an impersonator. */
  readonly isFake: boolean
  readonly isVerified: boolean
  /** Telegram restricts the user's visibility for legal reasons or because of app store rules. */
  readonly isRestricted: boolean
  readonly firstName: string
  readonly lastName?: string
  readonly username?: string
  /** All active usernames, including collectible ones. */
  readonly usernames: readonly string[]
}

/** The fields of mtcute's user that are used here. */
export interface RawUser {
  readonly id: number
  readonly bot?: boolean | undefined
  readonly deleted?: boolean | undefined
  readonly premium?: boolean | undefined
  readonly scam?: boolean | undefined
  readonly fake?: boolean | undefined
  readonly verified?: boolean | undefined
  readonly restricted?: boolean | undefined
  readonly firstName?: string | undefined
  readonly lastName?: string | undefined
  readonly username?: string | undefined
  readonly usernames?:
    | readonly { readonly username: string; readonly active?: boolean | undefined }[]
    | undefined
}

export function profileOf(user: RawUser): Profile {
  const active = (user.usernames ?? [])
    .filter(({ active }) => active === true)
    .map(({ username }) => username)
  const usernames = user.username === undefined ? active : [user.username, ...active]
  return {
    id: user.id,
    isBot: user.bot === true,
    isDeleted: user.deleted === true,
    isPremium: user.premium === true,
    isScam: user.scam === true,
    isFake: user.fake === true,
    isVerified: user.verified === true,
    isRestricted: user.restricted === true,
    firstName: user.firstName ?? '',
    ...(user.lastName !== undefined && { lastName: user.lastName }),
    ...(usernames[0] !== undefined && { username: usernames[0] }),
    usernames: [...new Set(usernames)],
  }
}
