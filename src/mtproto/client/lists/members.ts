import type { tl } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'
import type { Caller } from '../calls/caller.js'
import { type Profile, profileOf } from '../calls/peers.js'

/** Until when bans without an end are, in Telegram's words: the last second that a signed integer holds. */
const FOR_EVER = 2_147_483_647

/**
 * Which members to list.
 *
 * @example
 * ```ts
 * import type { MembersOptions } from 'grammy-sentinel/mtproto'
 *
 * const newBots: MembersOptions = { filter: 'bots', onProgress: ({ seen, total }) => console.log(`${seen} of ${total}`) }
 * ```
 */
export interface MembersOptions {
  /** Default: `all`. Telegram lists those who came last first. */
  readonly filter?: 'all' | 'administrators' | 'bots' | 'banned' | 'restricted'
  /** Only those whose name or username holds it. Goes with `all`, `banned` and `restricted`. */
  readonly search?: string
  /** Told after each page. */
  readonly onProgress?: (progress: { readonly seen: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/**
 * A member of a chat, with what the Bot API does not tell: when they came, and who brought them.
 *
 * @example
 * ```ts
 * import type { Member } from 'grammy-sentinel/mtproto'
 *
 * const cameWithin = (ms: number) => ({ joinedAt = 0 }: Member) => Date.now() - joinedAt < ms
 * ```
 */
export interface Member {
  readonly user: Profile
  readonly status: 'creator' | 'administrator' | 'member' | 'restricted' | 'banned' | 'left'
  /** In milliseconds since 1970. Unknown of the creator. */
  readonly joinedAt?: Ms
  /** Who brought them, where Telegram tells. */
  readonly invitedBy?: number
  readonly promotedBy?: number
  readonly bannedBy?: number
  /** Absent: for good. */
  readonly bannedUntil?: Ms
}

/** The most Telegram gives at once. */
const PAGE = 200

/**
 * Lists members, a page at a time. Telegram gives ten thousand at most, whatever is asked; a search finds others.
 *
 * @throws SentinelError `mtproto.refused`, such as `CHAT_ADMIN_REQUIRED` in channels.
 */
export async function* membersOf(
  caller: Caller,
  chat: number | string,
  options: MembersOptions = {},
): AsyncGenerator<Member, void, undefined> {
  const channel = await caller.channel(chat)
  const filter = filterOf(options)
  let seen = 0
  for (;;) {
    options.signal?.throwIfAborted()
    const page = await caller.call({
      _: 'channels.getParticipants',
      channel,
      filter,
      offset: seen,
      limit: PAGE,
      hash: (await import('@mtcute/core')).Long.ZERO,
    })
    if (page._ !== 'channels.channelParticipants') return
    const users = new Map<number, tl.RawUser>()
    for (const user of page.users) if (user._ === 'user') users.set(user.id, user)
    seen += page.participants.length
    options.onProgress?.({ seen, total: page.count })
    for (const participant of page.participants) {
      const member = memberOf(participant, users)
      if (member !== undefined) yield member
    }
    if (page.participants.length === 0 || seen >= page.count) return
  }
}

function filterOf({ filter = 'all', search = '' }: MembersOptions): tl.TypeChannelParticipantsFilter {
  switch (filter) {
    case 'administrators':
      return { _: 'channelParticipantsAdmins' }
    case 'bots':
      return { _: 'channelParticipantsBots' }
    case 'banned':
      return { _: 'channelParticipantsKicked', q: search }
    case 'restricted':
      return { _: 'channelParticipantsBanned', q: search }
    default:
      return search === ''
        ? { _: 'channelParticipantsRecent' }
        : { _: 'channelParticipantsSearch', q: search }
  }
}

export function memberOf(
  participant: tl.TypeChannelParticipant,
  users: ReadonlyMap<number, tl.RawUser>,
): Member | undefined {
  const id = 'userId' in participant ? participant.userId : userOf(participant.peer)
  const user = id === undefined ? undefined : users.get(id)
  if (user === undefined) return undefined
  const profile = profileOf(user)
  // Who was there when the group began has no date.
  const since = 'date' in participant && participant.date > 0 ? { joinedAt: participant.date * 1000 } : {}
  switch (participant._) {
    case 'channelParticipantCreator':
      return { user: profile, status: 'creator' }
    case 'channelParticipantAdmin': {
      const invited = participant.inviterId === undefined ? {} : { invitedBy: participant.inviterId }
      return {
        user: profile,
        status: 'administrator',
        promotedBy: participant.promotedBy,
        ...since,
        ...invited,
      }
    }
    case 'channelParticipantSelf':
      return { user: profile, status: 'member', ...since, invitedBy: participant.inviterId }
    case 'channelParticipantBanned': {
      const { untilDate, viewMessages } = participant.bannedRights
      const status = viewMessages === true ? 'banned' : 'restricted'
      const until = untilDate > 0 && untilDate < FOR_EVER ? { bannedUntil: untilDate * 1000 } : {}
      return { user: profile, status, bannedBy: participant.kickedBy, ...since, ...until }
    }
    case 'channelParticipantLeft':
      return { user: profile, status: 'left' }
    default:
      return { user: profile, status: 'member', ...since }
  }
}

function userOf(peer: tl.TypePeer): number | undefined {
  return peer._ === 'peerUser' ? peer.userId : undefined
}
