import { jest } from '@jest/globals'
import type { Ask, Judge, Plan } from '../../../src/core/check.js'
import { type Key, memberKey, userKey } from '../../../src/core/subject.js'
import { until } from '../../servers/until.js'
import { closeAll, open, opened, pool, schema, useSchemas } from './desk.js'

/* The schema is dropped while a worker uses it, and created again by another worker or from a dump. */

const BOT = 42
const [ALICE, BOB] = [userKey(7), userKey(8)] as [Key, Key]
const MEMBER = memberKey(ALICE, -100)
const MARK = { since: 1 }

useSchemas('anew')

const planOf = (slot: string, amount: number): Plan => ({
  name: 'chain',
  scopes: ['user'],
  checks: [{ kind: 'bucket', guard: 'throttle', slot, subject: 0, limit: { amount, per: 3_600_000 } }],
})
const askOf = (key: Key): Ask => ({ bot: BOT, subjects: [key], costs: [1], tokens: [] })

async function admitted(judge: Judge, key: Key, times: number): Promise<number> {
  let count = 0
  for (let i = 0; i < times; i++) if ((await judge.evaluate(askOf(key))).refusedBy === -1) count++
  return count
}

const drop = () => pool.query(`DROP SCHEMA "${schema}" CASCADE`)

test('a worker counts its own limits, not those that now have the same numbers', async () => {
  const first = open()
  const alpha = await first.prepare(planOf('alpha', 3))
  expect(await admitted(alpha, ALICE, 5)).toBe(3)
  const { receipt } = await alpha.evaluate(askOf(BOB))
  await drop()
  const beta = await open().prepare(planOf('beta', 5))
  expect(await admitted(beta, BOB, 7)).toBe(5)
  // One call fails because the functions are missing.
  await expect(alpha.evaluate(askOf(BOB))).rejects.toMatchObject({ code: 'storage.failed' })
  expect(await admitted(alpha, BOB, 5)).toBe(3)
  expect((await alpha.peek(askOf(ALICE))).refusedBy).toBe(-1)
  // Charges from before the drop are gone, so their refund gives nothing back.
  if (receipt !== undefined) await alpha.settle(receipt, 'refund')
  expect(await admitted(alpha, BOB, 1)).toBe(0)
  const { rows } = await pool.query(`SELECT name FROM "${schema}".names WHERE name ~ 'alpha|beta'`)
  expect(rows.length).toBeGreaterThanOrEqual(2)
  // Both workers find marks of text keys.
  await first.marks.put(BOT, 'role:mod', [{ key: MEMBER, mark: MARK }])
  expect(await opened[1]?.marks.get(BOT, MEMBER, 'role:mod')).toEqual(MARK)
})

test('a worker whose functions still exist detects the drop, too', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'] })
  try {
    const [first, second] = [open(), open()]
    const judge = await first.prepare(planOf('alpha', 3))
    expect(await admitted(judge, MEMBER, 5)).toBe(3)
    await drop()
    expect(await admitted(await second.prepare(planOf('alpha', 3)), MEMBER, 2)).toBe(2)
    await second.marks.put(BOT, 'role:mod', [{ key: MEMBER, mark: MARK }])
    await until('it has noticed', async () => {
      jest.advanceTimersByTime(5000)
      return (await first.marks.get(BOT, MEMBER, 'role:mod')) !== undefined
    })
    expect(await admitted(judge, MEMBER, 5)).toBe(1)
  } finally {
    jest.useRealTimers()
  }
})

test('a judge of an earlier plan that continues does not replace the judge of the latest plan', async () => {
  const storage = open()
  const alpha = await storage.prepare(planOf('alpha', 3))
  await drop()
  await expect(storage.marks.get(BOT, ALICE, 'blocked')).rejects.toMatchObject({ code: 'storage.failed' })
  const beta = await storage.prepare(planOf('beta', 5))
  expect(await admitted(alpha, ALICE, 5)).toBe(3)
  const { judges } = storage as unknown as { judges: ReadonlyMap<string, Judge> }
  expect(judges.get('chain')).toBe(beta)
})

test('it creates the schema again if it may, and its error says what to run if it may not', async () => {
  const [may, mayNot] = [open(), open({ migrate: false })]
  const judges: Judge[] = []
  for (const storage of [may, mayNot]) {
    judges.push(await may.prepare(planOf('alpha', 3)))
    expect(await storage.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
  }
  await drop()
  await expect(mayNot.marks.get(BOT, ALICE, 'blocked')).rejects.toMatchObject({ code: 'storage.failed' })
  await expect(mayNot.marks.get(BOT, ALICE, 'blocked')).rejects.toThrow(/grammy-sentinel sql --schema/)
  await expect(may.marks.get(BOT, ALICE, 'blocked')).rejects.toMatchObject({ code: 'storage.failed' })
  expect(await may.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
  for (const judge of judges) expect(await admitted(judge, ALICE, 2)).toBeGreaterThan(0)
  expect(await mayNot.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
})

test('a schema that was renamed is refused with the reason', async () => {
  await open().prepare(planOf('alpha', 3))
  await closeAll()
  const other = `${schema}_b`
  await pool.query(`ALTER SCHEMA "${schema}" RENAME TO "${other}"`)
  try {
    const asked = async () =>
      (await open({ schema: other }).prepare(planOf('alpha', 3))).evaluate(askOf(ALICE))
    await expect(asked()).rejects.toThrow(/renamed needs its former name/)
  } finally {
    await closeAll()
    await pool.query(`DROP SCHEMA "${other}" CASCADE`)
  }
})

test('plans that were prepared during the check are prepared again, too', async () => {
  const first = open()
  const former = await first.prepare(planOf('former', 3))
  await drop()
  await expect(first.marks.get(BOT, ALICE, 'blocked')).rejects.toMatchObject({ code: 'storage.failed' })
  const other = await pool.connect()
  let alpha: Judge
  try {
    // The worker that creates the schema waits here.
    const lock = [`grammy-sentinel ${schema}`]
    await other.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', lock)
    const waiting = async (count: number): Promise<void> => {
      await until(`${count} wait for it`, async () => {
        const { rows } = await pool.query(
          `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
           AND (classid::int8 << 32 | objid::int8) = hashtextextended($1, 0)`,
          lock,
        )
        return rows.length === count
      })
    }
    const preparing = first.prepare(planOf('alpha', 3))
    await waiting(1)
    const failing = expect(former.evaluate(askOf(ALICE))).rejects.toMatchObject({ code: 'storage.failed' })
    await waiting(2)
    await other.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', lock)
    alpha = await preparing
    await failing
  } finally {
    other.release()
  }
  expect(await admitted(alpha, ALICE, 5)).toBe(3)
  await drop()
  expect(await admitted(await open().prepare(planOf('beta', 5)), BOB, 7)).toBe(5)
  await expect(alpha.evaluate(askOf(BOB))).rejects.toMatchObject({ code: 'storage.failed' })
  expect(await admitted(alpha, BOB, 5)).toBe(3)
})
