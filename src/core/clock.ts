import type { Ms } from './duration.js'

/**
 * Tells the time in milliseconds since 1970. Injected everywhere, so that tests never sleep.
 *
 * @example
 * ```ts
 * import type { Clock } from 'grammy-sentinel'
 *
 * let now = 0
 * const stopped: Clock = () => now
 * now += 1000 // a second has passed
 * ```
 */
export type Clock = () => Ms

/**
 * The machine's clock. Looked up at each call, so that a replaced `Date` is seen.
 *
 * @example
 * ```ts
 * import { systemClock } from 'grammy-sentinel'
 *
 * const now = systemClock() // 1_795_000_000_000, say
 * ```
 */
export const systemClock: Clock = () => Date.now()
