import { setTimeout as sleep } from 'node:timers/promises'
import { Stopwatch } from './stopwatch.js'

/** The longest wait, however often the machine stalls. */
const LONGEST = 60_000

/**
 * Waits until the condition holds, checking every few milliseconds; fails with `what` after `within` ms, in which the time that the
 * machine stalls does not count.
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  within = LONGEST,
): Promise<void> {
  const began = performance.now()
  const watch = new Stopwatch()
  try {
    while (!(await holds())) {
      if (watch.passed > within || performance.now() - began > LONGEST) {
        throw new Error(`waited ${within} ms in vain until ${what}`)
      }
      await sleep(10)
    }
  } finally {
    watch.stop()
  }
}
