import type { Redis } from 'ioredis'
import { tellEarlyCloses } from './early-closes.js'

/**
 * Reports why the connections of a node of a cluster fail. ioredis asks a node for the map of the cluster over a copy of its
 * connection, ignores the errors of that copy, and then says only that the connection is closed.
 */
export function tellFaults(node: Redis, failed: (error: unknown) => void): void {
  tellEarlyCloses(node, failed)
  const { duplicate } = node
  node.duplicate = (...options) => {
    const copy = duplicate.apply(node, options)
    tellEarlyCloses(copy, failed)
    return copy.on('error', (error: Error & { readonly code?: string }) => {
      if (/CERT|TLS|SSL|UNABLE_TO/.test(error.code ?? '')) failed(error)
    })
  }
}
