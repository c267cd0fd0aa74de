import { Redis } from 'ioredis'
import Database from 'libsql'
import { Pool } from 'pg'
import { z } from 'zod'
import { quietTimers } from '../../src/core/clock.js'
import { keyText, subject, subjectKey, userKey } from '../../src/core/subject.js'
import type { SentinelOptions } from '../../src/index.js'
import { stats } from '../../src/observability/stats/index.js'
import type { Archive } from '../../src/storage/contract/archive.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { failover } from '../../src/storage/failover.js'
import { memory } from '../../src/storage/memory/memory.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { KEPT_FOR } from '../../src/storage/sqlite/changes.js'
import { type SqliteDatabase, sqlite } from '../../src/storage/sqlite/index.js'
import { Link } from '../../src/storage/sqlite/link.js'
import { Sweeper } from '../../src/storage/sqlite/sweeper.js'
import { Stage } from '../middleware/rig.js'
import { type Desk, desk, says } from '../sentinel/desk.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { type Faulty, faulty } from '../storage/faulty.js'
import { settled } from '../storage/outage.js'

/** Digits that occur nowhere else. */
const ALICE = 5_551_237_777
const BOB = 5_551_238_888
const PLAZA = -1001000000001

const OPTIONS: SentinelOptions = {
  users: true,
  auth: { registration: 'auto', resolve: () => ({ allow: true, value: { plan: 'free' } }) },
  throttle: [
    { limit: '100/1h', penalty: { after: 1, bans: ['1h'] } },
    { name: 'here', limit: '100/1h', scope: 'member' },
    { name: 'place', limit: '100/1h', scope: 'chat' },
    { name: 'each', limit: '1/1h', scope: 'command', deny: 'silent' },
  ],
  debounce: '1s',
}

const schema = z.object({ language: z.string().default('en') })

/** Creates data of every kind about a user. */
async function traces(storage: Storage): Promise<Desk> {
  const made = desk({ ...OPTIONS, storage, clock: Date.now } as SentinelOptions)
  const { guard, handle } = made
  const { users } = guard
  const preferences = users.preferences(schema)
  const sessions = users.sessions<{ cart: string[] }>({ ttl: '1d' })
  users.include('drafts', { keys: ({ id }) => [`draft:${id}`] })
  users.include('games', { owns: (key, { id }) => key.split('/').includes(String(id)) })
  for (const id of [ALICE, BOB]) {
    await handle(says(id, 'hello'))
    await handle(says(id, 'again', { group: true }))
    await handle(says(id, '/buy', { group: true }))
    await handle(says(id, '/buy', { group: true }))
    await preferences.set(id, { language: 'ru' })
    await sessions.write(String(id), { cart: ['tea'] })
    await storage.values.put('drafts', `draft:${id}`, 'Dear …')
    await storage.values.put('games', `7/${id}`, { score: 3 })
    await storage.values.put('invoices', '17', { total: 3 })
    await users.patch(id, { note: 'likes tea' })
    await guard.grant(id, 'moderator', { chat: PLAZA, reason: 'helps a lot' })
    await guard.grant(id, 'vip', { for: '1h' })
    // Under a name of its own: expired marks are deleted with the next write of their name.
    const was = `was ${id === ALICE ? 'a' : 'b'}`
    await storage.marks.put(42, was, [{ key: userKey(id), mark: { since: 1, until: Date.now() + 20 } }])
    await guard.block(id, { reason: 'spam' })
    await handle(says(id, 'let me in'))
    await guard.allow(id)
  }
  await made.quiet()
  // Closing writes the recorded activity.
  await guard.close()
  const again = desk({ ...OPTIONS, storage, clock: Date.now } as SentinelOptions)
  again.guard.users.preferences(schema)
  again.guard.users.sessions({ ttl: '1d' })
  again.guard.users.include('drafts', { keys: ({ id }) => [`draft:${id}`] })
  again.guard.users.include('games', { owns: (key, { id }) => key.split('/').includes(String(id)) })
  await again.handle(says(1, 'the bot is met'))
  await until('a mark has lapsed', async () => {
    return (await storage.marks.get(42, userKey(ALICE), 'was a')) === undefined
  })
  return again
}

/** Every form in which a storage may write a user's id. */
function formsOf(id: number): string[] {
  return [String(id), ...[subject.user(id), subject.chat(id)].map((each) => String(subjectKey(each)))]
}

interface Place {
  readonly name: string
  make(): Promise<Storage>
  /** All contents of the server, as one text. */
  dump(): Promise<string>
}

const redisPrefix = freshName()
const schemaName = freshName('erase')
let client: Redis
let pool: Pool
let database: SqliteDatabase
const began = Date.now()
let redisUrl: string
let postgresUrl: string
const open: Storage[] = []

beforeAll(async () => {
  ;[redisUrl, postgresUrl] = await Promise.all([sharedRedis(), sharedPostgres()])
  client = new Redis(redisUrl)
  pool = new Pool({ connectionString: postgresUrl, max: 2 })
  database = new Database(':memory:')
})
afterAll(async () => {
  await Promise.all(open.map((storage) => storage.close()))
  const keys = await client.keys(`${redisPrefix}:*`)
  if (keys.length > 0) await client.del(keys)
  client.disconnect()
  await pool.query(`DROP SCHEMA IF EXISTS "${schemaName}" CASCADE`)
  await pool.end()
  database.close()
})

const PLACES: readonly Place[] = [
  {
    name: 'Redis',
    make: async () => redis(redisUrl, { prefix: redisPrefix }),
    async dump() {
      const lines: string[] = []
      for (const key of await client.keys(`${redisPrefix}:*`)) {
        const type = await client.type(key)
        const content =
          type === 'string'
            ? (await client.getBuffer(key))?.toString('latin1')
            : type === 'hash'
              ? JSON.stringify(await client.hgetall(key))
              : JSON.stringify(await client.zrange(key, '0', '-1'))
        lines.push(`${key} ${content}`)
      }
      return lines.join('\n')
    },
  },
  {
    name: 'Postgres',
    make: async () => postgres(postgresUrl, { schema: schemaName }),
    async dump() {
      const { rows: tables } = await pool.query<{ name: string }>(
        'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1',
        [schemaName],
      )
      const lines: string[] = []
      for (const { name } of tables) {
        const { rows } = await pool.query<{ line: string }>(
          `SELECT t::text AS line FROM "${schemaName}"."${name}" t`,
        )
        for (const { line } of rows) lines.push(`${name} ${line}`)
      }
      return lines.join('\n')
    },
  },
  {
    name: 'SQLite',
    make: async () => sqlite(database),
    async dump() {
      // As if the changes were minutes old, which is how long they are kept for watchers. Everything else has expired, too.
      database.exec(`UPDATE sentinel_changes SET at = ${began - KEPT_FOR}`)
      new Sweeper(
        new Link(database, 0),
        () => began,
        quietTimers,
        () => undefined,
      ).sweep()
      const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all()
      return tables
        .flatMap((table) => {
          const { name } = table as { readonly name: string }
          const rows = database.prepare(`SELECT * FROM ${name}`).all()
          return rows.map((row) => `${name} ${Object.values(row as object).join(' ')}`)
        })
        .join('\n')
    },
  },
]

function linesWith(dump: string, id: number): string[] {
  const forms = formsOf(id)
  return dump.split('\n').filter((line) => forms.some((form) => line.includes(form)))
}

describe.each(PLACES)('of a user who is erased from $name', ({ make, dump }) => {
  test('nothing is left except a block that is kept on request', async () => {
    const storage = await make()
    open.push(storage)
    const { guard, says: say, reached } = await traces(storage)
    const before = await dump()
    expect(linesWith(before, ALICE).length).toBeGreaterThan(8)
    const report = await guard.users.erase(ALICE, { keepBlock: true })
    expect(report).toMatchObject({ found: true, profiles: 1, waits: false })
    expect(report.kept).toEqual([{ subject: `u${ALICE}`, name: 'blocked' }])
    // Expired marks may have been deleted already; if not, they are erased with the rest.
    const taken = report.marks.filter(({ name }) => name !== 'was a')
    expect(taken.map(({ subject: whose, name }) => `${whose} ${name}`).sort()).toEqual(
      [
        `m${PLAZA}:u${ALICE} role:moderator`,
        ...['allowed', 'registered', 'resolved', 'role:vip'].map((name) => `u${ALICE} ${name}`),
      ].sort(),
    )
    expect(report.values.map(({ space, key }) => `${space} ${key}`).sort()).toEqual(
      [`drafts draft:${ALICE}`, `games 7/${ALICE}`, `preferences u${ALICE}`, `session ${ALICE}`].sort(),
    )
    const left = linesWith(await dump(), ALICE)
    expect(left.length).toBeGreaterThan(0)
    for (const line of left) expect(line).toMatch(/blocked|"reason":"spam"/)
    await say(ALICE, 'still out')
    expect(reached).toEqual(['the bot is met'])
    expect(await guard.users.erase(ALICE)).toMatchObject({ found: true, profiles: 0, values: [] })
    expect(linesWith(await dump(), ALICE)).toEqual([])
    expect(await guard.users.erase(ALICE)).toMatchObject({ found: false, marks: [], kept: [] })
    // And no other user is affected.
    expect(linesWith(await dump(), BOB).length).toBe(linesWith(before, BOB).length)
    expect(await storage.values.get('invoices', '17')).toEqual({ total: 3 })
    await guard.close()
  })
})

describe('the data of a user', () => {
  test('are exported as JSON: records, marks with reasons, values and limits', async () => {
    const storage = memory()
    const { guard } = await traces(storage)
    const data = await guard.users.export(ALICE)
    expect(JSON.parse(JSON.stringify(data))).toEqual(data)
    expect(data).toMatchObject({ version: 1, subject: `u${ALICE}`, at: expect.any(Number) })
    const [bot, ...others] = data.bots
    expect(others).toEqual([])
    expect(bot).toMatchObject({
      id: 42,
      profile: { counts: { message: 5, denials: 2 }, data: { note: 'likes tea' } },
    })
    expect(bot?.marks.map(({ subject: whose, name, reason }) => [whose, name, reason ?? ''])).toEqual(
      expect.arrayContaining([
        [`u${ALICE}`, 'blocked', 'spam'],
        [`m${PLAZA}:u${ALICE}`, 'role:moderator', 'helps a lot'],
        [`u${ALICE}`, 'resolved', ''],
      ]),
    )
    expect(data.values).toEqual(
      expect.arrayContaining([
        { space: 'preferences', key: `u${ALICE}`, value: { v: 1, data: { language: 'ru' } } },
        { space: 'session', key: String(ALICE), value: { cart: ['tea'] } },
        { space: 'games', key: `7/${ALICE}`, value: { score: 3 } },
      ]),
    )
    expect(data.limits.length).toBeGreaterThan(0)
    expect(JSON.stringify(data)).not.toContain(String(BOB))
    expect(await guard.users.export(99)).toEqual({
      version: 1,
      subject: 'u99',
      at: expect.any(Number),
      bots: [{ id: 42, marks: [] }],
      values: [],
      limits: expect.any(Array),
    })
    await guard.close()
  })

  test('are erased from memory, too, with limits of a chat if it is named', async () => {
    const storage = memory()
    const { guard, handle, reached } = await traces(storage)
    await guard.unblock(ALICE)
    const report = await guard.users.erase(ALICE, { chats: [PLAZA] })
    expect(report.found).toBe(true)
    const contents = (await storage.archive?.contents())?.bots[0]
    for (const name of contents?.marks ?? []) {
      const held = (await storage.marks.scan(42, name)).entries.map(({ key }) => keyText(key))
      expect(held.filter((text) => text.includes(String(ALICE)))).toEqual([])
    }
    expect(await storage.users.get(42, userKey(ALICE))).toBeUndefined()
    const { limits } = await guard.users.export(ALICE)
    expect(limits.length).toBeGreaterThan(0)
    for (const { remaining, limit } of limits) expect(limit).toMatch(new RegExp(`^${remaining}/`))
    await handle(says(ALICE, 'anew', { group: true }))
    expect(reached).toEqual(['the bot is met', 'anew'])
    await guard.close()
  })

  test('are erased with the state of limits in chats where a role was held', async () => {
    const { guard, handle, reached } = desk({ throttle: { limit: '1/1h', scope: 'member', deny: 'silent' } })
    await handle(says(ALICE, 'one', { group: true }))
    await handle(says(ALICE, 'over', { group: true }))
    await guard.grant(ALICE, 'moderator', { chat: PLAZA })
    await guard.users.erase(ALICE)
    await handle(says(ALICE, 'anew', { group: true }))
    expect(reached).toEqual(['one', 'anew'])
    await guard.close()
  })

  test('are erased in a storage without an archive only for the subject itself', async () => {
    const inner = memory()
    const storage = new Proxy(inner, {
      get: (of, name) => (name === 'archive' ? undefined : Reflect.get(of, name, of)),
    })
    const { guard, handle } = desk({ storage })
    await handle(says(1, 'the bot is met'))
    await guard.grant(ALICE, 'vip')
    await guard.grant(ALICE, 'moderator', { chat: PLAZA })
    expect((await guard.users.export(ALICE)).bots[0]?.marks.map(({ name }) => name)).toEqual(['role:vip'])
    expect((await guard.users.erase(ALICE)).marks).toEqual([{ subject: `u${ALICE}`, name: 'role:vip' }])
    await guard.close()
  })

  test.each([0, 1])(
    'are erased in the available storages of failover(), and storage %i that was down is reported',
    async (away) => {
      const time = new Stage()
      const { clock, timers } = time
      const both = [0, 1].map(() => {
        const one = faulty(clock, timers)
        const { forget, marksOf } = one.kept.archive as Archive
        const work =
          <A extends unknown[], T>(work: (...args: A) => T) =>
          async (...args: A) => {
            if (one.fault !== 'none') throw new Error('connection lost')
            return work.apply(one.kept.archive, args)
          }
        return Object.assign(one, { archive: { forget: work(forget), marksOf: work(marksOf) } })
      })
      const { guard, handle } = desk({ storage: failover(both, { clock, timers }), clock, timers })
      for (const event of ['storage.down', 'storage.up'] as const) guard.on(event, () => undefined)
      await handle(says(ALICE, 'the bot is met'))
      guard.users.include('drafts', { keys: ({ id }) => [`draft:${id}`] })
      await guard.users.patch(ALICE, { note: 'likes tea' })
      await guard.storage.values.put('drafts', `draft:${ALICE}`, 'Dear …')
      await guard.grant(ALICE, 'vip')
      await settled()
      const [lost, other] = [both[away], both[1 - away]] as [Faulty, Faulty]
      lost.fault = 'refuses'
      const kept = async ({ kept: { users, values, marks } }: Faulty) => [
        await users.get(42, userKey(ALICE)),
        await values.get('drafts', `draft:${ALICE}`),
        await marks.get(42, userKey(ALICE), 'role:vip'),
      ]
      // After some failures the storage counts as down.
      for (let time = 0; time < 8; time++) {
        await expect(guard.users.erase(ALICE)).rejects.toMatchObject({
          code: 'storage.unavailable',
          message: expect.stringMatching(RegExp(`keep their data: ${away} \\([^)]+\\)\\. The others`)),
        })
        await settled()
        expect(await kept(other)).toEqual([undefined, undefined, undefined])
      }
      expect(await kept(lost)).not.toContain(undefined)
      lost.fault = 'none'
      for (let spell = 0; spell < 10; spell++) {
        time.advance(100)
        await settled()
      }
      await guard.users.erase(ALICE)
      await settled()
      expect(await kept(lost)).toEqual([undefined, undefined, undefined])
      await guard.close()
    },
  )

  test('are reported for all storages of failover() that keep them', async () => {
    const time = new Stage()
    const { clock, timers } = time
    const three = [memory({ clock }), memory({ clock }), memory({ clock })]
    for (const one of three.slice(0, 2)) {
      const { archive } = one as { archive: Archive }
      const forget = () => Promise.reject(new Error('connection lost'))
      Object.assign(one, { archive: { ...archive, marksOf: archive.marksOf.bind(archive), forget } })
    }
    const { guard, handle } = desk({ storage: failover(three, { clock, timers }), clock, timers })
    for (const event of ['storage.down', 'storage.up'] as const) guard.on(event, () => undefined)
    await handle(says(ALICE, 'the bot is met'))
    await expect(guard.users.erase(ALICE)).rejects.toThrow(
      /keep their data: 0 \([^)]+\), 1 \([^)]+\)\. The others/,
    )
    await guard.close()
  })

  test('are reported, once the bot is known, for a storage of failover() that keeps them', async () => {
    const time = new Stage()
    const { clock, timers } = time
    const both = [memory({ clock }), memory({ clock })] as const
    const { archive } = both[1] as { archive: Archive }
    const forget = () => Promise.reject(new Error('connection lost'))
    Object.assign(both[1], { archive: { ...archive, marksOf: archive.marksOf.bind(archive), forget } })
    const { guard, handle, quiet } = desk({ storage: failover(both, { clock, timers }), clock, timers })
    const told: unknown[] = []
    guard.on('storage.down', () => undefined)
    guard.on('error', ({ error, during }) => told.push([during, (error as Error).message]))
    expect(await guard.users.erase(ALICE)).toMatchObject({ waits: true })
    await handle(says(BOB, 'the bot is met'))
    await quiet()
    expect(told).toContainEqual(['users.erase', expect.stringContaining('keep their data: 1 (')])
    await guard.close()
  })

  test('are erased elsewhere if statistics cannot be reached, which is reported', async () => {
    const kept = memory()
    const { guard, handle } = desk({ storage: kept, stats: stats({ share: true }) })
    guard.users.include('drafts', { keys: ({ id }) => [`draft:${id}`] })
    await handle(says(ALICE, 'the bot is met'))
    await guard.users.patch(ALICE, { note: 'likes tea' })
    await kept.values.put('drafts', `draft:${ALICE}`, 'Dear …')
    const { put } = kept.values
    kept.values.put = (space, ...rest) => {
      if (space.startsWith('stats')) throw new Error('statistics are away')
      return put.call(kept.values, space, ...rest)
    }
    await expect(guard.users.erase(ALICE)).rejects.toThrow('statistics are away')
    expect(await kept.values.get('drafts', `draft:${ALICE}`)).toBeUndefined()
    expect(await kept.users.get(42, userKey(ALICE))).toBeUndefined()
    kept.values.put = put
    await guard.close()
  })

  test('are erased before a bot is known, also in one chat', async () => {
    const { guard, handle, reached } = desk()
    await guard.grant(ALICE, 'moderator', { chat: PLAZA })
    await guard.grant(ALICE, 'vip')
    const report = await guard.users.erase(ALICE)
    expect(report).toMatchObject({ found: true, waits: true, profiles: 0 })
    expect(report.marks).toHaveLength(2)
    await handle(says(ALICE, 'hello', { group: true }))
    expect(await guard.hasRole(ALICE, 'vip')).toBe(false)
    expect(reached).toEqual(['hello'])
    await guard.close()
  })

  test('cannot be erased with invalid options', async () => {
    const { guard } = desk()
    const { users } = guard
    for (const chats of [[0], [1.5], 'all' as unknown as number[]]) {
      await expect(users.erase(ALICE, { chats })).rejects.toMatchObject({ code: 'option.invalid' })
    }
    for (const wrong of [{}, undefined, { keys: 'all' }, { keys: () => [], owns: () => true }]) {
      expect(() => users.include('space', wrong as never)).toThrow(
        expect.objectContaining({ code: 'option.invalid' }),
      )
    }
    expect(() => users.include('', { keys: () => [] })).toThrow(
      expect.objectContaining({ code: 'value.invalid' }),
    )
    await expect(users.export('alice' as never)).rejects.toMatchObject({ code: 'subject.invalid' })
  })
})
