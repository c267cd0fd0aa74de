import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { keepLatest } from './maps.js'

interface Deed {
  readonly time: Ms
  readonly run: () => void
}

/** The longest delay of a Node timer; longer ones fire after one millisecond. */
const LONGEST = 2 ** 31 - 1
/** Default bound on scheduled actions, as for polls; beyond it the one scheduled first is dropped. */
const MOST_DEEDS = 10_000

/** Scheduled actions, which share one timer. */
export class Agenda {
  readonly #deeds = new Set<Deed>()
  #armedFor = Number.POSITIVE_INFINITY
  #disarm: () => void = () => undefined

  /** Without timers, {@link doWhatIsDue} must be called whenever time has passed. */
  constructor(
    private readonly now: Clock,
    private readonly timers: Timers | undefined,
    private readonly most = MOST_DEEDS,
  ) {}

  /** Time of the next action. */
  get next(): Ms {
    return this.#first()?.time ?? Number.POSITIVE_INFINITY
  }

  add(time: Ms, run: () => void): () => void {
    const deed = { time, run }
    this.#deeds.add(deed)
    keepLatest(this.#deeds, this.most)
    this.#arm(time)
    return () => this.#deeds.delete(deed)
  }

  /** Runs the next action, even if it is not due. */
  doFirst(): void {
    const deed = this.#first()
    if (deed === undefined) return
    this.#deeds.delete(deed)
    this.#rearm()
    deed.run()
  }

  /** Runs all due actions in order of their times, including those added meanwhile. */
  doWhatIsDue(): void {
    for (let deed = this.#first(); deed !== undefined && deed.time <= this.now(); deed = this.#first()) {
      this.#deeds.delete(deed)
      deed.run()
    }
    this.#rearm()
  }

  close(): void {
    this.#deeds.clear()
    this.#rearm()
  }

  #first(): Deed | undefined {
    let first: Deed | undefined
    for (const deed of this.#deeds) if (first === undefined || deed.time < first.time) first = deed
    return first
  }

  #rearm(): void {
    this.#disarm()
    this.#armedFor = Number.POSITIVE_INFINITY
    const first = this.#first()
    if (first !== undefined) this.#arm(first.time)
  }

  #arm(time: Ms): void {
    if (this.timers === undefined || time >= this.#armedFor) return
    this.#disarm()
    this.#armedFor = time
    const wait = Math.min(Math.max(0, time - this.now()), LONGEST)
    this.#disarm = this.timers.after(wait, () => this.doWhatIsDue())
  }
}
