import type { Update } from 'grammy/types'
import type { Ms } from '../core/duration.js'
import type { Due, Watch } from './deadlines.js'

/** Whoever waits for the answer to a delivery. Told once. */
export interface Recipient {
  /** Nobody would read an answer: somebody else has given one, or whoever asked has gone. */
  readonly gone?: boolean
  /** Does not throw. */
  answer(status: number, json?: string): void
  /** Everything that the update brought about is done, late or not. */
  finished?(): void
}

/** grammY's: what a bot may answer with, in place of a call. */
export interface ReplyEnvelope {
  send?: (json: string) => Promise<void>
}

/** One update on its way, and who waits for it. */
export class Delivery implements Due {
  dueAt: Ms = 0
  earlier: Due | undefined
  later: Due | undefined
  callOff: (() => void) | undefined
  /** What it was answered; 0 as long as it was not. */
  private status = 0
  /** Whether it has come to the guard, as far as is known by then. */
  came = false
  /** Who brought the same update while it was on its way. */
  private others: Recipient[] | undefined

  constructor(
    readonly update: Update,
    private readonly to: Recipient,
    private readonly watch: Watch,
    private readonly whenLate: (delivery: Delivery) => void,
  ) {}

  get isAnswered(): boolean {
    return this.status !== 0
  }

  /** Lets the bot answer with a call, as long as that is read: later its calls go the usual way, and none is lost. */
  mayReply(): ReplyEnvelope {
    const send = async (json: string): Promise<void> => this.answer(200, json)
    // grammY looks whether it is there with each call.
    return Object.defineProperty<ReplyEnvelope>({}, 'send', {
      get: () => (this.status === 0 && this.to.gone !== true ? send : undefined),
    })
  }

  /** Somebody brought it once more: they are told the same, and nothing is done twice. */
  join(recipient: Recipient): void {
    if (this.status !== 0) {
      recipient.answer(this.status)
      recipient.finished?.()
    } else if (this.others === undefined) this.others = [recipient]
    else this.others.push(recipient)
  }

  late(): void {
    this.whenLate(this)
  }

  answer(status: number, json?: string): void {
    if (this.status !== 0) return
    this.status = status
    this.watch.end(this)
    this.to.answer(status, json)
    if (this.others !== undefined) for (const other of this.others) other.answer(status)
  }

  finish(status: number): void {
    this.answer(status)
    this.to.finished?.()
    if (this.others !== undefined) for (const other of this.others) other.finished?.()
  }
}
