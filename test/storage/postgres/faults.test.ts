import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { postgres } from '../../../src/storage/postgres/index.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'
import { startProxy } from '../../servers/proxy.js'
import { until } from '../../servers/until.js'
import { BOB, BOT } from '../outage.js'
import { asCounted, BLOCKED, clearStands, inTime, isBack, isDown, passes, stand } from '../standing.js'

afterEach(clearStands)

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => server.stop())

let schemas = 0
const fresh = (): string => `keep_${++schemas}`

async function admin<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: server.url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

test.each(['fast', 'immediate'] as const)(
  'after a restart under load (%s): no exceptions, all answers in time, exact limits, blocks hold',
  async (how) => {
    const standing = await stand(postgres(server.url, { schema: fresh() }))
    await server.restart(how)
    expect(await isBack(standing)).toBeLessThan(1000)
    // The counts survive, except after a crash, which loses counts that were not durable. Between restarts, one burst may pass.
    const passed = (await asCounted(standing, 4)).filter(Boolean)
    expect(passed.length).toBeLessThanOrEqual(3)
    if (how === 'fast') expect(passed).toHaveLength(1)
    expect(await passes(standing.judge, BLOCKED)).toBe(false)
    await inTime(standing)
    await standing.storage.close()
  },
  60_000,
)

test('a block made while the server is down is written after its restart', async () => {
  const schema = fresh()
  const standing = await stand(postgres(server.url, { schema }))
  await server.kill()
  await isDown(standing)
  await expect(
    (async () => standing.storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: Date.now() } }]))(),
  ).rejects.toMatchObject({ code: 'storage.unavailable' })
  expect(await passes(standing.judge, BOB)).toBe(false)
  await server.restart()
  expect(await isBack(standing)).toBeLessThan(1000)
  expect([await passes(standing.judge, BOB), await passes(standing.judge, BLOCKED)]).toEqual([false, false])
  const written = postgres(server.url, { schema })
  expect(await written.marks.get(BOT, BOB, 'blocked')).toBeDefined()
  await written.close()
  await inTime(standing)
  await standing.storage.close()
})

test('a block made while the table of marks is locked holds, and is written later', async () => {
  const schema = fresh()
  const standing = await stand(postgres(server.url, { schema }))
  await admin(async (client) => {
    // The lock that CREATE INDEX takes.
    await client.query(`BEGIN; LOCK TABLE ${schema}.marks IN SHARE MODE`)
    const write = async () =>
      standing.storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: Date.now() } }])
    await expect(write()).rejects.toThrow('It holds in this process')
    expect((await standing.storage.health()).circuit?.state).toBe('closed')
    expect(await passes(standing.judge, BOB)).toBe(false)
    await client.query('COMMIT')
  })
  await until('the block is written', async () => {
    return (await standing.storage.health()).circuit?.waiting.marks === 0
  })
  expect(await passes(standing.judge, BOB)).toBe(false)
  const written = postgres(server.url, { schema })
  expect(await written.marks.get(BOT, BOB, 'blocked')).toBeDefined()
  await written.close()
  await inTime(standing)
  await standing.storage.close()
})

test('after the server has hung, it is used again within a second', async () => {
  const standing = await stand(postgres(server.url, { schema: fresh() }))
  server.suspend()
  try {
    await isDown(standing)
    expect(standing.told.at(-1)).toMatchObject({ reason: 'TIMEOUT' })
    await sleep(1000)
  } finally {
    server.resume()
  }
  expect(await isBack(standing)).toBeLessThan(1000)
  expect(await passes(standing.judge, BLOCKED)).toBe(false)
  await inTime(standing)
  await standing.storage.close()
})

test('after a network that delays, drops and cuts, the server is used again within a second', async () => {
  const proxy = await startProxy(server.port)
  try {
    const standing = await stand(postgres(proxy.urlOf(server.url), { schema: fresh() }))
    const faults = [
      () => proxy.delay(400),
      () => proxy.blackHole(),
      () => {
        proxy.refuse()
        proxy.cut()
      },
    ]
    for (const fault of faults) {
      standing.told.length = 0
      fault()
      await isDown(standing)
      await sleep(300)
      await proxy.normal()
      expect(await isBack(standing)).toBeLessThan(1000)
    }
    expect(await passes(standing.judge, BLOCKED)).toBe(false)
    await inTime(standing)
    await standing.storage.close()
  } finally {
    await proxy.stop()
  }
})

test('repeatedly terminated sessions do not accumulate connections', async () => {
  const standing = await stand(postgres(server.url, { schema: fresh() }))
  const connections = (): Promise<number> =>
    admin(async (client) => {
      const { rows } = await client.query<{ count: string }>(
        `SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      )
      return Number(rows[0]?.count)
    })
  const before = await connections()
  for (let i = 0; i < 8; i++) {
    await admin((client) =>
      client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      ),
    )
    await sleep(200)
    await until('it is used', async () => (await standing.storage.health()).ok, 5000)
  }
  await sleep(500)
  expect(await connections()).toBeLessThanOrEqual(before + 5)
  await inTime(standing)
  await standing.storage.close()
  await until('its connections are gone', async () => (await connections()) === 0)
})
