import type { Duration } from '../core/duration.js'

/**
 * Options of {@link Webhook.drainOn}.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import type { DrainOptions } from 'grammy-sentinel'
 *
 * const options: DrainOptions = { server: createServer(), within: '20s' }
 * ```
 */
export interface DrainOptions {
  /** Signals that start the shutdown. @default ['SIGTERM'] */
  readonly signals?: readonly string[]
  /**
   * The server, which is closed after the guard: while the guard drains, new updates are answered 503, and other routes as usual.
   * All connections that are still open after `within` are cut off, since an idle connection would keep the process alive. WebSockets
   * and HTTP/2 connections are cut only if `drainOn` was called before they were opened. A server of Node, HTTP/1 or HTTP/2, an
   * instance of fastify that listens on one address, or an object whose `close()` resolves when the server is closed; its
   * connections are not cut.
   */
  readonly server?: {
    close(): unknown
    closeIdleConnections?(): void
    closeAllConnections?(): void
    readonly server?: object
  }
  /** How long the drain may take. @default '25s', because most platforms kill the process after 30 */
  readonly within?: Duration
  /**
   * Called last, when the guard and the server are closed, or `within` is over. Close here what handlers use, such as a storage
   * that you made: `() => guard.storage.close()`. An error is reported as an `error` event with `during: 'webhook.drain'`.
   */
  readonly after?: () => unknown
}
