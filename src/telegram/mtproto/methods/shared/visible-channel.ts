import type { TlObject } from '../../../../mtproto/protocol/tl/object.js'
import type { SharedChat } from '../../../world/chats/chats.js'
import { isIn } from '../../../world/chats/members.js'
import type { AccountCall } from '../../call.js'
import { badRequest } from '../../rpc-error.js'

/** The channel of a request, if the account may see it. */
export function visibleChannel({ centre, account, request }: AccountCall): SharedChat {
  const chat = centre.view.peers.channel(account, request.channel as TlObject)
  const membership = centre.world.membership(chat, account.id)
  if (
    !isIn(membership) &&
    (chat.username === undefined || account.kind === 'bot' || membership.status === 'kicked')
  ) {
    throw badRequest('CHANNEL_PRIVATE')
  }
  return chat
}
