import type { Judge, Receipt, Settlement } from '../../core/check.js'
import { Heartbeat } from '../../core/request-bound.js'
import { Uncertain } from '../remote/settling.js'

interface Settling {
  readonly judge: Judge
  readonly receipt: Receipt
  readonly how: Settlement
  readonly check: number | undefined
  tries: number
}

/** Maximum number of queued settlements, at about 500 bytes each. */
const MOST = 10_000
/** Number sent at once; storages batch calls made together. */
const AT_ONCE = 100
/** Number of attempts before a settlement is dropped, so that it does not hold up the others. */
const MOST_TRIES = 5

/**
 * Settlements made while the storage was down. They are sent when it is back: settling is idempotent and tied to the receipt, so
 * a settlement that had arrived after all, or arrives too late, changes nothing.
 */
export class Settlements {
  private waiting: Settling[] = []
  private sending: Promise<void> | undefined
  private readonly heartbeat = new Heartbeat()
  /** Number being sent at present. */
  private out = 0
  /** Settlements dropped because too many were queued, or because they may already have been made. */
  dropped = 0

  constructor(
    /** Called when something is queued. */
    private readonly kept: () => void,
  ) {}

  get size(): number {
    return this.waiting.length + this.out
  }

  /** Whether a failed settlement must not be repeated, because it may have been made. */
  givesUp(error: unknown): boolean {
    if (!(error instanceof Uncertain)) return false
    this.dropped++
    return true
  }

  /** Queues a settlement. Returns false if the queue is full. */
  keep(judge: Judge, receipt: Receipt, how: Settlement, check: number | undefined): boolean {
    if (this.waiting.length >= MOST) {
      this.dropped++
      return false
    }
    this.waiting.push({ judge, receipt, how, check, tries: 0 })
    this.kept()
    return true
  }

  /** Sends all queued settlements until one fails; unsent ones stay queued. Never rejects. */
  replay(tell: (work: () => ReturnType<Judge['settle']>) => Promise<void>): Promise<void> {
    if (this.sending !== undefined && !this.heartbeat.isLost) return this.sending
    // Settlements being sent when their request ended may have arrived, so they are not repeated.
    this.dropped += this.out
    this.heartbeat.beat()
    const sending = this.send(tell).finally(() => {
      if (this.sending === sending) this.sending = undefined
    })
    this.sending = sending
    return sending
  }

  clear(): void {
    this.dropped += this.waiting.length
    this.waiting = []
  }

  private async send(tell: (work: () => ReturnType<Judge['settle']>) => Promise<void>): Promise<void> {
    while (this.waiting.length > 0) {
      this.heartbeat.beat()
      const some = this.waiting.splice(0, AT_ONCE)
      this.out = some.length
      const told = await Promise.allSettled(
        some.map(({ judge, receipt, how, check }) => tell(() => judge.settle(receipt, how, check))),
      )
      this.out = 0
      const untold = some.filter((_, index) => {
        const one = told[index]
        return one?.status === 'rejected' && !this.givesUp(one.reason)
      })
      if (untold.length === 0) continue
      for (const each of untold) each.tries++
      const again = untold.filter(({ tries }) => tries < MOST_TRIES)
      this.dropped += untold.length - again.length
      this.waiting.unshift(...again)
      return
    }
  }
}
