import type { tl } from '@mtcute/core'
import type { Chat, Update, User } from 'grammy/types'
import { CHANNEL_MARK, chatIdOfChannel } from '../../../protocol/chat-ids.js'
import { markedId } from '../../calls/peers.js'

/**
 * A user or chat that Telegram describes; forbidden are those that the account may no longer see, because it was banned from
 * them.
 */
type Peer = tl.TypeUser | tl.TypeChat

/** The user whom the Bot API names beside a channel that writes, and beside a chat that votes. */
export const CHANNEL: User = { id: 136_817_688, is_bot: true, first_name: 'Channel', username: 'Channel_Bot' }

/** The content of an update of the Bot API. */
export type Told = Omit<Update, 'update_id'>

/** Users and chats that come with an update, by their ids in the Bot API. */
export interface Peers {
  get(id: number): Peer | undefined
}

/** A message, with the users and chats it refers to. */
export interface Described {
  readonly message: tl.TypeMessage
  readonly peers: Peers
}

/**
 * Gives access to users and chats that mtcute keeps by Telegram's own ids. They are not copied, because hundreds of updates may
 * share them, and each message that is kept holds on to them.
 */
export function peersIn({
  users,
  chats,
}: {
  readonly users: ReadonlyMap<number, tl.TypeUser>
  readonly chats: ReadonlyMap<number, tl.TypeChat>
}): Peers {
  return {
    get: (id) => {
      if (id > 0) return users.get(id)
      const isChannel = id < -CHANNEL_MARK
      const chat = chats.get(isChannel ? -id - CHANNEL_MARK : -id)
      return chat?._.startsWith('channel') === isChannel ? chat : undefined
    },
  }
}

export function peersOf(users: readonly tl.TypeUser[], chats: readonly tl.TypeChat[]): Peers {
  const known = new Map<number, Peer>()
  for (const user of users) if (user._ === 'user') known.set(user.id, user)
  for (const chat of chats) {
    if (chat._ === 'channel' || chat._ === 'channelForbidden') known.set(chatIdOfChannel(chat.id), chat)
    if (chat._ === 'chat' || chat._ === 'chatForbidden') known.set(-chat.id, chat)
  }
  return known
}

export function userOf(id: number, peers: Peers): User | undefined {
  const user = peers.get(id)
  if (user?._ !== 'user') return undefined
  // The Bot API shows the first of several usernames.
  const username = user.username ?? user.usernames?.find(({ active }) => active === true)?.username
  return {
    id,
    is_bot: user.bot === true,
    first_name: user.firstName ?? '',
    ...(user.lastName !== undefined && { last_name: user.lastName }),
    ...(username !== undefined && { username }),
    ...(user.langCode !== undefined && { language_code: user.langCode }),
    ...(user.premium === true && { is_premium: true as const }),
  }
}

export function chatOf(peer: tl.TypePeer, peers: Peers): Chat | undefined {
  if (peer._ === 'peerUser') {
    const user = userOf(peer.userId, peers)
    if (user === undefined) return undefined
    const { id, first_name, last_name, username } = user
    return {
      id,
      type: 'private',
      first_name,
      ...(last_name !== undefined && { last_name }),
      ...(username !== undefined && { username }),
    }
  }
  const id = markedId(peer)
  const chat = peers.get(id)
  if (chat?._ === 'chat' || chat?._ === 'chatForbidden') return { id, type: 'group', title: chat.title }
  if (chat?._ === 'channelForbidden')
    return { id, type: chat.broadcast === true ? 'channel' : 'supergroup', title: chat.title }
  if (chat?._ !== 'channel') return undefined
  const username = chat.username ?? chat.usernames?.find(({ active }) => active === true)?.username
  const name = username === undefined ? {} : { username }
  if (chat.broadcast === true) return { id, type: 'channel', title: chat.title, ...name }
  const forum = chat.forum === true ? { is_forum: true as const } : {}
  return { id, type: 'supergroup', title: chat.title, ...name, ...forum }
}
