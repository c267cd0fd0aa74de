import type { StorageHealth } from '../../storage/contract/storage.js'
import { boundedHealth } from '../../storage/protection/bounded.js'
import { wrongAnswer } from '../../storage/shared/decisions.js'
import type { Services } from '../services.js'

/** Returns the health of the storage. Never rejects or hangs: a storage that does not report is not ok. */
export async function storageHealth({ storage, timers, failed }: Services): Promise<StorageHealth> {
  try {
    const health = await boundedHealth(storage, timers)
    if (typeof health?.ok === 'boolean') return health
    throw wrongAnswer('its health')
  } catch (error) {
    failed(error, 'storage.health')
    return { ok: false, kind: storage.kind ?? 'unknown' }
  }
}

interface Counts {
  readonly running: number
  readonly dropped: number
}

/** Returns the state of background work, and whether the sentinel or all of its webhooks are draining. */
export function backgroundHealth(
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
