import type { SentinelEvents } from '../events.js'

/** All of them: the compiler sees to it that none is left out. */
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

/** Every event of a sentinel. */
export const EVENTS: readonly string[] = Object.keys(TOLD)
