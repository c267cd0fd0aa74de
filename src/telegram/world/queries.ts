import { randomInt } from 'node:crypto'
import type { Ms } from '../../core/duration.js'
import { Shelf } from './collections/shelf.js'
import { badRequest } from './refusal.js'

interface OpenQuery<Answer> {
  readonly botId: number
  /** Who sent it; undefined if a raw update does not say. */
  readonly senderId: number | undefined
  readonly expiresAt: Ms
  answered: ((answer: Answer) => void) | undefined
}

const KEPT_AT_MOST = 10_000

/** Queries of one kind that bots may still answer. */
export class OpenQueries<Answer> {
  readonly #open = new Shelf<OpenQuery<Answer>>(KEPT_AT_MOST)

  constructor(
    private readonly now: () => Ms,
    private readonly lifetime: Ms,
  ) {}

  /** Opens a query and returns its id. `answered` is called once, with the first answer. */
  open(botId: number, senderId: number, answered: (answer: Answer) => void): string {
    // Random, because Telegram's 64-bit ids have no order that bots could rely on.
    const id = `${randomInt(1, 2 ** 31)}${String(randomInt(0, 10 ** 9)).padStart(9, '0')}`
    this.#keep(id, botId, senderId, answered)
    return id
  }

  /** Opens a query from a raw update, under its own id; does nothing if it is already open. */
  admit(id: string, botId: number, senderId?: number): void {
    if (this.#open.get(id) === undefined) this.#keep(id, botId, senderId, undefined)
  }

  /** Whether the bot may still answer the query; with a sender, only if it is theirs. */
  isOpen(id: string, botId: number, senderId?: number): boolean {
    const query = this.#open.get(id)
    if (query === undefined || query.botId !== botId || this.now() >= query.expiresAt) return false
    return senderId === undefined || query.senderId === undefined || query.senderId === senderId
  }

  answer(id: string, botId: number, answer: Answer): true {
    const query = this.#open.get(id)
    if (query === undefined || !this.isOpen(id, botId))
      throw badRequest('query is too old and response timeout expired or query ID is invalid')
    // A second answer is accepted but has no effect, because the person has already seen the first.
    const answered = query.answered
    query.answered = undefined
    answered?.(answer)
    return true
  }

  #keep(
    id: string,
    botId: number,
    senderId: number | undefined,
    answered: OpenQuery<Answer>['answered'],
  ): void {
    this.#open.keep(id, { botId, senderId, expiresAt: this.now() + this.lifetime, answered })
  }
}
