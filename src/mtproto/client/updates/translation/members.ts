import type { tl } from '@mtcute/core'
import type { Chat, ChatInviteLink, ChatMember, ChatMemberUpdated, User } from 'grammy/types'
import { type Peers, userOf } from './people.js'

/** Telegram's end date of permanent bans, which is 0 in the Bot API: the largest signed 32-bit integer. */
const FOR_EVER = 2_147_483_647

/** Converts a participant to a ChatMember of the Bot API. */
function chatMemberOf(
  user: User,
  participant: tl.TypeChannelParticipant | undefined,
  chat: Chat,
): ChatMember {
  switch (participant?._) {
    case 'channelParticipantCreator': {
      const { adminRights, rank } = participant
      return {
        user,
        status: 'creator',
        is_anonymous: adminRights.anonymous === true,
        ...(rank !== undefined && { custom_title: rank }),
      }
    }
    case 'channelParticipantAdmin': {
      const { adminRights, canEdit, rank } = participant
      return {
        user,
        status: 'administrator',
        can_be_edited: canEdit === true,
        ...rightsOf(adminRights, chat),
        ...(rank !== undefined && { custom_title: rank }),
      }
    }
    case 'channelParticipantBanned': {
      const { bannedRights: rights, left, rank } = participant
      const until_date = rights.untilDate >= FOR_EVER ? 0 : rights.untilDate
      if (rights.viewMessages === true) return { user, status: 'kicked', until_date }
      return {
        user,
        status: 'restricted',
        until_date,
        is_member: left !== true,
        ...permissionsOf(rights),
        ...(rank !== undefined && { tag: rank }),
      }
    }
    case 'channelParticipant':
    case 'channelParticipantSelf': {
      const { rank, subscriptionUntilDate: until } = participant
      return {
        user,
        status: 'member',
        ...(rank !== undefined && { tag: rank }),
        ...(until !== undefined && { until_date: until }),
      }
    }
    default:
      return { user, status: 'left' }
  }
}

/** See https://core.telegram.org/constructor/chatAdminRights; some rights exist only in groups or only in channels. */
function rightsOf(rights: tl.RawChatAdminRights, { type }: Chat) {
  const own =
    type === 'channel'
      ? {
          can_post_messages: rights.postMessages === true,
          can_edit_messages: rights.editMessages === true,
          can_manage_direct_messages: rights.manageDirectMessages === true,
        }
      : {
          can_pin_messages: rights.pinMessages === true,
          can_manage_topics: rights.manageTopics === true,
          can_manage_tags: rights.manageRanks === true,
        }
  return {
    is_anonymous: rights.anonymous === true,
    can_manage_chat: rights.other === true,
    can_delete_messages: rights.deleteMessages === true,
    can_manage_video_chats: rights.manageCall === true,
    can_restrict_members: rights.banUsers === true,
    can_promote_members: rights.addAdmins === true,
    can_change_info: rights.changeInfo === true,
    can_invite_users: rights.inviteUsers === true,
    can_post_stories: rights.postStories === true,
    can_edit_stories: rights.editStories === true,
    can_delete_stories: rights.deleteStories === true,
    // MTProto has no flag for this right yet.
    can_send_welcome_messages: false,
    ...own,
  }
}

/** See https://core.telegram.org/constructor/chatBannedRights: flags forbid, so what is not set is allowed. */
function permissionsOf(banned: tl.RawChatBannedRights) {
  return {
    can_send_messages: banned.sendPlain !== true,
    can_send_audios: banned.sendAudios !== true,
    can_send_documents: banned.sendDocs !== true,
    can_send_photos: banned.sendPhotos !== true,
    can_send_videos: banned.sendVideos !== true,
    can_send_video_notes: banned.sendRoundvideos !== true,
    can_send_voice_notes: banned.sendVoices !== true,
    can_send_polls: banned.sendPolls !== true,
    can_send_other_messages: banned.sendStickers !== true,
    can_add_web_page_previews: banned.embedLinks !== true,
    can_react_to_messages: banned.sendReactions !== true,
    can_change_info: banned.changeInfo !== true,
    can_invite_users: banned.inviteUsers !== true,
    can_edit_tag: banned.editRank !== true,
    can_pin_messages: banned.pinMessages !== true,
    can_manage_topics: banned.manageTopics !== true,
  }
}

/** Undefined if one of the users involved is not described in the update. */
export function membershipOf(
  {
    actorId,
    userId,
    date,
    prevParticipant,
    newParticipant,
    invite,
    viaChatlist,
  }: tl.RawUpdateChannelParticipant,
  chat: Chat,
  peers: Peers,
): ChatMemberUpdated | undefined {
  const from = userOf(actorId, peers)
  const user = userOf(userId, peers)
  if (from === undefined || user === undefined) return undefined
  const link = inviteOf(invite, peers)
  return {
    chat,
    from,
    date,
    old_chat_member: chatMemberOf(user, prevParticipant, chat),
    new_chat_member: chatMemberOf(user, newParticipant, chat),
    ...(link !== undefined && { invite_link: link }),
    ...(invite?._ === 'chatInvitePublicJoinRequests' && { via_join_request: true }),
    ...(viaChatlist === true && { via_chat_folder_invite_link: true }),
  }
}

export function inviteOf(
  invite: tl.TypeExportedChatInvite | undefined,
  peers: Peers,
): ChatInviteLink | undefined {
  if (invite?._ !== 'chatInviteExported') return undefined
  const creator = userOf(invite.adminId, peers)
  if (creator === undefined) return undefined
  return {
    invite_link: invite.link,
    creator,
    creates_join_request: invite.requestNeeded === true,
    is_primary: invite.permanent === true,
    is_revoked: invite.revoked === true,
    ...(invite.title !== undefined && { name: invite.title }),
    ...(invite.expireDate !== undefined && { expire_date: invite.expireDate }),
    ...(invite.usageLimit !== undefined && { member_limit: invite.usageLimit }),
    ...(invite.requested !== undefined && { pending_join_request_count: invite.requested }),
  }
}
