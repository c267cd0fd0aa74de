import type { Limit } from '../../core/limit.js'
import { chatKey, memberKey, ownKey, senderKey, userKey } from '../../core/subject.js'
import { matches, near, same } from '../expecting.js'
import { ALICE, askOf, BOB, blocked, type Case, claim, FORMS, type Form, limited } from '../stand.js'

const NEVER = Number.POSITIVE_INFINITY

const LIMITS: readonly (Limit & { readonly cost: number })[] = [
  { amount: 7, per: 60_000, cost: 1 },
  { amount: 3, per: 1000, cost: 1 },
  { amount: 1, per: 1, cost: 1 },
  { amount: 60, per: 60_000, burst: 7, cost: 1 },
  { amount: 7, per: 1000, burst: 30, cost: 1 },
  { amount: 5, per: 997, cost: 0.3 },
  { amount: 11, per: 60_000, cost: 2.5 },
  { amount: 97, per: 86_400_000, cost: 97 },
  { amount: 100_000, per: 60_000, cost: 33_333 },
]

function exactness(form: Form, { cost, ...limit }: (typeof LIMITS)[number]): Case {
  return {
    name: `a limit of form ${form} returns to the millisecond when ${cost} of ${limit.amount}/${limit.per}${limit.burst === undefined ? '' : ` (${limit.burst} at once)`} fits again`,
    async run(stand) {
      const judge = await stand.prepare(limited(form, limit))
      let refusals = 0
      for (let asks = 0; refusals < 8 && asks < 400; asks++) {
        const { refusedBy, retryAfterMs } = await stand.ask(judge, ALICE, cost)
        if (refusedBy === -1) {
          stand.now += asks % 5
          continue
        }
        refusals++
        same(
          retryAfterMs > 0 && Number.isInteger(retryAfterMs),
          true,
          `whole milliseconds in ${retryAfterMs}`,
        )
        stand.now += retryAfterMs - 1
        same((await stand.peek(judge, ALICE, cost)).retryAfterMs, 1)
        stand.now += 1
        same((await stand.peek(judge, ALICE, cost)).refusedBy, -1)
      }
      // A limit of one per millisecond has room again whenever it is asked.
      if (limit.per > 1) same(refusals > 0, true, 'whether it ever refused')
    },
  }
}

function casesOf(form: Form): Case[] {
  const name = (of: string): string => `a limit of form ${form} ${of}`
  return [
    ...LIMITS.filter(
      ({ burst, cost, amount }) => form === 'bucket' || burst === undefined || cost <= amount,
    ).map((limit) => exactness(form, limit)),
    {
      name: name('never admits a cost above its capacity, and reports that waiting does not help'),
      async run(stand) {
        const judge = await stand.prepare(limited(form, { amount: 4, per: 1000 }))
        matches(await stand.ask(judge, ALICE, 4.001), { refusedBy: 0, retryAfterMs: NEVER })
        same(await stand.admits(judge, ALICE, 4), true)
      },
    },
    {
      name: name('refunds a charge once, and no more than was charged'),
      async run(stand) {
        const judge = await stand.prepare(limited(form, { amount: 3, per: 60_000 }))
        const receipt = await stand.admission(judge, ALICE, 2)
        await stand.ask(judge, ALICE, 1)
        for (let i = 0; i < 3; i++) await judge.settle(receipt, 'refund')
        near((await stand.peek(judge)).remaining[0], 1)
        same(await stand.admits(judge, ALICE, 2), true)
        same(await stand.admits(judge), false)
      },
    },
    {
      name: name('counts every subject and every bot separately'),
      async run(stand) {
        const judge = await stand.prepare(limited(form, { amount: 1, per: 60_000 }))
        const keys = [
          ALICE,
          BOB,
          userKey(2 ** 32 + 1),
          chatKey(1),
          senderKey(-100),
          chatKey(-100),
          memberKey(ALICE, -5),
          memberKey(BOB, -5),
          chatKey(1, 'connection'),
          chatKey(1, 'Connection'),
          memberKey(ALICE, 1),
          memberKey(ALICE, 1, 'connection'),
          ownKey('a'),
          ownKey('a:b{c}'),
          ownKey('a\0b'),
          ownKey('ключ 🔑'),
          userKey(2 ** 50),
        ]
        for (const bot of [1, 2]) {
          for (const key of keys) same(await stand.admits(judge, key, 1, 0, bot), true, `the first of ${key}`)
          for (const key of keys)
            same(await stand.admits(judge, key, 1, 0, bot), false, `the second of ${key}`)
        }
      },
    },
    {
      name: name('continues under a later plan of the same name, at whatever position its slot is'),
      async run(stand) {
        const first = limited(form, { amount: 5, per: 60_000 }, 'kept')
        const judge = await stand.prepare(limited('bucket', { amount: 9, per: 1000 }, 'gone'), first)
        for (let i = 0; i < 3; i++) await stand.ask(judge)
        const later = await stand.prepare(claim(), limited(form, { amount: 3, per: 60_000 }, 'kept'), blocked)
        if (form !== 'bucket') same(await stand.admits(later), false)
        const same5 = await stand.prepare(limited(form, { amount: 5, per: 60_000 }, 'kept'))
        same(
          [await stand.admits(same5), await stand.admits(same5), await stand.admits(same5)],
          [true, true, false],
        )
      },
    },
    {
      name: name('starts over if its slot held another kind of check'),
      async run(stand) {
        const other = FORMS.find((each) => each !== form) as Form
        const judge = await stand.prepare(limited(other, { amount: 2, per: 60_000 }, 'slot'))
        await stand.ask(judge, ALICE, 2)
        const later = await stand.prepare(limited(form, { amount: 2, per: 60_000 }, 'slot'))
        near((await stand.ask(later)).remaining[0], 1)
      },
    },
    {
      name: name('admits exactly as many of many simultaneous asks as it allows'),
      async run(stand) {
        const judge = await stand.prepare(limited(form, { amount: 7, per: 60_000 }))
        const keys = [ALICE, BOB, memberKey(ALICE, -5)]
        const asks = Array.from({ length: 90 }, (_, nth) => judge.evaluate(askOf(keys[nth % 3]), stand.now))
        const decisions = await Promise.all(asks)
        for (const of of keys.keys()) {
          const own = decisions.filter((_, nth) => nth % 3 === of)
          same(own.filter(({ refusedBy }) => refusedBy === -1).length, 7, 'how many were admitted')
          same(
            own.every(({ refusedBy, retryAfterMs }) => refusedBy === -1 || retryAfterMs > 0),
            true,
          )
        }
      },
    },
  ]
}

/** The arithmetic of every form of limit. */
export const limitCases: readonly Case[] = FORMS.flatMap(casesOf)
