import pg from 'pg'
import { type Key, userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { failure } from '../../../src/storage/postgres/failures.js'
import { until } from '../../servers/until.js'
import { closeAll, open, pool, schema, url, useSchemas } from './desk.js'

/* Settings of the server, of the role and of the process must not change the answers of a storage. */

const BOT = 42
const [ALICE, BOB] = [userKey(7), userKey(8)] as [Key, Key]

useSchemas('settings')

const entries = (keys: readonly Key[]) => keys.map((key) => ({ key, mark: { since: 1, reason: 'spam' } }))

test.each([
  ['put', (storage: Storage, keys: readonly Key[]) => storage.marks.put(BOT, 'blocked', entries(keys))],
  ['removed', (storage: Storage, keys: readonly Key[]) => storage.marks.remove(BOT, 'blocked', keys)],
])('concurrent marks that are %s are locked in a fixed order', async (_, write) => {
  const storage = open()
  await storage.marks.put(BOT, 'blocked', entries([ALICE, BOB]))
  const { rows } = await pool.query(`SELECT key FROM "${schema}".marks ORDER BY subject, key COLLATE "C"`)
  const [first, second] = rows.map(({ key }) => key)
  for (const keys of [
    [ALICE, BOB],
    [BOB, ALICE],
  ]) {
    const other = await pool.connect()
    try {
      await other.query('BEGIN')
      await other.query(`SELECT FROM "${schema}".marks WHERE key = $1 FOR UPDATE`, [first])
      const writing = Promise.resolve(write(storage, keys))
      await until('the write waits', async () => {
        const waiting = await pool.query(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`,
          [`%${schema}%`],
        )
        return waiting.rows.length > 0
      })
      // The second row is not locked yet.
      await other.query(`SELECT FROM "${schema}".marks WHERE key = $1 FOR UPDATE NOWAIT`, [second])
      await other.query('COMMIT')
      await writing
    } finally {
      await other.query('ROLLBACK')
      other.release()
    }
    await storage.marks.put(BOT, 'blocked', entries([ALICE, BOB]))
  }
})

test('workers can start concurrently with serializable transactions by default', async () => {
  for (const isolation of ['serializable', 'repeatable read']) {
    const options = encodeURIComponent(`-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`)
    const workers = Array.from({ length: 4 }, () =>
      open({}, `${url}${url.includes('?') ? '&' : '?'}options=${options}`),
    )
    const got = await Promise.all(workers.map((worker) => worker.marks.get(BOT, ALICE, 'blocked')))
    expect(got).toEqual([undefined, undefined, undefined, undefined])
    await closeAll()
    await pool.query(`DROP SCHEMA "${schema}" CASCADE`)
  }
})

test('parsers that the process has set in pg are not used', async () => {
  const before = [16, 23, 701].map((type) => [type, pg.types.getTypeParser(type)] as const)
  for (const [type] of before) pg.types.setTypeParser(type, (value: string) => value)
  try {
    for (const storage of [open(), open()]) {
      await storage.marks.put(BOT, 'blocked', entries([ALICE]))
      expect(await storage.marks.get(BOT, ALICE, 'blocked')).toEqual({ since: 1, reason: 'spam' })
      expect(await storage.marks.remove(BOT, 'blocked', [ALICE])).toBe(1)
      await storage.users.note(BOT, [{ key: ALICE, at: 5 }])
      expect(await storage.users.get(BOT, ALICE)).toMatchObject({ firstSeen: 5, lastSeen: 5 })
      await storage.values.put('space', 'key', true)
      expect(await storage.values.remove('space', 'key')).toBe(true)
      expect(await storage.values.remove('space', 'key')).toBe(false)
    }
  } finally {
    for (const [type, parse] of before) pg.types.setTypeParser(type, parse as never)
  }
})

/** Returns a connection URL with a setting for the session, as ALTER ROLE … SET would make it. */
function withSetting(setting: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}options=${encodeURIComponent(`-c ${setting}`)}`
}

test('marks are stored correctly with array_nulls off, when NULL in an array is a text', async () => {
  const storage = open({}, withSetting('array_nulls=off'))
  const limit = { amount: 5, per: 60_000, burst: 2 }
  const marks = [
    { since: 1 },
    { since: 2.5, until: 9e15 },
    { since: 3, until: Number.POSITIVE_INFINITY, reason: '' },
    { since: 4, reason: 'NULL', value: null },
    { since: 5, reason: '=\\\0"', value: limit },
    { since: 6, value: 'NULL' },
  ]
  await storage.marks.put(
    BOT,
    'blocked',
    marks.map((mark, index) => ({ key: userKey(index + 1), mark })),
  )
  for (const [index, mark] of marks.entries()) {
    const { until, ...rest } = mark as { until?: number }
    expect(await storage.marks.get(BOT, userKey(index + 1), 'blocked')).toEqual({
      ...rest,
      ...(until !== undefined && until !== Number.POSITIVE_INFINITY && { until }),
    })
  }
  const { rows } = await pool.query(`SELECT amount, per, burst FROM "${schema}".marks ORDER BY since`)
  const none = { amount: null, per: null, burst: null }
  expect(rows).toEqual([none, none, none, none, { amount: '5', per: '60000', burst: '2' }, none])
})

test('the functions of a plan are not compiled where the role has disabled nested loops', async () => {
  const storage = open({}, withSetting('enable_nestloop=off'))
  await storage.prepare({
    name: 'chain',
    scopes: ['user'],
    checks: [
      { kind: 'bucket', guard: 'throttle', slot: 'user', subject: 0, limit: { amount: 3, per: 60_000 } },
    ],
  })
  const { rows } = await pool.query(
    `SELECT 'jit=off' = ANY (proconfig) AS off FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
     WHERE nspname = $1 AND proname ~ '^(judge|plain|quick|usual)_'`,
    [schema],
  )
  expect(rows).toEqual(Array(4).fill({ off: true }))
})

describe('the remedy in an error', () => {
  const put = (storage: Storage) =>
    (async () => storage.marks.put(BOT, 'blocked', entries([ALICE])))().catch((error: Error) => error)

  test.each(['lock_timeout', 'statement_timeout'])(
    'after a %s does not suggest that the server is down',
    async (name) => {
      await open().health()
      const other = await pool.connect()
      try {
        await other.query(`BEGIN; LOCK TABLE "${schema}".marks`)
        const error = await put(open({}, withSetting(`${name}=100ms`)))
        expect(error).toMatchObject({ code: 'storage.unavailable', message: expect.stringContaining(name) })
        expect((error as Error).message).not.toMatch(/Is the server running/)
      } finally {
        await other.query('ROLLBACK')
        other.release()
      }
    },
  )

  test('behind PgBouncer in statement mode suggests another mode', () => {
    const refused = Object.assign(new Error('transaction blocks not allowed in statement pooling mode'), {
      code: '08P01',
    })
    expect(failure(refused).message).toMatch(/session or transaction mode/)
  })

  test.each(['server conn crashed?', 'query_wait_timeout'])(
    'if PgBouncer has lost the server (%s) does not suggest another mode',
    (message) => {
      const { code, message: told } = failure(Object.assign(new Error(message), { code: '08P01' }))
      expect(code).toBe('storage.unavailable')
      expect(told).toMatch(/Is the server running/)
    },
  )

  test('if a function may not be run suggests the right to run it', () => {
    const refused = new Error('permission denied for function sweep')
    const { code, message } = failure(Object.assign(refused, { code: '42501' }))
    expect(code).toBe('storage.permission')
    expect(message).toMatch(/EXECUTE/)
  })

  test('if a function belongs to another role does not suggest the right to run it', () => {
    const refused = new Error('must be owner of function judge_0a')
    const { code, message } = failure(Object.assign(refused, { code: '42501' }))
    expect(code).toBe('storage.permission')
    expect(message).not.toMatch(/EXECUTE/)
  })

  test('if all connections are in use suggests fewer of them', () => {
    const refused = new Error('too many connections for role "bot"')
    const { code, message } = failure(Object.assign(refused, { code: '53300' }))
    expect(code).toBe('storage.unavailable')
    expect(message).toMatch(/"connections"/)
    expect(message).not.toMatch(/Is the server running/)
  })

  test('about a feature that is not supported suggests the primary only on a standby', () => {
    const refused = new Error('cached plan must not change result type')
    const told = Object.assign(refused, { code: '0A000', routine: 'RevalidateCachedQuery' })
    expect(failure(told)).toMatchObject({
      code: 'storage.failed',
      message: expect.not.stringMatching(/primary/),
    })
  })

  test('on a read-only server suggests the primary', async () => {
    await open().health()
    expect(await put(open({}, withSetting('default_transaction_read_only=on')))).toMatchObject({
      code: 'storage.readonly',
      message: expect.stringMatching(/25006.*primary/),
    })
  })
})
