import type { StorageHealth } from '../../storage/storage.js'
import type { Services } from '../services.js'

/** Returns the health of the storage. Never rejects: a storage that fails to report is not ok. */
export async function storageHealth({ storage, failed }: Services): Promise<StorageHealth> {
  try {
    return await storage.health()
  } catch (error) {
    failed(error, 'storage.health')
    return { ok: false, kind: storage.kind ?? 'unknown' }
  }
}
