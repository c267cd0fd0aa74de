import { isPromise, type MaybePromise } from '../../core/check.js'
import { isUnavailable } from '../../core/errors.js'
import type { Archive } from '../contract/archive.js'
import type { Storage } from '../contract/storage.js'
import type { Users } from '../contract/users.js'
import type { Values } from '../contract/values.js'
import type { Line } from './line.js'
import { isOfTheCaller } from './reason.js'
import { TimedOut } from './timed-calls.js'

/*
 * Calls without a fallback: they have a time limit, and are rejected at once while the storage is down. Reads are made all the same
 * while it only refuses to write.
 */

/** Space and key of the value that probes write. */
export const PROBE = 'sentinel:probe'

/**
 * Wraps an archive in calls over a line. Throws `storage.unavailable`. A call may read through everything, so it has no time limit;
 * a short read before it finds out whether the storage answers.
 */
export function guardedArchive(line: Line, { archive, values }: Storage): Archive | undefined {
  if (archive === undefined) return undefined
  const demand = async <T>(name: string, work: () => MaybePromise<T>, reads = false): Promise<T> => {
    const what = `archive.${name}`
    await line.demand<unknown>(what, () => values.get(PROBE, PROBE), true, reads)
    try {
      return await work()
    } catch (error) {
      // A storage made of several has said which of them did not answer.
      if (isUnavailable(error)) throw error
      if (!isOfTheCaller(error)) line.circuit.noted(error)
      return line.refuse(what, error)
    }
  }
  return {
    contents: () => demand('contents', () => archive.contents(), true),
    restore: (...args) => demand('restore', () => archive.restore(...args)),
    marksOf: (...args) => demand('marksOf', () => archive.marksOf(...args), true),
    forget: (...args) => demand('forget', () => archive.forget(...args)),
  }
}

/** Wraps users in calls over a line. Throws `storage.unavailable`. */
export function guardedUsers(line: Line, users: Users): Users {
  return {
    get: (...args) => line.demand('users.get', () => users.get(...args), false, true),
    note: (...args) => noteOnce(line, () => users.note(...args)),
    patch: (...args) => line.demand('users.patch', () => users.patch(...args), true),
    scan: (...args) => line.demand('users.scan', () => users.scan(...args), true, true),
    erase: (...args) => line.demand('users.erase', () => users.erase(...args), true),
  }
}

/**
 * Activity is added up, so it must not be sent again while a former call may still arrive, as when a table is locked. A call that
 * takes too long counts as a failure of the storage, and is waited for all the same, for some minutes: its answer may be lost.
 */
function noteOnce(line: Line, note: () => MaybePromise<void>): MaybePromise<void> {
  let call: MaybePromise<void>
  let isRefused = false
  return line.ask<void>(
    () => {
      // Its turn may come late, when the caller has been told that it was not made.
      if (!isRefused) call = note()
      return call
    },
    (error) => {
      isRefused = true
      const refuse = (reason: unknown): Promise<void> => line.refuse('users.note', reason)
      return error instanceof TimedOut && isPromise(call) ? line.outwait(call).catch(refuse) : refuse(error)
    },
    true,
  )
}

/** Wraps values in calls over a line. Throws `storage.unavailable`. */
export function guardedValues(line: Line, values: Values): Values {
  return {
    get: (...args) => line.demand('values.get', () => values.get(...args), false, true),
    put: (...args) => line.demand('values.put', () => values.put(...args), true),
    // Without `touch()` the caller reads the value and puts it again.
    ...(values.touch !== undefined && {
      touch: (...args) => line.demand('values.touch', () => values.touch?.(...args) ?? false, true),
    }),
    remove: (...args) => line.demand('values.remove', () => values.remove(...args), true),
    scan: (...args) => line.demand('values.scan', () => values.scan(...args), true, true),
  }
}
