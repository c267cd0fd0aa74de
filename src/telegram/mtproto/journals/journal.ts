import type { StoredMessage } from '../../world/chats.js'

/** What happened to messages, and the state after it. */
export type Entry =
  | {
      readonly pts: number
      readonly count: number
      readonly what: 'new' | 'edit'
      readonly stored: StoredMessage
    }
  | { readonly pts: number; readonly count: number; readonly what: 'delete'; readonly ids: readonly number[] }

/** Whoever missed more than this is told that it is too long, and begins anew. */
const KEPT_AT_MOST = 10_000

/** The events of an account's own messages, or of a channel, in order (https://core.telegram.org/api/updates#message-related-event-sequences). */
export class Journal {
  pts = 1
  readonly #entries: Entry[] = []
  /** All up to it is forgotten. */
  #forgotten = 1

  add(what: 'new' | 'edit', stored: StoredMessage): Entry {
    this.pts++
    return this.#keep({ pts: this.pts, count: 1, what, stored })
  }

  remove(ids: readonly number[]): Entry {
    this.pts += ids.length
    return this.#keep({ pts: this.pts, count: ids.length, what: 'delete', ids })
  }

  /** The latest event of a message. */
  entryOf(stored: StoredMessage): Entry | undefined {
    return this.#entries.findLast((entry) => entry.what !== 'delete' && entry.stored === stored)
  }

  /** What came after a state; undefined if not all of it is known any longer. */
  since(
    pts: number,
    most: number,
  ): { readonly entries: readonly Entry[]; readonly more: boolean } | undefined {
    if (pts < this.#forgotten) return undefined
    const from = this.#entries.findIndex((entry) => entry.pts > pts)
    if (from < 0) return { entries: [], more: false }
    const entries = this.#entries.slice(from, from + most)
    return { entries, more: from + most < this.#entries.length }
  }

  /** As if all up to now had happened too long ago. */
  forget(): void {
    this.#entries.length = 0
    this.#forgotten = this.pts
  }

  #keep(entry: Entry): Entry {
    this.#entries.push(entry)
    if (this.#entries.length > KEPT_AT_MOST) this.#forgotten = (this.#entries.shift() as Entry).pts
    return entry
  }
}
