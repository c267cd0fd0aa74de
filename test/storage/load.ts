import type { Decision, Judge } from '../../src/core/check.js'
import { userKey } from '../../src/core/subject.js'
import { Stopwatch } from '../servers/stopwatch.js'
import { askOf } from './outage.js'

/** Updates that keep arriving while a storage fails. */
export interface Load {
  /** Decided so far. */
  readonly decided: number
  /** The longest decision in milliseconds, without the time in which the machine stalled this process. */
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
  const watch = new Stopwatch()
  let user = 1_000_000
  const worker = async (): Promise<void> => {
    while (running) {
      const began = watch.passed
      try {
        const decision: Decision = await judge.evaluate(askOf(userKey(user++), [user]))
        if (decision.receipt !== undefined && user % 10 === 0) await judge.settle(decision.receipt, 'release')
      } catch (error) {
        errors.push(error)
      }
      decided++
      slowest = Math.max(slowest, watch.passed - began)
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
      watch.stop()
    },
  }
}
