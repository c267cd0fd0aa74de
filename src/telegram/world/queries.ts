import { randomInt } from 'node:crypto'
import type { Ms } from '../../core/duration.js'
import { badRequest } from './refusal.js'

interface OpenQuery<Answer> {
  readonly id: string
  readonly botId: number
  readonly expiresAt: Ms
  answered: ((answer: Answer) => void) | undefined
}

const KEPT_AT_MOST = 10_000

/** Queries of one kind that a bot was asked and may still answer. */
export class OpenQueries<Answer> {
  readonly #open = new Map<string, OpenQuery<Answer>>()

  constructor(
    private readonly now: () => Ms,
    private readonly lifetime: Ms,
  ) {}

  /** `answered` is called once, with the first answer. */
  open(botId: number, answered: (answer: Answer) => void): string {
    // Ids are 64-bit in Telegram and say nothing; the bot must not be able to count on their order.
    const id = `${randomInt(1, 2 ** 31)}${String(randomInt(0, 10 ** 9)).padStart(9, '0')}`
    this.#add({ id, botId, expiresAt: this.now() + this.lifetime, answered })
    return id
  }

  /** A query that came from outside, under an id of its own; asked again, it stays as it is. */
  admit(id: string, botId: number): void {
    if (!this.#open.has(id))
      this.#add({ id, botId, expiresAt: this.now() + this.lifetime, answered: undefined })
  }

  isOpen(id: string, botId: number): boolean {
    const query = this.#open.get(id)
    return query !== undefined && query.botId === botId && this.now() < query.expiresAt
  }

  answer(id: string, botId: number, answer: Answer): true {
    const query = this.#open.get(id)
    if (query === undefined || !this.isOpen(id, botId))
      throw badRequest('query is too old and response timeout expired or query ID is invalid')
    // A second answer is taken as well, but the person has long seen the first.
    const answered = query.answered
    query.answered = undefined
    answered?.(answer)
    return true
  }

  #add(query: OpenQuery<Answer>): void {
    this.#open.set(query.id, query)
    if (this.#open.size <= KEPT_AT_MOST) return
    for (const oldest of this.#open.keys()) {
      this.#open.delete(oldest)
      break
    }
  }
}
