import type { Check, Plan } from '../../src/core/check.js'
import { GLOBAL_KEY, userKey } from '../../src/core/subject.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'

/*
 * Plans of any size that the contract allows must be accepted. Functions in Lua have at most 200 local variables and 60 captured ones;
 * functions in Postgres have limits of their own.
 */

const limit = { amount: 1, per: 60_000 }
const many = (make: (index: number) => Check): Check[] =>
  Array.from({ length: 31 }, (_, index) => make(index))
const marks = (count: number): string[] => Array.from({ length: count }, (_, index) => `role:${index}`)
const asked = (index: number, subject = 0) => ({ guard: 'guard', slot: `slot ${index}`, subject })
const penalty = { penalty: { after: 1, within: 1000, bans: [1000, 5000] }, noticeEvery: 1000 }

const wide: Record<string, { scopes: number; checks: Check[] }> = {
  'claims on sequences': {
    scopes: 1,
    checks: many((index) => ({
      ...asked(index),
      kind: 'claim',
      tokens: 'sequence',
      holdFor: 1000,
      whenHeld: 'refuse',
    })),
  },
  'claims on digests': {
    scopes: 1,
    checks: many((index) => ({
      ...asked(index),
      kind: 'claim',
      tokens: 'digest',
      holdFor: 1000,
      whenHeld: 'refuse',
    })),
  },
  'buckets with one scope': {
    scopes: 1,
    checks: many((index) => ({ ...asked(index), kind: 'bucket', limit })),
  },
  'buckets, each with its own scope, with marks and penalties': {
    scopes: 31,
    checks: many((index) => ({
      ...asked(index, index),
      kind: 'bucket',
      limit,
      onRefusal: penalty,
      unless: { subject: index, anyOf: marks(9) },
      variants: [{ mark: 'vip', subject: index, limit: 'stored' }],
    })),
  },
  'windows of two counters': {
    scopes: 1,
    checks: many((index) => ({
      ...asked(index),
      kind: 'window',
      form: 'counters',
      limit,
      onRefusal: penalty,
    })),
  },
  'one bucket with exemptions by 300 marks': {
    scopes: 1,
    checks: [{ ...asked(0), kind: 'bucket', limit, unless: { subject: 0, anyOf: marks(300) } }],
  },
}

const makers: Record<string, () => Promise<Storage>> = {
  memory: async () => memory(),
  redis: async () => redis(await sharedRedis(), { prefix: freshName() }),
  postgres: async () => postgres(await sharedPostgres(), { schema: freshName() }),
}

describe.each(Object.entries(makers))('in %s', (_, make) => {
  let storage: Storage
  beforeAll(async () => {
    storage = await make()
  })
  afterAll(async () => storage.close())

  test.each(Object.entries(wide))(
    'a plan of maximal size is decided: %s',
    async (name, { scopes, checks }) => {
      const plan: Plan = {
        name,
        scopes: Array.from({ length: scopes }, (_, index) => `scope ${index}`),
        checks,
      }
      const judge = await storage.prepare(plan)
      const ask = {
        bot: 1,
        subjects: plan.scopes.map((_, index) => (index === 0 ? userKey(1) : GLOBAL_KEY)),
        costs: checks.map(() => 1),
        tokens: checks.map(() => 7),
      }
      expect((await judge.evaluate(ask)).refusedBy).toBe(-1)
      expect((await judge.evaluate(ask)).refusedBy).toBe(0)
      expect((await judge.peek(ask)).refusedBy).toBe(0)
    },
    30_000,
  )
})
