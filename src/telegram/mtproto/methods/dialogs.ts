import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../world/chats/chats.js'
import { isIn } from '../../world/chats/members.js'
import { badRequest } from '../rpc-error.js'
import { isNumberedByAccount } from '../views/numbering.js'
import { chatIdOf, peerOf } from '../views/peers.js'
import type { WorldView } from '../world-view.js'
import { forPeople } from './shared/for-people.js'
import { historyOf } from './shared/history.js'
import { chatOf } from './shared/input-peers.js'
import { limitOf } from './shared/pages.js'

/** Maximum number of dialogs in an answer (https://core.telegram.org/method/messages.getDialogs). */
const MOST_DIALOGS = 100
/** The folder of all chats that are not archived; archiving is not supported here. */
const ALL_CHATS = 0

/** A chat in an account's chat list. */
interface Dialog {
  readonly chat: WorldChat
  readonly top: StoredMessage | undefined
  readonly described: TlObject
}

export const DIALOGS = forPeople({
  'messages.getDialogs': ({ centre, account, request }) => {
    const folder = (request.folder_id as number | undefined) ?? ALL_CHATS
    const all = folder === ALL_CHATS ? dialogsOf(centre.view, account) : []
    const from = startOf(all, request)
    const page = all.slice(from, from + limitOf(request, MOST_DIALOGS))
    const content = contentOf(centre.view, account, page)
    return page.length === all.length
      ? { _: 'messages.dialogs', ...content }
      : { _: 'messages.dialogsSlice', count: all.length, ...content }
  },
  'messages.getPeerDialogs': ({ centre, account, request }) => {
    const asked = (request.peers as readonly TlObject[]).map((input) => {
      if (input._ !== 'inputDialogPeer') throw badRequest('PEER_ID_INVALID')
      return dialogOf(centre.view, account, chatOf(centre, account, input.peer as TlObject))
    })
    const state = centre.view.stateOf(account)
    return { _: 'messages.peerDialogs', ...contentOf(centre.view, account, asked), state }
  },
  /** Always empty: pinning chats is not supported here. */
  'messages.getPinnedDialogs': ({ centre, account }) => {
    const state = centre.view.stateOf(account)
    return { _: 'messages.peerDialogs', ...contentOf(centre.view, account, []), state }
  },
  /** Only the default filter, which shows all chats. */
  'messages.getDialogFilters': () => ({
    _: 'messages.dialogFilters',
    filters: [{ _: 'dialogFilterDefault' }],
  }),
})

/** The account's chats, those with the latest messages first. */
function dialogsOf(view: WorldView, account: Account): readonly Dialog[] {
  const own = view.world.chats().filter((chat) => {
    if (chat.kind === 'private') return chat.person.id === account.id && chat.history.all().length > 0
    return isIn(view.world.membership(chat, account.id))
  })
  const order = ({ top }: Dialog) => top?.order ?? 0
  return own.map((chat) => dialogOf(view, account, chat)).sort((one, other) => order(other) - order(one))
}

/** Describes a chat as an entry of the account's chat list. */
export function dialogOf(view: WorldView, account: Account, chat: WorldChat): Dialog {
  const history = historyOf(view, account, chat)
  const top = history[0]
  const reached = view.readPositions.reached(account, chat)
  const unread = history.filter(({ id, stored }) => id > reached && stored.authorId !== account.id)
  const described = {
    _: 'dialog',
    peer: peerOf(chat.kind === 'private' ? chat.bot.id : chat.id),
    top_message: top?.id ?? 0,
    read_inbox_max_id: reached,
    read_outbox_max_id: 0,
    unread_count: unread.length,
    unread_mentions_count: 0,
    unread_reactions_count: 0,
    unread_poll_votes_count: 0,
    notify_settings: { _: 'peerNotifySettings' },
    ...(!isNumberedByAccount(chat) && { pts: view.channel(chat).pts }),
  }
  return { chat, top: top?.stored, described }
}

/** Index after the last dialog of the previous page (https://core.telegram.org/api/offsets). */
function startOf(all: readonly Dialog[], request: TlObject): number {
  const date = request.offset_date as number
  // The peer only marks a position, so its hash is not checked: TDLib sends none.
  const id = markedId(request.offset_peer as TlObject)
  if (id !== undefined) {
    const found = all.findIndex(({ chat }) => (chat.kind === 'private' ? chat.bot.id : chat.id) === id)
    if (found >= 0) return found + 1
  }
  if (date === 0) return 0
  const found = all.findIndex(({ top }) => (top?.message.date ?? 0) < date)
  return found < 0 ? all.length : found
}

/** Converts an input peer to its id in the Bot API. */
function markedId({ user_id: user, chat_id: group, channel_id: channel }: TlObject): number | undefined {
  if (channel !== undefined) return chatIdOf(channel as bigint)
  if (group !== undefined) return -Number(group)
  return user === undefined ? undefined : Number(user)
}

function contentOf(view: WorldView, account: Account, dialogs: readonly Dialog[]) {
  const tops = dialogs.map(({ top }) => top).filter((top): top is StoredMessage => top !== undefined)
  const { users, chats } = view.describer.mentioned(account, tops)
  // Chats without messages are not covered by `mentioned`.
  for (const { chat, top } of dialogs) {
    if (top !== undefined) continue
    if (chat.kind === 'private') users.push(view.describer.user(account, chat.bot.user))
    else chats.push(view.describer.chat(account, chat))
  }
  return {
    dialogs: dialogs.map(({ described }) => described),
    messages: tops.map((stored) => view.describer.message(account, stored)),
    users,
    chats,
  }
}
