import { SentinelError } from '../../core/errors.js'
import {
  beginWal,
  fileAt,
  isBusy,
  openDatabase,
  type SqliteDatabase,
  type SqliteStatement,
  type SqliteValue,
} from './driver.js'
import { migrate } from './schema.js'

/** Options of an open database that change answers, by the methods with which drivers set them for one statement. */
const MODES = ['setReadBigInts', 'setReturnArrays', 'safeIntegers'] as const

type ModalStatement = SqliteStatement & {
  readonly [Mode in (typeof MODES)[number]]?: (on: boolean) => unknown
}

/**
 * How long to wait for another process that has just held the database for longer than the busy time-out, in milliseconds: long
 * enough for an ordinary transaction. The whole process waits, and it must not stand still again and again.
 */
const BRIEFLY = 20

/** The database: opened on first use, with every statement prepared once. */
export class Link {
  readonly #given: SqliteDatabase | undefined
  readonly #statements = new Map<string, SqliteStatement>()
  #database: SqliteDatabase | undefined
  #path = ''
  /** Identifies the file that is open. */
  #file: string | undefined
  #isReady = false
  #closed = false
  /** How long to wait for other processes now, in milliseconds. */
  #patience: number

  constructor(
    private readonly source: string | SqliteDatabase,
    private readonly busyFor: number,
    /** Called once, on first use. */
    private readonly onUse: () => void = () => undefined,
  ) {
    this.#given = typeof source === 'string' ? undefined : source
    this.#patience = busyFor
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Runs `deed` in a write transaction, of which there is only one at a time. */
  write<T>(deed: () => T): T {
    const answer = this.#within('BEGIN IMMEDIATE', deed)
    if (this.#patience !== this.busyFor) this.#waitFor(this.busyFor)
    return answer
  }

  /** Runs `look` in a read transaction, which sees one consistent state. */
  read<T>(look: () => T): T {
    return this.#within('BEGIN', look)
  }

  /** Throws if the file has been deleted or replaced since it was opened, which SQLite does not notice. */
  checkFile(): void {
    // Nothing is known of a file that was not found when it was opened.
    if (!this.#file) return
    const file = fileAt(this.#path)
    if (file === undefined || file === this.#file) return
    throw new SentinelError(
      'storage.failed',
      'sqlite: the file was deleted or replaced while it was open (SQLITE_READONLY_DBMOVED), so everything written since is lost when the process ends. Start the process again.',
    )
  }

  exec(sql: string): void {
    this.#open().exec(sql)
  }

  run(sql: string, ...values: SqliteValue[]): void {
    this.#prepared(sql).run(...values)
  }

  get<Row>(sql: string, ...values: SqliteValue[]): Row | undefined {
    // Some drivers return null if there is no row.
    return (this.#prepared(sql).get(...values) ?? undefined) as Row | undefined
  }

  all<Row>(sql: string, ...values: SqliteValue[]): readonly Row[] {
    return this.#prepared(sql).all(...values) as Row[]
  }

  close(): void {
    this.#closed = true
    this.#statements.clear()
    const database = this.#database
    this.#database = undefined
    // A database that was passed in is closed by its owner.
    if (this.#given === undefined) database?.close()
  }

  #within<T>(begin: string, deed: () => T): T {
    if (this.#closed) throw closedError()
    try {
      this.#ready()
      this.exec(begin)
      try {
        const answer = deed()
        this.exec('COMMIT')
        return answer
      } catch (error) {
        this.#rollBack()
        throw error
      }
    } catch (error) {
      if (isBusy(error)) this.#waitFor(BRIEFLY)
      throw failureOf(error)
    }
  }

  /** Sets how long to wait for other processes. A database that was passed in has a busy time-out of its own. */
  #waitFor(patience: number): void {
    this.#patience = Math.min(patience, this.busyFor)
    if (this.#given === undefined) this.#database?.exec(`PRAGMA busy_timeout = ${this.#patience}`)
  }

  /** After some errors SQLite has already rolled back by itself. */
  #rollBack(): void {
    try {
      this.exec('ROLLBACK')
    } catch (error) {
      if (!/no transaction/i.test(String(error))) throw error
    }
  }

  #ready(): void {
    if (this.#isReady) return
    // Set before migrating, because the migration writes through this link as well.
    this.#isReady = true
    try {
      migrate(this)
    } catch (error) {
      this.#isReady = false
      throw error
    }
    this.#path = this.get<{ readonly file: string }>('PRAGMA database_list')?.file ?? ''
    this.#file = fileAt(this.#path)
    this.onUse()
  }

  #open(): SqliteDatabase {
    if (this.#database !== undefined) return this.#database
    if (this.#given !== undefined) {
      this.#database = this.#given
      return this.#given
    }
    const database = openDatabase(this.source as string)
    try {
      database.exec(`PRAGMA busy_timeout = ${this.#patience}`)
      // With WAL, readers never wait for writers.
      beginWal(database, this.#patience)
      // A power cut may lose the latest commits but does no other harm.
      database.exec('PRAGMA synchronous = NORMAL')
    } catch (error) {
      database.close()
      throw error
    }
    this.#database = database
    return database
  }

  #prepared(sql: string): SqliteStatement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#open().prepare(sql)
      for (const mode of MODES) (statement as ModalStatement)[mode]?.(false)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

export function closedError(): SentinelError {
  return new SentinelError('storage.closed', 'sqlite: closed. Make a new one with sqlite().')
}

/** Turns an error of SQLite into a SentinelError, with advice if there is any. */
export function failureOf(error: unknown): unknown {
  if (error instanceof SentinelError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (/readonly/i.test(message)) {
    return new SentinelError(
      'storage.readonly',
      'sqlite: the database can only be read, so nothing can be counted there. Check the permissions of its file and folder.',
      { cause: error },
    )
  }
  if (isBusy(error)) {
    return new SentinelError(
      'storage.overloaded',
      'sqlite: another process held the database for longer than busyTimeout. Keep your own transactions short.',
      { cause: error },
    )
  }
  const [name, , mend] = FAULTS.find(([, pattern]) => pattern.test(message)) ?? []
  const code = name ?? codeOf(error)
  const told = `${message.replace(/[.]$/, '')}${code === undefined ? '' : ` (${code})`}`
  return new SentinelError('storage.failed', `sqlite: ${told}.${mend === undefined ? '' : ` ${mend}`}`, {
    cause: error,
  })
}

/** Faults with advice. Drivers differ in their codes, but all of them use these words. */
const FAULTS: readonly (readonly [code: string, pattern: RegExp, mend: string])[] = [
  [
    'SQLITE_CANTOPEN',
    /unable to open|directory does not exist/i,
    'Is the path right, does its folder exist, and may this process write there?',
  ],
  ['SQLITE_NOTADB', /not a database/i, 'The file is not a database: name another.'],
  ['SQLITE_FULL', /is full/i, 'Make room on the disk.'],
  ['SQLITE_CORRUPT', /malformed/i, 'The file is damaged: restore a copy of it, or start with a new file.'],
]

function codeOf(error: unknown): string | undefined {
  const { code } = Object(error) as { readonly code?: unknown }
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined
}
