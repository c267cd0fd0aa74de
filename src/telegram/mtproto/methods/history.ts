import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../world/chats.js'
import type { Face } from '../face.js'
import type { AccountMethod } from '../rpc.js'
import { badRequest } from '../rpc-error.js'
import { isNumberedByAccount } from '../views/numbering.js'
import { pageOf } from '../views/pages.js'
import { chatOf } from './messages.js'

/** Maximum number of messages in an answer. */
const MOST_OF_HISTORY = 100

export const HISTORY = {
  'messages.getHistory': ({ server, account, request }) => {
    if (account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
    const { face } = server
    const chat = chatOf(server, account, request.peer as TlObject)
    const all = historyOf(face, account, chat)
    const page = pageOf(all, {
      offsetId: request.offset_id as number,
      offsetDate: request.offset_date as number,
      addOffset: request.add_offset as number,
      limit: Math.max(0, Math.min(MOST_OF_HISTORY, request.limit as number)),
      maxId: request.max_id as number,
      minId: request.min_id as number,
    })
    const content = {
      messages: page.map(({ stored }) => face.describer.message(account, stored)),
      topics: [],
      ...face.mentioned(
        account,
        page.map(({ stored }) => stored),
      ),
    }
    if (!isNumberedByAccount(chat))
      return { _: 'messages.channelMessages', pts: face.channel(chat).pts, count: all.length, ...content }
    return page.length === all.length
      ? { _: 'messages.messages', ...content }
      : { _: 'messages.messagesSlice', count: all.length, ...content }
  },
  'messages.readHistory': ({ server, account, request }) => {
    if (account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
    const chat = chatOf(server, account, request.peer as TlObject)
    if (!isNumberedByAccount(chat)) throw badRequest('PEER_ID_INVALID')
    read(server.face, account, chat, request.max_id as number)
    return { _: 'messages.affectedMessages', pts: server.face.mailbox(account.id).journal.pts, pts_count: 0 }
  },
  'channels.readHistory': ({ server, account, request }) => {
    if (account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
    const peer = { ...(request.channel as TlObject), _: 'inputPeerChannel' }
    return read(server.face, account, chatOf(server, account, peer), request.max_id as number)
  },
} as const satisfies Record<string, AccountMethod>

interface Numbered {
  readonly stored: StoredMessage
  readonly id: number
  readonly date: number
}

/** The messages of a chat that an account sees, with its own ids, latest first. */
export function historyOf(face: Face, account: Account, chat: WorldChat): readonly Numbered[] {
  return chat.history
    .all()
    .filter(({ receiverId }) => receiverId === undefined)
    .map((stored) => ({ stored, id: face.numberOf(account, stored), date: stored.message.date }))
    .sort((one, other) => other.id - one.id)
}

/** Marks messages as read up to `maxId`; 0 means all of them. */
function read(face: Face, account: Account, chat: WorldChat, maxId: number): boolean {
  const latest = historyOf(face, account, chat)[0]?.id ?? 0
  return face.reading.reach(account, chat, maxId === 0 ? latest : Math.min(maxId, latest))
}
