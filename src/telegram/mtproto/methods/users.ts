import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import { isGroup, type SharedChat } from '../../world/chats/chats.js'
import { isIn } from '../../world/chats/members.js'
import type { World } from '../../world/world.js'
import type { AccountMethod } from '../call.js'
import { badRequest } from '../rpc-error.js'

/** Usernames valid in the embedded Telegram, some of which have only three characters. */
const NAME = /^\w{3,32}$/
const NOTIFY: TlObject = { _: 'peerNotifySettings' }

export const USERS = {
  'users.getUsers': ({ centre, account, request }) => {
    const { peers, describer } = centre.view
    return (request.id as readonly TlObject[]).map((input) =>
      describer.user(account, peers.user(account, input).user),
    )
  },
  'users.getFullUser': ({ centre, account, request }) => {
    const { peers, describer } = centre.view
    const found = peers.user(account, request.id as TlObject)
    return {
      _: 'users.userFull',
      full_user: {
        _: 'userFull',
        id: BigInt(found.id),
        settings: describer.reputations.settingsOf(found.id),
        notify_settings: NOTIFY,
        common_chats_count: commonChats(centre.world, account.id, found.id),
      },
      chats: [],
      users: [describer.user(account, found.user)],
    }
  },
  'contacts.resolveUsername': ({ centre, account, request }) => {
    const { world, view } = centre
    const name = (request.username as string).replace(/^@/, '')
    const chat = world.sharedChatByName(name)
    if (chat !== undefined) {
      const described = view.describer.chat(account, chat)
      const peer = { _: 'peerChannel', channel_id: described.id as bigint }
      return { _: 'contacts.resolvedPeer', peer, chats: [described], users: [] }
    }
    if (!NAME.test(name)) throw badRequest('USERNAME_INVALID')
    const found = world.accounts.byUsername(name)
    if (found === undefined) throw badRequest('USERNAME_NOT_OCCUPIED')
    return {
      _: 'contacts.resolvedPeer',
      peer: { _: 'peerUser', user_id: BigInt(found.id) },
      chats: [],
      users: [view.describer.user(account, found.user)],
    }
  },
} as const satisfies Record<string, AccountMethod>

function commonChats(world: World, one: number, other: number): number {
  const isThere = (chat: SharedChat, id: number) => isIn(world.membership(chat, id))
  // Only groups count, not channels.
  return world.chats().filter((chat) => isGroup(chat) && isThere(chat, one) && isThere(chat, other)).length
}
