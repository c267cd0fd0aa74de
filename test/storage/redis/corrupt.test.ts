import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Judge, Plan } from '../../../src/core/check.js'
import { SentinelError } from '../../../src/core/errors.js'
import { type Key, keyText, userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { makeResilient } from '../../../src/storage/protection/make-resilient.js'
import { redis } from '../../../src/storage/redis/index.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, admits, askOf, BOB, BOT, blocked, bucket, claim, once, planOf } from './desk.js'

const HOUR = 3_600_000
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

const corrupt = async (): Promise<number> => (await storage.health()).corrupt ?? Number.NaN
const marksOf = (key: Key): string => `${prefix}:{${BOT}}:m:${keyText(key)}`
const block = async (...keys: readonly Key[]): Promise<void> =>
  storage.marks.put(
    BOT,
    'blocked',
    keys.map((key) => ({ key, mark: { since: 1, reason: 'spam' } })),
  )

async function recordOf(key: Key): Promise<string> {
  const [name] = (await admin.keys(`${prefix}:{${BOT}}:r*`)).filter((each) =>
    each.endsWith(`:${keyText(key)}`),
  )
  if (name === undefined) throw new Error('there is no record')
  return name
}

let newcomer = 1_000_000

/** A user's request together with those of nine others, and their outcomes. */
async function amongOthers(judge: Judge, key = ALICE): Promise<{ own: string; others: number }> {
  const others = Array.from({ length: 9 }, () => userKey(++newcomer))
  const asks = [...others.slice(0, 4), key, ...others.slice(4)].map(async (each) =>
    judge.evaluate(askOf(each, [Math.floor(Math.random() * 1e9), Math.random() * 1e9])),
  )
  const outcomes = (await Promise.allSettled(asks)).map((each) => {
    if (each.status === 'fulfilled') return each.value.refusedBy === -1 ? 'admitted' : 'refused'
    return (each.reason as SentinelError).code
  })
  return {
    own: outcomes[4] as string,
    others: outcomes.filter((each, nth) => nth !== 4 && each === 'admitted').length,
  }
}

/** A plan whose record has parts of every kind: cells, and additional data. */
const penal = { penalty: { after: 2, within: HOUR, bans: [HOUR] } }
const RICH: Plan = planOf(
  claim({ holdFor: HOUR }),
  { ...bucket(3, HOUR), onRefusal: penal } as Plan['checks'][number],
  {
    kind: 'window',
    form: 'log',
    guard: 'throttle',
    slot: 'log',
    subject: 0,
    limit: { amount: 100, per: HOUR },
  },
  {
    kind: 'window',
    form: 'fixed',
    guard: 'throttle',
    slot: 'fixed',
    subject: 0,
    limit: { amount: 100, per: HOUR },
  },
)

async function rich(): Promise<{ judge: Judge; name: string; whole: Buffer }> {
  const judge = await storage.prepare(RICH)
  for (let nth = 0; nth < 5; nth++) await judge.evaluate(askOf(ALICE, [nth]))
  expect(await admits(judge, askOf(ALICE, [9]))).toBe(false)
  const name = await recordOf(ALICE)
  return { judge, name, whole: (await admin.getBuffer(name)) as Buffer }
}

describe('a record that cannot be read', () => {
  test('cut off at any length, it is replaced or read as far as possible, without affecting others', async () => {
    const { judge, name, whole } = await rich()
    expect(whole.length).toBeGreaterThan(100)
    for (let length = 0; length < whole.length; length++) {
      await admin.set(name, whole.subarray(0, length))
      const { own, others } = await amongOthers(judge)
      expect(['admitted', 'refused']).toContain(own)
      expect(others).toBe(9)
      // The record is repaired: what was written over it can be read.
      const before = await corrupt()
      await judge.evaluate(askOf(ALICE, [-length]))
      expect(await corrupt()).toBe(before)
    }
    // When it is cut exactly between two parts, the loss cannot be detected.
    expect(await corrupt()).toBeGreaterThanOrEqual(whole.length - 8)
  })

  test('of random bytes, it is replaced, and the number of such records is reported', async () => {
    const { judge, name } = await rich()
    for (let round = 1; round <= 100; round++) {
      await admin.set(name, randomBytes(8 + Math.floor(Math.random() * 200)))
      expect(await amongOthers(judge)).toEqual({ own: 'admitted', others: 9 })
      expect(await corrupt()).toBe(round)
    }
  })

  test.each([
    ['a list', (name: string) => admin.rpush(name, 'x')],
    ['a hash', (name: string) => admin.hset(name, 'x', 'y')],
    ['a set', (name: string) => admin.zadd(name, 1, 'x')],
  ])('%s in its place is replaced', async (_, spoil) => {
    const { judge, name } = await rich()
    await admin.del(name)
    await spoil(name)
    expect(await amongOthers(judge)).toEqual({ own: 'admitted', others: 9 })
    expect(await admin.type(name)).toBe('string')
  })

  test('can be reset', async () => {
    const { judge, name, whole } = await rich()
    const spoils = [
      () => admin.set(name, whole.subarray(0, 30)),
      () => admin.set(name, randomBytes(99)),
      async () => {
        await admin.del(name)
        return admin.rpush(name, 'x')
      },
    ]
    for (const spoil of spoils) {
      for (const slot of ['user', undefined]) {
        await spoil()
        await storage.reset(BOT, ALICE, slot)
        expect(await admits(judge, askOf(ALICE, [77]))).toBe(true)
        await storage.reset(BOT, ALICE)
      }
    }
  })
})

describe('bits of update ids that cannot be read', () => {
  test.each([
    ['invalid bytes', (name: string) => admin.set(name, Buffer.alloc(500, 0xa5))],
    ['a single byte', (name: string) => admin.set(name, 'x')],
    ['a list', (name: string) => admin.rpush(name, 'x')],
  ])('%s in their place are replaced', async (_, spoil) => {
    const judge = await storage.prepare(planOf(once({ retry: true, lease: 60_000 }), bucket(1000, HOUR)))
    expect(await admits(judge, askOf(ALICE, [1]))).toBe(true)
    const [name] = (await admin.keys(`${prefix}:{${BOT}}:s*`)).filter((each) => /:g:0$/.test(each))
    for (const key of [name, `${name}:r`, String(name).replace(/:0$/, '')]) {
      await admin.del(key as string)
      await spoil(key as string)
    }
    const outcomes = await Promise.all([2, 3, 4, 2].map((token) => admits(judge, askOf(ALICE, [token]))))
    expect(outcomes).toEqual([true, true, true, false])
    expect(await admits(judge, askOf(ALICE, [3]))).toBe(false)
    expect(await corrupt()).toBeGreaterThan(0)
  })
})

describe("a bot's clock that cannot be read", () => {
  test.each([
    ['invalid bytes', (name: string) => admin.set(name, Buffer.alloc(16, 0xff))],
    ['an impossible time', (name: string) => admin.set(name, doubles(1e300, 0))],
    ['a list', (name: string) => admin.rpush(name, 'x')],
  ])('%s in its place is replaced by the time of the server', async (_, spoil) => {
    const judge = await storage.prepare(planOf(bucket(1, HOUR)))
    expect(await admits(judge, askOf(ALICE))).toBe(true)
    const name = `${prefix}:{${BOT}}:clock`
    await admin.del(name)
    await spoil(name)
    const { refusedBy, retryAfterMs } = await judge.evaluate(askOf(ALICE))
    expect(refusedBy).toBe(0)
    expect(retryAfterMs).toBeLessThanOrEqual(HOUR)
    expect(await admin.strlen(name)).toBe(16)
  })
})

function doubles(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8)
  for (const [nth, value] of values.entries()) bytes.writeDoubleLE(value, nth * 8)
  return bytes
}

describe('marks that cannot be read', () => {
  let judge: Judge
  beforeEach(async () => {
    judge = await storage.prepare(planOf(blocked, bucket(100_000, 1000)))
    await block(ALICE)
    expect(await admits(judge)).toBe(false)
  })

  test('cut off at any length: that subject is refused, without affecting others', async () => {
    const whole = (await admin.getBuffer(marksOf(ALICE))) as Buffer
    for (let length = 1; length < whole.length; length++) {
      await admin.set(marksOf(ALICE), whole.subarray(0, length))
      expect(await amongOthers(judge)).toEqual({ own: 'value.invalid', others: 9 })
    }
    expect(await corrupt()).toBe(whole.length - 1)
  })

  test('of random bytes: that subject is refused, and the number of such records is reported', async () => {
    for (let round = 1; round <= 100; round++) {
      await admin.set(marksOf(ALICE), randomBytes(1 + Math.floor(Math.random() * 200)))
      expect(await amongOthers(judge)).toEqual({ own: 'value.invalid', others: 9 })
      expect(await corrupt()).toBe(round)
    }
  })

  test('another type under the key of marks: that subject is refused', async () => {
    await admin.del(marksOf(ALICE))
    await admin.hset(marksOf(ALICE), 'blocked', 'yes')
    expect(await amongOthers(judge)).toEqual({ own: 'value.invalid', others: 9 })
    expect(await corrupt()).toBe(1)
  })

  test('the error names the key and how to mend it, which works', async () => {
    await admin.set(marksOf(ALICE), 'damaged')
    const failure = expect.objectContaining({
      code: 'value.invalid',
      message: expect.stringMatching(new RegExp(`${prefix}:\\{42\\}:m:u7\\. DEL these keys`)),
    })
    await expect(judge.evaluate(askOf())).rejects.toEqual(failure)
    await expect(storage.marks.get(BOT, ALICE, 'blocked')).rejects.toEqual(failure)
    await expect(storage.marks.of(BOT, ALICE)).rejects.toEqual(failure)
    await admin.del(marksOf(ALICE))
    await block(ALICE)
    expect(await admits(judge)).toBe(false)
    await storage.marks.remove(BOT, 'blocked', [ALICE])
    expect(await admits(judge)).toBe(true)
  })

  test('are not overwritten: marks of other subjects are written, and the rest rejects', async () => {
    await admin.set(marksOf(ALICE), 'damaged')
    await expect(block(BOB, ALICE, userKey(9))).rejects.toMatchObject({ code: 'value.invalid' })
    expect(await admits(judge, askOf(BOB))).toBe(false)
    expect(await admits(judge, askOf(userKey(9)))).toBe(false)
    await expect(storage.marks.remove(BOT, 'blocked', [ALICE, BOB])).rejects.toBeInstanceOf(SentinelError)
    expect(await admits(judge, askOf(BOB))).toBe(true)
    expect(await admin.get(marksOf(ALICE))).toBe('damaged')
  })

  test('do not count as an outage: with sentinel(), blocked users stay blocked', async () => {
    await admin.set(marksOf(ALICE), 'damaged')
    const guarded = makeResilient(redis(await sharedRedis(), { prefix }), {})
    const behind = await guarded.prepare(planOf(blocked, bucket(100_000, 1000)))
    await behind.evaluate(askOf(BOB))
    await until('its copy of marks is there', async () => {
      return (await guarded.health()).circuit?.copy?.complete === true
    })
    for (let nth = 0; nth < 20; nth++) expect(await admits(behind)).toBe(false)
    expect(await admits(behind, askOf(BOB))).toBe(true)
    const { ok, circuit } = await guarded.health()
    expect({ ok, state: circuit?.state, instead: circuit?.instead }).toEqual({
      ok: true,
      state: 'closed',
      instead: 20,
    })
    // And a new block fails with an error that says what to do.
    await expect(
      (async () => guarded.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }]))(),
    ).rejects.toThrow('DEL these keys')
    await guarded.close()
  })

  test('are listed as held, with their end, which the sets contain', async () => {
    const until = Date.now() + HOUR
    await storage.marks.put(BOT, 'blocked', [
      { key: BOB, mark: { since: 1, until } },
      { key: userKey(9), mark: { since: 1, reason: 'sound' } },
    ])
    await admin.set(marksOf(ALICE), 'damaged')
    await admin.set(marksOf(BOB), 'damaged')
    const { entries } = await storage.marks.scan(BOT, 'blocked')
    const reason = 'unreadable in Redis'
    expect(entries).toEqual([
      { key: ALICE, mark: { since: 0, reason } },
      { key: BOB, mark: { since: 0, until, reason } },
      { key: userKey(9), mark: { since: 1, reason: 'sound' } },
    ])
  })
})
