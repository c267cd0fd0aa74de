import type { Update } from 'grammy/types'
import { Deadline, type Deadlines } from '../core/deadlines.js'

/** Receives the answer to a delivery, exactly once. */
export interface Recipient {
  /** True if nobody would read the answer, because somebody else has answered or the client has gone. */
  readonly gone?: boolean
  /** Sends the answer. Does not throw. */
  answer(status: number, json?: string): void
  /** Called when everything that the update caused has ended, even if the answer was sent earlier. */
  finished?(): void
}

/** grammY's interface for answering a webhook with a method call. */
interface ReplyEnvelope {
  send?: (json: string) => Promise<void>
}

/** One update under way, and the request that waits for it. */
export class Delivery extends Deadline {
  /** The status that was answered; 0 before. */
  private status = 0
  /** Whether the update has reached the guard, as far as the gate knows. */
  came = false
  /** Called when the bot is initialised, or has failed to be; set only if this delivery waits for that. */
  start: ((ready: boolean) => void) | undefined
  /** Requests that delivered the same update again while it was under way. */
  private others: Set<Joiner> | undefined

  constructor(
    readonly update: Update,
    private readonly to: Recipient,
    private readonly deadlines: Deadlines,
    private readonly whenLate: (delivery: Delivery) => void,
  ) {
    super()
  }

  get isAnswered(): boolean {
    return this.status !== 0
  }

  /** Lets the bot answer with a method call while the answer is outstanding; later calls go the usual way, so none is lost. */
  mayReply(): ReplyEnvelope {
    const send = async (json: string): Promise<void> => this.answer(200, json)
    // A getter, because grammY checks for `send` at every call.
    return Object.defineProperty<ReplyEnvelope>({}, 'send', {
      get: () => (this.status === 0 && this.to.gone !== true ? send : undefined),
    })
  }

  /** Whether it was answered so that Telegram does not send the update again. */
  get isSettled(): boolean {
    return this.status === 200
  }

  /**
   * Adds a repeated delivery of the update: it gets the outcome of the first, and nothing is handled twice. It may wait as long
   * as the first one, and is then answered with `late`.
   */
  join(recipient: Recipient, deadlines: Deadlines, late: number): void {
    if (this.status === 200) {
      recipient.answer(200)
      recipient.finished?.()
      return
    }
    this.others ??= new Set()
    const joiner = new Joiner(recipient, deadlines, late, this.others)
    this.others.add(joiner)
    deadlines.add(joiner)
  }

  override expire(): void {
    this.whenLate(this)
  }

  answer(status: number, json?: string): void {
    if (this.status !== 0) return
    this.status = status
    this.deadlines.meet(this)
    this.to.answer(status, json)
    if (this.others !== undefined) this.tell(status)
  }

  finish(status: number): void {
    this.answer(status)
    // Also answers deliveries of the same update that came after the first was answered as late.
    if (this.others !== undefined) this.tell(status)
    this.to.finished?.()
  }

  /** Answers everybody who still waits. */
  giveUp(status: number): void {
    this.answer(status)
    if (this.others !== undefined) this.tell(status)
  }

  private tell(status: number): void {
    const { others } = this
    this.others = undefined
    if (others !== undefined) for (const joiner of others) joiner.end(status)
  }
}

/** A request that delivered an update which was under way already. */
class Joiner extends Deadline {
  constructor(
    private readonly to: Recipient,
    private readonly deadlines: Deadlines,
    private readonly lateStatus: number,
    private readonly among: Set<Joiner>,
  ) {
    super()
  }

  override expire(): void {
    this.among.delete(this)
    this.end(this.lateStatus)
  }

  /** Answers at once; only the first delivery waits for what the update causes. */
  end(status: number): void {
    this.deadlines.meet(this)
    this.to.answer(status)
    this.to.finished?.()
  }
}
