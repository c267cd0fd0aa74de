import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { SharedChat, StoredMessage } from '../../world/chats/chats.js'
import { isIn } from '../../world/chats/members.js'
import type { AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest } from '../rpc-error.js'
import type { Entry } from '../updates/journal.js'
import { NO_SEQ } from '../updates/seq.js'
import { dialogOf } from './dialogs.js'
import { describeMessages, historyOf } from './shared/history.js'

/** Maximum number of events in an answer; clients ask again for the rest. */
const MOST_IN_SLICE = 1000
/** Number of messages returned in place of a difference that is too long. */
const LATEST = 20

export const UPDATES = {
  'updates.getState': ({ centre, account }) => centre.view.stateOf(account),
  'updates.getDifference': ({ centre, account, request }) => {
    const { journal } = centre.view.mailbox(account.id)
    const pts = request.pts as number
    const { pts_limit: limit = MOST_IN_SLICE, pts_total_limit: total = Number.POSITIVE_INFINITY } =
      request as {
        readonly pts_limit?: number
        readonly pts_total_limit?: number
      }
    const isTooLong = journal.pts - pts > total
    const found = isTooLong ? undefined : journal.since(pts, Math.max(1, Math.min(MOST_IN_SLICE, limit)))
    if (found === undefined) return { _: 'updates.differenceTooLong', pts: journal.pts }
    const others = found.more ? [] : centre.view.botEvents.since(account.id, request.qts as number)
    if (found.entries.length === 0 && others.length === 0) {
      return { _: 'updates.differenceEmpty', date: centre.world.date(), seq: NO_SEQ }
    }
    const state = found.more
      ? {
          ...centre.view.stateOf(account),
          pts: (found.entries.at(-1) as Entry).pts,
          qts: request.qts as number,
        }
      : centre.view.stateOf(account)
    const messages = differenceOf(centre, account, found.entries)
    const difference = {
      ...messages,
      other_updates: [...messages.other_updates, ...others.map(({ update }) => update)],
      users: [...messages.users, ...others.flatMap(({ users }) => users)],
      chats: [...messages.chats, ...others.flatMap(({ chats }) => chats)],
    }
    return found.more
      ? { _: 'updates.differenceSlice', ...difference, intermediate_state: state }
      : { _: 'updates.difference', ...difference, state }
  },
  'updates.getChannelDifference': ({ centre, account, request }) => {
    const { view, world } = centre
    const chat = view.peers.channel(account, request.channel as TlObject)
    if (!isIn(world.membership(chat, account.id))) throw badRequest('CHANNEL_PRIVATE')
    const journal = view.channel(chat)
    const pts = request.pts as number
    const most = Math.max(1, Math.min(MOST_IN_SLICE, request.limit as number))
    const found = journal.since(pts, most)
    if (found === undefined) return tooLong(centre, account, chat)
    if (found.entries.length === 0) {
      return { _: 'updates.channelDifferenceEmpty', final: true, pts: journal.pts, timeout: 30 }
    }
    const { new_encrypted_messages: _, ...difference } = differenceOf(centre, account, found.entries, chat)
    return {
      _: 'updates.channelDifference',
      final: !found.more,
      pts: (found.entries.at(-1) as Entry).pts,
      timeout: 30,
      ...difference,
    }
  },
} as const satisfies Record<string, AccountMethod>

function differenceOf(centre: DataCentre, account: Account, entries: readonly Entry[], chat?: SharedChat) {
  const { view } = centre
  const messages: TlObject[] = []
  const others: TlObject[] = []
  const mentioned: StoredMessage[] = []
  for (const entry of entries) {
    if (entry.what !== 'delete') mentioned.push(entry.stored)
    if (entry.what === 'new') messages.push(view.describer.message(account, entry.stored))
    else others.push(view.updateOf(account, entry, chat))
  }
  return {
    new_messages: messages,
    new_encrypted_messages: [],
    other_updates: others,
    ...view.describer.mentioned(account, mentioned),
  }
}

/**
 * The answer if events were dropped: the latest messages instead
 * (https://core.telegram.org/constructor/updates.channelDifferenceTooLong).
 */
function tooLong(centre: DataCentre, account: Account, chat: SharedChat): TlObject {
  const { view } = centre
  const latest = historyOf(view, account, chat).slice(0, LATEST)
  const { messages, users, chats } = describeMessages(view, account, latest)
  return {
    _: 'updates.channelDifferenceTooLong',
    final: true,
    timeout: 30,
    dialog: dialogOf(view, account, chat).described,
    messages,
    users,
    chats: chats.length > 0 ? chats : [view.describer.chat(account, chat)],
  }
}
