import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Storage } from '../storage.js'

/** Space and key of the value that probes write. */
const PROBE = 'sentinel:probe'
const PROBE_KEPT: Ms = 60_000

/** Checks that a storage reports itself well and accepts a write. Returns its kind. Rejects if it is not well; may hang. */
export async function proveWell(storage: Storage, clock: Clock): Promise<string> {
  const { ok, kind } = await storage.health()
  // A storage that only reads (out of memory, a replica) reports itself well but cannot decide. An unhealthy one gives its reason
  // here.
  const now = clock()
  await storage.values.put(PROBE, PROBE, now, now + PROBE_KEPT)
  if (!ok) throw new SentinelError('storage.failed', 'The storage says that it is not well.')
  return kind
}
