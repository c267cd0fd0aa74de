import type { Ask, Decision } from '../../core/check.js'
import { chatKey, type Key } from '../../core/subject.js'
import { matches, near, same } from '../expecting.js'
import { ALICE, askOf, BOB, blocked, type Case, claim, FORMS, limited, planOf } from '../stand.js'

const NEVER = Number.POSITIVE_INFINITY

/** How the checks of a plan work together: order, refusals that charge nothing, peeks, shadow mode, penalties, receipts. */
export const orderCases: readonly Case[] = [
  {
    name: 'checks are asked in order, and the first that refuses decides',
    async run(stand) {
      const judge = await stand.prepare(limited('bucket', { amount: 1, per: 1000 }), blocked)
      same(await stand.admits(judge), true)
      await stand.block()
      matches(await stand.ask(judge), { refusedBy: 0, retryAfterMs: 1000 })
      stand.now += 1000
      matches(await stand.ask(judge), { refusedBy: 1, retryAfterMs: NEVER })
    },
  },
  {
    name: 'a refusal charges nothing, neither before nor after the check that refused',
    async run(stand) {
      const ample = { amount: 5, per: 60_000 }
      const judge = await stand.prepare(
        claim(),
        ...FORMS.map((form) => limited(form, ample)),
        blocked,
        limited('bucket', ample, 'after'),
      )
      await stand.block()
      for (let i = 0; i < 9; i++) same((await stand.ask(judge)).refusedBy, 5)
      await stand.storage.marks.remove(1, 'blocked', [ALICE])
      const { refusedBy, remaining } = await stand.ask(judge)
      same([refusedBy, ...remaining], [-1, Number.NaN, 4, 4, 4, 4, Number.NaN, 4])
    },
  },
  {
    name: 'checks that an ask skips are skipped',
    async run(stand) {
      const limit = { amount: 1, per: 60_000 }
      const judge = await stand.prepare(
        limited('log', limit),
        limited('bucket', limit, 'chat', { subject: 1 }),
      )
      const none: Ask = { ...askOf(), costs: [0, 0] }
      const userOnly: Ask = { ...askOf(), subjects: [ALICE, undefined] }
      for (let i = 0; i < 3; i++)
        same((await judge.evaluate(none, stand.now)).remaining, [Number.NaN, Number.NaN])
      same((await judge.evaluate(userOnly, stand.now)).remaining, [0, Number.NaN])
      same((await judge.evaluate(userOnly, stand.now)).refusedBy, 0)
      same((await judge.evaluate(askOf(BOB), stand.now)).remaining, [0, 0])
      same((await judge.evaluate({ ...askOf(BOB), costs: [0, 1] }, stand.now)).refusedBy, 1)
    },
  },
  {
    name: 'a list of tokens may be shorter than the checks if the rest is skipped',
    async run(stand) {
      const judge = await stand.prepare(claim({ slot: 'a' }), claim({ slot: 'b' }), claim({ slot: 'c' }))
      const first: Ask = { ...askOf(), costs: [1, 0, 0], tokens: [7] }
      same((await judge.evaluate(first, stand.now)).refusedBy, -1)
      same((await judge.evaluate({ ...first, costs: [0, 1, 0], tokens: [0, 7] }, stand.now)).refusedBy, -1)
      same((await judge.evaluate({ ...first, costs: [0, 0, 0], tokens: [] }, stand.now)).refusedBy, -1)
      same((await judge.evaluate(first, stand.now)).refusedBy, 0)
      same((await judge.evaluate({ ...first, costs: [0, 1, 0], tokens: [0, 7] }, stand.now)).refusedBy, 1)
    },
  },
  {
    name: 'without a given time the storage uses its own clock',
    async run(stand) {
      const judge = await stand.prepare(
        limited('log', { amount: 2, per: 3_600_000 }),
        limited('bucket', { amount: 3, per: 3_600_000 }),
        claim({ holdFor: 3_600_000 }),
      )
      const askWith = (token: number): Ask => ({ ...askOf(), tokens: [token] })
      same((await judge.evaluate(askWith(1))).refusedBy, -1)
      matches(await judge.evaluate(askWith(1)), { refusedBy: 2 })
      same((await judge.peek(askWith(2))).refusedBy, -1)
      same((await judge.evaluate(askWith(2))).refusedBy, -1)
      const { refusedBy, retryAfterMs } = await judge.evaluate(askWith(3))
      same(refusedBy, 0)
      same(retryAfterMs > 0 && retryAfterMs <= 3_600_000, true, `whether ${retryAfterMs} is within the hour`)
    },
  },
  {
    name: 'a limit may concern the update alone, without a subject',
    async run(stand) {
      const judge = await stand.prepare(limited('log', { amount: 5, per: 60_000 }))
      const strict: Ask = { ...askOf(), limits: [{ amount: 2, per: 60_000 }] }
      same((await judge.evaluate(strict, stand.now)).remaining, [1])
      same((await judge.evaluate(strict, stand.now)).remaining, [0])
      matches(await judge.evaluate(strict, stand.now), { refusedBy: 0, retryAfterMs: 60_000 })
      same((await stand.ask(judge)).remaining, [2])
    },
  },
  {
    name: 'a holder of a mark is exempt, or has another limit',
    async run(stand) {
      const variants = [
        { mark: 'role:vip', subject: 0, limit: { amount: 3, per: 60_000 } },
        { mark: 'limit', subject: 0, limit: 'stored' as const },
      ]
      const unless = { subject: 0, anyOf: ['role:owner', 'role:staff'] }
      const judge = await stand.prepare(
        limited('log', { amount: 1, per: 60_000 }, 'log', { variants, unless }),
      )
      const { marks } = stand.storage
      /** What is left before a charge; a peek reports what would be left after it. */
      const left = async (): Promise<number> => ((await stand.peek(judge)).remaining[0] as number) + 1
      same(await left(), 1)
      await marks.put(1, 'limit', [
        { key: ALICE, mark: { since: stand.now, value: { amount: 2, per: 60_000 } } },
      ])
      // A window holds as many stamps as the largest limit of its plan.
      same(await left(), 2)
      await marks.put(1, 'role:vip', [{ key: ALICE, mark: { since: stand.now } }])
      same(await left(), 3)
      await marks.put(1, 'role:staff', [{ key: ALICE, mark: { since: stand.now, until: stand.now + 10 } }])
      for (let i = 0; i < 5; i++) same((await stand.ask(judge)).remaining, [Number.NaN])
      stand.now += 10
      same(await left(), 3)
      // A stored value may be anything; a value that is not a limit is ignored.
      await marks.remove(1, 'role:vip', [ALICE])
      await marks.put(1, 'limit', [{ key: ALICE, mark: { since: stand.now, value: 'no limit' } }])
      same(await left(), 1)
    },
  },
  {
    name: 'a stored limit is moved into its bounds, and ignored if it has another time span',
    async run(stand) {
      const per = 60_000
      const within = { min: { amount: 2, per }, max: { amount: 4, per, burst: 3 } }
      const variants = [{ mark: 'limit', subject: 0, limit: 'stored' as const, within }]
      const limit = { amount: 1, per }
      const unbound = [{ mark: 'limit', subject: 0, limit: 'stored' as const }]
      const judge = await stand.prepare(
        limited('bucket', limit, 'bucket', { variants }),
        limited('fixed', limit, 'fixed', { variants }),
        limited('fixed', limit, 'unbound', { variants: unbound }),
      )
      const holds = async (value: unknown): Promise<readonly number[]> => {
        await stand.storage.marks.put(1, 'limit', [{ key: ALICE, mark: { since: stand.now, value } }])
        return (await stand.peek(judge)).remaining.map((left) => left + 1)
      }
      same(await holds({ amount: 9, per }), [3, 4, 9])
      same(await holds({ amount: 1, per }), [2, 2, 1])
      same(await holds({ amount: 3, per, burst: 1 }), [2, 3, 3])
      same(await holds({ amount: 3, per }), [3, 3, 3])
      same(await holds({ amount: 3, per: 1000 }), [1, 1, 3])
    },
  },
  {
    name: 'a mark of one subject may exempt another, or set its limit',
    async run(stand) {
      const chat = chatKey(-100)
      const exempt = { subject: 1, anyOf: ['quiet'] }
      const variants = [{ mark: 'busy', subject: 1, limit: { amount: 3, per: 60_000 } }]
      const { marks } = stand.storage
      const put = async (key: Key, name: string): Promise<void> =>
        marks.put(1, name, [{ key, mark: { since: stand.now } }])
      const withExemption = await stand.prepare(
        limited('bucket', { amount: 1, per: 60_000 }, 'exempt', { unless: exempt }),
      )
      await put(ALICE, 'quiet')
      same((await stand.ask(withExemption)).remaining, [0])
      await put(chat, 'quiet')
      same((await stand.ask(withExemption)).remaining, [Number.NaN])
      await marks.remove(1, 'quiet', [chat])
      matches(await stand.ask(withExemption), { refusedBy: 0 })
      const varying = await stand.prepare(limited('log', { amount: 2, per: 60_000 }, 'varied', { variants }))
      await put(ALICE, 'busy')
      same((await stand.ask(varying)).remaining, [1])
      await put(chat, 'busy')
      same((await stand.ask(varying)).remaining, [1])
    },
  },
  {
    name: 'a refund may be of one check',
    async run(stand) {
      const judge = await stand.prepare(...FORMS.map((form) => limited(form, { amount: 5, per: 60_000 })))
      const receipt = await stand.admission(judge)
      await judge.settle(receipt, 'refund', 1)
      same((await stand.peek(judge, BOB)).remaining, [4, 4, 4, 4])
      same((await stand.peek(judge)).remaining, [3, 4, 3, 3])
      await judge.settle(receipt, 'refund')
      same((await stand.peek(judge)).remaining, [4, 4, 4, 4])
    },
  },
  {
    name: 'a receipt is settled by slot, whichever plan was prepared since',
    async run(stand) {
      const bucket = limited('bucket', { amount: 2, per: 60_000 })
      const log = limited('log', { amount: 2, per: 60_000 })
      const judge = await stand.prepare(bucket, log)
      const receipt = await stand.admission(judge)
      const later = await stand.prepare(log, limited('fixed', { amount: 2, per: 60_000 }), bucket)
      await stand.ask(later)
      await later.settle(receipt, 'refund', 0)
      same((await later.peek({ ...askOf(), costs: [1, 1, 1] }, stand.now)).refusedBy, 0)
      near((await later.peek({ ...askOf(), costs: [0, 1, 1] }, stand.now)).remaining[2], 0)
    },
  },
  {
    name: 'an earlier judge settles its receipts even after a later plan has replaced its plan',
    async run(stand) {
      const log = limited('log', { amount: 1, per: 60_000 })
      const once = claim({ retry: true, holdFor: 60_000 })
      const judge = await stand.prepare(once, log)
      const [alice, bob] = [await stand.admission(judge), await stand.admission(judge, BOB)]
      const later = await stand.prepare(limited('bucket', { amount: 9, per: 60_000 }, 'new'), once, log)
      await judge.settle(alice, 'release')
      matches(await stand.ask(later), { refusedBy: -1, waived: true })
      await judge.settle(bob, 'refund')
      matches(await stand.ask(later, BOB), { refusedBy: 1 })
      const other = await later.evaluate({ ...askOf(BOB), tokens: [1] }, stand.now)
      same([other.refusedBy, ...other.remaining], [-1, 8, Number.NaN, 0])
    },
  },
  {
    name: 'settling a receipt whose slots are no longer in the plan does nothing',
    async run(stand) {
      const log = limited('log', { amount: 2, per: 60_000 }, 'gone')
      const judge = await stand.prepare(claim({ slot: 'once' }), log)
      const receipt = await stand.admission(judge)
      const later = await stand.prepare(limited('log', { amount: 2, per: 60_000 }, 'kept'))
      await stand.ask(later)
      for (const how of ['complete', 'release', 'refund'] as const) await later.settle(receipt, how)
      same((await stand.peek(later)).remaining, [0])
    },
  },
  {
    name: 'a peek at other checks does not affect asks that share its costs',
    async run(stand) {
      const judge = await stand.prepare(blocked, limited('bucket', { amount: 1, per: 60_000 }))
      const ask: Ask = { bot: 1, subjects: [ALICE], costs: [1, 1], tokens: [] }
      await stand.block(BOB)
      same((await judge.evaluate(ask, stand.now)).refusedBy, -1)
      await judge.peek({ ...ask, costs: [0, 0] }, stand.now)
      same((await judge.evaluate(ask, stand.now)).refusedBy, 1)
      same((await judge.evaluate({ ...ask, subjects: [BOB] }, stand.now)).refusedBy, 0)
    },
  },
  {
    name: 'a peek ahead deletes nothing of subjects that an earlier plan has stored',
    async run(stand) {
      const held = claim({ holdFor: 60_000 })
      const plan = [held, limited('bucket', { amount: 1, per: 7 })]
      await stand.ask(await stand.prepare(...plan), ALICE)
      const later = await stand.prepare(...plan)
      await later.peek(askOf(BOB, 1, 0, 2), stand.now + 60_001)
      stand.now += 59_999
      same((await stand.ask(later, ALICE)).refusedBy, 0)
    },
  },
  {
    name: 'a peek returns what an evaluation would, and writes nothing',
    async run(stand) {
      const onRefusal = { penalty: { after: 1, within: 1000, bans: [5000] }, noticeEvery: 1000 }
      const judge = await stand.prepare(limited('log', { amount: 1, per: 1000 }, 'log', { onRefusal }))
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 3; i++) {
          matches(await stand.peek(judge), { remaining: [0], receipt: undefined, refusedBy: -1 })
        }
        await stand.ask(judge)
        for (let i = 0; i < 3; i++) {
          matches(await stand.peek(judge), { refusedBy: 0, notice: true, retryAfterMs: 5000 })
        }
        stand.now += 1000
      }
    },
  },
  {
    name: 'a peek at a future time removes no mark',
    async run(stand) {
      const judge = await stand.prepare(blocked)
      await stand.block(ALICE, stand.now + 1000)
      same((await judge.peek(askOf(), stand.now + 5000)).refusedBy, -1)
      matches(await stand.ask(judge), { refusedBy: 0, retryAfterMs: 1000 })
      stand.now += 999
      same(await stand.admits(judge), false)
      stand.now += 1
      same(await stand.admits(judge), true)
    },
  },
  {
    name: 'penalties escalate, hold until they end, and are forgotten',
    async run(stand) {
      const onRefusal = { penalty: { after: 2, within: 1000, bans: [10_000, 60_000] }, noticeEvery: 3000 }
      const judge = await stand.prepare(limited('log', { amount: 1, per: 100 }, 'log', { onRefusal }))
      const offend = async (): Promise<[Decision, Decision, Decision]> => {
        await stand.ask(judge)
        return [await stand.ask(judge), await stand.ask(judge), await stand.ask(judge)]
      }
      const [first, second, third] = await offend()
      matches(first, { cause: 'check', retryAfterMs: 100, notice: true })
      // The retry time has grown from 100 ms to ten seconds, so a new notice is due.
      matches(second, { cause: 'check', retryAfterMs: 10_000, notice: true })
      matches(third, { cause: 'penalty', retryAfterMs: 10_000, notice: false, remaining: [0] })
      stand.now += 9999
      matches(await stand.ask(judge), { cause: 'penalty', retryAfterMs: 1, notice: true })
      stand.now += 1
      same((await offend())[1].retryAfterMs, 60_000)
      stand.now += 60_000
      same((await offend())[1].retryAfterMs, 60_000)
      stand.now += 120_000
      same((await offend())[1].retryAfterMs, 10_000)
    },
  },
  {
    name: 'a ban shorter than the time between notices gets no notice of its own',
    async run(stand) {
      const onRefusal = { penalty: { after: 2, within: 1000, bans: [500, 1000] }, noticeEvery: 1000 }
      const judge = await stand.prepare(limited('log', { amount: 1, per: 100 }, 'log', { onRefusal }))
      const offend = async (): Promise<boolean[]> => {
        const told: boolean[] = []
        for (let asked = 0; asked < 3; asked++) told.push((await stand.ask(judge)).notice)
        return told
      }
      same(await offend(), [false, true, false])
      stand.now += 500
      same(await offend(), [false, false, true])
    },
  },
  {
    name: 'a check in shadow never refuses, and does not affect the others',
    async run(stand) {
      const judge = await stand.prepare(
        claim({ slot: 'album', whenHeld: 'waive', shadow: true }),
        limited('log', { amount: 1, per: 1000 }, 'shadow', { shadow: true }),
        limited('bucket', { amount: 3, per: 60_000 }),
        { ...blocked, shadow: true },
      )
      await stand.block()
      matches(await stand.ask(judge, ALICE, 1, 1), { refusedBy: -1, shadowRefusals: [3] })
      matches(await stand.ask(judge, ALICE, 1, 1), { refusedBy: -1, shadowRefusals: [3], waived: false })
      matches(await stand.ask(judge, ALICE, 1, 2), { refusedBy: -1, shadowRefusals: [1, 3] })
      matches(await stand.ask(judge, ALICE, 1, 1), { refusedBy: 2 })
    },
  },
  {
    name: 'a plan without checks admits everything, and returns a receipt with nothing to settle',
    async run(stand) {
      const judge = await stand.storage.prepare({ ...planOf([]), scopes: [] })
      const { refusedBy, remaining, receipt } = await judge.evaluate({
        bot: 1,
        subjects: [],
        costs: [],
        tokens: [],
      })
      same([refusedBy, [...remaining]], [-1, []])
      if (receipt !== undefined) await judge.settle(receipt, 'complete')
    },
  },
]
