import { type Clock, quietTimers, steadyClock, type Timers } from './clock.js'
import type { Ms } from './duration.js'

/**
 * Whether timers and other pending work end with the request that started them, as on Cloudflare Workers. Elsewhere they live as
 * long as the process. (https://developers.cloudflare.com/workers/runtime-apis/web-standards/#navigatoruseragent)
 */
export function endsWithRequests(): boolean {
  const { navigator } = globalThis as { readonly navigator?: { readonly userAgent?: string } }
  return navigator?.userAgent === 'Cloudflare-Workers'
}

/** Whether a worker is being loaded on such a platform. Timers and all I/O are forbidden then, so every storage fails. */
export function isLoading(): boolean {
  if (!endsWithRequests()) return false
  try {
    quietTimers.after(0, () => undefined)()
    return false
  } catch {
    return true
  }
}

/**
 * Sets a timer if the platform allows it: Cloudflare Workers forbid timers while a worker is loading. They also forbid I/O then,
 * so without the timer nothing is left waiting.
 */
export function setIfAllowed(timers: Timers, span: Ms, run: () => void): () => void {
  try {
    return timers.after(span, run)
  } catch {
    return () => undefined
  }
}

/** A single timer that many callers share and any of them may set. */
export class SharedTimer {
  readonly mayBeLost = endsWithRequests()
  private due: Ms = 0
  private disarm: (() => void) | undefined

  /** @param clock The clock that the timers follow. */
  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
  ) {}

  /** Whether the timer was set and has not fired yet. */
  get isSet(): boolean {
    return this.disarm !== undefined
  }

  /**
   * Whether the timer is overdue and will never fire because the request that set it has ended. The caller must do its work then.
   */
  get isLost(): boolean {
    return this.mayBeLost && this.disarm !== undefined && this.clock() > this.due
  }

  /** Sets the timer, replacing an earlier one. */
  set(span: Ms, run: () => void): void {
    this.off()
    this.due = this.clock() + span
    const goOff = (): void => {
      this.disarm = undefined
      run()
    }
    // A timer that could not be set counts as lost once its span is over.
    this.disarm = this.mayBeLost ? setIfAllowed(this.timers, span, goOff) : this.timers.after(span, goOff)
  }

  off(): void {
    this.disarm?.()
    this.disarm = undefined
  }
}

/** Work without a sign of life for this long is considered lost: no round trip takes longer. */
const SILENT: Ms = 10_000

/** The sign of life of work that others wait for: beats at each of its steps. Lost when the request that the work ran in has ended. */
export class Heartbeat {
  private readonly mayBeLost = endsWithRequests()
  private since: Ms = 0

  constructor(private readonly clock: Clock = steadyClock) {}

  /** Marks the work as still running. What began while a worker was loaded never ends, so the first request need not wait for it. */
  beat(): void {
    if (this.mayBeLost) this.since = isLoading() ? -Infinity : this.clock()
  }

  /** Whether the holder is gone, so that nothing should wait for it. */
  get isLost(): boolean {
    return this.mayBeLost && this.clock() - this.since > SILENT
  }
}
