import type { Decision, Judge } from '../../src/core/check.js'
import { userKey } from '../../src/core/subject.js'
import { askOf } from './outage.js'

/** Updates that keep arriving while a storage fails. */
export interface Load {
  /** Decided so far. */
  readonly decided: number
  /** The longest decision in milliseconds, without the time in which this process itself was stalled. */
  readonly slowest: number
  /** Errors that must not have reached the caller. */
  readonly errors: readonly unknown[]
  stop(): Promise<void>
}

/** Sends requests for many users at once, again and again, and measures how long each decision takes. */
export function load(judge: Judge, at = 20): Load {
  let running = true
  let decided = 0
  let slowest = 0
  const errors: unknown[] = []
  const pause = new Pauses()
  let user = 1_000_000
  const worker = async (): Promise<void> => {
    while (running) {
      const began = performance.now()
      const stood = pause.total
      try {
        const decision: Decision = await judge.evaluate(askOf(userKey(user++), [user]))
        if (decision.receipt !== undefined && user % 10 === 0) await judge.settle(decision.receipt, 'release')
      } catch (error) {
        errors.push(error)
      }
      decided++
      slowest = Math.max(slowest, performance.now() - began - (pause.total - stood))
      // Some hundred a second, which leaves time for other processes on this machine.
      await new Promise((done) => setTimeout(done, 20))
    }
  }
  const workers = Array.from({ length: at }, worker)
  return {
    get decided() {
      return decided
    },
    get slowest() {
      return slowest
    },
    errors,
    async stop() {
      running = false
      await Promise.all(workers)
      pause.stop()
    },
  }
}

/** Measures how long the event loop was stalled in total: on a busy machine that is no fault of the measured code. */
class Pauses {
  total = 0
  private last = performance.now()
  private readonly timer = setInterval(() => {
    const now = performance.now()
    const late = now - this.last - 10
    if (late > 5) this.total += late
    this.last = now
  }, 10)

  stop(): void {
    clearInterval(this.timer)
  }
}
