import { SentinelError } from '../../core/errors.js'

/** A code as servers and sockets give them: `ECONNREFUSED`, `OOM`, `READONLY`, `57P01`. */
const CODE = /^[A-Z0-9][A-Z0-9_]{1,39}$/

/** The same within a sentence of ours that tells what a client or a server said. */
const CODE_WITHIN =
  /\b(E[A-Z]{4,20}|OOM|LOADING|CLUSTERDOWN|MASTERDOWN|MISCONF|BUSY|TRYAGAIN|[0-9]{2}[0-9A-Z]{3})\b/

/**
 * Why a call failed, in a word that is safe to log: errors of clients carry addresses, commands and what was written,
 * so nothing is told of them but a code, or the name of their kind.
 */
export function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown'
  const { code, message, name } = error as { code?: unknown; message?: unknown; name?: unknown }
  const text = typeof message === 'string' ? message : ''
  if (error instanceof SentinelError) {
    if (error.code !== 'storage.failed') return error.code
    // As clients call it when they have no connection: with no code.
    const otherwise = /connection|stream|socket|max retries/i.test(text) ? 'disconnected' : error.code
    return CODE_WITHIN.exec(text)?.[1] ?? otherwise
  }
  if (typeof code === 'string' && CODE.test(code)) return code
  // Redis begins its refusals with a word of that kind.
  const [word = ''] = text.split(' ', 1)
  if (CODE.test(word) && /^[A-Z]/.test(word)) return word
  return typeof name === 'string' && /^[A-Za-z]{1,40}$/.test(name) ? name : 'unknown'
}

/** Whether only the question was wrong: no reason to think that the storage is down. */
export function isOfTheCaller(error: unknown): boolean {
  if (!(error instanceof SentinelError)) return false
  return !error.code.startsWith('storage.') || error.code === 'storage.unsupported'
}
