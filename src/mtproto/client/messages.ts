import type { tl } from '@mtcute/core'
import type { Ms } from '../../core/duration.js'
import { chatIdOfChannel } from '../protocol/chat-ids.js'
import type { Caller } from './calls/caller.js'
import { markedId } from './calls/peers.js'
import { reasonOf } from './calls/refusal.js'
import { fileOfMedia, type MtprotoFile } from './files/file.js'

/**
 * A message in a chat's history.
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
  /** The sender: a user, or the chat in whose name the message was written; ids as in the Bot API. */
  readonly senderId?: number
  /** In milliseconds since 1970. */
  readonly at: Ms
  readonly text: string
  /** True for service messages, such as joins. */
  readonly isService: boolean
  /** The attached file, for `download()`. */
  readonly file?: MtprotoFile
}

/**
 * Options of reading a history.
 *
 * @example
 * ```ts
 * import type { HistoryOptions } from 'grammy-sentinel/mtproto'
 *
 * const lastHundred: HistoryOptions = { from: 900, to: 1000 }
 * ```
 */
export interface HistoryOptions {
  /** Lowest message id. Default: 1. */
  readonly from?: number
  /** Highest message id. Default: the newest, which is looked up first. */
  readonly to?: number
  /** Maximum number of ids to look at, newest first. Default: all down to `from`. */
  readonly depth?: number
  readonly onProgress?: (progress: { readonly seen: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/** "Up to 100 messages at once" (https://core.telegram.org/method/channels.getMessages). */
const PAGE = 100

/** Reads messages by their ids, newest first. Unlike messages.getHistory, this is available to bots. */
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
 * Finds the newest message id from the channel's updates since its creation: Telegram either returns them, or answers that they
 * are too many and names the last message. Reading pages of ids would not do: a hundred deleted messages look like the end.
 */
async function newestId(
  caller: Caller,
  channel: tl.TypeInputChannel,
  signal: AbortSignal | undefined,
): Promise<number> {
  let newest = 0
  for (let pts = 1; ; ) {
    signal?.throwIfAborted()
    // Not `force`, unlike the differences that mtcute requests for gaps.
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

/**
 * Result of a purge.
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
  /** In one call, which only people may do, or message by message, as for bots. */
  readonly way: 'at once' | 'by id'
  /** Telegram's reason for refusing deletion in one call. */
  readonly reason?: string
}

/**
 * Deletes all messages of a user, or in the name of a channel, in a chat: in one call if the account may do that, else by reading
 * the last `depth` ids.
 */
export async function purge(
  caller: Caller,
  chat: number | string,
  who: number | string,
  options: HistoryOptions = {},
): Promise<Purged> {
  const channel = await caller.channel(chat)
  let sender = typeof who === 'number' && who < 0 ? who : undefined
  let reason: string
  try {
    const participant = await caller.peer(who)
    sender = senderOf(participant)
    let deleted = 0
    for (;;) {
      const done = await caller.call(
        { _: 'channels.deleteParticipantHistory', channel, participant },
        { signal: options.signal },
      )
      deleted += done.ptsCount
      // Each call deletes a limited number of messages; `offset` is non-zero while more remain.
      if (done.offset === 0) return { deleted, way: 'at once' }
    }
  } catch (error) {
    const refused = reasonOf(error)
    // The messages of a channel are found by its id, even if the account may not see the channel itself.
    if (refused === undefined || sender === undefined) throw error
    reason = refused
  }
  let deleted = 0
  let batch: number[] = []
  const remove = async () => {
    if (batch.length === 0) return
    const { ptsCount } = await caller.call(
      { _: 'channels.deleteMessages', channel, id: batch },
      { signal: options.signal },
    )
    deleted += ptsCount
    batch = []
  }
  for await (const { id, senderId, isService } of historyOf(caller, chat, options)) {
    if (senderId !== sender || isService) continue
    batch.push(id)
    if (batch.length === PAGE) await remove()
  }
  await remove()
  return { deleted, way: 'by id', reason }
}

/** The id of a user or channel as in the Bot API; undefined for other peers. */
function senderOf(peer: tl.TypeInputPeer): number | undefined {
  if ('channelId' in peer) return chatIdOfChannel(peer.channelId)
  return 'userId' in peer ? peer.userId : undefined
}
