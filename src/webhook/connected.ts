import type { DrainOptions } from './webhook.js'

/** Who is connected: a socket, or a session of HTTP/2, which ends by itself once its streams have. */
interface Connected {
  close?(): unknown
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
}

interface Listening {
  closeAllConnections?(): void
  on?(event: 'connection' | 'session', listener: (connected: Connected) => void): unknown
}

/** Who is connected, from now on, for servers that cannot cut off their connections themselves: those of HTTP/2. */
export function connectedTo(server: DrainOptions['server']): ReadonlySet<Connected> {
  const connected = new Set<Connected>()
  const follow = (each: Connected): void => {
    connected.add(each)
    each.once('close', () => connected.delete(each))
  }
  const listening = listeningOf(server)
  if (listening?.closeAllConnections === undefined) {
    listening?.on?.('connection', follow)
    listening?.on?.('session', follow)
  }
  return connected
}

/** Node's own server, also of an instance of fastify. */
export function listeningOf(server: DrainOptions['server']): Listening | undefined {
  return server?.closeAllConnections === undefined ? (server?.server ?? server) : server
}
