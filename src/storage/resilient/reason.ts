import { SentinelError, type SentinelErrorCode } from '../../core/errors.js'
import { redacted } from '../../core/redact.js'

/** A code as servers and sockets give them: `ECONNREFUSED`, `OOM`, `READONLY`, `57P01`. */
const CODE = /^[A-Z0-9][A-Z0-9_]{1,39}$/

/** The same within a sentence of ours that tells what a client or a server said. */
const CODE_WITHIN =
  /\b(E[A-Z]{4,20}|SQLITE_[A-Z_]{2,30}|OOM|LOADING|CLUSTERDOWN|MASTERDOWN|MISCONF|BUSY|TRYAGAIN|[0-9]{2}[0-9A-Z]{3})\b/

/**
 * Why a call failed, in a word that is safe to log: errors of clients carry addresses, commands and what was written,
 * so nothing is told of them but a code, or the name of their kind.
 */
export function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown'
  const { code, message, name } = error as { code?: unknown; message?: unknown; name?: unknown }
  const text = typeof message === 'string' ? message : ''
  if (error instanceof SentinelError) {
    if (error.code !== 'storage.failed' && error.code !== 'storage.unavailable') return error.code
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

/** What a server says of values may quote them. */
const OF_VALUES = /\(2[23][0-9A-Z]{3}\)/

/** What a storage says of why it failed, for people: errors of ours say it without secrets; of any other nothing is told. */
export function wordsOf(error: unknown): string | undefined {
  if (!(error instanceof SentinelError) || OF_VALUES.test(error.message)) return undefined
  return redacted(error.message)
}

/** The same as an error, to be the cause of another. What stands behind it stays with whoever made it. */
export function causeOf(error: unknown): SentinelError | undefined {
  const words = wordsOf(error)
  if (words === undefined) return undefined
  const own = error as SentinelError
  return own.cause === undefined && words === own.message ? own : new SentinelError(own.code, words)
}

/** What tells of a question, and of nothing else: a driver that is missing says nothing of what was asked. */
const OF_QUESTIONS: ReadonlySet<SentinelErrorCode> = new Set<SentinelErrorCode>([
  'value.invalid',
  'plan.invalid',
  'limit.invalid',
  'limit.duplicate',
  'limit.unknown',
  'cost.invalid',
  'duration.invalid',
  'scope.unknown',
  'subject.invalid',
  'option.invalid',
  'option.unknown',
  'import.invalid',
  'storage.unsupported',
])

/** Whether only the question was wrong: no reason to think that the storage is down. */
export function isOfTheCaller(error: unknown): boolean {
  return error instanceof SentinelError && OF_QUESTIONS.has(error.code)
}
