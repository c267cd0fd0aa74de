import type { Context } from 'grammy'
import type { Chat, ChatInviteLink, ChatMember, User } from 'grammy/types'
import type { Facts } from '../../core/facts.js'
import type { TRANSITION_EVENTS } from './transition-events.js'

/**
 * What happened to somebody's membership.
 *
 * - `joined`: is in now, by themselves, added or approved; `left`: went by themselves
 * - `kicked`: put out by somebody else, free to return; `banned`: put out for good or a time, or kept out
 * - `unbanned`: free to return
 * - `promoted`: became an administrator or the owner; `demoted`: is no longer that. A chat that changes hands
 *   promotes one and demotes another
 * - `restricted`, `unrestricted`: may say less than others, may speak again
 * - `requested`: asks to be let in
 * - `botAdded` to `botUnrestricted`: the same of the bot itself; `botRemoved` is left, kicked or banned
 * - `botBlocked`, `botUnblocked`: a user blocked the bot, or let it write again
 *
 * Whoever goes is not demoted or unrestricted besides. What stays what it was is no transition: other rights of an
 * administrator, another title, other permissions of the restricted, a longer ban.
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
 * One change of one membership. An update may tell several: a bot that is added as administrator is `botAdded` and
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
  /** Whose membership it is; the bot itself in the `bot…` events of groups, the user in `botBlocked`. */
  readonly member: User
  /**
   * Who did it: the member, or an administrator. GroupAnonymousBot (`ANONYMOUS_ADMIN_ID`) stands for all
   * administrators that are anonymous.
   */
  readonly actor: User
  /** As it was; absent for join requests. */
  readonly before: E extends 'requested' ? undefined : ChatMember
  /** As it is; absent for join requests. */
  readonly after: E extends 'requested' ? undefined : ChatMember
  /** When, in milliseconds since 1970; Telegram tells whole seconds. */
  readonly at: number
  /** It was missed, and found later by `reconcile()`: who did it is not known, and of whoever left not when. */
  readonly reconciled?: true
  /** The link by which they came, or ask to. */
  readonly inviteLink?: ChatInviteLink | undefined
  /** Of a join request: what the requester says of themselves. */
  readonly bio?: string | undefined
}

/** What a user's transition is called when it is the bot's own. */
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
 * The transitions that a `chat_member`, `my_chat_member` or `chat_join_request` tells, in order: what ended, then
 * what began. Any other update tells none, and neither does one that is malformed.
 */
export function transitionsOf<C extends Context>(facts: Facts, ctx: C): Transition<TransitionEvent, C>[] {
  const { kind } = facts
  if (kind !== 'chat_member' && kind !== 'my_chat_member' && kind !== 'chat_join_request') return []
  // This comes from outside, so it may not have the types that it should have.
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
  const tell = (event: TransitionEvent, member: User): Transition<TransitionEvent, C> => ({
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

/** Whoever is restricted may have left since. */
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

/** Owners above administrators above the rest. */
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
