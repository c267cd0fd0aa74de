import type { Context } from 'grammy'
import type { Chat, ChatInviteLink, ChatMember, User } from 'grammy/types'
import type { Facts } from '../../core/facts.js'
import type { TRANSITION_EVENTS } from './transition-events.js'

/**
 * What happened to a membership.
 *
 * - `joined`: became a member, by themselves, added or approved; `left`: left by themselves
 * - `kicked`: removed by somebody else, free to return; `banned`: removed permanently or for a time, or barred from joining
 * - `unbanned`: free to return
 * - `promoted`: became an administrator or the owner; `demoted`: lost that status. When a chat changes its owner,
 *   one is promoted and the other demoted
 * - `restricted`, `unrestricted`: has fewer permissions than others, has full permissions again
 * - `requested`: asks to join
 * - `botAdded` to `botUnrestricted`: the same for the bot itself; `botRemoved` is left, kicked or banned
 * - `botBlocked`, `botUnblocked`: a user blocked the bot, or let it write again
 *
 * A member who goes is not reported as demoted or unrestricted in addition. Changes within a status are not reported: other
 * rights of an administrator, another title, other permissions of a restricted member, a longer ban.
 *
 *
 * @example
 * ```ts
 * import type { TransitionEvent } from 'grammy-sentinel'
 *
 * const goodbyes: readonly TransitionEvent[] = ['left', 'kicked', 'banned']
 * ```
 */
export type TransitionEvent = (typeof TRANSITION_EVENTS)[number]

/**
 * One change of one membership. An update may contain several: a bot that is added as administrator causes `botAdded` and
 * `botPromoted`.
 *
 * @example
 * ```ts
 * import type { Transition } from 'grammy-sentinel'
 *
 * const told = ({ member, actor }: Transition<'banned'>): string => `${actor.first_name} banned ${member.first_name}`
 * ```
 */
export interface Transition<E extends TransitionEvent = TransitionEvent, C extends Context = Context> {
  readonly event: E
  readonly ctx: C
  readonly chat: Chat
  /**
   * The user whose membership changed; the bot itself in the `bot…` events of groups, the user in `botBlocked` and
   * `botUnblocked`.
   */
  readonly member: User
  /**
   * The user who made the change: the member, or an administrator. GroupAnonymousBot (`ANONYMOUS_ADMIN_ID`) stands for all
   * anonymous administrators.
   */
  readonly actor: User
  /** The member before the change; absent for join requests. */
  readonly before: E extends 'requested' ? undefined : ChatMember
  /** The member after the change; absent for join requests. */
  readonly after: E extends 'requested' ? undefined : ChatMember
  /** Time of the change in milliseconds since 1970, in whole seconds. */
  readonly at: number
  /** True if `reconcile()` found the change afterwards. The actor is then unknown, and so is the time if the member left. */
  readonly reconciled?: true
  /** The invite link that was used to join or to ask to join. */
  readonly inviteLink?: ChatInviteLink | undefined
  /** For a join request: the requester's bio. */
  readonly bio?: string | undefined
}

/** The events for the bot's own membership, by the corresponding event for a user. */
const OF_THE_BOT: Readonly<Partial<Record<TransitionEvent, TransitionEvent>>> = {
  joined: 'botAdded',
  left: 'botRemoved',
  kicked: 'botRemoved',
  promoted: 'botPromoted',
  demoted: 'botDemoted',
  restricted: 'botRestricted',
  unrestricted: 'botUnrestricted',
}

/**
 * Returns the transitions in a `chat_member`, `my_chat_member` or `chat_join_request`, in order: first what ended, then
 * what began. Empty for any other update and for malformed ones.
 */
export function transitionsOf(facts: Facts, ctx: Context): Transition[] {
  const { kind } = facts
  if (kind !== 'chat_member' && kind !== 'my_chat_member' && kind !== 'chat_join_request') return []
  // The update comes from outside, so its types are not certain.
  const update = fieldsOf(ctx.update[kind])
  const chat = chatOf(update.chat)
  const actor = userOf(update.from)
  const at = typeof update.date === 'number' ? update.date * 1000 : Number.NaN
  if (chat === undefined || actor === undefined || !Number.isSafeInteger(at)) return []
  const link = fieldsOf(update.invite_link)
  const common = {
    ctx,
    chat,
    actor,
    at,
    ...(typeof link.invite_link === 'string' && { inviteLink: link as unknown as ChatInviteLink }),
  }
  if (kind === 'chat_join_request') {
    const bio = typeof update.bio === 'string' ? { bio: update.bio } : {}
    return [{ ...common, ...bio, event: 'requested', member: actor, before: undefined, after: undefined }]
  }
  const before = memberOf(update.old_chat_member)
  const after = memberOf(update.new_chat_member)
  if (before === undefined || after === undefined) return []
  const tell = (event: TransitionEvent, member: User): Transition => ({
    ...common,
    event,
    member,
    before,
    after,
  })
  if (chat.type === 'private') {
    const was = before.status === 'kicked'
    const is = after.status === 'kicked'
    if (kind !== 'my_chat_member' || was === is) return []
    return [tell(is ? 'botBlocked' : 'botUnblocked', actor)]
  }
  const events = changesOf(before, after, actor.id === after.user.id)
  return events.flatMap((event) => {
    if (kind === 'chat_member') return [tell(event, after.user)]
    const own = event === 'banned' && isIn(before) ? 'botRemoved' : OF_THE_BOT[event]
    return own === undefined ? [] : [tell(own, after.user)]
  })
}

function changesOf(before: ChatMember, after: ChatMember, bySelf: boolean): TransitionEvent[] {
  const events: TransitionEvent[] = []
  const wasIn = isIn(before)
  const stays = isIn(after)
  const goes = wasIn && !stays
  const banned = after.status === 'kicked' && before.status !== 'kicked'
  if (banned) events.push('banned')
  else if (goes) events.push(bySelf ? 'left' : 'kicked')
  if (before.status === 'kicked' && after.status !== 'kicked') events.push('unbanned')
  if (!goes && !banned) {
    if (rankOf(before) > rankOf(after)) events.push('demoted')
    if (before.status === 'restricted' && after.status !== 'restricted') events.push('unrestricted')
  }
  if (stays && !wasIn) events.push('joined')
  if (rankOf(after) > rankOf(before)) events.push('promoted')
  if (after.status === 'restricted' && before.status !== 'restricted') events.push('restricted')
  return events
}

/** Whether a member is in the chat. Restricted members may have left. */
function isIn(member: ChatMember): boolean {
  switch (member.status) {
    case 'restricted':
      return member.is_member === true
    case 'left':
    case 'kicked':
      return false
    default:
      return true
  }
}

/** Ranks owners above administrators above all others. */
function rankOf({ status }: ChatMember): number {
  return status === 'creator' ? 2 : status === 'administrator' ? 1 : 0
}

type Fields = Readonly<Record<string, unknown>>
const NOTHING: Fields = Object.freeze({})
const STATUSES: ReadonlySet<unknown> = new Set<ChatMember['status']>([
  'creator',
  'administrator',
  'member',
  'restricted',
  'left',
  'kicked',
])
const CHAT_TYPES: ReadonlySet<unknown> = new Set<Chat['type']>(['private', 'group', 'supergroup', 'channel'])

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : NOTHING
}

function isId(value: unknown): boolean {
  return Number.isSafeInteger(value) && value !== 0
}

function chatOf(value: unknown): Chat | undefined {
  const chat = fieldsOf(value)
  return isId(chat.id) && CHAT_TYPES.has(chat.type) ? (value as Chat) : undefined
}

function userOf(value: unknown): User | undefined {
  return isId(fieldsOf(value).id) ? (value as User) : undefined
}

function memberOf(value: unknown): ChatMember | undefined {
  const { status, user } = fieldsOf(value)
  return STATUSES.has(status) && userOf(user) !== undefined ? (value as ChatMember) : undefined
}
