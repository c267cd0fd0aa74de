import { Redis } from 'ioredis'
import type { Check, Plan } from '../../../src/core/check.js'
import { GLOBAL_KEY, userKey } from '../../../src/core/subject.js'
import type { MarkPage, Storage } from '../../../src/storage/contract/storage.js'
import { redis } from '../../../src/storage/redis/index.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, askOf, BOB, BOT, blocked, bucket, claim, DEFAULT, once, planOf } from './desk.js'

const PER = 300
/** Every kind of temporary state, with short spans. */
const onRefusal = { penalty: { after: 1, within: PER, bans: [PER] }, noticeEvery: PER }
const windows = (['log', 'counters', 'fixed'] as const).map(
  (form): Check => ({
    kind: 'window',
    form,
    guard: 'throttle',
    slot: form,
    subject: 0,
    limit: { amount: 3, per: PER },
  }),
)
const BRIEF: Plan = planOf(
  blocked,
  once({ holdFor: PER, retry: true, lease: PER }),
  claim({ slot: 'debounce', holdFor: PER }),
  claim({ slot: 'leased', holdFor: PER, lease: PER, retry: true }),
  ...windows,
  { ...bucket(1, PER), onRefusal } as Check,
)

describe('the expiry of keys', () => {
  let admin: Redis
  let prefix: string
  let storage: Storage
  beforeAll(async () => {
    admin = new Redis(await sharedRedis())
  })
  afterAll(() => admin.disconnect())
  beforeEach(async () => {
    prefix = freshName()
    storage = redis(await sharedRedis(), { prefix })
  })
  afterEach(async () => storage.close())

  const keys = async (): Promise<string[]> => (await admin.keys(`${prefix}:*`)).sort()
  const lives = async (names: readonly string[]): Promise<number[]> =>
    Promise.all(names.map((name) => admin.pttl(name)))

  /** Creates some of every kind of state that limits have. */
  async function use(): Promise<void> {
    const judge = await storage.prepare(BRIEF)
    const refusals = new Set<number>()
    for (let token = 1; token <= 8; token++) {
      const { refusedBy, receipt } = await judge.evaluate(
        askOf(token % 2 === 0 ? ALICE : BOB, [token, token, token]),
      )
      refusals.add(refusedBy)
      if (receipt !== undefined && token === 1) await judge.settle(receipt, 'release')
    }
    // Some updates passed, and some were penalised.
    expect(refusals).toEqual(new Set([-1, 7]))
  }

  test('counts of limits expire soon after they become irrelevant; the clock of a bot and its plans do not expire', async () => {
    await use()
    const names = await keys()
    // Two records, the bits of update ids, the leases of updates in progress, and the list of bit fields.
    expect(names.map((name) => name.replace(`${prefix}:{${BOT}}:`, '').replace(/[0-9a-f]{8}/, '…'))).toEqual([
      'clock',
      'plans',
      'r…:u7',
      'r…:u8',
      's…:g',
      's…:g:0',
      's…:g:0:r',
    ])
    const [clock, plans, ...rest] = await lives(names)
    expect([clock, plans]).toEqual([-1, -1])
    for (const left of rest) {
      expect(left).toBeGreaterThan(PER)
      expect(left).toBeLessThan(PER + 125_000)
    }
  })

  test('marks, users and values do not expire as keys; those with an end lapse and are swept', async () => {
    await storage.prepare(BRIEF)
    const mark = { since: 1 }
    await storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark }])
    await storage.marks.put(BOT, 'role:vip', [{ key: ALICE, mark: { since: 1, until: Date.now() + PER } }])
    await storage.users.note(BOT, [{ key: ALICE, at: 1, counts: { messages: 1 } }])
    await storage.values.put('space', 'key', { some: 'value' })
    await storage.values.put('space', 'key', { some: 'value' }, Date.now() + PER)
    const names = await keys()
    expect(names.length).toBeGreaterThan(6)
    expect(await lives(names)).toEqual(names.map(() => -1))
    await until(
      'the mark has lapsed',
      async () => (await storage.marks.get(BOT, ALICE, 'role:vip')) === undefined,
    )
    await until('the value has lapsed', async () => (await storage.values.get('space', 'key')) === undefined)
    // The next write of the same mark sweeps the lapsed ones.
    await storage.marks.put(BOT, 'role:vip', [{ key: BOB, mark }])
    expect(await admin.zrange(`${prefix}:{${BOT}}:h:role:vip`, '0', '-1')).toEqual(['u8'])
    await storage.marks.remove(BOT, 'role:vip', [BOB])
    await storage.marks.remove(BOT, 'blocked', [ALICE])
    await storage.users.erase(BOT, ALICE)
    await storage.values.remove('space', 'key')
    // The clock exists after the first evaluation.
    expect((await keys()).filter((name) => !/:(clock|plans)$/.test(name))).toEqual([])
  })

  test('records stay alive while they are used, without a new expiry each time', async () => {
    const judge = await storage.prepare(planOf(bucket(1000, 1000)))
    await judge.evaluate(askOf())
    const [name] = (await keys()).filter((each) => each.endsWith(':u7'))
    await admin.config('RESETSTAT')
    for (let nth = 0; nth < 20; nth++) await judge.evaluate(askOf())
    expect(await admin.pttl(name as string)).toBeGreaterThan(1000)
    const text = await admin.info('commandstats')
    expect(Number(/cmdstat_setrange:calls=(\d+)/.exec(text)?.[1])).toBe(20)
  })
})

describe('with a server of its own', () => {
  let server: RedisServer
  let admin: Redis
  beforeAll(async () => {
    server = await startRedis()
    admin = new Redis(server.url)
  })
  afterAll(async () => {
    admin.disconnect()
    await server.stop()
  })
  afterEach(async () => admin.flushall())

  test('counts of limits are removed when they have expired', async () => {
    const storage = redis(server.url)
    const judge = await storage.prepare(
      planOf(claim({ slot: 'debounce', holdFor: 20 }), ...windows.slice(1), bucket(1000, 1000)),
    )
    for (let user = 1; user <= 50; user++) await judge.evaluate(askOf(userKey(user), [user]))
    expect(await admin.dbsize()).toBe(52)
    // They expire half a minute after they become irrelevant. The test brings the expiry forward instead of waiting.
    const names = (await admin.keys('*')).filter((name) => !/:(clock|plans)$/.test(name))
    const left = await Promise.all(names.map((name) => admin.pttl(name)))
    expect(Math.min(...left)).toBeGreaterThan(30_000 - 1000)
    expect(Math.max(...left)).toBeLessThan(35_000)
    for (const [nth, name] of names.entries()) await admin.pexpire(name, (left[nth] as number) - 30_500)
    await until("only what is the bot's is left", async () => (await admin.dbsize()) === 2)
    expect((await admin.keys('*')).sort()).toEqual([`sentinel:{${BOT}}:clock`, `sentinel:{${BOT}}:plans`])
    await storage.close()
  })

  test('marks that have lapsed are examined a thousand at a time, and deleted once they were read', async () => {
    let now = 1_000_000
    const storage = redis(server.url, { clock: () => now })
    const ending = Array.from({ length: 2500 }, (_, nth) => ({
      key: userKey(1_000_000 + nth),
      mark: { since: now, until: now + 1000 },
    }))
    await storage.marks.put(BOT, 'blocked', ending)
    await storage.marks.put(BOT, 'blocked', [{ key: userKey(9_000_000), mark: { since: now } }])
    await storage.marks.put(BOT, 'role:vip', [{ key: userKey(1_000_000), mark: { since: now } }])
    now += 2000
    const pages: number[] = []
    const read: unknown[] = []
    for (let next: string | undefined = ''; next !== undefined; ) {
      const page: MarkPage = await storage.marks.scan(BOT, 'blocked', next)
      pages.push(page.entries.length)
      read.push(...page.entries.map(({ key }) => key))
      next = page.next
    }
    expect(read).toEqual([userKey(9_000_000)])
    expect(pages.length).toBeGreaterThanOrEqual(3)
    expect(await admin.zcard(`sentinel:{${BOT}}:h:blocked`)).toBe(1)
    expect(await admin.zcard(`sentinel:{${BOT}}:l:blocked`)).toBe(0)
    expect(await admin.keys(`sentinel:{${BOT}}:m:*`)).toHaveLength(2)
    await storage.close()
  })

  test('a write of marks deletes as many lapsed ones as it writes', async () => {
    let now = 1_000_000
    const storage = redis(server.url, { clock: () => now })
    const wave = (from: number) =>
      Array.from({ length: 500 }, (_, nth) => ({
        key: userKey(from + nth),
        mark: { since: now, until: now + 1000 },
      }))
    await storage.marks.put(BOT, 'blocked', wave(1_000_000))
    now += 2000
    await storage.marks.put(BOT, 'blocked', wave(2_000_000))
    expect(await admin.zcard(`sentinel:{${BOT}}:h:blocked`)).toBe(500)
    await storage.close()
  })

  test('evicting keys that expire spares blocks, roles, users and values', async () => {
    await admin.config('SET', 'maxmemory-policy', 'volatile-lru')
    const storage = redis(server.url)
    const judge = await storage.prepare(planOf(blocked, bucket(10, 86_400_000)))
    const keys = Array.from({ length: 500 }, (_, nth) => userKey(nth + 1))
    await storage.marks.put(
      BOT,
      'blocked',
      keys.map((key) => ({ key, mark: { since: 1 } })),
    )
    await storage.users.note(
      BOT,
      keys.map((key) => ({ key, at: 1 })),
    )
    const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1])
    await admin.config('SET', 'maxmemory', String(used + 1_000_000))
    for (let from = 0; from < 20_000; from += 1000) {
      await Promise.all(
        Array.from({ length: 1000 }, (_, nth) => judge.evaluate(askOf(userKey(1_000_000 + from + nth)))),
      )
    }
    const evicted = Number(/evicted_keys:(\d+)/.exec(await admin.info('stats'))?.[1])
    expect(evicted).toBeGreaterThan(1000)
    const decisions = await Promise.all(keys.map((key) => judge.evaluate(askOf(key))))
    expect(decisions.every(({ refusedBy }) => refusedBy === 0)).toBe(true)
    expect((await storage.users.scan(BOT)).users).toHaveLength(500)
    await admin.config('SET', 'maxmemory', '0')
    await admin.config('SET', 'maxmemory-policy', 'noeviction')
    await storage.close()
  })

  test('an active user takes as many bytes as documented', async () => {
    const USERS = 10_000
    const storage = redis(server.url)
    const judge = await storage.prepare(DEFAULT)
    const message = [1, 1, 0, 0, 1, 0, 0]
    const ask = (user: number, token: number) => ({
      bot: 7_000_000_000,
      subjects: Array.from({ length: 4 }, (_, scope) => (scope === 1 ? GLOBAL_KEY : userKey(user))),
      costs: message,
      tokens: [token],
    })
    // A first user, so that keys that exist only once are not counted.
    await judge.evaluate(ask(1, 1))
    const memory = async (): Promise<number> =>
      Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1])
    const before = await memory()
    for (let from = 0; from < USERS; from += 1000) {
      await Promise.all(
        Array.from({ length: 1000 }, (_, nth) => {
          const user = 6_000_000_000 + from + nth
          return judge.evaluate(ask(user, from + nth))
        }),
      )
    }
    const each = ((await memory()) - before) / USERS
    const [name] = await admin.keys('sentinel:{7000000000}:r*:u6000000007')
    const own = Number(await admin.memory('USAGE', name as string))
    const measured = { own, each: Math.round(each) }
    expect(measured.own).toBeLessThanOrEqual(BYTES_OF_KEY)
    expect(measured.own).toBeGreaterThan(BYTES_OF_KEY * 0.8)
    expect(measured.each).toBeLessThanOrEqual(BYTES_OF_USER)
    expect(measured.each).toBeGreaterThan(BYTES_OF_USER * 0.7)
    await storage.close()
  })
})

/** As in `docs/redis.md`: by MEMORY USAGE, and of all memory of the server, tables and expiry included. */
const BYTES_OF_KEY = 170
const BYTES_OF_USER = 250
