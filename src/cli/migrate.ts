import { parseArgs } from 'node:util'
import { SentinelError } from '../core/errors.js'
import type { Storage } from '../storage/contract/storage.js'
import { CHECKPOINTS } from '../storage/migrate/checkpoint.js'
import type { Migration, MigrationProgress } from '../storage/migrate.js'
import { migrate as move } from '../storage/migrate.js'
import type { RedisOptions } from '../storage/redis/index.js'
import { type Command, type Terminal, UsageError } from './command.js'
import { checkFile, checkSchema } from './source.js'

/** Minimum time between two progress lines without a terminal. */
const LINE_EVERY_MS = 5000
/** Minimum time between two updates of the progress bar. */
const DRAW_EVERY_MS = 100

const REDIS = /^(rediss?|unix):\/\//

/** `grammy-sentinel migrate`: moves the contents of one storage to another. */
export const migrate: Command = {
  summary: 'Moves blocks, roles, users, sessions and values from one storage to another',
  usage: [
    'Usage: grammy-sentinel migrate --from URL --to URL [options]',
    '',
    'Copies marks (blocks, registration, roles), users and values (sessions, preferences) page by page, then compares counts and',
    'checksums. If it is interrupted, run it again: it resumes where it stopped. The counts of limits are not moved.',
    '',
    '        --from URL          the source: redis://…, rediss://…, postgres://… or sqlite:FILE (default: the variable MIGRATE_FROM)',
    '        --to URL            the target, in the same form (default: the variable MIGRATE_TO).',
    '                            Prefer the variables where a URL has a password: others on the machine can see arguments.',
    '                            A node of a Redis Cluster stands for the whole cluster. Name several nodes with commas between',
    '                            them: redis://user:password@host:6379,host:6380',
    '        --from-prefix NAME  prefix of the keys in Redis (default: sentinel). --to-prefix likewise',
    '        --from-schema NAME  schema in Postgres (default: grammy_sentinel). --to-schema likewise',
    '        --batch N           items read and written at a time, 1 to 1,000 (default: 500)',
    '        --name NAME         names the checkpoint; needed where several sources are moved into one target',
    '        --restart           starts over instead of resuming an interrupted run',
    '        --again             repeats a completed migration: copies what has changed since',
    '        --mirror            deletes from the target what the source does not have',
    '        --merge             copies into a target that is not empty, replacing what has the same name',
    '        --json              prints the result as JSON',
    '',
    'Exit codes: 0 moved and verified, 1 something differs or failed, or the source is empty, 2 wrong usage.',
  ].join('\n'),
  async run(args, terminal) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        from: { type: 'string' },
        to: { type: 'string' },
        'from-prefix': { type: 'string' },
        'to-prefix': { type: 'string' },
        'from-schema': { type: 'string' },
        'to-schema': { type: 'string' },
        batch: { type: 'string', default: '500' },
        name: { type: 'string', default: 'default' },
        restart: { type: 'boolean', default: false },
        again: { type: 'boolean', default: false },
        mirror: { type: 'boolean', default: false },
        merge: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: false,
    })
    const source = values.from ?? terminal.env.MIGRATE_FROM
    const target = values.to ?? terminal.env.MIGRATE_TO
    if (source === undefined || source === '') throw new UsageError('The source is missing. Pass --from URL.')
    if (target === undefined || target === '') throw new UsageError('The target is missing. Pass --to URL.')
    if (!/^\d{1,4}$/.test(values.batch)) throw new UsageError('--batch takes a whole number from 1 to 1000.')
    const open = new Set<Storage>()
    const stop = new AbortController()
    const quiet = terminal.interrupted?.(() => stop.abort())
    const screen = screenOf(terminal)
    try {
      const fromNamed = await storageAt(source, 'from', values['from-prefix'], values['from-schema'])
      open.add(fromNamed)
      const toNamed = await storageAt(target, 'to', values['to-prefix'], values['to-schema'])
      open.add(toNamed)
      // Only now is anything asked, so that wrong usage is reported first.
      const from = await wholeOf(fromNamed, source, values['from-prefix'])
      open.add(from)
      const to = await wholeOf(toNamed, target, values['to-prefix'])
      open.add(to)
      const migration = await move(from, to, {
        batch: Number(values.batch),
        name: values.name,
        resume: !values.restart,
        again: values.again,
        mirror: values.mirror,
        merge: values.merge,
        signal: stop.signal,
        onProgress: screen.draw,
      })
      screen.clear()
      terminal.out(values.json ? JSON.stringify(told(migration), null, 2) : table(migration))
      return migration.verified && !isEmpty(migration) ? 0 : 1
    } catch (error) {
      screen.clear()
      if (!(error instanceof SentinelError)) throw error
      terminal.err(`${error.message} [${error.code}]`)
      return 1
    } finally {
      quiet?.()
      await Promise.all([...open].map((storage) => storage.close()))
    }
  },
}

/** Makes the storage for a URL, by its scheme. The URL itself is never shown, because it may contain a password. */
async function storageAt(
  url: string,
  what: string,
  prefix: string | undefined,
  schema: string | undefined,
): Promise<Storage> {
  if (REDIS.test(url)) {
    if (schema !== undefined) throw new UsageError(`--${what}-schema is for Postgres. Pass --${what}-prefix.`)
    return redisAt(url, what, prefix === undefined ? {} : { prefix })
  }
  if (/^postgres(ql)?:\/\//.test(url)) {
    if (prefix !== undefined) throw new UsageError(`--${what}-prefix is for Redis. Pass --${what}-schema.`)
    const { postgres } = await import('../storage/postgres/index.js')
    const options = schema === undefined ? {} : { schema }
    // Checks URL and schema, so that an invalid schema is reported before anything else.
    const made = postgres(url, options)
    if (what === 'from') await checkSchema(url, schema)
    return made
  }
  if (/^sqlite:./.test(url)) {
    if (prefix !== undefined || schema !== undefined) {
      throw new UsageError(`--${what} is a file, which has neither prefix nor schema.`)
    }
    const path = url.slice('sqlite:'.length)
    if (what === 'from') await checkFile(path)
    return (await import('../storage/sqlite/index.js')).sqlite(path)
  }
  throw new UsageError(`--${what} takes a URL that begins with redis://, rediss://, postgres:// or sqlite:.`)
}

/** Connects to a Redis, or to a cluster of which the URL names several nodes. */
async function redisAt(url: string, what: string, options: RedisOptions): Promise<Storage> {
  const { redis } = await import('../storage/redis/index.js')
  const nodes = nodesOf(url)
  if (nodes.some((node) => /\/\/(.*@)?$/.test(node))) {
    throw new UsageError(
      `--${what} names no host. Write redis://host:6379, and a comma only between two nodes of a cluster.`,
    )
  }
  return redis(nodes.length > 1 ? nodes : url, options)
}

/** Returns the whole cluster in place of a Redis that is only a node of it. */
async function wholeOf(storage: Storage, url: string, prefix: string | undefined): Promise<Storage> {
  if (!REDIS.test(url)) return storage
  try {
    await storage.values.get(CHECKPOINTS, 'default')
    return storage
  } catch (error) {
    if (!(error instanceof SentinelError && error.code === 'storage.cluster')) throw error
    const { redis } = await import('../storage/redis/index.js')
    return redis([url], prefix === undefined ? {} : { prefix })
  }
}

/**
 * Splits a list of nodes. A comma in a password separates nothing: it has an at sign behind it. A node without a scheme has the
 * scheme, user and password of the first one.
 */
function nodesOf(url: string): readonly string[] {
  const [first = '', ...others] = url.startsWith('unix:')
    ? [url]
    : url.split(/\s*,\s*(?=rediss?:\/\/|[^@]*$)/)
  const start = /^\w+:\/\/(.*@)?/.exec(first)?.[0] ?? ''
  return [first, ...others.map((node) => (/^rediss?:\/\//.test(node) ? node : start + node))]
}

/** Shows progress: a bar in a terminal, otherwise an occasional line. */
function screenOf({ live, err }: Terminal): { draw(progress: MigrationProgress): void; clear(): void } {
  let drawnAt = Number.NEGATIVE_INFINITY
  let phase = ''
  return {
    draw(progress) {
      const now = performance.now()
      const begins = progress.phase !== phase
      if (!begins && now - drawnAt < (live === undefined ? LINE_EVERY_MS : DRAW_EVERY_MS)) return
      drawnAt = now
      phase = progress.phase
      if (live === undefined) err(lineOf(progress))
      else live.write(barOf(progress, live.columns))
    },
    clear: () => live?.write(''),
  }
}

function lineOf({ phase, step, done, total }: MigrationProgress): string {
  return phase === 'count'
    ? `count: ${done} items (${step})`
    : `${phase}: ${done} of ${total} items (${step})`
}

/** Draws the progress bar, at most as wide as the terminal, because a line that wraps cannot be overwritten. */
export function barOf({ phase, step, done, total }: MigrationProgress, columns: number): string {
  const share = phase === 'count' || total === 0 ? 0 : Math.min(1, done / total)
  const told = phase === 'count' ? `${done}` : `${Math.floor(share * 100)}% ${done}/${total}`
  const width = Math.max(0, Math.min(30, columns - phase.length - told.length - 6))
  const full = Math.round(share * width)
  const bar = phase === 'count' || width < 5 ? '' : `[${'#'.repeat(full)}${'.'.repeat(width - full)}] `
  // Names of marks may come from anybody, so control characters are removed.
  const plain = step.replace(/\p{C}/gu, ' ')
  return `${phase} ${bar}${told} ${plain}`.slice(0, Math.max(0, columns - 1))
}

function isEmpty({ steps }: Migration): boolean {
  return steps.every(({ count }) => count === 0)
}

const EMPTY =
  'Nothing was moved: the source is empty. Check --from, and --from-prefix (Redis) or --from-schema (Postgres).'

/** The result as data. An empty source is reported as an error, since nothing was verified. */
function told(migration: Migration): object {
  return isEmpty(migration) ? { ...migration, verified: false, empty: true, error: EMPTY } : migration
}

function table(migration: Migration): string {
  const { verified, copied, steps } = migration
  const rows = steps.map(({ step, count, checksum, verified: same, extra, removed }) => {
    const more = [
      ...(extra > 0 ? [`${extra} only in the target (--mirror deletes them)`] : []),
      ...(removed > 0 ? [`${removed} deleted`] : []),
    ]
    return [step.replace(/\p{C}/gu, ' '), String(count), checksum, same ? 'same' : 'DIFFERS', more.join(', ')]
  })
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(0, ...rows.map((row) => (row[column] as string).length)),
  )
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 1 ? cell.padStart(widths[1] as number) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  if (isEmpty(migration)) return [...lines, EMPTY].join('\n')
  const verdict = verified
    ? 'Source and target are equal.'
    : 'Source and target differ: one of them was written to during the move. Stop all writers, and run this command again.'
  return [...lines, `${copied} items copied. ${verdict}`].join('\n')
}
