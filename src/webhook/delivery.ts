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
  /** Hung for so long that the same update was handled anew. */
  overtaken = false
  /** Who brought the same update while it was on its way. */
  private others: Set<Joiner> | undefined

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

  /** Answered in a way that has Telegram send it no more. */
  get isSettled(): boolean {
    return this.status === 200
  }

  /**
   * Somebody brought it once more: they are told how it ends, and nothing is done twice. As long as it may take for the first it may take
   * for them, too; then they are told `late`.
   */
  join(recipient: Recipient, watch: Watch, late: number): void {
    if (this.status === 200) {
      recipient.answer(200)
      recipient.finished?.()
      return
    }
    this.others ??= new Set()
    const joiner = new Joiner(recipient, watch, late, this.others)
    this.others.add(joiner)
    watch.begin(joiner)
  }

  late(): void {
    this.whenLate(this)
  }

  answer(status: number, json?: string): void {
    if (this.status !== 0) return
    this.status = status
    this.watch.end(this)
    this.to.answer(status, json)
    if (this.others !== undefined) this.tell(status)
  }

  finish(status: number): void {
    this.answer(status)
    // Deliveries of the same update that came after the first had been answered as late.
    if (this.others !== undefined) this.tell(status)
    this.to.finished?.()
  }

  /** Whoever waits still is told no later than now. */
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

/** Somebody who brought an update that was on its way already. */
class Joiner implements Due {
  dueAt: Ms = 0
  earlier: Due | undefined
  later: Due | undefined
  callOff: (() => void) | undefined

  constructor(
    private readonly to: Recipient,
    private readonly watch: Watch,
    private readonly lateStatus: number,
    private readonly among: Set<Joiner>,
  ) {}

  late(): void {
    this.among.delete(this)
    this.end(this.lateStatus)
  }

  /** What the update brings about is the first's to wait for. */
  end(status: number): void {
    this.watch.end(this)
    this.to.answer(status)
    this.to.finished?.()
  }
}
