import fc from 'fast-check'
import type { Update } from 'grammy/types'
import type { SentinelOptions, Simulation } from '../../src/index.js'
import { desk, edits, joins, nextId, posts, says, taps, types } from './desk.js'

describe('simulate, with random updates', () => {
  /** Options with everything that can be refused, punished, reported or claimed. */
  const strict: SentinelOptions = {
    auth: { gate: ['vip'] },
    throttle: [
      { limit: '3/10s', penalty: { after: 2, within: '1m', bans: ['30s', '5m'] } },
      { name: 'window', limit: '4/20s', algorithm: 'sliding', on: ['message', 'edit'] },
      { name: 'fixed', limit: '6/1m', algorithm: 'fixed', scope: 'chat', on: ['message'] },
      { name: 'quiet', limit: '5/1m', on: ['message'], shadow: true },
    ],
    debounce: { window: '2s', on: ['message', 'tap'], deny: 'notice' },
  }

  const people = fc.integer({ min: 1, max: 3 })
  const deeds: fc.Arbitrary<Update> = fc.oneof(
    fc.tuple(people, fc.constantFrom('a', 'b', '/vip', '/start')).map(([from, text]) => says(from, text)),
    fc.tuple(people, fc.constantFrom('a', '/vip')).map(([from, text]) => says(from, text, { group: true })),
    fc.tuple(people, fc.constantFrom('a', 'b')).map(([from, data]) => taps(from, data)),
    people.map((from) => edits(from, 'edit')),
    people.map((from) => types(from, 'query')),
    people.map((from) => joins(from)),
    fc.constant(0).map(() => posts('post')),
    // Two parts of one album, so that the second is decided like the first.
    fc.tuple(people, fc.constantFrom('x', 'y')).map(([from, album]) => {
      const { update_id, message } = says(from, 'picture')
      return { update_id, message: { ...message, media_group_id: album } as Update['message'] & object }
    }),
  )
  const steps = fc.array(
    fc.record({ update: deeds, wait: fc.constantFrom(0, 0, 0, 100, 2000, 31_000), again: fc.boolean() }),
    { minLength: 1, maxLength: 30 },
  )

  test('agrees with the later decision, writes nothing, and returns the same twice', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const { guard, handle, time, says: say, calls, quiet } = desk(strict)
        await say(99, 'the bot is met')
        const happened: unknown[] = []
        guard.on('denied', ({ verdict }) => happened.push(verdict))
        guard.on('allowed', () => happened.push({ allowed: true }))
        for (const { update, wait, again } of script) {
          time.advance(wait)
          // Ids must differ from run to run: fast-check may use a value again while shrinking.
          const fresh = { ...update, update_id: nextId() }
          for (const each of again ? [fresh, fresh] : [fresh]) {
            const before = [
              await guard.peek(1),
              await guard.peek(2),
              await guard.peek(3),
              await guard.health(),
            ]
            const foretold = await guard.simulate(each)
            const twice = await guard.simulate(each)
            expect(plain(twice)).toEqual(plain(foretold))
            const after = [
              await guard.peek(1),
              await guard.peek(2),
              await guard.peek(3),
              await guard.health(),
            ]
            expect(after).toEqual(before)
            happened.length = 0
            await handle(each)
            expect(happened).toEqual([foretold.verdict])
            await quiet()
          }
        }
        expect(calls.length).toBeLessThanOrEqual(script.length * 2)
      }),
      { numRuns: 60, seed: 20_260_101 },
    )
  })

  const plain = ({ verdict, checks, exempt }: Simulation) => ({ verdict, checks, exempt })

  test('does not change what follows a refusal: notices, penalties, claims', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const observed: unknown[][] = []
        const ids = script.map(() => nextId())
        for (const simulating of [false, true]) {
          const { guard, handle, time, calls, says: say, quiet } = desk(strict)
          await say(99, 'the bot is met')
          const told: unknown[] = []
          guard.on('denied', ({ verdict }) => told.push(verdict))
          for (const [index, { update, wait }] of script.entries()) {
            time.advance(wait)
            const fresh = { ...update, update_id: ids[index] as number }
            if (simulating) for (let i = 0; i < 3; i++) await guard.simulate(fresh)
            await handle(fresh)
            await quiet()
          }
          observed.push([...told, ...calls])
        }
        expect(observed[1]).toEqual(observed[0])
      }),
      { numRuns: 30, seed: 20_260_102 },
    )
  })
})
