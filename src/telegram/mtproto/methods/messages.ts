import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../world/chats.js'
import { hasRight, isIn } from '../../world/members.js'
import { LONGEST_TEXT, post, remove } from '../../world/posting.js'
import type { AccountCall, AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest } from '../rpc-error.js'
import { NO_SEQ } from '../updates/seq.js'
import { isNumberedByAccount } from '../views/numbering.js'
import { assertMayWrite } from '../writing.js'
import { askedMessages, describeAsked } from './asked-messages.js'

export const MESSAGES = {
  'messages.sendMessage': async (call) => {
    const { centre, account, request } = call
    const text = request.message as string
    if (text === '') throw badRequest('MESSAGE_EMPTY')
    if (text.length > LONGEST_TEXT) throw badRequest('MESSAGE_TOO_LONG')
    const chat = chatOf(centre, account, request.peer as TlObject)
    assertMayWrite(centre.world, chat, account, { text })
    const replyTo = repliedBy(call, chat)
    const randomId = request.random_id as bigint
    const send = () => post(centre.world, chat, { author: account, content: { text }, replyTo })
    const stored = await centre.view.randomIds.once(account, randomId, send)
    return sentAs(centre, account, [{ stored, randomId }])
  },
  'messages.getMessages': ({ centre, account, request }) => {
    const mailbox = centre.view.mailbox(account.id)
    const asked = askedMessages(request.id as readonly TlObject[], (id) => mailbox.find(id))
    return { _: 'messages.messages', ...describeAsked(centre.view, account, asked) }
  },
  'messages.deleteMessages': ({ centre, account, request }) => {
    const mailbox = centre.view.mailbox(account.id)
    const ids = (request.id as readonly number[]).filter((id) => mailbox.find(id) !== undefined)
    if (request.revoke === true) {
      const stored = ids.map((id) => mailbox.find(id) as StoredMessage)
      if (!stored.every((each) => mayRevoke(centre, account, each)))
        throw badRequest('MESSAGE_DELETE_FORBIDDEN')
      for (const each of stored) remove(centre.world, each, account)
    } else if (ids.length > 0) {
      for (const id of ids) mailbox.remove(id)
      centre.view.removedPrivately(account, ids)
    }
    return { _: 'messages.affectedMessages', pts: mailbox.journal.pts, pts_count: ids.length }
  },
} as const satisfies Record<string, AccountMethod>

/** The answer for messages just sent, with their ids by random id. */
export function sentAs(
  centre: DataCentre,
  account: Account,
  sent: readonly { readonly stored: StoredMessage; readonly randomId: bigint }[],
): TlObject {
  const { view } = centre
  const all = sent.map(({ stored }) => stored)
  const numbers = sent.map(({ stored, randomId }) => {
    const { id } = view.describer.message(account, stored)
    return { _: 'updateMessageID', id: id as number, random_id: randomId }
  })
  return {
    _: 'updates',
    updates: [...numbers, ...all.map((stored) => newOf(centre, account, stored))],
    ...view.describer.mentioned(account, all),
    date: centre.world.date(),
    seq: NO_SEQ,
  }
}

function newOf({ view }: DataCentre, account: Account, stored: StoredMessage): TlObject {
  const { chat } = stored
  const journal = isNumberedByAccount(chat) ? view.mailbox(account.id).journal : view.channel(chat)
  const entry = journal.entryOf(stored) ?? ({ pts: journal.pts, count: 1, what: 'new', stored } as const)
  return view.updateOf(account, entry, isNumberedByAccount(chat) ? undefined : chat)
}

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

/** In private chats both sides can delete any message for both; in a group its author and administrators with the right to delete. */
function mayRevoke(centre: DataCentre, account: Account, { chat, authorId }: StoredMessage): boolean {
  if (chat.kind === 'private' || authorId === account.id) return true
  return hasRight(centre.world.membership(chat, account.id), 'can_delete_messages')
}

/** The message of the chat that a request replies to. */
export function repliedBy(
  { centre, account, request }: AccountCall,
  chat: WorldChat,
): StoredMessage | undefined {
  const id = (request.reply_to as TlObject | undefined)?.reply_to_msg_id as number | undefined
  if (id === undefined) return undefined
  const stored = isNumberedByAccount(chat) ? centre.view.mailbox(account.id).find(id) : chat.history.find(id)
  if (stored?.chat !== chat) throw badRequest('REPLY_MESSAGE_ID_INVALID')
  return stored
}
