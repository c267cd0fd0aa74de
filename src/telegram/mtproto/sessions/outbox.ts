/** What a client never acknowledges; it will ask for the difference. */
const MOST_UNACKNOWLEDGED = 1000
/** How many answers are kept for a client that asks again. */
const MOST_ANSWERS = 200
/** The same in bytes: who asks for much and acknowledges nothing is not kept it all. */
const MOST_BYTES = 16 * 1024 * 1024

/** A message as it went out. */
export interface Sent {
  readonly id: bigint
  readonly seqNo: number
  readonly body: Buffer
  /** Of an answer: to which message. */
  readonly answers?: bigint
}

/** What a session has sent and its client has not acknowledged, and what it was answered. */
export class Outbox {
  readonly #unacknowledged = new Map<bigint, Sent>()
  /** By request: the answer, even if it was acknowledged. */
  readonly #answers = new Map<bigint, bigint>()
  #bytes = 0
  #sequence = 0

  /** Numbers it; what has content is kept until it is acknowledged. */
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
      if (this.#answers.size > MOST_ANSWERS) this.#forgetAnswer()
    }
    return sent
  }

  /** It came: what it was, if that is known. */
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

  /** What a request was answered, unless the answer was acknowledged or is forgotten. */
  answerTo(request: bigint): Sent | undefined {
    const id = this.#answers.get(request)
    return id === undefined ? undefined : this.#unacknowledged.get(id)
  }

  unacknowledged(): Iterable<Sent> {
    return this.#unacknowledged.values()
  }

  #forgetAnswer(): void {
    for (const [first] of this.#answers) {
      this.#answers.delete(first)
      return
    }
  }
}
