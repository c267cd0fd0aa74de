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

/** A client that gives up at once, so that a test sees what the server does. */
function clientOf(url: string): Redis {
  const client = new Redis(url, {
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    lazyConnect: true,
  })
  // Told to who sends a command, too.
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

describe('a Redis of one’s own', () => {
  test('answers as soon as it is there, on loopback alone', async () => {
    const server = await redis()
    const client = clientOf(server.url)
    expect(await client.ping()).toBe('PONG')
    expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1'])
    expect(await client.info('server')).toContain(`process_id:${server.pid}\r\n`)
  })

  test('that was killed comes back on the same port, empty', async () => {
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

  test('with an append-only file finds its data after a restart, and after a kill', async () => {
    const server = await redis({ appendOnly: true, args: ['--appendfsync', 'always'] })
    await clientOf(server.url).set('a', '1')
    await server.restart()
    await clientOf(server.url).set('b', '2')
    await server.kill()
    await server.restart()
    expect(await clientOf(server.url).mget('a', 'b')).toEqual(['1', '2'])
  })

  test('that is suspended hangs, and answers once it is resumed', async () => {
    const server = await redis()
    const client = clientOf(server.url)
    await client.ping()
    server.suspend()
    const asked = client.ping()
    expect(await answers(asked)).toBe(false)
    server.resume()
    expect(await asked).toBe('PONG')
  })

  test('that is suspended can be restarted, killed and stopped', async () => {
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

  test('takes arguments: one that is full refuses to write', async () => {
    const server = await redis({ args: ['--maxmemory', '2mb', '--maxmemory-policy', 'noeviction'] })
    const client = clientOf(server.url)
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) await client.set(`${i}`, 'x'.repeat(100_000))
    }
    await expect(fill()).rejects.toThrow(/^OOM/)
  })

  test('asks for a password, and keeps users to their rules', async () => {
    const server = await redis({ password: 'p@ss "word', users: { app: '>secret +@all ~mine:* &*' } })
    expect(await clientOf(server.url).ping()).toBe('PONG')
    const bare = `redis://127.0.0.1:${server.port}`
    await expect(clientOf(bare).ping()).rejects.toThrow(/NOAUTH/)
    const app = clientOf(`redis://app:secret@127.0.0.1:${server.port}`)
    expect(await app.set('mine:a', '1')).toBe('OK')
    await expect(app.set('yours:a', '1')).rejects.toThrow(/NOPERM/)
  })

  test('copies a master, and is in step when it is ready', async () => {
    const master = await redis({ password: 'secret' })
    await clientOf(master.url).set('a', '1')
    const replica = await redis({ replicaOf: master.port, password: 'secret' })
    expect(await clientOf(replica.url).get('a')).toBe('1')
    await expect(clientOf(replica.url).set('a', '2')).rejects.toThrow(/READONLY/)
  })

  test('that cannot start says why, and leaves nothing', async () => {
    const starting = startRedis({ args: ['--no-such-setting', 'x'] })
    await expect(starting).rejects.toThrow(/no-such-setting/)
  })

  test('that is stopped leaves neither process nor folder', async () => {
    const server = await startRedis()
    await server.stop()
    expect(() => process.kill(server.pid, 0)).toThrow(/ESRCH/)
    expect(existsSync(server.dir)).toBe(false)
  })

  test('leaves nothing either where the path leads to Redis alone', async () => {
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

describe('a Postgres of one’s own', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ settings: { max_connections: 30 } })
  })
  afterAll(() => server.stop())

  test('answers as soon as it is there, with what it was told', async () => {
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

  test('that was killed, with a backend at work, refuses until it is restarted', async () => {
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

  test('that is suspended hangs, its backends too, and answers once it is resumed', async () => {
    const client = await postgresClient(server.url)
    await client.query('select 1')
    server.suspend()
    const asked = client.query('select 1 as one')
    expect(await answers(asked)).toBe(false)
    server.resume()
    expect((await asked).rows).toEqual([{ one: 1 }])
  })

  test('that is suspended can be restarted', async () => {
    server.suspend()
    await server.restart()
    const client = await postgresClient(server.url)
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('that was killed and stopped leaves neither processes, folder nor shared memory', async () => {
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

test('suites share one Redis and one Postgres, and keep apart by names', async () => {
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
