import type { Decision } from '../../core/check.js'
import { matches, same } from '../expecting.js'
import { ALICE, askOf, BOB, blocked, type Case, claim, FORMS, type Form, limited, planOf } from '../stand.js'

function shares(form: Form): Case {
  return {
    name: `two workers share a limit of form ${form}, and together admit exactly what it allows`,
    workers: true,
    async run(stand) {
      const plan = planOf([limited(form, { amount: 9, per: 60_000 })])
      const judges = [await stand.storage.prepare(plan), await (await stand.another()).prepare(plan)]
      const asks = Array.from({ length: 80 }, (_, nth) => {
        const judge = judges[nth % 2]
        return judge?.evaluate(askOf(nth % 4 < 2 ? ALICE : BOB), stand.now)
      })
      const decisions = await Promise.all(asks)
      same(decisions.filter((decision) => decision?.refusedBy === -1).length, 18, 'how many were admitted')
      for (const judge of judges) {
        for (const key of [ALICE, BOB]) same((await stand.ask(judge, key)).refusedBy, 0)
      }
      stand.now += 120_000
      for (const judge of judges) same(await stand.admits(judge), true)
    },
  }
}

/** What processes with a shared storage must agree on. */
export const workerCases: readonly Case[] = [
  ...FORMS.map(shares),
  {
    name: 'a mark that one worker puts counts for the other at once',
    workers: true,
    async run(stand) {
      const other = await stand.another()
      const judge = await other.prepare(planOf([blocked]))
      same(await stand.admits(judge), true)
      await stand.block()
      matches(await stand.ask(judge), { refusedBy: 0 })
      same((await other.marks.get(1, ALICE, 'blocked'))?.since, stand.now)
      same(await other.marks.remove(1, 'blocked', [ALICE]), 1)
      same(await stand.storage.marks.get(1, ALICE, 'blocked'), undefined)
      same(await stand.admits(judge), true)
    },
  },
  {
    name: 'a claim of one worker holds against the other, and only the worker that took it may settle it',
    workers: true,
    async run(stand) {
      const plan = planOf([claim({ retry: true, lease: 100, holdFor: 60_000 })])
      const [here, there] = [await stand.storage.prepare(plan), await (await stand.another()).prepare(plan)]
      const first = await stand.admission(here)
      matches(await stand.ask(there), { refusedBy: 0, retryAfterMs: 100 })
      await here.settle(first, 'release')
      const second = await stand.admission(there)
      // The first holder has lost the claim, so this has no effect.
      await here.settle(first, 'release')
      matches(await stand.ask(here), { refusedBy: 0, retryAfterMs: 100 })
      await there.settle(second, 'complete')
      matches(await stand.ask(here), { refusedBy: 0, retryAfterMs: 60_000 })
    },
  },
  {
    name: 'one of many simultaneous asks of many workers wins a claim',
    workers: true,
    async run(stand) {
      const plan = planOf([claim({ slot: 'a' }), claim({ slot: 'b', tokens: 'sequence' })])
      const judges = [await stand.storage.prepare(plan)]
      for (let i = 0; i < 3; i++) judges.push(await (await stand.another()).prepare(plan))
      const asks = judges.flatMap((judge) =>
        Array.from({ length: 10 }, () => judge.evaluate(askOf(), stand.now)),
      )
      same((await Promise.all(asks)).filter(({ refusedBy }) => refusedBy === -1).length, 1)
    },
  },
  {
    name: 'workers with two versions of a plan share the checks of both, and lose no state of checks that only one has',
    workers: true,
    async run(stand) {
      const limit = { amount: 4, per: 60_000 }
      const kept = limited('log', limit, 'kept')
      const earlier = await stand.storage.prepare(planOf([limited('bucket', limit, 'old'), kept, claim()]))
      const later = await (await stand.another()).prepare(planOf([kept, limited('fixed', limit, 'new')]))
      for (let token = 0; token < 2; token++) {
        matches(await stand.ask(earlier, ALICE, 1, token), { refusedBy: -1 })
        matches(await stand.ask(later, ALICE), { refusedBy: -1 })
      }
      same((await stand.peek(later)).remaining, [0, 2])
      same((await stand.peek(earlier, ALICE, 1, 9)).remaining, [2, 0, Number.NaN])
      matches(await stand.ask(earlier, ALICE, 1, 9), { refusedBy: 1 })
      matches(await stand.ask(later), { refusedBy: 0 })
    },
  },
  {
    name: 'a reset by one worker counts for the other',
    workers: true,
    async run(stand) {
      const plan = planOf([limited('bucket', { amount: 1, per: 60_000 }), claim()])
      const judge = await stand.storage.prepare(plan)
      const other = await stand.another()
      await other.prepare(plan)
      await stand.ask(judge)
      await other.reset(1, ALICE)
      same(await stand.admits(judge), true)
    },
  },
  {
    name: 'a reset works from any worker: one that has not prepared the plan, or the last one left',
    workers: true,
    async run(stand) {
      const slots = { first: 'handler', other: 'other' }
      const checks = [
        limited('bucket', { amount: 1, per: 60_000 }, slots.first, {
          onRefusal: { penalty: { after: 1, within: 60_000, bans: [60_000] } },
        }),
        limited('log', { amount: 9, per: 60_000 }, slots.other),
        claim({ slot: 'once', tokens: 'sequence', holdFor: 60_000 }),
      ]
      const plan = { ...planOf(checks), name: 'handler' }
      const other = await stand.another()
      const judge = await stand.storage.prepare(plan)
      const use = async (token: number): Promise<void> => {
        matches(await stand.ask(judge, ALICE, 1, token), { refusedBy: -1 })
        matches(await stand.ask(judge, ALICE, 1, token + 1), { refusedBy: 0 })
      }
      const look = (): Promise<Decision> => stand.peek(judge, ALICE, 1, 9)
      await use(1)
      await other.reset(1, ALICE, slots.other)
      matches(await look(), { refusedBy: 0, remaining: [0, 9, Number.NaN] })
      await other.reset(1, ALICE, slots.first)
      matches(await look(), { refusedBy: -1, remaining: [0, 8, Number.NaN] })
      await use(3)
      await other.reset(1, ALICE)
      // Its claims are forgotten, too.
      await use(3)
      await stand.storage.close()
      const reborn = await stand.another()
      await reborn.reset(1, ALICE)
      const again = await reborn.prepare(plan)
      matches(await stand.ask(again, ALICE, 1, 3), { refusedBy: -1 })
    },
  },
  {
    name: 'both workers see the same users, values and sessions',
    workers: true,
    async run(stand) {
      const { storage } = stand
      const other = await stand.another()
      const notes = [storage, other].flatMap(({ users }) =>
        Array.from({ length: 10 }, () =>
          users.note(1, [{ key: ALICE, at: stand.now, counts: { messages: 1 } }]),
        ),
      )
      await Promise.all(notes)
      await Promise.all([storage.users.patch(1, ALICE, { a: 1 }), other.users.patch(1, ALICE, { b: 2 })])
      for (const { users } of [storage, other]) {
        matches(await users.get(1, ALICE), { counts: { messages: 20 }, data: { a: 1, b: 2 } })
      }
      await storage.values.put('s', 'k', { by: 'one' })
      same(await other.values.get('s', 'k'), { by: 'one' })
      await other.sessions().write('7', { by: 'two' })
      same(await storage.sessions().read('7'), { by: 'two' })
    },
  },
  {
    name: 'stored state is there for a worker that starts after all others have closed',
    workers: true,
    async run(stand) {
      const plan = planOf([
        blocked,
        limited('bucket', { amount: 2, per: 60_000 }),
        claim({ holdFor: 60_000 }),
      ])
      await stand.ask(await stand.storage.prepare(plan))
      await stand.block(BOB)
      await stand.storage.users.note(1, [{ key: BOB, at: stand.now }])
      await stand.storage.values.put('s', 'k', 1)
      await stand.storage.close()
      const reborn = await stand.another()
      const judge = await reborn.prepare(plan)
      matches(await stand.ask(judge), { refusedBy: 2 })
      same((await stand.peek(judge, ALICE, 1, 1)).remaining, [Number.NaN, 0, Number.NaN])
      matches(await stand.ask(judge, BOB), { refusedBy: 0 })
      same((await reborn.users.get(1, BOB))?.lastSeen, stand.now)
      same(await reborn.values.get('s', 'k'), 1)
    },
  },
]
