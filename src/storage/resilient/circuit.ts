import type { CircuitState as CockatielState, IBreaker } from 'cockatiel'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { Heartbeat, SharedTimer } from '../../core/request-bound.js'
import type { CircuitState } from '../contract/condition.js'
import { causeOf, reasonOf, wordsOf } from './reason.js'

/** Interval between the first probes. It doubles with each probe, up to `spacing`. */
const FIRST_SPACING: Ms = 50
/**
 * Maximum interval while earlier probes are unanswered. A storage that was suspended answers those first, and on a dead connection more
 * probes would not help: the driver has to end it (Redis' after five seconds).
 */
const MOST_SPACING: Ms = 10_000
/** After a successful probe: how long to wait for a real call to confirm it before the circuit closes anyway. */
const TRIAL_FOR: Ms = 100

/** cockatiel's state numbers, written here because importing its enumeration would load the whole package. */
const STATES = {
  closed: 0 satisfies CockatielState.Closed,
  open: 1 satisfies CockatielState.Open,
  'half-open': 2 satisfies CockatielState.HalfOpen,
} as const

/** The storage reports that it is unhealthy, without a reason. */
export class Unhealthy extends SentinelError {}

interface CircuitOptions {
  /** Decides when there are too many failures. */
  readonly breaker: IBreaker
  /** Checks whether the storage is back. Rejects if it is not. */
  readonly probe: () => Promise<void>
  /** Called on every change of state. */
  readonly changed: (state: CircuitState) => void
  /** Maximum interval between probes, in milliseconds. */
  readonly spacing: Ms
  /** Tells the time for `since`. */
  readonly clock: Clock
  /** The clock for timers. */
  readonly steady: Clock
  readonly timers: Timers
}

/**
 * Stops calls to a storage that does not answer. cockatiel's breakers decide when it is down; probes find out when it is back, so
 * that no update has to be risked for this. (cockatiel's own policy reads the machine's clock, creates four promises per call,
 * and checks only when it is called.)
 *
 * In runtimes where probes end with the request that sent them, the next call checks first.
 */
export class Circuit {
  state: CircuitState = 'closed'
  since: Ms
  /** Reason of the latest failure; empty if there was none. */
  reason = ''
  /** The storage's error message, if it is safe to show. */
  cause: SentinelError | undefined
  /** Incremented when the circuit opens. Results of calls from an earlier epoch are ignored. */
  epoch = 0
  /** How often the circuit went from closed to open. */
  outages = 0
  private attempt = 0
  private unanswered = 0
  private trying = false
  private unproved = false
  private stopped = false
  private readonly trial: Heartbeat
  private readonly timer: SharedTimer

  constructor(private readonly options: CircuitOptions) {
    this.since = options.clock()
    this.trial = new Heartbeat(options.steady)
    this.timer = new SharedTimer(options.steady, options.timers)
  }

  /** Whether no probe or trial is pending any longer, because the request that started it has ended. */
  get isUnattended(): boolean {
    if (this.state === 'closed' || this.stopped) return false
    if (this.state === 'open') return this.timer.isLost
    return this.trying && this.trial.isLost
  }

  /** Whether a call may be made. In `half-open` this call is the trial, and its result must be reported. */
  admits(): boolean {
    if (this.state === 'closed') return true
    if (this.stopped) return true
    if (this.isUnattended) {
      this.become('half-open')
      this.unproved = true
    }
    if (this.state === 'open' || this.trying) return false
    this.trying = true
    this.trial.beat()
    return true
  }

  /** Whether the admitted call must first call `prove()`, because no probe has succeeded. */
  get isUnproved(): boolean {
    return this.unproved
  }

  /** Probes the storage. Rejects if it is not back. */
  prove(): Promise<void> {
    this.unproved = false
    return this.options.probe()
  }

  succeeded(epoch: number): void {
    if (epoch !== this.epoch) return
    this.options.breaker.success(STATES[this.state])
    if (this.state !== 'closed') this.become('closed')
  }

  /** A call said nothing about the storage. In `half-open`, another call may be the trial until the time for it is over. */
  abstained(): void {
    this.trying = false
    if (this.state === 'half-open' && !this.timer.isSet && !this.stopped) this.proved()
  }

  failed(error: unknown, epoch: number): void {
    this.noted(error)
    if (epoch !== this.epoch || this.stopped) return
    const isTooMany = this.options.breaker.failure(STATES[this.state])
    if (isTooMany || this.state === 'half-open') this.become('open')
  }

  /** Records a failure that says nothing about the state of the storage. */
  noted(error: unknown): void {
    // It says less than the failure that opened the circuit.
    if (error instanceof Unhealthy && this.reason !== '') return
    this.reason = reasonOf(error)
    this.cause = causeOf(error)
  }

  /** Forgets that failure, unless there was another since. */
  mended(error: unknown): void {
    if (this.cause === undefined || this.cause.message !== wordsOf(error)) return
    this.reason = ''
    this.cause = undefined
  }

  /** Opens the circuit, regardless of the breaker. */
  trip(error: unknown): void {
    this.noted(error)
    if (this.state !== 'open' && !this.stopped) this.become('open')
  }

  /** Stops probing. Later calls are all let through. */
  stop(): void {
    this.stopped = true
    this.timer.off()
  }

  /** The latest failure, for events and health. */
  get told(): { readonly reason: string; readonly message?: string } {
    const { reason, cause } = this
    return { reason, ...(cause !== undefined && { message: cause.message }) }
  }

  private become(state: CircuitState): void {
    this.timer.off()
    this.trying = false
    this.unproved = false
    // Probes that ended with their requests will never be answered.
    if (state === 'closed') this.unanswered = 0
    if (state === 'closed' || this.state === 'closed') this.attempt = 0
    if (state === 'open' && this.state === 'closed') this.outages++
    this.state = state
    this.since = this.options.clock()
    if (state === 'open') {
      this.epoch++
      this.probeIn(this.spacing())
    } else if (state === 'half-open') this.timer.set(TRIAL_FOR, () => this.proved())
    this.options.changed(state)
  }

  /** No call was made during the trial period, so the probe's success is enough. If a call is in progress, its result decides. */
  private proved(): void {
    if (!this.trying) this.succeeded(this.epoch)
  }

  private spacing(): Ms {
    const { spacing } = this.options
    if (this.unanswered > 0) return Math.min(MOST_SPACING, spacing * 2 ** this.unanswered)
    return Math.min(spacing, FIRST_SPACING * 2 ** Math.min(this.attempt, 20))
  }

  private probeIn(span: Ms): void {
    this.timer.set(span, () => void this.probe())
  }

  /** Never rejects. */
  private async probe(): Promise<void> {
    this.attempt++
    this.unanswered++
    // If this probe hangs, send another one: it may have used a dead connection.
    this.probeIn(this.spacing())
    const back = await this.options.probe().then(
      () => true,
      (error) => {
        this.noted(error)
        return false
      },
    )
    if (this.unanswered > 0) this.unanswered--
    if (this.state !== 'open' || this.stopped) return
    if (back) this.become('half-open')
    else this.probeIn(this.spacing())
  }
}
