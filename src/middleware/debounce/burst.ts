import type { Context } from 'grammy'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { SentinelControl } from '../chain/control.js'
import type { Onward } from '../guard.js'
import type { Elder } from './elders.js'

/** A message that is held back, with the way on to its handlers. */
export interface Part<C extends Context> {
  readonly ctx: C
  readonly next: Onward
  readonly control: SentinelControl
  /** It may wait for a place first, and says when it has one. */
  readonly seated?: boolean
}

/** How long a burst may wait. */
export interface Patience {
  /** Without another message. */
  readonly quiet: Ms
  /** From its first message, whatever comes. */
  readonly most: Ms
}

const AT_ONCE: Patience = { quiet: 0, most: 0 }

/** What bursts are made of, and their bounds. */
export interface BurstsOptions<C extends Context> {
  readonly clock: Clock
  readonly timers: Timers
  /** Messages of one burst. */
  readonly maxSize: number
  /** Bursts that wait. */
  readonly maxKeys: number
  /** How long the handlers of one keep the next of its key waiting. */
  readonly deadline: Ms
  /** Told of those that took longer, by the last message of theirs. */
  readonly overdue: (part: Part<C>, ms: Ms) => void
  /** Told what handlers threw. Must neither throw nor reject. */
  readonly failed: (error: unknown, ctx: C) => Promise<void>
  /** Of options before these. It joins them when it is drained. */
  readonly elders: Set<Elder>
}

interface Burst<C extends Context> {
  readonly lane: Lane<C>
  /** Oldest first. */
  readonly parts: Part<C>[]
  /** Whether its handlers are told of the parts; a command that only waits for its turn is no burst. */
  readonly gathered: boolean
  /** Takes no more, and waits for nothing but its turn. */
  sealed: boolean
  quietAt: Ms
  endAt: Ms
  /** When the clock was last looked at. */
  seenAt: Ms
  disarm: (() => void) | undefined
}

/** Handlers at a burst. */
interface Run<C extends Context> {
  readonly part: Part<C>
  /** When they began; undefined while what is of earlier options goes before, or there is no place for them: that wait has bounds of its own. */
  since: Ms | undefined
}

/** The bursts of one key: there is one as long as something waits or runs. */
interface Lane<C extends Context> {
  readonly key: string
  /** All but the last are sealed. */
  readonly waiting: Burst<C>[]
  /** But for those past their deadline. */
  readonly runs: Set<Run<C>>
  /** Told when nothing waits or runs any more. */
  readonly ended: (() => void)[]
  /** Set while something waits for those that run. */
  disarm: (() => void) | undefined
}

/**
 * Gathers messages into bursts, and runs the handlers of each once, with its last message, apart from the update
 * that brought it.
 *
 * Bursts of one key run one after the other, in order. Only what does not fit in runs beside its forerunner: when
 * more than `maxKeys` wait, the oldest fires at once; and handlers that run for longer than `deadline` keep nobody waiting any
 * more. One timer a key, not moved by each message: when it goes off it looks at what is due.
 *
 * What waits under other options, since `reconfigure()`, goes before: its lane must be empty before a burst of the key is handled.
 */
export class Bursts<C extends Context> implements Elder {
  private readonly lanes = new Map<string, Lane<C>>()
  /** All that wait, oldest first. */
  private readonly held = new Set<Burst<C>>()
  private readonly running = new Set<Promise<void>>()
  private closed = false

  constructor(private readonly options: BurstsOptions<C>) {}

  /** Bursts that wait. */
  get size(): number {
    return this.held.size
  }

  /** Bursts that handlers are at. */
  get handled(): number {
    return this.running.size
  }

  /**
   * Adds a message to the burst of its key. When nothing is held any more it waits for its turn alone: false when its key holds and
   * runs nothing, so that it may pass by itself.
   */
  hold(key: string, part: Part<C>, patience: Patience): boolean {
    if (this.closed && !this.isBusy(key)) return false
    const { quiet, most } = this.closed ? AT_ONCE : patience
    const now = this.options.clock()
    const lane = this.laneOf(key)
    const last = lane.waiting.at(-1)
    const burst = last === undefined || last.sealed ? this.open(lane, true, now, now + most) : last
    this.look(burst, now)
    burst.quietAt = Math.max(burst.quietAt, now + quiet)
    insert(burst.parts, part)
    if (burst.parts.length >= this.options.maxSize) burst.sealed = true
    this.advance(lane)
    return true
  }

  /**
   * Lets a message follow what its key holds, which fires now: false when the key holds and runs nothing, so that it
   * may pass by itself.
   */
  follow(key: string, part: Part<C>): boolean {
    if (!this.isBusy(key)) return false
    const lane = this.laneOf(key)
    const last = lane.waiting.at(-1)
    if (last !== undefined) last.sealed = true
    const now = this.options.clock()
    const burst = this.open(lane, false, now, now)
    burst.parts.push(part)
    burst.sealed = true
    this.advance(lane)
    return true
  }

  /** Fires all that waits, has nothing wait but for its turn from now on, and waits for the handlers. */
  async drain(): Promise<void> {
    this.closed = true
    this.options.elders.add(this)
    this.seal()
    while (this.running.size > 0) await Promise.all(this.running)
    this.options.elders.delete(this)
  }

  /** Fires all that waits, and waits for the handlers; undefined where nothing waits or runs. What comes is held as before. */
  fire(): Promise<unknown> | undefined {
    if (this.lanes.size === 0) return undefined
    this.seal()
    return Promise.all(this.running)
  }

  private seal(): void {
    for (const burst of this.held) burst.sealed = true
    for (const lane of [...this.lanes.values()]) this.advance(lane)
  }

  has(key: string): boolean {
    return this.lanes.has(key)
  }

  async ended(key: string): Promise<void> {
    const lane = this.lanes.get(key)
    if (lane === undefined) return
    await new Promise<void>((ended) => {
      lane.ended.push(ended)
      this.advance(lane)
    })
  }

  /** Whether something of a key is here, or goes before whatever is. */
  private isBusy(key: string): boolean {
    if (this.has(key)) return true
    for (const elder of this.options.elders) {
      if (elder === this) return false
      if (elder.has(key)) return true
    }
    return false
  }

  private async waitBehind(key: string): Promise<void> {
    for (const elder of this.options.elders) {
      if (elder === this) return
      await elder.ended(key)
    }
  }

  private laneOf(key: string): Lane<C> {
    let lane = this.lanes.get(key)
    if (lane === undefined) {
      lane = { key, waiting: [], runs: new Set(), ended: [], disarm: undefined }
      this.lanes.set(key, lane)
    }
    return lane
  }

  private open(lane: Lane<C>, gathered: boolean, now: Ms, endAt: Ms): Burst<C> {
    if (this.held.size >= this.options.maxKeys) {
      const [oldest] = this.held
      if (oldest !== undefined) this.start(oldest.lane, true)
    }
    const burst: Burst<C> = {
      lane,
      parts: [],
      gathered,
      sealed: false,
      quietAt: now,
      endAt,
      seenAt: now,
      disarm: undefined,
    }
    lane.waiting.push(burst)
    this.held.add(burst)
    return burst
  }

  /** A clock that was put back takes the deadlines with it, or a burst would wait for the difference. */
  private look(burst: Burst<C>, now: Ms): void {
    const back = burst.seenAt - now
    if (back > 0) {
      burst.quietAt -= back
      burst.endAt -= back
    }
    burst.seenAt = now
  }

  /** Starts what is first in the lane if it is time, or sees to it that this is asked again. */
  private advance(lane: Lane<C>): void {
    this.turnOut(lane)
    // Asked again when what runs has ended, or has run for too long.
    if (lane.runs.size > 0) {
      this.watch(lane)
      return
    }
    lane.disarm?.()
    lane.disarm = undefined
    const [first] = lane.waiting
    if (first === undefined) {
      if (this.lanes.get(lane.key) === lane) this.lanes.delete(lane.key)
      for (const ended of lane.ended) ended()
      return
    }
    const wait = this.waitOf(first)
    if (wait <= 0) this.start(lane)
    else {
      first.disarm ??= this.options.timers.after(wait, () => {
        first.disarm = undefined
        this.advance(lane)
      })
    }
  }

  /** Waits no longer for handlers that hang. Whatever they do, they do beside the next. */
  private turnOut(lane: Lane<C>): void {
    if (!isWaitedFor(lane)) return
    for (const run of [...lane.runs]) {
      const age = this.ageOf(run)
      if (age < this.options.deadline) continue
      lane.runs.delete(run)
      this.options.overdue(run.part, age)
    }
  }

  private watch(lane: Lane<C>): void {
    if (lane.disarm !== undefined || !isWaitedFor(lane)) return
    const age = Math.max(...[...lane.runs].map((run) => this.ageOf(run)))
    if (age < 0) return
    lane.disarm = this.options.timers.after(Math.max(1, this.options.deadline - age), () => {
      lane.disarm = undefined
      this.advance(lane)
    })
  }

  /** Below zero where they have not begun. */
  private ageOf(run: Run<C>): Ms {
    if (run.since === undefined) return -1
    const now = this.options.clock()
    // If the clock was put back, the age would be below zero.
    run.since = Math.min(run.since, now)
    return now - run.since
  }

  private waitOf(burst: Burst<C>): Ms {
    if (burst.sealed) return 0
    const now = this.options.clock()
    this.look(burst, now)
    return Math.min(burst.quietAt, burst.endAt) - now
  }

  /** @param beside Whatever runs: what waits is bounded. */
  private start(lane: Lane<C>, beside = false): void {
    const burst = lane.waiting.shift()
    const last = burst?.parts.at(-1)
    if (burst === undefined || last === undefined) return
    burst.disarm?.()
    this.held.delete(burst)
    // What each brings may have been gathered further up already.
    if (burst.gathered) last.control.burst = burst.parts.flatMap(({ ctx, control }) => control.burst ?? [ctx])
    const run: Run<C> = { part: last, since: undefined }
    lane.runs.add(run)
    const running = this.handle(run, lane, beside).then(() => {
      this.running.delete(running)
      if (lane.runs.delete(run)) this.advance(lane)
    })
    this.running.add(running)
  }

  private async handle(run: Run<C>, lane: Lane<C>, beside: boolean): Promise<void> {
    const { ctx, next, seated } = run.part
    const begun = (): void => {
      run.since = this.options.clock()
      this.watch(lane)
    }
    // The middleware that brought the last message returns first: handlers may call the bot again at once.
    await undefined
    if (!beside && this.options.elders.size > 0) await this.waitBehind(lane.key)
    if (seated !== true) begun()
    try {
      await (seated === true ? next(begun) : next())
    } catch (error) {
      await this.options.failed(error, ctx)
    }
  }
}

function isWaitedFor<C extends Context>({ waiting, ended }: Lane<C>): boolean {
  return waiting.length > 0 || ended.length > 0
}

/** Under webhooks updates overtake each other: the ids tell their order. */
function insert<C extends Context>(parts: Part<C>[], part: Part<C>): void {
  let at = parts.length
  const id = part.control.facts.updateId
  while (at > 0 && (parts[at - 1] as Part<C>).control.facts.updateId > id) at--
  parts.splice(at, 0, part)
}
