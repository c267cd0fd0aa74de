import type { StorageHealth } from '../../storage/storage.js'
import type { Services } from '../services.js'

/** How the storage is. Does not reject: one that fails to tell is not well. */
export async function storageHealth({ storage, events }: Services): Promise<StorageHealth> {
  try {
    return await storage.health()
  } catch (error) {
    events.tell('error', { error, during: 'storage.health' })
    return { ok: false, kind: storage.kind ?? 'unknown' }
  }
}
