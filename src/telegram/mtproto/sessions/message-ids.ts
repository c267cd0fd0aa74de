import type { Ms } from '../../../core/duration.js'

/**
 * Numbers messages: Unix time in its upper half, ever greater, and what is left after division by four says of what kind it is:
 * 1 answers a client's message, 3 is sent unasked (https://core.telegram.org/mtproto/description#message-identifier-msg-id).
 */
export class MessageIds {
  #last = 0n

  constructor(private readonly now: () => Ms) {}

  next(isAnswer: boolean): bigint {
    const at = this.now()
    const second = BigInt(Math.floor(at / 1000))
    const fraction = BigInt(Math.floor(((at % 1000) / 1000) * 2 ** 30))
    let id = (second << 32n) | (fraction << 2n)
    if (id <= this.#last) id = (this.#last | 3n) + 1n
    this.#last = id
    return id | (isAnswer ? 1n : 3n)
  }
}

/** What is wrong with a client's message (https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message). */
export type BadMessage = 16 | 17 | 18 | 19 | 20 | 32 | 33 | 34 | 35 | 48 | 64

/** A client's clock may be so much behind, and so much ahead, in seconds. */
const [MOST_BEHIND, MOST_AHEAD] = [300, 30]

/** What is wrong with the number itself. */
export function badIdOf(id: bigint, now: Ms): BadMessage | undefined {
  if ((id & 3n) !== 0n) return 18
  const second = Number(id >> 32n)
  const current = now / 1000
  if (second < current - MOST_BEHIND) return 16
  return second > current + MOST_AHEAD ? 17 : undefined
}

/** How far a message has come. */
export interface Note {
  readonly seqNo: number
  /** Whether the client was told that it came, by an answer or otherwise. */
  acknowledged: boolean
  /** Of a request: whether it went well, once it is done. */
  outcome?: Promise<boolean>
  /** Of a request: an answer was made. */
  answered: boolean
  /** Of a request: the client has said that it has the answer. */
  known: boolean
}

/** What a session has received, so that nothing is done twice; bounded, and what is older than all it keeps is refused. */
export class Received {
  readonly #notes = new Map<bigint, Note>()
  #floor = 0n
  #highest = 0n
  #greatest = -1

  constructor(private readonly most = 1200) {}

  /** Whether it came before. `old`: too old to tell. */
  status(id: bigint): 'new' | 'seen' | 'old' {
    if (this.#notes.has(id)) return 'seen'
    return id <= this.#floor ? 'old' : 'new'
  }

  /** What is wrong with where it stands among others: numbers of later messages are never lower, and those with content differ. */
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
    // Half at a time, or every message would be compared with all.
    if (this.#notes.size > this.most * 2) {
      const ids = [...this.#notes.keys()].sort((a, b) => (a < b ? -1 : 1))
      for (const least of ids.slice(0, ids.length - this.most)) {
        this.#notes.delete(least)
        // What came as a copy may be older than all that is kept.
        if (least > this.#floor) this.#floor = least
      }
    }
    return note
  }

  find(id: bigint): Note | undefined {
    return this.#notes.get(id)
  }

  /** As it is told (https://core.telegram.org/mtproto/service_messages_about_messages#informational-message-regarding-status-of-messages). */
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
