import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { SharedChat, StoredMessage } from '../../world/chats/chats.js'
import { hasRight } from '../../world/chats/members.js'
import { remove } from '../../world/messages/posting.js'
import type { AccountCall, AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest } from '../rpc-error.js'
import { askedMessages, describeAsked } from './shared/asked-messages.js'
import { forPeople } from './shared/for-people.js'
import { visibleChannel } from './shared/visible-channel.js'

export const CHANNEL_MESSAGES = {
  'channels.getMessages': (call) => {
    const { centre, account } = call
    const chat = visibleChannel(call)
    const asked = askedMessages(call.request.id as readonly TlObject[], (id) => chat.history.find(id), chat)
    return {
      _: 'messages.channelMessages',
      pts: centre.view.channel(chat).pts,
      count: asked.filter(({ stored }) => stored !== undefined).length,
      ...describeAsked(centre.view, account, asked),
    }
  },
  'channels.deleteMessages': (call) => {
    const { centre, account, request } = call
    const chat = visibleChannel(call)
    const mayAll = hasRight(centre.world.membership(chat, account.id), 'can_delete_messages')
    const stored = (request.id as readonly number[])
      .map((id) => chat.history.find(id))
      .filter((each): each is StoredMessage => each !== undefined)
    if (!mayAll && stored.some(({ authorId }) => authorId !== account.id)) {
      throw badRequest('MESSAGE_DELETE_FORBIDDEN')
    }
    return affected(centre, account, chat, stored)
  },
  ...forPeople({
    'channels.deleteParticipantHistory': (call) => {
      const { centre, account } = call
      const chat = visibleChannel(call)
      if (!hasRight(centre.world.membership(chat, account.id), 'can_delete_messages')) {
        throw badRequest('CHAT_ADMIN_REQUIRED')
      }
      const isTheirs = writtenBy(call)
      const stored = chat.history.all().filter((each) => each.receiverId === undefined && isTheirs(each))
      const { pts, pts_count } = affected(centre, account, chat, stored)
      return { _: 'messages.affectedHistory', pts, pts_count, offset: 0 }
    },
  }),
} as const satisfies Record<string, AccountMethod>

/** Whether a message is from the participant: a user, or a channel in whose name it was written. */
function writtenBy({ centre, account, request }: AccountCall): (stored: StoredMessage) => boolean {
  const participant = request.participant as TlObject
  if (participant._ === 'inputPeerChannel') {
    const channel = centre.view.peers.channel(account, participant)
    return ({ message }) => message.sender_chat?.id === channel.id
  }
  const author = centre.view.peers.user(account, participant)
  return ({ authorId }) => authorId === author.id
}

function affected(centre: DataCentre, account: Account, chat: SharedChat, stored: readonly StoredMessage[]) {
  for (const each of stored) remove(centre.world, each, account)
  const ids = stored.map(({ message }) => message.message_id)
  if (ids.length === 0)
    return { _: 'messages.affectedMessages', pts: centre.view.channel(chat).pts, pts_count: 0 }
  const { pts, count } = centre.view.removed(chat, ids)
  return { _: 'messages.affectedMessages', pts, pts_count: count }
}
