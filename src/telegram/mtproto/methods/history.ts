import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { WorldChat } from '../../world/chats/chats.js'
import { badRequest } from '../rpc-error.js'
import { isNumberedByAccount } from '../views/numbering.js'
import type { WorldView } from '../world-view.js'
import { forPeople } from './shared/for-people.js'
import { historyOf, pageOfChat } from './shared/history.js'
import { chatOf } from './shared/input-peers.js'

export const HISTORY = forPeople({
  'messages.getHistory': ({ centre, account, request }) => {
    const { view } = centre
    const chat = chatOf(centre, account, request.peer as TlObject)
    const all = historyOf(view, account, chat)
    return pageOfChat(view, account, chat, all, request)
  },
  'messages.readHistory': ({ centre, account, request }) => {
    const chat = chatOf(centre, account, request.peer as TlObject)
    if (!isNumberedByAccount(chat)) throw badRequest('PEER_ID_INVALID')
    read(centre.view, account, chat, request.max_id as number)
    return { _: 'messages.affectedMessages', pts: centre.view.mailbox(account.id).journal.pts, pts_count: 0 }
  },
  'channels.readHistory': ({ centre, account, request }) => {
    const peer = { ...(request.channel as TlObject), _: 'inputPeerChannel' }
    return read(centre.view, account, chatOf(centre, account, peer), request.max_id as number)
  },
})

/** Marks messages as read up to `maxId`; 0 means all of them. */
function read(view: WorldView, account: Account, chat: WorldChat, maxId: number): boolean {
  const latest = historyOf(view, account, chat)[0]?.id ?? 0
  return view.readPositions.reach(account, chat, maxId === 0 ? latest : Math.min(maxId, latest))
}
