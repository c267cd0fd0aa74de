import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { SharedChat } from '../../world/chats/chats.js'
import { isAdministrator, isIn } from '../../world/chats/members.js'
import type { AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest } from '../rpc-error.js'
import { participantOf } from '../views/participants.js'
import { limitOf } from './shared/pages.js'
import { visibleChannel } from './shared/visible-channel.js'

/** Maximum number of participants in an answer (https://core.telegram.org/method/channels.getParticipants). */
const MOST_PARTICIPANTS = 200
const FOR_ADMINISTRATORS: ReadonlySet<string> = new Set([
  'channelParticipantsKicked',
  'channelParticipantsBanned',
])

export const PARTICIPANTS = {
  'channels.getParticipants': (call) => {
    const { centre, request } = call
    const chat = visibleChannel(call)
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
    const chat = visibleChannel(call)
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
} as const satisfies Record<string, AccountMethod>

/** The accounts of a chat that a filter selects. */
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
