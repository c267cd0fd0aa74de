import fc from 'fast-check'
import { userKey } from '../../../src/core/subject.js'
import type { Fault, Faulty } from '../faulty.js'
import { askOf, BOT, blocked, bucket } from '../outage.js'
import { pair } from './pair.js'

/* As long as one of two storages answers, blocked users stay blocked; and in the end both hold the same. */

type Step =
  | { readonly do: 'fault'; readonly which: 0 | 1; readonly fault: Fault; readonly onlyMarks?: boolean }
  | { readonly do: 'block' | 'unblock'; readonly user: number }
  | { readonly do: 'ask'; readonly user: number }
  | { readonly do: 'pass'; readonly ms: number }

const users = fc.integer({ min: 1, max: 3 })
const faults = fc.constantFrom<Fault>('refuses', 'throws', 'hangs', 'reads')
const which = fc.constantFrom<0 | 1>(0, 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      which,
      fault: faults,
      onlyMarks: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('fault' as const), which, fault: fc.constant<Fault>('none') }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom<'block' | 'unblock'>('block', 'unblock'), user: users }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ask' as const), user: users }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(25, 200, 1000) }),
  },
)

test('random schedules over two storages, of which one fails at a time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 50 }), async (steps) => {
      const { time, first, second, storage, judgeOf, pass, done } = pair()
      const both = [first, second] as const
      const judge = await judgeOf(blocked, bucket(1000))
      const wanted = new Map<number, boolean>()
      const mend = async (each: Faulty): Promise<void> => {
        each.kill()
        each.resume()
        // Missed writes are copied to it within a second; only then may the other one fail.
        await pass(1500)
      }
      for (const each of steps) {
        if (each.do === 'pass') await pass(each.ms)
        else if (each.do === 'fault') {
          const [one, other] = each.which === 0 ? [first, second] : [second, first]
          if (each.fault === 'none') await mend(one)
          else if (other.fault === 'none') {
            // The latest writes may still be on their way to the other storage.
            await pass(500)
            one.fault = each.fault
            // Its table of marks is locked, but it decides.
            one.parts = (what) => each.onlyMarks !== true || /^marks\.(put|remove)$/.test(what)
          }
        } else if (each.do === 'ask') {
          const { refusedBy } = await done(() => judge.evaluate(askOf(userKey(each.user))))
          expect([each.user, refusedBy === 0]).toEqual([each.user, wanted.get(each.user) ?? false])
        } else {
          const key = userKey(each.user)
          const mark = { since: time.now }
          await done<unknown>(() =>
            each.do === 'block'
              ? storage.marks.put(BOT, 'blocked', [{ key, mark }])
              : storage.marks.remove(BOT, 'blocked', [key]),
          )
          wanted.set(each.user, each.do === 'block')
          await pass(1)
        }
      }
      for (const each of both) await mend(each)
      await pass(13_000)
      for (const [user, isBlocked] of wanted) {
        const held = await Promise.all(both.map(({ kept }) => kept.marks.get(BOT, userKey(user), 'blocked')))
        expect([user, ...held.map((mark) => mark !== undefined)]).toEqual([user, isBlocked, isBlocked])
      }
      expect(await storage.health()).toMatchObject({ ok: true, inUse: 0 })
      await storage.close()
    }),
    { numRuns: Number(process.env.FAULT_RUNS ?? 40) },
  )
})
