import { isPromise } from './check.js'
import { SentinelError, type SentinelErrorCode } from './errors.js'
import { shown } from './show.js'

/*
 * Functions of developers whose answer is used at once, or not at all. One that gives a promise is not waited for, and what the promise
 * is rejected with must not end the process, as a rejection does that nobody takes.
 */

const AT_ONCE = 'It is read at once: look up before, in a middleware of yours, what takes time.'

/** Whether it is a promise. If so its rejection is handled, which would else end the process. */
export function unawaited(given: unknown, failed: (error: unknown) => void = () => undefined): boolean {
  if (!isPromise(given)) return false
  given.then(undefined, failed)
  return true
}

/** What a function gave in place of a value, as an error shows it. */
export function shownAnswer(given: unknown): string {
  return unawaited(given) ? 'a promise' : shown(given)
}

/** The error for a function that gave a promise in place of a value. */
export function promised(what: string, code: SentinelErrorCode = 'option.invalid'): SentinelError {
  return new SentinelError(code, `${what}: it gave a promise. ${AT_ONCE}`)
}

/** Whether it is written as `async`: what it gives is never there at once. What a compiler has made of one cannot be told. */
export function isAsync(given: unknown): boolean {
  return Object.prototype.toString.call(given) === '[object AsyncFunction]'
}

/** @throws SentinelError `option.invalid`. */
export function refuseAsync(given: unknown, what: string): void {
  if (!isAsync(given)) return
  throw new SentinelError('option.invalid', `${what}: an async function. ${AT_ONCE}`)
}
