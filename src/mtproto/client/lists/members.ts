import type { tl } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'
import type { Caller } from '../calls/caller.js'
import { markedId, type Profile, profileOf, usersById } from '../calls/peers.js'

/** Telegram's end date of permanent bans: the largest signed 32-bit integer. */
const FOR_EVER = 2_147_483_647

/**
 * Options of listing members.
 *
 * @example
 * ```ts
 * import type { MembersOptions } from 'grammy-sentinel/mtproto'
 *
 * const newBots: MembersOptions = { filter: 'bots', onProgress: ({ seen, total }) => console.log(`${seen} of ${total}`) }
 * ```
 */
export interface MembersOptions {
  /** Which members to list, most recent joins first. Default: `all`. */
  readonly filter?: 'all' | 'administrators' | 'bots' | 'banned' | 'restricted'
  /** Only members whose name or username contains this text. Works with `all`, `banned` and `restricted`. */
  readonly search?: string
  /** Called after each page. */
  readonly onProgress?: (progress: { readonly seen: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/**
 * A member of a chat, including the join date and the inviter, which the Bot API does not reveal.
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
  /** In milliseconds since 1970. Absent for the creator, and for members since the creation of the group. */
  readonly joinedAt?: Ms
  /** Who invited them, if Telegram reveals it. */
  readonly invitedBy?: number
  readonly promotedBy?: number
  readonly bannedBy?: number
  /** In milliseconds since 1970; absent for a permanent ban. */
  readonly bannedUntil?: Ms
}

/** Page size; Telegram's maximum. */
const PAGE = 200
/** Number of members that a page has in common with the one before, because members who leave move the rest forward. */
const OVERLAP = 20
/** Maximum number of steps back in a list whose pages have nothing in common, because it changes faster than it is read. */
const MOST_BACK = 20

/**
 * Lists members page by page, each of them once. Telegram returns at most ten thousand per query; a search can find others.
 *
 * @throws SentinelError `mtproto.refused`, for example with `CHAT_ADMIN_REQUIRED` in channels.
 */
export async function* membersOf(
  caller: Caller,
  chat: number | string,
  options: MembersOptions = {},
): AsyncGenerator<Member, void, undefined> {
  const channel = await caller.channel(chat)
  const filter = filterOf(options)
  const { onProgress, signal } = options
  const seen = new Set<number>()
  let [offset, overlap, back] = [0, 0, 0]
  for (;;) {
    signal?.throwIfAborted()
    const hash = (await import('@mtcute/core')).Long.ZERO
    const page = await caller.call(
      { _: 'channels.getParticipants', channel, filter, offset, limit: PAGE, hash },
      { signal },
    )
    if (page._ !== 'channels.channelParticipants') return
    const { participants, count } = page
    // An empty page before the end of the list means that Telegram lists no more of it.
    if (participants.length === 0 && offset < count) return
    const unseen = participants.filter((each) => !seen.has(idOf(each)))
    if (overlap > 0 && back < MOST_BACK && unseen.length === participants.length) {
      // So many have left that members may have moved past the pages read so far.
      back++
      offset = Math.max(0, offset - PAGE + OVERLAP)
      overlap = offset > 0 ? OVERLAP : 0
      continue
    }
    for (const each of unseen) seen.add(idOf(each))
    onProgress?.({ seen: seen.size, total: count })
    const users = usersById(page.users)
    for (const participant of unseen) {
      const member = memberOf(participant, users)
      if (member !== undefined) yield member
    }
    overlap = participants.length > OVERLAP ? OVERLAP : 0
    offset += participants.length - overlap
    if (offset + overlap >= count) return
  }
}

/** The id of a participant, as in the Bot API. */
function idOf(participant: tl.TypeChannelParticipant): number {
  return 'userId' in participant ? participant.userId : markedId(participant.peer)
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
  // Members since the creation of the group have no join date.
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
