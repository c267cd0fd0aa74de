import { PsqlAdapter } from '@grammyjs/storage-psql'
import { RedisAdapter } from '@grammyjs/storage-redis'
import { Bot, MemorySessionStorage } from 'grammy'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { Plan } from '../../src/core/check.js'
import { memberKey, ownKey, userKey } from '../../src/core/subject.js'
import { sentinel } from '../../src/sentinel.js'
import { combine } from '../../src/storage/combine.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import type { GrammyAdapter, KeptDocument } from '../../src/storage/grammy/documents.js'
import { fromGrammyStorage } from '../../src/storage/grammy-storage.js'
import { startTelegram } from '../../src/telegram/index.js'
import { Stage } from '../middleware/rig.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'
import { closing } from './closing.js'
import { conformance } from './conformance.js'
import { settled } from './outage.js'

/** An adapter over a map, and the number of its calls. */
class Kept implements GrammyAdapter {
  readonly documents = new Map<string, string>()
  reads = 0
  writes = 0
  /** Called before each write; may throw, or take its time. */
  before: (name: string) => unknown = () => undefined

  async read(name: string): Promise<KeptDocument | undefined> {
    this.reads++
    const text = this.documents.get(name)
    return text === undefined ? undefined : (JSON.parse(text) as KeptDocument)
  }

  async write(name: string, document: KeptDocument): Promise<void> {
    this.writes++
    await this.before(name)
    this.documents.set(name, JSON.stringify(document))
  }

  async delete(name: string): Promise<void> {
    this.documents.delete(name)
  }
}

conformance('an adapter that answers later, counting in memory', {
  make: (clock) => combine({ durable: fromGrammyStorage(new Kept(), { clock }), clock }),
  schedules: 150,
})
conformance("grammY's own adapter, which answers at once and keeps what it is given", {
  make: (clock) => combine({ durable: fromGrammyStorage(new MemorySessionStorage(), { clock }), clock }),
  schedules: 50,
})

conformance('@grammyjs/storage-redis, counting in memory', {
  make: async (clock) => {
    const instance = new Redis(await sharedRedis(), { lazyConnect: true, maxRetriesPerRequest: 1 })
    const adapter = new RedisAdapter<KeptDocument>({ instance })
    const storage = combine({ durable: fromGrammyStorage(adapter, { prefix: freshName(), clock }), clock })
    return closing(storage, () => instance.quit())
  },
  schedules: 10,
})
conformance('@grammyjs/storage-psql, counting in memory', {
  make: async (clock) => {
    // A pool has the same query method as a client, and can run several queries at once.
    const pool = new pg.Pool({ connectionString: await sharedPostgres(), max: 2 })
    const tableName = freshName()
    const adapter = await PsqlAdapter.create({ tableName, client: pool as unknown as pg.Client })
    const storage = combine({ durable: fromGrammyStorage(adapter, { clock }), clock })
    return closing(storage, async () => {
      await pool.query(`DROP TABLE ${tableName}`)
      await pool.end()
    })
  },
  schedules: 10,
})

const START = 1_795_000_000_000
const ALICE = userKey(7)
const blocked: Plan = {
  name: 'main',
  scopes: ['user'],
  checks: [
    { kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] },
    { kind: 'present', guard: 'auth', slot: 'auth', subject: 0, anyOf: ['registered'], shadow: true },
  ],
}
const ask = { bot: 42, subjects: [ALICE], costs: [1, 1], tokens: [] }
const mark = { since: START }

async function holders(storage: Storage, name = 'blocked', size?: number): Promise<string[]> {
  const found: string[] = []
  let from: string | undefined
  do {
    const page = await storage.marks.scan(42, name, from, size)
    found.push(...page.entries.map(({ key }) => String(key)))
    from = page.next
  } while (from !== undefined)
  return found
}

describe('a storage made from an adapter of grammY', () => {
  test('decides by marks', async () => {
    const storage = fromGrammyStorage(new Kept(), { clock: () => START })
    const judge = await storage.prepare(blocked)
    expect(await judge.evaluate(ask, START)).toMatchObject({ refusedBy: -1, shadowRefusals: [1] })
    await storage.marks.put(42, 'blocked', [{ key: ALICE, mark }])
    expect(await judge.evaluate(ask, START)).toMatchObject({ refusedBy: 0 })
    await storage.close()
  })

  test.each<[string, Plan['checks'][number]]>([
    [
      '"user" \\(throttle\\) counts',
      { kind: 'bucket', guard: 'throttle', slot: 'user', subject: 0, limit: { amount: 1, per: 1000 } },
    ],
    [
      '"once" \\(once\\) claims',
      {
        kind: 'claim',
        guard: 'once',
        slot: 'once',
        subject: 0,
        tokens: 'sequence',
        holdFor: 1,
        whenHeld: 'refuse',
      },
    ],
  ])('refuses to count, and says what to do: %s', (complaint, check) => {
    const storage = fromGrammyStorage(new Kept())
    const prepare = () => storage.prepare({ ...blocked, checks: [...blocked.checks, check] })
    expect(prepare).toThrow(
      new RegExp(`${complaint}.*combine\\(\\{ durable: fromGrammyStorage\\(adapter\\) \\}\\)`),
    )
    expect(prepare).toThrow(expect.objectContaining({ code: 'storage.unsupported' }))
  })

  test('refuses invalid adapters and prefixes', () => {
    expect(() => fromGrammyStorage({} as GrammyAdapter)).toThrow(/no read\(\)/)
    expect(() => fromGrammyStorage(undefined as unknown as GrammyAdapter)).toThrow(/no read\(\)/)
    expect(() => fromGrammyStorage(new Kept(), { prefix: '' })).toThrow(/fromGrammyStorage\.prefix/)
  })

  test('finds everything after a restart, however many entries there are and whatever their names', async () => {
    const adapter = new Kept()
    const before = fromGrammyStorage(adapter)
    const keys = [
      ...Array.from({ length: 5000 }, (_, index) => userKey(index + 1)),
      ownKey('a/b:c{d}\0\\..%'),
      ownKey('🔑 ключ'),
      memberKey(userKey(1), -100),
    ]
    await before.marks.put(
      42,
      'blocked',
      keys.map((key) => ({ key, mark })),
    )
    await before.close()
    const after = fromGrammyStorage(adapter)
    for (const size of [undefined, 700]) {
      const found = await holders(after, 'blocked', size)
      expect(found).toHaveLength(keys.length)
      expect(new Set(found)).toEqual(new Set(keys.map(String)))
    }
    const sizes = [...adapter.documents].map(([, text]) => text.length)
    // The size of documents does not grow with the number of marks.
    expect(Math.max(...sizes)).toBeLessThan(20_000)
    for (const name of adapter.documents.keys()) expect(name).toMatch(/^[A-Za-z0-9_.~-]+$/)
    // A page at the end only reads the leaves at the end.
    const pages: number[] = []
    let from: string | undefined
    do {
      adapter.reads = 0
      const page = await after.marks.scan(42, 'blocked', from, 700)
      pages.push(adapter.reads - page.entries.length)
      from = page.next
    } while (from !== undefined)
    expect(Math.max(...pages)).toBeLessThanOrEqual(5)
    adapter.reads = 0
    adapter.writes = 0
    await after.marks.put(42, 'blocked', [{ key: userKey(9_000_000), mark }])
    expect([adapter.reads, adapter.writes]).toEqual([2, 2])
    expect(await after.marks.remove(42, 'blocked', keys)).toBe(keys.length)
    expect(await holders(after)).toEqual([String(userKey(9_000_000))])
  })

  test('keeps all of many concurrent writes', async () => {
    const adapter = new Kept()
    const storage = fromGrammyStorage(adapter)
    adapter.before = () => new Promise((done) => setImmediate(done))
    const people = Array.from({ length: 60 }, (_, index) => userKey(index + 1))
    await Promise.all(
      people.flatMap((key, index) => [
        storage.marks.put(42, 'blocked', [{ key, mark }]),
        storage.marks.put(42, 'registered', [{ key, mark }]),
        storage.users.note(42, [{ key, at: START + index, counts: { messages: 1 } }]),
        storage.users.note(42, [{ key: ALICE, at: START, counts: { messages: 1 } }]),
        storage.values.put('s', String(index), index),
      ]),
    )
    expect(await holders(storage)).toHaveLength(60)
    expect(await holders(storage, 'registered')).toHaveLength(60)
    expect((await storage.users.get(42, ALICE))?.counts).toEqual({ messages: 61 })
    expect((await storage.users.scan(42)).users).toHaveLength(60)
    expect((await storage.values.scan('s')).entries).toHaveLength(60)
    expect([...(await storage.marks.of(42, ALICE)).keys()].sort()).toEqual(['blocked', 'registered'])
  })

  test('shows each of two processes what the other has written, even if indexes split', async () => {
    const adapter = new Kept()
    const processes = [fromGrammyStorage(adapter), fromGrammyStorage(adapter)]
    for (let round = 0; round < 30; round++) {
      const keys = Array.from({ length: 50 }, (_, index) => userKey(round * 50 + index + 1))
      await processes[round % 2]?.marks.put(
        42,
        'blocked',
        keys.map((key) => ({ key, mark })),
      )
      await processes[round % 2]?.values.put('s', String(round), round)
      await processes[round % 2]?.users.note(42, [{ key: ALICE, at: START + round, counts: { rounds: 1 } }])
    }
    for (const storage of processes) {
      expect(new Set(await holders(storage, 'blocked', 100)).size).toBe(1500)
      expect((await storage.values.scan('s')).entries).toHaveLength(30)
      expect(await storage.users.get(42, ALICE)).toMatchObject({
        lastSeen: START + 29,
        counts: { rounds: 30 },
      })
    }
    expect(await processes[0]?.marks.remove(42, 'blocked', [userKey(1500), userKey(1)])).toBe(2)
    expect(await holders(processes[1] as Storage)).toHaveLength(1498)
  })

  test('a mark that was half written either holds or not, and putting it again repairs it', async () => {
    const adapter = new Kept()
    const storage = fromGrammyStorage(adapter)
    for (const broken of ['marked', 'marks']) {
      adapter.before = (name) => {
        if (name.startsWith(`sentinel.${broken}.`)) throw new Error('redis://user:secret@host is away')
      }
      const put = (): unknown => storage.marks.put(42, 'blocked', [{ key: ALICE, mark }])
      await expect(put()).rejects.toMatchObject({
        code: 'storage.failed',
        message: expect.not.stringContaining('secret'),
      })
      expect(await holders(storage)).toEqual([])
      expect(await storage.marks.get(42, ALICE, 'blocked')).toBeUndefined()
    }
    adapter.before = () => undefined
    await storage.marks.put(42, 'blocked', [{ key: ALICE, mark }])
    expect(await holders(storage)).toEqual([String(ALICE)])
    // Another process wrote the same leaf at the same time, so this process's entry is lost.
    adapter.documents.delete('sentinel.marked.42.blocked')
    expect(await holders(storage)).toEqual([])
    expect(await storage.marks.get(42, ALICE, 'blocked')).toEqual(mark)
    await storage.marks.put(42, 'blocked', [{ key: ALICE, mark }])
    expect(await holders(storage)).toEqual([String(ALICE)])
  })

  test('deletes lapsed entries when it meets them', async () => {
    let now = START
    const adapter = new Kept()
    const storage = fromGrammyStorage(adapter, { clock: () => now })
    const people = Array.from({ length: 30 }, (_, index) => userKey(index + 1))
    const until = START + 1000
    await storage.marks.put(
      42,
      'blocked',
      people.map((key) => ({ key, mark: { since: START, until } })),
    )
    await storage.marks.put(42, 'registered', [{ key: userKey(1), mark }])
    for (let key = 0; key < 30; key++) await storage.values.put('s', String(key), key, until)
    expect(adapter.documents.size).toBeGreaterThan(60)
    now = until
    expect(await holders(storage)).toEqual([])
    expect(await storage.values.scan('s')).toEqual({ entries: [] })
    // What remains: one registered user, and the index of registered users.
    expect([...adapter.documents.keys()].sort()).toEqual([
      'sentinel.marked.42.registered',
      'sentinel.marks.42.u1',
    ])
  })

  test('deletes nothing that was put again meanwhile', async () => {
    let now = START
    const adapter = new Kept()
    const storage = fromGrammyStorage(adapter, { clock: () => now })
    await storage.marks.put(42, 'blocked', [{ key: ALICE, mark: { since: START, until: START + 1 } }])
    await storage.values.put('s', 'k', 'old', START + 1)
    now = START + 1
    const { read } = adapter
    /** Runs `write` right after a document was read, before the reader gets it. */
    const onceRead = async (name: string, write: () => unknown, during: () => unknown): Promise<void> => {
      let written: unknown
      adapter.read = async (of) => {
        const found = await read.call(adapter, of)
        if (of === name) {
          adapter.read = read
          written = write()
          await new Promise((done) => setImmediate(done))
        }
        return found
      }
      await during()
      await written
    }
    await onceRead(
      'sentinel.marks.42.u7',
      () => storage.marks.put(42, 'blocked', [{ key: ALICE, mark }]),
      () => storage.marks.scan(42, 'blocked'),
    )
    await onceRead(
      'sentinel.value.s.k',
      () => storage.values.put('s', 'k', 'newer'),
      () => storage.values.scan('s'),
    )
    expect(await holders(storage)).toEqual([String(ALICE)])
    expect(await storage.marks.get(42, ALICE, 'blocked')).toEqual(mark)
    expect(await storage.values.get('s', 'k')).toBe('newer')
    expect((await storage.values.scan('s')).entries).toEqual([{ key: 'k', value: 'newer' }])
  })

  test('rejects foreign data, instead of treating them as empty', async () => {
    const adapter = new Kept()
    const storage = fromGrammyStorage(adapter)
    adapter.documents.set('sentinel.marks.42.u7', '{"pizzas":1}')
    await expect((async () => storage.marks.get(42, ALICE, 'blocked'))()).rejects.toThrow(
      /holds other data.*prefix/,
    )
    adapter.documents.set('sentinel.marks.42.u7', '{"json":"{"}')
    await expect((async () => storage.marks.get(42, ALICE, 'blocked'))()).rejects.toThrow(
      /holds other data.*prefix/,
    )
  })

  const put: Readonly<Record<string, (storage: Storage) => unknown>> = {
    marks: ({ marks }) => marks.put(42, 'blocked', [{ key: ALICE, mark }]),
    values: ({ values }) => values.put('s', 'k', 1),
    users: ({ users }) => users.note(42, [{ key: ALICE, at: START, counts: { tea: 1 } }]),
  }
  const take: typeof put = {
    marks: ({ marks }) => marks.remove(42, 'blocked', [ALICE]),
    values: ({ values }) => values.remove('s', 'k'),
    users: ({ users }) => users.erase(42, ALICE),
  }

  test.each([
    ['read', put],
    ['write', put],
    ['delete', take],
  ] as const)(
    'gives up a %s that is never answered after ten seconds, and continues with the next in the queue',
    async (method, works) => {
      const adapter = new Kept()
      let hangs = false
      const calls = new Proxy(adapter, {
        get(of, name) {
          if (name !== method || !hangs) return Reflect.get(of, name)
          hangs = false
          return () => new Promise(() => undefined)
        },
      })
      const time = new Stage()
      const storage = fromGrammyStorage(calls, { clock: time.clock, timers: time.timers })
      for (const [kind, work] of Object.entries(works)) {
        await put[kind]?.(storage)
        hangs = true
        const first = (async () => work(storage))()
        let over = 0
        const later = [1, 2].map(async () => {
          await work(storage)
          over++
        })
        const refused = expect(first).rejects.toMatchObject({
          code: 'storage.failed',
          message: expect.stringContaining(`failed to ${method}`),
          cause: expect.objectContaining({ code: 'TIMEOUT' }),
        })
        await settled()
        time.advance(9999)
        await settled()
        expect(over).toBe(0)
        time.advance(1)
        await refused
        await Promise.all(later)
        await take[kind]?.(storage)
      }
      expect(await holders(storage)).toEqual([])
      expect((await storage.users.scan(42)).users).toEqual([])
      expect(await storage.values.get('s', 'k')).toBeUndefined()
      await storage.close()
    },
  )

  test('reports its health by asking the adapter', async () => {
    const adapter = new Kept()
    const storage = fromGrammyStorage(adapter)
    expect(await storage.health()).toEqual({ ok: true, kind: 'grammy' })
    adapter.read = async () => Promise.reject(new Error('away'))
    await expect((async () => storage.health())()).rejects.toMatchObject({ code: 'storage.failed' })
    await storage.close()
    expect(await storage.health()).toEqual({ ok: false, kind: 'grammy' })
  })

  test('keeps a block list over a restart of the bot', async () => {
    const adapter = new Kept()
    const telegram = await startTelegram()
    try {
      const account = telegram.createBot({ username: 'restarted_bot' })
      const [alice, bob] = ['Alice', 'Bob'].map((firstName) => telegram.createUser({ firstName }))
      const reached: string[] = []
      for (const life of ['first', 'second']) {
        const bot = new Bot(account.token, { client: { apiRoot: telegram.apiRoot } })
        const storage = combine({ durable: fromGrammyStorage(adapter) })
        const guard = sentinel({ storage, throttle: '3/1h' })
        bot.use(guard)
        bot.on('message:text', (ctx) => {
          reached.push(`${life} ${ctx.from.first_name} ${ctx.msg.text}`)
        })
        const running = bot.start()
        for (const text of ['1', '2', '3', '4']) await bob?.to(account).sends(text)
        await alice?.to(account).sends('hello')
        await telegram.settled()
        if (life === 'first') await guard.block(alice?.id ?? 0, { reason: 'spam' })
        expect((await guard.blockOf(alice?.id ?? 0))?.reason).toBe('spam')
        await bot.stop()
        await running
        await guard.close()
        await storage.close()
      }
      expect(reached.filter((line) => line.includes('Alice'))).toEqual(['first Alice hello'])
      expect(reached.filter((line) => line.includes('Bob'))).toHaveLength(6)
    } finally {
      await telegram.close()
    }
  })
})
