import type { ITelegramStorageProvider, tl } from '@mtcute/core'
import { setNewest } from '../../../core/maps.js'
import { chatIdOfChannel } from '../../protocol/chat-ids.js'
import type { Caller } from '../calls/caller.js'
import { reasonOf } from '../calls/refusal.js'
import { NOT_OURS } from './gap-retries.js'
import { COMMON } from './progress.js'
import { type Described, peersOf } from './translation/people.js'

/** Maximum number of boxes whose last message is kept in memory; beyond it the one silent for longest is read from the storage. */
const MOST_BOXES = 10_000
/** Maximum number of messages fetched; of a longer gap only the newest. */
const MOST_MISSED = 10_000
const PAGE = 100
/** Deleted messages leave holes in an account's ids: this many empty pages in a row count as the end. */
const MOST_EMPTY = 3

type Page = Exclude<tl.messages.TypeMessages, tl.messages.RawMessagesNotModified>

/**
 * Fetches messages that Telegram no longer lists as updates (`updates.differenceTooLong`, `updates.channelDifferenceTooLong`), by
 * the ids not seen yet: mtcute would skip them silently. The last id of each box is stored with its position, so that this also
 * works after a restart.
 */
export class Refetching {
  readonly #last = new Map<number, number>()

  constructor(private readonly kv: ITelegramStorageProvider['kv']) {}

  /** Notes the latest message of a box. */
  saw(box: number, id: number): void {
    setNewest(this.#last, box, Math.max(this.#last.get(box) ?? 0, id), MOST_BOXES)
  }

  /** Returns a write that stores the last message seen as of now; undefined if none was seen. */
  note(box: number): (() => Promise<void>) | undefined {
    const last = this.#last.get(box)
    if (last === undefined) return undefined
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, last)
    return async () => {
      await this.kv.set(`last_message:${box}`, bytes)
    }
  }

  /** Yields messages of a channel between the last one seen and the newest, oldest first; none if none was ever seen. */
  async *ofChannel(
    caller: Caller,
    channel: number,
    newest: number,
  ): AsyncGenerator<Described, void, undefined> {
    const last = await this.#lastOf(channel)
    if (last === undefined) return
    const input = await caller.channel(chatIdOfChannel(channel))
    const ask = (id: tl.TypeInputMessage[]) => caller.call({ _: 'channels.getMessages', channel: input, id })
    for (let from = Math.max(last + 1, newest - MOST_MISSED + 1); from <= newest; from += PAGE) {
      const page = await pageOf(ask, from, Math.min(PAGE, newest - from + 1))
      if (page === undefined) return
      yield* missedIn(page)
    }
  }

  /** Yields messages of private chats after the last one seen, oldest first. Telegram does not reveal the newest id. */
  async *ofAccount(caller: Caller): AsyncGenerator<Described, void, undefined> {
    const last = await this.#lastOf(COMMON)
    if (last === undefined) return
    const ask = (id: tl.TypeInputMessage[]) => caller.call({ _: 'messages.getMessages', id })
    let empty = 0
    for (let from = last + 1; from <= last + MOST_MISSED && empty < MOST_EMPTY; from += PAGE) {
      const page = await pageOf(ask, from, PAGE)
      if (page === undefined) return
      empty = page.messages.every(({ _: name }) => name === 'messageEmpty') ? empty + 1 : 0
      yield* missedIn(page)
    }
  }

  async #lastOf(box: number): Promise<number | undefined> {
    const known = this.#last.get(box)
    if (known !== undefined) return known
    const kept = await this.kv.get(`last_message:${box}`)
    if (kept === null) return undefined
    return new DataView(kept.buffer, kept.byteOffset, kept.byteLength).getUint32(0)
  }
}

type Ask = (id: tl.TypeInputMessage[]) => Promise<tl.messages.TypeMessages>

/**
 * Fetches a page of messages; undefined if the account has no access to the chat any more.
 *
 * @throws any other error: it may be temporary, and the messages are then still missing.
 */
async function pageOf(ask: Ask, from: number, count: number): Promise<Page | undefined> {
  try {
    const found = await ask(
      Array.from({ length: count }, (_, nth) => ({ _: 'inputMessageID', id: from + nth })),
    )
    return found._ === 'messages.messagesNotModified' ? undefined : found
  } catch (error) {
    if (NOT_OURS.test(reasonOf(error) ?? '')) return undefined
    throw error
  }
}

function* missedIn({ messages, users, chats }: Page): Generator<Described, void, undefined> {
  const peers = peersOf(users, chats)
  for (const message of messages) if (message._ !== 'messageEmpty') yield { message, peers }
}
