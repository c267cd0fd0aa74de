import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { keepLatest } from '../../core/maps.js'

interface Task {
  readonly time: Ms
  readonly run: () => void
}

/** The longest delay of a Node timer; longer ones fire after one millisecond. */
const LONGEST = 2 ** 31 - 1
/** Default bound on scheduled actions, as for polls; beyond it the one scheduled first is dropped. */
const MOST_TASKS = 10_000

/** Scheduled actions, which share one timer. */
export class Agenda {
  readonly #tasks = new Set<Task>()
  #armedFor = Number.POSITIVE_INFINITY
  #disarm: () => void = () => undefined

  /** Without timers, {@link doWhatIsDue} must be called whenever time has passed. */
  constructor(
    private readonly now: Clock,
    private readonly timers: Timers | undefined,
    private readonly most = MOST_TASKS,
  ) {}

  /** Time of the next action. */
  get next(): Ms {
    return this.#first()?.time ?? Number.POSITIVE_INFINITY
  }

  add(time: Ms, run: () => void): () => void {
    const task = { time, run }
    this.#tasks.add(task)
    keepLatest(this.#tasks, this.most)
    this.#arm(time)
    return () => this.#tasks.delete(task)
  }

  /** Runs the next action, even if it is not due. */
  doFirst(): void {
    const task = this.#first()
    if (task === undefined) return
    this.#tasks.delete(task)
    this.#rearm()
    task.run()
  }

  /** Runs all due actions in order of their times, including those added meanwhile. */
  doWhatIsDue(): void {
    for (let task = this.#first(); task !== undefined && task.time <= this.now(); task = this.#first()) {
      this.#tasks.delete(task)
      task.run()
    }
    this.#rearm()
  }

  close(): void {
    this.#tasks.clear()
    this.#rearm()
  }

  #first(): Task | undefined {
    let first: Task | undefined
    for (const task of this.#tasks) if (first === undefined || task.time < first.time) first = task
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
