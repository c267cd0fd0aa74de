import { isPromise } from './check.js'
import { SentinelError, type SentinelErrorCode } from './errors.js'
import { shown } from './show.js'

/*
 * For callbacks whose result is used synchronously or ignored. If such a callback returns a promise, the promise is not awaited,
 * but its rejection must be handled: an unhandled rejection would end the process.
 */

const AT_ONCE = 'The result is used at once: look up anything slow earlier, in your own middleware.'

/** Returns whether a value is a promise. If so, its rejection is passed to `failed`, as it would otherwise end the process. */
export function unawaited(given: unknown, failed: (error: unknown) => void = () => undefined): boolean {
  if (!isPromise(given)) return false
  given.then(undefined, failed)
  return true
}

/** Describes what a callback returned in place of a value, for an error message. */
export function shownAnswer(given: unknown): string {
  return unawaited(given) ? 'a promise' : shown(given)
}

/** Creates the error for a callback that returned a promise in place of a value. */
export function promised(what: string, code: SentinelErrorCode = 'option.invalid'): SentinelError {
  return new SentinelError(code, `${what}: it returned a promise. ${AT_ONCE}`)
}

/**
 * Whether a function was declared `async`, so that it always returns a promise. Async functions compiled to older syntax are not
 * recognised.
 */
export function isAsync(given: unknown): boolean {
  return Object.prototype.toString.call(given) === '[object AsyncFunction]'
}

/** Rejects async functions. @throws SentinelError `option.invalid`. */
export function refuseAsync(given: unknown, what: string): void {
  if (!isAsync(given)) return
  throw new SentinelError('option.invalid', `${what}: it is an async function. ${AT_ONCE}`)
}
