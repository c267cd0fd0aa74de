import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import { isAdministrator, isIn } from '../../world/chats/members.js'
import type { AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import type { BasicGroup } from '../views/numbering.js'

export const BASIC_GROUPS = {
  'messages.getChats': ({ centre, account, request }) => ({
    _: 'messages.chats',
    chats: (request.id as readonly bigint[]).map((id) =>
      centre.view.describer.chat(account, centre.view.peers.group(account, id)),
    ),
  }),
  'messages.getFullChat': ({ centre, account, request }) => {
    const { view, world } = centre
    const group = view.peers.group(account, request.chat_id as bigint)
    const members = world.membersOf(group)
    const pinned = Math.max(0, ...group.history.pinned)
    const pinnedMessage = group.history.find(pinned)
    return {
      _: 'messages.chatFull',
      full_chat: {
        _: 'chatFull',
        id: BigInt(-group.id),
        about: group.description ?? '',
        participants: participantsOf(centre, account, group),
        notify_settings: { _: 'peerNotifySettings' },
        ...(pinnedMessage !== undefined && { pinned_msg_id: view.numberOf(account, pinnedMessage) }),
        ...(group.autoDeleteTime > 0 && { ttl_period: group.autoDeleteTime }),
      },
      chats: [view.describer.chat(account, group)],
      users: members.map(({ user }) => view.describer.user(account, user)),
    }
  },
} as const satisfies Record<string, AccountMethod>

/** The members of a basic group with their join dates; forbidden for non-members. */
function participantsOf({ view, world }: DataCentre, viewer: Account, group: BasicGroup): TlObject {
  const chat_id = BigInt(-group.id)
  if (!isIn(world.membership(group, viewer.id))) return { _: 'chatParticipantsForbidden', chat_id }
  const owner = [...group.members].find(([, { status }]) => status === 'creator')?.[0] ?? viewer.id
  const participants = world.membersOf(group).map((member): TlObject => {
    const membership = world.membership(group, member.id)
    const user_id = BigInt(member.id)
    if (membership.status === 'creator') return { _: 'chatParticipantCreator', user_id }
    const joined = group.joins.get(member.id)
    return {
      _: isAdministrator(membership) ? 'chatParticipantAdmin' : 'chatParticipant',
      user_id,
      inviter_id: BigInt(joined?.by ?? owner),
      date: joined?.date ?? group.date,
    }
  })
  return { _: 'chatParticipants', chat_id, participants, version: view.describer.versionOf(group) }
}
