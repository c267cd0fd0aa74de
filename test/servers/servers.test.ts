import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { needRedis } from './install.js'
import { type PostgresServer, startPostgres } from './postgres.js'
import { type RedisOptions, type RedisServer, startRedis } from './redis.js'
import { freshName, sharedPostgres, sharedRedis } from './shared.js'
import { until } from './until.js'

const opened: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.stop()
})

async function redis(options?: RedisOptions): Promise<RedisServer> {
  const server = await startRedis(options)
  opened.push(server)
  return server
}

/** A client that gives up at once, so that a test sees the behaviour of the server. */
function clientOf(url: string): Redis {
  const client = new Redis(url, {
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    lazyConnect: true,
  })
  // The error is also passed to the caller of the command.
  client.on('error', () => undefined)
  opened.push({ stop: async () => client.disconnect() })
  return client
}

async function postgresClient(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  client.on('error', () => undefined)
  await client.connect()
  opened.push({ stop: () => client.end().catch(() => undefined) })
  return client
}

/** Whether an answer comes within 200 ms. */
async function answers(asking: Promise<unknown>): Promise<boolean> {
  const patience = Symbol()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, 200, patience)
  })
  const first = await Promise.race([asking, late])
  clearTimeout(timer)
  return first !== patience
}

describe('a Redis for one test', () => {
  test('answers as soon as it is started, and only on loopback', async () => {
    const server = await redis()
    const client = clientOf(server.url)
    expect(await client.ping()).toBe('PONG')
    expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1'])
    expect(await client.info('server')).toContain(`process_id:${server.pid}\r\n`)
  })

  test('restarts empty on the same port after a kill', async () => {
    const server = await redis()
    const { port, pid } = server
    await clientOf(server.url).set('a', '1')
    await server.kill()
    expect(server.running).toBe(false)
    await expect(clientOf(server.url).ping()).rejects.toThrow()
    await server.restart()
    expect(server.port).toBe(port)
    expect(server.pid).not.toBe(pid)
    expect(await clientOf(server.url).get('a')).toBeNull()
  })

  test('with an append-only file keeps its data through a restart and a kill', async () => {
    const server = await redis({ appendOnly: true, args: ['--appendfsync', 'always'] })
    await clientOf(server.url).set('a', '1')
    await server.restart()
    await clientOf(server.url).set('b', '2')
    await server.kill()
    await server.restart()
    expect(await clientOf(server.url).mget('a', 'b')).toEqual(['1', '2'])
  })

  test('hangs while it is suspended, and answers once it is resumed', async () => {
    const server = await redis()
    const client = clientOf(server.url)
    await client.ping()
    server.suspend()
    const asked = client.ping()
    expect(await answers(asked)).toBe(false)
    server.resume()
    expect(await asked).toBe('PONG')
  })

  test('can be restarted, killed and stopped while it is suspended', async () => {
    const server = await redis()
    server.suspend()
    await server.restart()
    expect(await clientOf(server.url).ping()).toBe('PONG')
    server.suspend()
    await server.kill()
    await server.restart()
    server.suspend()
    await server.stop()
    expect(existsSync(server.dir)).toBe(false)
  })

  test('passes arguments on: it refuses writes when its memory limit is reached', async () => {
    const server = await redis({ args: ['--maxmemory', '2mb', '--maxmemory-policy', 'noeviction'] })
    const client = clientOf(server.url)
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) await client.set(`${i}`, 'x'.repeat(100_000))
    }
    await expect(fill()).rejects.toThrow(/^OOM/)
  })

  test('requires a password, and enforces the rules of its users', async () => {
    const server = await redis({ password: 'p@ss "word', users: { app: '>secret +@all ~mine:* &*' } })
    expect(await clientOf(server.url).ping()).toBe('PONG')
    const bare = `redis://127.0.0.1:${server.port}`
    await expect(clientOf(bare).ping()).rejects.toThrow(/NOAUTH/)
    const app = clientOf(`redis://app:secret@127.0.0.1:${server.port}`)
    expect(await app.set('mine:a', '1')).toBe('OK')
    await expect(app.set('yours:a', '1')).rejects.toThrow(/NOPERM/)
  })

  test('replicates a master, and is in sync once it is ready', async () => {
    const master = await redis({ password: 'secret' })
    await clientOf(master.url).set('a', '1')
    const replica = await redis({ replicaOf: master.port, password: 'secret' })
    expect(await clientOf(replica.url).get('a')).toBe('1')
    await expect(clientOf(replica.url).set('a', '2')).rejects.toThrow(/READONLY/)
  })

  test('reports why it cannot start', async () => {
    const starting = startRedis({ args: ['--no-such-setting', 'x'] })
    await expect(starting).rejects.toThrow(/no-such-setting/)
  })

  test('leaves neither a process nor a folder after a stop', async () => {
    const server = await startRedis()
    await server.stop()
    expect(() => process.kill(server.pid, 0)).toThrow(/ESRCH/)
    expect(existsSync(server.dir)).toBe(false)
  })

  test('leaves no folder either when PATH contains only redis-server', async () => {
    const path = process.env.PATH
    const folder = mkdtempSync(join(tmpdir(), 'bare-path-'))
    symlinkSync(await needRedis(), join(folder, 'redis-server'))
    process.env.PATH = folder
    try {
      const server = await startRedis()
      await server.stop()
      expect(existsSync(server.dir)).toBe(false)
    } finally {
      process.env.PATH = path
      rmSync(folder, { recursive: true })
    }
  })
})

describe('a Postgres for one test', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ settings: { max_connections: 30 } })
  })
  afterAll(() => server.stop())

  test('answers as soon as it is started, with the given settings', async () => {
    const client = await postgresClient(server.url)
    const { rows } = await client.query(
      `select current_setting('listen_addresses') as host, current_setting('max_connections') as most,
              current_setting('synchronous_commit') as commit, current_setting('server_encoding') as encoding`,
    )
    expect(rows).toEqual([{ host: '127.0.0.1', most: '30', commit: 'on', encoding: 'UTF8' }])
  })

  test.each(['fast', 'immediate'] as const)('restarts (%s) on the same port with its data', async (how) => {
    const { pid, url } = server
    const client = await postgresClient(url)
    await client.query(`create table restarted_${how} as select 1 as one`)
    await server.restart(how)
    expect(server.pid).not.toBe(pid)
    expect(server.url).toBe(url)
    await expect(client.query('select 1')).rejects.toThrow()
    const again = await postgresClient(url)
    expect((await again.query(`select one from restarted_${how}`)).rows).toEqual([{ one: 1 }])
  })

  test('refuses connections after a kill with a busy backend, until it is restarted', async () => {
    const client = await postgresClient(server.url)
    const asked = client.query('select pg_sleep(60)')
    const lost = expect(asked).rejects.toThrow()
    await server.kill()
    await lost
    await expect(postgresClient(server.url)).rejects.toThrow(/ECONNREFUSED/)
    await server.restart()
    const again = await postgresClient(server.url)
    expect((await again.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('hangs with its backends while it is suspended, and answers once it is resumed', async () => {
    const client = await postgresClient(server.url)
    await client.query('select 1')
    server.suspend()
    const asked = client.query('select 1 as one')
    expect(await answers(asked)).toBe(false)
    server.resume()
    expect((await asked).rows).toEqual([{ one: 1 }])
  })

  test('can be restarted while it is suspended', async () => {
    server.suspend()
    await server.restart()
    const client = await postgresClient(server.url)
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('leaves neither processes, a folder nor shared memory after a kill and a stop', async () => {
    const other = await startPostgres({ password: 'p@ss' })
    const client = await postgresClient(other.url)
    await client.query('select 1')
    await expect(postgresClient(other.url.replace('p%40ss', 'wrong'))).rejects.toThrow(/password/)
    const segment = segmentOf(other)
    other.suspend()
    await other.kill()
    expect(segments()).toContain(segment)
    await other.stop()
    expect(segments()).not.toContain(segment)
    expect(existsSync(other.dir)).toBe(false)
    await until('its port is closed', async () => {
      const again = new pg.Client(other.url)
      return again.connect().then(
        () => false,
        () => true,
      )
    })
  })
})

test('test suites share one Redis and one Postgres, separated by names', async () => {
  const [redisUrl, postgresUrl] = await Promise.all([sharedRedis(), sharedPostgres()])
  expect(await Promise.all([sharedRedis(), sharedPostgres()])).toEqual([redisUrl, postgresUrl])
  const [key, schema] = [freshName(), freshName('suite')]
  expect(freshName()).not.toBe(key)
  const client = clientOf(redisUrl)
  expect(await client.set(key, 'x', 'EX', 10, 'NX')).toBe('OK')
  const sql = await postgresClient(postgresUrl)
  await sql.query(`create schema ${schema}`)
  await sql.query(`drop schema ${schema}`)
})

/** The System V segment of shared memory that its lock file names. */
function segmentOf({ dir }: PostgresServer): string | undefined {
  const line = readFileSync(join(dir, 'data', 'postmaster.pid'), 'utf8').split('\n')[6]
  return line?.trim().split(/\s+/)[1]
}

function segments(): (string | undefined)[] {
  const lines = execFileSync('ipcs', ['-m'], { encoding: 'utf8' }).split('\n')
  return lines.map((line) => line.split(/\s+/)[1])
}
