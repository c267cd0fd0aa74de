import type { IBreaker } from 'cockatiel'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SharedTimer } from '../../core/request-bound.js'
import type { Key } from '../../core/subject.js'
import type { CircuitHealth, CircuitState, StorageCondition } from '../contract/condition.js'
import type { Marks, Storage, StorageHealth } from '../contract/storage.js'
import { Unhealthy } from './circuit.js'
import { PROBE } from './guarded.js'
import { Line } from './line.js'
import { Plans } from './plans.js'
import { QueuedMarks } from './queued-marks.js'
import { reasonOf, refusesWrites } from './reason.js'
import { Settlements } from './settlements.js'

/** When to retry queued writes while the storage is up, after a late answer or a single failure. */
const FLUSH_AFTER: Ms = 200
const PROBE_KEPT: Ms = 60_000
/** Ends of the keys that a probe writes to a cluster, of which one node may refuse: each key lies in another eighth of the slots. */
const SPREAD = ['', 1, 2, 3, 4, 5, 8, 18]
const ALONE = ['']

/** How a storage is supervised. */
export interface Supervision {
  readonly timeout: Ms
  /** Absent: first calls may take no longer than later ones. */
  readonly firstTimeout?: Ms
  /** Whether reads are made while the storage is down because it refuses to write. */
  readonly servesReads?: boolean
  readonly breaker: IBreaker
  /** Longest interval between probes. */
  readonly spacing: Ms
  readonly clock: Clock
  /** The clock for timers. */
  readonly steady: Clock
  readonly timers: Timers
}

/**
 * A storage that may fail: the line to it, the plans it has not compiled, and the marks and settlements it has missed. Tells when
 * it goes down and comes back.
 */
export abstract class SupervisedStorage {
  /** `unknown` until the storage is first reached, unless the storage names its kind. */
  kind: string
  readonly line: Line
  protected readonly plans: Plans
  protected readonly queued = new QueuedMarks(() => this.flushSoon())
  protected readonly settlements = new Settlements(() => this.flushSoon())
  protected readonly clock: Clock
  protected stopped = false
  private readonly flushing: SharedTimer
  private downSince: Ms | undefined

  constructor(
    readonly storage: Storage,
    supervision: Supervision,
  ) {
    const { clock, steady, timers } = supervision
    this.kind = storage.kind ?? 'unknown'
    this.clock = clock
    this.missedMarks = storage.marks
    this.flushing = new SharedTimer(steady, timers)
    this.line = new Line({
      ...supervision,
      remote: storage.remote === true,
      probe: () => this.probe(),
      write: async () => this.writeProbe((await storage.health()).kind),
      changed: (state) => this.changed(state),
    })
    const failed = (error: unknown): void => this.failed(error, 'storage.prepare')
    this.plans = new Plans({ storage, line: this.line, steady, timers, failed })
  }

  get isUp(): boolean {
    return this.line.circuit.state === 'closed'
  }

  protected abstract tell(condition: StorageCondition): void

  /** Receives failures in the background. */
  protected abstract failed(error: unknown, during: string): void

  /** Called when the storage went down or came back, after that was told. */
  protected abstract switched(): void

  /** Where the marks that the storage has missed are written. */
  protected readonly missedMarks: Marks

  /** Called with marks that were queued and have reached the storage. */
  protected written(_bot: number, _name: string, _keys: readonly Key[]): void {}

  /** Never rejects. A storage that does not answer is not `ok`. */
  async health(): Promise<StorageHealth> {
    const { circuit } = this.line
    let health: StorageHealth = { ok: false, kind: this.kind }
    await this.line.look()
    if (circuit.state !== 'open') {
      try {
        health = await this.line.try(() => this.storage.health(), true)
        this.kind = health.kind
      } catch (error) {
        circuit.noted(error)
        this.failed(error, 'storage.health')
      }
    }
    return { ...health, ok: health.ok && this.isUp, circuit: this.circuitHealth() }
  }

  protected circuitHealth(): CircuitHealth {
    const { line, queued, settlements } = this
    const { state, since, reason, told, outages } = line.circuit
    return {
      state,
      since,
      ...(reason === '' ? {} : told),
      outages,
      instead: 0,
      late: line.late,
      waiting: { marks: queued.size, settlements: settlements.size },
      dropped: { marks: queued.dropped, settlements: settlements.dropped },
    }
  }

  /**
   * Checks whether the storage is back: it must report itself well, accept a write and compile the waiting plans. Rejects if it is
   * not back; may hang.
   */
  protected async probe(): Promise<void> {
    const { ok, kind } = await this.storage.health()
    // A storage that only reads (out of memory, a replica) reports itself well but cannot decide. An unhealthy one gives its
    // reason here.
    await this.writeProbe(kind)
    if (!ok) throw new Unhealthy('storage.failed', 'The storage reports that it is unhealthy.')
    this.kind = kind
    await this.plans.probe()
  }

  /** Writes a value. Rejects with the refusal if the storage refuses every write; a cluster must refuse several keys. */
  private async writeProbe(kind: string): Promise<void> {
    const { values } = this.storage
    const now = this.clock()
    let refusal: unknown
    for (const at of kind.includes('redis-cluster') ? SPREAD : ALONE) {
      try {
        await values.put(PROBE, PROBE + at, now, now + PROBE_KEPT)
        return
      } catch (error) {
        if (!refusesWrites(reasonOf(error))) throw error
        refusal ??= error
      }
    }
    throw refusal
  }

  private changed(state: CircuitState): void {
    let condition: StorageCondition
    if (state === 'open' && this.downSince === undefined) {
      this.downSince = this.clock()
      condition = { is: 'down', kind: this.kind, ...this.line.circuit.told }
    } else if (state === 'closed' && this.downSince !== undefined) {
      condition = { is: 'up', kind: this.kind, after: this.clock() - this.downSince }
      this.downSince = undefined
    } else return
    // A listener that throws must not keep the storage from being watched.
    try {
      this.tell(condition)
    } finally {
      this.switched()
    }
  }

  /** Does the work of timers that were lost when the request that set them ended. Called on the next request. */
  attend(): void {
    this.plans.attend()
    if (!this.flushing.isLost) return
    // The timer is set first: this keeps other requests from doing the same work, and lets a later one repeat it if this one ends
    // too.
    this.flushSoon()
    if (this.isUp) void this.flush()
  }

  private flushSoon(): void {
    if ((this.flushing.isSet && !this.flushing.isLost) || this.stopped) return
    this.flushing.set(FLUSH_AFTER, () => {
      // While the storage is down nothing can be sent; everything is sent when it is back.
      if (this.isUp) void this.flush()
    })
  }

  /** Sends everything that the storage has missed. Never rejects; what fails stays queued. */
  protected async flush(): Promise<void> {
    await this.queued.replay({
      marks: this.missedMarks,
      bounded: (work) => this.line.try(work, true),
      written: (bot, name, keys) => this.written(bot, name, keys),
      refused: (error) => this.failed(error, 'storage.recovery'),
    })
    await this.settlements.replay((work) => this.line.try(async () => work(), true))
    if (this.queued.size + this.settlements.size > 0) this.flushSoon()
  }

  /** Stops everything in the background. Returns how many marks the storage will never receive. */
  protected halt(): number {
    this.stopped = true
    this.flushing.off()
    this.settlements.clear()
    this.plans.stop()
    this.line.stop()
    return this.queued.clear()
  }
}
