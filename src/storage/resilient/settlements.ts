import type { Judge, Receipt, Settlement } from '../../core/check.js'
import { Lease } from '../../core/request-bound.js'
import { Uncertain } from '../remote/settling.js'

interface Settling {
  readonly judge: Judge
  readonly receipt: Receipt
  readonly how: Settlement
  readonly check: number | undefined
  tries: number
}

/** Kept at most, some 500 bytes each. */
const MOST = 10_000
/** Sent at once: storages batch what comes together. */
const AT_ONCE = 100
/** After so many in vain one is given up: it must not keep the others from being told. */
const MOST_TRIES = 5

/**
 * How admissions ended while the storage could not be told. Told when it is back: settling is idempotent and fenced, so
 * a settlement that had arrived after all, or comes too late to matter, changes nothing.
 */
export class Settlements {
  private waiting: Settling[] = []
  private sending: Promise<void> | undefined
  private readonly lease = new Lease()
  /** Being told. */
  private out = 0
  /** Given up: too many waited, or nobody knows whether they were done. */
  dropped = 0

  constructor(
    /** Told that something waits. */
    private readonly kept: () => void,
  ) {}

  get size(): number {
    return this.waiting.length + this.out
  }

  /** Whether one that has failed must not be told again, since it may have been done. */
  givesUp(error: unknown): boolean {
    if (!(error instanceof Uncertain)) return false
    this.dropped++
    return true
  }

  /** Whether it is kept. */
  keep(judge: Judge, receipt: Receipt, how: Settlement, check: number | undefined): boolean {
    if (this.waiting.length >= MOST) {
      this.dropped++
      return false
    }
    this.waiting.push({ judge, receipt, how, check, tries: 0 })
    this.kept()
    return true
  }

  /** Tells the storage of all, until that fails; what was not told stays. Does not reject. */
  replay(tell: (work: () => ReturnType<Judge['settle']>) => Promise<void>): Promise<void> {
    if (this.sending !== undefined && !this.lease.isLost) return this.sending
    // Those that were being told when their request ended may have been.
    this.dropped += this.out
    this.lease.renew()
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
      this.lease.renew()
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
