import { quietTimers, steadyClock, systemTimers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { type connectedTo, listeningOf } from './connected.js'
import type { WebhookHost } from './door.js'
import type { DrainOptions } from './webhook.js'

/** What is left to close with, where the drain took all of it. */
const LAST: Ms = 1000

/**
 * Ends what a process was for, when it is told to: its server takes no new connections, what is under way is finished, the guard is
 * closed. Whoever is connected still when the time is up is cut off. Does not reject.
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
  // Not waited for: it ends with the last connection. Of fastify it rejects with what hooks of the app's own throw.
  new Promise((closed) => closed(server?.close())).catch(failed)
  // Whoever keeps a session of HTTP/2 open is told to go elsewhere, and keeps what is under way.
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
  // Once it closes Node looks no longer for connections that stall, and spares those that have sent nothing yet: they would keep the
  // process for ever. Other routes have as much time as ours. Connections keep the process alive, so the timer need not.
  quiet.after(Math.max(0, until - steadyClock()), () => {
    listeningOf(server)?.closeAllConnections?.()
    for (const each of connected) each.destroy()
  })
}
