import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Pool } from 'pg'
import { subject, userKey } from '../../src/core/subject.js'
import { sentinel } from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { csvOf, reportOf } from '../../src/users/activity-report.js'
import type { UserProfile } from '../../src/users/profiles.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'

/** Runs the garbage collector. */
const collect = ((): (() => void) => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
})()

const DAY = 86_400_000
const NOW = Date.UTC(2026, 0, 31, 12)

async function* all(profiles: readonly UserProfile[]): AsyncGenerator<UserProfile> {
  yield* profiles
}

function profile(id: number, counts: Record<string, number>, days = 0, since = days): UserProfile {
  return {
    subject: subject.user(id),
    firstSeen: NOW - since * DAY,
    lastSeen: NOW - days * DAY,
    counts,
    data: { secret: 'not for a report' },
  }
}

const PROFILES: readonly UserProfile[] = [
  profile(1, { message: 10, tap: 2, denials: 3, 'note, "own"': 1 }, 0, 30),
  profile(2, { message: 1 }, 1, 2),
  profile(3, { inline: 40, denials: 20 }, 20, 40),
  { ...profile(4, {}, 2), subject: subject.sender(-100) },
]

describe('a report of activity', () => {
  test('users who were only patched count as users, but neither as active nor as new', async () => {
    const patched = profile(5, {})
    expect(await reportOf(all([profile(1, { message: 1 }), patched]), NOW, {})).toMatchObject({
      users: 2,
      active: 1,
      newcomers: 1,
    })
  })

  test('adds up the activity of all users, and lists the most active', async () => {
    const report = await reportOf(all(PROFILES), NOW, { within: '7d', top: 2 })
    expect(report).toMatchObject({
      at: NOW,
      users: 4,
      active: 2,
      newcomers: 1,
      updates: 53,
      denials: 23,
      by: 'updates',
    })
    expect(report.counts).toMatchObject({ message: 11, tap: 2, inline: 40, denials: 23, 'note, "own"': 1 })
    expect(report.top.map(({ subject: { id }, updates, denials }) => [id, updates, denials])).toEqual([
      [3, 40, 20],
      [1, 12, 3],
    ])
    const denied = await reportOf(all(PROFILES), NOW, { by: 'denials', within: '30d' })
    expect(denied.top.map((user) => user.subject.id)).toEqual([3, 1])
    expect([denied.active, denied.newcomers]).toEqual([3, 1])
    expect((await reportOf(all(PROFILES), NOW, { top: 0 })).top).toEqual([])
    const noted = await reportOf(all(PROFILES), NOW, { by: 'note, "own"' })
    expect(noted.top.map((user) => user.subject.id)).toEqual([1])
  })

  test('can be formatted as text, JSON and CSV', async () => {
    const report = await reportOf(all(PROFILES), NOW, { top: 2 })
    expect(report.toText()).toBe(
      [
        'Activity on 2026-01-31T12:00:00.000Z',
        '4 users; in the last 1w 2 active, 1 new',
        '53 updates, 23 denied (43.4 %)',
        'message 11, tap 2, inline 40, note, "own" 1',
        '',
        'user  updates  denied  first seen  last seen',
        'u3         40      20  2025-12-22  2026-01-11',
        'u1         12       3  2026-01-01  2026-01-31',
      ].join('\n'),
    )
    const json = JSON.parse(JSON.stringify(report)) as { users: number; top: { subject: string }[] }
    expect([json.users, json.top.map((user) => user.subject)]).toEqual([4, ['u3', 'u1']])
    const [head, first, second, rest] = report.toCsv().split('\r\n')
    expect(head).toMatch(/^subject,first_seen,last_seen,updates,message,.*,denials,other$/)
    expect(first).toMatch(/^u3,2025-12-22T12:00:00.000Z,2026-01-11T12:00:00.000Z,40,0,.*,20,$/)
    expect(second).toMatch(/^u1,.*,3,"\{""note, \\""own\\"""":1\}"$/)
    expect(rest).toBe('')
    expect(JSON.stringify(report) + report.toText() + report.toCsv()).not.toContain('secret')
    expect((await reportOf(all([]), NOW, {})).toText()).toBe(
      'Activity on 2026-01-31T12:00:00.000Z\n0 users; in the last 1w 0 active, 0 new\n0 updates, 0 denied (0.0 %)',
    )
  })

  test('of all users is written line by line', async () => {
    const lines: string[] = []
    for await (const line of csvOf(all(PROFILES))) lines.push(line)
    expect(lines.map((line) => line.split(',')[0])).toEqual(['subject', 'u1', 'u2', 'u3', 's-100'])
    for (const line of lines) expect(line.endsWith('\r\n')).toBe(true)
  })

  test('holds only the users that it lists, however many there are', async () => {
    const seen: WeakRef<object>[] = []
    let held = Number.POSITIVE_INFINITY
    async function* many(): AsyncGenerator<UserProfile> {
      for (let id = 1; id <= 20_000; id++) {
        // The names of counters are unlimited.
        const counts = { message: (id * 7919) % 20_011, [`own ${id}`]: 1 }
        seen.push(new WeakRef(counts))
        yield profile(id, counts)
      }
      // A weak reference holds its object until the turn ends.
      await new Promise((done) => setImmediate(done))
      collect()
      held = seen.filter((ref) => ref.deref() !== undefined).length
    }
    const report = await reportOf(many(), NOW, { top: 3 })
    const expected = Array.from({ length: 20_000 }, (_, index) => index + 1)
      .map((id) => ({ id, amount: (id * 7919) % 20_011 }))
      .sort((a, b) => b.amount - a.amount)
      .slice(0, 3)
    // Entries that do not reach the top are dropped from time to time.
    expect(held).toBeLessThanOrEqual(200)
    expect(report.top.map(({ subject: { id }, updates }) => ({ id, amount: updates }))).toEqual(expected)
    expect(Object.keys(report.counts).length).toBeLessThanOrEqual(1000)
    expect(report.users).toBe(20_000)
  })

  test.each([
    [{ top: -1 }],
    [{ top: 1001 }],
    [{ top: 1.5 }],
    [{ by: '' }],
    [{ by: 'nope' }],
    [{ by: 'constructor' }],
    [{ within: 'soon' as '1d' }],
    [{ tops: 5 } as object],
  ])('with %j is refused', async (options) => {
    await expect(sentinel().users.report(options)).rejects.toMatchObject({
      code: expect.stringMatching(/^(option\.(invalid|unknown)|duration\.invalid)$/),
    })
  })
})

test('an unknown count is refused with a suggestion; a known one that nobody has yet is not', async () => {
  await expect(reportOf(all(PROFILES), NOW, { by: 'denial' })).rejects.toMatchObject({
    code: 'option.invalid',
    message: expect.stringContaining('Did you mean "denials"?'),
  })
  expect((await reportOf(all([]), NOW, { by: 'edit' })).top).toEqual([])
})

describe('the same report', () => {
  const open: Storage[] = []
  const schema = freshName('report')
  let url: string
  beforeAll(async () => {
    url = await sharedPostgres()
    open.push(memory(), redis(await sharedRedis(), { prefix: freshName() }), postgres(url, { schema }))
  })
  afterAll(async () => {
    await Promise.all(open.map((storage) => storage.close()))
    const pool = new Pool({ connectionString: url })
    await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
    await pool.end()
  })

  test('comes from memory, Redis and Postgres', async () => {
    const texts: string[] = []
    const tables: string[] = []
    for (const storage of open) {
      for (let id = 1; id <= 30; id++) {
        const counts = { message: id, denials: id % 3, tap: 0.5 }
        await storage.users.note(42, [{ key: userKey(id), at: NOW - id * DAY, counts }])
      }
      const guard = sentinel({ storage, clock: () => NOW })
      guard.install(await metBot())
      texts.push((await guard.users.report({ top: 5 })).toText())
      const lines: string[] = []
      for await (const line of guard.users.csv()) lines.push(line)
      tables.push([...lines].sort().join(''))
      await guard.close()
    }
    expect(texts[0]).toContain('30 users; in the last 1w 6 active, 6 new')
    expect(new Set(texts).size).toBe(1)
    expect(new Set(tables).size).toBe(1)
  })
})

async function metBot() {
  const { Bot } = await import('grammy')
  const botInfo = {
    id: 42,
    is_bot: true,
    first_name: 'Bot',
    username: 'a_bot',
  } as import('grammy/types').UserFromGetMe
  return new Bot('42:token', { botInfo })
}
