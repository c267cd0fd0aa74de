import type { Check, Judge } from '../../../src/core/check.js'
import { SentinelError } from '../../../src/core/errors.js'
import { type Key, userKey } from '../../../src/core/subject.js'
import type { Mark } from '../../../src/storage/contract/storage.js'
import {
  ALICE,
  askOf,
  BOB,
  BOT,
  blocked,
  bucket,
  isAdmitted,
  type Outage,
  outage,
  settled,
} from '../outage.js'

const BLOCKED: Mark = { since: 1, reason: 'spam' }

async function block(marks: Outage['remote']['marks'], ...keys: Key[]): Promise<void> {
  await marks.put(
    BOT,
    'blocked',
    keys.map((key) => ({ key, mark: BLOCKED })),
  )
}

async function passes(judge: Judge, key: Key): Promise<boolean> {
  return isAdmitted(await judge.evaluate(askOf(key)))
}

/** A judge that has read the marks of its bot. */
async function reading(stage: Outage, ...checks: readonly Check[]): Promise<Judge> {
  const judge = await stage.judgeOf(...(checks.length === 0 ? [blocked] : checks))
  await judge.evaluate(askOf(userKey(99)))
  await settled()
  return judge
}

describe('while the storage is down, blocks hold', () => {
  test('that were made before this process started', async () => {
    const stage = outage()
    await block(stage.remote.kept.marks, ALICE)
    const judge = await reading(stage)
    await stage.goDown(judge)
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([false, true])
    expect((await stage.storage.health()).circuit?.copy).toEqual({ marks: 1, complete: true })
  })

  test('as another process has made or removed them since', async () => {
    const stage = outage()
    await block(stage.remote.kept.marks, ALICE)
    const judge = await reading(stage)
    await block(stage.remote.kept.marks, BOB)
    await stage.remote.kept.marks.remove(BOT, 'blocked', [ALICE])
    await settled()
    await stage.goDown(judge)
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([true, false])
  })

  test('that were made without a notification, once the gap is reported', async () => {
    const stage = outage()
    await block(stage.remote.kept.marks, ALICE)
    const judge = await reading(stage)
    stage.remote.deaf = true
    await block(stage.remote.kept.marks, BOB)
    await stage.remote.kept.marks.remove(BOT, 'blocked', [ALICE])
    await settled()
    stage.remote.gap()
    await settled()
    await stage.goDown(judge)
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([true, false])
  })

  test('of a storage that cannot be watched, as they were half a minute ago', async () => {
    const stage = outage()
    stage.remote.deaf = true
    stage.remote.watch = async () => {
      throw new Error('NOPERM this user may not subscribe')
    }
    const judge = await reading(stage)
    await block(stage.remote.kept.marks, ALICE)
    stage.remote.asked.length = 0
    await stage.pass(29_000)
    expect(stage.remote.asked).toEqual([])
    await stage.pass(1500)
    expect(stage.remote.asked).toEqual(['marks.scan'])
    await stage.goDown(judge)
    expect(await passes(judge, ALICE)).toBe(false)
  })

  test('for thousands of subjects, read page by page', async () => {
    const stage = outage()
    const keys = Array.from({ length: 2500 }, (_, i) => userKey(i + 1))
    await block(stage.remote.kept.marks, ...keys)
    const judge = await reading(stage)
    await stage.pass(100)
    expect(stage.remote.asked.filter((what) => what === 'marks.scan').length).toBeGreaterThanOrEqual(3)
    await stage.goDown(judge)
    expect(await passes(judge, userKey(2500))).toBe(false)
    expect(await passes(judge, userKey(2501))).toBe(true)
  })

  test('up to maxMarks of them, and health() reports that the copy is incomplete', async () => {
    const stage = outage({ maxMarks: 1500 })
    await block(stage.remote.kept.marks, ...Array.from({ length: 2500 }, (_, i) => userKey(i + 1)))
    await reading(stage)
    await stage.pass(100)
    expect((await stage.storage.health()).circuit?.copy).toEqual({ marks: 1500, complete: false })
  })

  test('that were made in this process, and their number is reported', async () => {
    const stage = outage()
    const judge = await reading(stage)
    const held = async () => (await stage.storage.health()).circuit?.copy?.marks
    await block(stage.storage.marks as Outage['remote']['marks'], ALICE, BOB)
    expect(await held()).toBe(2)
    await settled()
    expect(await held()).toBe(2)
    await stage.storage.marks.remove(BOT, 'blocked', [BOB])
    await settled()
    expect(await held()).toBe(1)
    await stage.goDown(judge)
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([false, true])
  })

  test('of each bot', async () => {
    const stage = outage()
    await stage.remote.kept.marks.put(2, 'blocked', [{ key: ALICE, mark: BLOCKED }])
    const judge = await reading(stage)
    await judge.evaluate(askOf(BOB, [], 2))
    await settled()
    await stage.goDown(judge)
    expect(isAdmitted(await judge.evaluate(askOf(ALICE, [], 2)))).toBe(false)
    expect(isAdmitted(await judge.evaluate(askOf(ALICE)))).toBe(true)
  })

  test('but none are known from a storage that was never reached', async () => {
    const stage = outage()
    await block(stage.remote.kept.marks, ALICE)
    stage.remote.fault = 'refuses'
    const judge = await reading(stage)
    expect(await passes(judge, ALICE)).toBe(true)
    expect((await stage.storage.health()).circuit?.copy).toEqual({ marks: 0, complete: false })
    stage.remote.fault = 'none'
    await stage.pass(1000)
    expect(await passes(judge, ALICE)).toBe(false)
    await stage.goDown(judge)
    expect(await passes(judge, ALICE)).toBe(false)
  })

  test('until they lapse', async () => {
    const stage = outage()
    const until = stage.time.now + 10_000
    await stage.remote.kept.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1, until } }])
    const judge = await reading(stage)
    await stage.goDown(judge)
    expect(await passes(judge, ALICE)).toBe(false)
    stage.time.advance(10_000)
    expect(await passes(judge, ALICE)).toBe(true)
  })

  test('and roles, of exemptions and of limits', async () => {
    const stage = outage()
    await stage.remote.kept.marks.put(BOT, 'role:vip', [{ key: ALICE, mark: BLOCKED }])
    await stage.remote.kept.marks.put(BOT, 'role:staff', [{ key: BOB, mark: BLOCKED }])
    const judge = await reading(
      stage,
      bucket(1, {
        unless: { subject: 0, anyOf: ['role:staff'] },
        variants: [{ mark: 'role:vip', subject: 0, limit: { amount: 2, per: 60_000 } }],
      } as object),
    )
    await stage.goDown(judge)
    const passed = async (key: Key) => {
      let count = 0
      while (count < 5 && (await passes(judge, key))) count++
      return count
    }
    expect([await passed(ALICE), await passed(BOB), await passed(userKey(3))]).toEqual([2, 5, 1])
  })
})

describe('a mark that is read', () => {
  test('comes from the copy if the copy has it', async () => {
    const stage = outage()
    await block(stage.remote.kept.marks, ALICE)
    const judge = await reading(stage)
    await stage.goDown(judge)
    expect(await stage.storage.marks.get(BOT, ALICE, 'blocked')).toEqual(BLOCKED)
    expect(await stage.storage.marks.get(BOT, BOB, 'blocked')).toBeUndefined()
    await expect(stage.storage.marks.get(BOT, ALICE, 'role:vip')).rejects.toMatchObject({
      code: 'storage.unavailable',
    })
    await expect(stage.storage.marks.get(43, ALICE, 'blocked')).rejects.toMatchObject({
      code: 'storage.unavailable',
    })
  })
})

describe('a mark written while the storage is down', () => {
  test('holds at once, rejects as not stored, and is stored when the storage is back', async () => {
    const stage = outage()
    await block(stage.remote.kept.marks, BOB)
    const judge = await reading(stage)
    await stage.goDown(judge)
    const writes = [
      stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: BLOCKED }]),
      stage.storage.marks.remove(BOT, 'blocked', [BOB]),
      stage.storage.marks.put(BOT, 'role:vip', [{ key: ALICE, mark: BLOCKED }]),
    ]
    for (const write of writes) {
      await expect(write).rejects.toMatchObject({
        code: 'storage.unavailable',
        message: expect.stringContaining(
          'It holds in this process, which writes it when the storage is back',
        ),
      })
    }
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([false, true])
    expect(await stage.storage.marks.get(BOT, ALICE, 'role:vip')).toEqual(BLOCKED)
    expect((await stage.storage.health()).circuit?.waiting.marks).toBe(3)
    stage.remote.fault = 'none'
    await stage.pass(1000)
    const { marks } = stage.remote.kept
    expect(await marks.get(BOT, ALICE, 'blocked')).toEqual(BLOCKED)
    expect(await marks.get(BOT, BOB, 'blocked')).toBeUndefined()
    expect(await marks.get(BOT, ALICE, 'role:vip')).toEqual(BLOCKED)
    expect((await stage.storage.health()).circuit?.waiting.marks).toBe(0)
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([false, true])
    // And after another outage, too.
    await stage.goDown(judge)
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([false, true])
  })

  test('does not replace a newer one', async () => {
    const stage = outage()
    const judge = await reading(stage)
    await stage.goDown(judge)
    const since = stage.time.now
    await expect(
      stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since, reason: 'older' } }]),
    ).rejects.toThrow()
    await expect(stage.storage.marks.remove(BOT, 'blocked', [BOB])).rejects.toThrow()
    // Another process, which can reach the storage.
    const newer = { since: since + 1, reason: 'newer' }
    const { marks } = stage.remote.kept
    await marks.put(BOT, 'blocked', [
      { key: ALICE, mark: newer },
      { key: BOB, mark: newer },
    ])
    stage.remote.fault = 'none'
    await stage.pass(1000)
    expect(await marks.get(BOT, ALICE, 'blocked')).toEqual(newer)
    expect(await marks.get(BOT, BOB, 'blocked')).toEqual(newer)
    await stage.goDown(judge)
    expect(await passes(judge, BOB)).toBe(false)
  })

  test('replaces the one that this process knew, also if that is from a worker whose clock is ahead', async () => {
    const stage = outage()
    const ahead = stage.time.now + 600_000
    const { marks } = stage.remote.kept
    const put = (key: Key, since: number) => marks.put(BOT, 'blocked', [{ key, mark: { since } }])
    await put(ALICE, ahead)
    await put(BOB, ahead)
    const judge = await reading(stage)
    await stage.goDown(judge)
    await expect(block(stage.storage.marks, ALICE, BOB)).rejects.toThrow()
    // The second write replaces what the first one would have replaced.
    await expect(stage.storage.marks.remove(BOT, 'blocked', [ALICE, BOB])).rejects.toThrow()
    // That worker can reach the storage, and blocks one of them again.
    await put(BOB, ahead + 1)
    stage.remote.fault = 'none'
    await stage.pass(1000)
    expect(await marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
    expect(await marks.get(BOT, BOB, 'blocked')).toEqual({ since: ahead + 1 })
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([true, false])
  })

  test('is replaced by a later one', async () => {
    const stage = outage()
    const judge = await reading(stage)
    stage.remote.fault = 'refuses'
    await expect(stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: BLOCKED }])).rejects.toThrow()
    stage.remote.fault = 'none'
    expect(await stage.storage.marks.remove(BOT, 'blocked', [ALICE])).toBe(0)
    await stage.pass(1000)
    expect(await passes(judge, ALICE)).toBe(true)
    await stage.goDown(judge)
    expect(await passes(judge, ALICE)).toBe(true)
  })

  test('does not replace one that is written while it is being sent', async () => {
    const stage = outage()
    await reading(stage)
    stage.remote.fault = 'refuses'
    await expect(stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: BLOCKED }])).rejects.toThrow()
    stage.remote.fault = 'hangs'
    stage.remote.parts = (what) => what === 'marks.put'
    await stage.pass(300)
    // The kept write is under way, and hangs.
    expect(stage.remote.asked.at(-1)).toBe('marks.put')
    const removing = stage.storage.marks.remove(BOT, 'blocked', [ALICE])
    await settled()
    stage.remote.resume()
    await removing
    await stage.pass(300)
    expect(await stage.remote.kept.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
  })

  test.each([
    ['refused', 'refuses'],
    ['written', 'none'],
  ] as const)('is not stored if it failed late, when a later one was %s', async (_, fault) => {
    const stage = outage()
    const judge = await reading(stage)
    stage.remote.fault = 'hangs'
    const putting = Promise.resolve(
      stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: stage.time.now } }]),
    )
    const refused = expect(putting).rejects.toMatchObject({ code: 'storage.unavailable' })
    await stage.pass(100)
    stage.remote.fault = fault
    const removing = (async () => stage.storage.marks.remove(BOT, 'blocked', [ALICE]))()
    if (fault === 'none') await removing
    else await expect(removing).rejects.toMatchObject({ code: 'storage.unavailable' })
    await stage.pass(2000)
    await refused
    // Hanging calls are lost with their connection.
    stage.remote.kill()
    stage.remote.fault = 'none'
    await stage.pass(1000)
    expect(await stage.remote.kept.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
    await stage.goDown(judge)
    expect(await passes(judge, ALICE)).toBe(true)
  })

  test('is not replaced by an invalid write', async () => {
    const stage = outage()
    await reading(stage)
    stage.remote.fault = 'refuses'
    await expect(stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: BLOCKED }])).rejects.toThrow()
    stage.remote.fault = 'none'
    const { put } = stage.remote.marks
    stage.remote.marks.put = async () => {
      throw new SentinelError('value.invalid', 'that is not a value')
    }
    await expect(
      stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: BLOCKED }]),
    ).rejects.toMatchObject({ code: 'value.invalid' })
    stage.remote.marks.put = put
    await stage.pass(300)
    expect(await stage.remote.kept.marks.get(BOT, ALICE, 'blocked')).toEqual(BLOCKED)
  })

  test('is written even if others are invalid, which are reported and dropped', async () => {
    const stage = outage()
    const judge = await reading(stage)
    await stage.goDown(judge)
    const keep = (id: number) =>
      expect(
        stage.storage.marks.put(BOT, 'blocked', [{ key: userKey(id), mark: { since: id } }]),
      ).rejects.toMatchObject({ code: 'storage.unavailable' })
    for (let id = 1; id <= 5; id++) await keep(id)
    const { put } = stage.remote.marks
    stage.remote.marks.put = async (bot, name, entries) => {
      if (entries.some(({ mark }) => mark.since === 3))
        throw new SentinelError('value.invalid', 'that is not a mark')
      return put(bot, name, entries)
    }
    stage.remote.fault = 'none'
    await stage.pass(1000)
    const held = await Promise.all(
      [1, 2, 3, 4, 5].map((id) => stage.remote.kept.marks.get(BOT, userKey(id), 'blocked')),
    )
    expect(held.map((mark) => mark?.since)).toEqual([1, 2, undefined, 4, 5])
    expect((await stage.storage.health()).circuit).toMatchObject({
      waiting: { marks: 0 },
      dropped: { marks: 1 },
    })
    expect(stage.told.filter(({ is }) => is === 'failed')).toEqual([
      { is: 'failed', error: expect.objectContaining({ code: 'value.invalid' }), during: 'storage.recovery' },
    ])
    // Marks that were refused by the storage are no longer in effect here, either.
    await stage.goDown(judge)
    expect([await passes(judge, userKey(3)), await passes(judge, userKey(4))]).toEqual([true, false])
  })

  test('is written after a single failure, too', async () => {
    const stage = outage()
    const judge = await reading(stage)
    stage.remote.fault = 'refuses'
    await expect(stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: BLOCKED }])).rejects.toThrow()
    stage.remote.fault = 'none'
    await stage.pass(300)
    expect(await passes(judge, ALICE)).toBe(false)
  })

  test('is dropped if too many wait, which is reported', async () => {
    const stage = outage()
    const judge = await reading(stage)
    await stage.goDown(judge)
    const entries = Array.from({ length: 9_999 }, (_, i) => ({ key: userKey(i + 1), mark: BLOCKED }))
    const put = (some: typeof entries) => stage.storage.marks.put(BOT, 'blocked', some)
    await expect(put(entries)).rejects.toThrow('It holds in this process')
    await expect(put(entries)).rejects.toThrow('It holds in this process')
    await expect(put([20_000, 20_001].map((id) => ({ key: userKey(id), mark: BLOCKED })))).rejects.toThrow(
      'this one is not retried',
    )
    expect(await passes(judge, userKey(20_000))).toBe(true)
    expect((await stage.storage.health()).circuit).toMatchObject({
      waiting: { marks: 9_999 },
      dropped: { marks: 2 },
    })
    stage.remote.fault = 'none'
    await stage.pass(2000)
    expect((await stage.storage.health()).circuit?.waiting.marks).toBe(0)
    expect(await stage.remote.kept.marks.get(BOT, userKey(9_999), 'blocked')).toEqual(BLOCKED)
  })

  test('is reported by close() if it was never written', async () => {
    const stage = outage()
    const judge = await reading(stage)
    await stage.goDown(judge)
    await expect(stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: BLOCKED }])).rejects.toThrow()
    const closing = expect(stage.storage.close()).rejects.toMatchObject({
      code: 'storage.unavailable',
      message: expect.stringContaining('1 marks'),
    })
    await stage.pass(2100)
    await closing
  })

  test('is never undone by an earlier read', async () => {
    const stage = outage()
    await block(stage.remote.kept.marks, ALICE)
    const judge = await reading(stage)
    // A page that was read before the write arrives after it.
    let arrive: () => void = () => undefined
    const { scan } = stage.remote.marks
    stage.remote.marks.scan = async (...args) => {
      const page = await scan(...args)
      await new Promise<void>((done) => {
        arrive = done
      })
      return page
    }
    stage.remote.gap()
    await settled()
    await stage.storage.marks.remove(BOT, 'blocked', [ALICE])
    await block(stage.storage.marks as Outage['remote']['marks'], BOB)
    arrive()
    await settled()
    await stage.goDown(judge)
    expect([await passes(judge, ALICE), await passes(judge, BOB)]).toEqual([true, false])
  })
})

test('watchers receive a gap when the storage is back', async () => {
  const stage = outage()
  const judge = await reading(stage)
  const told: string[] = []
  const stop = stage.storage.watch(({ kind }) => told.push(kind))
  await block(stage.remote.kept.marks, ALICE)
  await stage.goDown(judge)
  stage.remote.fault = 'none'
  await stage.pass(1000)
  stop()
  await block(stage.remote.kept.marks, BOB)
  expect(told).toEqual(['marks', 'gap'])
})

test('an observer that throws keeps neither the writes that were missed nor the gap from being made up for', async () => {
  const stage = outage()
  const judge = await reading(stage)
  const told: string[] = []
  const stop = stage.storage.watch(({ kind }) => told.push(kind))
  await stage.goDown(judge)
  stage.storage.observe(() => {
    throw new Error('of the observer')
  })
  stage.remote.fault = 'none'
  await expect(stage.pass(1000)).rejects.toThrow('of the observer')
  await settled()
  stop()
  expect(told).toEqual(['gap'])
})

describe('a mark that no plan read before the storage was down', () => {
  /** With a plan that uses no marks. */
  async function standing(): Promise<{ stage: Outage; judge: Judge }> {
    const stage = outage()
    return { stage, judge: await reading(stage, bucket(99)) }
  }

  /** A handler is used for the first time. */
  const late = async ({ storage }: Outage): Promise<Judge> => {
    const judge = await storage.prepare({ name: 'late', scopes: ['user'], checks: [blocked] })
    await settled()
    return judge
  }

  test('holds only for subjects on which this process had put it', async () => {
    const { stage, judge } = await standing()
    await block(stage.storage.marks, ALICE)
    await block(stage.remote.kept.marks, BOB)
    await stage.goDown(judge)
    const handler = await late(stage)
    expect([await passes(handler, ALICE), await passes(handler, BOB)]).toEqual([false, true])
    stage.remote.fault = 'none'
    await stage.pass(1000)
    expect([await passes(handler, ALICE), await passes(handler, BOB)]).toEqual([false, false])
    // From now on all marks are copied.
    await stage.goDown(handler)
    expect([await passes(handler, ALICE), await passes(handler, BOB)]).toEqual([false, false])
  })

  test.each([
    ['with a change event', false],
    ['without a change event, once a gap is reported', true],
  ])('does not hold if another process has removed it since: %s', async (_, deaf) => {
    const { stage, judge } = await standing()
    await block(stage.storage.marks, ALICE, BOB)
    await settled()
    stage.remote.deaf = deaf
    await stage.remote.kept.marks.remove(BOT, 'blocked', [ALICE])
    if (deaf) stage.remote.gap()
    await settled()
    await stage.goDown(judge)
    const handler = await late(stage)
    expect([await passes(handler, ALICE), await passes(handler, BOB)]).toEqual([true, false])
  })

  test('is kept for ten thousand subjects, without reading the list', async () => {
    const { stage } = await standing()
    const scans = stage.remote.asked.filter((what) => what === 'marks.scan').length
    for (let from = 1; from <= 12_000; from += 1000) {
      await block(stage.storage.marks, ...Array.from({ length: 1000 }, (_, index) => userKey(from + index)))
    }
    expect((await stage.storage.health()).circuit?.copy).toEqual({ marks: 10_000, complete: true })
    expect(stage.remote.asked.filter((what) => what === 'marks.scan')).toHaveLength(scans)
  })
})

test('the size of the copy is right if marks change while a list is read', async () => {
  const { remote, storage, judgeOf, pass } = outage()
  const sizes: unknown[] = []
  const size = async (): Promise<void> => {
    await pass(1000)
    sizes.push((await storage.health()).circuit?.copy)
  }
  remote.parts = (what) => what === 'marks.scan'
  remote.fault = 'hangs'
  const judge = await judgeOf(blocked)
  await judge.evaluate(askOf(BOB))
  await settled()
  // Reported, and also on the page that is read after that.
  await remote.kept.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
  await settled()
  remote.resume()
  await size()
  await remote.kept.marks.remove(BOT, 'blocked', [ALICE])
  await size()
  expect(sizes).toEqual([
    { marks: 1, complete: true },
    { marks: 0, complete: true },
  ])
})
