import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Storage } from '../storage.js'

/** The space and the key of the value that probes write. */
const PROBE = 'sentinel:probe'
const PROBE_KEPT: Ms = 60_000

/** Asks a storage whether it is well, and makes it write something. Its kind. Rejects if it is not well; may hang. */
export async function proveWell(storage: Storage, clock: Clock): Promise<string> {
  const { ok, kind } = await storage.health()
  // One that only reads (out of memory, a replica) looks well, and decides nothing. One that is not well says why, here alone.
  const now = clock()
  await storage.values.put(PROBE, PROBE, now, now + PROBE_KEPT)
  if (!ok) throw new SentinelError('storage.failed', 'The storage says that it is not well.')
  return kind
}
