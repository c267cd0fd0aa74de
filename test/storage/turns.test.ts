import { jest } from '@jest/globals'
import { Bot } from 'grammy'
import type { MaybePromise } from '../../src/core/check.js'
import { steadyClock, systemTimers } from '../../src/core/clock.js'
import { chatKey, type Key, memberKey, userKey } from '../../src/core/subject.js'
import { type BlockListExport, memory, type Sentinel, sentinel } from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { FallbackMarks } from '../../src/storage/resilient/fallback-marks.js'
import { sqlite } from '../../src/storage/sqlite/index.js'
import { rowsOf, SqliteFiles } from './sqlite/desk.js'

/* Storages in this process read without waiting for anything, so reading much must be interrupted for the updates that arrive. */

const BOT = 42
const MANY = 3000

let files: SqliteFiles
const opened: Storage[] = []
beforeEach(() => {
  files = new SqliteFiles()
})
afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close()
  files.remove()
})

const keep = (storage: Storage): Storage => {
  opened.push(storage)
  return storage
}
const KINDS: readonly (readonly [string, () => Storage])[] = [
  ['memory', () => keep(memory())],
  ['sqlite', () => keep(sqlite(files.open()))],
]

/** Returns how many turns the event loop made while work was done. */
async function turnsDuring(work: () => unknown): Promise<number> {
  let turns = 0
  let ended = false
  const count = (): void => {
    if (ended) return
    turns++
    setImmediate(count)
  }
  setImmediate(count)
  try {
    await work()
  } finally {
    ended = true
  }
  return turns
}

const keysFrom = (first: number, count = MANY): Key[] =>
  Array.from({ length: count }, (_, index) => userKey(first + index))

async function fill(storage: Storage): Promise<void> {
  await storage.marks.put(
    BOT,
    'blocked',
    keysFrom(1000).map((key) => ({ key, mark: { since: 1 } })),
  )
  await storage.users.note(
    BOT,
    keysFrom(1000).map((key) => ({ key, at: 1, counts: { message: 1 } })),
  )
  for (let i = 0; i < 5; i++) await storage.values.put('space', `${i}`, i)
}

const PAGES: readonly (readonly [
  string,
  (storage: Storage, from?: string) => MaybePromise<{ next?: string }>,
])[] = [
  ['marks', (storage, from) => storage.marks.scan(BOT, 'blocked', from, 600)],
  ['users', (storage, from) => storage.users.scan(BOT, from, 600)],
  ['values', (storage, from) => storage.values.scan('space', from, 1)],
]

describe.each(KINDS)('%s', (kind, make) => {
  test.each(PAGES)('a list of %s is never cut short by a close during its reading', async (__, scan) => {
    const storage = make()
    await fill(storage)
    const reading = scan(storage, (await scan(storage)).next)
    await storage.close()
    // memory() keeps what it holds, for the updates that a bot still handles.
    if (kind === 'memory') expect(await reading).toEqual(await scan(storage, (await scan(storage)).next))
    else await expect(reading).rejects.toMatchObject({ code: 'storage.closed' })
  })

  test('reads lists while the timers of a test are fake', async () => {
    const storage = make()
    await fill(storage)
    const { next } = await storage.users.scan(BOT, undefined, 600)
    jest.useFakeTimers()
    try {
      expect((await storage.users.scan(BOT, next, 600)).users).toHaveLength(600)
    } finally {
      jest.useRealTimers()
    }
  })

  test.each(PAGES)('waits a turn of the event loop before each further page of %s', async (__, scan) => {
    const storage = make()
    await fill(storage)
    let pages = 0
    const turns = await turnsDuring(async () => {
      let from: string | undefined
      do {
        from = (await scan(storage, from)).next
        pages++
      } while (from !== undefined)
    })
    expect(pages).toBe(5)
    expect(turns).toBeGreaterThanOrEqual(4)
  })

  test.each([
    ['report', (guard: ReturnType<typeof sentinel>) => guard.users.report()],
    ['block list', (guard: ReturnType<typeof sentinel>) => guard.export()],
  ])('lets other updates be decided while it reads for a %s', async (__, read) => {
    const storage = make()
    await fill(storage)
    const guard = sentinel({ storage, users: true })
    const bot = new Bot(`${BOT}:token`, { botInfo: { id: BOT } as never })
    let handled = 0
    bot.use(guard, () => {
      handled++
    })
    const update = (update_id: number) =>
      bot.handleUpdate({
        update_id,
        message: {
          message_id: update_id,
          date: 0,
          text: 'hi',
          chat: { id: 7, type: 'private', first_name: 'A' },
          from: { id: 7, is_bot: false, first_name: 'A' },
        },
      })
    await update(1)
    let isOver = false
    const reading = Promise.resolve(read(guard)).finally(() => {
      isOver = true
    })
    await new Promise((done) => setImmediate(done))
    await update(2)
    const seen = [handled, isOver]
    await reading
    await guard.close()
    expect(seen).toEqual([2, false])
  })
})

test('sqlite finds and forgets the traces of a user in parts', async () => {
  const database = files.open()
  const storage = keep(sqlite(database))
  await storage.marks.put(BOT, 'role:mod', [{ key: memberKey(userKey(7), -100), mark: { since: 1 } }])
  await storage.marks.put(BOT, 'blocked', [{ key: userKey(7), mark: { since: 1 } }])
  // Keys that only end alike belong to other users.
  await storage.marks.put(BOT, 'blocked', [{ key: userKey(17), mark: { since: 1 } }])
  database.exec(`
    INSERT INTO sentinel_places (id, plan, slot) VALUES (1, 'p', 'a'), (2, 'p', 'b');
    WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 21000)
    INSERT INTO sentinel_records (place, bot, key, form, cells, until)
      SELECT 1 + i % 2, ${BOT}, 'u' || i, 'bucket', x'00', 9e15 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 21000)
    INSERT INTO sentinel_marks (bot, key, name, since) SELECT ${BOT}, 'u' || i, 'blocked', 1 FROM n;
    INSERT INTO sentinel_records (place, bot, key, form, cells, until) VALUES
      (1, ${BOT}, 'u7', 'bucket', x'00', 9e15), (2, ${BOT}, 'u7', 'bucket', x'00', 9e15),
      (1, ${BOT}, 'm-100:u7', 'bucket', x'00', 9e15), (1, 43, 'u7', 'bucket', x'00', 9e15),
      (1, ${BOT}, 'c7', 'bucket', x'00', 9e15);
    INSERT INTO sentinel_claims (place, bot, key, token, state, serial) VALUES (1, ${BOT}, 'u7', 1, 1, 1);
    INSERT INTO sentinel_sequences (place, bot, key, part, until) VALUES (2, ${BOT}, 'u7', 1, 9e15);
  `)
  const before = rowsOf(database, 'records')
  const keys = [userKey(7), chatKey(7)]
  let marked: unknown
  const finding = await turnsDuring(async () => {
    marked = await storage.archive?.marksOf(BOT, keys)
  })
  expect(marked).toHaveLength(2)
  expect(finding).toBeGreaterThanOrEqual(3)
  expect(await turnsDuring(() => storage.archive?.forget(BOT, keys))).toBeGreaterThanOrEqual(3)
  expect(rowsOf(database, 'records')).toBe(before - 4)
  expect([rowsOf(database, 'claims'), rowsOf(database, 'sequences')]).toEqual([0, 0])
  const left = database.prepare(`SELECT bot FROM sentinel_records WHERE key = 'u7'`).all()
  expect(left).toEqual([{ bot: 43 }])
})

test('sqlite waits a turn of the event loop between the slots in which it forgets a user', async () => {
  const database = files.open()
  const storage = keep(sqlite(database))
  await storage.health()
  database.exec(`
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
    INSERT INTO sentinel_places (id, plan, slot) SELECT i, 'p', i FROM n;
  `)
  expect(await turnsDuring(() => storage.archive?.forget(BOT, [userKey(7)]))).toBeGreaterThanOrEqual(50)
})

test.each<[string, (guard: Sentinel, ids: number[], list: BlockListExport) => Promise<unknown>]>([
  ['blocked', (guard, ids) => guard.block(ids)],
  ['unblocked', (guard, ids) => guard.unblock(ids)],
  ['imported', (guard, _, list) => guard.import(list)],
])('updates are decided by sqlite while a long list is %s', async (how, work) => {
  const guard = sentinel({ storage: keep(sqlite(files.open())) })
  const bot = new Bot(`${BOT}:token`, { botInfo: { id: BOT } as never })
  bot.use(guard, () => undefined)
  await bot.handleUpdate({ update_id: 1 })
  const ids = Array.from({ length: MANY }, (_, index) => index + 1)
  await guard.block(ids)
  const list = await guard.export()
  if (how !== 'unblocked') await guard.unblock(ids)
  expect(await turnsDuring(() => work(guard, ids, list))).toBeGreaterThanOrEqual(MANY / 1000)
  await guard.close()
})

test('the copy of marks is read while updates are decided', async () => {
  const storage = keep(sqlite(files.open()))
  await fill(storage)
  const copy = new FallbackMarks({
    from: storage.marks,
    to: keep(memory()).marks,
    most: MANY,
    clock: steadyClock,
    steady: steadyClock,
    timers: systemTimers,
    isUp: () => true,
    bounded: async (work) => work(),
    failed: (error) => {
      throw error
    },
    emptied: () => undefined,
    isQueued: () => false,
  })
  copy.follow(['blocked'])
  copy.meet(BOT)
  let turns = 0
  while (!copy.complete) {
    turns++
    await new Promise((done) => setImmediate(done))
  }
  copy.stop()
  expect(copy.size).toBe(MANY)
  // Three pages of the storage, and as many of the copy.
  expect(turns).toBeGreaterThanOrEqual(4)
})
