import type { IBreaker } from 'cockatiel'
import { isPromise, type Judge, type MaybePromise } from '../core/check.js'
import type { Clock, Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { SharedTimer } from '../core/request-bound.js'
import type { Key } from '../core/subject.js'
import type { CircuitState, StorageCondition } from './condition.js'
import type { FailoverJudge } from './failover-judge.js'
import { WriteTurns } from './failover-turns.js'
import { Line } from './resilient/line.js'
import { idOf, PendingMarks, type Ticket, type Write } from './resilient/pending.js'
import { Plans, type Taker } from './resilient/plans.js'
import { isOfTheCaller } from './resilient/reason.js'
import { Settlements } from './resilient/settlements.js'
import { proveWell } from './resilient/well.js'
import type { Marks, Storage, StorageHealth } from './storage.js'

/** How long to wait before writing missed marks again. */
const FLUSH_AFTER: Ms = 200

export interface MemberOptions {
  readonly timeout: Ms
  readonly breaker: IBreaker
  readonly spacing: Ms
  readonly clock: Clock
  readonly steady: Clock
  readonly timers: Timers
  /** Called when the storage goes down, comes back or fails in the background. */
  readonly tell: (condition: StorageCondition) => void
  /** Called when another storage may now be the one in use. */
  readonly moved: () => void
}

/** A write of marks, to be made on every storage. */
export interface MarkWrite<T> {
  readonly touched: readonly [bot: number, name: string, keys: readonly Key[]]
  /** The same write as single entries, to be stored for later. */
  readonly writes: () => readonly Write[]
  readonly work: (marks: Marks) => MaybePromise<T>
}

/** One of the storages of a failover, with its line and the writes it has missed. */
export class Member {
  readonly line: Line
  /** Marks written to other storages that this one does not have yet. */
  readonly behind = new PendingMarks(() => this.flushSoon())
  readonly settlements = new Settlements(() => this.flushSoon())
  /** `unknown` until the storage is first reached, unless the storage names its kind. */
  kind: string
  private readonly plans: Plans
  /** Orders all writes to this storage, both those a caller waits for and those in the background. */
  private readonly turns = new WriteTurns((work) => this.line.try(work, true))
  private downSince: Ms | undefined
  private readonly flushing: SharedTimer
  private stopped = false

  constructor(
    readonly storage: Storage,
    readonly index: number,
    private readonly options: MemberOptions,
  ) {
    this.kind = storage.kind ?? 'unknown'
    this.flushing = new SharedTimer(options.steady, options.timers)
    this.line = new Line({
      ...options,
      remote: storage.remote === true,
      probe: () => this.probe(),
      changed: (state) => this.changed(state),
    })
    this.plans = new Plans({
      storage,
      line: this.line,
      steady: options.steady,
      timers: options.timers,
      failed: (error) => this.failed(error),
    })
  }

  get isUp(): boolean {
    return this.line.circuit.state === 'closed'
  }

  /**
   * Compiles the plan. Rejects if the plan is invalid; if the storage fails, the plan is compiled when it is back.
   *
   * @returns The error if the storage works but cannot take this plan.
   */
  async prepare(judge: FailoverJudge): Promise<unknown> {
    const taker: Taker = {
      plan: judge.plan,
      take: (own) => {
        judge.judges[this.index] = own
      },
    }
    if (!this.isUp) {
      this.plans.add(taker)
      return
    }
    let over = false
    let barred: unknown
    const taken = (async () => this.storage.prepare(judge.plan))().then(
      (own) => this.plans.took(taker, own),
      (error) => {
        if (isOfTheCaller(error) && !over) throw error
        if (this.plans.missed(taker, error)) barred = error
      },
    )
    try {
      await this.line.try(() => taken, true)
    } catch (error) {
      if (isOfTheCaller(error)) throw error
      judge.late.push(taken)
    }
    over = true
    return barred
  }

  /** Writes marks in the background, to keep this storage ready to take over. Marks it cannot take now are written later. */
  keepUp({ touched, writes, work }: MarkWrite<unknown>): void {
    const ticket = this.behind.begin(...touched)
    const missed = (): undefined => {
      if (this.behind.keep(ticket, writes()) !== undefined) return
      const message = `failover: storage ${this.index} has missed more marks than are kept for it; some are not carried over.`
      this.options.tell({
        is: 'failed',
        error: new SentinelError('storage.unavailable', message),
        during: 'storage.failover',
      })
    }
    const done = this.line.ask<unknown>(() => this.direct(ticket, work), missed, true)
    if (isPromise(done)) done.catch((error) => this.failed(error))
  }

  /** Writes marks for a caller. If this fails the caller tries the next storage and later calls `keepUp()` for this one. */
  write<T>({ touched, work }: MarkWrite<T>, instead: (error: unknown) => MaybePromise<T>): MaybePromise<T> {
    const ticket = this.behind.begin(...touched)
    return this.line.ask(
      () => this.direct(ticket, work),
      (error) => {
        this.behind.end(ticket)
        return instead(error)
      },
      true,
    )
  }

  private direct<T>(ticket: Ticket, work: MarkWrite<T>['work']): MaybePromise<T> {
    return this.behind.direct(ticket, () => this.inTurn(ticket.ids, () => work(this.storage.marks)))
  }

  /** Writes when the earlier writes to the same items are over. */
  inTurn<T>(ids: readonly string[], work: () => MaybePromise<T>): MaybePromise<T> {
    return this.turns.take(ids, work)
  }

  /** Writes in the background if the storage is up. A missed write is not repeated. */
  follow(ids: readonly string[], work: () => MaybePromise<unknown>): void {
    const done = this.line.ask<unknown>(
      () => this.inTurn(ids, work),
      () => undefined,
      true,
    )
    if (isPromise(done)) done.catch((error) => this.failed(error))
  }

  async settle(
    judge: Judge,
    receipt: Parameters<Judge['settle']>[0],
    ...how: [Parameters<Judge['settle']>[1], number?]
  ): Promise<void> {
    await this.line.ask(
      () => judge.settle(receipt, ...how),
      (error) => {
        if (this.settlements.givesUp(error) || this.settlements.keep(judge, receipt, ...how)) return
        return this.line.refuse(
          'settle',
          error,
          ' Too many settlements wait for it already; this one is given up.',
        )
      },
    )
  }

  /** Never rejects. */
  async health(): Promise<StorageHealth> {
    let health: StorageHealth = { ok: false, kind: this.kind }
    const { circuit } = this.line
    await this.line.look()
    if (circuit.state !== 'open') {
      try {
        health = await this.line.try(() => this.storage.health(), true)
        this.kind = health.kind
      } catch (error) {
        circuit.noted(error)
        this.failed(error)
      }
    }
    const { state, since, reason, told, outages } = circuit
    return {
      ...health,
      ok: health.ok && state === 'closed',
      circuit: {
        state,
        since,
        ...(reason === '' ? {} : told),
        outages,
        instead: 0,
        late: this.line.late,
        waiting: { marks: this.behind.size, settlements: this.settlements.size },
        dropped: { marks: this.behind.dropped, settlements: this.settlements.dropped },
      },
    }
  }

  /** Returns how many marks the storage will never receive. */
  async stop(): Promise<number> {
    if (this.isUp) {
      // Waits for the writes in progress, each of which has a time limit.
      await this.turns.idle()
      await this.catchUp()
    }
    this.stopped = true
    this.flushing.off()
    this.settlements.clear()
    this.plans.stop()
    this.line.stop()
    return this.behind.clear()
  }

  private async probe(): Promise<void> {
    this.kind = await proveWell(this.storage, this.options.clock)
    await this.plans.probe()
    // Catch up before deciding anything, so that blocks made through other storages hold here too.
    await this.catchUp()
    if (this.behind.size > 0)
      throw new SentinelError('storage.failed', 'It does not take the marks it has missed.')
  }

  /** Never rejects. */
  private async catchUp(): Promise<void> {
    await this.behind.replay({
      marks: this.marksInTurn,
      bounded: (work) => this.line.try(work, true),
      written: () => undefined,
      refused: (error) => this.failed(error),
    })
    await this.settlements.replay((work) => this.line.try(async () => work(), true))
    if (this.behind.size + this.settlements.size > 0) this.flushSoon()
  }

  /** Missed marks must queue behind the writes in progress, which would otherwise overwrite them. */
  private get marksInTurn(): Marks {
    const { marks } = this.storage
    const ids = (bot: number, name: string, keys: readonly Key[]) => keys.map((key) => idOf(bot, name, key))
    return {
      get: (...args) => marks.get(...args),
      of: (...args) => marks.of(...args),
      scan: (...args) => marks.scan(...args),
      put: (bot, name, entries) => {
        const keys = entries.map(({ key }) => key)
        return this.inTurn(ids(bot, name, keys), () => marks.put(bot, name, entries))
      },
      remove: (bot, name, keys) => this.inTurn(ids(bot, name, keys), () => marks.remove(bot, name, keys)),
    }
  }

  /** Does the work of timers that were lost when the request that set them ended. Called on the next request. */
  attend(): void {
    this.plans.attend()
    if (!this.flushing.isLost) return
    // The timer is set first: this keeps other requests from doing the same work, and lets a later one repeat it if this one ends
    // too.
    this.flushSoon()
    if (this.isUp) void this.catchUp()
  }

  private flushSoon(): void {
    if ((this.flushing.isSet && !this.flushing.isLost) || this.stopped) return
    this.flushing.set(FLUSH_AFTER, () => {
      // While the storage is down, the probes catch up.
      if (this.isUp) void this.catchUp()
    })
  }

  private changed(state: CircuitState): void {
    if (state === 'open' && this.downSince === undefined) {
      this.downSince = this.options.clock()
      this.options.tell({ is: 'down', kind: this.kind, ...this.line.circuit.told })
      this.options.moved()
    } else if (state === 'closed' && this.downSince !== undefined) {
      const after = this.options.clock() - this.downSince
      this.downSince = undefined
      // Write what has been missed since the probe.
      void this.catchUp()
      this.options.tell({ is: 'up', kind: this.kind, after })
      this.options.moved()
    }
  }

  private failed(error: unknown): void {
    this.options.tell({ is: 'failed', error, during: 'storage.failover' })
  }
}
