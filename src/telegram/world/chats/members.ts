import type { ChatAdministratorRights, ChatMember, ChatPermissions, User } from 'grammy/types'

/** All permissions, none of them undefined. */
export type Permissions = Required<ChatPermissions>

/** Membership of an account in a chat. */
export type Membership =
  | { readonly status: 'creator'; readonly isAnonymous: boolean; readonly customTitle?: string }
  | {
      readonly status: 'administrator'
      readonly rights: ChatAdministratorRights
      /** Only this account and the owner may edit the administrator. */
      readonly promotedBy: number
      readonly customTitle?: string
    }
  | { readonly status: 'member'; readonly tag?: string }
  | {
      readonly status: 'restricted'
      readonly isMember: boolean
      readonly permissions: Permissions
      readonly untilDate: number
      readonly tag?: string
    }
  | { readonly status: 'left' }
  | { readonly status: 'kicked'; readonly untilDate: number }

export const LEFT: Membership = { status: 'left' }
export const MEMBER: Membership = { status: 'member' }

export const PERMISSIONS = [
  'can_send_messages',
  'can_send_audios',
  'can_send_documents',
  'can_send_photos',
  'can_send_videos',
  'can_send_video_notes',
  'can_send_voice_notes',
  'can_send_polls',
  'can_send_other_messages',
  'can_add_web_page_previews',
  'can_react_to_messages',
  'can_change_info',
  'can_invite_users',
  'can_edit_tag',
  'can_pin_messages',
  'can_manage_topics',
] as const satisfies readonly (keyof ChatPermissions)[]

const MEDIA = PERMISSIONS.slice(0, 7)
const KINDS_OF_MEDIA = PERMISSIONS.slice(1, 7)

/**
 * Fills in all sixteen permissions. Unless `independent`, "other messages" and previews imply texts and media, and polls imply
 * texts (Bot API, restrictChatMember).
 */
export function completePermissions(given: ChatPermissions, independent: boolean): Permissions {
  const complete = Object.fromEntries(PERMISSIONS.map((name) => [name, given[name] === true])) as Permissions
  // One permission for all six until Bot API 6.5, still accepted by Telegram.
  const { can_send_media_messages: all } = given as { readonly can_send_media_messages?: boolean }
  if (all === true && KINDS_OF_MEDIA.every((name) => given[name] === undefined)) {
    for (const name of KINDS_OF_MEDIA) complete[name] = true
    if (!independent) complete.can_send_messages = true
  }
  // If absent, follows can_send_messages (Bot API, ChatPermissions).
  if (given.can_react_to_messages === undefined) complete.can_react_to_messages = complete.can_send_messages
  if (given.can_edit_tag === undefined) complete.can_edit_tag = complete.can_pin_messages
  if (given.can_manage_topics === undefined) complete.can_manage_topics = complete.can_pin_messages
  if (independent) return complete
  if (complete.can_send_other_messages || complete.can_add_web_page_previews)
    for (const name of MEDIA) complete[name] = true
  if (complete.can_send_polls) complete.can_send_messages = true
  return complete
}

/** Permissions of ordinary members in a new chat. */
export function newPermissions(kind: 'group' | 'supergroup' | 'channel'): Permissions {
  const withheld = ['can_change_info', 'can_pin_messages', 'can_manage_topics', 'can_edit_tag']
  return Object.fromEntries(
    PERMISSIONS.map((name) => [name, kind === 'group' || !withheld.includes(name)]),
  ) as Permissions
}

/** Whether a permission holds for an account, given the chat's permissions; always true for administrators. */
export function isPermitted(
  { permissions }: { readonly permissions: Permissions },
  membership: Membership,
  permission: keyof Permissions,
  mayTakePart = isIn(membership),
): boolean {
  if (isAdministrator(membership)) return true
  if (!mayTakePart || !permissions[permission]) return false
  return membership.status !== 'restricted' || membership.permissions[permission]
}

/** Whether somebody may do what members need a permission for, and administrators the right of the same name. */
export function mayManage(
  chat: { readonly permissions: Permissions },
  membership: Membership,
  what: Right & keyof Permissions,
): boolean {
  return isAdministrator(membership) ? hasRight(membership, what) : isPermitted(chat, membership, what)
}

/** Whether a restriction allows everything that can be sent, and therefore is none. */
export function isUnrestricted(permissions: Permissions): boolean {
  return PERMISSIONS.slice(0, 10).every((name) => permissions[name])
}

const RIGHTS = [
  'can_manage_chat',
  'can_delete_messages',
  'can_manage_video_chats',
  'can_restrict_members',
  'can_promote_members',
  'can_change_info',
  'can_invite_users',
  'can_manage_tags',
  'can_post_stories',
  'can_edit_stories',
  'can_delete_stories',
  'can_send_welcome_messages',
] as const satisfies readonly (keyof ChatAdministratorRights)[]
const RIGHTS_IN_GROUPS = ['can_pin_messages', 'can_manage_topics'] as const
const RIGHTS_IN_CHANNELS = ['can_post_messages', 'can_edit_messages', 'can_manage_direct_messages'] as const

/** An administrator's right, by its name in the Bot API. */
export type Right = Exclude<keyof ChatAdministratorRights, 'is_anonymous'>

/** All rights that exist in this kind of chat; those not given are set to `otherwise`. */
export function completeRights(
  kind: 'group' | 'supergroup' | 'channel',
  given: Partial<ChatAdministratorRights>,
  otherwise: boolean,
): ChatAdministratorRights {
  const names: readonly Right[] = [...RIGHTS, ...(kind === 'channel' ? RIGHTS_IN_CHANNELS : RIGHTS_IN_GROUPS)]
  const rights = Object.fromEntries(names.map((name) => [name, given[name] ?? otherwise]))
  return { ...rights, is_anonymous: given.is_anonymous ?? false } as ChatAdministratorRights
}

/** Whether any right is granted. Telegram implies can_manage_chat with each of them. */
export function grantsAnything(rights: Partial<ChatAdministratorRights>): boolean {
  return Object.values(rights).some((granted) => granted === true)
}

/** Applies the end date of bans and restrictions; `now` is in Unix seconds. */
export function membershipAt(membership: Membership, now: number): Membership {
  if (membership.status !== 'restricted' && membership.status !== 'kicked') return membership
  if (membership.untilDate === 0 || now < membership.untilDate) return membership
  return membership.status === 'restricted' && membership.isMember ? keepingTag(membership, MEMBER) : LEFT
}

/** "More than 366 days or less than 30 seconds from the current time" means for ever, which is stored as 0. */
export function untilDateAt(given: number | undefined, now: number): number {
  if (given === undefined || given - now < 30 || given - now > 366 * 86_400) return 0
  return given
}

export function isIn(membership: Membership): boolean {
  if (membership.status === 'restricted') return membership.isMember
  return membership.status !== 'left' && membership.status !== 'kicked'
}

/** The membership of somebody who joins. A restriction survives leaving and rejoining. */
export function enteringFrom(standing: Membership): Membership {
  return standing.status === 'restricted' ? { ...standing, isMember: true } : MEMBER
}

export function isAdministrator(membership: Membership): boolean {
  return membership.status === 'creator' || membership.status === 'administrator'
}

export function hasRight(membership: Membership, right: Right): boolean {
  if (membership.status === 'creator') return true
  return membership.status === 'administrator' && membership.rights[right] === true
}

/** Whether they write as the group. */
export function isAnonymous(membership: Membership): boolean {
  if (membership.status === 'creator') return membership.isAnonymous
  return membership.status === 'administrator' && membership.rights.is_anonymous
}

/** A member's tag, or an administrator's custom title. */
export function calledIn(membership: Membership): string | undefined {
  if (membership.status === 'creator' || membership.status === 'administrator') return membership.customTitle
  return membership.status === 'member' || membership.status === 'restricted' ? membership.tag : undefined
}

/**
 * A new membership with the tag of the former one. A tag, which administrators have as their custom title, belongs to the member
 * and not to their status (`tag_` of chatMember in Client.cpp of tdlib/telegram-bot-api).
 */
export function keepingTag(former: Membership, next: Membership): Membership {
  const tag = calledIn(former)
  if (tag === undefined) return next
  if (next.status === 'creator' || next.status === 'administrator') return { ...next, customTitle: tag }
  return next.status === 'member' || next.status === 'restricted' ? { ...next, tag } : next
}

/** Converts a membership to the Bot API's ChatMember, as `viewerId` sees it. */
export function describeMember(user: User, membership: Membership, viewerId: number): ChatMember {
  switch (membership.status) {
    case 'creator':
      return {
        user,
        status: 'creator',
        is_anonymous: membership.isAnonymous,
        ...(membership.customTitle !== undefined && { custom_title: membership.customTitle }),
      }
    case 'administrator':
      return {
        user,
        status: 'administrator',
        can_be_edited: membership.promotedBy === viewerId,
        ...membership.rights,
        ...(membership.customTitle !== undefined && { custom_title: membership.customTitle }),
      }
    case 'restricted':
      return {
        user,
        status: 'restricted',
        until_date: membership.untilDate,
        is_member: membership.isMember,
        ...membership.permissions,
        ...(membership.tag !== undefined && { tag: membership.tag }),
      }
    case 'kicked':
      return { user, status: 'kicked', until_date: membership.untilDate }
    case 'member':
      return { user, status: 'member', ...(membership.tag !== undefined && { tag: membership.tag }) }
    default:
      return { user, status: membership.status }
  }
}
