import { Redis } from 'ioredis'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { redis } from '../../../src/storage/redis/index.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { ALICE, admits, askOf, BOB, BOT, blocked, bucket, planOf } from './desk.js'

const MINUTE = 60_000
const HOUR = 3_600_000
/** A step back of up to a second is tolerated; and the clock is stored once a second. */
const TOLERANCE = 2000

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

const name = (): string => `${prefix}:{${BOT}}:clock`

async function noted(): Promise<{ high: number; offset: number }> {
  const bytes = (await admin.getBuffer(name())) as Buffer
  return { high: bytes.readDoubleLE(0), offset: bytes.readDoubleLE(8) }
}

/** As if the server's clock had been this much ahead, and was put right just now. */
async function putBack(ms: number): Promise<void> {
  const { high, offset } = await noted()
  const bytes = Buffer.alloc(16)
  bytes.writeDoubleLE(high + ms, 0)
  bytes.writeDoubleLE(offset, 8)
  await admin.set(name(), bytes)
}

test('decides by the clock of the server if no time is given, and returns that time', async () => {
  const judge = await storage.prepare(planOf(bucket(1, HOUR)))
  const [seconds] = await admin.time()
  const { receipt } = await judge.evaluate(askOf())
  expect(Math.abs((receipt?.at ?? 0) - Number(seconds) * 1000)).toBeLessThan(5000)
  const { refusedBy, retryAfterMs } = await judge.evaluate(askOf())
  expect(refusedBy).toBe(0)
  expect(retryAfterMs).toBeGreaterThan(HOUR - 5000)
  expect(retryAfterMs).toBeLessThanOrEqual(HOUR)
})

test.each(['bucket', 'log', 'counters', 'fixed'] as const)(
  'with the clock put back by an hour, a limit of form %s continues from where it was',
  async (form) => {
    const limited = {
      guard: 'throttle',
      slot: 'user',
      subject: 0,
      limit: { amount: 2, per: MINUTE },
    } as const
    const judge = await storage.prepare(
      planOf(form === 'bucket' ? { kind: 'bucket', ...limited } : { kind: 'window', form, ...limited }),
    )
    await judge.evaluate(askOf(ALICE))
    // An hour ahead: the clock has since been stored, and Alice has used up her limit.
    await putBack(0)
    await judge.evaluate(askOf(ALICE))
    await putBack(HOUR)
    const after = await judge.evaluate(askOf(BOB))
    expect(after.refusedBy).toBe(-1)
    // The charges from before have expired, as an hour has passed.
    expect(await admits(judge, askOf(ALICE))).toBe(true)
    expect(await admits(judge, askOf(ALICE))).toBe(true)
    const { refusedBy, retryAfterMs } = await judge.evaluate(askOf(ALICE))
    expect(refusedBy).toBe(0)
    expect(retryAfterMs).toBeLessThanOrEqual(MINUTE * 2 + TOLERANCE)
    const { offset } = await noted()
    expect(offset).toBeGreaterThanOrEqual(HOUR - TOLERANCE)
    expect(offset).toBeLessThanOrEqual(HOUR + TOLERANCE)
  },
)

test('with the clock put back again and again, time only goes forward', async () => {
  const judge = await storage.prepare(planOf(bucket(1000, HOUR)))
  let last = 0
  for (const back of [5000, HOUR, 1500, 86_400_000, 10_000]) {
    await judge.evaluate(askOf())
    await putBack(back)
    await judge.evaluate(askOf(BOB))
    const { high, offset } = await noted()
    expect(high + offset).toBeGreaterThan(last)
    last = high + offset
  }
})

test('a step back within the tolerance only delays limits by as much', async () => {
  const judge = await storage.prepare(planOf(bucket(1, 50)))
  expect(await admits(judge)).toBe(true)
  await putBack(900)
  const { retryAfterMs } = await judge.evaluate(askOf())
  expect(retryAfterMs).toBeLessThanOrEqual(50 + TOLERANCE)
  expect((await noted()).offset).toBe(0)
})

test('marks lapse by the clock itself, whatever the time of limits', async () => {
  const judge = await storage.prepare(planOf(blocked, bucket(1000, HOUR)))
  await judge.evaluate(askOf())
  await putBack(HOUR)
  const until = Date.now() + MINUTE
  await storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1, until } }])
  const { refusedBy, retryAfterMs } = await judge.evaluate(askOf())
  expect(refusedBy).toBe(0)
  expect(retryAfterMs).toBeGreaterThan(MINUTE - 10_000)
  expect(retryAfterMs).toBeLessThanOrEqual(MINUTE + 1000)
})

test('a bot whose stored clock was lost starts over at the time of the server', async () => {
  const judge = await storage.prepare(planOf(bucket(1, HOUR)))
  await judge.evaluate(askOf())
  await admin.del(name())
  const { retryAfterMs } = await judge.evaluate(askOf())
  expect(retryAfterMs).toBeLessThanOrEqual(HOUR)
  expect((await noted()).offset).toBe(0)
})
