import fc from 'fast-check'
import type { Judge } from '../../../src/core/check.js'
import { type Key, userKey } from '../../../src/core/subject.js'
import { memory } from '../../../src/storage/memory/memory.js'
import type { Fault } from '../faulty.js'
import { askOf, BOT, blocked, bucket, claim, isAdmitted, outage, planOf, settled } from '../outage.js'

/* Whatever a storage does, in any order: decisions in time, exact while it works, blocks that hold, nothing left over. */

type Step =
  | { readonly do: 'ask'; readonly user: number; readonly token: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'fault'; readonly fault: Fault }
  | { readonly do: 'delay'; readonly ms: number }
  | { readonly do: 'block'; readonly user: number }
  | { readonly do: 'unblock'; readonly user: number }
  | { readonly do: 'gap' }
  | { readonly do: 'kill' }

const users = fc.integer({ min: 1, max: 4 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      user: users,
      token: fc.integer({ min: 0, max: 30 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 30, 100, 249, 250, 400),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      fault: fc.constantFrom<Fault>('none', 'refuses', 'throws', 'hangs', 'loses', 'reads'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('delay' as const), ms: fc.constantFrom(0, 100, 300) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('block', 'unblock'), user: users }) as fc.Arbitrary<Step>,
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('gap', 'kill') }) as fc.Arbitrary<Step> },
)

const PLAN = planOf(blocked, claim({ slot: 'once' }), bucket(4))

test('with random failures of the storage', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const stage = outage()
      const { storage, remote, time, pass } = stage
      const preparing = Promise.resolve(storage.prepare(PLAN))
      await pass(250)
      const judge = await preparing
      /** Whether this process has blocked each user, by its last write. */
      const wanted = new Map<number, boolean>()
      const asked: { at: number; decidedAt: number | undefined }[] = []
      const failures: unknown[] = []
      const work = async (each: Step): Promise<void> => {
        if (each.do === 'pass') return pass(each.ms)
        if (each.do === 'delay') remote.delay = each.ms
        else if (each.do === 'gap') remote.gap()
        else if (each.do === 'kill') remote.kill()
        else if (each.do === 'fault') {
          // Hanging calls are handled when it is resumed.
          if (each.fault === 'none') remote.resume()
          else remote.fault = each.fault
        } else if (each.do === 'ask') {
          const one: (typeof asked)[number] = { at: time.now, decidedAt: undefined }
          asked.push(one)
          const deciding = Promise.resolve().then(() =>
            judge.evaluate(askOf(userKey(each.user), [each.token])),
          )
          deciding.then(
            () => {
              one.decidedAt = time.now
            },
            (error) => failures.push(error),
          )
        } else {
          wanted.set(each.user, each.do === 'block')
          const key = userKey(each.user)
          // One after the other: of two concurrent writes neither is the last.
          const writing = (async () => {
            if (each.do === 'block')
              await storage.marks.put(BOT, 'blocked', [{ key, mark: { since: time.now } }])
            else await storage.marks.remove(BOT, 'blocked', [key])
          })()
          let over = false
          writing.then(
            () => {
              over = true
            },
            (error) => {
              over = true
              if ((error as { code?: string }).code !== 'storage.unavailable') failures.push(error)
            },
          )
          await settled()
          while (!over) await pass(100)
          // Two writes within a millisecond cannot be ordered by their time.
          await pass(1)
        }
      }
      for (const each of steps) {
        await work(each)
        await settled()
      }
      await pass(250)
      expect(failures).toEqual([])
      // The clock is advanced in steps of 25 ms.
      for (const { at, decidedAt } of asked) {
        expect((decidedAt ?? Number.POSITIVE_INFINITY) - at).toBeLessThan(250 + 25)
      }
      // The storage works again: soon everything is written there, except calls that hang for good.
      remote.kill()
      remote.resume()
      remote.delay = 0
      await pass(13_000)
      const { circuit, ok } = await storage.health()
      expect({ ok, state: circuit?.state, waiting: circuit?.waiting }).toEqual({
        ok: true,
        state: 'closed',
        waiting: { marks: 0, settlements: 0 },
      })
      for (const [user, isBlocked] of wanted) {
        const key = userKey(user)
        expect([user, (await remote.kept.marks.get(BOT, key, 'blocked')) !== undefined]).toEqual([
          user,
          isBlocked,
        ])
      }
      await exact(judge, stage.time.clock)
      // The copy equals the storage.
      await stage.goDown(judge)
      for (const [user, isBlocked] of wanted) {
        const decision = await judge.evaluate(askOf(userKey(user), [5000 + user]))
        expect([user, decision.refusedBy === 0]).toEqual([user, isBlocked])
      }
      remote.fault = 'none'
      await pass(1000)
      await storage.close()
      expect(stage.armed()).toBe(0)
      expect(remote.listening).toBe(0)
    }),
    { numRuns: Number(process.env.FAULT_RUNS ?? 60) },
  )
})

/** Decisions for a new user equal those of a memory storage. */
async function exact(judge: Judge, clock: () => number): Promise<void> {
  const reference = memory({ clock }).prepare(PLAN) as Judge
  const newcomer: Key = userKey(777)
  for (let i = 0; i < 7; i++) {
    const ask = askOf(newcomer, [9000 + (i % 6)])
    const [actual, expected] = [await judge.evaluate(ask), await reference.evaluate(ask)]
    expect([isAdmitted(actual), actual.refusedBy, actual.retryAfterMs]).toEqual([
      isAdmitted(expected),
      expected.refusedBy,
      expected.retryAfterMs,
    ])
  }
}
