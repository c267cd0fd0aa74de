import type { tl } from '@mtcute/core'
import { chatIdOfChannel } from '../../protocol/chat-ids.js'

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

export function profileOf(user: tl.RawUser): Profile {
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

/** Converts a peer to its id in the Bot API. */
export function markedId(peer: tl.TypePeer): number {
  switch (peer._) {
    case 'peerUser':
      return peer.userId
    case 'peerChat':
      return -peer.chatId
    default:
      return chatIdOfChannel(peer.channelId)
  }
}

/** The users in an answer by id, without those that Telegram does not describe. */
export function usersById(users: readonly tl.TypeUser[]): ReadonlyMap<number, tl.RawUser> {
  return new Map(users.flatMap((user) => (user._ === 'user' ? [[user.id, user] as const] : [])))
}
