import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { SharedChat } from '../../world/chats/chats.js'
import { calledIn, isIn, type Membership } from '../../world/chats/members.js'
import type { World } from '../../world/world.js'
import { adminRights, bannedRights, expelled } from './rights.js'

/** Describes a membership in a supergroup or channel, as `viewer` sees it (https://core.telegram.org/type/ChannelParticipant). */
export function participantOf(
  world: World,
  viewer: Account,
  chat: SharedChat,
  account: Account,
  /** The membership to describe. Default: the current one. */
  membership: Membership = world.membership(chat, account.id),
): TlObject {
  const user_id = BigInt(account.id)
  const joined = chat.joins.get(account.id)
  // Members since the creation have no entry in `joins`.
  const date = joined?.date ?? chat.date
  const inviter = joined !== undefined && joined.by !== account.id ? joined.by : undefined
  const called = calledIn(membership)
  const rank = called === undefined ? {} : { rank: called }
  switch (membership.status) {
    case 'creator':
      return { _: 'channelParticipantCreator', user_id, admin_rights: adminRights(membership), ...rank }
    case 'administrator':
      return {
        _: 'channelParticipantAdmin',
        can_edit:
          membership.promotedBy === viewer.id || world.membership(chat, viewer.id).status === 'creator',
        self: account.id === viewer.id,
        user_id,
        promoted_by: BigInt(membership.promotedBy),
        date,
        admin_rights: adminRights(membership),
        // Without a known inviter, the one who promoted the administrator counts as inviter.
        ...(account.id === viewer.id && { inviter_id: BigInt(inviter ?? membership.promotedBy) }),
        ...rank,
      }
    case 'restricted':
    case 'kicked':
      return {
        _: 'channelParticipantBanned',
        left: !isIn(membership),
        peer: { _: 'peerUser', user_id },
        kicked_by: BigInt(chat.restrictions.get(account.id)?.by ?? ownerOf(chat)),
        date: isIn(membership) ? date : (chat.restrictions.get(account.id)?.date ?? date),
        banned_rights:
          membership.status === 'kicked'
            ? expelled(membership.untilDate)
            : bannedRights(membership.permissions, membership.untilDate),
        ...rank,
      }
    case 'left':
      return { _: 'channelParticipantLeft', peer: { _: 'peerUser', user_id } }
    default:
      return account.id === viewer.id
        ? { _: 'channelParticipantSelf', user_id, inviter_id: BigInt(inviter ?? account.id), date, ...rank }
        : { _: 'channelParticipant', user_id, date, ...rank }
  }
}

/** The owner counts as the author of restrictions without a record. */
function ownerOf(chat: SharedChat): number {
  for (const [id, { status }] of chat.members) if (status === 'creator') return id
  return 0
}
