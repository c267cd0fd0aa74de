import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { SharedChat, StoredMessage } from '../../world/chats.js'
import { hasRight, isAdministrator, isIn, type Membership } from '../../world/members.js'
import { remove } from '../../world/posting.js'
import type { World } from '../../world/world.js'
import type { AccountCall, AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest } from '../rpc-error.js'
import { limitOf } from '../views/pages.js'
import { participantOf } from '../views/participants.js'
import { channelId } from '../views/peers.js'
import { askedMessages, describeAsked } from './asked-messages.js'
import { forPeople } from './for-people.js'

/** Maximum number of participants in an answer (https://core.telegram.org/method/channels.getParticipants). */
const MOST_PARTICIPANTS = 200
const FOR_ADMINISTRATORS: ReadonlySet<string> = new Set([
  'channelParticipantsKicked',
  'channelParticipantsBanned',
])

export const CHANNELS = {
  'channels.getChannels': ({ centre, account, request }) => ({
    _: 'messages.chats',
    chats: (request.id as readonly TlObject[]).map((input) =>
      centre.view.describer.chat(account, centre.view.peers.channel(account, input)),
    ),
  }),
  'channels.getFullChannel': (call) => {
    const chat = visible(call)
    const { view, world } = call.centre
    const members = world.membersOf(chat)
    const membership = world.membership(chat, call.account.id)
    return {
      _: 'messages.chatFull',
      full_chat: {
        _: 'channelFull',
        can_view_participants: isAdministrator(membership) || chat.kind === 'supergroup',
        id: channelId(chat),
        about: chat.description ?? '',
        participants_count: members.length,
        admins_count: members.filter(({ id }) => isAdministrator(world.membership(chat, id))).length,
        // Numbers of banned and restricted users are shown to administrators only.
        ...(isAdministrator(membership) && {
          kicked_count: standing(world, chat, 'kicked'),
          banned_count: standing(world, chat, 'restricted'),
        }),
        read_inbox_max_id: 0,
        read_outbox_max_id: 0,
        unread_count: 0,
        chat_photo:
          chat.photo === undefined ? { _: 'photoEmpty', id: 0n } : view.media.photo(call.account, chat.photo),
        notify_settings: { _: 'peerNotifySettings' },
        bot_info: [],
        pts: view.channel(chat).pts,
        ...(chat.slowModeDelay > 0 && { slowmode_seconds: chat.slowModeDelay }),
        ...(chat.autoDeleteTime > 0 && { ttl_period: chat.autoDeleteTime }),
        ...(chat.history.pinned.size > 0 && { pinned_msg_id: Math.max(...chat.history.pinned) }),
        ...(isAdministrator(membership) &&
          chat.joinRequests.size > 0 && {
            requests_pending: chat.joinRequests.size,
            recent_requesters: [...chat.joinRequests.keys()].map(BigInt),
          }),
        ...(chat.linkedId !== undefined && { linked_chat_id: linkedId(call.centre, chat.linkedId) }),
      },
      // The linked chat must be described, because its id is in the answer.
      chats: [chat, world.sharedChat(chat.linkedId ?? 0)]
        .filter((each) => each !== undefined)
        .map((each) => view.describer.chat(call.account, each)),
      users: [],
    }
  },
  'channels.getParticipants': (call) => {
    const { centre, request } = call
    const chat = visible(call)
    const { world } = centre
    const filter = request.filter as TlObject
    // Members of a channel, and banned users of a group, are shown to administrators only.
    const isSecret = chat.kind === 'channel' || FOR_ADMINISTRATORS.has(filter._)
    if (isSecret && !isAdministrator(world.membership(chat, call.account.id))) {
      throw badRequest('CHAT_ADMIN_REQUIRED')
    }
    const found = matching(centre, chat, filter)
    const offset = Math.max(0, request.offset as number)
    const page = found.slice(offset, offset + limitOf(request, MOST_PARTICIPANTS))
    return {
      _: 'channels.channelParticipants',
      count: found.length,
      participants: page.map((account) => participantOf(centre.world, call.account, chat, account)),
      chats: [],
      users: page.map(({ user }) => centre.view.describer.user(call.account, user)),
    }
  },
  'channels.getParticipant': (call) => {
    const { centre, request } = call
    const chat = visible(call)
    const account = centre.view.peers.user(call.account, request.participant as TlObject)
    const isOther = account.id !== call.account.id
    if (
      chat.kind === 'channel' &&
      isOther &&
      !isAdministrator(centre.world.membership(chat, call.account.id))
    )
      throw badRequest('CHAT_ADMIN_REQUIRED')
    if (!chat.members.has(account.id)) throw badRequest('USER_NOT_PARTICIPANT')
    return {
      _: 'channels.channelParticipant',
      participant: participantOf(centre.world, call.account, chat, account),
      chats: [],
      users: [centre.view.describer.user(call.account, account.user)],
    }
  },
  'channels.getMessages': (call) => {
    const { centre, account } = call
    const chat = visible(call)
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
    const chat = visible(call)
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
      const chat = visible(call)
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

/** The channel of a request, if the account may see it. */
function visible({ centre, account, request }: AccountCall): SharedChat {
  const chat = centre.view.peers.channel(account, request.channel as TlObject)
  const membership = centre.world.membership(chat, account.id)
  if (
    !isIn(membership) &&
    (chat.username === undefined || account.kind === 'bot' || membership.status === 'kicked')
  ) {
    throw badRequest('CHANNEL_PRIVATE')
  }
  return chat
}

function standing(world: World, chat: SharedChat, status: Membership['status']): number {
  return [...chat.members.keys()].filter((id) => world.membership(chat, id).status === status).length
}

function linkedId(centre: DataCentre, id: number): bigint {
  const chat = centre.world.sharedChat(id)
  return chat === undefined ? 0n : channelId(chat)
}

function matching(centre: DataCentre, chat: SharedChat, filter: TlObject): readonly Account[] {
  const { world } = centre
  // Most recent joins first; members since the creation come last.
  const all = [...chat.members.keys()]
    .reverse()
    .sort((one, other) => (chat.joins.get(other)?.date ?? 0) - (chat.joins.get(one)?.date ?? 0))
    .map((id) => world.accounts.find(id))
    .filter((account): account is Account => account !== undefined)
  const standing = (account: Account) => world.membership(chat, account.id)
  const named = (q: unknown) => (account: Account) => {
    const { first_name, last_name = '', username = '' } = account.user
    const wanted = String(q ?? '').toLowerCase()
    return wanted === '' || `${first_name} ${last_name} ${username}`.toLowerCase().includes(wanted)
  }
  switch (filter._) {
    case 'channelParticipantsRecent':
      return all.filter((account) => isIn(standing(account)))
    case 'channelParticipantsAdmins':
      return all.filter((account) => isAdministrator(standing(account)))
    case 'channelParticipantsBots':
      return all.filter((account) => account.kind === 'bot' && isIn(standing(account)))
    case 'channelParticipantsKicked':
      return all.filter((account) => standing(account).status === 'kicked').filter(named(filter.q))
    case 'channelParticipantsBanned':
      return all.filter((account) => standing(account).status === 'restricted').filter(named(filter.q))
    // The embedded Telegram has no contacts.
    case 'channelParticipantsContacts':
      return []
    case 'channelParticipantsSearch':
    case 'channelParticipantsMentions':
      return all.filter((account) => isIn(standing(account))).filter(named(filter.q))
    default:
      throw badRequest('FILTER_INVALID')
  }
}
