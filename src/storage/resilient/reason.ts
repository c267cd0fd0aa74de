import { SentinelError, type SentinelErrorCode } from '../../core/errors.js'
import { redacted } from '../../core/redact.js'

/** A code as used by servers and sockets: `ECONNREFUSED`, `OOM`, `READONLY`, `57P01`. */
const CODE = /^[A-Z0-9][A-Z0-9_]{1,39}$/

/** Such a code after the quotation of a client or server in one of our own messages. The quotation may have brackets, too. */
const CODE_IN_BRACKETS =
  /.*\(([0-9A-Z]{5}|E[A-Z_]+|SQLITE_[A-Z_]+|ERR_[A-Z0-9_]+|[A-Z_]*(?:CERT|UNABLE)[A-Z_]*)\)\./s

/** Such a code within the quotation, where words of paths and names look alike. */
const CODE_WITHIN =
  /\b(E[A-Z]{4,20}|SQLITE_[A-Z_]{2,30}|OOM|LOADING|CLUSTERDOWN|MASTERDOWN|MISCONF|NOREPLICAS|BUSY|TRYAGAIN)\b/

/** Words of clients for a missing connection, which have no code, and of a Redis that accepts none. */
const UNANSWERED =
  /connection|stream|socket|max (retries|number of clients)|timed out|slots cache|sentinels|(startup|no) node|isn't ready/i

/**
 * Returns the reason for a failure as a word that is safe to log. Errors of clients contain addresses, commands and data, so only
 * a code or the name of the error is used.
 */
export function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown'
  const { code, message, name } = error as { code?: unknown; message?: unknown; name?: unknown }
  const text = typeof message === 'string' ? message : ''
  if (error instanceof SentinelError) {
    if (error.code !== 'storage.failed' && error.code !== 'storage.unavailable') return error.code
    const otherwise = UNANSWERED.test(text) ? 'disconnected' : error.code
    return (CODE_IN_BRACKETS.exec(text) ?? CODE_WITHIN.exec(text))?.[1] ?? otherwise
  }
  if (typeof code === 'string' && CODE.test(code)) return code
  // Redis begins its error replies with such a word.
  const [word = ''] = text.split(' ', 1)
  if (CODE.test(word) && /^[A-Z]/.test(word)) return word
  return typeof name === 'string' && /^[A-Za-z]{1,40}$/.test(name) ? name : 'unknown'
}

/** Reasons for which a server refuses to write anything, although it may answer reads. Codes with digits are SQLSTATEs. */
const NO_WRITES = /^(storage\.readonly|READONLY|OOM|MISCONF|NOREPLICAS|25006|53100)$/

/** Whether the reason for a failure is that the server refuses to write, whatever is written. */
export function refusesWrites(reason: string): boolean {
  return NO_WRITES.test(reason)
}

/** SQLSTATEs of classes 22 and 23: the server's messages about values may quote them. */
const OF_VALUES = /\(2[23][0-9A-Z]{3}\)/

/** Returns an error's message for people. Only our own errors are free of secrets; for others the result is undefined. */
export function wordsOf(error: unknown): string | undefined {
  if (!(error instanceof SentinelError) || OF_VALUES.test(error.message)) return undefined
  return redacted(error.message)
}

/** Returns the error with its safe message, to be used as a cause. An error's own cause is not passed on. */
export function causeOf(error: unknown): SentinelError | undefined {
  const words = wordsOf(error)
  if (words === undefined) return undefined
  const own = error as SentinelError
  return own.cause === undefined && words === own.message ? own : new SentinelError(own.code, words)
}

/** A storage that works cannot decide this one ask now. This says nothing about other asks. */
export class UndecidedAsk extends SentinelError {}

/** Codes of errors that concern only the request. A missing driver, for example, says nothing about the request. */
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

/** Whether only the request was wrong, which does not mean that the storage is down. */
export function isOfTheCaller(error: unknown): boolean {
  return error instanceof SentinelError && OF_QUESTIONS.has(error.code)
}
