import { Redis } from 'ioredis'
import type { Check } from '../../../src/core/check.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { redis } from '../../../src/storage/redis/index.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { HOUR, judgesOf, keepWhatOnlyOneKnows, leftOf, window } from '../rolling.js'
import { ALICE, admits, askOf, BOT, bucket, planOf } from './desk.js'

/*
 * Two workers with different releases of a bot: their plans alternate on the same user, and neither knows all slots of the other.
 */

let before: Storage
let after: Storage
const clock = { now: 0 }
let prefix: string
beforeEach(async () => {
  prefix = freshName()
  clock.now = 1_795_000_000_000
  const options = { prefix, clock: () => clock.now }
  before = redis(await sharedRedis(), options)
  after = redis(await sharedRedis(), options)
})
afterEach(async () => {
  await before.close()
  await after.close()
})

const judges = (...own: readonly Check[]) => judgesOf({ before, after, clock }, ...own)

describe('state that only one of two plans knows survives the writes of the other', () => {
  keepWhatOnlyOneKnows(() => ({ before, after, clock }))

  test('a penalty, until it ends', async () => {
    const onRefusal = { penalty: { after: 2, within: HOUR, bans: [60_000, HOUR] } }
    const { old, next } = await judges({ ...bucket(1, 1000, 'own'), onRefusal } as Check)
    expect(await admits(old)).toBe(true)
    for (let refusal = 1; refusal <= 2; refusal++) {
      expect((await old.evaluate(askOf())).cause).toBe('check')
      expect(await admits(next, askOf(ALICE, [refusal]))).toBe(true)
    }
    clock.now += 59_999
    expect(await admits(next, askOf(ALICE, [3]))).toBe(true)
    expect(await old.evaluate(askOf())).toMatchObject({ refusedBy: 0, cause: 'penalty', retryAfterMs: 1 })
    clock.now += 1
    expect(await admits(old)).toBe(true)
    // Earlier bans are remembered: the next ban is the longer one.
    for (let refusal = 1; refusal <= 2; refusal++) {
      await admits(next, askOf(ALICE, [10 + refusal]))
      await old.evaluate(askOf())
    }
    expect(await old.evaluate(askOf())).toMatchObject({ cause: 'penalty', retryAfterMs: HOUR })
  })

  test('for its whole life: a record written last by a short plan is kept for the state of the long one', async () => {
    const admin = new Redis(await sharedRedis(), { disconnectTimeout: 50 })
    const old = await before.prepare(planOf(bucket(1, 86_400_000, 'own')))
    const next = await after.prepare(planOf(bucket(5, 1000, 'brief')))
    expect(await admits(old)).toBe(true)
    for (let round = 0; round < 3; round++) expect(await admits(next)).toBe(true)
    const [name] = (await admin.keys(`${prefix}:{${BOT}}:r*`)) as [string]
    expect(await admin.pttl(name)).toBeGreaterThan(86_400_000)
    clock.now += 86_399_999
    expect(await old.evaluate(askOf())).toMatchObject({ refusedBy: 0, retryAfterMs: 1 })
    clock.now += 1
    expect(await admits(old)).toBe(true)
    admin.disconnect()
  })

  test('nothing is duplicated: after many turns a record is as long as after two', async () => {
    const admin = new Redis(await sharedRedis(), { disconnectTimeout: 50 })
    const { old, next } = await judges(bucket(1000, HOUR, 'own'), window('counters', 1000))
    const turn = async (token: number): Promise<number> => {
      clock.now += 2000
      await old.evaluate(askOf())
      await next.evaluate(askOf(ALICE, [token]))
      const [name] = (await admin.keys(`${prefix}:{${BOT}}:r*`)) as [string]
      return admin.strlen(name)
    }
    await turn(1)
    const [second, third] = [await turn(2), await turn(3)]
    // Each turn only adds a time stamp and a claim.
    expect(third - second).toBe(6 + 33)
    for (let token = 4; token <= 20; token++) await turn(token)
    expect((await turn(21)) - third).toBe(18 * (6 + 33))
    admin.disconnect()
  })

  test('a settlement finds what was charged under the plan of its worker, despite later writes', async () => {
    const { old, next } = await judges(bucket(5, HOUR, 'own'))
    const { receipt } = await old.evaluate(askOf())
    if (receipt === undefined) throw new Error('there is no receipt')
    expect(await admits(next, askOf(ALICE, [1]))).toBe(true)
    await old.settle(receipt, 'refund')
    expect(await admits(next, askOf(ALICE, [2]))).toBe(true)
    expect(await leftOf(old, 0, askOf())).toBe(4)
    expect(await leftOf(next, 0, askOf(ALICE, [99]))).toBe(97)
  })
})
