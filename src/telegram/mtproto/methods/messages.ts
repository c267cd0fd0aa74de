import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { StoredMessage } from '../../world/chats/chats.js'
import { hasRight } from '../../world/chats/members.js'
import { LONGEST_TEXT, post, remove } from '../../world/messages/posting.js'
import type { AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest } from '../rpc-error.js'
import { askedMessages, describeAsked } from './shared/asked-messages.js'
import { chatOf } from './shared/input-peers.js'
import { repliedBy, sentAs } from './shared/sending.js'
import { assertMayWrite } from './shared/writing.js'

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

/** In private chats both sides can delete any message for both; in a group its author and administrators with the right to delete. */
function mayRevoke(centre: DataCentre, account: Account, { chat, authorId }: StoredMessage): boolean {
  if (chat.kind === 'private' || authorId === account.id) return true
  return hasRight(centre.world.membership(chat, account.id), 'can_delete_messages')
}
