import type { Judge } from '../../../src/core/check.js'
import { userKey } from '../../../src/core/subject.js'
import { ALICE, askOf, BOT, blocked, bucket, isAdmitted, type Outage, outage } from '../outage.js'

/* The storage answers some calls and fails others: it refuses to write, or one of its tables is locked. */

const state = async ({ storage }: Outage) => (await storage.health()).circuit?.state
const get = ({ storage }: Outage) => (async () => storage.values.get('space', 'key'))()
const put = ({ storage }: Outage) => (async () => storage.values.put('space', 'key', 1))()
const block = ({ storage }: Outage, n: number) =>
  (async () => storage.marks.put(BOT, 'blocked', [{ key: userKey(n), mark: { since: 1 } }]))()
const unavailable = expect.objectContaining({ code: 'storage.unavailable' })

/** Lets a decision fail by its time-out. */
async function hangs(stage: Outage, judge: Judge, n: number): Promise<void> {
  const decided = Promise.resolve(judge.evaluate(askOf(userKey(n))))
  await stage.pass(250)
  expect((await decided).alone).toBe(true)
}

describe('a storage that refuses to write', () => {
  test('is down after the first refusal if it refuses a test as well, although decisions that write nothing are answered', async () => {
    const stage = outage()
    const judge = await stage.judgeOf(blocked)
    stage.remote.fault = 'reads'
    stage.remote.parts = (what) => what !== 'evaluate'
    expect((await judge.evaluate(askOf())).alone).toBeUndefined()
    await expect(put(stage)).rejects.toEqual(unavailable)
    await stage.pass(25)
    expect(stage.told).toEqual([{ is: 'down', kind: 'faulty', reason: 'OOM' }])
    expect((await judge.evaluate(askOf())).alone).toBe(true)
    await stage.pass(3000)
    expect(stage.told).toHaveLength(1)
    stage.remote.fault = 'none'
    await stage.pass(1000)
    expect(stage.told.map(({ is }) => is)).toEqual(['down', 'up'])
    expect((await judge.evaluate(askOf())).alone).toBeUndefined()
  })

  test('still answers reads, while writes are rejected at once', async () => {
    const stage = outage()
    const { storage, remote } = stage
    await stage.judgeOf(blocked)
    await put(stage)
    await storage.users.note(BOT, [{ key: ALICE, at: 5, counts: { messages: 2 } }])
    remote.fault = 'reads'
    await expect(put(stage)).rejects.toEqual(unavailable)
    await stage.pass(1000)
    remote.asked.length = 0
    expect(await get(stage)).toBe(1)
    expect((await storage.values.scan('space')).entries).toHaveLength(1)
    expect(await storage.users.get(BOT, ALICE)).toMatchObject({ counts: { messages: 2 } })
    expect((await storage.marks.of(BOT, ALICE)).size).toBe(0)
    expect(remote.asked).toEqual(['values.get', 'values.scan', 'users.get', 'marks.of'])
    await expect(put(stage)).rejects.toEqual(unavailable)
    expect(remote.asked).toHaveLength(4)
    expect(await state(stage)).toBe('open')
    remote.fault = 'none'
    await stage.pass(1000)
    await put(stage)
    expect(stage.told.map(({ is }) => is)).toEqual(['down', 'up'])
  })

  test('no longer answers reads: they are rejected at once after the first', async () => {
    const stage = outage()
    const { remote } = stage
    await stage.judgeOf(blocked)
    remote.fault = 'reads'
    await expect(put(stage)).rejects.toEqual(unavailable)
    await stage.pass(25)
    remote.fault = 'hangs'
    const read = expect(get(stage)).rejects.toEqual(unavailable)
    await stage.pass(250)
    await read
    remote.asked.length = 0
    await expect(get(stage)).rejects.toEqual(unavailable)
    expect(remote.asked).not.toContain('values.get')
  })

  test('is not down if it refuses only some writes, however many', async () => {
    const stage = outage()
    const judge = await stage.judgeOf(blocked)
    stage.remote.fault = 'reads'
    stage.remote.parts = (what) => what === 'marks.put'
    for (let n = 0; n < 9; n++) {
      await expect(block(stage, 100 + n)).rejects.toEqual(unavailable)
      expect((await judge.evaluate(askOf())).alone).toBeUndefined()
    }
    await stage.pass(1000)
    expect(stage.told).toEqual([])
  })

  test('is tested by one write at a time', async () => {
    const stage = outage()
    await stage.judgeOf(blocked)
    stage.remote.fault = 'reads'
    stage.remote.parts = (what) => what === 'marks.put'
    await Promise.allSettled([1, 2, 3].map((n) => block(stage, n)))
    expect(stage.remote.asked.filter((what) => what === 'values.put')).toHaveLength(1)
  })
})

describe('a storage that does not decide', () => {
  test('is down after five decisions in a row, and back when a decision is answered', async () => {
    const stage = outage()
    const judge = await stage.judgeOf(bucket(9))
    stage.remote.fault = 'hangs'
    stage.remote.parts = (what) => what === 'evaluate'
    for (let n = 0; n < 5; n++) await hangs(stage, judge, n)
    expect(stage.told).toEqual([{ is: 'down', kind: 'faulty', reason: 'TIMEOUT' }])
    await expect(put(stage)).rejects.toEqual(unavailable)
    stage.remote.fault = 'none'
    await stage.pass(100)
    expect((await judge.evaluate(askOf())).alone).toBeUndefined()
    expect(stage.told.map(({ is }) => is)).toEqual(['down', 'up'])
  })

  test('is not down while calls in between are answered: sessions go on, and one failed read costs nothing else', async () => {
    const stage = outage()
    const judge = await stage.judgeOf(bucket(100_000))
    const onlyDecisions = (what: string) => what === 'evaluate'
    stage.remote.fault = 'hangs'
    stage.remote.parts = onlyDecisions
    const rejected: number[] = []
    const update = async (n: number): Promise<void> => {
      expect(isAdmitted(await judge.evaluate(askOf(userKey(n))))).toBe(true)
      if (n === 30) stage.remote.parts = (what) => onlyDecisions(what) || what === 'values.get'
      if (n === 30) stage.remote.fault = 'refuses'
      try {
        await stage.storage.values.get('sessions', `${n}`)
        await stage.storage.values.put('sessions', `${n}`, n)
      } catch {
        rejected.push(n)
      }
      stage.remote.fault = 'hangs'
      stage.remote.parts = onlyDecisions
    }
    const updates: Promise<void>[] = []
    for (let n = 0; n < 200; n++) {
      updates.push(update(n))
      await stage.pass(100)
    }
    await stage.pass(1000)
    await Promise.all(updates)
    expect(rejected).toEqual([30])
    expect(stage.told).toEqual([])
  })
})

test('failed reads among many that are answered do not add up after a failed decision', async () => {
  const stage = outage()
  const judge = await stage.judgeOf(bucket(9))
  stage.remote.parts = (what) => what === 'evaluate'
  stage.remote.fault = 'refuses'
  expect((await judge.evaluate(askOf())).alone).toBe(true)
  stage.remote.parts = (what) => what === 'values.get'
  for (let failures = 0; failures < 6; failures++) {
    stage.remote.fault = 'none'
    for (let n = 0; n < 50; n++) await get(stage)
    stage.remote.fault = 'refuses'
    await expect(get(stage)).rejects.toEqual(unavailable)
  }
  expect(stage.told).toEqual([])
})

test('a storage whose decisions are answered is not down because a table of others is locked', async () => {
  const stage = outage()
  const judge = await stage.judgeOf(bucket(99))
  stage.remote.fault = 'hangs'
  stage.remote.parts = (what) => what.startsWith('values')
  for (let n = 0; n < 9; n++) {
    expect((await judge.evaluate(askOf())).alone).toBeUndefined()
    const read = expect(get(stage)).rejects.toEqual(unavailable)
    await stage.pass(250)
    await read
  }
  expect(stage.told).toEqual([])
})
