import { clearInterval, setInterval } from 'node:timers'

/** How often it looks, and how long a look may be late before the process counts as stalled, in milliseconds. */
const TICK = 10
const LATE = 5

/**
 * Measures real time without the time in which the machine did not let this process run, for tests of what happens within a second.
 * Time that the process spends computing counts.
 */
export class Stopwatch {
  #passed = 0
  #last = performance.now()
  #used = process.cpuUsage()
  // Not the global one, which tests may replace.
  readonly #timer = setInterval(() => this.#look(), TICK).unref()

  /** The milliseconds since it was created. */
  get passed(): number {
    this.#look()
    return this.#passed
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    const used = process.cpuUsage()
    const computed = (used.user + used.system - this.#used.user - this.#used.system) / 1000
    this.#passed += Math.min(now - this.#last, computed + TICK + LATE)
    this.#last = now
    this.#used = used
  }
}
