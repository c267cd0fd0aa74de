/**
 * Somebody on Telegram, as MTProto tells it.
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
  /** Telegram has marked them as a fraud. */
  readonly isScam: boolean
  /** Telegram has marked them as somebody who pretends to be another. */
  readonly isFake: boolean
  readonly isVerified: boolean
  /** Telegram shows them to fewer people, for a reason of the law or of app stores. */
  readonly isRestricted: boolean
  readonly firstName: string
  readonly lastName?: string
  readonly username?: string
  /** All active names, collectible ones included. */
  readonly usernames: readonly string[]
}

/** The fields of mtcute's user that are read here. */
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
