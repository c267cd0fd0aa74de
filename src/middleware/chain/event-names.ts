import type { SentinelEvents } from '../events.js'

/** All events. The type makes the compiler check that the list is complete. */
const TOLD: Readonly<Record<keyof SentinelEvents, true>> = {
  allowed: true,
  denied: true,
  shadow: true,
  unknown: true,
  membership: true,
  blocked: true,
  unblocked: true,
  registered: true,
  unregistered: true,
  suspected: true,
  'storage.down': true,
  'storage.up': true,
  'limit.changed': true,
  'hook.ran': true,
  overdue: true,
  'outgoing.limited': true,
  'chat.migrated': true,
  'settings.changed': true,
  error: true,
  warning: true,
}

/** The names of all events of a sentinel. */
export const EVENTS: readonly string[] = Object.keys(TOLD)
