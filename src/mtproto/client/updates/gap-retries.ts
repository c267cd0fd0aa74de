import type { Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { MtprotoRefusal, type RpcRefusal } from '../calls/refusal.js'
import { COMMON } from './progress.js'

/** Pause between two rounds; doubles as long as the rounds bring nothing. */
const FIRST_REST: Ms = 1000
const LONGEST_REST: Ms = 60_000
/** Maximum number of boxes asked about in one round. */
const AT_ONCE = 50

/** The account has no access to the channel: no difference will ever come, and mtcute drops the channel. */
export const NOT_OURS = /^CHANNEL_(?:PRIVATE|INVALID|PUBLIC_GROUP_NA)$/
/** Unauthorized and not acceptable (https://core.telegram.org/api/errors): all calls fail until somebody logs in. */
const LOGGED_OUT: readonly number[] = [401, 406]
/** Temporary errors: flood waits and errors inside Telegram. Connection errors have a negative code or none. */
const PASSES = (code: number): boolean => code === 420 || code >= 500 || code < 0

/** Dependencies of GapRetries. */
interface RetryParts {
  readonly timers: Timers
  /** How long a call of the method would have to wait now, as far as known. */
  readonly readyIn: (method: string) => Ms
  /** Makes mtcute fetch missed updates of these boxes again, given the last position (`pts`) of each. */
  readonly again: (boxes: ReadonlyMap<number, number>) => void
  readonly failed: (error: unknown) => void
}

/** A request for missed updates. */
export interface Asked {
  readonly box: number
  readonly method: string
  readonly pts: number
}

/**
 * Repeats requests for missed updates that failed. mtcute gives up on such a request until the next update in the same box; here
 * each is repeated until it is answered, and every reason for a failure is reported once.
 */
export class GapRetries {
  readonly #waiting = new Map<number, Asked>()
  readonly #reported = new Set<string>()
  /** Rounds since the last answer. */
  #vain = 0
  /** Planned rounds by method, because a method that must wait for an hour should not delay the others. */
  readonly #planned = new Map<string, () => void>()
  #closed = false

  constructor(private readonly parts: RetryParts) {}

  /** Telegram refused a request; returns whether it will be repeated. */
  refused(asked: Asked, { errorCode, errorMessage }: RpcRefusal): boolean {
    if (this.#closed || NOT_OURS.test(errorMessage)) return false
    if (LOGGED_OUT.includes(errorCode)) {
      this.#tell(errorMessage, () => {
        const what = `Telegram says ${errorMessage}: the session is over, and no more updates arrive.`
        return new SentinelError('mtproto.session', `mtproto: ${what} Close the client, and log in again.`)
      })
      return false
    }
    const passes = PASSES(errorCode)
    const hint = passes ? 'The missed updates are requested again.' : 'The updates missed there are lost.'
    this.#tell(errorMessage, () => new MtprotoRefusal(asked.method, errorMessage, hint))
    if (passes) this.#later(asked)
    return passes
  }

  /** A request was not answered, because the connection broke or the wait would be too long; returns whether it will be repeated. */
  broke(asked: Asked, error: unknown): boolean {
    if (this.#closed) return false
    const { code, name } = Object(error) as { readonly code?: unknown; readonly name?: unknown }
    this.#tell(String(code ?? name), () =>
      code === 'mtproto.flood'
        ? new SentinelError(
            'mtproto.flood',
            `mtproto: Telegram makes ${asked.method} wait for longer than mtproto.patience. The missed updates are requested again.`,
            { cause: error },
          )
        : error,
    )
    this.#later(asked)
    return true
  }

  /** A request was answered. */
  came(box: number): void {
    this.#waiting.delete(box)
    if (this.#waiting.size === 0) this.#reported.clear()
    const methods = new Set([...this.#waiting.values()].map(({ method }) => method))
    // The pause may have grown in earlier rounds; after an answer it starts short again.
    const anew = this.#vain > 0
    this.#vain = 0
    for (const method of [...this.#planned.keys()]) {
      if (!anew && methods.has(method)) continue
      this.#callOff(method)
      if (methods.has(method)) this.#plan(method)
    }
  }

  /** A request was answered in part; it is repeated with the position that mtcute takes from the answer. */
  more(asked: Asked): void {
    if (!this.#closed) this.#later(asked)
  }

  /** Stops all repetitions. */
  close(): void {
    this.#closed = true
    for (const method of [...this.#planned.keys()]) this.#callOff(method)
    this.#waiting.clear()
  }

  #tell(reason: string, errorOf: () => unknown): void {
    if (this.#reported.has(reason)) return
    this.#reported.add(reason)
    this.parts.failed(errorOf())
  }

  #later(asked: Asked): void {
    this.#waiting.set(asked.box, asked)
    this.#plan(asked.method)
  }

  #plan(method: string): void {
    if (this.#planned.has(method)) return
    const rest = Math.min(LONGEST_REST, FIRST_REST * 2 ** this.#vain)
    const wait = Math.max(rest, this.parts.readyIn(method))
    this.#planned.set(
      method,
      this.parts.timers.after(wait, () => this.#round(method)),
    )
  }

  #callOff(method: string): void {
    this.#planned.get(method)?.()
    this.#planned.delete(method)
  }

  #round(due: string): void {
    this.#planned.delete(due)
    this.#vain++
    const boxes = new Map<number, number>()
    // The account's own box comes first, because its difference also reports channels.
    const first = this.#waiting.get(COMMON)
    for (const { box, pts, method } of first === undefined
      ? this.#waiting.values()
      : [first, ...this.#waiting.values()]) {
      const isReady = method === due || this.parts.readyIn(method) <= 0
      if (isReady && boxes.size < AT_ONCE) boxes.set(box, pts)
    }
    // Boxes that fail again are appended at the end.
    for (const box of boxes.keys()) this.#waiting.delete(box)
    const left = new Set([...this.#waiting.values()].map(({ method }) => method))
    for (const method of [...this.#planned.keys()]) if (!left.has(method)) this.#callOff(method)
    this.parts.again(boxes)
    for (const { method } of this.#waiting.values()) this.#plan(method)
  }
}
