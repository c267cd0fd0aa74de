import type { Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { endsWithin } from '../../../core/in-time.js'
import type { Progress } from './progress.js'

/** Maximum number of updates handled concurrently, as in grammY's runner. */
const AT_ONCE = 500
/** Above this number of queued updates, no more are fetched. */
const MOST_WAITING = 1000

interface Turn {
  readonly run: () => Promise<unknown>
  readonly done: () => void
}

/** Hands updates over in order, with limited concurrency, and tracks which are being handled. */
export class Handling {
  #running = 0
  #stopped = false
  readonly #line: Turn[] = []
  readonly #room: (() => void)[] = []
  readonly #idle: (() => void)[] = []

  constructor(
    private readonly progress: Progress,
    private readonly failed: (error: unknown) => void,
    /** Whether the session is still ours; an update that waits may begin only then. */
    private readonly isOurs: () => boolean = () => true,
  ) {}

  /**
   * Hands an update over. If the handler fails, the error is reported and the update counts as handled: as with polling, it is
   * not delivered again.
   */
  hand(box: number, key: number | undefined, run: () => Promise<unknown>): void {
    if (this.#stopped) return
    const turn = { run, done: this.progress.begin(box, key) }
    if (this.#running < AT_ONCE) this.#go(turn)
    else this.#line.push(turn)
  }

  /** Resolves when there is room in the queue; returns undefined if there is now. */
  room(): Promise<void> | undefined {
    if (this.#line.length < MOST_WAITING) return undefined
    return new Promise((resolve) => this.#room.push(resolve))
  }

  /** Waits for updates being handled, at most for `patience`; resolves with whether all have finished. */
  async drain(patience: Ms, timers: Timers): Promise<boolean> {
    if (this.#running === 0) return true
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve))
    return endsWithin(idle, patience, timers)
  }

  /** Stops handing over. Queued updates count as not handled, and are delivered again after a restart, perhaps in another process. */
  stop(): void {
    this.#stopped = true
    this.#line.length = 0
    for (const go of this.#room.splice(0)) go()
  }

  /** Whether handing over was stopped, or the session is no longer ours. */
  get isStopped(): boolean {
    return this.#stopped || !this.isOurs()
  }

  #go({ run, done }: Turn): void {
    this.#running++
    // Asynchronous, so that handlers do not run inside mtcute's dispatch loop; the order is kept.
    Promise.resolve()
      .then(() => (this.isStopped ? undefined : run()))
      .catch((error: unknown) => this.failed(error))
      .finally(() => {
        this.#running--
        done()
        const next = this.#line.shift()
        if (next !== undefined) this.#go(next)
        if (this.#line.length < MOST_WAITING) for (const go of this.#room.splice(0)) go()
        if (this.#running === 0) for (const go of this.#idle.splice(0)) go()
      })
  }
}
