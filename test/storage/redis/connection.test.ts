import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import { Cluster, Redis } from 'ioredis'
import { SentinelError } from '../../../src/core/errors.js'
import { type RedisConnection, redis } from '../../../src/storage/redis/index.js'
import { reasonOf } from '../../../src/storage/resilient/reason.js'
import { freePort } from '../../servers/ports.js'
import { startProxy } from '../../servers/proxy.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { freshName, sharedCluster, sharedRedis } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, admits, askOf, BOT, blocked, bucket, once, planOf } from './desk.js'

const HOUR = 3_600_000
const PLAN = planOf(blocked, once(), bucket(2, HOUR))
const SECRET = 'hunter2-of-the-tests'
/** The minimal rights of a user, taken from docs/redis.md. */
const LEAST = /```text\n(\+eval [^`]+)```/
  .exec(readFileSync('docs/redis.md', 'utf8'))?.[1]
  ?.split(/\s+/)
  .join(' ')

/** Uses every operation of a storage once. */
async function useAll(connection: RedisConnection, prefix = freshName()): Promise<void> {
  const storage = redis(connection, { prefix })
  try {
    const told: string[] = []
    const stop = await storage.watch(({ kind }) => told.push(kind))
    const judge = await storage.prepare(PLAN)
    expect(await admits(judge, askOf(ALICE, [1]))).toBe(true)
    expect(await admits(judge, askOf(ALICE, [2]))).toBe(true)
    expect(await admits(judge, askOf(ALICE, [3]))).toBe(false)
    await storage.reset(BOT, ALICE)
    const { receipt } = await judge.evaluate(askOf(ALICE, [4]))
    if (receipt === undefined) throw new Error('there is no receipt')
    await judge.settle(receipt, 'refund')
    await storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
    expect(await admits(judge, askOf(ALICE, [5]))).toBe(false)
    expect((await storage.marks.scan(BOT, 'blocked')).entries).toHaveLength(1)
    expect((await storage.marks.of(BOT, ALICE)).size).toBe(1)
    const { archive } = storage
    expect(await archive?.contents()).toMatchObject({ bots: [{ id: BOT, marks: ['blocked'] }] })
    expect(await archive?.marksOf(BOT, [ALICE])).toEqual([{ key: ALICE, names: ['blocked'] }])
    expect(await storage.marks.remove(BOT, 'blocked', [ALICE])).toBe(1)
    await storage.users.note(BOT, [{ key: ALICE, at: 1, counts: { messages: 2 } }])
    await storage.users.patch(BOT, ALICE, { language: 'en' })
    expect((await storage.users.scan(BOT)).users).toHaveLength(1)
    expect(await storage.users.erase(BOT, ALICE)).toBe(true)
    await storage.values.put('space', 'key', [1])
    expect(await storage.values.get('space', 'key')).toEqual([1])
    expect((await storage.values.scan('space')).entries).toHaveLength(1)
    expect(await storage.values.remove('space', 'key')).toBe(true)
    for (const [token, passes] of [
      [6, true],
      [7, true],
      [8, false],
    ] as const) {
      expect(await admits(judge, askOf(ALICE, [token]))).toBe(passes)
    }
    await archive?.forget(BOT, [ALICE])
    expect(await admits(judge, askOf(ALICE, [9]))).toBe(true)
    await until('all changes were told', () => told.length >= 4)
    expect(told).toEqual(['reset', 'marks', 'marks', 'reset'])
    expect(await storage.health()).toMatchObject({ ok: true, corrupt: 0 })
    stop()
  } finally {
    await storage.close()
  }
}

async function failure(work: () => unknown): Promise<SentinelError> {
  try {
    await work()
  } catch (error) {
    return error as SentinelError
  }
  throw new Error('it did not fail')
}

describe('connects by', () => {
  // Starting the cluster takes a while.
  beforeAll(async () => void (await sharedCluster()))

  test('a URL, and by options of ioredis', async () => {
    const url = await sharedRedis()
    await useAll(url)
    const { hostname, port } = new URL(url)
    await useAll({ host: hostname, port: Number(port) })
  })

  test('options of ioredis in an instance of a class, or above an object with defaults', async () => {
    const { hostname, port } = new URL(await sharedRedis())
    class Config {
      host = hostname
      port = Number(port)
      url = undefined
    }
    await useAll(new Config() as never)
    class Port {
      port = Number(port)
    }
    await useAll(new Port() as never)
    await useAll(Object.assign(Object.create({ port: Number(port) }), { host: hostname }))
    await useAll({ host: hostname, port: Number(port), url: undefined } as never)
  })

  test('a Unix socket', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sentinel-unix-'))
    const server = await startRedis({ config: [`unixsocket ${dir}/redis.sock`] })
    try {
      await useAll(`unix://${dir}/redis.sock`)
    } finally {
      await server.stop()
      rmSync(dir, { recursive: true })
    }
  })

  test('your own client, which stays open', async () => {
    const client = new Redis(await sharedRedis(), { autoResendUnfulfilledCommands: false })
    await useAll(client)
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
  })

  test('your own client of a cluster, which stays open', async () => {
    const client = new Cluster([await sharedCluster()], { retryDelayOnFailover: 0 })
    await useAll(client)
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
  })

  test.each([
    [
      'a client',
      async () => new Redis(await sharedRedis(), { keyPrefix: 'app:', autoResendUnfulfilledCommands: false }),
    ],
    [
      'a client of a cluster',
      async () => new Cluster([await sharedCluster()], { keyPrefix: 'app:', retryDelayOnFailover: 0 }),
    ],
  ])('%s with its own prefix, which all keys get', async (_, connect) => {
    const client = await connect()
    const prefix = freshName()
    await useAll(client, prefix)
    const plain = client instanceof Cluster ? client.nodes('master') : [new Redis(await sharedRedis())]
    const found = (await Promise.all(plain.map((node) => node.keys(`*${prefix}*`)))).flat()
    // The clock of the bot remains, and its counts.
    expect(found.length).toBeGreaterThan(1)
    expect(found.filter((key) => !key.startsWith(`app:${prefix}:`))).toEqual([])
    for (const node of plain) node.disconnect()
    client.disconnect()
  })

  test('TLS, with a verified certificate', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sentinel-tls-'))
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
    const files = ['-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`]
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        ...subject,
        ...files,
      ],
      { stdio: 'ignore' },
    )
    const tlsPort = await freePort()
    const config = [
      `tls-port ${tlsPort}`,
      `tls-cert-file ${dir}/cert.pem`,
      `tls-key-file ${dir}/key.pem`,
      `tls-ca-cert-file ${dir}/cert.pem`,
      'tls-auth-clients no',
    ]
    const server = await startRedis({ config, password: SECRET })
    try {
      const ca = readFileSync(`${dir}/cert.pem`)
      await useAll({ host: '127.0.0.1', port: tlsPort, password: SECRET, tls: { ca } })
      const unknown = redis(`rediss://:${SECRET}@127.0.0.1:${tlsPort}`)
      const { code, message } = await failure(() => unknown.prepare(PLAN))
      expect(code).toBe('storage.failed')
      expect(message).toMatch(/self.signed certificate/)
      expect(reasonOf(new SentinelError(code, message))).toBe('DEPTH_ZERO_SELF_SIGNED_CERT')
      await unknown.close()
      // It answers as a cluster of one node would not, but its certificate is refused first.
      const cluster = redis([`rediss://:${SECRET}@127.0.0.1:${tlsPort}`])
      expect((await failure(() => cluster.prepare(PLAN))).message).toMatch(/self.signed certificate/)
      await cluster.close()
    } finally {
      await server.stop()
      rmSync(dir, { recursive: true })
    }
  })
})

describe('refuses', () => {
  test.each([
    'localhost:6379',
    'http://localhost:6379',
    '',
    `redis://:${SECRET}@localhost:port`,
    `redis://:${SECRET}%zz@localhost`,
    `redis://:${SECRET}@localhost/staging`,
    `redis://:${SECRET}@localhost/-1`,
    `redis://:${SECRET}@localhost?db=staging`,
    `unix://:${SECRET}@/run/redis.sock?db=staging`,
  ])('%j, which is not a Redis URL, without repeating it', async (url) => {
    for (const connection of [url, [url]]) {
      const { code, message } = await failure(() => redis(connection))
      expect(code).toBe('option.invalid')
      expect(message).not.toContain(SECRET)
      expect(message).toContain('redis://user:password@host:6379')
    }
  })

  test.each([undefined, null, 6379])(
    '%p in place of a URL, because another server may listen on this machine',
    (given) => {
      expect(() => redis(given as never)).toThrow(
        expect.objectContaining({
          code: 'option.invalid',
          message: expect.stringMatching(given === undefined ? /environment variable/ : /not a Redis URL/),
        }),
      )
    },
  )

  test.each([
    ['a URL that is not a text', new URL('redis://cache:6379')],
    ['a Map', new Map([['host', 'cache']])],
    [
      'a legacy URL',
      Object.assign(new (class Url {})(), { host: 'cache:6379', href: 'redis://cache:6379/' }),
    ],
    ['the options of another client', { url: 'redis://cache:6379' }],
    ['another client', { options: { host: 'cache' }, sendCommand: () => undefined }],
  ])('%s, which ioredis would take for options of localhost', (_, given) => {
    expect(() => redis(given as never)).toThrow(
      expect.objectContaining({ code: 'option.invalid', message: expect.stringContaining('redis(url)') }),
    )
  })

  test.each([Number.NaN, -1, 'staging'])('the database %p in options', async (db) => {
    const { code, message } = await failure(() => redis({ db: db as number }))
    expect(code).toBe('option.invalid')
    expect(message).toContain(`db is ${db}`)
  })

  test.each([
    ['no name of the master', { sentinels: [{ host: 'localhost' }] }],
    ['no Sentinel', { sentinels: [], name: 'mymaster' }],
  ])('options with Sentinels, but with %s', async (_, options) => {
    const { code, message } = await failure(() => redis(options))
    expect(code).toBe('option.invalid')
    expect(message).toMatch(/list of Sentinels and the name of the master/)
  })

  test('an empty list of nodes', async () => {
    expect((await failure(() => redis([]))).code).toBe('option.invalid')
  })

  test.each(['', 'a b', '{a}', 'x'.repeat(65), 'ä'])('the prefix %j', async (prefix) => {
    expect((await failure(() => redis('redis://localhost', { prefix }))).code).toBe('option.invalid')
  })

  test('a closed client, at once', async () => {
    const client = new Redis(await sharedRedis(), { autoResendUnfulfilledCommands: false })
    await client.quit()
    const storage = redis(client)
    await until('it is closed', () => client.status === 'end')
    const { code, message } = await failure(() => storage.prepare(PLAN))
    expect(code).toBe('storage.failed')
    expect(message).toContain('has been closed')
  })
})

test('warns of clients that resend charges, and of no others', async () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const url = await sharedRedis()
  const clients = [
    new Redis(url, { autoResendUnfulfilledCommands: false, lazyConnect: true }),
    new Redis(url, { lazyConnect: true }),
    new Cluster([url], { retryDelayOnFailover: 0, lazyConnect: true }),
    new Cluster([url], { lazyConnect: true }),
  ]
  for (const client of clients) await redis(client).close()
  await redis(url).close()
  const warnings = [...warn.mock.calls]
  warn.mockRestore()
  expect(warnings).toEqual(
    ['autoResendUnfulfilledCommands: false', 'retryDelayOnFailover: 0'].map((option) => [
      expect.stringContaining(`Set ${option} on it`),
      { code: 'GRAMMY_SENTINEL_RESEND' },
    ]),
  )
})

test('any number of storages may use one client, without a warning of too many listeners', async () => {
  const client = new Redis(await sharedRedis(), { autoResendUnfulfilledCommands: false, lazyConnect: true })
  const storages = Array.from({ length: 30 }, () => redis(client, { prefix: freshName() }))
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  await Promise.all(storages.map(({ marks }) => marks.get(BOT, ALICE, 'blocked')))
  await Promise.all(storages.map((storage) => storage.close()))
  const warnings = [...warn.mock.calls]
  warn.mockRestore()
  expect(warnings).toEqual([])
  client.disconnect()
})

test.each([0, 5, 100])('a limit of %p listeners that the application sets later is kept', async (most) => {
  const client = new Redis(await sharedRedis(), { autoResendUnfulfilledCommands: false, lazyConnect: true })
  const storages = Array.from({ length: 4 }, () => redis(client, { prefix: freshName() }))
  client.setMaxListeners(most)
  for (const storage of storages) await storage.close()
  expect(client.getMaxListeners()).toBe(most)
  client.disconnect()
})

describe('rights', () => {
  let server: RedisServer
  beforeAll(async () => {
    const users = {
      enough: `>${SECRET} ~sentinel:* &sentinel:* +@all -@dangerous +info +role`,
      least: `>${SECRET} ~sentinel:* &sentinel:* ${LEAST}`,
      mute: `>${SECRET} ~sentinel:* +@all -@dangerous +info +role resetchannels`,
      none: `>${SECRET} ~other:* &* +@all`,
      reader: `>${SECRET} ~sentinel:* &* +@read +@connection +info`,
    }
    server = await startRedis({ password: SECRET, users })
  })
  afterAll(async () => server.stop())
  const urlOf = (user: string, password = SECRET): string =>
    `redis://${user}:${password}@127.0.0.1:${server.port}`

  test.each(['enough', 'least'])('a user with the documented rights can do everything (%s)', async (user) => {
    await useAll(urlOf(user), `sentinel:${user}`)
    const admin = new Redis(urlOf('default'), { disconnectTimeout: 50 })
    // Other tests log in with a wrong password, which the server logs for the same user.
    const refused = ((await admin.acl('LOG')) as string[][]).filter(
      (entry) => entry.includes(user) && entry[entry.indexOf('reason') + 1] !== 'auth',
    )
    admin.disconnect()
    expect(refused).toEqual([])
  })

  test.each(['none', 'reader', 'mute'])(
    'a user without them (%s) gets an error with the required rights',
    async (user) => {
      const { code, message } = await failure(() => useAll(urlOf(user), 'sentinel'))
      expect(code).toBe('storage.permission')
      expect(message).toContain('ACL SETUSER … ~sentinel:* &sentinel:*')
      expect(message).not.toContain(SECRET)
    },
  )

  test.each([
    ['a wrong password', () => urlOf('enough', `${SECRET}-not`)],
    ['an unknown user', () => urlOf('nobody')],
    ['no password', () => `redis://127.0.0.1:${server.port}`],
  ])('%s is reported, without the password', async (_, url) => {
    const storage = redis(url())
    const errors = [
      await failure(() => storage.prepare(PLAN)),
      await failure(() => storage.marks.get(1, ALICE, 'x')),
      await failure(() => storage.watch(() => undefined)),
    ]
    for (const { code, message } of errors) {
      expect(code).toBe('storage.permission')
      expect(message).toContain('Check the user and the password')
      expect(message).not.toContain('..')
      expect(message).not.toContain(SECRET)
    }
    expect((await storage.health()).ok).toBe(false)
    await storage.close()
  })
})

describe('a retryStrategy that gives up', () => {
  test.each([
    ['after two attempts', (times: number) => (times > 2 ? null : 5)],
    ['after two attempts, with false', (times: number) => times < 3 && 5],
    ['at once', null],
    ['as ioredis allows, with false instead of a function', false],
  ])('does not end a client of the storage (%s)', async (_, retryStrategy) => {
    const port = await freePort()
    const storage = redis({ host: '127.0.0.1', port, retryStrategy: retryStrategy as never })
    const get = async () => storage.marks.get(BOT, ALICE, 'x')
    for (let attempts = 0; attempts < 5; attempts++) {
      const { message } = await failure(get)
      expect(message).toContain('ECONNREFUSED')
    }
    const server = await startRedis({ port })
    try {
      await until('the storage is used again', () => get().then(...([() => true, () => false] as const)))
    } finally {
      await storage.close()
      await server.stop()
    }
  })

  test('is named if it has ended a given client', async () => {
    const server = await startRedis()
    const client = new Redis(server.url, { autoResendUnfulfilledCommands: false, retryStrategy: () => null })
    const storage = redis(client)
    await storage.prepare(PLAN)
    await server.kill()
    await until('the client has ended', () => client.status === 'end')
    const { message } = await failure(() => storage.marks.get(BOT, ALICE, 'x'))
    expect(message).toMatch(/its retryStrategy has given up.*connect\(\)/)
    await storage.close()
    await server.stop()
  })
})

describe('a read-only replica', () => {
  test('is refused when a plan is prepared', async () => {
    const master = await startRedis()
    const replica = await startRedis({ replicaOf: master.port })
    const storage = redis(replica.url)
    expect(await failure(() => storage.prepare(PLAN))).toMatchObject({
      code: 'storage.readonly',
      message: expect.stringContaining('Connect to the master, or through Sentinel'),
    })
    await storage.close()
    await Promise.all([master.stop(), replica.stop()])
  })

  test('is reported when a master becomes one later, by every kind of call', async () => {
    const [master, other] = await Promise.all([startRedis(), startRedis()])
    const admin = new Redis(master.url, { disconnectTimeout: 50 })
    const storage = redis(master.url)
    const judge = await storage.prepare(PLAN)
    const { receipt } = await judge.evaluate(askOf(ALICE, [1]))
    if (receipt === undefined) throw new Error('there is no receipt')
    await admin.replicaof('127.0.0.1', other.port)
    await until('it only reads', async () => (await admin.info('replication')).includes('role:slave'))
    const works: [string, () => unknown][] = [
      ['an ask', () => judge.evaluate(askOf(ALICE, [2]))],
      ['an ask that brings its time', () => judge.evaluate(askOf(ALICE, [3]), Date.now() + HOUR)],
      ['a settlement', () => judge.settle(receipt, 'refund')],
      ['a mark', () => storage.marks.put(BOT, 'x', [{ key: ALICE, mark: { since: 1 } }])],
      ['a value', () => storage.values.put('space', 'key', 1)],
      ['a reset', () => storage.reset(BOT, ALICE)],
    ]
    const codes: [string, string][] = []
    for (const [what, work] of works) {
      await until('it is connected', async () => (await storage.health()).ok)
      codes.push([what, (await failure(work)).code])
    }
    expect(codes).toEqual(works.map(([what]) => [what, 'storage.readonly']))
    await admin.replicaof('NO', 'ONE')
    await until('it writes again', async () => {
      try {
        return await admits(judge, askOf(ALICE, [4]))
      } catch {
        return false
      }
    })
    admin.disconnect()
    await storage.close()
    await Promise.all([master.stop(), other.stop()])
  })
})

test('a charge in flight when the connection is lost is made at most once', async () => {
  const url = await sharedRedis()
  const prefix = freshName()
  const proxy = await startProxy(Number(new URL(url).port))
  const near = redis(url, { prefix })
  const far = redis(proxy.urlOf(url), { prefix })
  // The bucket hardly refills during the test, so a charge is one whole token.
  const plan = planOf(bucket(1000, 366 * 86_400_000))
  const [judge, direct] = [await far.prepare(plan), await near.prepare(plan)]
  const left = async (): Promise<number> => Math.round((await direct.peek(askOf())).remaining[0] as number)
  await judge.evaluate(askOf())
  for (let round = 0; round < 5; round++) {
    await until('it is connected', async () => (await far.health()).ok)
    const before = await left()
    // Answers are late, so the server charges before the connection is cut, and the client does not learn of it.
    proxy.delay(500)
    const charge = failure(() => judge.evaluate(askOf()))
    if (round % 2 === 0) await until('it is charged', async () => (await left()) < before)
    proxy.cut()
    expect((await charge).code).toBe('storage.failed')
    await proxy.normal()
    await until('it is connected', async () => (await far.health()).ok)
    // A resent charge would have arrived before this read.
    await far.marks.get(BOT, ALICE, 'x')
    expect(before - (await left())).toBe(round % 2 === 0 ? 1 : 0)
  }
  await near.close()
  await far.close()
  await proxy.stop()
})
