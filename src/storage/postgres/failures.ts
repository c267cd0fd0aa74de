import { SentinelError } from '../../core/errors.js'
import { redacted } from '../../core/redact.js'

interface Told {
  readonly code?: unknown
  readonly message?: unknown
}

/** Who was not reached, rather than refused: asking again may help. */
const UNREACHED =
  /^(ECONN|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|08|57P0|53300|57014|25006)/

/** SQLSTATEs that a developer or an administrator can mend, and how. */
const MENDS: readonly (readonly [pattern: RegExp, mend: string])[] = [
  [/^28/, 'The server does not let this user in: check user, password and pg_hba.conf.'],
  [/^3D000/, 'There is no such database: create it, or name another in the connection string.'],
  [
    /^(3F000|42P01|42883|42704|42703)/,
    'Tables or functions are missing: run what "npx grammy-sentinel sql" prints, or leave "migrate" on.',
  ],
  [/^42501/, 'This role may not do that: let one that may run what "npx grammy-sentinel sql" prints.'],
]

/** An error of pg as one of ours: what was wrong and how to mend it, without passwords. */
export function failure(error: unknown): SentinelError {
  if (error instanceof SentinelError) return error
  const { code, message } = (typeof error === 'object' && error !== null ? error : {}) as Told
  const state = typeof code === 'string' ? code : ''
  const said = redacted(typeof message === 'string' && message !== '' ? message : String(error))
  const unreached =
    UNREACHED.test(state) || /timeout|terminated|Connection (ended|closed)|not queryable/i.test(said)
  const mend = MENDS.find(([pattern]) => pattern.test(state))?.[1]
  const hint = mend ?? (unreached ? 'Is the server running, and reachable from here?' : '')
  return new SentinelError(
    unreached ? 'storage.unavailable' : state === '42501' ? 'storage.permission' : 'storage.failed',
    `postgres: ${said}${state === '' ? '' : ` (${state})`}. ${hint}`.trimEnd(),
    { cause: new PostgresFailure(said, state) },
  )
}

/** What is kept of pg's error: its text and SQLSTATE. The rest may hold rows, and the parts of a connection string. */
export class PostgresFailure extends Error {
  override readonly name = 'PostgresFailure'

  constructor(
    message: string,
    /** SQLSTATE, or the code of a network error. */
    readonly code: string,
  ) {
    super(message)
  }
}

/** The SQLSTATE behind an error of ours. */
export function stateOf(error: unknown): string {
  const cause = error instanceof SentinelError ? error.cause : undefined
  return cause instanceof PostgresFailure ? cause.code : ''
}

/** What a server says of a statement, which then is undone as a whole; and that no server was reached. */
const UNDONE = /^((?!08)[0-9A-Z]{5}|ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

/** Whether a statement has failed and certainly done nothing. */
export function isUndone(error: unknown): error is SentinelError {
  return (
    error instanceof SentinelError &&
    (UNDONE.test(stateOf(error)) || /trying to connect|not queryable/.test(error.message))
  )
}
