import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Key } from '../../core/subject.js'
import type { PatientMarks } from './patient-marks.js'

/** Makes a write, and does what has to be done about the marks that it concerns. */
type Through = <T>(
  write: () => MaybePromise<T>,
  bot: number,
  keys: readonly Key[],
  name: string,
) => MaybePromise<T>

/** Returns marks whose writes are made by `through`; reads are not affected. */
export function writesThrough(marks: PatientMarks, through: Through): PatientMarks {
  return {
    get: (bot, key, name, patient) => marks.get(bot, key, name, patient),
    of: (bot, key) => marks.of(bot, key),
    scan: (bot, name, from, size) => marks.scan(bot, name, from, size),
    put(bot, name, entries) {
      const keys = entries.map(({ key }) => key)
      return through(() => marks.put(bot, name, entries), bot, keys, name)
    },
    remove: (bot, name, keys) => through(() => marks.remove(bot, name, keys), bot, keys, name),
  }
}

/** Makes a write and calls `then` when it is over, even if it failed: a failed write may have been applied. */
export function whenOver<T>(write: () => MaybePromise<T>, then: () => void): MaybePromise<T> {
  let result: MaybePromise<T>
  try {
    result = write()
  } catch (error) {
    then()
    throw error
  }
  if (isPromise(result)) return result.finally(then)
  then()
  return result
}
