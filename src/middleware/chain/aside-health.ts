import { isClosing } from '../concurrency/stragglers.js'
import type { Services } from '../services.js'

interface Counts {
  readonly running: number
  readonly dropped: number
}

/** How what no update waits for fares, and whether updates are let in at all. */
export function asideHealth(
  services: Services,
  webhooks: ReadonlySet<{ readonly isDraining: boolean }>,
): {
  readonly background: Counts
  readonly unsaid: number
  readonly hooks: Counts
  readonly draining?: boolean
} {
  const { background, hooksAside, notices } = services
  // Where one of several bots is taken out, the others go on.
  const hooked = [...webhooks]
  const draining = isClosing(services) || (hooked.length > 0 && hooked.every(({ isDraining }) => isDraining))
  return {
    background: { running: background.size, dropped: background.dropped },
    unsaid: notices.unsaid,
    hooks: { running: hooksAside.size, dropped: hooksAside.dropped },
    ...(draining && { draining }),
  }
}
