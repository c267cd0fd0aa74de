import type { TlObject } from '../../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../../world/chats/chats.js'
import type { AccountCall } from '../../call.js'
import type { DataCentre } from '../../data-centre.js'
import { badRequest } from '../../rpc-error.js'
import { NO_SEQ } from '../../updates/seq.js'
import { isNumberedByAccount } from '../../views/numbering.js'

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
