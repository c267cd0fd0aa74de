import {
  type Check,
  isPromise,
  type Judge,
  type MaybePromise,
  type Plan,
  type Receipt,
  type Settlement,
} from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import type { Key } from '../../core/subject.js'
import type { StorageChange } from '../contract/changes.js'
import type { StorageCondition } from '../contract/condition.js'
import type { Mark, MarkPage, Marks, Storage } from '../contract/storage.js'
import { type Taker, unlessLoading } from '../resilient/plans.js'
import {
  idOf,
  markLeftBy,
  marksLeftBy,
  pageLeftBy,
  type Ticket,
  type Write,
} from '../resilient/queued-marks.js'
import { causeOf, isOfTheCaller } from '../resilient/reason.js'
import { SupervisedStorage, type Supervision } from '../resilient/supervised.js'
import { Unwritten } from '../resilient/unwritten.js'
import { inBackground } from '../shared/in-background.js'
import type { PatientMarks } from '../shared/patient-marks.js'
import { StorageWatch } from '../shared/storage-watch.js'
import { watchInTime } from '../shared/watch-in-time.js'
import { writesThrough } from '../shared/writes-through.js'
import { WriteTurns } from './turns.js'

interface MemberOptions extends Supervision {
  /** Called when the storage goes down, comes back or fails in the background. */
  readonly tell: (condition: StorageCondition) => void
  /** Called with the changes of the storage, and with a gap when it begins or ceases to report any. */
  readonly changed: (member: Member, change: StorageChange) => void
  /** Called when another storage may now be the one in use. */
  readonly moved: () => void
}

/** The judge of a plan, which gets a judge from each storage. */
interface PreparedJudge {
  readonly plan: Plan
  /** By storage; undefined until that storage has compiled the plan. */
  readonly judges: (Judge | undefined)[]
  /** Preparations that exceeded the time limit. */
  readonly late: Promise<void>[]
}

/** A write of marks, to be made on every storage. */
export interface MarkWrite<T> {
  readonly touched: readonly [bot: number, name: string, keys: readonly Key[]]
  /** The same write as single entries, to be stored for later. */
  readonly writes: () => readonly Write[]
  readonly work: (marks: Marks) => MaybePromise<T>
}

/** One of the storages of a failover, with the writes that it has missed. */
export class Member extends SupervisedStorage {
  /** Why no changes of this storage are received. */
  lost: SentinelError | undefined
  /** Reports the changes of this storage. */
  readonly changes: StorageWatch
  /** Orders all writes to this storage, both those a caller waits for and those in the background. */
  private readonly turns = new WriteTurns((work) => this.line.try(work, true))
  /** Missed marks must queue behind the writes in progress, which would otherwise overwrite them. */
  protected override readonly missedMarks = writesThrough(this.storage.marks, (write, bot, keys, name) =>
    this.inTurn(
      keys.map((key) => idOf(bot, name, key)),
      write,
    ),
  )

  constructor(
    storage: Storage,
    readonly index: number,
    private readonly options: MemberOptions,
  ) {
    super(storage, options)
    this.changes = new StorageWatch((listener) => watchInTime(storage.watch(listener), options.timers), {
      heard: (change) => {
        if (change.kind === 'gap') this.lost = change.lost
        options.changed(this, change)
      },
      begun: (lost) => this.receives(lost),
      failed: (error) => {
        this.line.circuit.noted(error)
        this.receives(causeOf(error) ?? this.line.unavailable('watch', error))
      },
    })
  }

  /** Notes why no changes of this storage are received, or that they are, and reports it if that is news. */
  private receives(lost: SentinelError | undefined): void {
    const isNews = (this.lost === undefined) !== (lost === undefined)
    this.lost = lost
    if (isNews) this.options.changed(this, { kind: 'gap', lost })
  }

  /**
   * Compiles the plan. Rejects if the plan is invalid; if the storage fails, the plan is compiled when it is back.
   *
   * @returns The error if the storage works but cannot take this plan.
   */
  async prepare(judge: PreparedJudge): Promise<unknown> {
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
    const taken = unlessLoading((async () => this.storage.prepare(judge.plan))()).then(
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

  /** Finds out which asks this storage cannot decide, because it does not have the marks yet that other storages have taken. */
  unwrittenOf(plan: Plan): Unwritten {
    // Another storage decides these asks in full, so it does not matter what applies while no storage answers.
    const checks = plan.checks.map((check): Check => ({ ...check, whenDown: 'local' }))
    return new Unwritten({ ...plan, checks }, this.queued, this.clock)
  }

  /** Returns a mark as it is once this storage has received what it has missed. */
  markOf(bot: number, key: Key, name: string, patient: boolean): MaybePromise<Mark | undefined> {
    const write = this.queued.get(bot, name, key)
    if (write !== undefined) return markLeftBy(write, this.clock())
    return (this.storage.marks as PatientMarks).get(bot, key, name, patient)
  }

  /** Returns the marks of a subject, as {@link markOf} does. */
  marksOf(bot: number, key: Key): MaybePromise<ReadonlyMap<string, Mark>> {
    const found = this.storage.marks.of(bot, key)
    if (!this.queued.any) return found
    const writes = this.queued.of(bot, key)
    const left = (marks: ReadonlyMap<string, Mark>) => marksLeftBy(writes, marks, this.clock())
    return isPromise(found) ? found.then(left) : left(found)
  }

  /** Returns a page of the holders of a mark, as {@link markOf} does. */
  markPage(bot: number, name: string, from: string | undefined, size?: number): MaybePromise<MarkPage> {
    // Listed first: what is written while the page is read is on that page or was in the queue.
    const writes = this.queued.on(bot, name)
    const found = this.storage.marks.scan(bot, name, from, size)
    if (writes.length === 0) return found
    const left = (page: MarkPage) => pageLeftBy(writes, page, from === undefined, this.clock())
    return isPromise(found) ? found.then(left) : left(found)
  }

  /** Writes marks in the background, to keep this storage ready to take over. Marks it cannot take now are written later. */
  keepUp({ touched, writes, work }: MarkWrite<unknown>): void {
    const ticket = this.queued.begin(...touched)
    // The caller is about to be told that the write was made, so it must hold here before it is made.
    this.queued.expect(ticket, writes())
    const missed = (): undefined => {
      if (this.queued.keep(ticket, writes()) !== undefined) return
      const message = `failover: storage ${this.index} has missed more marks than are kept for it; some are lost to it.`
      this.options.tell({
        is: 'failed',
        error: new SentinelError('storage.unavailable', message),
        during: 'storage.failover',
      })
    }
    this.aside(() => this.direct(ticket, work), missed)
  }

  /** Writes marks for a caller. If this fails the caller tries the next storage and later calls `keepUp()` for this one. */
  write<T>({ touched, work }: MarkWrite<T>, instead: (error: unknown) => MaybePromise<T>): MaybePromise<T> {
    const ticket = this.queued.begin(...touched)
    return this.line.ask(
      () => this.direct(ticket, work),
      (error) => {
        this.queued.end(ticket)
        return instead(error)
      },
      true,
    )
  }

  private direct<T>(ticket: Ticket, work: MarkWrite<T>['work']): MaybePromise<T> {
    return this.queued.direct(ticket, () => this.inTurn(ticket.ids, () => work(this.storage.marks)))
  }

  /** Writes when the earlier writes to the same items are over. */
  inTurn<T>(ids: readonly string[], work: () => MaybePromise<T>): MaybePromise<T> {
    return this.turns.take(ids, work)
  }

  /** Writes in the background if the storage is up. A missed write is not repeated. */
  follow(ids: readonly string[], work: () => MaybePromise<unknown>): void {
    this.aside(
      () => this.inTurn(ids, work),
      () => undefined,
    )
  }

  private aside(work: () => MaybePromise<unknown>, instead: () => undefined): void {
    inBackground(
      () => this.line.ask(work, instead, true),
      (error) => this.failed(error),
    )
  }

  async settle(judge: Judge, receipt: Receipt, how: Settlement, check: number | undefined): Promise<void> {
    await this.line.ask(
      () => judge.settle(receipt, how, check),
      (error) => {
        if (this.settlements.givesUp(error) || this.settlements.keep(judge, receipt, how, check)) return
        return this.line.refuse(
          'settle',
          error,
          ' Too many settlements wait for it already; this one is lost.',
        )
      },
    )
  }

  /** Returns how many marks the storage will never receive. */
  async stop(): Promise<number> {
    if (this.isUp) {
      // Waits for the writes in progress, each of which has a time limit.
      await this.turns.idle()
      await this.flush()
    }
    return this.halt()
  }

  protected override async probe(): Promise<void> {
    await super.probe()
    // Catch up before deciding anything, so that blocks made through other storages hold here too.
    await this.flush()
    if (this.queued.size > 0)
      throw new SentinelError('storage.failed', 'It does not accept the marks that it has missed.')
  }

  protected override switched(): void {
    // Write what has been missed since the probe.
    if (this.isUp) void this.flush()
    this.options.moved()
  }

  /** While these marks were queued, they were read as their writes leave them. The storage may have had something newer. */
  protected override written(bot: number, name: string, keys: readonly Key[]): void {
    this.options.changed(this, { kind: 'marks', bot, name, keys })
  }

  protected override tell(condition: StorageCondition): void {
    this.options.tell(condition)
  }

  protected override failed(error: unknown): void {
    this.tell({ is: 'failed', error, during: 'storage.failover' })
  }
}
