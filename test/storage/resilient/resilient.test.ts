import { CircuitState, CountBreaker } from 'cockatiel'
import type { Judge } from '../../../src/core/check.js'
import { userKey } from '../../../src/core/subject.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { UndecidedAsk } from '../../../src/storage/resilient/reason.js'
import { resilient } from '../../../src/storage/resilient.js'
import { storageConformance } from '../../../src/testing/conformance.js'
import { Stage } from '../../middleware/rig.js'
import { later } from '../../sentinel/desk.js'
import { faulty } from '../faulty.js'
import {
  ALICE,
  askOf,
  BOB,
  BOT,
  blocked,
  bucket,
  claim,
  isAdmitted,
  outage,
  planOf,
  settled,
} from '../outage.js'

describe('around a working storage', () => {
  const trial = {
    make: (clock: () => number) => resilient(faulty(clock, new Stage().timers), { clock }),
    schedules: 150,
  }
  for (const { name, run } of storageConformance(trial)) test(name, run)
})

describe('while the storage does not answer', () => {
  test.each([
    ['refuses', 0],
    ['throws', 0],
    ['hangs', 250],
    ['loses', 250],
  ] as const)('one that %s: every update is decided within the timeout', async (fault, within) => {
    const { judgeOf, remote, time } = outage()
    const judge = await judgeOf(bucket(2))
    remote.fault = fault
    const decided: boolean[] = []
    for (let i = 0; i < 3; i++) {
      void Promise.resolve(judge.evaluate(askOf())).then((decision) => decided.push(isAdmitted(decision)))
    }
    await settled()
    if (within > 0) {
      time.advance(within - 1)
      await settled()
      expect(decided).toEqual([])
      time.advance(1)
      await settled()
    }
    // Memory counts, too: it admits two of three.
    expect(decided).toEqual([true, true, false])
  })

  test('a slow storage is waited for, and decides', async () => {
    const { judgeOf, remote, time, storage } = outage()
    const judge = await judgeOf(bucket(1))
    remote.delay = 249
    const first = judge.evaluate(askOf())
    await settled()
    time.advance(249)
    expect(isAdmitted(await first)).toBe(true)
    remote.delay = 0
    expect((await storage.health()).circuit).toMatchObject({ state: 'closed', instead: 0 })
  })

  test('open skips the check, closed refuses, local decides in memory', async () => {
    const { judgeOf, goDown } = outage()
    const judge = await judgeOf(
      bucket(1, { slot: 'open', whenDown: 'open' }),
      bucket(2, { slot: 'local', whenDown: 'local' }),
      bucket(3, { slot: 'unsaid' }),
    )
    await goDown(judge)
    const first = await judge.evaluate(askOf())
    expect(first.remaining).toEqual([Number.NaN, 1, 2])
    const others = [await judge.evaluate(askOf()), await judge.evaluate(askOf())]
    expect(others.map(({ refusedBy, cause }) => [refusedBy, cause])).toEqual([
      [-1, 'check'],
      [1, 'check'],
    ])

    const closed = outage()
    const judged = await closed.judgeOf(bucket(5), bucket(5, { slot: 'closed', whenDown: 'closed' }))
    expect(isAdmitted(await judged.evaluate(askOf()))).toBe(true)
    await closed.goDown(judged)
    expect(await judged.evaluate(askOf())).toMatchObject({
      refusedBy: 1,
      cause: 'unavailable',
      retryAfterMs: Number.POSITIVE_INFINITY,
      notice: false,
      receipt: undefined,
    })
    // The refused update was not charged.
    expect((await judged.peek(askOf())).remaining[0]).toBe(5)
  })

  test('a closed check refuses after earlier checks, not exempt users, and nobody in shadow', async () => {
    const { judgeOf, goDown, storage, pass } = outage()
    const unless = { subject: 0, anyOf: ['role:staff'] }
    const judge = await judgeOf(
      blocked,
      bucket(1, { slot: 'shadow', whenDown: 'closed', shadow: true }),
      bucket(1, { slot: 'closed', whenDown: 'closed', unless }),
    )
    await judge.evaluate(askOf())
    await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: 0 } }])
    await storage.marks.put(BOT, 'role:staff', [{ key: ALICE, mark: { since: 0 } }])
    await pass(0)
    await goDown(judge)
    expect(await judge.evaluate(askOf(BOB))).toMatchObject({ refusedBy: 0, cause: 'check' })
    const staff = await judge.evaluate(askOf(ALICE))
    expect([staff.refusedBy, staff.shadowRefusals]).toEqual([-1, []])
    expect(await judge.evaluate(askOf())).toMatchObject({ refusedBy: -1 })
  })

  test('claims keep their tokens if some checks are skipped', async () => {
    const { judgeOf, goDown } = outage()
    const judge = await judgeOf(
      claim({ slot: 'first', whenDown: 'open' }),
      claim({ slot: 'second' }),
      claim({ slot: 'third', whenDown: 'open' }),
      claim({ slot: 'fourth' }),
    )
    await goDown(judge)
    const by = async (...tokens: number[]) => (await judge.evaluate(askOf(ALICE, tokens))).refusedBy
    expect(await by(1, 2, 3, 4)).toBe(-1)
    expect(await by(1, 5, 3, 6)).toBe(-1)
    expect(await by(9, 2, 9, 9)).toBe(1)
    expect(await by(9, 9, 9, 4)).toBe(3)
  })

  test('it is not asked once it counts as down, but probed in the background', async () => {
    const { judgeOf, goDown, remote, told, storage, pass } = outage()
    const judge = await judgeOf(bucket(9))
    await goDown(judge)
    remote.asked.length = 0
    for (let i = 0; i < 100; i++) await judge.evaluate(askOf())
    expect(remote.asked).toEqual([])
    expect(told).toEqual([{ is: 'down', kind: 'faulty', reason: 'ECONNREFUSED' }])
    await pass(3000)
    // After 50 and 100 ms, then every 200 ms.
    expect(remote.asked.filter((what) => what === 'health')).toHaveLength(16)
    expect(new Set(remote.asked)).toEqual(new Set(['health']))
    const { ok, circuit } = await storage.health()
    expect({ ok, ...circuit }).toMatchObject({
      ok: false,
      state: 'open',
      reason: 'ECONNREFUSED',
      instead: 105,
      since: expect.any(Number),
    })
    expect(told).toHaveLength(1)
  })

  test('neither conditions nor errors nor health contain a secret', async () => {
    const { judgeOf, goDown, told, storage } = outage()
    await goDown(await judgeOf(bucket(9)))
    const error = await Promise.resolve(storage.values.get('a', 'b')).catch((error) => error as Error)
    if (!(error instanceof Error)) throw new Error('it was not refused')
    expect(error).toMatchObject({ code: 'storage.unavailable' })
    for (const said of [told, await storage.health(), `${error.message} ${error.stack}`, error.cause]) {
      expect(JSON.stringify(said) ?? '').not.toContain('secret')
    }
  })
})

describe('when the storage is back', () => {
  test.each([
    ['with updates', true],
    ['with none', false],
  ])('it is used within a second, %s, and limits are exact again', async (_, busy) => {
    const { judgeOf, goDown, remote, told, pass, storage } = outage()
    const judge = await judgeOf(bucket(3))
    // The storage has counted two updates before it went down.
    await judge.evaluate(askOf(BOB))
    await judge.evaluate(askOf(BOB))
    await goDown(judge)
    await pass(5000)
    remote.fault = 'none'
    for (let ms = 0; ms < 1000; ms += 100) {
      await pass(100)
      if (busy) await judge.evaluate(askOf())
    }
    expect((await storage.health()).circuit).toMatchObject({ state: 'closed' })
    expect(told.map(({ is }) => is)).toEqual(['down', 'up'])
    expect(told[1]).toMatchObject({ kind: 'faulty', after: expect.any(Number) })
    expect(isAdmitted(await judge.evaluate(askOf(BOB)))).toBe(true)
    expect(isAdmitted(await judge.evaluate(askOf(BOB)))).toBe(false)
  })

  test('one update tries it, and the others do not wait for that', async () => {
    const { judgeOf, goDown, remote, pass } = outage()
    const judge = await judgeOf(bucket(9))
    await goDown(judge)
    remote.fault = 'none'
    await pass(50)
    remote.asked.length = 0
    remote.fault = 'hangs'
    const tried = judge.evaluate(askOf())
    for (let i = 0; i < 10; i++) await judge.evaluate(askOf(BOB))
    expect(remote.asked).toEqual(['evaluate'])
    remote.resume()
    expect(isAdmitted(await tried)).toBe(true)
    await judge.evaluate(askOf(BOB))
    expect(remote.asked.filter((what) => what === 'evaluate')).toHaveLength(2)
  })

  test('one is used although the update that tries it gets no decision, and no other comes', async () => {
    const { time, judgeOf, goDown, remote, told, pass, storage } = outage()
    const prepare = remote.prepare.bind(remote)
    let undecided = false
    remote.prepare = async (plan) => {
      const judge = await prepare(plan)
      const evaluate: Judge['evaluate'] = async (ask) => {
        if (!undecided) return judge.evaluate(ask)
        await new Promise<void>((done) => time.timers.after(150, done))
        throw new UndecidedAsk('storage.unavailable', 'has not received all marks')
      }
      return { ...judge, evaluate }
    }
    const judge = await judgeOf(bucket(9))
    await goDown(judge)
    remote.fault = 'none'
    undecided = true
    await pass(50)
    expect((await storage.health()).circuit?.state).toBe('half-open')
    const tried = judge.evaluate(askOf())
    await pass(10_000)
    expect(isAdmitted(await tried)).toBe(true)
    expect((await storage.health()).circuit?.state).toBe('closed')
    expect(told.map(({ is }) => is)).toEqual(['down', 'up'])
  })

  test('one that hung and continues is noticed by the hanging probe, however long that took', async () => {
    const { judgeOf, remote, pass, storage } = outage()
    const judge = await judgeOf(bucket(9))
    remote.fault = 'hangs'
    const asked = Array.from({ length: 5 }, () => judge.evaluate(askOf()))
    await pass(250)
    await Promise.all(asked)
    await pass(600_000)
    const probes = remote.asked.filter((what) => what === 'health').length
    // A suspended process does not receive a flood of probes.
    expect(probes).toBeLessThan(80)
    remote.resume()
    await pass(200)
    expect((await storage.health()).circuit?.state).toBe('closed')
  })

  test('a read-only storage does not count as working', async () => {
    const { judgeOf, remote, pass, told } = outage()
    const judge = await judgeOf(bucket(2))
    remote.fault = 'reads'
    for (let i = 0; i < 5; i++) await judge.evaluate(askOf())
    await pass(20_000)
    expect(told).toEqual([{ is: 'down', kind: expect.any(String), reason: 'OOM' }])
    remote.fault = 'none'
    await pass(1000)
    expect(told.map(({ is }) => is)).toEqual(['down', 'up'])
    await pass(100_000)
  })

  test('an answer from a cache in front of it does not count as working', async () => {
    const { remote, storage, told, pass } = outage()
    const refused = {
      refusedBy: 0,
      cause: 'check',
      retryAfterMs: 9,
      remaining: [0],
      shadowRefusals: [],
    } as const
    const { prepare } = remote
    remote.prepare = async (plan) => {
      const judge = await prepare(plan)
      const evaluate: Judge['evaluate'] = (ask, at) =>
        ask.subjects[0] === BOB ? { ...refused, notice: false, waived: false } : judge.evaluate(ask, at)
      return { ...judge, evaluate }
    }
    const judge = await storage.prepare(planOf(bucket(9)))
    remote.fault = 'refuses'
    for (let i = 0; i < 5; i++) {
      await judge.evaluate(askOf())
      await judge.evaluate(askOf(BOB))
    }
    expect(told).toEqual([{ is: 'down', kind: 'faulty', reason: 'ECONNREFUSED' }])
    // Nor does it close the circuit.
    remote.fault = 'none'
    await pass(50)
    remote.parts = (what) => what === 'evaluate'
    remote.fault = 'refuses'
    await judge.evaluate(askOf(BOB))
    await judge.evaluate(askOf())
    expect((await storage.health()).circuit?.state).toBe('open')
    expect(told).toHaveLength(1)
  })

  test('old failures do not count', async () => {
    const { judgeOf, goDown, remote, pass, storage } = outage()
    const judge = await judgeOf(bucket(9))
    remote.fault = 'hangs'
    const late = judge.evaluate(askOf())
    await settled()
    await goDown(judge)
    remote.fault = 'none'
    await pass(150)
    expect((await storage.health()).circuit?.state).toBe('closed')
    await pass(250)
    await late
    expect((await storage.health()).circuit?.state).toBe('closed')
  })

  test('a breaker of cockatiel says when it is down', async () => {
    let failures = 0
    const breaker = { state: undefined, success: () => undefined, failure: () => ++failures === 7 }
    const { judgeOf, remote, told } = outage({ breaker })
    const judge = await judgeOf(bucket(9))
    remote.fault = 'refuses'
    for (let i = 0; i < 6; i++) await judge.evaluate(askOf())
    expect(told).toEqual([])
    await judge.evaluate(askOf())
    expect(told).toHaveLength(1)
  })

  test('a breaker of cockatiel receives the states of cockatiel, and is reset when the storage is back', async () => {
    const breaker = new CountBreaker({ threshold: 0.5, size: 10, minimumNumberOfCalls: 3 })
    const states: string[] = []
    const heard = (what: string, state: CircuitState) => states.push(`${what} ${CircuitState[state]}`)
    const own = {
      state: undefined,
      success(state: CircuitState) {
        heard('success', state)
        breaker.success(state)
      },
      failure(state: CircuitState) {
        heard('failure', state)
        return breaker.failure(state)
      },
    }
    const { judgeOf, remote, pass, storage } = outage({ breaker: own })
    const judge = await judgeOf(bucket(9))
    remote.fault = 'refuses'
    for (let i = 0; i < 3; i++) await judge.evaluate(askOf())
    remote.fault = 'none'
    await pass(300)
    expect((await storage.health()).circuit?.state).toBe('closed')
    await judge.evaluate(askOf())
    expect(states).toEqual([
      'failure Closed',
      'failure Closed',
      'failure Closed',
      'success HalfOpen',
      'success Closed',
    ])
  })
})

describe('an admission', () => {
  test('is settled by the storage or the memory that admitted it', async () => {
    const { judgeOf, goDown, remote, pass } = outage()
    const judge = await judgeOf(claim(), bucket(5))
    const before = await judge.evaluate(askOf(ALICE, [1]))
    await goDown(judge)
    const during = await judge.evaluate(askOf(BOB, [2]))
    remote.fault = 'none'
    await pass(1000)
    remote.asked.length = 0
    if (during.receipt !== undefined) await judge.settle(during.receipt, 'refund')
    await settled()
    expect(remote.asked).toEqual([])
    if (before.receipt !== undefined) await judge.settle(before.receipt, 'refund')
    expect(remote.asked).toEqual(['settle refund'])
    expect((await judge.peek(askOf(ALICE, [3]))).remaining[1]).toBeCloseTo(4, 0)
  })

  test('is settled when the storage is back, if it went down meanwhile', async () => {
    const { judgeOf, goDown, remote, pass, storage } = outage()
    const judge = await judgeOf(claim(), bucket(5))
    const { receipt } = await judge.evaluate(askOf(ALICE, [1]))
    await goDown(judge)
    if (receipt !== undefined) await judge.settle(receipt, 'release')
    expect((await storage.health()).circuit?.waiting.settlements).toBe(1)
    remote.fault = 'none'
    await pass(1000)
    expect((await storage.health()).circuit?.waiting.settlements).toBe(0)
    // Released: the claim is taken once more, without a charge.
    const again = await judge.evaluate(askOf(ALICE, [1]))
    expect(isAdmitted(again)).toBe(true)
    expect((await judge.peek(askOf(ALICE, [2]))).remaining[1]).toBeCloseTo(3, 0)
  })

  test('is not settled if too many wait, which is counted', async () => {
    const { judgeOf, goDown, storage } = outage()
    const judge = await judgeOf(bucket(5))
    const { receipt } = await judge.evaluate(askOf())
    await goDown(judge)
    if (receipt === undefined) throw new Error('there is no receipt')
    for (let i = 0; i < 10_000; i++) await judge.settle(receipt, 'complete')
    await expect(judge.settle(receipt, 'complete')).rejects.toMatchObject({ code: 'storage.unavailable' })
    expect((await storage.health()).circuit).toMatchObject({
      waiting: { settlements: 10_000 },
      dropped: { settlements: 1 },
    })
  })

  test('of a storage that answered too late, and refused in memory, is refunded', async () => {
    const { judgeOf, remote, pass, storage } = outage()
    const judge = await judgeOf(claim(), bucket(5), bucket(5, { slot: 'closed', whenDown: 'closed' }))
    remote.delay = 400
    const refused = judge.evaluate(askOf(ALICE, [1]))
    await pass(300)
    expect((await refused).cause).toBe('unavailable')
    remote.delay = 0
    await pass(1000)
    expect((await storage.health()).circuit).toMatchObject({ late: 1, waiting: { settlements: 0 } })
    expect((await judge.peek(askOf(ALICE, [2]))).remaining[1]).toBeCloseTo(4, 0)
    // The same update may be redelivered.
    expect(isAdmitted(await judge.evaluate(askOf(ALICE, [1])))).toBe(true)
  })

  test.each([
    ['before', 100],
    ['after', 600],
  ])(
    'of a storage that answered too late, and of memory, is settled in both, if its handlers end %s that',
    async (_, end) => {
      const { judgeOf, remote, pass } = outage()
      const judge = await judgeOf(claim(), bucket(5))
      remote.delay = 400
      const deciding = judge.evaluate(askOf(ALICE, [1]))
      await pass(250)
      const { receipt } = await deciding
      if (receipt === undefined) throw new Error('there is no receipt')
      await pass(end)
      await judge.settle(receipt, 'release')
      remote.delay = 0
      await pass(1000)
      // Charged once by the storage, and released: the redelivery is not charged.
      expect(isAdmitted(await judge.evaluate(askOf(ALICE, [1])))).toBe(true)
      expect((await judge.peek(askOf(ALICE, [2]))).remaining[1]).toBeCloseTo(3, 0)
    },
  )
})

describe('a custom fallback', () => {
  test.each([
    ['in this process', (clock: () => number) => memory({ clock })],
    ['elsewhere', (clock: () => number) => later(memory({ clock }))],
  ])('%s decides, settles, has the copy, and is not closed', async (_, make) => {
    let now = () => 0
    const fallback = make(() => now())
    const stage = outage({ fallback })
    now = () => stage.time.now
    const key = userKey(3)
    await stage.remote.kept.marks.put(BOT, 'blocked', [{ key, mark: { since: 1 } }])
    const judge = await stage.judgeOf(blocked, claim(), bucket(2))
    await judge.evaluate(askOf(BOB, [100]))
    await stage.pass(100)
    await stage.goDown(judge)
    expect(isAdmitted(await judge.evaluate(askOf(key, [1])))).toBe(false)
    const { receipt } = await judge.evaluate(askOf(ALICE, [2]))
    if (receipt === undefined) throw new Error('there is no receipt')
    await judge.settle(receipt, 'refund')
    expect((await judge.peek(askOf(ALICE, [3]))).remaining[2]).toBe(1)
    await expect((async () => stage.storage.reset(BOT, ALICE))()).rejects.toMatchObject({
      code: 'storage.unavailable',
    })
    stage.remote.fault = 'none'
    await stage.pass(1000)
    await stage.storage.close()
    expect((await fallback.health()).ok).toBe(true)
  })
})

describe('at the start', () => {
  test.each(['refuses', 'throws', 'hangs'] as const)(
    'a storage that %s counts as down at once, and is used when it is back',
    async (fault) => {
      const { storage, remote, pass, time } = outage()
      remote.fault = fault
      const preparing = Promise.resolve(storage.prepare(planOf(bucket(1), blocked)))
      await settled()
      // A storage that refuses is not waited for; one that hangs is, once.
      if (fault === 'hangs') time.advance(2000)
      const judge = await preparing
      expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
      expect(isAdmitted(await judge.evaluate(askOf()))).toBe(false)
      await pass(10_000)
      expect(isAdmitted(await judge.evaluate(askOf(BOB)))).toBe(true)
      remote.resume()
      await pass(1000)
      remote.asked.length = 0
      expect(isAdmitted(await judge.evaluate(askOf(BOB)))).toBe(true)
      expect(isAdmitted(await judge.evaluate(askOf(BOB)))).toBe(false)
      expect(remote.asked).toEqual(['evaluate', 'evaluate'])
    },
  )

  test('an invalid plan is refused at once', () => {
    const { storage } = outage()
    expect(() => storage.prepare(planOf(bucket(1), bucket(2)))).toThrow(
      expect.objectContaining({ code: 'limit.duplicate' }),
    )
  })

  test('a plan prepared while it was down is decided in memory, and then by the storage', async () => {
    const { judgeOf, goDown, storage, remote, pass } = outage()
    await goDown(await judgeOf(bucket(5)))
    const judge = await storage.prepare(planOf(bucket(1)))
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(false)
    remote.fault = 'none'
    await pass(1000)
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
  })

  test.each([
    ['timeout', { timeout: 0 }],
    ['breaker', { breaker: 0 }],
    ['breaker', { breaker: {} as never }],
    ['maxMarks', { maxMarks: 1.5 }],
    ['probeEvery', { probeEvery: 0 }],
  ])('wrong options are refused: %s', (option, options) => {
    expect(() => resilient(memory(), options)).toThrow(
      expect.objectContaining({
        code: 'option.invalid',
        message: expect.stringContaining(`resilient.${option}`),
      }),
    )
  })

  test('synchronous answers are passed through', () => {
    const inner = memory()
    const judge = resilient(inner).prepare(planOf(bucket(1)))
    expect(judge.constructor.name).toBe('MemoryJudge')
  })
})

describe('waiting calls', () => {
  test('need one timer, however many they are', async () => {
    const { judgeOf, remote, armed, time, pass } = outage({ breaker: 1_000_000 })
    const judge = await judgeOf(bucket(9))
    await pass(3000)
    expect(armed()).toBe(0)
    remote.fault = 'hangs'
    const asked = Array.from({ length: 1000 }, () => judge.evaluate(askOf()))
    expect(armed()).toBe(1)
    time.advance(100)
    const later = Array.from({ length: 1000 }, () => judge.evaluate(askOf(BOB)))
    expect(armed()).toBe(1)
    time.advance(150)
    await Promise.all(asked)
    time.advance(100)
    await Promise.all(later)
    expect(armed()).toBe(0)
  })

  test('are all ended by close(), which may be called twice', async () => {
    const { judgeOf, goDown, remote, armed, storage } = outage()
    const judge = await judgeOf(bucket(9), blocked)
    await goDown(judge)
    expect(armed()).toBeGreaterThan(0)
    expect(remote.listening).toBe(1)
    remote.fault = 'none'
    await Promise.all([storage.close(), storage.close()])
    expect(armed()).toBe(0)
    expect(remote.listening).toBe(0)
    expect(remote.asked.filter((what) => what === 'close')).toHaveLength(1)
    expect(() => storage.prepare(planOf(bucket(1)))).toThrow(
      expect.objectContaining({ code: 'storage.closed' }),
    )
  })

  test('to a storage that never closes are reported by close()', async () => {
    const { storage, remote, time } = outage()
    remote.fault = 'hangs'
    const closing = storage.close()
    const told = expect(closing).rejects.toMatchObject({ code: 'storage.unavailable' })
    await settled()
    time.advance(2000)
    await told
  })
})

describe('a call that memory cannot replace', () => {
  test('rejects, at once while the storage is down', async () => {
    const { storage, judgeOf, goDown } = outage()
    const judge = await judgeOf(bucket(1))
    const sessions = storage.sessions()
    await sessions.write('7', { tea: 1 })
    expect(await sessions.read('7')).toEqual({ tea: 1 })
    await storage.users.note(BOT, [{ key: ALICE, at: 1 }])
    expect(await storage.users.get(BOT, ALICE)).toMatchObject({ firstSeen: 1 })
    await goDown(judge)
    const refused = { code: 'storage.unavailable' }
    const asks = [
      () => sessions.read('7'),
      () => sessions.write('7', {}),
      () => storage.users.get(BOT, ALICE),
      () => storage.users.note(BOT, [{ key: ALICE, at: 1 }]),
      () => storage.users.patch(BOT, ALICE, {}),
      () => storage.users.scan(BOT),
      () => storage.users.erase(BOT, ALICE),
      () => storage.values.get('a', 'b'),
      () => storage.values.put('a', 'b', 1),
      () => storage.values.remove('a', 'b'),
      () => storage.values.scan('a'),
      () => storage.marks.of(BOT, ALICE),
      () => storage.marks.scan(BOT, 'blocked'),
      () => storage.reset(BOT, ALICE),
    ]
    for (const ask of asks) await expect((async () => ask())()).rejects.toMatchObject(refused)
  })

  test('rejects if it is invalid, without counting as a failure of the storage', async () => {
    const { storage } = outage()
    for (let i = 0; i < 10; i++) {
      await expect((async () => storage.values.put('', 'b', 1))()).rejects.toMatchObject({
        code: 'value.invalid',
      })
    }
    expect((await storage.health()).circuit?.state).toBe('closed')
  })
})
