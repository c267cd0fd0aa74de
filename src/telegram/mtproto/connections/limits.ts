import { quietTimers, type Timers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'

/** Limits on connections. */
export interface Limits {
  /** Time limit for the first encrypted message of a connection. */
  readonly handshake: Ms
  /** A connection is closed after this long without data; at most after twice as long, because of how it is checked. */
  readonly silence: Ms
  /** Maximum number of connections; further ones get error -429 and are closed. */
  readonly connections: number
  readonly timers: Timers
}

export const LIMITS: Limits = {
  handshake: 60_000,
  silence: 300_000,
  connections: 10_000,
  timers: quietTimers,
}
