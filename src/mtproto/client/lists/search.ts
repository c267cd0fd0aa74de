import type { tl } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'
import type { Caller } from '../calls/caller.js'
import { markedId } from '../calls/peers.js'
import { type HistoryMessage, messageOf } from '../messages.js'

/** Kinds of content that a search can be limited to. */
const FILTERS = {
  photos: 'inputMessagesFilterPhotos',
  videos: 'inputMessagesFilterVideo',
  documents: 'inputMessagesFilterDocument',
  links: 'inputMessagesFilterUrl',
  animations: 'inputMessagesFilterGif',
  voice: 'inputMessagesFilterVoice',
  music: 'inputMessagesFilterMusic',
  mentions: 'inputMessagesFilterMyMentions',
  pinned: 'inputMessagesFilterPinned',
} as const

/**
 * What to search for.
 *
 * @example
 * ```ts
 * import type { SearchOptions } from 'grammy-sentinel/mtproto'
 *
 * const links: SearchOptions = { chat: '@mygroup', from: 1234567, shows: 'links', since: Date.now() - 86_400_000 }
 * ```
 */
export interface SearchOptions {
  /** Chat to search in. Default: all chats of the account. */
  readonly chat?: number | string
  /** Words that the message must contain. */
  readonly text?: string
  /** The sender. Only applies to a search within one chat. */
  readonly from?: number | string
  readonly shows?: keyof typeof FILTERS
  /** In milliseconds since 1970; likewise `until`. */
  readonly since?: Ms
  readonly until?: Ms
  /** Called after each page. */
  readonly onProgress?: (progress: { readonly seen: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/**
 * A message found by a search.
 *
 * @example
 * ```ts
 * import type { FoundMessage } from 'grammy-sentinel/mtproto'
 *
 * const where = ({ chat, id }: FoundMessage) => `${chat}/${id}`
 * ```
 */
export interface FoundMessage extends HistoryMessage {
  /** Chat id, as in the Bot API. */
  readonly chat: number
}

/** Page size; Telegram's maximum. */
const PAGE = 100

/**
 * Searches messages in one chat or in all, latest first. Not available to bots.
 *
 * @throws SentinelError `mtproto.refused`: for bots with `BOT_METHOD_INVALID`.
 */
export async function* searchIn(
  caller: Caller,
  options: SearchOptions,
): AsyncGenerator<FoundMessage, void, undefined> {
  const { chat, onProgress, signal } = options
  const ask = chat === undefined ? await everywhere(caller, options) : await inChat(caller, chat, options)
  for (let seen = 0; ; ) {
    signal?.throwIfAborted()
    const page = await ask()
    if (page === undefined || page._ === 'messages.messagesNotModified') return
    const { messages } = page
    seen += messages.length
    const total = page._ === 'messages.messages' ? seen : page.count
    onProgress?.({ seen, total })
    for (const message of messages) {
      const found = messageOf(message)
      if (found !== undefined && message._ !== 'messageEmpty')
        yield { ...found, chat: markedId(message.peerId) }
    }
    if (messages.length === 0 || page._ === 'messages.messages' || seen >= total) return
  }
}

/** Fetches the next page; undefined if there is none. */
type Ask = () => Promise<tl.messages.TypeMessages | undefined>

async function inChat(caller: Caller, chat: number | string, options: SearchOptions): Promise<Ask> {
  const { Long } = await import('@mtcute/core')
  const peer = await caller.peer(chat)
  const fromId = options.from === undefined ? undefined : await caller.peer(options.from)
  let offsetId = 0
  return async () => {
    const page = await caller.call(
      {
        _: 'messages.search',
        peer,
        ...whatOf(options),
        ...(fromId !== undefined && { fromId }),
        ...{ offsetId, addOffset: 0, limit: PAGE, maxId: 0, minId: 0, hash: Long.ZERO },
      },
      { signal: options.signal },
    )
    if (page._ !== 'messages.messagesNotModified') offsetId = page.messages.at(-1)?.id ?? offsetId
    return page
  }
}

async function everywhere(caller: Caller, options: SearchOptions): Promise<Ask> {
  let [offsetRate, offsetId] = [0, 0]
  let offsetPeer: tl.TypeInputPeer = { _: 'inputPeerEmpty' }
  return async () => {
    const page = await caller.call(
      { _: 'messages.searchGlobal', ...whatOf(options), offsetRate, offsetId, offsetPeer, limit: PAGE },
      { signal: options.signal },
    )
    if (page._ === 'messages.messagesNotModified') return page
    const last = page.messages.at(-1)
    if (last !== undefined && last._ !== 'messageEmpty') {
      offsetId = last.id
      // "next_rate, or the date of the last message" (https://core.telegram.org/method/messages.searchGlobal).
      offsetRate = page._ === 'messages.messagesSlice' ? (page.nextRate ?? last.date) : last.date
      offsetPeer = await caller.peer(markedId(last.peerId))
    }
    return page
  }
}

function whatOf({ text = '', shows, since = 0, until = 0 }: SearchOptions) {
  const filter: tl.TypeMessagesFilter = {
    _: shows === undefined ? 'inputMessagesFilterEmpty' : FILTERS[shows],
  }
  return { q: text, filter, minDate: Math.floor(since / 1000), maxDate: Math.ceil(until / 1000) }
}
