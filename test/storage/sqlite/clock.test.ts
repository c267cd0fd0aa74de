import fc from 'fast-check'
import type { Check, Judge } from '../../../src/core/check.js'
import { sqlite } from '../../../src/storage/sqlite/index.js'
import { Link } from '../../../src/storage/sqlite/link.js'
import { Sweeper } from '../../../src/storage/sqlite/sweeper.js'
import { KeptTime } from '../../../src/storage/sqlite/time.js'
import { Stage } from '../../middleware/rig.js'
import { ALICE, admits, askOf, BOB, BOT, blocked, bucket, claim, planOf } from '../redis/desk.js'
import { rowsOf, SqliteFiles } from './desk.js'

const MINUTE = 60_000
const HOUR = 3_600_000

let files: SqliteFiles
let now: number
beforeEach(() => {
  files = new SqliteFiles()
  now = 1_795_000_000_000
})
afterEach(() => files.remove())

const start = (...checks: readonly Check[]): Promise<Judge> =>
  Promise.resolve(sqlite(files.open(), { clock: () => now }).prepare(planOf(...checks)))

const FORMS = ['bucket', 'log', 'counters', 'fixed'] as const
const limited = (form: (typeof FORMS)[number], amount: number): Check =>
  form === 'bucket'
    ? bucket(amount, MINUTE)
    : { kind: 'window', form, guard: 'throttle', slot: 'user', subject: 0, limit: { amount, per: MINUTE } }

test.each(FORMS)(
  'after the clock was put back by an hour, a restarted bot continues a limit of form %s without refusing more',
  async (form) => {
    const first = await start(limited(form, 2))
    expect([await admits(first), await admits(first), await admits(first)]).toEqual([true, true, false])
    const { retryAfterMs } = await first.peek(askOf())
    now -= HOUR
    const second = await start(limited(form, 2))
    expect(await second.peek(askOf())).toMatchObject({ refusedBy: 0, retryAfterMs })
    expect(await second.evaluate(askOf())).toMatchObject({ refusedBy: 0, retryAfterMs })
    expect(await admits(second, askOf(BOB))).toBe(true)
    now += 2 * MINUTE
    expect(await admits(second)).toBe(true)
  },
)

test('an idle process continues with the time of processes ahead of it', async () => {
  const [busy, idle] = [await start(bucket(20, MINUTE)), await start(bucket(20, MINUTE))]
  await idle.evaluate(askOf(BOB))
  now += 600_000
  await busy.evaluate(askOf())
  now -= 1_200_000
  expect(await admits(idle)).toBe(true)
  expect((await idle.peek(askOf())).remaining[0]).toBeCloseTo(17, 1)
  // The same step is not counted by both.
  now += 3000
  expect((await busy.evaluate(askOf())).remaining[0]).toBeCloseTo(18, 1)
})

test('claims and penalties go by that time, blocks by the clock itself', async () => {
  const onRefusal = { penalty: { after: 1, within: HOUR, bans: [MINUTE] } }
  const checks = [blocked, claim({ holdFor: 1000 }), { ...bucket(1, MINUTE), onRefusal } as Check]
  const first = await start(...checks)
  expect(await admits(first, askOf(ALICE, [1]))).toBe(true)
  expect(await first.evaluate(askOf(ALICE, [2]))).toMatchObject({ refusedBy: 2 })
  now -= HOUR
  const second = await start(...checks)
  expect(await second.evaluate(askOf(ALICE, [1]))).toMatchObject({ refusedBy: 1, retryAfterMs: 1000 })
  expect(await second.evaluate(askOf(ALICE, [2]))).toMatchObject({ cause: 'penalty', retryAfterMs: MINUTE })
  const storage = sqlite(files.open(), { clock: () => now })
  await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: now, until: now + 5000 } }])
  expect(await second.evaluate(askOf(BOB, [3]))).toMatchObject({ refusedBy: 0, retryAfterMs: 5000 })
})

test('records that lapse by that time are swept by it', async () => {
  const made = files.open()
  const time = new Stage()
  time.now = now
  const sweeper = new Sweeper(
    new Link(made, 0),
    () => now,
    time.timers,
    (error) => {
      throw error
    },
  )
  await (await start(bucket(2, MINUTE))).evaluate(askOf(ALICE))
  now -= 365 * 24 * HOUR
  const second = await start(bucket(2, MINUTE))
  await second.evaluate(askOf(BOB))
  sweeper.sweep()
  expect(rowsOf(made, 'records')).toBe(2)
  now += 2 * MINUTE
  sweeper.sweep()
  expect(rowsOf(made, 'records')).toBe(0)
})

test('a given time is used unchanged', async () => {
  const judge = await start(bucket(1, MINUTE))
  await judge.evaluate(askOf(), 1000)
  expect(await judge.evaluate(askOf(), 2000)).toMatchObject({ refusedBy: 0, retryAfterMs: MINUTE - 1000 })
  expect(rowsOf(files.open(), 'clock')).toBe(0)
})

test('with random clock steps and processes, time never goes back by more than a second, and never within a process', () => {
  const steps = fc.array(
    fc.record({
      step: fc.oneof(
        fc.integer({ min: 0, max: 5000 }),
        fc.integer({ min: -3000, max: 0 }),
        fc.integer({ min: -HOUR, max: 24 * HOUR }),
      ),
      who: fc.nat(2),
      does: fc.constantFrom('ask', 'ask', 'look', 'start', 'fail'),
    }),
    { maxLength: 40 },
  )
  // Connections are opened once: each schedule begins with a file without a stored clock.
  const links = [0, 1, 2].map(() => new Link(files.open(), 0))
  fc.assert(
    fc.property(steps, (all) => {
      links[0]?.write(() => links[0]?.run('DELETE FROM sentinel_clock'))
      const times = links.map((link) => new KeptTime(link))
      const lasts = times.map(() => Number.NEGATIVE_INFINITY)
      let clock = now
      let latest = Number.NEGATIVE_INFINITY
      let gone = 0
      for (const { step, who, does } of all) {
        clock += step
        gone += Math.max(0, step)
        const link = links[who] as Link
        if (does === 'start') {
          times[who] = new KeptTime(link)
          lasts[who] = Number.NEGATIVE_INFINITY
        }
        const time = times[who] as KeptTime
        if (does === 'fail') {
          const failed = () =>
            link.write(() => {
              time.advance(clock)
              throw new Error('not kept')
            })
          expect(failed).toThrow()
          continue
        }
        const own = does === 'look' ? link.read(() => time.at(clock)) : link.write(() => time.advance(clock))
        expect(own).toBeGreaterThanOrEqual(clock)
        expect(own).toBeGreaterThanOrEqual(lasts[who] as number)
        expect(own).toBeGreaterThanOrEqual(latest - 1000)
        if (does === 'look') continue
        // And it is never ahead of the time that has passed.
        expect(own).toBeLessThanOrEqual(now + gone)
        lasts[who] = own
        latest = Math.max(latest, own)
      }
    }),
    { numRuns: 300 },
  )
})
