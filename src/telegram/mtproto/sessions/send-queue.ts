import { RPC_RESULT } from '../../../mtproto/protocol/tl/object.js'
import { MOST_CONTAINED, PART } from './containers.js'
import type { Sent } from './outbox.js'
import type { Wire } from './wire.js'

/** Longer messages are sent on their own: a container would copy them, and delay those behind them. */
const LONG = 16 * 1024
/** Maximum size of a container's content, in bytes. */
const MOST_BYTES = 64 * 1024
const RPC_ERROR = 0x2144ca19

/** A message that waits for the end of the turn. */
interface Queued {
  readonly wire: Wire
  readonly sent: Sent
}

/**
 * Combines what a session sends in one turn of the event loop into one container, which is encrypted and written once, as
 * Telegram does. A client that sends many requests at once thus gets its answers together.
 */
export class SendQueue {
  #queued: Queued[] = []

  constructor(
    /** Writes one message, or several in a container. */
    private readonly write: (wire: Wire, messages: readonly Sent[]) => void,
  ) {}

  add(wire: Wire, sent: Sent): void {
    // Runs after all received messages were handled as far as possible without waiting.
    if (this.#queued.push({ wire, sent }) === 1) setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    const queued = this.#queued
    this.#queued = []
    let together: Sent[] = []
    let bytes = 0
    queued.forEach(({ wire, sent }, index) => {
      together.push(sent)
      bytes += PART + sent.body.length
      const next = queued[index + 1]
      const goes =
        next === undefined ||
        next.wire !== wire ||
        isRefusal(sent.body) ||
        sent.body.length > LONG ||
        next.sent.body.length > LONG ||
        together.length === MOST_CONTAINED ||
        bytes > MOST_BYTES
      if (!goes) return
      this.write(wire, together)
      together = []
      bytes = 0
    })
  }
}

/** GramJS throws on an error, and then ignores the rest of the container. */
function isRefusal(body: Buffer): boolean {
  return body.length >= 16 && body.readUInt32LE(0) === RPC_RESULT && body.readUInt32LE(12) === RPC_ERROR
}
