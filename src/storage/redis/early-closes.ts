import type { Cluster, Redis } from 'ioredis'

const CLOSES =
  'the server closes connections before they can be used. Its maxclients may be reached, it may expect TLS, or it may be a proxy that reaches no server'

/**
 * Reports when the server has closed a connection that was not ready yet. The server may say why, but ioredis writes first, often
 * fails with that (`write EPIPE`), and then does not read what was said.
 */
export function tellEarlyCloses(client: Redis, failed: (error: unknown) => void): void {
  client.on('connect', () => {
    const { stream } = client
    const closed = (): void => {
      if (client.status === 'connect') failed(CLOSES)
    }
    stream.once('end', () => {
      // Not if the client has ended the connection first.
      if (!stream.writableEnded) closed()
    })
    stream.once('error', (error: unknown) => {
      if (isReset(error)) closed()
    })
  })
}

/** Whether an error of a client only says that {@link tellEarlyCloses} is about to report more. The event `close` follows. */
export function isEarlyClose(client: Redis | Cluster, error: unknown): boolean {
  return client.status === 'connect' && isReset(error)
}

function isReset(error: unknown): boolean {
  return /^(EPIPE|ECONNRESET)$/.test(String((Object(error) as { readonly code?: unknown }).code))
}
