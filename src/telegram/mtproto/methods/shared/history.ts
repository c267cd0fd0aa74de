import type { TlObject } from '../../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../../world/chats/chats.js'
import { isNumberedByAccount } from '../../views/numbering.js'
import type { WorldView } from '../../world-view.js'
import { limitOf, pageOf } from './pages.js'

/** Maximum number of messages in an answer (https://core.telegram.org/method/messages.search). */
export const MOST_OF_HISTORY = 100

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
