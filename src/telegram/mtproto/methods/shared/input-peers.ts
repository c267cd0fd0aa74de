import type { TlObject } from '../../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../../world/accounts.js'
import type { WorldChat } from '../../../world/chats/chats.js'
import { isIn } from '../../../world/chats/members.js'
import type { DataCentre } from '../../data-centre.js'
import { badRequest } from '../../rpc-error.js'

/** Finds the chat of an `InputPeer` that the account may use. */
export function chatOf(centre: DataCentre, account: Account, peer: TlObject): WorldChat {
  if (peer._ === 'inputPeerChannel') {
    const chat = centre.view.peers.channel(account, peer)
    if (!isIn(centre.world.membership(chat, account.id))) throw badRequest('CHANNEL_PRIVATE')
    return chat
  }
  if (peer._ === 'inputPeerChat') {
    const group = centre.view.peers.group(account, peer.chat_id as bigint)
    if (!isIn(centre.world.membership(group, account.id))) throw badRequest('PEER_ID_INVALID')
    return group
  }
  const other = centre.view.peers.user(account, peer)
  // People can only chat with bots here.
  if (account.kind === 'person' && other.kind === 'bot') return centre.world.privateChat(account, other)
  if (account.kind === 'bot' && other.kind === 'person') {
    const chat = centre.world.privateChat(other, account)
    if (!chat.started) throw badRequest('PEER_ID_INVALID')
    return chat
  }
  throw badRequest('PEER_ID_INVALID')
}
