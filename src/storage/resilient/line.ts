import type { IBreaker } from 'cockatiel'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { CircuitState } from '../condition.js'
import { noDecision } from '../decisions.js'
import { Circuit } from './circuit.js'
import { BoundedCall, Call, Deadlines, TimedOut } from './deadlines.js'
import { causeOf, isOfTheCaller, reasonOf } from './reason.js'

/** What is no part of an update's way may take so many times longer. */
const PATIENCE = 8

/** Stands for a call that was never made. */
export const NOT_ASKED: unique symbol = Symbol('not asked')

export interface LineOptions {
  /** Whether the storage is elsewhere: then what it answers at once does not come from there. */
  readonly remote: boolean
  readonly timeout: Ms
  /**
   * How long a storage may take that has answered nothing yet: it is connected to, and finds or makes what it keeps. Absent: no longer than
   * later.
   */
  readonly firstTimeout?: Ms
  readonly breaker: IBreaker
  readonly probe: () => Promise<void>
  readonly changed: (state: CircuitState) => void
  readonly spacing: Ms
  /** The time of day. */
  readonly clock: Clock
  /** For deadlines. */
  readonly steady: Clock
  readonly timers: Timers
}

/** Something to be asked of a storage. One object, since there is one an update. */
export interface Errand<T> {
  work(): MaybePromise<T>
  /** It failed, took too long, or was not even asked: what to give instead. What it throws reaches the caller. */
  instead(error: unknown): MaybePromise<T>
  /** Whether what was answered is an answer; else it failed. */
  isSound?(value: T): boolean
  /** It was answered after that. */
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

/** The line to one storage: every call over it is bounded in time, and none is made while the storage is down. */
export class Line {
  readonly circuit: Circuit
  private readonly quick: Deadlines
  private readonly patient: Deadlines
  /** Of what it was never asked before. */
  private readonly first: Deadlines
  /** It has answered, some time. */
  reached: boolean
  /** Something took too long, and nothing was answered since: first calls are waited for no longer than others. */
  private doubted = false
  /** Answers that came after something else had been answered. */
  late = 0

  private readonly isRemote: boolean

  constructor(options: LineOptions) {
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
    this.quick = new Deadlines(timeout, steady, timers)
    this.patient = new Deadlines(timeout * PATIENCE, steady, timers)
    this.first = new Deadlines(firstTimeout, steady, timers)
  }

  /** It was heard of. */
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

  /** It seems to be away. Whoever waits for longer than others gives up, all at once: one time-out is enough to know. */
  private doubt(): void {
    if (this.doubted) return
    this.doubted = true
    this.first.clear()
  }

  /** Asks, and answers with something else where that fails or takes too long. Synchronous where both are. */
  run<T>(errand: Errand<T>, patient = false): MaybePromise<T> {
    const { circuit } = this
    if (!circuit.admits()) return errand.instead(NOT_ASKED)
    const { epoch } = circuit
    let answer: MaybePromise<T>
    try {
      answer = circuit.isUnproved ? circuit.prove().then(() => errand.work()) : errand.work()
      if (!isPromise(answer) && errand.isSound?.(answer) === false) throw noDecision()
    } catch (error) {
      this.blame(error, epoch)
      return errand.instead(error)
    }
    if (!isPromise(answer)) {
      // A remote storage cannot answer at once. The answer came from a memory in front of it, and tells nothing about the storage.
      if (this.isRemote) circuit.abstained()
      else circuit.succeeded(epoch)
      return answer
    }
    return new LineCall(this, errand, epoch, this.deadlinesOf(patient)).wait(answer)
  }

  /** The same, of functions: `instead` is told why, and what it throws reaches the caller. */
  ask<T>(
    work: () => MaybePromise<T>,
    instead: (error: unknown) => MaybePromise<T>,
    patient = false,
  ): MaybePromise<T> {
    return this.run({ work, instead }, patient)
  }

  /** Where nobody looks any longer whether the storage is back: looks. Does not reject. */
  async look(): Promise<void> {
    if (!this.circuit.isUnattended) return
    await this.ask<void>(
      async () => undefined,
      () => undefined,
      true,
    )
  }

  /** A call failed, which may be the storage's fault. */
  blame(error: unknown, epoch: number): void {
    if (isOfTheCaller(error)) this.circuit.succeeded(epoch)
    else if (error instanceof TimedOut) this.missed(error, epoch)
    else this.circuit.failed(error, epoch)
  }

  /** A call took too long. Who has answered nothing yet is not tried four times more: each would take as long. */
  private missed(error: TimedOut, epoch: number): void {
    // It went down meanwhile, and why is known.
    if (epoch !== this.circuit.epoch) return
    if (this.reached) this.circuit.failed(error, epoch)
    else this.circuit.trip(error)
    this.doubt()
  }

  /**
   * Asks for whoever has to know when it fails.
   *
   * @throws SentinelError `storage.unavailable` as a rejection, and what the storage says of a wrong question.
   */
  demand<T>(what: string, work: () => MaybePromise<T>, patient = false): MaybePromise<T> {
    return this.ask(work, (error) => this.refuse(what, error), patient)
  }

  /** Asks in the background, and blames nobody. Rejects when it fails or takes too long. */
  try<T>(work: () => MaybePromise<T>, patient = false): Promise<T> {
    return new BoundedCall<T>(patient ? this.patient : this.quick).wait(Promise.resolve().then(work))
  }

  /** Asks for what it was never asked before, and blames nobody. Rejects when it fails or takes too long. */
  begin<T>(work: () => MaybePromise<T>): Promise<T> {
    return new BoundedCall<T>(this.beginning).wait(Promise.resolve().then(work))
  }

  /** Throws what the storage says of a wrong question; all else is a rejection, whether or not it was asked. */
  refuse(what: string, error: unknown, also = ''): Promise<never> {
    if (isOfTheCaller(error)) throw error
    return Promise.reject(this.unavailable(what, error, also))
  }

  unavailable(what: string, error: unknown, also = ''): SentinelError {
    const { circuit } = this
    const reason = error === NOT_ASKED ? circuit.reason : reasonOf(error)
    // What a storage of ours says, and nothing of clients' errors: they carry what was written, and where to.
    const cause = error === NOT_ASKED ? circuit.cause : causeOf(error)
    return new SentinelError(
      'storage.unavailable',
      `${what}: the storage did not answer (${reason}).${also} Try again when health().ok is true.`,
      ...(cause === undefined ? [] : [{ cause }]),
    )
  }

  /** Ends all waiting. */
  stop(): void {
    this.circuit.stop()
    this.quick.clear()
    this.patient.clear()
    this.first.clear()
  }
}
