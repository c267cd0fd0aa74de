import type { CircuitState as CockatielState, IBreaker } from 'cockatiel'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { SentinelError } from '../../core/errors.js'
import { Lease, SharedTimer } from '../../core/request-bound.js'
import type { CircuitState } from '../condition.js'
import { causeOf, reasonOf } from './reason.js'

/** Between the first probes; then twice as long, up to `spacing`. */
const FIRST_SPACING: Ms = 50
/** Between probes while earlier ones are still unanswered: these are answered first, when the storage is back. */
const MOST_SPACING: Ms = 10_000
/** How long a storage that answers a probe is waited for to prove itself in earnest, if nothing is asked of it. */
const TRIAL_FOR: Ms = 100

/** As cockatiel's breakers know them: by number, for importing its enumeration would load all of it. */
const STATES = {
  closed: 0 satisfies CockatielState.Closed,
  open: 1 satisfies CockatielState.Open,
  'half-open': 2 satisfies CockatielState.HalfOpen,
} as const

export interface CircuitOptions {
  /** Says when failures are too many. */
  readonly breaker: IBreaker
  /** Asks whether the storage is back; rejects if it is not. */
  readonly probe: () => Promise<void>
  /** Told of every change of state. */
  readonly changed: (state: CircuitState) => void
  /** Between probes at most, in milliseconds. */
  readonly spacing: Ms
  /** Tells since when. */
  readonly clock: Clock
  /** What the timers go by. */
  readonly steady: Clock
  readonly timers: Timers
}

/**
 * Keeps calls from a storage that does not answer. cockatiel's breakers say when it is down; when it is back is found
 * out by probes, so that it does not take an update to try. (cockatiel's own policy reads the machine's clock, costs a
 * call four promises, and looks again only when it is called.)
 *
 * Where probes end with the request that sent them, whoever asks next looks first.
 */
export class Circuit {
  state: CircuitState = 'closed'
  since: Ms
  /** Of the last failure; empty before any. */
  reason = ''
  /** What the storage said of it, where that is safe to tell. */
  cause: SentinelError | undefined
  /** Rises when it opens: how a call ends that began before that says nothing any more. */
  epoch = 0
  /** How often it was closed, and opened. */
  outages = 0
  private attempt = 0
  private unanswered = 0
  private trying = false
  private unproved = false
  private stopped = false
  private readonly trial: Lease
  private readonly timer: SharedTimer

  constructor(private readonly options: CircuitOptions) {
    this.since = options.clock()
    this.trial = new Lease(options.steady)
    this.timer = new SharedTimer(options.steady, options.timers)
  }

  /** Nobody looks after it any longer: whoever was to has ended with its request. */
  get isUnattended(): boolean {
    if (this.state === 'closed' || this.stopped) return false
    if (this.state === 'open') return this.timer.isLost
    return this.trying && this.trial.isLost
  }

  /** Whether a call may go out. In `half-open` it is the one that is tried: it must tell how it ended. */
  admits(): boolean {
    if (this.state === 'closed') return true
    if (this.stopped) return true
    if (this.isUnattended) {
      this.become('half-open')
      this.unproved = true
    }
    if (this.state === 'open' || this.trying) return false
    this.trying = true
    this.trial.renew()
    return true
  }

  /** Whether whoever was admitted has to look first, with `prove()`, for nobody else has. */
  get isUnproved(): boolean {
    return this.unproved
  }

  /** Rejects if the storage is not back. */
  prove(): Promise<void> {
    this.unproved = false
    return this.options.probe()
  }

  succeeded(epoch: number): void {
    if (epoch !== this.epoch) return
    this.options.breaker.success(STATES[this.state])
    if (this.state !== 'closed') this.become('closed')
  }

  /** A call was answered without the storage: in `half-open`, another one may try. */
  abstained(): void {
    this.trying = false
  }

  failed(error: unknown, epoch: number): void {
    this.noted(error)
    if (epoch !== this.epoch || this.stopped) return
    const isTooMany = this.options.breaker.failure(STATES[this.state])
    if (isTooMany || this.state === 'half-open') this.become('open')
  }

  /** Something failed that says nothing of how the storage is. */
  noted(error: unknown): void {
    this.reason = reasonOf(error)
    this.cause = causeOf(error)
  }

  /** Opens it, whatever the breaker thinks. */
  trip(error: unknown): void {
    this.noted(error)
    if (this.state !== 'open' && !this.stopped) this.become('open')
  }

  /** No more probes. What is asked from now on is tried, each by itself. */
  stop(): void {
    this.stopped = true
    this.timer.off()
  }

  /** Of the last failure, to be told. */
  get told(): { readonly reason: string; readonly message?: string } {
    const { reason, cause } = this
    return { reason, ...(cause !== undefined && { message: cause.message }) }
  }

  private become(state: CircuitState): void {
    this.timer.off()
    this.trying = false
    this.unproved = false
    // Those that ended with their requests are answered never.
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

  /** Nothing was asked, so the probe has to do. A call that is on its way decides by itself. */
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

  /** Does not reject. */
  private async probe(): Promise<void> {
    this.attempt++
    this.unanswered++
    // Should it hang, another goes out; it may have been asked over a line that is dead.
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
