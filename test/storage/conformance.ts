import fc from 'fast-check'
import type { Ask, Check, Decision, Judge, Plan } from '../../src/core/check.js'
import type { Limit } from '../../src/core/limit.js'
import { chatKey, type Key, memberKey, userKey } from '../../src/core/subject.js'
import type { Storage } from '../../src/storage/storage.js'
import { replay } from './replay.js'
import { schedules } from './schedules.js'

export type MakeStorage = (clock: () => number) => Storage | Promise<Storage>

const START = 1_795_000_000_000
const ALICE = userKey(1)
const BOB = userKey(2)
const FORMS = ['bucket', 'log', 'counters', 'fixed'] as const

type Spec = Partial<Omit<Check, 'kind'>>

function limited(form: (typeof FORMS)[number], limit: Limit, slot: string = form, more: Spec = {}): Check {
  const asked = { guard: 'throttle', slot, subject: 0, limit, ...more }
  return form === 'bucket' ? { kind: 'bucket', ...asked } : { kind: 'window', form, ...asked }
}

function claim(more: Partial<Check & { kind: 'claim' }> = {}): Check {
  const asked = { guard: 'once', slot: 'claim', subject: 0, tokens: 'digest', holdFor: 1000 } as const
  return { kind: 'claim', whenHeld: 'refuse', ...asked, ...more }
}

const blocked: Check = { kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] }

/**
 * Holds a storage to what the contract says, so that one can stand in for another. `make` is given the clock that
 * the tests move; nothing sleeps.
 */
export function conformance(name: string, make: MakeStorage, schedulesToPlay = 3000): void {
  describe(`${name} keeps the storage contract`, () => {
    let now: number
    let storage: Storage

    beforeEach(async () => {
      now = START
      storage = await make(() => now)
    })
    afterEach(async () => storage.close())

    const prepare = async (...checks: Check[]): Promise<Judge> => storage.prepare(planOf(checks))
    const planOf = (checks: Check[]): Plan => ({ name: 'chain', scopes: ['user', 'chat'], checks })
    const askOf = (key: Key = ALICE, cost = 1, token = 0, bot = 1): Ask => ({
      bot,
      subjects: [key, chatKey(-100)],
      costs: Array.from({ length: 31 }, () => cost),
      tokens: Array.from({ length: 31 }, () => token),
    })
    const ask = async (judge: Judge, ...of: Parameters<typeof askOf>): Promise<Decision> =>
      judge.evaluate(askOf(...of), now)
    const admits = async (judge: Judge, ...of: Parameters<typeof askOf>): Promise<boolean> =>
      (await ask(judge, ...of)).refusedBy === -1
    const block = async (until?: number): Promise<void> =>
      storage.marks.put(1, 'blocked', [
        { key: ALICE, mark: { since: now, ...(until !== undefined && { until }) } },
      ])

    test('asks in order, and the first refuser speaks for all', async () => {
      const judge = await prepare(limited('bucket', { amount: 1, per: 1000 }), blocked)
      expect(await admits(judge)).toBe(true)
      await block()
      expect(await ask(judge)).toMatchObject({ refusedBy: 0, retryAfterMs: 1000 })
      now += 1000
      expect(await ask(judge)).toMatchObject({ refusedBy: 1, retryAfterMs: Number.POSITIVE_INFINITY })
    })

    test('charges nothing on a refusal, neither before nor after the refuser', async () => {
      const ample = { amount: 5, per: 60_000 }
      const judge = await prepare(
        claim(),
        ...FORMS.map((form) => limited(form, ample)),
        blocked,
        limited('bucket', ample, 'after'),
      )
      await block()
      for (let i = 0; i < 9; i++) expect((await ask(judge)).refusedBy).toBe(5)
      await storage.marks.remove(1, 'blocked', [ALICE])
      const { refusedBy, remaining } = await ask(judge)
      expect([refusedBy, ...remaining]).toEqual([-1, Number.NaN, 4, 4, 4, 4, Number.NaN, 4])
    })

    describe.each(FORMS)('a limit of form %s', (form) => {
      test.each<Limit & { cost: number }>([
        { amount: 7, per: 60_000, cost: 1 },
        { amount: 3, per: 1000, cost: 1 },
        { amount: 1, per: 1, cost: 1 },
        { amount: 60, per: 60_000, burst: 7, cost: 1 },
        { amount: 7, per: 1000, burst: 30, cost: 1 },
        { amount: 5, per: 997, cost: 0.3 },
        { amount: 11, per: 60_000, cost: 2.5 },
        { amount: 97, per: 86_400_000, cost: 97 },
        { amount: 100_000, per: 60_000, cost: 33_333 },
      ])('says to the millisecond when $cost of $amount/$per fits again', async ({ cost, ...limit }) => {
        if (form !== 'bucket' && (limit.burst ?? 0) > 0 && cost > limit.amount) return
        const judge = await prepare(limited(form, limit))
        for (let refusals = 0, asks = 0; refusals < 8 && asks < 400; asks++) {
          const { refusedBy, retryAfterMs } = await ask(judge, ALICE, cost)
          if (refusedBy === -1) {
            now += asks % 5
            continue
          }
          refusals++
          expect(retryAfterMs).toBeGreaterThan(0)
          now += retryAfterMs - 1
          expect((await judge.peek(askOf(ALICE, cost), now)).retryAfterMs).toBe(1)
          now += 1
          expect((await judge.peek(askOf(ALICE, cost), now)).refusedBy).toBe(-1)
        }
      })

      test('never admits a cost above its capacity, and says so', async () => {
        const judge = await prepare(limited(form, { amount: 4, per: 1000 }))
        expect(await ask(judge, ALICE, 4.001)).toMatchObject({
          refusedBy: 0,
          retryAfterMs: Number.POSITIVE_INFINITY,
        })
        expect(await admits(judge, ALICE, 4)).toBe(true)
      })

      test('gives a charge back once, and no more than it was', async () => {
        const judge = await prepare(limited(form, { amount: 3, per: 60_000 }))
        const { receipt } = await ask(judge, ALICE, 2)
        await ask(judge, ALICE, 1)
        for (let i = 0; i < 3; i++) if (receipt !== undefined) await judge.settle(receipt, 'refund')
        const { remaining } = await judge.peek(askOf(ALICE, 1), now)
        expect(remaining[0]).toBeCloseTo(1, 6)
        expect(await admits(judge, ALICE, 2)).toBe(true)
        expect(await admits(judge)).toBe(false)
      })

      test('counts every subject and every bot apart', async () => {
        const judge = await prepare(limited(form, { amount: 1, per: 60_000 }))
        const keys = [ALICE, BOB, userKey(2 ** 32 + 1), chatKey(1), memberKey(ALICE, -5), memberKey(BOB, -5)]
        for (const bot of [1, 2]) {
          for (const key of keys) expect(await admits(judge, key, 1, 0, bot)).toBe(true)
          for (const key of keys) expect(await admits(judge, key, 1, 0, bot)).toBe(false)
        }
      })

      test('goes on under a later plan of the same name, wherever its slot stands', async () => {
        const first = limited(form, { amount: 5, per: 60_000 }, 'kept')
        const judge = await prepare(limited('bucket', { amount: 9, per: 1000 }, 'gone'), first)
        for (let i = 0; i < 3; i++) await ask(judge)
        const later = await prepare(claim(), limited(form, { amount: 3, per: 60_000 }, 'kept'), blocked)
        if (form !== 'bucket') expect(await admits(later)).toBe(false)
        const same = await prepare(limited(form, { amount: 5, per: 60_000 }, 'kept'))
        expect(await admits(same)).toBe(true)
        expect(await admits(same)).toBe(true)
        expect(await admits(same)).toBe(false)
      })
    })

    test('a refund may be of one check', async () => {
      const judge = await prepare(...FORMS.map((form) => limited(form, { amount: 5, per: 60_000 })))
      const { receipt } = await ask(judge)
      if (receipt === undefined) throw new Error('no receipt')
      await judge.settle(receipt, 'refund', 1)
      const left = (await judge.peek(askOf(BOB), now)).remaining
      expect(left).toEqual([4, 4, 4, 4])
      expect((await judge.peek(askOf(), now)).remaining).toEqual([3, 4, 3, 3])
      await judge.settle(receipt, 'refund')
      expect((await judge.peek(askOf(), now)).remaining).toEqual([4, 4, 4, 4])
    })

    test('a receipt is settled by slot, whatever plan came since', async () => {
      const bucket = limited('bucket', { amount: 2, per: 60_000 })
      const log = limited('log', { amount: 2, per: 60_000 })
      const judge = await prepare(bucket, log)
      const { receipt } = await ask(judge)
      const later = await prepare(log, limited('fixed', { amount: 2, per: 60_000 }), bucket)
      await ask(later)
      if (receipt !== undefined) await later.settle(receipt, 'refund', 0)
      expect((await later.peek({ ...askOf(), costs: [1, 1, 1] }, now)).refusedBy).toBe(0)
      expect((await later.peek({ ...askOf(), costs: [0, 1, 1] }, now)).remaining[2]).toBeCloseTo(0, 6)
    })

    test('a look at other checks changes nothing for asks that share their costs', async () => {
      const judge = await prepare(blocked, limited('bucket', { amount: 1, per: 60_000 }))
      const ask: Ask = { bot: 1, subjects: [ALICE], costs: [1, 1], tokens: [] }
      await storage.marks.put(1, 'blocked', [{ key: BOB, mark: { since: now } }])
      expect((await judge.evaluate(ask, now)).refusedBy).toBe(-1)
      await judge.peek({ ...ask, costs: [0, 0] }, now)
      expect((await judge.evaluate(ask, now)).refusedBy).toBe(1)
      expect((await judge.evaluate({ ...ask, subjects: [BOB] }, now)).refusedBy).toBe(0)
    })

    test('a peek ahead takes nothing from whom an earlier plan knew', async () => {
      const held = claim({ holdFor: 60_000 })
      const plan = [held, limited('bucket', { amount: 1, per: 7 })]
      await ask(await prepare(...plan), ALICE)
      const later = await prepare(...plan)
      await later.peek(askOf(BOB, 1, 0, 2), now + 60_001)
      now += 59_999
      expect((await ask(later, ALICE)).refusedBy).toBe(0)
    })

    test('a peek answers as an evaluation would, and writes nothing', async () => {
      const onRefusal = { penalty: { after: 1, within: 1000, bans: [5000] }, noticeEvery: 1000 }
      const judge = await prepare(limited('log', { amount: 1, per: 1000 }, 'log', { onRefusal }))
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 3; i++) {
          const { remaining, receipt, refusedBy } = await judge.peek(askOf(), now)
          expect({ remaining, receipt, refusedBy }).toEqual({
            remaining: [0],
            receipt: undefined,
            refusedBy: -1,
          })
        }
        await ask(judge)
        for (let i = 0; i < 3; i++) {
          expect(await judge.peek(askOf(), now)).toMatchObject({
            refusedBy: 0,
            notice: true,
            retryAfterMs: 5000,
          })
        }
        now += 1000
      }
    })

    test('a peek at a time to come takes no mark away', async () => {
      const judge = await prepare(blocked)
      await block(now + 1000)
      expect((await judge.peek(askOf(), now + 5000)).refusedBy).toBe(-1)
      expect(await ask(judge)).toMatchObject({ refusedBy: 0, retryAfterMs: 1000 })
      now += 999
      expect(await admits(judge)).toBe(false)
      now += 1
      expect(await admits(judge)).toBe(true)
    })

    test('an album pays once, and its parts share the fate of the first', async () => {
      const onRefusal = { penalty: { after: 2, within: 1000, bans: [50] }, noticeEvery: 1000 }
      const judge = await prepare(
        claim({ slot: 'album', whenHeld: 'waive' }),
        limited('log', { amount: 1, per: 5000 }, 'log', { onRefusal }),
      )
      expect(await ask(judge, ALICE, 1, 7)).toMatchObject({ refusedBy: -1, waived: false })
      expect(await ask(judge, ALICE, 1, 7)).toMatchObject({ refusedBy: -1, waived: true })
      const echo = { refusedBy: 1, cause: 'echo', notice: false, retryAfterMs: 1000 }
      expect(await ask(judge, ALICE, 1, 8)).toMatchObject({ refusedBy: 1, cause: 'check', notice: true })
      // An echo is no second violation.
      for (let i = 0; i < 3; i++) expect(await ask(judge, ALICE, 1, 8)).toMatchObject(echo)
    })

    describe.each(['sequence', 'digest'] as const)('a claim on a %s', (tokens) => {
      test('is taken once, and again in the moment it lapses', async () => {
        const judge = await prepare(claim({ tokens }))
        expect(await admits(judge, ALICE, 1, 4095)).toBe(true)
        expect(await ask(judge, ALICE, 1, 4095)).toMatchObject({ refusedBy: 0, retryAfterMs: 1000 })
        expect(await admits(judge, ALICE, 1, 4096)).toBe(true)
        expect(await admits(judge, BOB, 1, 4095)).toBe(true)
        now += 999
        expect(await admits(judge, ALICE, 1, 4095)).toBe(false)
        now += 1
        expect(await admits(judge, ALICE, 1, 4095)).toBe(true)
      })

      test('that is released may be retried, and what follows is paid already', async () => {
        const judge = await prepare(
          claim({ tokens, retry: true }),
          limited('log', { amount: 1, per: 60_000 }),
        )
        const first = await ask(judge)
        expect(await admits(judge)).toBe(false)
        if (first.receipt !== undefined) await judge.settle(first.receipt, 'release')
        const second = await ask(judge)
        expect(second).toMatchObject({ refusedBy: -1, waived: true })
        // The first taker has no say any longer.
        if (first.receipt !== undefined) await judge.settle(first.receipt, 'release')
        expect(await admits(judge)).toBe(false)
        if (second.receipt !== undefined) await judge.settle(second.receipt, 'complete')
        expect(await admits(judge)).toBe(false)
      })

      test('on a lease lapses unless it is completed', async () => {
        const judge = await prepare(claim({ tokens, lease: 100, retry: true }))
        const first = await ask(judge)
        expect(await ask(judge)).toMatchObject({ refusedBy: 0, retryAfterMs: 100 })
        now += 100
        const second = await ask(judge)
        expect(second.refusedBy).toBe(-1)
        // Too late: another is at it.
        if (first.receipt !== undefined) await judge.settle(first.receipt, 'complete')
        expect(await ask(judge)).toMatchObject({ refusedBy: 0, retryAfterMs: 100 })
        if (second.receipt !== undefined) await judge.settle(second.receipt, 'complete')
        expect(await ask(judge)).toMatchObject({ refusedBy: 0, retryAfterMs: 1000 })
      })
    })

    test('who was waived cannot release what another has taken', async () => {
      const judge = await prepare(
        claim({ slot: 'album', whenHeld: 'waive' }),
        claim({ slot: 'once', tokens: 'sequence', retry: true }),
      )
      const tokensOf = (album: number): Ask => ({ ...askOf(), tokens: [album, 7] })
      await judge.evaluate(tokensOf(1), now)
      const { receipt, waived } = await judge.evaluate(tokensOf(1), now)
      expect(waived).toBe(true)
      if (receipt !== undefined) await judge.settle(receipt, 'release')
      expect((await judge.evaluate(tokensOf(2), now)).refusedBy).toBe(1)
    })

    test('penalties escalate, are waited for, and are forgotten', async () => {
      const onRefusal = { penalty: { after: 2, within: 1000, bans: [10_000, 60_000] }, noticeEvery: 3000 }
      const judge = await prepare(limited('log', { amount: 1, per: 100 }, 'log', { onRefusal }))
      const offend = async (): Promise<Decision[]> => {
        await ask(judge)
        return [await ask(judge), await ask(judge), await ask(judge)]
      }
      expect(await offend()).toMatchObject([
        { cause: 'check', retryAfterMs: 100, notice: true },
        { cause: 'check', retryAfterMs: 10_000, notice: false },
        { cause: 'penalty', retryAfterMs: 10_000, notice: false, remaining: [0] },
      ])
      now += 9999
      expect(await ask(judge)).toMatchObject({ cause: 'penalty', retryAfterMs: 1, notice: true })
      now += 1
      expect((await offend())[1]?.retryAfterMs).toBe(60_000)
      now += 60_000
      expect((await offend())[1]?.retryAfterMs).toBe(60_000)
      now += 120_000
      expect((await offend())[1]?.retryAfterMs).toBe(10_000)
    })

    test('a shadow never refuses, and changes nothing for the others', async () => {
      const judge = await prepare(
        claim({ slot: 'album', whenHeld: 'waive', shadow: true }),
        limited('log', { amount: 1, per: 1000 }, 'shadow', { shadow: true }),
        limited('bucket', { amount: 3, per: 60_000 }),
        { ...blocked, shadow: true },
      )
      await block()
      expect(await ask(judge, ALICE, 1, 1)).toMatchObject({ refusedBy: -1, shadowRefusals: [3] })
      expect(await ask(judge, ALICE, 1, 1)).toMatchObject({
        refusedBy: -1,
        shadowRefusals: [3],
        waived: false,
      })
      expect(await ask(judge, ALICE, 1, 2)).toMatchObject({ refusedBy: -1, shadowRefusals: [1, 3] })
      expect(await ask(judge, ALICE, 1, 1)).toMatchObject({ refusedBy: 2 })
    })

    test('marks are put, replaced, lapse and are taken away, under either form of a key', async () => {
      const { marks } = storage
      await marks.put(1, 'role', [{ key: 'u1', mark: { since: now, reason: 'first' } }])
      await marks.put(1, 'role', [{ key: ALICE, mark: { since: now, until: now + 10, value: { a: [1] } } }])
      expect(await marks.get(1, 'u1', 'role')).toEqual({ since: now, until: now + 10, value: { a: [1] } })
      expect(await marks.get(2, ALICE, 'role')).toBeUndefined()
      expect(await marks.get(1, ALICE, 'other')).toBeUndefined()
      now += 10
      expect(await marks.get(1, ALICE, 'role')).toBeUndefined()
      expect(await marks.scan(1, 'role')).toEqual({ entries: [] })
      await marks.put(1, 'role', [{ key: ALICE, mark: { since: now } }])
      expect(await marks.remove(1, 'role', ['u1', BOB])).toBe(1)
      expect(await marks.remove(1, 'role', [ALICE])).toBe(0)
    })

    test('pages of marks show all who hold one throughout, even while others are taken away', async () => {
      const keys = Array.from({ length: 25 }, (_, index) => userKey(index + 1))
      await storage.marks.put(
        1,
        'blocked',
        keys.map((key) => ({ key, mark: { since: now } })),
      )
      const seen: Key[] = []
      let from: string | undefined
      do {
        const page = await storage.marks.scan(1, 'blocked', from, 4)
        expect(page.entries.length).toBeLessThanOrEqual(4)
        seen.push(...page.entries.map(({ key }) => key))
        await storage.marks.remove(
          1,
          'blocked',
          page.entries.map(({ key }) => key),
        )
        from = page.next
      } while (from !== undefined)
      expect(new Set(seen)).toEqual(new Set(keys))
      expect(seen).toHaveLength(25)
    })

    test('a reset forgets one slot, or all of a subject and nobody else', async () => {
      const limit = { amount: 1, per: 60_000 }
      const judge = await prepare(limited('bucket', limit, 'a'), limited('log', limit, 'b'), claim())
      for (const key of [ALICE, BOB, memberKey(ALICE, -5)]) await ask(judge, key)
      await storage.reset(1, ALICE, 'a')
      expect((await ask(judge)).refusedBy).toBe(1)
      await storage.reset(1, ALICE, 'b')
      expect((await ask(judge)).refusedBy).toBe(2)
      await storage.reset(1, 'u1')
      expect(await admits(judge)).toBe(true)
      expect((await ask(judge, BOB)).refusedBy).toBe(0)
      await storage.reset(1, memberKey(ALICE, -5))
      expect(await admits(judge, memberKey(ALICE, -5))).toBe(true)
    })

    test('close may be called twice; nothing is prepared afterwards', async () => {
      await storage.close()
      await storage.close()
      await expect((async () => storage.prepare(planOf([])))()).rejects.toMatchObject({
        code: 'storage.closed',
      })
      expect((await storage.health()).ok).toBe(false)
    })

    test('plans that cannot be counted exactly are refused', async () => {
      const unsound: Check[] = [
        limited('log', { amount: 1.5, per: 1000 }),
        limited('bucket', { amount: 1, per: 0.5 }),
        limited('fixed', { amount: 1, per: 1000 }, 'x', { subject: 2 }),
        limited('bucket', { amount: 1, per: 1000, burst: Number.NaN }),
        claim({ holdFor: 0 }),
        claim({ lease: 0 }),
        claim({ tokens: 'sequence', whenHeld: 'waive' }),
        { ...blocked, onRefusal: { penalty: { after: 1, within: 1000, bans: [] } } },
      ]
      for (const check of unsound) {
        await expect((async () => prepare(check))()).rejects.toMatchObject({ code: 'plan.invalid' })
      }
      await expect((async () => prepare(blocked, blocked))()).rejects.toMatchObject({
        code: 'limit.duplicate',
      })
    })

    test('over random plans and schedules it decides as the reference does', async () => {
      await fc.assert(
        fc.asyncProperty(schedules, async (schedule) => {
          const difference = await replay(schedule, make)
          if (difference !== undefined) throw new Error(difference)
        }),
        { numRuns: schedulesToPlay },
      )
    }, 120_000)
  })
}
