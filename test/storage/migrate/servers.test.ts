import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import type { Terminal } from '../../../src/cli/command.js'
import { barOf, migrate as command } from '../../../src/cli/migrate.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { CHECKPOINTS } from '../../../src/storage/migrate/checkpoint.js'
import { migrate } from '../../../src/storage/migrate.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { redis } from '../../../src/storage/redis/index.js'
import { freshName, sharedCluster, sharedPostgres, sharedRedis } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { crowd, linesOf, stock } from './stock.js'

const program = resolve('dist/cli/main.js')
let redisUrl: string
let postgresUrl: string
const open: Storage[] = []
const prefixes: string[] = []
const schemas: string[] = []

beforeAll(async () => {
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" first`)
  ;[redisUrl, postgresUrl] = await Promise.all([sharedRedis(), sharedPostgres()])
})
afterAll(async () => {
  await Promise.all(open.map((storage) => storage.close()))
  const pool = new Pool({ connectionString: postgresUrl })
  for (const schema of schemas) await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
  await pool.end()
  const client = new Redis(redisUrl)
  for (const prefix of prefixes) {
    const keys = await client.keys(`${prefix}:*`)
    if (keys.length > 0) await client.del(keys)
  }
  client.disconnect()
})

function kept(storage: Storage): Storage {
  open.push(storage)
  return storage
}
function inRedis(prefix = freshName()): { storage: Storage; prefix: string } {
  prefixes.push(prefix)
  return { storage: kept(redis(redisUrl, { prefix })), prefix }
}
function inPostgres(schema = freshName('move')): { storage: Storage; schema: string } {
  schemas.push(schema)
  return { storage: kept(postgres(postgresUrl, { schema })), schema }
}

test('from Redis to Postgres, to memory, and back to Redis nothing is lost on the way', async () => {
  const first = inRedis().storage
  await stock(first)
  const before = await linesOf(first)
  expect(before.length).toBeGreaterThan(9)
  const way = [inPostgres().storage, memory(), inRedis().storage]
  let from = first
  const sums: string[] = []
  for (const to of way) {
    const { verified, steps } = await migrate(from, to, { batch: 2 })
    expect(verified).toBe(true)
    expect(await linesOf(to)).toEqual(before)
    sums.push(
      steps
        .filter(({ count }) => count > 0)
        .map(({ step, checksum }) => `${step} ${checksum}`)
        .join('\n'),
    )
    from = to
  }
  expect(new Set(sums).size).toBe(1)
})

test('a Redis Cluster is scanned on all of its nodes', async () => {
  const prefix = freshName()
  const from = kept(redis([await sharedCluster()], { prefix }))
  await stock(from)
  const to = memory()
  expect(await migrate(from, to)).toMatchObject({ verified: true })
  expect(await linesOf(to)).toEqual(await linesOf(from))
})

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [program, 'migrate', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = (async (): Promise<Ended> => {
    const exit = new Promise<[number | null, NodeJS.Signals | null]>((done) => {
      child.on('exit', (code, signal) => done([code, signal]))
    })
    const [out, err, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), exit])
    return { code, signal, out, err }
  })()
  return { child, ended }
}

test('the program is killed in the middle, run again, and resumes', async () => {
  const source = inRedis()
  const target = inPostgres()
  await crowd(source.storage, 240)
  await stock(source.storage)
  const args = ['--from-prefix', source.prefix, '--to-schema', target.schema]
  const env = { MIGRATE_FROM: redisUrl, MIGRATE_TO: postgresUrl }
  const first = start([...args, '--batch', '3'], env)
  const reached = async (): Promise<number> => {
    const checkpoint = await target.storage.values.get(CHECKPOINTS, 'default')
    const { done = [], at } = (checkpoint ?? {}) as { done?: string[]; at?: { items: number } }
    return done.some((step) => step.startsWith('marks 42 registered')) ? (at?.items ?? 0) : 0
  }
  await until('some users were moved', async () => (await reached()) > 30)
  first.child.kill('SIGKILL')
  expect((await first.ended).signal).toBe('SIGKILL')
  const moved = await reached()
  expect(moved).toBeLessThan(240)
  const again = await start([...args, '--json'], env).ended
  expect([again.code, again.err.includes('verify:')]).toEqual([0, true])
  const result = JSON.parse(again.out) as { verified: boolean; copied: number }
  expect(result.verified).toBe(true)
  // The marks and some of the users had been copied: at most one page of three is copied twice.
  expect(result.copied).toBeLessThanOrEqual(240 - moved + 3 + 12)
  expect(await linesOf(target.storage)).toEqual(await linesOf(source.storage))
  const third = await start([...args], env).ended
  expect(third.code).toBe(1)
  expect(third.err).toMatch(/completed at .*--again.*\[migrate\.refused\]/s)
  const compared = await start([...args, '--again', '--mirror'], env).ended
  expect(compared.code).toBe(0)
  expect(compared.out).toMatch(/users 42 +24\d +[0-9a-f]{16} +same/)
  expect(compared.out).toContain('0 items copied. Source and target are equal.')
})

test('the program ends between two pages when it is interrupted', async () => {
  const source = inRedis()
  const target = inPostgres()
  await crowd(source.storage, 300)
  const args = [
    '--from',
    redisUrl,
    '--to',
    postgresUrl,
    '--from-prefix',
    source.prefix,
    '--to-schema',
    target.schema,
  ]
  const { child, ended } = start([...args, '--batch', '1'])
  await until(
    'a page was moved',
    async () => (await target.storage.values.get(CHECKPOINTS, 'default')) !== undefined,
  )
  child.kill('SIGINT')
  const { code, err } = await ended
  expect(code).toBe(1)
  expect(err).toContain('Run it again to resume')
})

test('a missing schema is reported, and not created', async () => {
  const { terminal, said } = watched(80)
  const [schema, target] = [freshName('none'), inRedis().prefix]
  const urls = ['--from', postgresUrl, '--to', redisUrl]
  expect(await command.run([...urls, '--from-schema', schema, '--to-prefix', target], terminal)).toBe(1)
  expect(said).toEqual([
    expect.stringMatching(`no data of a sentinel in schema "${schema}".*migrate[.]refused`),
  ])
  const pool = new Pool({ connectionString: postgresUrl })
  expect((await pool.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])).rowCount).toBe(0)
  await pool.end()
})

/** A terminal with a display. */
function watched(columns: number): { terminal: Terminal; drawn: string[]; said: string[] } {
  const drawn: string[] = []
  const said: string[] = []
  const terminal = {
    env: {},
    out: (line: string) => void said.push(line),
    err: (line: string) => void said.push(line),
    live: { columns, write: (line: string) => void drawn.push(line) },
  }
  return { terminal, drawn, said }
}

test('in a terminal the program shows a bar, and at the end a table', async () => {
  const source = inRedis()
  const target = inPostgres()
  await crowd(source.storage, 20)
  const { terminal, drawn, said } = watched(80)
  const args = [
    '--from',
    redisUrl,
    '--to',
    postgresUrl,
    '--from-prefix',
    source.prefix,
    '--to-schema',
    target.schema,
  ]
  expect(await command.run(args, terminal)).toBe(0)
  expect(drawn.at(-1)).toBe('')
  expect(drawn.some((line) => /^copy \[#*\.*\] \d+% \d+\/40 /.test(line))).toBe(true)
  expect(said).toEqual([
    expect.stringMatching(/^marks 42 registered +20 +[0-9a-f]{16} +same\n.*\n40 items copied\./),
  ])
})

test.each<[string, readonly string[], RegExp]>([
  ['without a source', [], /The source is missing/],
  ['without a target', ['--from', 'redis://localhost'], /The target is missing/],
  [
    'with a URL of neither',
    ['--from', 'mysql://root:secret@host', '--to', 'redis://h'],
    /--from takes a URL/,
  ],
  [
    'with a schema of Redis',
    ['--from', 'redis://h', '--to', 'redis://h', '--to-schema', 'x'],
    /Pass --to-prefix/,
  ],
  [
    'with a prefix of Postgres',
    ['--from', 'postgres://h/x', '--to', 'redis://h', '--from-prefix', 'x'],
    /Pass --from-schema/,
  ],
  ['with no number', ['--from', 'redis://h', '--to', 'redis://h', '--batch', 'x'], /--batch takes/],
])('the program %s shows its usage', async (_, args, words) => {
  const wrong = Promise.resolve().then(() => command.run(args, watched(80).terminal))
  await expect(wrong).rejects.toThrow(words)
  await expect(wrong).rejects.not.toThrow(/secret/)
})

test('the program reports errors without passwords', async () => {
  const { terminal, said } = watched(80)
  const args = ['--from', 'redis://user:hunter2@127.0.0.1:1', '--to', 'redis://user:hunter2@127.0.0.1:1/1']
  expect(await command.run(args, terminal)).toBe(1)
  expect(said.join()).toMatch(/\[storage\.failed\]/)
  expect(said.join()).not.toContain('hunter2')
})

test('a bar fits the line, whatever its text', () => {
  const progress = { phase: 'copy', step: 'marks 42 \u001b[2Jrole\n', done: 50, total: 200 } as const
  expect(barOf(progress, 80)).toBe('copy [########......................] 25% 50/200 marks 42  [2Jrole ')
  expect(barOf({ ...progress, phase: 'count' }, 80)).toBe('count 50 marks 42  [2Jrole ')
  expect(barOf({ ...progress, total: 0, done: 0 }, 80)).toContain('0% 0/0')
  for (let columns = 0; columns < 90; columns++)
    expect(barOf(progress, columns).length).toBeLessThan(Math.max(1, columns))
})
