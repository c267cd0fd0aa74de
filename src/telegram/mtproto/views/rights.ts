import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import {
  hasRight,
  isAdministrator,
  isAnonymous,
  type Membership,
  type Permissions,
} from '../../world/chats/members.js'

/** MTProto's flags of administrators' rights, with the names in the Bot API (https://core.telegram.org/constructor/chatAdminRights). */
const RIGHTS = {
  change_info: 'can_change_info',
  post_messages: 'can_post_messages',
  edit_messages: 'can_edit_messages',
  delete_messages: 'can_delete_messages',
  ban_users: 'can_restrict_members',
  invite_users: 'can_invite_users',
  pin_messages: 'can_pin_messages',
  add_admins: 'can_promote_members',
  manage_call: 'can_manage_video_chats',
  manage_topics: 'can_manage_topics',
  post_stories: 'can_post_stories',
  edit_stories: 'can_edit_stories',
  delete_stories: 'can_delete_stories',
  manage_direct_messages: 'can_manage_direct_messages',
  manage_ranks: 'can_manage_tags',
} as const

/**
 * MTProto's flags of forbidden actions, with the permissions they take away
 * (https://core.telegram.org/constructor/chatBannedRights).
 */
const BANS = {
  send_plain: 'can_send_messages',
  send_photos: 'can_send_photos',
  send_videos: 'can_send_videos',
  send_roundvideos: 'can_send_video_notes',
  send_audios: 'can_send_audios',
  send_voices: 'can_send_voice_notes',
  send_docs: 'can_send_documents',
  send_stickers: 'can_send_other_messages',
  send_gifs: 'can_send_other_messages',
  send_games: 'can_send_other_messages',
  send_inline: 'can_send_other_messages',
  embed_links: 'can_add_web_page_previews',
  send_polls: 'can_send_polls',
  send_reactions: 'can_react_to_messages',
  change_info: 'can_change_info',
  invite_users: 'can_invite_users',
  pin_messages: 'can_pin_messages',
  manage_topics: 'can_manage_topics',
  edit_rank: 'can_edit_tag',
} as const satisfies Record<string, keyof Permissions>

const MEDIA = [
  'send_photos',
  'send_videos',
  'send_roundvideos',
  'send_audios',
  'send_voices',
  'send_docs',
] as const

/** MTProto's end date of permanent bans, which is 0 in the Bot API: the largest signed 32-bit integer. */
const FOR_EVER = 2_147_483_647

/** Converts an administrator's rights; the owner has all of them. */
export function adminRights(membership: Membership): TlObject {
  const rights = Object.entries(RIGHTS).map(([name, right]) => [name, hasRight(membership, right)])
  return {
    _: 'chatAdminRights',
    ...Object.fromEntries(rights),
    // Anonymity is a setting, not a right, so the owner does not have it automatically.
    anonymous: isAnonymous(membership),
    other: isAdministrator(membership),
  }
}

/** Converts permissions to what they forbid, for a chat or a restricted member. `untilDate` is in Unix seconds; 0: for ever. */
export function bannedRights(permissions: Permissions, untilDate = 0): TlObject {
  const banned = Object.entries(BANS).map(([name, permission]) => [name, !permissions[permission]] as const)
  const byName = new Map<string, boolean>(banned)
  const mayNot = (name: string) => byName.get(name) === true
  return {
    _: 'chatBannedRights',
    ...Object.fromEntries(banned),
    // For clients that know no finer flags; set only if everything is forbidden.
    send_media: MEDIA.every(mayNot),
    send_messages: mayNot('send_plain') && MEDIA.every(mayNot),
    until_date: untilDate === 0 ? FOR_EVER : untilDate,
  }
}

/** The rights of a banned user, who may not even view messages. */
export function expelled(untilDate: number): TlObject {
  const names = [...Object.keys(BANS), 'view_messages', 'send_media', 'send_messages']
  return {
    _: 'chatBannedRights',
    ...Object.fromEntries(names.map((name) => [name, true])),
    until_date: untilDate === 0 ? FOR_EVER : untilDate,
  }
}
