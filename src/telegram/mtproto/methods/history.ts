import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../world/chats.js'
import { badRequest } from '../rpc-error.js'
import { isNumberedByAccount } from '../views/numbering.js'
import { limitOf, pageOf } from '../views/pages.js'
import type { WorldView } from '../world-view.js'
import { forPeople } from './for-people.js'
import { chatOf } from './messages.js'

/** Maximum number of messages in an answer (https://core.telegram.org/method/messages.search). */
export const MOST_OF_HISTORY = 100

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

/** The page of a chat's messages that a request asks for. */
export function pageOfChat(
  view: WorldView,
  account: Account,
  chat: WorldChat,
  all: readonly Numbered[],
  request: TlObject,
): TlObject {
  const page = pageOf(all, {
    offsetId: request.offset_id as number,
    // Methods that search have no offset by date.
    offsetDate: (request.offset_date ?? 0) as number,
    addOffset: request.add_offset as number,
    limit: limitOf(request, MOST_OF_HISTORY),
    maxId: request.max_id as number,
    minId: request.min_id as number,
  })
  const content = describeMessages(view, account, page)
  if (!isNumberedByAccount(chat))
    return { _: 'messages.channelMessages', pts: view.channel(chat).pts, count: all.length, ...content }
  return page.length === all.length
    ? { _: 'messages.messages', ...content }
    : { _: 'messages.messagesSlice', count: all.length, ...content }
}

/** Describes messages, and whom and what they mention. */
export function describeMessages(view: WorldView, account: Account, page: readonly Numbered[]) {
  const messages = page.map(({ stored }) => stored)
  return {
    messages: messages.map((stored) => view.describer.message(account, stored)),
    topics: [],
    ...view.describer.mentioned(account, messages),
  }
}

interface Numbered {
  readonly stored: StoredMessage
  readonly id: number
  readonly date: number
}

/** The messages of a chat that an account sees, with its own ids, latest first. */
export function historyOf(view: WorldView, account: Account, chat: WorldChat): readonly Numbered[] {
  return chat.history
    .all()
    .filter(({ receiverId }) => receiverId === undefined)
    .map((stored) => ({ stored, id: view.numberOf(account, stored), date: stored.message.date }))
    .sort((one, other) => other.id - one.id)
}

/** Marks messages as read up to `maxId`; 0 means all of them. */
function read(view: WorldView, account: Account, chat: WorldChat, maxId: number): boolean {
  const latest = historyOf(view, account, chat)[0]?.id ?? 0
  return view.readPositions.reach(account, chat, maxId === 0 ? latest : Math.min(maxId, latest))
}
