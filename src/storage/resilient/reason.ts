import { SentinelError } from '../../core/errors.js'

/** A code as servers and sockets give them: `ECONNREFUSED`, `OOM`, `READONLY`, `57P01`. */
const CODE = /^[A-Z0-9][A-Z0-9_]{1,39}$/

/**
 * Why a call failed, in a word that is safe to log: errors of clients carry addresses, commands and what was written,
 * so nothing is told of them but a code, or the name of their kind.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof SentinelError) return error.code
  if (typeof error !== 'object' || error === null) return 'unknown'
  const { code, message, name } = error as { code?: unknown; message?: unknown; name?: unknown }
  if (typeof code === 'string' && CODE.test(code)) return code
  // Redis begins its refusals with a word of that kind.
  const word = typeof message === 'string' ? (message.split(' ', 1)[0] as string) : ''
  if (CODE.test(word) && /^[A-Z]/.test(word)) return word
  return typeof name === 'string' && /^[A-Za-z]{1,40}$/.test(name) ? name : 'unknown'
}

/** Codes of ours that tell of the storage, not of what was asked of it. */
const OF_THE_STORAGE: ReadonlySet<string> = new Set([
  'storage.closed',
  'storage.failed',
  'storage.overloaded',
  'storage.unavailable',
])

/** Whether only the question was wrong: no reason to think that the storage is down. */
export function isOfTheCaller(error: unknown): boolean {
  return error instanceof SentinelError && !OF_THE_STORAGE.has(error.code)
}
