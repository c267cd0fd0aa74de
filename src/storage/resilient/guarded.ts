import type { Users } from '../users.js'
import type { Values } from '../values.js'
import type { Line } from './line.js'

/* Calls without a fallback: they have a time limit, and are rejected at once while the storage is down. */

/** Wraps users in calls over a line. Throws `storage.unavailable`. */
export function guardedUsers(line: Line, users: Users): Users {
  return {
    get: (...args) => line.demand('users.get', () => users.get(...args)),
    note: (...args) => line.demand('users.note', () => users.note(...args), true),
    patch: (...args) => line.demand('users.patch', () => users.patch(...args), true),
    scan: (...args) => line.demand('users.scan', () => users.scan(...args), true),
    erase: (...args) => line.demand('users.erase', () => users.erase(...args), true),
  }
}

/** Wraps values in calls over a line. Throws `storage.unavailable`. */
export function guardedValues(line: Line, values: Values): Values {
  return {
    get: (...args) => line.demand('values.get', () => values.get(...args)),
    put: (...args) => line.demand('values.put', () => values.put(...args), true),
    // Without `touch()` the caller reads the value and puts it again.
    ...(values.touch !== undefined && {
      touch: (...args) => line.demand('values.touch', () => values.touch?.(...args) ?? false, true),
    }),
    remove: (...args) => line.demand('values.remove', () => values.remove(...args), true),
    scan: (...args) => line.demand('values.scan', () => values.scan(...args), true),
  }
}
