import type { IBreaker } from 'cockatiel'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import { Deadlines } from '../../core/deadlines.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { Heartbeat } from '../../core/request-bound.js'
import type { CircuitState } from '../contract/condition.js'
import { noDecision } from '../shared/decisions.js'
import { Circuit } from './circuit.js'
import { causeOf, isOfTheCaller, reasonOf, refusesWrites, UndecidedAsk } from './reason.js'
import { BoundedCall, Call, TimedOut } from './timed-calls.js'

/** Calls that no update waits for may take this many times longer. */
const PATIENCE = 8
/** How long the answer of a call that must not be repeated is waited for. */
const OUTWAIT: Ms = 300_000

/** The epoch of calls that are made although the circuit is not closed. The circuit ignores their results. */
const BESIDE = -1

/** The advice for a call that was refused, and is not repeated for its caller. */
export const AGAIN = ' Try again when health().ok is true.'

/** The reasons of failures that are answers of the storage. Codes of five characters with a digit are SQLSTATEs. */
const ANSWER = /^(storage\.(failed|permission|readonly)|OOM|MISCONF|BUSY|(?=.*\d)[0-9A-Z]{5})$/

/** The error for a call that was never made, because the storage is down. */
export const NOT_ASKED: unique symbol = Symbol('not asked')

interface LineOptions {
  /** Whether the storage is remote. A remote storage's synchronous answers come from a cache in front of it. */
  readonly remote: boolean
  readonly timeout: Ms
  /**
   * How long calls may take until the storage has first answered: it may have to connect and create its schema. Absent: no longer
   * than later calls.
   */
  readonly firstTimeout?: Ms
  readonly breaker: IBreaker
  readonly probe: () => Promise<void>
  /** Rejects with the refusal if the storage refuses every write. */
  readonly write: () => Promise<void>
  /** Whether reads are made while the storage is down because it refuses to write. */
  readonly servesReads?: boolean
  readonly changed: (state: CircuitState) => void
  readonly spacing: Ms
  /** The time of day. */
  readonly clock: Clock
  /** The clock for deadlines. */
  readonly steady: Clock
  readonly timers: Timers
}

/** A call to a storage. A single object, because there is one for every update. */
export interface Errand<T> {
  /** Whether it only reads durable state. */
  readonly reads?: boolean
  work(): MaybePromise<T>
  /** Returns a replacement if the call failed, took too long, or was not made. Exceptions reach the caller. */
  instead(error: unknown): MaybePromise<T>
  /** Whether the answer is valid; an invalid one counts as a failure. */
  isSound?(value: T): boolean
  /** Called when the answer arrived after it had been replaced. */
  late?(value: T): void
}

class LineCall<T> extends Call<T> {
  constructor(
    private readonly line: Line,
    private readonly errand: Errand<T>,
    private readonly epoch: number,
    deadlines: Deadlines,
  ) {
    super(deadlines)
  }

  protected override answered(): void {
    this.line.answered()
    this.line.circuit.succeeded(this.epoch)
  }

  protected override failed(error: unknown): MaybePromise<T> {
    this.line.blame(error, this.epoch)
    return this.errand.instead(error)
  }

  protected override isSound(value: T): boolean {
    return this.errand.isSound === undefined || this.errand.isSound(value)
  }

  protected override late(value: T): void {
    this.line.late++
    this.errand.late?.(value)
  }
}

/** The line to one storage. Every call over it has a time limit, and none is made while the storage is down. */
export class Line {
  readonly circuit: Circuit
  private readonly quick: Deadlines
  private readonly patient: Deadlines
  private readonly outwaited: Deadlines
  /** For calls until the first answer, and for preparing a new plan. */
  private readonly first: Deadlines
  /** Whether the storage has ever answered. */
  reached: boolean
  /** A call took too long and none was answered since, so first calls get no extra time. */
  private doubted = false
  /** Answers that arrived after they had been replaced. */
  late = 0
  private writing = false
  private readonly heartbeat: Heartbeat

  private readonly isRemote: boolean

  constructor(private readonly options: LineOptions) {
    const { timeout, firstTimeout = timeout, steady, timers, changed } = options
    this.isRemote = options.remote
    this.reached = options.firstTimeout === undefined
    this.circuit = new Circuit({
      ...options,
      changed: (state) => {
        if (state === 'open') this.doubt()
        else if (state === 'closed') this.answered()
        changed(state)
      },
    })
    this.heartbeat = new Heartbeat(steady)
    this.quick = new Deadlines(timeout, steady, timers)
    this.patient = new Deadlines(timeout * PATIENCE, steady, timers)
    this.outwaited = new Deadlines(OUTWAIT, steady, timers)
    this.first = new Deadlines(firstTimeout, steady, timers)
  }

  /** Called on any sign of life from the storage. */
  answered(): void {
    this.reached = true
    this.doubted = false
  }

  private get beginning(): Deadlines {
    return this.doubted ? this.quick : this.first
  }

  private deadlinesOf(patient: boolean): Deadlines {
    const usual = patient ? this.patient : this.quick
    return this.reached || this.doubted || usual.span > this.first.span ? usual : this.first
  }

  /** The storage seems to be down. Expires the calls with extra time at once: one time-out is enough to know. */
  private doubt(): void {
    if (this.doubted) return
    this.doubted = true
    this.first.clear()
  }

  /** Whether the storage is down only because it refuses to write, as far as is known. */
  private get answersReads(): boolean {
    return this.options.servesReads === true && refusesWrites(this.circuit.reason)
  }

  /** Makes a call, or uses the replacement if it fails or takes too long. Synchronous if both are. */
  run<T>(errand: Errand<T>, patient = false): MaybePromise<T> {
    const { circuit } = this
    let epoch = BESIDE
    if (circuit.admits()) epoch = circuit.epoch
    else if (errand.reads !== true || !this.answersReads) return errand.instead(NOT_ASKED)
    let answer: MaybePromise<T>
    try {
      answer = circuit.isUnproved ? circuit.prove().then(() => errand.work()) : errand.work()
      if (!isPromise(answer) && errand.isSound?.(answer) === false) throw noDecision()
    } catch (error) {
      this.blame(error, epoch)
      return errand.instead(error)
    }
    if (!isPromise(answer)) {
      // A remote storage cannot answer at once. The answer came from a memory in front of it and says nothing about the storage.
      if (!this.isRemote) circuit.succeeded(epoch)
      else if (epoch !== BESIDE) circuit.abstained()
      return answer
    }
    return new LineCall(this, errand, epoch, this.deadlinesOf(patient)).wait(answer)
  }

  /** As `run()`, with functions. `instead` receives the error, and its exceptions reach the caller. */
  ask<T>(
    work: () => MaybePromise<T>,
    instead: (error: unknown) => MaybePromise<T>,
    patient = false,
    reads = false,
  ): MaybePromise<T> {
    return this.run({ work, instead, reads }, patient)
  }

  /** Tests the storage if no probe is running any longer. Never rejects. */
  async look(): Promise<void> {
    if (!this.circuit.isUnattended) return
    await this.ask<void>(
      async () => undefined,
      () => undefined,
      true,
    )
  }

  /** Handles a failed call, for which the storage may or may not be to blame. */
  blame(error: unknown, epoch: number): void {
    const { circuit } = this
    if (isOfTheCaller(error)) circuit.succeeded(epoch)
    else if (error instanceof TimedOut) this.missed(error, epoch)
    else if (error instanceof UndecidedAsk) {
      if (epoch === circuit.epoch) circuit.abstained()
    } else {
      circuit.failed(error, epoch)
      if (refusesWrites(circuit.reason)) void this.tryToWrite()
    }
  }

  /** Handles a time-out. If the storage has never answered, a single one opens the circuit, since each would take as long. */
  private missed(error: TimedOut, epoch: number): void {
    const { circuit } = this
    // The circuit has opened meanwhile, for a known reason.
    if (epoch !== circuit.epoch && epoch !== BESIDE) return
    if (this.reached || epoch === BESIDE) circuit.failed(error, epoch)
    else circuit.trip(error)
    this.doubt()
  }

  /**
   * A server has refused a write because of its own state. If it refuses a test for such a reason as well, it cannot decide, and
   * counts as down at once: the reads that it answers meanwhile would hide this. Never rejects.
   */
  private async tryToWrite(): Promise<void> {
    const { circuit, heartbeat } = this
    if (circuit.state !== 'closed' || (this.writing && !heartbeat.isLost)) return
    this.writing = true
    heartbeat.beat()
    try {
      await this.try(this.options.write, true)
    } catch (error) {
      if (refusesWrites(reasonOf(error))) circuit.trip(error)
    }
    this.writing = false
  }

  /**
   * Makes a call without a replacement.
   *
   * @throws SentinelError `storage.unavailable` as a rejection, and the storage's own error for an invalid request.
   */
  demand<T>(what: string, work: () => MaybePromise<T>, patient = false, reads = false): MaybePromise<T> {
    return this.ask(work, (error) => this.refuse(what, error), patient, reads)
  }

  /** Makes a call in the background, without effect on the circuit. Rejects if it fails or takes too long. */
  try<T>(work: () => MaybePromise<T>, patient = false): Promise<T> {
    return new BoundedCall<T>(patient ? this.patient : this.quick).wait(Promise.resolve().then(work))
  }

  /** As `try()`, with the time limit of a first call. */
  begin<T>(work: () => MaybePromise<T>): Promise<T> {
    return new BoundedCall<T>(this.beginning).wait(Promise.resolve().then(work))
  }

  /** Waits for a call that has timed out, until it is answered or its answer must be lost. */
  outwait<T>(call: Promise<T>): Promise<T> {
    return new BoundedCall<T>(this.outwaited).wait(call)
  }

  /** Throws the storage's error for an invalid request. Any other error becomes a rejection with `storage.unavailable`. */
  refuse(what: string, error: unknown, also = AGAIN): Promise<never> {
    if (isOfTheCaller(error)) throw error
    return Promise.reject(this.unavailable(what, error, also))
  }

  unavailable(what: string, error: unknown, also = AGAIN): SentinelError {
    const { circuit } = this
    const reason = error === NOT_ASKED ? circuit.reason : reasonOf(error)
    // Only errors of our own storages are safe to pass on: those of clients contain addresses and data.
    const cause = error === NOT_ASKED ? circuit.cause : causeOf(error)
    // It answered, so that the same call would fail again.
    const isAnswer = error !== NOT_ASKED && cause?.code !== 'storage.unavailable' && ANSWER.test(reason)
    return new SentinelError(
      'storage.unavailable',
      cause !== undefined && isAnswer
        ? `${what}: the storage could not do this: ${cause.message.replace(/[.]?$/, '.')}${also === AGAIN ? '' : also}`
        : `${what}: the storage did not answer (${reason}).${also}`,
      ...(cause === undefined ? [] : [{ cause }]),
    )
  }

  /** Stops probing and expires all calls. */
  stop(): void {
    this.circuit.stop()
    this.quick.clear()
    this.patient.clear()
    this.first.clear()
    // Last, as calls that expire may be waited for here.
    this.outwaited.clear()
  }
}
