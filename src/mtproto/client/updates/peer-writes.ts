import type { ITelegramStorageProvider } from '@mtcute/core'

/** The parts of a session that mtcute writes while it looks at an update. */
type Written = Pick<ITelegramStorageProvider, 'peers' | 'refMessages'>

/**
 * Wraps these parts so that failed writes are reported instead of thrown: mtcute would drop the update that names the peer, and
 * whatever else has arrived with it. A peer that is not stored is stored when it is named again.
 */
export function reportingWrites({ peers, refMessages }: Written, failed: (error: unknown) => void): Written {
  const reported = async (write: () => void | Promise<void>) => {
    try {
      await write()
    } catch (error) {
      failed(error)
    }
  }
  return {
    peers: {
      store: (peer) => reported(() => peers.store(peer)),
      getById: (id) => peers.getById(id),
      getByUsername: (username) => peers.getByUsername(username),
      getByPhone: (phone) => peers.getByPhone(phone),
      deleteAll: () => peers.deleteAll(),
    },
    refMessages: {
      store: (peer, chat, message) => reported(() => refMessages.store(peer, chat, message)),
      getByPeer: (peer) => refMessages.getByPeer(peer),
      delete: (chat, messages) => reported(() => refMessages.delete(chat, messages)),
      deleteByPeer: (peer) => reported(() => refMessages.deleteByPeer(peer)),
      deleteAll: () => refMessages.deleteAll(),
    },
  }
}
