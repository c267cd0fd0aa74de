import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { SharedChat } from '../../world/chats/chats.js'
import { isAdministrator, type Membership } from '../../world/chats/members.js'
import type { World } from '../../world/world.js'
import type { AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { channelId } from '../views/peers.js'
import { visibleChannel } from './shared/visible-channel.js'

export const CHANNELS = {
  'channels.getChannels': ({ centre, account, request }) => ({
    _: 'messages.chats',
    chats: (request.id as readonly TlObject[]).map((input) =>
      centre.view.describer.chat(account, centre.view.peers.channel(account, input)),
    ),
  }),
  'channels.getFullChannel': (call) => {
    const chat = visibleChannel(call)
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
} as const satisfies Record<string, AccountMethod>

function standing(world: World, chat: SharedChat, status: Membership['status']): number {
  return [...chat.members.keys()].filter((id) => world.membership(chat, id).status === status).length
}

function linkedId(centre: DataCentre, id: number): bigint {
  const chat = centre.world.sharedChat(id)
  return chat === undefined ? 0n : channelId(chat)
}
