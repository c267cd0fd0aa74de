import type { Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { MtprotoRefusal } from '../calls/refusal.js'
import type { RpcRefusal } from '../calls/rpc-error.js'
import { COMMON } from './progress.js'

/** Between two rounds, as long as none brings anything: twice as long each time. */
const FIRST_REST: Ms = 1000
const LONGEST_REST: Ms = 60_000
/** Boxes that are asked about in one round. */
const AT_ONCE = 50

/** The account may not look there: no difference will ever come, and mtcute leaves the channel alone. */
export const NOT_OURS = /^CHANNEL_(?:PRIVATE|INVALID|PUBLIC_GROUP_NA)$/
/** Unauthorized, and not acceptable (https://core.telegram.org/api/errors): nothing is answered until somebody logs in. */
const LOGGED_OUT: readonly number[] = [401, 406]
/** Too many requests, and errors of Telegram itself: they pass. Those of a connection are below zero or have no number. */
const PASSES = (code: number): boolean => code === 420 || code >= 500 || code < 0

/** What asking again stands on. */
export interface AskingParts {
  readonly timers: Timers
  /** How long a method would have to wait now, as far as we know. */
  readonly readyIn: (method: string) => Ms
  /** Has mtcute ask once more for what it missed in these boxes; with where each stood. */
  readonly again: (boxes: ReadonlyMap<number, number>) => void
  readonly failed: (error: unknown) => void
}

/** Which difference it was. */
export interface Asked {
  readonly box: number
  readonly method: string
  readonly pts: number
}

/**
 * Differences that were not answered: mtcute lets it rest at that, and fetches what was missed only when somebody speaks there again. Here each is
 * asked for until it comes, and what stands in the way is told, once for each reason.
 */
export class AskingAgain {
  readonly #waiting = new Map<number, Asked>()
  readonly #told = new Set<string>()
  /** Rounds since something came. */
  #vain = 0
  /** When each method is asked for again: one that Telegram has wait for an hour holds up no other. */
  readonly #planned = new Map<string, () => void>()
  #closed = false

  constructor(private readonly parts: AskingParts) {}

  /** Telegram has refused; whether it is asked for again. */
  refused(asked: Asked, { errorCode, errorMessage }: RpcRefusal): boolean {
    if (this.#closed || NOT_OURS.test(errorMessage)) return false
    if (LOGGED_OUT.includes(errorCode)) {
      this.#tell(errorMessage, () => {
        const what = `Telegram says ${errorMessage}: the session is over, and no updates come any longer.`
        return new SentinelError('mtproto.session', `mtproto: ${what} Close the client, and log in anew.`)
      })
      return false
    }
    const passes = PASSES(errorCode)
    const hint = passes ? 'What was missed is asked for again.' : 'What was missed there does not come.'
    this.#tell(errorMessage, () => new MtprotoRefusal(asked.method, errorMessage, hint))
    if (passes) this.#later(asked)
    return passes
  }

  /** There was no answer: the connection broke, or it would have had to wait for too long. Whether it is asked for again. */
  broke(asked: Asked, error: unknown): boolean {
    if (this.#closed) return false
    const { code, name } = Object(error) as { readonly code?: unknown; readonly name?: unknown }
    this.#tell(String(code ?? name), () =>
      code === 'mtproto.flood'
        ? new SentinelError(
            'mtproto.flood',
            `mtproto: Telegram has ${asked.method} wait, for longer than mtproto.patience. What was missed is asked for again.`,
            { cause: error },
          )
        : error,
    )
    this.#later(asked)
    return true
  }

  /** It was answered. */
  came(box: number): void {
    this.#waiting.delete(box)
    if (this.#waiting.size === 0) this.#told.clear()
    const methods = new Set([...this.#waiting.values()].map(({ method }) => method))
    // After rounds in vain the rest had become long: now others may come as well.
    const anew = this.#vain > 0
    this.#vain = 0
    for (const method of [...this.#planned.keys()]) {
      if (!anew && methods.has(method)) continue
      this.#callOff(method)
      if (methods.has(method)) this.#plan(method)
    }
  }

  /** Asks for nothing any longer. */
  close(): void {
    this.#closed = true
    for (const method of [...this.#planned.keys()]) this.#callOff(method)
    this.#waiting.clear()
  }

  #tell(reason: string, errorOf: () => unknown): void {
    if (this.#told.has(reason)) return
    this.#told.add(reason)
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
    // The account's own first: it tells of channels, too.
    const first = this.#waiting.get(COMMON)
    for (const { box, pts, method } of first === undefined
      ? this.#waiting.values()
      : [first, ...this.#waiting.values()]) {
      const isReady = method === due || this.parts.readyIn(method) <= 0
      if (isReady && boxes.size < AT_ONCE) boxes.set(box, pts)
    }
    // Those that are refused once more stand at the end.
    for (const box of boxes.keys()) this.#waiting.delete(box)
    const left = new Set([...this.#waiting.values()].map(({ method }) => method))
    for (const method of [...this.#planned.keys()]) if (!left.has(method)) this.#callOff(method)
    this.parts.again(boxes)
    for (const { method } of this.#waiting.values()) this.#plan(method)
  }
}
