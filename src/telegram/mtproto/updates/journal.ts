import type { StoredMessage } from '../../world/chats/chats.js'

/** An event of one or several messages, with the position (`pts`) after it. */
export type Entry =
  | {
      readonly pts: number
      readonly count: number
      readonly what: 'new' | 'edit'
      readonly stored: StoredMessage
    }
  | { readonly pts: number; readonly count: number; readonly what: 'delete'; readonly ids: readonly number[] }

/** Maximum number of entries kept; a client that missed more is told that the gap is too long. */
const KEPT_AT_MOST = 10_000

/**
 * The events of an account's own messages or of a channel, in order
 * (https://core.telegram.org/api/updates#message-related-event-sequences).
 */
export class Journal {
  pts = 1
  readonly #entries: Entry[] = []
  /** Position up to which entries were dropped. */
  #forgotten = 1

  add(what: 'new' | 'edit', stored: StoredMessage): Entry {
    this.pts++
    return this.#keep({ pts: this.pts, count: 1, what, stored })
  }

  remove(ids: readonly number[]): Entry {
    this.pts += ids.length
    return this.#keep({ pts: this.pts, count: ids.length, what: 'delete', ids })
  }

  /** Returns the latest event of a message. */
  entryOf(stored: StoredMessage): Entry | undefined {
    return this.#entries.findLast((entry) => entry.what !== 'delete' && entry.stored === stored)
  }

  /** Returns the entries after a position; undefined if some of them were dropped. */
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

  /** Drops all entries, as if they were too long ago. */
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
