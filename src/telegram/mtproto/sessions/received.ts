/** State of a received message. */
interface Note {
  readonly seqNo: number
  /** Whether the client was told that the message arrived, by an answer or an acknowledgement. */
  acknowledged: boolean
  /** For a request: whether it succeeded, once handled. */
  outcome?: Promise<boolean>
  /** For a request: whether an answer was generated. */
  answered: boolean
  /** For a request: whether the client has acknowledged the answer. */
  known: boolean
}

/** Messages of a session that are remembered at least. */
const MOST_NOTES = 1200

/**
 * The messages that a session has received, so that none is handled twice. Bounded; messages older than the oldest kept are
 * refused.
 */
export class Received {
  readonly #notes = new Map<bigint, Note>()
  #floor = 0n
  #highest = 0n
  #greatest = -1

  /** Whether a message was received before; `old` means that it is too old to know. */
  status(id: bigint): 'new' | 'seen' | 'old' {
    if (this.#notes.has(id)) return 'seen'
    return id <= this.#floor ? 'old' : 'new'
  }

  /** Checks the sequence number: it must not decrease over time, and content-related messages must have distinct ones. */
  misplaced(id: bigint, seqNo: number): 32 | 33 | undefined {
    const isOdd = (seqNo & 1) === 1
    if (id > this.#highest) {
      return this.#greatest > seqNo || (isOdd && this.#greatest === seqNo) ? 32 : undefined
    }
    for (const [other, { seqNo: theirs }] of this.#notes) {
      if (isOdd && theirs === seqNo) return other < id ? 32 : 33
      if (other < id && theirs > seqNo) return 32
      if (other > id && theirs < seqNo) return 33
    }
    return undefined
  }

  add(id: bigint, seqNo: number): Note {
    const note: Note = { seqNo, acknowledged: false, answered: false, known: false }
    this.#notes.set(id, note)
    if (id > this.#highest) this.#highest = id
    if (seqNo > this.#greatest) this.#greatest = seqNo
    // Removes half of them at a time, so that sorting is rare.
    if (this.#notes.size > MOST_NOTES * 2) {
      const ids = [...this.#notes.keys()].sort((a, b) => (a < b ? -1 : 1))
      for (const least of ids.slice(0, ids.length - MOST_NOTES)) {
        this.#notes.delete(least)
        // Copies may have ids below the floor.
        if (least > this.#floor) this.#floor = least
      }
    }
    return note
  }

  find(id: bigint): Note | undefined {
    return this.#notes.get(id)
  }

  /**
   * State of a message in Telegram's encoding
   * (https://core.telegram.org/mtproto/service_messages_about_messages#informational-message-regarding-status-of-messages).
   */
  stateOf(id: bigint): number {
    const note = this.#notes.get(id)
    if (note === undefined) return id <= this.#floor ? 1 : id > this.#highest ? 3 : 2
    const isContent = (note.seqNo & 1) === 1
    return (
      4 |
      (note.acknowledged ? 8 : 0) |
      (isContent ? 0 : 16) |
      (note.outcome === undefined ? 0 : 32) |
      (note.answered ? 64 : 0) |
      (note.known ? 128 : 0)
    )
  }
}
