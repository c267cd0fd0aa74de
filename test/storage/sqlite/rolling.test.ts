import type { Ask, Check } from '../../../src/core/check.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { type SqliteDatabase, sqlite } from '../../../src/storage/sqlite/index.js'
import { STEPS } from '../../../src/storage/sqlite/schema.js'
import { Stage } from '../../middleware/rig.js'
import { desk } from '../../sentinel/desk.js'
import { ALICE, admits, askOf, BOB, bucket, claim, planOf } from '../redis/desk.js'
import { HOUR, judgesOf, keepWhatOnlyOneKnows, leftOf, window } from '../rolling.js'
import { rowsOf, SqliteFiles } from './desk.js'

/*
 * Two processes with different releases of a bot on one file: their plans alternate on the same user, and neither knows everything
 * that the other counts.
 */

let files: SqliteFiles
let before: Storage
let after: Storage
const clock = { now: 0 }
beforeEach(() => {
  files = new SqliteFiles()
  clock.now = 1_795_000_000_000
  before = sqlite(files.open(), { clock: () => clock.now })
  after = sqlite(files.open(), { clock: () => clock.now })
})
afterEach(async () => {
  await before.close()
  await after.close()
  files.remove()
})

const judges = (...own: readonly Check[]) => judgesOf({ before, after, clock }, ...own)

describe('state that only one of two plans knows survives the writes of the other', () => {
  keepWhatOnlyOneKnows(() => ({ before, after, clock }))
})

/** One limit for each algorithm. */
const WAYS: readonly Check[] = [
  { ...bucket(3, HOUR), slot: 'one' },
  ...(['log', 'counters', 'fixed'] as const).map((form): Check => ({ ...window(form, 3), slot: 'one' })),
]
const nameOf = (check: Check): string => (check.kind === 'window' ? check.form : check.kind)
const PAIRS = WAYS.flatMap((one) =>
  WAYS.filter((other) => other !== one).map((other) => [nameOf(one), nameOf(other), one, other] as const),
)

describe('a limit that two plans count with different algorithms', () => {
  test.each(PAIRS)('%s beside %s: each holds, however often they alternate', async (_, __, one, other) => {
    const [old, next] = [await before.prepare(planOf(one)), await after.prepare(planOf(other))]
    let admitted = 0
    for (let round = 0; round < 20; round++) {
      for (const judge of [old, next]) if (await admits(judge)) admitted++
    }
    expect(admitted).toBe(6)
    // Other users have used up nothing, and the limit recovers.
    expect(await admits(old, askOf(BOB))).toBe(true)
    clock.now += 2 * HOUR
    expect([await admits(old), await admits(next)]).toEqual([true, true])
  })

  test('a penalty holds in both until it ends, and its level is kept', async () => {
    const onRefusal = { penalty: { after: 2, within: HOUR, bans: [60_000, HOUR] } }
    const own = (per: number): Check => ({ ...bucket(1, per), slot: 'one', onRefusal }) as Check
    const old = await before.prepare(planOf(own(1000)))
    const next = await after.prepare(planOf({ ...window('fixed', 1000), slot: 'one', onRefusal } as Check))
    expect(await admits(old)).toBe(true)
    for (let refusal = 1; refusal <= 2; refusal++) {
      expect((await old.evaluate(askOf())).cause).toBe('check')
      if (refusal === 1) expect(await admits(next)).toBe(true)
    }
    const banned = { refusedBy: 0, cause: 'penalty', retryAfterMs: 60_000 }
    expect([await old.evaluate(askOf()), await next.evaluate(askOf())]).toMatchObject([banned, banned])
    clock.now += 59_999
    expect(await next.evaluate(askOf())).toMatchObject({ cause: 'penalty', retryAfterMs: 1 })
    clock.now += 1
    expect([await admits(old), await admits(next)]).toEqual([true, true])
    for (let refusal = 1; refusal <= 2; refusal++) {
      await old.evaluate(askOf())
      if (refusal === 1) expect(await admits(next)).toBe(true)
    }
    expect(await next.evaluate(askOf())).toMatchObject({ cause: 'penalty', retryAfterMs: HOUR })
  })

  test('a refund affects only the algorithm that was charged', async () => {
    const [old, next] = [
      await before.prepare(planOf(WAYS[0] as Check)),
      await after.prepare(planOf(WAYS[3] as Check)),
    ]
    const { receipt } = await old.evaluate(askOf())
    if (receipt === undefined) throw new Error('there is no receipt')
    expect(await admits(next)).toBe(true)
    await old.settle(receipt, 'refund')
    expect(await leftOf(old, 0, askOf())).toBe(2)
    expect(await leftOf(next, 0, askOf())).toBe(1)
  })

  test('a reset clears all algorithms', async () => {
    const [old, next] = [
      await before.prepare(planOf(WAYS[0] as Check)),
      await after.prepare(planOf(WAYS[1] as Check)),
    ]
    expect([await admits(old), await admits(next)]).toEqual([true, true])
    await after.reset(42, ALICE, 'one')
    expect([await leftOf(old, 0, askOf()), await leftOf(next, 0, askOf())]).toEqual([2, 2])
  })

  test('nothing is duplicated: after many turns there are as many rows as after one', async () => {
    const { old, next } = await judges(bucket(1000, HOUR, 'own'), window('counters', 1000))
    const made = files.open()
    const turn = async (): Promise<number> => {
      clock.now += 2000
      await old.evaluate(askOf())
      await next.evaluate(askOf(ALICE, [1]))
      return rowsOf(made, 'records')
    }
    const first = await turn()
    expect(first).toBe(5)
    for (let round = 0; round < 20; round++) expect(await turn()).toBe(first)
  })
})

test('two bots with random throttles never admit more than both allow', async () => {
  const time = new Stage()
  const sliding = { algorithm: 'sliding' } as const
  const throttles = [
    { limit: '300/1m', ...sliding },
    { limit: '3/1m', ...sliding },
  ] as const
  const [one, other] = throttles.map((throttle) =>
    desk({
      storage: sqlite(files.open('desks.db'), { clock: time.clock }),
      clock: time.clock,
      once: false,
      throttle,
    }),
  )
  for (let nth = 0; nth < 20; nth++) {
    await one?.says(7, `one ${nth}`)
    await other?.says(7, `other ${nth}`)
  }
  expect([one?.reached.length, other?.reached.length]).toEqual([20, 3])
  await Promise.all([one?.guard.close(), other?.guard.close()])
})

/** A file with the first version of the tables. */
function ofVersion1(): SqliteDatabase {
  const made = files.open('earlier.db')
  made.exec('CREATE TABLE sentinel_meta (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID')
  made.exec(`INSERT INTO sentinel_meta VALUES ('version', 1)`)
  made.exec(STEPS[0] as string)
  // A table of the user and a broken view, which the migration must ignore.
  made.exec('CREATE TABLE orders (id INTEGER); CREATE VIEW broken AS SELECT * FROM orders; DROP TABLE orders')
  return made
}

const cells = (...values: number[]): Uint8Array => new Uint8Array(Float64Array.of(...values).buffer)

test('a file of the first version is migrated to this one: limits, bans, claims and marks continue', async () => {
  const made = ofVersion1()
  const NEVER = Number.NEGATIVE_INFINITY
  made.exec(
    `INSERT INTO sentinel_places VALUES (1, 'chain', 'one'), (2, 'chain', 'claim'), (3, 'chain', 'window')`,
  )
  const record = made.prepare('INSERT INTO sentinel_records VALUES (?, 42, ?, ?, ?, ?, ?)')
  const banned = cells(0, NEVER, 1, clock.now + 60_000, clock.now + HOUR, NEVER)
  record.run(1, 'u7', 'bucket', cells(clock.now + HOUR), null, clock.now + HOUR)
  record.run(1, 'u8', null, null, banned, clock.now + HOUR)
  record.run(3, 'u7', 'log', cells(0, clock.now - 2, clock.now - 1, clock.now), banned, clock.now + 2 * HOUR)
  made
    .prepare('INSERT INTO sentinel_claims VALUES (2, 42, ?, 5, 1, ?, NULL, 9, NULL)')
    .run('u9', clock.now + HOUR)
  made.prepare(`INSERT INTO sentinel_changes (change) VALUES ('{"kind":"gap"}')`).run()
  const plan = planOf(
    {
      ...bucket(3, HOUR),
      slot: 'one',
      onRefusal: { penalty: { after: 2, within: HOUR, bans: [60_000] } },
    } as Check,
    claim({ holdFor: HOUR }),
    { ...window('log', 3), slot: 'window' },
  )
  const storage = sqlite(made, { clock: () => clock.now })
  const judge = await storage.prepare(plan)
  const only = (check: number, key: string, token = 1): Ask => ({
    ...askOf(key, [token]),
    costs: plan.checks.map((_, index) => (index === check ? 1 : 0)),
  })
  expect(await judge.evaluate(only(0, 'u7'))).toMatchObject({ refusedBy: 0, retryAfterMs: HOUR / 3 })
  expect(await judge.evaluate(only(0, 'u8'))).toMatchObject({
    refusedBy: 0,
    cause: 'penalty',
    retryAfterMs: 60_000,
  })
  expect(await judge.evaluate(only(2, 'u7'))).toMatchObject({ refusedBy: 2, retryAfterMs: HOUR - 2 })
  expect(await judge.evaluate(only(1, 'u9', 5))).toMatchObject({ refusedBy: 1, retryAfterMs: HOUR })
  expect(await judge.evaluate(only(1, 'u9', 6))).toMatchObject({ refusedBy: -1 })
  expect(made.prepare(`SELECT value FROM sentinel_meta WHERE name = 'version'`).get()).toMatchObject({
    value: STEPS.length,
  })
  await storage.close()
  // And only once.
  const again = await sqlite(made, { clock: () => clock.now }).prepare(plan)
  expect(await again.evaluate(only(0, 'u7'))).toMatchObject({ refusedBy: 0 })
})
