import { RPC_RESULT } from '../../../mtproto/protocol/tl/object.js'
import { MOST_CONTAINED, PART } from './containers.js'
import type { Sent } from './outbox.js'
import type { Wire } from './wire.js'

/** What is longer goes by itself: to be in a container it would be copied, and those behind it would wait for it. */
const LONG = 16 * 1024
/** Of all in one container. */
const MOST_BYTES = 64 * 1024
const RPC_ERROR = 0x2144ca19

interface Leaving {
  readonly wire: Wire
  readonly sent: Sent
}

/**
 * What a session says in one turn of the event loop goes together: encrypted once and written once, as Telegram does it. A client
 * that asks much at once is answered so, and then asks again at once, too.
 */
export class Departures {
  #leaving: Leaving[] = []

  constructor(
    /** Sends one message, or several of them as the body of another. */
    private readonly depart: (wire: Wire, messages: readonly Sent[]) => void,
  ) {}

  add(wire: Wire, sent: Sent): void {
    // After all that came along was handled as far as it can be without waiting.
    if (this.#leaving.push({ wire, sent }) === 1) setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    const leaving = this.#leaving
    this.#leaving = []
    let together: Sent[] = []
    let bytes = 0
    leaving.forEach(({ wire, sent }, index) => {
      together.push(sent)
      bytes += PART + sent.body.length
      const next = leaving[index + 1]
      const goes =
        next === undefined ||
        next.wire !== wire ||
        isRefusal(sent.body) ||
        sent.body.length > LONG ||
        next.sent.body.length > LONG ||
        together.length === MOST_CONTAINED ||
        bytes > MOST_BYTES
      if (!goes) return
      this.depart(wire, together)
      together = []
      bytes = 0
    })
  }
}

/** GramJS throws at a refusal, and reads nothing of what stands behind it in a container. */
function isRefusal(body: Buffer): boolean {
  return body.length >= 16 && body.readUInt32LE(0) === RPC_RESULT && body.readUInt32LE(12) === RPC_ERROR
}
