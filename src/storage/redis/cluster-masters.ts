import type { Cluster, Redis } from 'ioredis'
import { SentinelError } from '../../core/errors.js'

/**
 * Returns the clients of all masters of a cluster. ioredis removes the client of a node whose connection was lost, and the keys of
 * such a node must not be mistaken for missing ones. So if the owner of a slot has no client, the map of the cluster is read again:
 * each node in it then has a client, which connects when it is called.
 *
 * A slot that is not in the new map keeps its former owner in the client. No node serves the keys of such a slot.
 */
export function mastersOf(client: Cluster): readonly Redis[] | Promise<readonly Redis[]> {
  const nodes = client.nodes('master')
  const known = new Set(nodes.map(addressOf))
  if (client.slots.every(([owner = '']) => known.has(owner))) return nodes
  return new Promise((resolve, reject) => {
    client.refreshSlotsCache((error) => {
      // Taken at once, because a node that refuses the connection is removed again.
      if (error) reject(error)
      else resolve(client.nodes('master'))
    })
  })
}

/** Returns an error that names the node. */
export function ofNode(node: Redis, error: SentinelError): SentinelError {
  const { code, message } = error
  const address = addressOf(node)
  if (message.includes(address)) return error
  return new SentinelError(code, `${message.replace(/[.]?$/, '.')} The node is ${address}.`)
}

function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`
}
