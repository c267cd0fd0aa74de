import { isPromise } from '../core/check.js'
import { quietTimers, steadyClock, systemTimers, type Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { type connectedTo, listeningOf } from './connections.js'
import type { WebhookHost } from './door.js'
import type { DrainOptions } from './drain-options.js'

/** Least time for closing the guard, even if the drain has used up all time. */
const LAST: Ms = 1000

type Connections = ReturnType<typeof connectedTo>

/**
 * Shuts down a process: updates under way are finished while new ones are answered 503, then the guard is closed, then the server,
 * and at last what the user wants closed. Resolves when the guard is closed; the rest goes on. Does not reject.
 */
export async function shutDown(
  host: WebhookHost,
  { server, after }: DrainOptions,
  within: Ms,
  connected: Connections,
): Promise<void> {
  const failed = (error: unknown): void => host.services().failed(error, 'webhook.drain')
  const until = steadyClock() + within
  try {
    // The guard is closed with all of its bots, so none of them may accept updates until then.
    await Promise.all([...host.webhooks].map((webhook) => webhook.drain(within)))
    await host.close(Math.max(LAST, until - steadyClock()))
  } catch (error) {
    failed(error)
  }
  const { timers } = host.services()
  const quiet = timers === systemTimers ? quietTimers : timers
  // The server is closed after the guard: until then probes and other routes can still answer, and what the application does when
  // its server closes, such as closing the storage, happens to no handler.
  const closed =
    server === undefined
      ? Promise.resolve()
      : closeServer(server, Math.max(0, until - steadyClock()), quiet, connected, failed)
  closed.then(() => after?.()).catch(failed)
}

/**
 * Closes the server. Resolves when it is closed or has failed to close, or when the time is up and connections that were still open
 * have been cut.
 */
function closeServer(
  server: NonNullable<DrainOptions['server']>,
  within: Ms,
  timers: Timers,
  connected: Connections,
  failed: (error: unknown) => void,
): Promise<void> {
  const listening = listeningOf(server)
  // Once the server closes, Node no longer times out stalled connections, and leaves those that have sent nothing, which would keep the
  // process alive for ever. Other routes get as much time as the webhook. Connections keep the process alive, so the timer need not.
  const timeUp = new Promise<void>((fulfil) => {
    timers.after(within, () => {
      // Includes connections that are older than the tracking.
      listening?.closeAllConnections?.()
      for (const each of connected) each.destroy()
      fulfil()
    })
  })
  const closing = new Promise<unknown>((fulfil) => {
    listening?.on?.('close', () => fulfil(undefined))
    const end = server.close()
    // With fastify it rejects with errors of the application's own hooks. A server of Node reports its end by the event.
    if (isPromise(end) || listening?.on === undefined) fulfil(end)
  })
  server.closeIdleConnections?.()
  // Tells clients with an open HTTP/2 session to go elsewhere; streams under way may finish.
  for (const each of connected) each.close?.()
  // Also reported if the time is up before.
  const closed = closing.then(() => undefined, failed)
  return Promise.race([closed, timeUp])
}
