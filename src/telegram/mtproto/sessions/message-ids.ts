import type { Ms } from '../../../core/duration.js'

/**
 * Generates message ids: Unix time in the upper half, strictly increasing; modulo four they are 1 for answers to a client's
 * message and 3 for other messages (https://core.telegram.org/mtproto/description#message-identifier-msg-id).
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

/**
 * Error codes for a client's message
 * (https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message).
 */
export type BadMessage = 16 | 17 | 18 | 19 | 20 | 32 | 33 | 34 | 35 | 48 | 64

/** How far a client's clock may be behind and ahead, in seconds. */
const [MOST_BEHIND, MOST_AHEAD] = [300, 30]

/** Checks the id of a client's message. */
export function badIdOf(id: bigint, now: Ms): BadMessage | undefined {
  if ((id & 3n) !== 0n) return 18
  const second = Number(id >> 32n)
  const current = now / 1000
  if (second < current - MOST_BEHIND) return 16
  return second > current + MOST_AHEAD ? 17 : undefined
}
