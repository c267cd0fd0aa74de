import type { tl } from '@mtcute/core'
import { type Caller, reasonOf } from './caller.js'

/** Channels whose last message is remembered; of more, the one that was silent for longest is forgotten. */
const MOST_CHANNELS = 10_000
/** After a longer silence the newest are fetched alone. */
const MOST_MISSED = 10_000
const PAGE = 100

/** A message that was missed, and who is mentioned with it. */
export interface Missed {
  readonly message: tl.TypeMessage
  readonly users: readonly tl.TypeUser[]
  readonly chats: readonly tl.TypeChat[]
}

/**
 * Fetches what a client was told is too long ago to be told (`updates.channelDifferenceTooLong`), by asking for the ids it has not
 * seen: mtcute goes on at the end, and says nothing of what was between.
 */
export class Refetching {
  readonly #last = new Map<number, number>()

  /** Notes the latest message of a channel. */
  saw(channel: number, id: number): void {
    const last = this.#last.get(channel) ?? 0
    this.#last.delete(channel)
    this.#last.set(channel, Math.max(last, id))
    if (this.#last.size <= MOST_CHANNELS) return
    for (const [silent] of this.#last) {
      this.#last.delete(silent)
      return
    }
  }

  /** Those between what was seen last and what is newest, oldest first; none where nothing was seen yet. */
  async *missed(caller: Caller, channel: number, newest: number): AsyncGenerator<Missed, void, undefined> {
    const last = this.#last.get(channel)
    if (last === undefined) return
    const input = await caller.channel(-1_000_000_000_000 - channel)
    for (let from = Math.max(last + 1, newest - MOST_MISSED + 1); from <= newest; from += PAGE) {
      const ids = Array.from({ length: Math.min(PAGE, newest - from + 1) }, (_, nth) => from + nth)
      const found = await this.#page(caller, input, ids)
      if (found === undefined || found._ === 'messages.messagesNotModified') return
      const { users, chats } = found
      for (const message of found.messages) if (message._ !== 'messageEmpty') yield { message, users, chats }
    }
  }

  /** Undefined where we may not look any longer: then there is nothing to tell. */
  async #page(caller: Caller, channel: tl.TypeInputChannel, ids: readonly number[]) {
    try {
      return await caller.call({
        _: 'channels.getMessages',
        channel,
        id: ids.map((id) => ({ _: 'inputMessageID', id })),
      })
    } catch (error) {
      if (reasonOf(error) === undefined) throw error
      return undefined
    }
  }
}
