import type { Services } from '../services.js'

interface Counts {
  readonly running: number
  readonly dropped: number
}

/** Returns the state of background work, and whether the sentinel or all of its webhooks are draining. */
export function asideHealth(
  services: Services,
  webhooks: ReadonlySet<{ readonly isDraining: boolean }>,
): {
  readonly background: Counts
  readonly unsaid: number
  readonly hooks: Counts
  readonly draining?: boolean
} {
  const { background, hooksAside, notices, shared } = services
  // With several webhooks, a single drained one does not stop the others.
  const hooked = [...webhooks]
  const draining = shared.closing || (hooked.length > 0 && hooked.every(({ isDraining }) => isDraining))
  return {
    background: { running: background.size, dropped: background.dropped },
    unsaid: notices.unsaid,
    hooks: { running: hooksAside.size, dropped: hooksAside.dropped },
    ...(draining && { draining }),
  }
}
