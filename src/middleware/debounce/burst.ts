import type { Context } from 'grammy'
import { inThisContext } from '../../core/asynchronous-context.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { bringForward, type SentinelControl } from '../chain/control.js'
import type { Onward } from '../guard.js'
import type { EarlierBursts } from './earlier-bursts.js'

/** A message that is held back, and the way to its handlers. */
export interface Part {
  readonly ctx: Context
  readonly next: Onward
  readonly control: SentinelControl
  /** Whether `next` may wait for a place first and calls back when it has one. */
  readonly seated?: boolean
}

/** A part in a burst. */
interface HeldPart extends Part {
  /** Runs handlers in the asynchronous context of the update that brought the message. */
  readonly within: (run: () => Promise<void>) => Promise<void>
}

/** How long a burst may wait. */
export interface Patience {
  /** Longest time without another message. */
  readonly quiet: Ms
  /** Longest time from the first message on, whatever follows. */
  readonly most: Ms
}

const AT_ONCE: Patience = { quiet: 0, most: 0 }

/** What bursts need from their guard, and their bounds. */
interface BurstsOptions {
  readonly clock: Clock
  readonly timers: Timers
  /** Most messages of one burst. */
  readonly maxSize: number
  /** Most bursts that wait. */
  readonly maxKeys: number
  /** How long the handlers of a burst keep the next one with the same key waiting. */
  readonly deadline: Ms
  /** Called with the last message of a burst whose handlers took longer. */
  readonly overdue: (part: Part, ms: Ms) => void
  /** Called with an exception of handlers. Must neither throw nor reject. */
  readonly failed: (error: unknown, ctx: Context) => Promise<void>
  /** Bursts that were wired with earlier options. These bursts join the set when they are drained. */
  readonly earlier: Set<EarlierBursts>
}

interface Burst {
  readonly lane: Lane
  /** Oldest first. */
  readonly parts: HeldPart[]
  /** Whether handlers see the parts as a burst; false for a command or an edit that only waits for its turn. */
  readonly gathered: boolean
  /** The album of which it consists, if it takes no other parts. */
  readonly album: string | undefined
  /** Whether it takes no further parts and waits only for its turn. */
  sealed: boolean
  quietAt: Ms
  endAt: Ms
  /** The time at which the clock was last read. */
  seenAt: Ms
  disarm: (() => void) | undefined
}

/** A running call of handlers for a burst. */
interface Run {
  readonly part: Part
  /** All parts of the burst; `part` is the last. */
  readonly parts: readonly Part[]
  /**
   * When the handlers began; undefined while they wait for bursts of earlier options or for a place, which have bounds of their
   * own.
   */
  since: Ms | undefined
}

/** The bursts of one key. A lane exists as long as something waits or runs. */
interface Lane {
  readonly key: string
  /** In the order in which they are handled. At most one for each album is not sealed. */
  readonly waiting: Burst[]
  /** Running handlers, without those past their deadline. */
  readonly runs: Set<Run>
  /** Called when nothing waits or runs any more. */
  readonly ended: (() => void)[]
  /** Cancels the timer for the deadline; set while something waits for running handlers. */
  disarm: (() => void) | undefined
}

/**
 * Gathers messages into bursts, and runs the handlers of each burst once, with its last message, detached from the update
 * that brought it.
 *
 * Bursts of one key run one after another, in order, with two exceptions: when more than `maxKeys` wait, the oldest runs at once;
 * and handlers that run for longer than `deadline` keep nobody waiting any more. Each key has one timer, which is not moved by
 * each message: when it fires, it checks what is due.
 *
 * After `reconfigure()`, bursts of earlier options go first: their lane must be empty before a burst of the same key is handled.
 */
export class Bursts implements EarlierBursts {
  private readonly lanes = new Map<string, Lane>()
  /** All waiting bursts, oldest first. */
  private readonly held = new Set<Burst>()
  private readonly running = new Set<Promise<void>>()
  /** Bursts that wait for bursts of earlier options. They are among the running ones, but have no handlers yet. */
  private readonly behind = new Set<Run>()
  private closed = false

  constructor(private readonly options: BurstsOptions) {}

  /** Number of waiting bursts. */
  get size(): number {
    return this.held.size + this.behind.size
  }

  /** Number of bursts being handled. */
  get handled(): number {
    return this.running.size - this.behind.size
  }

  /**
   * Adds a message to the burst of its key. After {@link drain}, the message only waits for its turn; returns false if nothing of
   * the key waits or runs, so that the message may pass directly.
   *
   * @param album If given, the burst consists of this album only; others of the key wait behind it.
   */
  hold(key: string, part: Part, patience: Patience, album?: string): boolean {
    if (this.closed && !this.isBusy(key)) return false
    const { quiet, most } = this.closed ? AT_ONCE : patience
    const now = this.options.clock()
    const lane = this.laneOf(key)
    const burst = openIn(lane, album) ?? this.open(lane, true, now, now + most, album)
    this.look(burst, now)
    burst.quietAt = Math.max(burst.quietAt, now + quiet)
    insert(burst.parts, held(part))
    if (burst.parts.length >= this.options.maxSize) burst.sealed = true
    this.advance(lane)
    return true
  }

  /**
   * Queues an update behind what its key holds. Returns false if nothing of the key waits or runs, so that the update may pass
   * directly.
   *
   * @param ends Whether what is held is handled now, instead of when its time has come.
   */
  follow(key: string, part: Part, ends = true): boolean {
    if (!this.isBusy(key)) return false
    const lane = this.laneOf(key)
    if (ends) for (const each of lane.waiting) each.sealed = true
    const now = this.options.clock()
    const burst = this.open(lane, false, now, now)
    burst.parts.push(held(part))
    burst.sealed = true
    this.advance(lane)
    return true
  }

  /** Handles everything that waits, lets later messages wait for their turn only, and waits for the handlers. */
  async drain(): Promise<void> {
    this.closed = true
    this.options.earlier.add(this)
    this.seal()
    while (this.running.size > 0) await Promise.all(this.running)
    this.options.earlier.delete(this)
  }

  drop(): void {
    for (const lane of this.lanes.values()) {
      for (const { disarm } of [lane, ...lane.waiting]) disarm?.()
      // Otherwise the end of the last handler would start what waits for it.
      lane.runs.clear()
      for (const ended of lane.ended) ended()
    }
    this.lanes.clear()
    this.held.clear()
    this.behind.clear()
  }

  /**
   * Handles everything that waits, and waits for the handlers; undefined if nothing waits or runs. Later messages are held as
   * before.
   */
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

  /** Whether something of a key waits or runs, here or in bursts of earlier options. */
  private isBusy(key: string): boolean {
    if (this.has(key)) return true
    for (const earlier of this.options.earlier) {
      if (earlier === this) return false
      if (earlier.has(key)) return true
    }
    return false
  }

  private async waitBehind(key: string): Promise<void> {
    for (const earlier of this.options.earlier) {
      if (earlier === this) return
      await earlier.ended(key)
    }
  }

  private laneOf(key: string): Lane {
    let lane = this.lanes.get(key)
    if (lane === undefined) {
      lane = { key, waiting: [], runs: new Set(), ended: [], disarm: undefined }
      this.lanes.set(key, lane)
    }
    return lane
  }

  private open(lane: Lane, gathered: boolean, now: Ms, endAt: Ms, album?: string): Burst {
    if (this.held.size >= this.options.maxKeys) {
      const [oldest] = this.held
      if (oldest !== undefined) this.start(oldest.lane, true)
    }
    const burst: Burst = {
      lane,
      parts: [],
      gathered,
      album,
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

  /** Moves the deadlines of a burst with a clock that was set back; otherwise the burst would wait longer by the difference. */
  private look(burst: Burst, now: Ms): void {
    const back = burst.seenAt - now
    if (back > 0) {
      burst.quietAt -= back
      burst.endAt -= back
    }
    burst.seenAt = now
  }

  /** Starts the first burst of the lane if it is due; otherwise arranges to be called again. */
  private advance(lane: Lane): void {
    this.turnOut(lane)
    // Called again when the running handlers have ended, or have run for too long.
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

  /** Stops waiting for handlers past their deadline; the next burst runs beside them. */
  private turnOut(lane: Lane): void {
    if (!isWaitedFor(lane)) return
    for (const run of [...lane.runs]) {
      const age = this.ageOf(run)
      if (age < this.options.deadline) continue
      lane.runs.delete(run)
      this.options.overdue(run.part, age)
    }
  }

  private watch(lane: Lane): void {
    if (lane.disarm !== undefined || !isWaitedFor(lane)) return
    const age = Math.max(...[...lane.runs].map((run) => this.ageOf(run)))
    if (age < 0) return
    lane.disarm = this.options.timers.after(Math.max(1, this.options.deadline - age), () => {
      lane.disarm = undefined
      this.advance(lane)
    })
  }

  /** Returns how long handlers have been running; negative if they have not begun. */
  private ageOf(run: Run): Ms {
    if (run.since === undefined) return -1
    const now = this.options.clock()
    // After the clock was set back, the age would be negative.
    run.since = Math.min(run.since, now)
    return now - run.since
  }

  private waitOf(burst: Burst): Ms {
    if (burst.sealed) return 0
    const now = this.options.clock()
    this.look(burst, now)
    return Math.min(burst.quietAt, burst.endAt) - now
  }

  /** @param beside Whether to start beside running handlers, since the number of waiting bursts is bounded. */
  private start(lane: Lane, beside = false): void {
    const burst = lane.waiting.shift()
    const last = burst?.parts.at(-1)
    if (burst === undefined || last === undefined) return
    burst.disarm?.()
    this.held.delete(burst)
    // A part may itself be a burst that was gathered further up. On a fork, such bursts may have parts in common.
    if (burst.gathered)
      last.control.burst = [...new Set(burst.parts.flatMap(({ ctx, control }) => control.burst ?? [ctx]))]
    const run: Run = { part: last, parts: burst.parts, since: undefined }
    lane.runs.add(run)
    // The middleware that brought the last message returns first: handlers may call the bot again synchronously.
    const handled = last.within(() => this.handle(run, lane, beside))
    const running = handled.then(() => {
      this.running.delete(running)
      if (lane.runs.delete(run)) this.advance(lane)
    })
    this.running.add(running)
  }

  private async handle(run: Run, lane: Lane, beside: boolean): Promise<void> {
    const { ctx, next, seated } = run.part
    const begun = (): void => {
      for (const { ctx, control } of run.parts) bringForward(control, ctx)
      run.since = this.options.clock()
      this.watch(lane)
    }
    if (!beside && this.options.earlier.size > 0) {
      this.behind.add(run)
      await this.waitBehind(lane.key)
      const isDropped = !this.behind.delete(run)
      if (isDropped) return
    }
    if (seated !== true) begun()
    try {
      await (seated === true ? next(begun) : next())
    } catch (error) {
      await this.options.failed(error, ctx)
    }
  }
}

/** The burst of a lane that takes further messages, or further parts of an album. */
function openIn({ waiting }: Lane, album: string | undefined): Burst | undefined {
  return waiting.find((burst) => !burst.sealed && burst.album === album)
}

function isWaitedFor({ waiting, ended }: Lane): boolean {
  return waiting.length > 0 || ended.length > 0
}

function held(part: Part): HeldPart {
  return { ...part, within: inThisContext() }
}

/** Inserts a part by its update id: webhook requests may overtake each other. */
function insert(parts: HeldPart[], part: HeldPart): void {
  let at = parts.length
  const id = part.control.facts.updateId
  while (at > 0 && (parts[at - 1] as HeldPart).control.facts.updateId > id) at--
  parts.splice(at, 0, part)
}
