import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until the condition holds, checking every few milliseconds; fails with `what` after `within` ms. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  within = 60_000,
): Promise<void> {
  const deadline = performance.now() + within
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${within} ms in vain until ${what}`)
    await sleep(10)
  }
}
