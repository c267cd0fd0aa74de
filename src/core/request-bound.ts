import { type Clock, steadyClock, type Timers } from './clock.js'
import type { Ms } from './duration.js'

/**
 * Whether timers, and all else that was begun, end with the request that began them, as on Cloudflare Workers. Elsewhere they go on for
 * as long as the process lives. (https://developers.cloudflare.com/workers/runtime-apis/web-standards/#navigatoruseragent)
 */
export function endsWithRequests(): boolean {
  const { navigator } = globalThis as { readonly navigator?: { readonly userAgent?: string } }
  return navigator?.userAgent === 'Cloudflare-Workers'
}

/**
 * Sets a timer where there may be none: while a worker is loaded. What is begun then waits for nothing outside, which is forbidden, too.
 */
export function setIfAllowed(timers: Timers, span: Ms, run: () => void): () => void {
  try {
    return timers.after(span, run)
  } catch {
    return () => undefined
  }
}

/** One timer at a time that many wait for, whoever of them has set it. */
export class SharedTimer {
  readonly mayBeLost = endsWithRequests()
  private due: Ms = 0
  private disarm: (() => void) | undefined

  /** @param clock The one that the timers go by. */
  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
  ) {}

  /** It was set, and has not gone off. */
  get isSet(): boolean {
    return this.disarm !== undefined
  }

  /** It should have gone off, and never will: the request that set it has ended. Whoever sees that has to do what it was for. */
  get isLost(): boolean {
    return this.mayBeLost && this.disarm !== undefined && this.clock() > this.due
  }

  /** Sets it, in place of one that was set. */
  set(span: Ms, run: () => void): void {
    this.off()
    this.due = this.clock() + span
    const goOff = (): void => {
      this.disarm = undefined
      run()
    }
    // One that cannot be set is lost from the beginning.
    this.disarm = this.mayBeLost ? setIfAllowed(this.timers, span, goOff) : this.timers.after(span, goOff)
  }

  off(): void {
    this.disarm?.()
    this.disarm = undefined
  }
}

/** Of what was begun and has not been heard of for so long, nothing will be heard. No trip takes as long. */
const SILENT: Ms = 10_000

/** Held by work that others wait for, and renewed at each step of it: lost when the request that it ran in has ended. */
export class Lease {
  private readonly mayBeLost = endsWithRequests()
  private since: Ms = 0

  constructor(private readonly clock: Clock = steadyClock) {}

  /** It is going on. */
  renew(): void {
    if (this.mayBeLost) this.since = this.clock()
  }

  /** Its holder is gone: nobody is to wait for it. */
  get isLost(): boolean {
    return this.mayBeLost && this.clock() - this.since > SILENT
  }
}
