import type { DrainOptions } from './drain-options.js'

/** A client connection: a socket, or an HTTP/2 session, which closes by itself once its streams have ended. */
interface Connected {
  close?(): unknown
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
}

interface Listening {
  closeAllConnections?(): void
  on?(event: 'connection' | 'session', listener: (connected: Connected) => void): unknown
  on?(event: 'close', listener: () => void): unknown
}

/** The connections of each tracked server. It is tracked once, however many webhooks it serves, so that it gets no more listeners. */
const tracked = new WeakMap<Listening, Set<Connected>>()

/**
 * Tracks connections from now on. Servers of Node close those themselves that carry HTTP/1, but neither clients that have not finished
 * the TLS handshake nor WebSockets, and HTTP/2 servers close none.
 */
export function connectedTo(server: DrainOptions['server']): ReadonlySet<Connected> {
  const listening = listeningOf(server)
  const known = listening && tracked.get(listening)
  if (known !== undefined) return known
  const connected = new Set<Connected>()
  if (listening === undefined) return connected
  const follow = (each: Connected): void => {
    connected.add(each)
    each.once('close', () => connected.delete(each))
  }
  tracked.set(listening, connected)
  listening.on?.('connection', follow)
  listening.on?.('session', follow)
  return connected
}

/** Returns Node's own server, which an instance of fastify has as `server`. */
export function listeningOf(server: DrainOptions['server']): Listening | undefined {
  return server?.closeAllConnections === undefined ? (server?.server ?? server) : server
}
