import type { Ms } from '../../core/duration.js'

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

/** The numbers a session has seen, so that nothing is done twice; bounded, and what is older than all it keeps is refused. */
export class SeenIds {
  readonly #seen = new Set<bigint>()
  #floor = 0n

  constructor(private readonly most = 1000) {}

  /** Whether it was new. `old`: too old to tell. */
  add(id: bigint): 'new' | 'seen' | 'old' {
    if (this.#seen.has(id)) return 'seen'
    if (id <= this.#floor) return 'old'
    this.#seen.add(id)
    if (this.#seen.size > this.most) {
      let least = id
      for (const each of this.#seen) if (each < least) least = each
      this.#seen.delete(least)
      this.#floor = least
    }
    return 'new'
  }

  has(id: bigint): boolean {
    return this.#seen.has(id)
  }

  get floor(): bigint {
    return this.#floor
  }
}
