import { quietTimers, steadyClock, systemTimers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { type connectedTo, listeningOf } from './connected.js'
import type { WebhookHost } from './door.js'
import type { DrainOptions } from './webhook.js'

/** Least time for closing the guard, even if the drain has used up all time. */
const LAST: Ms = 1000

/**
 * Shuts down a process: the server accepts no new connections, updates under way are finished, and the guard is closed.
 * Connections that are still open when the time is up are cut off. Does not reject.
 */
export async function goDown(
  webhook: { drain(within: Ms): Promise<unknown> },
  host: WebhookHost,
  server: NonNullable<DrainOptions['server']> | undefined,
  within: Ms,
  connected: ReturnType<typeof connectedTo>,
): Promise<void> {
  const failed = (error: unknown): void =>
    host.services().events.tell('error', { error, during: 'webhook.drain' })
  const until = steadyClock() + within
  // Not awaited, since it ends with the last connection. With fastify it rejects with errors of the application's own hooks.
  new Promise((closed) => closed(server?.close())).catch(failed)
  // Tells clients with an open HTTP/2 session to go elsewhere; streams under way may finish.
  for (const each of connected) each.close?.()
  try {
    await webhook.drain(within)
    await host.close(Math.max(LAST, until - steadyClock()))
  } catch (error) {
    failed(error)
  }
  server?.closeIdleConnections?.()
  const { timers } = host.services()
  const quiet = timers === systemTimers ? quietTimers : timers
  // Once the server closes, Node no longer times out stalled connections, and leaves those that have sent nothing, which would keep the
  // process alive for ever. Other routes get as much time as the webhook. Connections keep the process alive, so the timer need not.
  quiet.after(Math.max(0, until - steadyClock()), () => {
    listeningOf(server)?.closeAllConnections?.()
    for (const each of connected) each.destroy()
  })
}
