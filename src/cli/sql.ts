import { parseArgs } from 'node:util'
import { SentinelError } from '../core/errors.js'
import { LATEST, migrationSql } from '../storage/postgres/migrations.js'
import { type Command, UsageError } from './command.js'

/** `grammy-sentinel sql`: prints the SQL of the Postgres storage, for those who run migrations themselves. */
export const sql: Command = {
  summary: 'Prints the SQL that sets up the Postgres storage',
  usage: [
    'Usage: grammy-sentinel sql [--schema NAME] [--from VERSION]',
    '',
    'Prints the statements that create or update the tables and functions of the Postgres storage. Run them in one go, by a',
    'role that may create a schema, and open the storage with { migrate: false }.',
    '',
    '        --schema  the schema to put them in (default: grammy_sentinel)',
    '        --from    the version that is installed already (default: 0, none)',
    '',
    'Exit codes: 0 printed, 2 wrong usage.',
  ].join('\n'),
  run(args, terminal) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        schema: { type: 'string', default: 'grammy_sentinel' },
        from: { type: 'string', default: '0' },
      },
      allowPositionals: false,
    })
    const from = /^\d{1,4}$/.test(values.from) ? Number(values.from) : undefined
    if (from === undefined) throw new UsageError('--from takes a version, a number such as 1.')
    if (from > LATEST)
      throw new UsageError(`--from ${from}: there is no such version. The latest is ${LATEST}.`)
    try {
      terminal.out(`BEGIN;\n${migrationSql(values.schema, from)}\nCOMMIT;`)
    } catch (error) {
      if (error instanceof SentinelError) throw new UsageError(error.message)
      throw error
    }
    return 0
  },
}
