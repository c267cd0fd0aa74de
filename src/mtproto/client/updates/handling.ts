import type { Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import type { Progress } from './progress.js'

/** Updates that are handled at the same time, as grammY's runner does. */
const AT_ONCE = 500
/** While more wait for their turn, no more are fetched. */
const MOST_WAITING = 1000

interface Turn {
  readonly run: () => Promise<unknown>
  readonly done: () => void
}

/** Hands updates over in the order they came, not too many at once, and remembers which are being handled. */
export class Handling {
  #running = 0
  #stopped = false
  readonly #line: Turn[] = []
  readonly #room: (() => void)[] = []
  readonly #idle: (() => void)[] = []

  constructor(
    private readonly progress: Progress,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** What fails is told, and was handled: as with an update that came by polling, it does not come again. */
  hand(box: number, key: number | undefined, run: () => Promise<unknown>): void {
    if (this.#stopped) return
    const turn = { run, done: this.progress.begin(box, key) }
    if (this.#running < AT_ONCE) this.#go(turn)
    else this.#line.push(turn)
  }

  /** Resolves when there is room for more; undefined where there is. */
  room(): Promise<void> | undefined {
    if (this.#line.length < MOST_WAITING) return undefined
    return new Promise((resolve) => this.#room.push(resolve))
  }

  /** Waits for what is being handled, not for longer than told; whether all of it was. */
  async drain(patience: Ms, timers: Timers): Promise<boolean> {
    if (this.#running === 0) return true
    let callOff: () => void = () => undefined
    const late = new Promise<boolean>((resolve) => {
      callOff = timers.after(patience, () => resolve(false))
    })
    const idle = new Promise<boolean>((resolve) => this.#idle.push(() => resolve(true)))
    const whole = await Promise.race([idle, late])
    callOff()
    return whole
  }

  /** Hands nothing over any longer. What waits in line was not handled, and comes again: elsewhere, perhaps. */
  stop(): void {
    this.#stopped = true
    this.#line.length = 0
    for (const go of this.#room.splice(0)) go()
  }

  /** Whether nothing is handed over any longer. */
  get isStopped(): boolean {
    return this.#stopped
  }

  #go({ run, done }: Turn): void {
    this.#running++
    // In the order they came, and not within the loop that tells of them.
    Promise.resolve()
      .then(() => (this.#stopped ? undefined : run()))
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
