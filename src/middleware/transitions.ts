import type { Context } from 'grammy'
import type { Chat, ChatInviteLink, ChatMember, User } from 'grammy/types'

/**
 * What happened to somebody's membership.
 *
 * `kicked` is put out but free to return, `banned` is put out for good or a time. The `bot…` events are of the bot
 * itself: added to or removed from a chat, promoted or demoted there, blocked or unblocked by a user.
 */
export type TransitionEvent =
  | 'joined'
  | 'left'
  | 'kicked'
  | 'banned'
  | 'unbanned'
  | 'promoted'
  | 'demoted'
  | 'restricted'
  | 'unrestricted'
  | 'requested'
  | 'botAdded'
  | 'botRemoved'
  | 'botPromoted'
  | 'botDemoted'
  | 'botRestricted'
  | 'botBlocked'
  | 'botUnblocked'

/** One change of one membership. */
export interface Transition {
  readonly event: TransitionEvent
  readonly ctx: Context
  readonly chat: Chat
  /** Whose membership it is; the bot itself in the `bot…` events of groups, the user in `botBlocked`. */
  readonly member: User
  /** Who did it: the member, or an administrator. */
  readonly actor: User
  /** Absent for join requests. */
  readonly before?: ChatMember
  readonly after?: ChatMember
  /** When, in milliseconds since 1970. */
  readonly at: number
  readonly inviteLink?: ChatInviteLink | undefined
  /** Of a join request: what the requester says of themselves. */
  readonly bio?: string | undefined
}
