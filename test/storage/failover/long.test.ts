import { userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { ALICE, BOT, blocked, goDown, settled } from '../outage.js'
import { pair } from './pair.js'

/* Operations of several calls, or long ones: pages of a scan, writes that no update waits for. */

const PEOPLE = Array.from({ length: 30 }, (_, index) => userKey(index + 1))

async function fill({ marks, users, values }: Storage): Promise<void> {
  await marks.put(
    BOT,
    'blocked',
    PEOPLE.map((key) => ({ key, mark: { since: 1 } })),
  )
  await users.note(
    BOT,
    PEOPLE.map((key) => ({ key, at: 1 })),
  )
  for (const key of PEOPLE) await values.put('s', `k${key}`, 1)
}

type Read = (storage: Storage, from?: string) => Promise<{ keys: unknown[]; next?: string | undefined }>

const scans: readonly [string, Read][] = [
  [
    'marks',
    async ({ marks }, from) => {
      const { entries, next } = await marks.scan(BOT, 'blocked', from, 10)
      return { keys: entries.map(({ key }) => key), next }
    },
  ],
  [
    'users',
    async (storage, from) => {
      const { users, next } = await storage.users.scan(BOT, from, 10)
      return { keys: users.map(({ key }) => key), next }
    },
  ],
  [
    'values',
    async ({ values }, from) => {
      const { entries, next } = await values.scan('s', from, 10)
      return { keys: entries.map(({ key }) => key), next }
    },
  ],
]

describe.each(scans)('a scan of %s', (_, read) => {
  async function rest(storage: Storage, from?: string): Promise<unknown[]> {
    const { keys, next } = await read(storage, from)
    return next === undefined ? keys : [...keys, ...(await rest(storage, next))]
  }

  test('whose storage goes down does not continue in another, which cannot use its cursor', async () => {
    const { first, storage, judgeOf, pass } = pair()
    await fill(storage)
    await settled()
    const page = await read(storage)
    expect(page.keys).toHaveLength(10)
    await goDown(first, await judgeOf(blocked))
    await expect(read(storage, page.next)).rejects.toMatchObject({
      code: 'storage.unavailable',
      message: expect.stringContaining('Start over'),
    })
    // A new scan of the other storage is complete, page by page, even when the first one is back meanwhile.
    const other = await read(storage)
    first.fault = 'none'
    await pass(1000)
    expect(await storage.health()).toMatchObject({ inUse: 0 })
    expect(new Set([...other.keys, ...(await rest(storage, other.next))]).size).toBe(30)
    // And the scan that was begun in the first storage can be continued there.
    expect(new Set([...page.keys, ...(await rest(storage, page.next))]).size).toBe(30)
  })

  test.each(['', 'x', '2 5', '-1 5', '0'])('does not continue from %j', async (from) => {
    const { storage } = pair()
    await expect(read(storage, from)).rejects.toMatchObject({ code: 'value.invalid' })
  })

  test('whose pages take longer than a decision may does not count as down', async () => {
    const { first, second, storage, pass } = pair()
    await fill(storage)
    await settled()
    first.delay = 150
    const all = rest(storage)
    await pass(1000)
    expect(new Set(await all).size).toBe(30)
    first.delay = 0
    expect(second.asked.filter((what) => what.endsWith('scan'))).toEqual([])
    expect((await storage.health()).storages?.[0]?.circuit?.state).toBe('closed')
  })
})

test('a write that takes longer than a decision may is written once to each storage, and causes no switch', async () => {
  const { first, second, storage, pass } = pair()
  first.delay = 150
  const told: string[] = []
  await storage.watch((change) => told.push(change.kind))
  const writing: unknown[] = []
  for (const key of PEOPLE) writing.push(storage.users.note(BOT, [{ key, at: 1, counts: { tea: 1 } }]))
  writing.push(storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }]))
  writing.push(storage.values.put('s', 'k', 1))
  await pass(1000)
  await Promise.all(writing)
  for (const { kept } of [first, second]) {
    expect((await kept.users.get(BOT, ALICE))?.counts).toEqual({ tea: 1 })
    expect(await kept.values.get('s', 'k')).toBe(1)
  }
  expect(told).not.toContain('gap')
  expect(first.asked.filter((what) => what === 'users.note')).toHaveLength(30)
})

test('after a lost answer, additions are not repeated, but assignments are', async () => {
  const { first, second, storage, pass } = pair()
  first.fault = 'loses'
  const writing = [
    storage.users.note(BOT, [{ key: ALICE, at: 1, counts: { tea: 1 } }]),
    storage.values.put('s', 'k', 1),
  ]
  await pass(825)
  await Promise.all(writing)
  first.fault = 'none'
  await pass(2000)
  for (const { kept } of [first, second]) {
    expect((await kept.users.get(BOT, ALICE))?.counts).toEqual({ tea: 1 })
    expect(await kept.values.get('s', 'k')).toBe(1)
  }
  expect(first.asked.filter((what) => what === 'users.note')).toHaveLength(1)
})
