import { SentinelError, type SentinelErrorCode } from '../../core/errors.js'
import { redacted } from '../../core/redact.js'

interface Told {
  readonly code?: unknown
  readonly message?: unknown
  /** The function of the server that reported the error. */
  readonly routine?: unknown
}

/** Codes meaning that the server was not reached, rather than that it refused: asking again may help. */
const UNREACHED =
  /^(ECONN|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|08|57P0|53300|25P0[34])/

/** A SQLSTATE. Errors without one are pg's own, and known by their words only. */
const SQLSTATE = /^[0-9A-Z]{5}$/

/** SQLSTATEs for a schema, table, function, type or column that does not exist. */
const MISSING = /^(3F000|42P01|42883|42704|42703)/

/**
 * Errors that a developer or administrator can fix, by SQLSTATE, routine of the server and message, with advice, and a code if
 * `storage.failed` says too little. Messages of the server may be translated, those of PgBouncer are not.
 */
const MENDS: readonly (readonly [pattern: RegExp, mend: string, code?: SentinelErrorCode])[] = [
  [/^28/, 'The server refuses this user: check user, password and pg_hba.conf.'],
  [
    /^53300/,
    'All connections of the server, the database or this role are in use: raise the limit, or lower "connections".',
  ],
  [/^3D000/, 'There is no such database: create it, or name another in the connection string.'],
  [
    /^3F000/,
    'The schema is missing: run what "npx grammy-sentinel sql" prints, or leave "migrate" on. A schema that was renamed needs its former name, which its functions contain.',
  ],
  [
    MISSING,
    'Tables or functions are missing: run what "npx grammy-sentinel sql" prints, or leave "migrate" on.',
  ],
  // PgBouncer has this SQLSTATE for everything, also for a server that it has lost.
  [
    /^08P01 .*statement pooling/,
    'A pooler in front of the server does not allow this: use its session or transaction mode.',
  ],
  [
    /^(26000|42P05)/,
    'A pooler in front of the server loses prepared statements. PgBouncer in transaction mode needs version 1.21 or later with max_prepared_statements; or use its session mode.',
  ],
  [
    /^(55P03|57014)/,
    'A timeout of the role or the database (lock_timeout, statement_timeout) or an administrator ended the statement.',
    'storage.unavailable',
  ],
  [
    // A standby has no records of tables without a log, and reports that before it refuses to write.
    /^(25006|0A000 get_relation_info )/,
    'The server is read-only: it is a standby, or default_transaction_read_only is on. Connect to the primary.',
    'storage.readonly',
  ],
  [
    /^42501 \S* permission denied for function/,
    'This role may not run the functions of the schema: grant it EXECUTE ON ALL FUNCTIONS IN SCHEMA, and on those that are created later (ALTER DEFAULT PRIVILEGES).',
    'storage.permission',
  ],
  [
    /^42501/,
    'This role lacks the right: let one that has it run what "npx grammy-sentinel sql" prints.',
    'storage.permission',
  ],
]

/** Turns an error of pg into a SentinelError with its message and advice, without passwords. */
export function failure(error: unknown): SentinelError {
  if (error instanceof SentinelError) return error
  const { code, message, routine } = (typeof error === 'object' && error !== null ? error : {}) as Told
  const state = typeof code === 'string' ? code : ''
  const said = redacted(typeof message === 'string' && message !== '' ? message : String(error))
  const unreached =
    UNREACHED.test(state) ||
    (!SQLSTATE.test(state) && /timeout|terminated|Connection (ended|closed)|not queryable/i.test(said))
  const [, mend, own] = MENDS.find(([pattern]) => pattern.test(`${state} ${routine ?? ''} ${said}`)) ?? []
  const hint = mend ?? (unreached ? 'Is the server running, and reachable from here?' : '')
  return new SentinelError(
    own ?? (unreached ? 'storage.unavailable' : 'storage.failed'),
    `postgres: ${said}${state === '' ? '' : ` (${state})`}. ${hint}`.trimEnd(),
    { cause: new PostgresFailure(said, state) },
  )
}

/**
 * The parts of pg's error that are kept: message and SQLSTATE. Other parts may contain rows or parts of the connection string.
 */
class PostgresFailure extends Error {
  override readonly name = 'PostgresFailure'

  constructor(
    message: string,
    /** SQLSTATE, or the code of a network error. */
    readonly code: string,
  ) {
    super(message)
  }
}

/** Returns the SQLSTATE behind an error. */
export function stateOf(error: unknown): string {
  const cause = error instanceof SentinelError ? error.cause : undefined
  return cause instanceof PostgresFailure ? cause.code : ''
}

/** Whether something of the schema does not exist, or no longer. */
export function isMissing(error: unknown): boolean {
  return MISSING.test(stateOf(error))
}

/** SQLSTATEs of errors in a statement, which is then rolled back as a whole, and codes meaning that no server was reached. */
const UNDONE = /^((?!08)[0-9A-Z]{5}|ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

/** Whether a statement failed and certainly did nothing. */
export function isUndone(error: unknown): error is SentinelError {
  return (
    error instanceof SentinelError &&
    (UNDONE.test(stateOf(error)) || /trying to connect|not queryable/.test(error.message))
  )
}
