import fc from 'fast-check'
import { Pool } from 'pg'
import type { Ask, Check, Decision, Judge, Plan } from '../../../src/core/check.js'
import { chatKey, GLOBAL_KEY, type Key, memberKey, userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { pool as admin, open as openIn, schema, url, useSchemas } from './desk.js'

/*
 * Simultaneous requests: ordinary ones are decided by one statement for all of them, the others one by one. Compared with the memory
 * storage, which decides one after the other.
 */

const START = 1_795_000_000_000
const pools: Pool[] = []

useSchemas('crowd')
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.end()
})

/** A storage, and the functions of plans that it calls. */
function open(clock?: () => number): { storage: Storage; asked: string[] } {
  const pool = new Pool({ connectionString: url, max: 4 })
  pools.push(pool)
  const asked: string[] = []
  pool.on('connect', (client) => {
    const { query } = client
    client.query = ((...args: Parameters<typeof query>) => {
      const [what] = args as readonly unknown[]
      const name = (what as { name?: string }).name ?? ''
      const kind = /^(judge|plain|quick|usual)_/.exec(name)?.[1]
      if (kind !== undefined) asked.push(kind)
      return query.apply(client, args)
    }) as typeof query
  })
  return { storage: openIn({ ...(clock && { clock }) }, pool), asked }
}

const [ACTOR, BOT, CHAT, PLACE] = [0, 1, 2, 3]
const checks: readonly Check[] = [
  { kind: 'absent', guard: 'block', slot: 'block', subject: ACTOR, anyOf: ['blocked'] },
  { kind: 'absent', guard: 'block', slot: 'block.place', subject: PLACE, anyOf: ['blocked'] },
  {
    kind: 'claim',
    guard: 'once',
    slot: 'once',
    subject: BOT,
    tokens: 'sequence',
    holdFor: 86_400_000,
    retry: true,
    whenHeld: 'refuse',
  },
  {
    kind: 'claim',
    guard: 'debounce',
    slot: 'debounce',
    subject: ACTOR,
    tokens: 'digest',
    holdFor: 700,
    whenHeld: 'refuse',
  },
  {
    kind: 'bucket',
    guard: 'throttle',
    slot: 'user',
    subject: ACTOR,
    limit: { amount: 3, per: 1000, burst: 4 },
    unless: { subject: ACTOR, anyOf: ['staff'] },
    onRefusal: { penalty: { after: 2, within: 10_000, bans: [3000] } },
  },
  { kind: 'bucket', guard: 'throttle', slot: 'wide', subject: ACTOR, limit: { amount: 7, per: 9000 } },
  // In records of its own: requests about these are decided one by one.
  { kind: 'bucket', guard: 'throttle', slot: 'chat', subject: CHAT, limit: { amount: 5, per: 3000 } },
]
const plan: Plan = { name: 'main', scopes: ['actor', 'bot', 'chat', 'place'], checks }
/** Messages, messages that also count in their chat, edits without new words, and commands with two costs. */
const COSTS = {
  message: [1, 1, 1, 1, 1, 1, 0],
  chat: [1, 1, 1, 1, 1, 1, 1],
  edit: [1, 1, 1, 0, 0, 1, 0],
  dear: [1, 1, 1, 1, 2, 1, 0],
  free: [1, 1, 0, 0, 0, 0, 0],
} as const

const actors: readonly Key[] = [
  ...Array.from({ length: 20 }, (_, nth) => userKey(1 + nth)),
  // Stored under a text key.
  memberKey(userKey(1), -5),
]

interface Asked {
  readonly what: keyof typeof COSTS
  readonly actor: number
  readonly chat: number
  readonly token: number
  readonly said: number
}

function askOf({ what, actor, chat, token, said }: Asked): Ask {
  const where = chat < 0 ? undefined : chatKey(-100 - chat)
  return {
    bot: 1,
    subjects: [actor < 0 ? undefined : (actors[actor] as Key), GLOBAL_KEY, where, where],
    costs: COSTS[what],
    tokens: [token, said],
  }
}

const ONCE = 2

function told({ refusedBy, cause, retryAfterMs, remaining, waived, notice }: Decision) {
  // Claims of a chunk expire with the last one taken: among simultaneous requests that depends on which was first.
  const wait = refusedBy === ONCE ? 'with its chunk' : retryAfterMs
  return { refusedBy, cause, wait, remaining: [...remaining], waived, notice }
}

const message = (actor: number, token: number, said = token): Asked => ({
  what: 'message',
  actor,
  chat: -1,
  token,
  said,
})

test('simultaneous asks are decided by one statement, as if one after another', async () => {
  const { storage, asked } = open(() => START)
  const judge = await storage.prepare(plan)
  const decide = (all: readonly Asked[]): Promise<Decision[]> =>
    Promise.all(all.map((each) => judge.evaluate(askOf(each), START)))
  const reasons = async (all: readonly Asked[]): Promise<number[]> =>
    (await decide(all)).map(({ refusedBy }) => refusedBy)

  // The first request creates its chunk, the second one is ordinary.
  await decide([message(8, 99)])
  asked.length = 0
  expect(await reasons([0, 1, 2, 3].map((actor) => message(actor, actor)))).toEqual([-1, -1, -1, -1])
  expect(asked).toEqual(['usual'])
  asked.length = 0
  await storage.marks.put(1, 'blocked', [{ key: userKey(3), mark: { since: START } }])
  // One is a duplicate, one is blocked, one is new, one repeats its text.
  expect(await reasons([message(0, 0), message(2, 11), message(5, 12), message(1, 13, 1)])).toEqual([
    2, 0, -1, 3,
  ])
  expect(asked).toEqual(['usual'])
  asked.length = 0
  // The requests of a user with several are decided one by one, beside the others.
  expect(
    await reasons([
      message(6, 21),
      message(7, 22),
      message(7, 23),
      message(3, 24),
      message(1, 25),
      message(7, 26),
    ]),
  ).toEqual([-1, -1, -1, -1, -1, -1])
  expect(asked).toEqual(['usual', 'plain'])
  asked.length = 0
  expect(await reasons([message(6, 31), message(7, 31)])).toEqual([-1, 2])
  expect(asked).toEqual(['plain'])
})

test('nothing is written for subjects that are not charged', async () => {
  const { storage, asked } = open(() => START)
  const judge = await storage.prepare(plan)
  const decide = (all: readonly Asked[]): Promise<Decision[]> =>
    Promise.all(all.map((each) => judge.evaluate(askOf(each), START)))
  const written = async (): Promise<unknown[]> =>
    (await admin.query(`SELECT subject, xmin::text FROM "${schema}".records ORDER BY subject`)).rows
  await decide([message(0, 1), message(1, 2), message(2, 3)])
  const before = await written()
  asked.length = 0
  const free = [0, 1, 2].map((actor): Asked => ({ ...message(actor, 0), what: 'free' }))
  expect((await decide(free)).map(({ refusedBy }) => refusedBy)).toEqual([-1, -1, -1])
  expect(asked).toEqual(['usual'])
  expect(await written()).toEqual(before)
})

test('with random crowds it decides, charges and stores like memory, one after another', async () => {
  const question: fc.Arbitrary<Asked> = fc.record({
    what: fc.constantFrom('message', 'message', 'message', 'chat', 'edit', 'dear', 'free'),
    actor: fc.oneof(
      { weight: 9, arbitrary: fc.nat({ max: actors.length - 1 }) },
      { weight: 1, arbitrary: fc.constant(-1) },
    ),
    chat: fc.integer({ min: -1, max: 1 }),
    token: fc.nat({ max: 12 }),
    said: fc.nat({ max: 3 }),
  })
  const crowd = fc.record({
    after: fc.constantFrom(0, 1, 10, 300, 800, 3000, 20_000),
    // Sometimes a token is used twice, by simultaneous requests or later; some requests lie at the edge of a chunk.
    asked: fc
      .tuple(fc.array(question, { minLength: 1, maxLength: 10 }), fc.nat({ max: 9 }))
      .map(([all, of]) =>
        all.map((each, nth) => ({ ...each, token: 3700 + of * 100 + nth * 10 + each.token })),
      ),
    mark: fc.option(
      fc.record({ actor: fc.nat({ max: actors.length - 1 }), name: fc.constantFrom('blocked', 'staff') }),
      {
        nil: undefined,
        freq: 4,
      },
    ),
    giveBack: fc.boolean(),
  })
  let at = START
  const { storage, asked: kinds } = open(() => at)
  const judge = await storage.prepare(plan)
  let bot = 1
  await fc.assert(
    fc.asyncProperty(fc.array(crowd, { minLength: 3, maxLength: 12 }), async (crowds) => {
      bot++
      at += 86_400_000
      const reference = memory({ clock: () => at })
      const model = reference.prepare(plan) as Judge
      for (const { after, asked: all, mark, giveBack } of crowds) {
        at += after
        if (mark !== undefined) {
          const entries = [{ key: actors[mark.actor] as Key, mark: { since: at, until: at + 5000 } }]
          for (const each of [storage, reference]) await each.marks.put(bot, mark.name, entries)
        }
        const asks = all.map((each): Ask => ({ ...askOf(each), bot }))
        const real = await Promise.all(asks.map((ask) => judge.evaluate(ask, at)))
        // Decisions of memory must be read at once: their values are computed on access.
        const expected = []
        for (const ask of asks) {
          const decision = await model.evaluate(ask, at)
          expected.push({ told: told(decision), receipt: decision.receipt })
        }
        expect(real.map(told)).toEqual(expected.map((each) => each.told))
        if (!giveBack) continue
        for (const [nth, { receipt }] of real.entries()) {
          const other = expected[nth]?.receipt
          if (receipt === undefined || other === undefined) continue
          const how = nth % 2 === 0 ? 'refund' : 'release'
          await judge.settle(receipt, how)
          await model.settle(other, how)
        }
      }
    }),
    { numRuns: 60 },
  )
  expect(kinds.filter((kind) => kind === 'usual').length).toBeGreaterThan(100)
})

test('four workers with the same crowd admit what the limits allow, without deadlocks', async () => {
  const workers = Array.from({ length: 4 }, () => open())
  const limit = { amount: 5, per: 3_600_000 }
  const crowded: Plan = {
    name: 'crowded',
    scopes: ['actor', 'bot'],
    checks: [checks[2] as Check, { kind: 'bucket', guard: 'throttle', slot: 'user', subject: ACTOR, limit }],
  }
  const judges = await Promise.all(workers.map(async ({ storage }) => storage.prepare(crowded)))
  const crowd = Array.from({ length: 12 }, (_, nth) => userKey(1000 + nth))
  let token = 0
  let admitted = 0
  for (let round = 0; round < 6; round++) {
    const decisions = await Promise.all(
      judges.flatMap((judge, nth) =>
        // Each judge begins with another user.
        crowd.map((_, place) =>
          judge.evaluate({
            bot: 1,
            subjects: [crowd[(place + nth * 3) % crowd.length] as Key, GLOBAL_KEY],
            costs: COSTS.message,
            tokens: [token++],
          }),
        ),
      ),
    )
    admitted += decisions.filter(({ refusedBy }) => refusedBy === -1).length
  }
  expect(admitted).toBe(crowd.length * limit.amount)
  // One call each: requests in a deadlock would have been cancelled by the server, and repeated.
  expect(workers.map(({ asked }) => asked)).toEqual(workers.map(() => Array(6).fill('usual')))
})
