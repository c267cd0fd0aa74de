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

/** What other parts of the package may learn about a sentinel at once, without asking its storage. */
interface Insight {
  /** The name that the sentinel was given. */
  readonly name: string | undefined
  isDraining(): boolean
}

/** Kept beside the sentinels, so that their public interface does not grow. */
export const insights = new WeakMap<object, Insight>()

type Webhooks = ReadonlySet<{ readonly isDraining: boolean }>

/** Whether a sentinel is closing, or all its webhooks drain: with several webhooks, a single drained one does not stop the others. */
export function isDraining({ shared }: Services, webhooks: Webhooks): boolean {
  return shared.closing || (webhooks.size > 0 && [...webhooks].every((webhook) => webhook.isDraining))
}

/** Returns the state of background work, and whether the sentinel or all of its webhooks are draining. */
export function backgroundHealth(
  services: Services,
  webhooks: Webhooks,
): {
  readonly background: Counts
  readonly unsaid: number
  readonly hooks: Counts
  readonly draining?: boolean
} {
  const { background, hooksAside, notices } = services
  return {
    background: { running: background.size, dropped: background.dropped },
    unsaid: notices.unsaid,
    hooks: { running: hooksAside.size, dropped: hooksAside.dropped },
    ...(isDraining(services, webhooks) && { draining: true }),
  }
}
