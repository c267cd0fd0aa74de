import { wakefulClock } from '../../../src/core/clock.js'
import { SentinelError } from '../../../src/core/errors.js'
import { userKey } from '../../../src/core/subject.js'
import { hybrid } from '../../../src/storage/hybrid.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { resilient } from '../../../src/storage/resilient.js'
import { Stage } from '../../middleware/rig.js'
import { desk as bot } from '../../sentinel/desk.js'
import { having } from '../audited.js'
import { ALICE, askOf, BOB, BOT, blocked, bucket, Desk, once, settled, window } from './desk.js'

let desk: Desk
beforeEach(() => {
  desk = new Desk()
})
afterEach(() => desk.close())

describe('a flooder', () => {
  test('needs one round trip until the wait is over, which is exact to the millisecond', async () => {
    const judge = await desk.judge(desk.worker(), blocked, once, bucket(3))
    for (let i = 0; i < 3; i++) expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
    expect(await judge.evaluate(askOf())).toMatchObject({ refusedBy: 2, retryAfterMs: 20_000 })
    const trips = desk.trips()
    for (let i = 0; i < 100; i++) {
      desk.time.advance(100)
      const decision = judge.evaluate(askOf())
      // Synchronously: no promise.
      expect(decision).toMatchObject({
        refusedBy: 2,
        cause: 'check',
        retryAfterMs: 19_900 - i * 100,
        notice: false,
      })
    }
    expect(trips()).toBe(0)
    expect((await judge.evaluate(askOf(BOB))).refusedBy).toBe(-1)
    desk.time.advance(10_000)
    expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
    expect(trips()).toBe(2)
  })

  test('is banned after the same number of refusals, and then needs one round trip per ban', async () => {
    const onRefusal = { penalty: { after: 3, within: 60_000, bans: [5000, 20_000] } }
    const judge = await desk.judge(desk.worker(), once, window(1, { onRefusal }))
    await judge.evaluate(askOf())
    const trips = desk.trips()
    // Three violations, and one request that finds the ban.
    for (let i = 0; i < 4; i++) await judge.evaluate(askOf())
    await settled()
    expect(trips()).toBe(4)
    for (let i = 0; i < 49; i++) {
      desk.time.advance(100)
      expect(await judge.evaluate(askOf())).toMatchObject({ refusedBy: 1, cause: 'penalty' })
    }
    expect(trips()).toBe(4)
    // The ban has ended and the window has not: refusals count again, and lead to the next ban.
    desk.time.advance(100)
    for (let i = 0; i < 3; i++) expect((await judge.evaluate(askOf())).cause).toBe('check')
    expect((await judge.evaluate(askOf())).cause).toBe('penalty')
    await settled()
    desk.time.advance(19_999)
    expect(judge.evaluate(askOf())).toMatchObject({ cause: 'penalty' })
    expect(trips()).toBe(8)
  })

  test.each([
    ['shorter than the wait of its limit', 5000, 5],
    ['longer than that', 120_000, 1],
  ])('is told the exact wait during a ban of a limit with roles, %s', async (_, ban, asked) => {
    const onRefusal = { penalty: { after: 1, within: 60_000, bans: [ban] } }
    const vip = { mark: 'role:vip', subject: 0, limit: { amount: 9, per: 60_000 } }
    const judge = await desk.judge(desk.worker(), once, window(1, { onRefusal, variants: [vip] }))
    for (let i = 0; i < 2; i++) await judge.evaluate(askOf())
    const trips = desk.trips()
    const wait = Math.max(60_000, ban)
    for (let passed = 0; passed < 5000; passed += 100) {
      expect(await judge.evaluate(askOf())).toMatchObject({ cause: 'penalty', retryAfterMs: wait - passed })
      await settled()
      desk.time.advance(100)
    }
    expect(trips()).toBe(asked)
  })

  test('gets one notice per interval, by one ask that goes through', async () => {
    const judge = await desk.judge(desk.worker(), bucket(1, { onRefusal: { noticeEvery: 10_000 } }))
    await judge.evaluate(askOf())
    expect((await judge.evaluate(askOf())).notice).toBe(true)
    const trips = desk.trips()
    desk.time.advance(9999)
    expect((await judge.evaluate(askOf())).notice).toBe(false)
    expect(trips()).toBe(0)
    desk.time.advance(1)
    const all = await Promise.all(Array.from({ length: 20 }, () => judge.evaluate(askOf())))
    expect(all.filter(({ notice }) => notice).length).toBe(1)
    expect(all.every(({ refusedBy }) => refusedBy === 0)).toBe(true)
    expect(trips()).toBe(1)
  })

  test.each([
    ['early in the span', 1000],
    ['shortly before its end', 7900],
  ])(
    'gets its next notice when the interval has passed, at most a quarter of it late, if another worker sent the first, and this one learns of the refusal %s',
    async (_, learns) => {
      const check = bucket(1, { onRefusal: { noticeEvery: 8000 } })
      const [here, there] = [await desk.judge(desk.worker(), check), await desk.judge(desk.worker(), check)]
      await here.evaluate(askOf())
      expect((await there.evaluate(askOf())).notice).toBe(true)
      const from = desk.time.now
      desk.time.advance(learns)
      const saidAt: number[] = []
      const trips = desk.trips()
      while (desk.time.now - from <= 10_000) {
        if ((await here.evaluate(askOf())).notice) saidAt.push(desk.time.now - from)
        desk.time.advance(50)
      }
      expect(saidAt).toHaveLength(1)
      expect(saidAt[0]).toBeGreaterThanOrEqual(8000)
      expect(trips()).toBeLessThan(7)
    },
  )

  test('that taps one button is refused without a round trip', async () => {
    const tap = { ...once, slot: 'tap', subject: 0, tokens: 'digest', holdFor: 500, retry: false } as const
    const judge = await desk.judge(desk.worker(), tap, bucket(30))
    await judge.evaluate(askOf(ALICE, 77))
    await judge.evaluate(askOf(ALICE, 77))
    const trips = desk.trips()
    desk.time.advance(300)
    expect(judge.evaluate(askOf(ALICE, 77))).toMatchObject({ refusedBy: 0, retryAfterMs: 200 })
    expect(trips()).toBe(0)
    expect((await judge.evaluate(askOf(ALICE, 78))).refusedBy).toBe(-1)
    desk.time.advance(200)
    expect((await judge.evaluate(askOf(ALICE, 77))).refusedBy).toBe(-1)
  })

  test('with a lower cost, or under another limit, is decided by the storage', async () => {
    const judge = await desk.judge(desk.worker(), bucket(4))
    const asking = (cost: number) => ({ ...askOf(), costs: [cost] })
    await judge.evaluate(asking(3))
    expect((await judge.evaluate(asking(2))).refusedBy).toBe(0)
    const trips = desk.trips()
    expect(judge.evaluate(asking(2))).toMatchObject({ refusedBy: 0 })
    expect((await judge.evaluate({ ...asking(2), limits: [{ amount: 9, per: 60_000 }] })).refusedBy).toBe(-1)
    expect((await judge.evaluate(asking(0.5))).refusedBy).toBe(0)
    expect(trips()).toBe(2)
  })

  test('in shadow is decided and counted by the storage every time', async () => {
    const shadow = window(1, { slot: 'tried', shadow: true })
    const judge = await desk.judge(desk.worker(), shadow, bucket(1))
    await judge.evaluate(askOf())
    for (let i = 0; i < 3; i++) {
      expect(await judge.evaluate(askOf())).toMatchObject({ refusedBy: 1, shadowRefusals: [0] })
    }
  })
})

describe('an update whose handler failed', () => {
  test.each(['the same worker', 'another worker'])(
    'is admitted by %s although its sender is refused',
    async (who) => {
      const [here, there] = [desk.worker(), desk.worker()]
      const checks = [once, bucket(1)]
      const [mine, other] = [await desk.judge(here, ...checks), await desk.judge(there, ...checks)]
      const asked = who === 'another worker' ? other : mine
      // It reaches this worker before the other one has seen a later update.
      const [refused, failed] = [askOf(), askOf()]
      const { receipt } = await mine.evaluate(failed)
      expect((await asked.evaluate(refused)).refusedBy).toBe(1)
      const trips = desk.trips()
      expect((await asked.evaluate(askOf(ALICE, (failed.tokens[0] as number) + 1))).refusedBy).toBe(1)
      expect(trips()).toBe(0)
      if (receipt !== undefined) await mine.settle(receipt, 'release')
      await settled()
      expect(await asked.evaluate(failed)).toMatchObject({ refusedBy: -1, waived: true })
    },
  )
})

describe('a change by another worker', () => {
  const mark = { since: 0 }

  test('unblocks at once, and blocks at once', async () => {
    const judge = await desk.judge(desk.worker(), blocked, bucket(5))
    const other = desk.worker()
    await other.marks.put(BOT, 'blocked', [{ key: ALICE, mark }])
    expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
    const trips = desk.trips()
    expect(judge.evaluate(askOf())).toMatchObject({ refusedBy: 0, retryAfterMs: Number.POSITIVE_INFINITY })
    expect(trips()).toBe(0)
    await other.marks.remove(BOT, 'blocked', [ALICE])
    expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
    await other.marks.put(BOT, 'blocked', [{ key: 'u7', mark }])
    expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
  })

  test.each<[string, (worker: ReturnType<Desk['worker']>) => unknown]>([
    ['a reset', (worker) => worker.reset(BOT, 'u7')],
    ['a lost connection', () => desk.remote.gap()],
  ])('is seen after %s', async (_, change) => {
    const judge = await desk.judge(desk.worker(), bucket(1))
    await judge.evaluate(askOf())
    await judge.evaluate(askOf())
    const trips = desk.trips()
    await judge.evaluate(askOf())
    expect(trips()).toBe(0)
    await change(desk.worker())
    await judge.evaluate(askOf())
    expect(trips()).toBe(1)
  })

  test('that refunds a limit lets its refused user pass', async () => {
    const judge = await desk.judge(desk.worker(), bucket(1))
    const other = await desk.judge(desk.worker(), bucket(1))
    const { receipt } = await other.evaluate(askOf())
    expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
    if (receipt !== undefined) await other.settle(receipt, 'refund')
    expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
  })

  test('of a role exempts its holder at once', async () => {
    const unless = { subject: 0, anyOf: ['staff'] }
    const judge = await desk.judge(desk.worker(), bucket(1, { subject: 1, unless }))
    for (let i = 0; i < 3; i++) await judge.evaluate(askOf())
    const trips = desk.trips()
    expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
    expect(trips()).toBe(0)
    await desk.worker().marks.put(BOT, 'staff', [{ key: ALICE, mark }])
    expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
    // The remembered refusal was for another user.
    expect((await judge.evaluate(askOf(BOB))).refusedBy).toBe(0)
  })

  test('applies to answers that were in flight when it came', async () => {
    const worker = desk.worker()
    const judge = await desk.judge(worker, blocked)
    await desk.worker().marks.put(BOT, 'blocked', [{ key: ALICE, mark }])
    desk.remote.delay = 100
    const late = judge.evaluate(askOf())
    desk.time.advance(100)
    await desk.remote.kept.marks.remove(BOT, 'blocked', [ALICE])
    await desk.remote.kept.marks.put(BOT, 'blocked', [{ key: BOB, mark }])
    await late
    desk.remote.delay = 0
    expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
  })

  test.each([
    ['of another user', 1, 0],
    ['of more than are remembered', 600, 1],
  ])('(%s) while an answer is in flight has its effect', async (_, changes, trips) => {
    const judge = await desk.judge(desk.worker(), bucket(1))
    await judge.evaluate(askOf())
    desk.remote.delay = 100
    const late = judge.evaluate(askOf())
    for (let i = 0; i < changes; i++) {
      await desk.remote.kept.marks.put(BOT, 'blocked', [{ key: userKey(1000 + i), mark }])
    }
    desk.time.advance(100)
    await late
    desk.remote.delay = 0
    const asked = desk.trips()
    await judge.evaluate(askOf())
    expect(asked()).toBe(trips)
  })

  test('is seen within a second if the storage cannot report changes', async () => {
    desk.remote.parts = (what) => what === 'watch'
    desk.remote.fault = 'refuses'
    const worker = desk.worker()
    const judge = await desk.judge(worker, blocked)
    expect((await worker.health()).hybrid?.watching).toBe(false)
    await desk.remote.kept.marks.put(BOT, 'blocked', [{ key: ALICE, mark }])
    await judge.evaluate(askOf())
    const trips = desk.trips()
    desk.time.now += 999
    await judge.evaluate(askOf())
    expect(trips()).toBe(0)
    await desk.remote.kept.marks.remove(BOT, 'blocked', [ALICE])
    desk.time.now += 1
    expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
    // The storage works again.
    desk.remote.fault = 'none'
    desk.time.advance(1000)
    await settled()
    expect((await worker.health()).hybrid?.watching).toBe(true)
  })

  const refusals = ['storage.unsupported', 'storage.permission'] as const
  test.each(refusals)('is watched for again half a minute after the error %s', async (code) => {
    let attempts = 0
    const deaf = having(desk.place(), {
      watch: async () => {
        attempts++
        throw new SentinelError(code, 'it cannot be watched')
      },
    })
    const { clock, timers } = desk.time
    const worker = hybrid(deaf, { clock, timers })
    await desk.judge(worker, blocked)
    for (let second = 0; second < 60; second++) {
      desk.time.advance(1000)
      await settled()
    }
    expect(attempts).toBe(3)
    await worker.close()
  })
})

test('the storage decides again under a later plan what an earlier plan refused', async () => {
  const worker = desk.worker()
  const earlier = await desk.judge(worker, window(1))
  for (let i = 0; i < 3; i++) await earlier.evaluate(askOf())
  const later = await desk.judge(worker, window(10))
  expect((await later.evaluate(askOf())).refusedBy).toBe(-1)
})

test('a refund under a later plan with another order of checks lets refused users pass', async () => {
  const worker = desk.worker()
  const earlier = await desk.judge(worker, bucket(1, { subject: 1, slot: 'all' }), window(5))
  const first = { ...askOf(), costs: [1, 0] }
  const { receipt } = await earlier.evaluate(first)
  const later = await desk.judge(worker, window(5), bucket(1, { subject: 1, slot: 'all' }))
  for (let i = 0; i < 2; i++) expect((await later.evaluate(askOf())).refusedBy).toBe(1)
  if (receipt !== undefined) await later.settle(receipt, 'refund')
  expect((await later.evaluate(askOf())).refusedBy).toBe(-1)
})

test('a flood of many accounts does not evict users who are refused again and again', async () => {
  const worker = desk.worker({ maxRefusals: 1000 })
  const judge = await desk.judge(worker, window(1))
  const flooders = Array.from({ length: 20 }, (_, index) => userKey(index + 1))
  for (const key of flooders) for (let i = 0; i < 3; i++) await judge.evaluate(askOf(key))
  for (let account = 0; account < 5000; account++) {
    for (let i = 0; i < 2; i++) await judge.evaluate(askOf(userKey(100_000 + account)))
    await judge.evaluate(askOf(flooders[account % 20]))
  }
  const trips = desk.trips()
  for (const key of flooders) await judge.evaluate(askOf(key))
  expect(trips()).toBe(0)
  expect((await worker.health()).hybrid?.refusals).toBe(1000)
})

test('reports the round trips saved, and forgets expired refusals', async () => {
  const worker = desk.worker()
  const judge = await desk.judge(worker, bucket(60))
  for (let i = 0; i < 70; i++) await judge.evaluate(askOf())
  expect((await worker.health()).hybrid).toEqual({
    watching: true,
    refusals: 1,
    answered: 9,
    trips: 61,
    leased: 0,
    returned: 0,
    held: 0,
  })
  desk.time.advance(60_000)
  for (let user = 0; user < 50; user++) {
    for (let i = 0; i < 61; i++) await judge.evaluate(askOf(userKey(user)))
    desk.time.advance(2000)
  }
  expect((await worker.health()).hybrid?.refusals).toBeLessThan(4)
})

test('inside resilient() it decides in time, and again without round trips when the storage is back', async () => {
  const storage = resilient(desk.worker(), { clock: desk.time.clock, timers: desk.time.timers })
  const judge = await desk.judge(storage, blocked, bucket(1))
  await judge.evaluate(askOf())
  expect((await judge.evaluate(askOf())).refusedBy).toBe(1)
  desk.remote.fault = 'refuses'
  // Remembered refusals need no storage.
  expect((await judge.evaluate(askOf())).refusedBy).toBe(1)
  expect((await storage.health()).circuit?.instead).toBe(0)
  for (let i = 0; i < 6; i++) await judge.evaluate(askOf(userKey(100 + i)))
  expect((await storage.health()).circuit?.state).toBe('open')
  desk.remote.fault = 'none'
  for (let i = 0; i < 40 && (await storage.health()).circuit?.state !== 'closed'; i++) {
    desk.time.advance(50)
    await settled()
  }
  expect((await storage.health()).circuit?.state).toBe('closed')
  await judge.evaluate(askOf())
  const trips = desk.trips()
  expect((await judge.evaluate(askOf())).refusedBy).toBe(1)
  expect(trips()).toBe(0)
  await storage.close()
})

test('behind the default guards a flood needs a round trip for each message that passes, and few others', async () => {
  const worker = desk.worker()
  const options = { clock: desk.time.clock, timers: desk.time.timers, storage: worker }
  const { says, reached, guard } = bot({ ...options, throttle: '30/1h', auth: { registration: 'auto' } })
  await settled()
  const trips = desk.trips()
  for (let i = 0; i < 500; i++) {
    await says(7, `${i}`)
    desk.time.advance(100)
  }
  expect(reached).toHaveLength(30)
  // For 470 refusals in 50 seconds: the first, and one for each 15 seconds after which a notice might be due.
  expect(trips() - 30).toBeLessThanOrEqual(5)
  await guard.close()
})

test('time during which the machine slept counts as passed', () => {
  let [steady, wall] = [0, 1_000_000]
  const clock = wakefulClock(
    () => steady,
    () => wall,
  )
  const pass = (awake: number, real = awake): number => {
    steady += awake
    wall += real
    return clock()
  }
  expect(pass(500)).toBe(500)
  expect(pass(500, 60_000)).toBe(60_500)
  // Set back, and then slightly ahead: in neither case has that time passed.
  expect(pass(500, -10_000)).toBe(61_000)
  expect(pass(500, 1000)).toBe(61_500)
  expect(pass(0, 60_000)).toBeGreaterThan(120_000)
})

test('reports invalid options', () => {
  const remote = desk.place()
  expect(() => hybrid(memory())).toThrow(/hybrid\.remote: .* Use it alone/)
  expect(() => hybrid(remote, remote)).toThrow(/hybrid\.local: .* Pass memory\(\)/)
  expect(() => hybrid(remote, { maxRefusals: 10 })).toThrow(/hybrid\.maxRefusals: 10 must be/)
  expect(() => hybrid(remote, { remember: 'long' as '1s' })).toThrow(/hybrid\.remember/)
  expect(() => hybrid(remote, { lease: { limits: [] } })).toThrow(/hybrid\.lease\.limits/)
  expect(() => hybrid(remote, { lease: { limits: ['a'], batch: 1 } })).toThrow(/hybrid\.lease\.batch: 1/)
})

test('starts no timer without leases, and does not close a memory that it did not create', async () => {
  const time = new Stage()
  let armed = 0
  const timers = {
    after(ms: number, run: () => void) {
      armed++
      return time.timers.after(ms, run)
    },
  }
  const local = memory()
  const storage = hybrid(local, desk.place(), { timers, clock: desk.time.clock })
  const judge = await desk.judge(storage, bucket(1))
  for (let i = 0; i < 5; i++) await judge.evaluate(askOf())
  await storage.close()
  await storage.close()
  expect(armed).toBe(0)
  expect((await local.health()).ok).toBe(true)
})
