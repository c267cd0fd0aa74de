import fc from 'fast-check'
import type { Ask, Check, Judge, Plan } from '../../../src/core/check.js'
import { GLOBAL_KEY, userKey } from '../../../src/core/subject.js'
import { memory } from '../../../src/storage/memory/memory.js'

const START = 1_795_000_000_000

/** A mark that nobody has. With it in `unless` the fast path does not apply, so that the general path decides. */
const UNLESS = { subject: 0, anyOf: ['nobody'] }

const CHECKS: readonly Check[] = [
  { kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] },
  {
    kind: 'claim',
    guard: 'once',
    slot: 'once',
    subject: 1,
    tokens: 'sequence',
    holdFor: 60_000,
    whenHeld: 'refuse',
  },
  { kind: 'bucket', guard: 'throttle', slot: 'a', subject: 0, limit: { amount: 3, per: 1000, burst: 4 } },
  // One in the same record, and one in another.
  { kind: 'bucket', guard: 'throttle', slot: 'b', subject: 0, limit: { amount: 7, per: 9000 } },
  { kind: 'bucket', guard: 'throttle', slot: 'c', subject: 2, limit: { amount: 5, per: 3000 } },
]

function judgeOf(checks: readonly Check[], earlier?: readonly Check[]) {
  const storage = memory({ clock: () => START })
  const plan = (all: readonly Check[]): Plan => ({
    name: 'main',
    scopes: ['actor', 'global', 'chat'],
    checks: all,
  })
  if (earlier !== undefined) storage.prepare(plan(earlier))
  return { storage, judge: storage.prepare(plan(checks)) as Judge }
}

const slow = CHECKS.map((check) => ({ ...check, unless: UNLESS }))

test.each([
  ['at once', undefined],
  ['under a later plan', CHECKS.slice(0, 3)],
])('the fast path decides, charges and stores like the general path, %s', (_, earlier) => {
  const update = fc.record({
    user: fc.integer({ min: 1, max: 6 }),
    chat: fc.option(fc.integer({ min: -3, max: -1 }), { nil: undefined }),
    token: fc.integer({ min: 4090, max: 4110 }),
    asked: fc.constantFrom([1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 0, 0, 1]),
    after: fc.constantFrom(0, 1, 10, 400, 2000, 70_000),
  })
  fc.assert(
    fc.property(fc.array(update, { maxLength: 60 }), (updates) => {
      const quick = judgeOf(CHECKS, earlier)
      const long = judgeOf(slow, earlier)
      const lists = new Map<string, readonly number[]>()
      let at = START
      for (const { user, chat, token, asked, after } of updates) {
        at += after
        // Equal costs are the same list, as in a chain.
        const costs = lists.get(asked.join()) ?? asked
        lists.set(asked.join(), costs)
        const subjects = [userKey(user), GLOBAL_KEY, chat === undefined ? undefined : userKey(-chat)]
        const ask: Ask = { bot: 1, subjects, costs, tokens: [token] }
        const [one, other] = [quick.judge.evaluate(ask, at), long.judge.evaluate(ask, at)]
        expect(told(one)).toEqual(told(other))
      }
      expect(quick.storage.health()).toMatchObject({ untracked: 0, evicted: 0 })
    }),
    { numRuns: 300 },
  )
})

function told(decision: ReturnType<Judge['evaluate']>) {
  if (decision instanceof Promise) throw new Error('memory answers at once')
  const { refusedBy, cause, retryAfterMs, remaining, waived } = decision
  return { refusedBy, cause, retryAfterMs, remaining: [...remaining], waived }
}

test('a subject without room is admitted, not charged, and counted', () => {
  const storage = memory({ maxSubjects: 1, clock: () => START })
  const banned: Check = {
    kind: 'bucket',
    guard: 'throttle',
    slot: 'strict',
    subject: 0,
    limit: { amount: 1, per: 60_000 },
    onRefusal: { penalty: { after: 1, within: 60_000, bans: [600_000] } },
  }
  const plan: Plan = { name: 'main', scopes: ['actor'], checks: [banned, { ...(CHECKS[2] as Check) }] }
  const judge = storage.prepare(plan) as Judge
  const ask = (id: number, costs: readonly number[]): Ask => ({
    bot: 1,
    subjects: [userKey(id)],
    costs,
    tokens: [],
  })
  const strictly = [1, 0]
  judge.evaluate(ask(1, strictly), START)
  judge.evaluate(ask(1, strictly), START)
  // The ban fills the table. The second bucket alone can use the fast path.
  const plainly = [0, 1]
  for (let i = 0; i < 10; i++) {
    expect(told(judge.evaluate(ask(2, plainly), START))).toMatchObject({
      refusedBy: -1,
      remaining: [Number.NaN, 4],
    })
  }
  expect(storage.health()).toMatchObject({ tracked: 1, untracked: 10 })
})
