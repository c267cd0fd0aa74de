import fc from 'fast-check'
import { type Check, isPromise, type Judge, type Plan, type Receipt } from '../../../src/core/check.js'
import { userKey } from '../../../src/core/subject.js'
import { sentinel } from '../../../src/index.js'
import { hybrid } from '../../../src/storage/hybrid.js'
import { redis } from '../../../src/storage/redis/index.js'
import { rig } from '../../middleware/rig.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { having } from '../audited.js'
import { ALICE, askOf, BOB, BOT, blocked, bucket, Desk, once, planOf, settled } from './desk.js'

const LEASE = { limits: ['all'], batch: 32, for: '1s' } as const

/** A limit that all updates share. */
function all(amount: number, per: number, burst = amount): Check {
  return bucket(0, { slot: 'throttle.all', subject: 1, limit: { amount, per, burst } } as Partial<Check>)
}

let desk: Desk
beforeEach(() => {
  desk = new Desk()
})
afterEach(() => desk.close())

describe('a leased limit', () => {
  test('is leased in batches, and an ask of that limit only needs no round trip', async () => {
    const worker = desk.worker({ lease: LEASE })
    const judge = await desk.judge(worker, all(100, 1000, 1000))
    const trips = desk.trips()
    for (let i = 0; i < 500; i++) {
      expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
      if (i % 10 === 0) await settled()
    }
    expect(trips()).toBeLessThan(200)
    const { hybrid: saved } = await worker.health()
    expect(saved?.leased).toBeGreaterThan(400)
    expect(saved?.answered).toBe(saved?.leased)
  })

  test('leaves the other checks to the storage', async () => {
    const limit = all(50, 3_600_000, 500)
    const judge = await desk.judge(desk.worker({ lease: LEASE }), once, bucket(40), limit)
    const decisions = []
    for (let i = 0; i < 50; i++) {
      decisions.push((await judge.evaluate(askOf())).refusedBy)
      await settled()
    }
    expect(decisions.filter((by) => by === -1)).toHaveLength(40)
    expect(decisions.slice(40).every((by) => by === 1)).toBe(true)
    // Refused updates are not charged; 40 were, and a peek takes its own one into account.
    desk.time.advance(1000)
    await settled()
    const { remaining } = await judge.peek(askOf(BOB))
    expect(Math.floor(remaining[2] as number)).toBe(499 - 40 - 1)
  })

  test('is charged without a round trip behind a block list, as long as nobody is blocked', async () => {
    const worker = desk.worker({ lease: LEASE })
    const judge = await desk.judge(worker, blocked, all(100, 1000, 1000))
    for (let i = 0; i < 20; i++) {
      await judge.evaluate(askOf())
      await settled()
    }
    // Not a promise: the decision was made here.
    expect(judge.evaluate(askOf())).toMatchObject({ refusedBy: -1, waived: false })
    await desk.worker().marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 0 } }])
    expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
    await desk.worker().marks.remove(BOT, 'blocked', [ALICE])
    expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
  })

  test('is leased for a bot even if a thousand idle subjects of another bot hold all leases', async () => {
    const worker = desk.worker({ lease: { ...LEASE, limits: ['user'] } })
    const judge = await desk.judge(worker, bucket(100))
    for (let user = 1; user <= 1000; user++) await judge.evaluate(askOf(userKey(user)))
    // Busy subjects may be among the oldest.
    for (let i = 0; i < 200; i++) {
      await judge.evaluate(askOf(userKey(1 + (i % 10))))
      if (i % 10 === 0) await settled()
    }
    const leased = async (): Promise<number> => (await worker.health()).hybrid?.leased ?? 0
    const before = await leased()
    expect(before).toBeGreaterThan(0)
    for (let i = 0; i < 40; i++) {
      await judge.evaluate({ ...askOf(ALICE), bot: BOT + 1 })
      await settled()
    }
    expect(await leased()).toBeGreaterThan(before)
  })

  test('is returned to the unit when its lease ends, and when it is refunded', async () => {
    const limit = all(50, 3_600_000, 500)
    const worker = desk.worker({ lease: LEASE })
    const judge = await desk.judge(worker, limit)
    const receipts: Receipt[] = []
    for (let i = 0; i < 77; i++) {
      const { receipt } = await judge.evaluate(askOf())
      if (receipt !== undefined) receipts.push(receipt)
      await settled()
    }
    expect(receipts).toHaveLength(77)
    expect((await worker.health()).hybrid?.held).toBeGreaterThan(0)
    desk.time.advance(1000)
    await settled()
    expect((await worker.health()).hybrid?.held).toBe(0)
    expect(Math.floor((await judge.peek(askOf())).remaining[0] as number)).toBe(499 - 77 - 1)
    // Refunds also work for leases that have ended.
    for (const receipt of receipts) {
      await judge.settle(receipt, 'refund')
      await judge.settle(receipt, 'refund')
    }
    await settled()
    // Except for fractions of a unit.
    expect((await judge.peek(askOf())).remaining[0]).toBeGreaterThan(499 - 16)
  })

  test('does not gain from refunds of what has refilled since', async () => {
    const judge = await desk.judge(desk.worker({ lease: { ...LEASE, for: '200ms' } }), all(100, 1000, 300))
    const receipts: Receipt[] = []
    for (let i = 0; i < 60; i++) {
      const decision = judge.evaluate(askOf())
      if (!isPromise(decision) && decision.receipt !== undefined) receipts.push(decision.receipt)
      await decision
      await settled()
    }
    expect(receipts.length).toBeGreaterThan(30)
    desk.time.advance(5000)
    const admitted = async (): Promise<number> => {
      let passed = 0
      for (let i = 0; i < 300; i++) if ((await judge.evaluate(askOf())).refusedBy === -1) passed++
      return passed
    }
    expect(await admitted()).toBe(280)
    for (const receipt of receipts) await judge.settle(receipt, 'refund')
    await settled()
    expect(await admitted()).toBe(0)
  })

  test('is leased on after a refund of an update that was admitted before limits were added', async () => {
    const worker = desk.worker({ lease: LEASE })
    const limit = all(50, 3_600_000, 500)
    const earlier = await desk.judge(worker, limit)
    const { receipt } = await earlier.evaluate({ ...askOf(), costs: [1] })
    const judge = await desk.judge(worker, bucket(1000), limit)
    for (let i = 0; i < 3; i++) await judge.evaluate(askOf())
    await judge.settle(receipt as Receipt, 'refund')
    for (let i = 0; i < 10; i++) {
      await judge.evaluate(askOf())
      await settled()
    }
    expect((await worker.health()).hybrid?.leased).toBeGreaterThan(0)
  })

  test.each([0, 1, 2, 3, 4])(
    'is leased in one batch at a time, also when updates are admitted just after a batch arrives (%i)',
    async (turns) => {
      let waiting: { units: number; isBatch: boolean; go: () => void }[] = []
      const prepare = async (plan: Plan): Promise<Judge> => {
        const inner = await desk.remote.kept.prepare(plan)
        return {
          evaluate: async (ask) => {
            const [units = 0] = ask.costs
            const isBatch = ask.tokens.length === 0
            await new Promise<void>((go) => waiting.push({ units, isBatch, go }))
            for (let turn = 0; !isBatch && turn < turns; turn++) await undefined
            return inner.evaluate(ask)
          },
          peek: (ask) => inner.peek(ask),
          settle: (receipt, how, check) => inner.settle(receipt, how, check),
        }
      }
      const { clock, timers } = desk.time
      const worker = hybrid(having(desk.place(), { prepare }), {
        clock,
        timers,
        lease: { ...LEASE, batch: 64 },
      })
      const judge = await desk.judge(worker, all(300, 1000, 900))
      let spent = 0
      const ask = (times: number): void => {
        for (let i = 0; i < times; i++) judge.evaluate(askOf())
        spent += times
      }
      const answer = async (batches: boolean): Promise<void> => {
        const due = waiting.filter(({ isBatch }) => batches || !isBatch)
        waiting = waiting.filter((each) => !due.includes(each))
        for (const { go } of due) go()
        await settled()
      }
      ask(4)
      await answer(true)
      expect(waiting.some(({ isBatch }) => isBatch)).toBe(true)
      ask(40)
      await answer(false)
      // The answer to this one arrives with the batch.
      ask(1)
      await answer(true)
      ask(5)
      await answer(false)
      const onTheWay = waiting.reduce((sum, { units, isBatch }) => (isBatch ? sum + units : sum), 0)
      expect(onTheWay).toBeGreaterThan(0)
      expect(onTheWay).toBeLessThanOrEqual(spent)
      await answer(true)
      await worker.close()
    },
  )

  test('is returned when the worker closes', async () => {
    const worker = desk.worker({ lease: LEASE })
    const judge = await desk.judge(worker, all(50, 3_600_000, 500))
    for (let i = 0; i < 60; i++) {
      await judge.evaluate(askOf())
      await settled()
    }
    expect((await worker.health()).hybrid?.held).toBeGreaterThan(0)
    await worker.close()
    const other = await desk.judge(desk.worker({ lease: LEASE }), all(50, 3_600_000, 500))
    expect(Math.floor((await other.peek(askOf())).remaining[0] as number)).toBe(499 - 60 - 1)
  })

  test('is returned even if it is on its way when the worker closes', async () => {
    const worker = desk.worker({ lease: LEASE })
    const judge = await desk.judge(worker, all(50, 3_600_000, 500))
    const trips = desk.trips()
    await Promise.all(Array.from({ length: 10 }, () => judge.evaluate(askOf())))
    expect(trips()).toBeGreaterThan(10)
    await worker.close()
    const other = await desk.judge(desk.worker(), all(50, 3_600_000, 499))
    expect(Math.floor((await other.peek(askOf())).remaining[0] as number)).toBe(499 - 10 - 1)
  })

  test('is not used by a worker that was paused until its lease had ended', async () => {
    const worker = desk.worker({ lease: LEASE })
    const judge = await desk.judge(worker, all(50, 3_600_000, 500))
    for (let i = 0; i < 60; i++) {
      await judge.evaluate(askOf())
      await settled()
    }
    const { held = 0, leased } = (await worker.health()).hybrid ?? {}
    expect(held).toBeGreaterThan(0)
    // No timer has fired yet.
    desk.time.now += 1000
    // Units of the next lease arrive only after this decision.
    await judge.evaluate(askOf())
    expect((await worker.health()).hybrid?.leased).toBe(leased)
  })

  test('does not block close() when the storage does not answer', async () => {
    const worker = desk.worker({ lease: LEASE })
    const judge = await desk.judge(worker, all(50, 3_600_000, 500))
    for (let i = 0; i < 60; i++) {
      await judge.evaluate(askOf())
      await settled()
    }
    desk.remote.fault = 'hangs'
    const closed = worker.close()
    await settled()
    desk.time.advance(2000)
    await closed
    desk.remote.kill()
    desk.remote.fault = 'none'
  })

  test('of a subject that is reset is void', async () => {
    const worker = desk.worker({ lease: LEASE })
    const judge = await desk.judge(worker, all(50, 3_600_000, 100))
    for (let i = 0; i < 40; i++) {
      await judge.evaluate(askOf())
      await settled()
    }
    expect((await worker.health()).hybrid?.held).toBeGreaterThan(0)
    await desk.worker().reset(BOT, 'g')
    expect((await worker.health()).hybrid?.held).toBe(0)
    let admitted = 0
    for (let i = 0; i < 150; i++) if ((await judge.evaluate(askOf())).refusedBy === -1) admitted++
    expect(admitted).toBeLessThanOrEqual(99)
  })

  test('does not suppress notices to refused users', async () => {
    const onRefusal = { noticeEvery: 60_000 }
    const judge = await desk.judge(desk.worker({ lease: LEASE }), { ...all(50, 3_600_000, 60), onRefusal })
    let notices = 0
    for (let i = 0; i < 100; i++) {
      if ((await judge.evaluate(askOf())).notice) notices++
      await settled()
    }
    expect(notices).toBe(1)
  })

  test.each<[string, Check, RegExp]>([
    ['a window', { ...all(10, 1000), kind: 'window', form: 'fixed' } as Check, /"all" is not a token bucket/],
    [
      'a limit with a penalty',
      { ...all(10, 1000), onRefusal: { penalty: { after: 1, within: 1, bans: [1] } } },
      /has a penalty/,
    ],
    [
      'a limit that exempts some',
      { ...all(10, 1000), unless: { subject: 0, anyOf: ['staff'] } },
      /exempts some holders/,
    ],
    ['a limit in shadow', { ...all(10, 1000), shadow: true }, /is in shadow/],
    [
      'a limit that refills too fast',
      all(10, 1000),
      /hybrid\.lease\.for: "all" refills completely within 1000 ms/,
    ],
  ])('cannot be %s', async (_, check, complaint) => {
    expect(() => desk.worker({ lease: LEASE }).prepare(planOf(check))).toThrow(complaint)
  })
})

test('limits that cannot be leased are reported when the guard is created', () => {
  const storage = desk.worker({ lease: { limits: ['user'] } })
  const throttle = { limit: '20/1m', penalty: { bans: ['1m'] } } as const
  expect(() => sentinel({ storage, throttle })).toThrow(/hybrid\.lease\.limits: "user" has a penalty/)
})

test('the limit of chats can be leased by the name that it has by default, beside the block list of chats', async () => {
  const { clock, timers } = desk.time
  const storage = desk.worker({ lease: { limits: ['chat'], for: '100ms' } })
  const guard = sentinel({ storage, clock, timers, throttle: { limit: '20/10s', scope: 'chat' } })
  const on = await rig(guard)
  on.start()
  for (let i = 0; i < 10; i++) {
    await on.alice.to(on.account).sends(`message ${i}`)
    await on.settled()
  }
  expect(on.reached).toHaveLength(10)
  expect((await guard.health()).storage.hybrid?.leased).toBeGreaterThan(0)
  await on.stop()
  await guard.close()
})

test('however many workers come and go with leases, the limit is never exceeded, and nothing is lost', async () => {
  const schedule = fc.record({
    amount: fc.integer({ min: 1, max: 60 }),
    burst: fc.integer({ min: 20, max: 200 }),
    span: fc.constantFrom(50, 200, 1000),
    batch: fc.integer({ min: 4, max: 64 }),
    steps: fc.array(
      fc.record({
        worker: fc.nat({ max: 2 }),
        asks: fc.integer({ min: 1, max: 25 }),
        after: fc.constantFrom(0, 0, 0, 1, 10, 49, 200, 3000),
        end: fc.constantFrom('stay', 'stay', 'stay', 'stay', 'close', 'refund'),
        late: fc.boolean(),
      }),
      { minLength: 20, maxLength: 80 },
    ),
  })
  // A batch is returned late, when the bucket has refilled completely: this schedule once admitted 31 in 3 s instead of 30.
  const asks = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1, 1, 5, 6, 6]
  const lateReturn = asks.map((count, nth) => ({
    worker: nth < 18 ? 0 : 1,
    asks: count,
    after: nth === 6 || nth === 17 ? (3000 as const) : (0 as const),
    end: 'stay' as const,
    late: nth === 5,
  }))
  let leased = 0
  await fc.assert(
    fc.asyncProperty(schedule, async ({ amount, burst, span, batch, steps }) => {
      const own = new Desk()
      const per = 1000
      const limit = { amount, per, burst: burst + Math.ceil((amount * span) / per) }
      const check = all(amount, per, limit.burst)
      const open = async () => {
        const worker = own.worker({ lease: { limits: ['throttle.all'], batch, for: span } })
        return { worker, judge: await own.judge(worker, check) }
      }
      const workers = [await open(), await open(), await open()]
      const admittedAt: number[] = []
      for (const { worker, asks, after, end, late } of steps) {
        own.time.advance(after)
        const { judge } = workers[worker] as (typeof workers)[number]
        const decisions = Array.from({ length: asks }, () => judge.evaluate(askOf()))
        if (!late) await settled()
        for (const { refusedBy, receipt } of await Promise.all(decisions)) {
          if (refusedBy !== -1) continue
          admittedAt.push(own.time.now)
          if (end !== 'refund' || receipt === undefined) continue
          await judge.settle(receipt, 'refund')
          admittedAt.pop()
        }
        if (end !== 'close') continue
        leased += (await (workers[worker] as (typeof workers)[number]).worker.health()).hybrid?.leased ?? 0
        await (workers[worker] as (typeof workers)[number]).worker.close()
        workers[worker] = await open()
      }
      for (const { worker } of workers) leased += (await worker.health()).hybrid?.leased ?? 0
      for (let first = 0; first < admittedAt.length; first++) {
        for (let last = first; last < admittedAt.length; last++) {
          const within = (admittedAt[last] as number) - (admittedAt[first] as number)
          const most = limit.burst + Math.floor((within * amount) / per)
          if (last - first + 1 > most)
            throw new Error(`${last - first + 1} within ${within} ms, ${most} is the most`)
        }
      }
      // When all leases have ended and the bucket has refilled, the whole burst is available again.
      own.time.advance(Math.ceil((limit.burst * per) / amount) + 2000)
      await settled()
      const lowered = limit.burst - Math.max(1, Math.floor((amount * span) / per))
      const [{ judge }] = workers as [(typeof workers)[number]]
      expect((await judge.peek({ ...askOf(), costs: [0.001] })).remaining[0]).toBeCloseTo(lowered, 1)
      await own.close()
    }),
    {
      numRuns: Number(process.env.SCHEDULES ?? 60),
      includeErrorInReport: true,
      examples: [[{ amount: 3, burst: 20, span: 50, batch: 4, steps: lateReturn }]],
    },
  )
  expect(leased).toBeGreaterThan(1000)
})

test('over redis, workers with leases together admit exactly what the limit allows', async () => {
  const [url, prefix] = [await sharedRedis(), freshName()]
  const limit = all(1, 366 * 86_400_000, 400)
  const open = async () => {
    const worker = hybrid(redis(url, { prefix }), { lease: { limits: ['all'], batch: 16, for: '10s' } })
    return { worker, judge: await worker.prepare(planOf(limit)) }
  }
  const workers: Awaited<ReturnType<typeof open>>[] = []
  try {
    for (let i = 0; i < 4; i++) workers.push(await open())
    let admitted = 0
    const deadline = performance.now() + 20_000
    const runs = workers.map(async ({ judge }) => {
      while (admitted < 399 && performance.now() < deadline) {
        const { refusedBy } = await judge.evaluate(askOf())
        if (refusedBy === -1) admitted++
        await new Promise((done) => setImmediate(done))
      }
    })
    await Promise.all(runs)
    expect(admitted).toBe(399)
    let leased = 0
    for (const { worker, judge } of workers) {
      expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
      leased += (await worker.health()).hybrid?.leased ?? 0
    }
    expect(leased).toBeGreaterThan(50)
  } finally {
    for (const { worker } of workers) await worker.close()
  }
})
