import type { tl } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { CHANNEL_MARK, chatIdOfChannel } from '../../protocol/chat-ids.js'
import type { Caller } from '../calls/caller.js'

/**
 * Full description of a group or channel.
 *
 * @example
 * ```ts
 * import type { FullChat } from 'grammy-sentinel/mtproto'
 *
 * const isRaided = ({ online = 0, members = 1 }: FullChat) => online / members > 0.8
 * ```
 */
export interface FullChat {
  /** Chat id, as in the Bot API. */
  readonly id: number
  readonly kind: 'group' | 'supergroup' | 'channel'
  readonly title: string
  readonly username?: string
  readonly about: string
  readonly isForum: boolean
  readonly isScam: boolean
  readonly isFake: boolean
  readonly isVerified: boolean
  readonly isRestricted: boolean
  /** Number of members; this and other counts are absent if Telegram withholds them from this account. */
  readonly members?: number
  readonly administrators?: number
  /** Number of banned users. */
  readonly banned?: number
  /** Number of restricted members. */
  readonly restricted?: number
  readonly online?: number
  /** Number of pending join requests. */
  readonly asking?: number
  /** Whether this account may list the members. */
  readonly canListMembers: boolean
  readonly hasHiddenMembers: boolean
  readonly hasAntispam: boolean
  /** The discussion group of a channel, or the channel of a discussion group. */
  readonly linkedChat?: number
  /** Delay between two messages of a member. */
  readonly slowMode?: Ms
  /** How long new messages are kept. */
  readonly autoDelete?: Ms
  readonly pinnedMessage?: number
  /** The basic group that was upgraded to this supergroup. */
  readonly migratedFrom?: number
}

/**
 * Fetches the full description of a group or channel; also available to bots.
 *
 * @throws SentinelError `mtproto.refused`, for example with `CHANNEL_PRIVATE`.
 */
export async function fullChatOf(caller: Caller, chat: number | string): Promise<FullChat> {
  const isBasic = typeof chat === 'number' && chat < 0 && chat > -CHANNEL_MARK
  const answer = isBasic
    ? await caller.call({ _: 'messages.getFullChat', chatId: -chat })
    : await caller.call({ _: 'channels.getFullChannel', channel: await caller.channel(chat) })
  const { fullChat: full } = answer
  const found = answer.chats.find((each) => each.id === full.id)
  if (full._ === 'channelFull' && found?._ === 'channel') return ofChannel(full, found)
  if (full._ === 'chatFull' && found?._ === 'chat') return ofGroup(full, found)
  throw new SentinelError(
    'mtproto.session',
    'mtproto.fullChat: Telegram returned nothing about that chat. Is the account still a member?',
  )
}

function ofChannel(full: tl.RawChannelFull, channel: tl.RawChannel): FullChat {
  const { slowmodeSeconds = 0, ttlPeriod = 0, linkedChatId, migratedFromChatId } = full
  return {
    id: chatIdOfChannel(full.id),
    kind: channel.broadcast === true ? 'channel' : 'supergroup',
    title: channel.title,
    ...given({ username: channel.username }),
    about: full.about,
    isForum: channel.forum === true,
    ...standing(channel),
    ...given({
      members: full.participantsCount,
      administrators: full.adminsCount,
      banned: full.kickedCount,
      restricted: full.bannedCount,
      online: full.onlineCount,
      asking: full.requestsPending,
      linkedChat: linkedChatId === undefined ? undefined : chatIdOfChannel(linkedChatId),
      slowMode: slowmodeSeconds === 0 ? undefined : slowmodeSeconds * 1000,
      autoDelete: ttlPeriod === 0 ? undefined : ttlPeriod * 1000,
      pinnedMessage: full.pinnedMsgId,
      migratedFrom: migratedFromChatId === undefined ? undefined : -migratedFromChatId.toNumber(),
    }),
    canListMembers: full.canViewParticipants === true,
    hasHiddenMembers: full.participantsHidden === true,
    hasAntispam: full.antispam === true,
  }
}

function ofGroup(full: tl.RawChatFull, group: tl.RawChat): FullChat {
  const { ttlPeriod = 0, participants } = full
  return {
    id: -full.id,
    kind: 'group',
    title: group.title,
    about: full.about,
    isForum: false,
    ...standing({}),
    members: group.participantsCount,
    ...(participants._ === 'chatParticipants' && {
      administrators: participants.participants.filter(({ _: kind }) => kind !== 'chatParticipant').length,
    }),
    ...given({
      asking: full.requestsPending,
      autoDelete: ttlPeriod === 0 ? undefined : ttlPeriod * 1000,
      pinnedMessage: full.pinnedMsgId,
    }),
    canListMembers: participants._ === 'chatParticipants',
    hasHiddenMembers: false,
    hasAntispam: false,
  }
}

type Marks = Pick<tl.RawChannel, 'scam' | 'fake' | 'verified' | 'restricted'>

function standing({ scam, fake, verified, restricted }: Partial<Marks>) {
  return {
    isScam: scam === true,
    isFake: fake === true,
    isVerified: verified === true,
    isRestricted: restricted === true,
  }
}

/** Drops undefined fields. */
function given<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const there = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(there) as { [K in keyof T]?: NonNullable<T[K]> }
}
