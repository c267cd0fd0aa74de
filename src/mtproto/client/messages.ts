import type { tl } from '@mtcute/core'
import type { Ms } from '../../core/duration.js'
import { chatIdOfChannel } from '../protocol/chat-ids.js'
import type { Caller } from './calls/caller.js'
import { reasonOf } from './calls/refusal.js'
import { fileOfMedia, type MtprotoFile } from './files/file.js'

/**
 * A message of a chat's history.
 *
 * @example
 * ```ts
 * import type { HistoryMessage } from 'grammy-sentinel/mtproto'
 *
 * const isOf = (user: number) => ({ senderId }: HistoryMessage) => senderId === user
 * ```
 */
export interface HistoryMessage {
  readonly id: number
  /** A user, or a chat that is written for, by its number in the Bot API. */
  readonly senderId?: number
  /** In milliseconds since 1970. */
  readonly at: Ms
  readonly text: string
  /** Whether it tells of an event, such as a join. */
  readonly isService: boolean
  /** What it shows besides its text, for `download()`. */
  readonly file?: MtprotoFile
}

/**
 * Which messages to read.
 *
 * @example
 * ```ts
 * import type { HistoryOptions } from 'grammy-sentinel/mtproto'
 *
 * const lastHundred: HistoryOptions = { from: 900, to: 1000 }
 * ```
 */
export interface HistoryOptions {
  /** The first id. Default: 1. */
  readonly from?: number
  /** The last id. Default: the newest, which Telegram is asked for. */
  readonly to?: number
  /** How many ids at most, newest first. Default: all from `from`. */
  readonly depth?: number
  readonly onProgress?: (progress: { readonly seen: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/** "Up to 100 messages at once" (https://core.telegram.org/method/channels.getMessages). */
const PAGE = 100

/** Reads messages by their ids, newest first: that bots may, while lists of them are for people. */
export async function* historyOf(
  caller: Caller,
  chat: number | string,
  options: HistoryOptions = {},
): AsyncGenerator<HistoryMessage, void, undefined> {
  const channel = await caller.channel(chat)
  const { onProgress, signal } = options
  const { to = await newestId(caller, channel, signal), depth = to } = options
  const from = Math.max(options.from ?? 1, to - depth + 1)
  let seen = 0
  for (let last = to; last >= from; last -= PAGE) {
    signal?.throwIfAborted()
    const ids = Array.from({ length: Math.min(PAGE, last - from + 1) }, (_, nth) => last - nth)
    for (const message of await messagesOf(caller, channel, ids, signal)) yield message
    seen += ids.length
    onProgress?.({ seen, total: to - from + 1 })
  }
}

async function messagesOf(
  caller: Caller,
  channel: tl.TypeInputChannel,
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<HistoryMessage[]> {
  const found = await caller.call(
    { _: 'channels.getMessages', channel, id: ids.map((id) => ({ _: 'inputMessageID', id })) },
    { signal },
  )
  if (found._ === 'messages.messagesNotModified') return []
  return found.messages.map(messageOf).filter((message) => message !== undefined)
}

/**
 * The newest id there is: of what happened in the chat since it began Telegram tells all, or says that it is too much and which message is the
 * last. Pages of ids say less: a hundred that were deleted look like the end.
 */
async function newestId(
  caller: Caller,
  channel: tl.TypeInputChannel,
  signal: AbortSignal | undefined,
): Promise<number> {
  let newest = 0
  for (let pts = 1; ; ) {
    signal?.throwIfAborted()
    // Not forced, as those are that mtcute makes of gaps.
    const told = await caller.call(
      {
        _: 'updates.getChannelDifference',
        channel,
        filter: { _: 'channelMessagesFilterEmpty' },
        pts,
        limit: PAGE,
      },
      { signal },
    )
    switch (told._) {
      case 'updates.channelDifferenceEmpty':
        return newest
      case 'updates.channelDifferenceTooLong':
        return Math.max(newest, told.dialog._ === 'dialog' ? told.dialog.topMessage : 0)
      default:
        for (const { id } of told.newMessages) newest = Math.max(newest, id)
        if (told.final === true || told.pts <= pts) return newest
        pts = told.pts
    }
  }
}

export function messageOf(message: tl.TypeMessage): HistoryMessage | undefined {
  if (message._ === 'messageEmpty') return undefined
  const sender = message.fromId === undefined ? undefined : markedId(message.fromId)
  const origin = { chat: markedId(message.peerId), message: message.id }
  const file = message._ === 'message' ? fileOfMedia(message.media, origin) : undefined
  return {
    id: message.id,
    ...(sender !== undefined && { senderId: sender }),
    at: message.date * 1000,
    text: message._ === 'message' ? message.message : '',
    isService: message._ === 'messageService',
    ...(file !== undefined && { file }),
  }
}

/** As the Bot API numbers it. */
export function markedId(peer: tl.TypePeer): number {
  switch (peer._) {
    case 'peerUser':
      return peer.userId
    case 'peerChat':
      return -peer.chatId
    default:
      return chatIdOfChannel(peer.channelId)
  }
}

/**
 * How a purge went.
 *
 * @example
 * ```ts
 * import type { Purged } from 'grammy-sentinel/mtproto'
 *
 * const line = ({ deleted, way }: Purged) => `${deleted} deleted, ${way}`
 * ```
 */
export interface Purged {
  readonly deleted: number
  /** In one call, as people may; or message by message, as bots must. */
  readonly way: 'at once' | 'by id'
  /** Why not at once, in Telegram's words. */
  readonly reason?: string
}

/** Deletes all that a user wrote in a chat: in one call if the account may, else by looking through the last `depth` ids. */
export async function purge(
  caller: Caller,
  chat: number | string,
  who: number | string,
  options: HistoryOptions = {},
): Promise<Purged> {
  const channel = await caller.channel(chat)
  const participant = await caller.peer(who)
  let reason: string
  try {
    let deleted = 0
    for (;;) {
      const done = await caller.call(
        { _: 'channels.deleteParticipantHistory', channel, participant },
        { signal: options.signal },
      )
      deleted += done.ptsCount
      // It deletes so many at a time, and tells how many are left.
      if (done.offset === 0) return { deleted, way: 'at once' }
    }
  } catch (error) {
    const refused = reasonOf(error)
    if (refused === undefined) throw error
    reason = refused
  }
  if (participant._ !== 'inputPeerUser') return { deleted: 0, way: 'by id', reason }
  let deleted = 0
  let batch: number[] = []
  const remove = async () => {
    if (batch.length === 0) return
    const { ptsCount } = await caller.call({ _: 'channels.deleteMessages', channel, id: batch })
    deleted += ptsCount
    batch = []
  }
  for await (const { id, senderId, isService } of historyOf(caller, chat, options)) {
    if (senderId !== participant.userId || isService) continue
    batch.push(id)
    if (batch.length === PAGE) await remove()
  }
  await remove()
  return { deleted, way: 'by id', reason }
}
