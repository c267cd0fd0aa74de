import { keepLatest } from '../../../core/maps.js'

/** Maximum number of unacknowledged messages kept; a client that misses more asks for the difference. */
const MOST_UNACKNOWLEDGED = 1000
/** Maximum number of answers kept for requests that are repeated. */
const MOST_ANSWERS = 200
/** Maximum size of unacknowledged messages, in bytes, for clients that request much and acknowledge nothing. */
const MOST_BYTES = 16 * 1024 * 1024

/** A message as it was sent. */
export interface Sent {
  readonly id: bigint
  readonly seqNo: number
  readonly body: Buffer
  /** For an answer: the id of the request. */
  readonly answers?: bigint
}

/** The messages that a session has sent and the client has not acknowledged, including answers. */
export class Outbox {
  readonly #unacknowledged = new Map<bigint, Sent>()
  /** Id of the answer by request id, even if it was acknowledged. */
  readonly #answers = new Map<bigint, bigint>()
  #bytes = 0
  #sequence = 0

  /** Assigns a sequence number; content-related messages are kept until acknowledged. */
  add(id: bigint, body: Buffer, isContent: boolean, answers?: bigint): Sent {
    const seqNo = this.#sequence * 2 + (isContent ? 1 : 0)
    const sent: Sent = { id, seqNo, body, ...(answers !== undefined && { answers }) }
    if (!isContent) return sent
    this.#sequence++
    this.#unacknowledged.set(id, sent)
    this.#bytes += body.length
    for (const [oldest] of this.#unacknowledged) {
      if (this.#unacknowledged.size <= MOST_UNACKNOWLEDGED && this.#bytes <= MOST_BYTES) break
      this.acknowledge(oldest)
    }
    if (answers !== undefined) {
      this.#answers.set(answers, id)
      keepLatest(this.#answers, MOST_ANSWERS)
    }
    return sent
  }

  /** Removes an acknowledged message and returns it, if it was kept. */
  acknowledge(id: bigint): Sent | undefined {
    const sent = this.#unacknowledged.get(id)
    if (sent === undefined) return undefined
    this.#unacknowledged.delete(id)
    this.#bytes -= sent.body.length
    return sent
  }

  find(id: bigint): Sent | undefined {
    return this.#unacknowledged.get(id)
  }

  /** Returns the answer to a request, unless it was acknowledged or dropped. */
  answerTo(request: bigint): Sent | undefined {
    const id = this.#answers.get(request)
    return id === undefined ? undefined : this.#unacknowledged.get(id)
  }

  unacknowledged(): Iterable<Sent> {
    return this.#unacknowledged.values()
  }
}
