import { type SentinelOptions, sentinel } from '../../src/index.js'
import { formatStats, type StatsOptions, stats } from '../../src/observability/stats/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { Stage } from '../middleware/rig.js'
import { desk, later, says, taps } from '../sentinel/desk.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { settled } from '../storage/outage.js'

/** An id whose digits occur nowhere else. */
const ERASED = 5_551_237_777

/** A sentinel that collects statistics; its window begins with a slot. */
function counted(options: StatsOptions = {}, guarded: SentinelOptions = {}) {
  return desk({ throttle: { limit: '3/1m' }, ...guarded, stats: stats(options) })
}

test('a report contains updates by activity, denials and the most active users', async () => {
  const { guard, says: say, handle } = counted()
  await say(7, 'a', 'b', 'c', 'd', 'e')
  await say(8, 'a')
  await guard.block(9)
  await say(9, 'a')
  await handle(taps(8, 'x'))
  const again = says(8, 'twice')
  await handle(again)
  await handle(again)
  expect(await guard.stats()).toEqual({
    from: expect.any(Number),
    until: expect.any(Number),
    workers: 1,
    updates: 9,
    allowed: 6,
    denied: 3,
    shadow: 0,
    active: 3,
    activities: [
      { activity: 'message', count: 8 },
      { activity: 'tap', count: 1 },
    ],
    denials: [
      { guard: 'throttle', reason: 'limited', count: 2 },
      { guard: 'block', reason: 'blocked', count: 1 },
    ],
    talkers: [
      { kind: 'user', id: 7, atLeast: 5, atMost: 5 },
      { kind: 'user', id: 8, atLeast: 3, atMost: 3 },
      { kind: 'user', id: 9, atLeast: 1, atMost: 1 },
    ],
    refused: [
      { kind: 'user', id: 7, atLeast: 2, atMost: 2 },
      { kind: 'user', id: 9, atLeast: 1, atMost: 1 },
    ],
  })
})

test('updates that a handler denies count as denied, and shadow denials are counted', async () => {
  const { guard, says: say } = desk({ throttle: { limit: '1/1m', shadow: true }, stats: stats() }, (bot) =>
    bot.use((ctx) => ctx.sentinel.deny()),
  )
  await say(7, 'a', 'b')
  expect(await guard.stats()).toMatchObject({ updates: 2, allowed: 0, denied: 2, shadow: 1 })
})

test('an update whose handler fails is counted once, however often it is redelivered', async () => {
  const { guard, handle } = desk({ stats: stats() }, (bot) =>
    bot.use(async (ctx) => {
      if (ctx.msg?.text === 'mine') await ctx.sentinel.deny()
      throw new Error('not today')
    }),
  )
  const [failing, denied] = [says(7, 'a'), says(8, 'mine')]
  for (const update of [failing, failing, failing, denied, denied]) {
    await expect(handle(update)).rejects.toThrow('not today')
  }
  expect(await guard.stats()).toMatchObject({
    updates: 2,
    allowed: 1,
    denied: 1,
    activities: [{ activity: 'message', count: 2 }],
    refused: [{ id: 8, atMost: 1 }],
  })
})

test('an update that several guards in shadow mode would deny is counted once', async () => {
  const { guard, says: say } = counted(
    {},
    {
      throttle: [
        { limit: '1/1m', name: 'a', shadow: true },
        { limit: '1/1m', name: 'b', scope: 'chat', shadow: true },
      ],
    },
  )
  await say(7, 'a', 'b', 'c')
  expect(await guard.stats()).toMatchObject({ updates: 3, denied: 0, shadow: 2 })
})

test('an update allowed in one slot and denied by its handler in the next is counted once in each window', async () => {
  let now = Date.UTC(2026, 0, 1, 0, 4, 55)
  const clock = (): number => now
  const storage = later(memory({ clock }))
  const workerOf = () =>
    desk({ storage, clock, name: 'shop', stats: stats() }, (bot) =>
      bot.use(async (ctx) => {
        now += 10_000
        if (ctx.msg?.text === 'slow') await ctx.sentinel.deny()
      }),
    )
  const [first, second] = [workerOf(), workerOf()]
  await first.says(7, 'slow')
  await first.guard.close()
  await second.says(8, 'quick')
  expect(await second.guard.stats()).toMatchObject({ workers: 2, updates: 2, allowed: 1, denied: 1 })
  // The slot in which the update was allowed is out of the window; the slot in which it was denied is not.
  now = Date.UTC(2026, 0, 1, 1, 3)
  expect(await second.guard.stats()).toMatchObject({ updates: 1, allowed: 0, denied: 1 })
  await second.guard.close()
})

describe('bots that share a storage', () => {
  test('are counted separately, even if their sentinels have the same name', async () => {
    const storage = later(memory())
    const now = Date.now()
    const sentinelOf = () => counted({}, { storage, name: '1', clock: () => now })
    const [shop, help, third] = [sentinelOf(), sentinelOf(), sentinelOf()]
    const other = help.another(99)
    await shop.says(7, 'a')
    await other.handle(says(8, 'b'))
    await other.handle(says(8, 'c'))
    await help.guard.close()
    expect(await shop.guard.stats()).toMatchObject({ workers: 1, updates: 1, talkers: [{ id: 7 }] })
    const helped = third.another(99)
    await helped.handle(says(9, 'd'))
    expect(await third.guard.stats()).toMatchObject({ workers: 2, updates: 3, active: 2 })
    await Promise.all([shop.guard.close(), third.guard.close()])
    // A sentinel that has not met a bot reports all bots.
    expect(await sentinelOf().guard.stats()).toMatchObject({ workers: 4, updates: 4 })
  })

  test('are counted separately by long names that differ only at the end', async () => {
    const storage = later(memory())
    const now = Date.now()
    const name = 'n'.repeat(58)
    const [one, two] = ['a', 'b'].map((end) => counted({}, { storage, name: name + end, clock: () => now }))
    await one?.says(7, 'a')
    await one?.guard.close()
    await two?.says(8, 'b')
    expect(await two?.guard.stats()).toMatchObject({ workers: 1, updates: 1 })
    await two?.guard.close()
    const again = counted({}, { storage, name: `${name}a`, clock: () => now })
    expect((await again.guard.stats()).updates).toBe(1)
    await again.guard.close()
  })
})

test('updates older than the window are dropped, slot by slot', async () => {
  const { guard, says: say, time } = counted({ window: '10m', slots: 10 })
  await say(7, 'a')
  time.advance(60_000)
  await say(8, 'a')
  time.advance(8 * 60_000)
  expect(await guard.stats()).toMatchObject({ updates: 2, until: time.now, from: time.now - 9 * 60_000 })
  time.advance(60_000)
  expect(await guard.stats()).toMatchObject({ updates: 1, active: 1, talkers: [{ id: 8 }] })
  time.advance(60_000)
  expect(await guard.stats()).toMatchObject({ updates: 0, active: 0, talkers: [] })
})

test('a clock that jumps back and forth loses no counts', async () => {
  const { guard, says: say, time } = counted({ window: '10m', slots: 10 })
  await say(7, 'a')
  for (let nth = 0; nth < 50; nth++) {
    time.now += nth % 2 === 0 ? 3_600_000 : -3_600_000
    await say(7, 'a')
  }
  expect((await guard.stats()).updates).toBeGreaterThan(20)
})

test('the most active of 2,001 users is found with 100 counters, within bounds', async () => {
  const { guard, handle } = counted({ counters: 100 }, { throttle: false, debounce: false })
  for (let nth = 0; nth < 2000; nth++) {
    await handle(says(100_000 + nth, 'x'))
    if (nth % 10 === 0) await handle(says(7, 'x'))
  }
  const { talkers, active, updates } = await guard.stats({ top: 1 })
  expect(updates).toBe(2200)
  expect(talkers[0]?.id).toBe(7)
  expect(talkers[0]?.atLeast).toBeLessThanOrEqual(200)
  expect(talkers[0]?.atMost).toBeGreaterThanOrEqual(200)
  expect(talkers[0]?.atMost).toBeLessThanOrEqual(200 + 22)
  expect(Math.abs(active - 2001)).toBeLessThan(2001 * 0.1)
})

const STORAGES: readonly (readonly [string, () => Promise<() => Storage>])[] = [
  [
    'asynchronous memory',
    async () => {
      const shared = later(memory())
      return () => shared
    },
  ],
  [
    'Redis',
    async () => {
      const [url, prefix] = [await sharedRedis(), freshName()]
      return () => redis(url, { prefix })
    },
  ],
  [
    'Postgres',
    async () => {
      const [url, schema] = [await sharedPostgres(), freshName()]
      return () => postgres(url, { schema })
    },
  ],
]

test('workers with different windows, as in a rolling release, count each other within their own windows', async () => {
  let now = Date.UTC(2026, 0, 1, 12, 30)
  const clock = (): number => now
  const storage = later(memory({ clock }))
  const workerOf = (window: '1h' | '1d') => counted({ window }, { storage, clock, name: 'shop' })
  const [hour, day] = [workerOf('1h'), workerOf('1d')]
  await hour.says(7, 'a')
  await day.says(8, 'a', 'b')
  await hour.guard.close()
  await day.guard.close()
  const [nextHour, nextDay] = [workerOf('1h'), workerOf('1d')]
  for (const { guard } of [nextHour, nextDay]) {
    expect(await guard.stats()).toMatchObject({ workers: 3, updates: 3 })
  }
  now += 3 * 3_600_000
  expect(await nextHour.guard.stats()).toMatchObject({ workers: 1, updates: 0 })
  expect(await nextDay.guard.stats()).toMatchObject({ workers: 2, updates: 2 })
})

describe('an erased user', () => {
  /** Two workers that have shared their counts of a user, whom the first worker then erases. */
  async function erased(first: StatsOptions, second: StatsOptions) {
    const time = new Stage()
    const { clock, timers } = time
    const storage = Object.assign(memory({ clock }), { remote: true })
    const workerOf = (options: StatsOptions) =>
      counted(options, { storage, name: 'shop', clock, timers, throttle: false })
    const [one, other] = [workerOf(first), workerOf(second)]
    await one.says(8, 'a')
    await other.says(ERASED, 'a', 'b')
    time.advance(10_000)
    await settled()
    await one.guard.users.erase(ERASED)
    return { time, storage, one: one.guard, other: other.guard, says: other.says }
  }
  const isNamed = ({ talkers }: { readonly talkers: readonly { readonly id: number }[] }): boolean =>
    talkers.some(({ id }) => id === ERASED)

  test('is no longer named in the counts of another worker', async () => {
    const { other } = await erased({}, {})
    const report = await other.stats({ workers: 'this' })
    expect(report.updates).toBe(2)
    expect(isNamed(report)).toBe(false)
    await other.close()
  })

  test('is not named by a worker with a longer window', async () => {
    const { time, one, other } = await erased({ window: '10m' }, { window: '1d' })
    time.advance(12 * 60_000)
    const report = await other.stats()
    expect(report.updates).toBe(2)
    expect(isNamed(report)).toBe(false)
    await Promise.all([one.close(), other.close()])
  })

  test('does not remove what another worker counts at the same moment', async () => {
    const { time, storage, one, other, says: saysToOther } = await erased({}, {})
    const { scan } = storage.values
    storage.values.scan = async (space, ...rest) => {
      const page = await scan.call(storage.values, space, ...rest)
      if (space === 'stats:shop') {
        storage.values.scan = scan
        await saysToOther(8, 'while the page is on its way')
        await other.close()
      }
      return page
    }
    await saysToOther(ERASED, 'a word more')
    time.advance(10_000)
    await settled()
    await one.users.erase(ERASED)
    const report = await one.stats()
    expect(report.updates).toBe(5)
    expect(isNamed(report)).toBe(false)
    await one.close()
  })

  test('a worker reports its own counts while the storage is unavailable', async () => {
    const { storage, other } = await erased({}, {})
    const failures: string[] = []
    other.on('error', ({ during }) => failures.push(during))
    other.on('storage.down', () => undefined)
    storage.values.scan = () => Promise.reject(new Error('connection lost'))
    expect(await other.stats({ workers: 'this' })).toMatchObject({ workers: 1, updates: 2 })
    expect(failures).toContain('stats.share')
    await other.close()
  })
})

describe.each(STORAGES)('workers that share %s', (_, open) => {
  test('do not name a user erased by one of them, until that user returns', async () => {
    const storageOf = await open()
    const time = new Stage()
    const [now, begun] = [Date.now(), time.now]
    const storages: Storage[] = []
    const worker = () => {
      const storage = storageOf()
      storages.push(storage)
      const clock = () => now + time.now - begun
      return counted({}, { storage, name: 'shop', clock, timers: time.timers })
    }
    const [one, two] = [worker(), worker()]
    for (const { says: say } of [one, two]) {
      await say(ERASED, 'a', 'b', 'c', 'd')
      await say(8, 'a')
      time.advance(10_000)
    }
    const reader = worker()
    await until('both have shared', async () => (await reader.guard.stats()).workers === 3)
    await one.guard.users.erase(ERASED)
    expect(JSON.stringify(await storages[0]?.values.scan('stats:shop'))).not.toContain(String(ERASED))
    for (const { guard } of [two, one, reader, worker()]) {
      const { talkers, refused, updates } = await guard.stats()
      expect(JSON.stringify([talkers, refused])).not.toContain(String(ERASED))
      expect(talkers[0]).toMatchObject({ id: 8, atLeast: 2 })
      expect(updates).toBe(10)
    }
    time.advance(600_000)
    await two.says(ERASED, 'again')
    expect((await one.guard.stats()).talkers.find(({ id }) => id === ERASED)).toBeUndefined()
    expect((await two.guard.stats()).talkers.find(({ id }) => id === ERASED)).toMatchObject({ atLeast: 1 })
    await Promise.all([one.guard.close(), two.guard.close()])
    for (const storage of storages) await storage.close()
  })

  test('add up, without counting a user twice', async () => {
    const storageOf = await open()
    const [one, other] = [storageOf(), storageOf()]
    const now = Date.now()
    const workers = [one, other].map((storage) =>
      counted({}, { storage, name: 'shop', clock: () => now, throttle: false }),
    )
    const [first, second] = workers as [ReturnType<typeof counted>, ReturnType<typeof counted>]
    await first.says(7, 'a', 'b')
    await first.says(8, 'a')
    await second.says(7, 'c')
    await second.guard.close()
    const all = await first.guard.stats()
    expect(all).toMatchObject({ workers: 2, updates: 4, active: 2 })
    expect(all.talkers.map(({ id, atMost }) => [id, atMost])).toEqual([
      [7, 3],
      [8, 1],
    ])
    expect(await first.guard.stats({ workers: 'this' })).toMatchObject({ workers: 1, updates: 3 })
    await first.guard.close()
    await Promise.all([one.close(), other.close()])
  })
})

test('counts that a storage refuses are reported as an error, and written later', async () => {
  const storage = later(memory())
  let down = true
  const put = storage.values.put.bind(storage.values)
  const values = {
    ...storage.values,
    put: async (...args: Parameters<typeof put>) => {
      if (down) throw new Error('down')
      await put(...args)
    },
  }
  const clock = (): number => Date.now()
  const worker = counted({ every: '1s' }, { storage: { ...storage, values }, name: 'shop', clock })
  const failures: string[] = []
  worker.guard.on('error', ({ during }) => failures.push(during))
  worker.guard.on('storage.down', () => undefined)
  await worker.says(7, 'a')
  worker.time.advance(1000)
  while (failures.length === 0) await new Promise((done) => setImmediate(done))
  expect(failures).toContain('stats.share')
  down = false
  await worker.guard.close()
  const kept = (await storage.values.scan('stats:shop')).entries
  expect(kept.map(({ value }) => (value as { counts: number[] }).counts)).toEqual([[1, 1, 0, 0]])
})

test('foreign values in the storage are ignored', async () => {
  const storage = later(memory())
  await storage.values.put('stats:shop', 'x.1', { index: 1 })
  await storage.values.put('stats:shop', 'x.2', 'odd')
  const { guard, says: say } = counted({}, { storage, name: 'shop' })
  await say(7, 'a')
  expect(await guard.stats()).toMatchObject({ workers: 1, updates: 1 })
  await guard.close()
})

describe('a report', () => {
  async function some() {
    const { guard, says: say } = counted()
    await say(7, 'a', 'b', 'c', 'd')
    return guard.stats()
  }

  test('can be formatted as text', async () => {
    expect(formatStats(await some(), 'text')).toMatch(
      /^The last \d+ min, 1 worker\n4 updates by about 1 users\n1 denied \(25\.0 %\)\n\nActivities\n {2}message: 4\n\nDenials\n {2}throttle limited: 1\n\nWho sent most\n {2}user 7: 4\n\nWho was denied most\n {2}user 7: 1$/,
    )
  })

  test('can be formatted as JSON, without loss', async () => {
    const report = await some()
    expect(JSON.parse(formatStats(report, 'json'))).toEqual(report)
  })

  test('can be formatted as CSV, with one number per line', async () => {
    const report = { ...(await some()), denials: [{ guard: '=cmd"', reason: 'a,b', count: 1 }] }
    const lines = formatStats(report, 'csv').split('\r\n')
    expect(lines[0]).toBe('what,name,detail,at_least,at_most')
    expect(lines).toContain('total,updates,,4,4')
    expect(lines).toContain('talker,7,user,4,4')
    expect(lines).toContain(`denial,"'=cmd""","a,b",1,1`)
    expect(lines.at(-1)).toBe('')
  })

  test('refuses other formats', async () => {
    const report = await some()
    expect(() => formatStats(report, 'xml' as 'csv')).toThrow(/'text', 'json' or 'csv'/)
  })
})

test('wrong options are named, and stats() without the option explains how to enable it', async () => {
  expect(() => stats({ window: '1s' })).toThrow(/stats.window/)
  expect(() => stats({ every: '1ms' })).toThrow(/stats.every/)
  expect(() => stats({ slot: 3 } as object)).toThrow(/slot.*slots/)
  for (const slots of [0, 61, 1.5])
    expect(() => stats({ slots })).toThrow(
      `stats.slots: ${slots} is wrong; it must be a whole number from 1 to 60.`,
    )
  expect(() => stats({ counters: 1 })).toThrow(/stats.counters: 1 is wrong.*from 10 to 10,000/)
  expect(() => sentinel({ stats: {} as never })).toThrow(/stats.*function/)
  await expect(sentinel().stats()).rejects.toThrow(/sentinel\({ stats: stats\(\) }\)/)
  const guard = sentinel({ stats: stats() })
  await expect(guard.stats({ top: 0 })).rejects.toThrow(/stats.top: 0 is wrong.*from 1 to 1,000/)
  await expect(guard.stats({ workers: 'x' as 'this' })).rejects.toThrow(/stats.workers: "x" is wrong/)
  await expect(guard.stats({ tops: 3 } as object)).rejects.toThrow(/tops.*Did you mean "top"/)
})
