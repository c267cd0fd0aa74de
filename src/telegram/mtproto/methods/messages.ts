import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../world/chats.js'
import { hasRight, isIn } from '../../world/members.js'
import { LONGEST_TEXT, post, remove } from '../../world/posting.js'
import type { AccountMethod } from '../rpc.js'
import { badRequest, RpcError } from '../rpc-error.js'
import type { MtprotoServer } from '../server.js'

export const MESSAGES = {
  'messages.sendMessage': (call) => {
    const { server, account, request } = call
    const text = request.message as string
    if (text === '') throw badRequest('MESSAGE_EMPTY')
    if (text.length > LONGEST_TEXT) throw badRequest('MESSAGE_TOO_LONG')
    const chat = chatOf(server, account, request.peer as TlObject)
    mayWrite(server, account, chat)
    const replied = (request.reply_to as TlObject | undefined)?.reply_to_msg_id as number | undefined
    const replyTo = replied === undefined ? undefined : find(server, account, chat, replied)
    const stored = post(server.world, chat, { author: account, content: { text }, replyTo })
    return sentAs(server, account, [{ stored, randomId: request.random_id as bigint }])
  },
  'messages.getMessages': ({ server, account, request }) => {
    const ids = (request.id as readonly TlObject[]).map(({ id }) => id as number)
    const stored = ids.map((id) => server.face.mailbox(account.id).find(id))
    const there = stored.filter((each): each is StoredMessage => each !== undefined)
    return {
      _: 'messages.messages',
      messages: stored.map((each, nth) =>
        each === undefined
          ? { _: 'messageEmpty', id: ids[nth] as number }
          : server.face.describer.message(account, each),
      ),
      topics: [],
      ...server.face.mentioned(account, there),
    }
  },
  'messages.deleteMessages': ({ server, account, request }) => {
    const mailbox = server.face.mailbox(account.id)
    const ids = (request.id as readonly number[]).filter((id) => {
      const stored = mailbox.find(id)
      if (stored !== undefined && request.revoke === true) remove(stored)
      return mailbox.remove(id)
    })
    if (ids.length === 0) return { _: 'messages.affectedMessages', pts: mailbox.journal.pts, pts_count: 0 }
    const { pts, count } = server.face.removedPrivately(account, ids)
    return { _: 'messages.affectedMessages', pts, pts_count: count }
  },
} as const satisfies Record<string, AccountMethod>

/** Messages that somebody has just sent, and by which numbers they know them. */
export function sentAs(
  server: MtprotoServer,
  account: Account,
  sent: readonly { readonly stored: StoredMessage; readonly randomId: bigint }[],
): TlObject {
  const { face } = server
  const all = sent.map(({ stored }) => stored)
  const numbers = sent.map(({ stored, randomId }) => {
    const { id } = face.describer.message(account, stored)
    return { _: 'updateMessageID', id: id as number, random_id: randomId }
  })
  return {
    _: 'updates',
    updates: [...numbers, ...all.map((stored) => newOf(server, account, stored))],
    ...face.mentioned(account, all),
    date: server.world.date(),
    seq: 0,
  }
}

function newOf({ face }: MtprotoServer, account: Account, stored: StoredMessage): TlObject {
  const { chat } = stored
  const journal = chat.kind === 'private' ? face.mailbox(account.id).journal : face.channel(chat)
  const entry = journal.entryOf(stored) ?? ({ pts: journal.pts, count: 1, what: 'new', stored } as const)
  return face.updateOf(account, entry, chat.kind === 'private' ? undefined : chat)
}

export function chatOf(server: MtprotoServer, account: Account, peer: TlObject): WorldChat {
  if (peer._ === 'inputPeerChannel') {
    const chat = server.face.peers.channel(account, peer)
    if (!isIn(server.world.membership(chat, account.id))) throw badRequest('CHANNEL_PRIVATE')
    return chat
  }
  const other = server.face.peers.user(account, peer)
  // People here talk to bots only.
  if (account.kind === 'person' && other.kind === 'bot') return server.world.privateChat(account, other)
  if (account.kind === 'bot' && other.kind === 'person') {
    const chat = server.world.privateChat(other, account)
    if (!chat.started) throw badRequest('PEER_ID_INVALID')
    return chat
  }
  throw badRequest('PEER_ID_INVALID')
}

export function mayWrite(server: MtprotoServer, account: Account, chat: WorldChat): void {
  if (chat.kind === 'private') {
    if (chat.blocked) throw new RpcError(403, 'USER_IS_BLOCKED')
    return
  }
  const membership = server.world.membership(chat, account.id)
  const may =
    chat.kind === 'channel'
      ? hasRight(membership, 'can_post_messages')
      : membership.status !== 'restricted' || membership.permissions.can_send_messages
  if (!may) throw new RpcError(403, 'CHAT_WRITE_FORBIDDEN')
}

export function find(server: MtprotoServer, account: Account, chat: WorldChat, id: number): StoredMessage {
  const stored = chat.kind === 'private' ? server.face.mailbox(account.id).find(id) : chat.history.find(id)
  if (stored === undefined) throw badRequest('REPLY_MESSAGE_ID_INVALID')
  return stored
}
