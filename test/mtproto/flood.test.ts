import fc from 'fast-check'
import { FloodControl } from '../../src/mtproto/client/calls/flood.js'
import type { FloodWait } from '../../src/mtproto/index.js'
import { Stage } from '../middleware/rig.js'

/** Telegram's limit: a burst of calls, then one each `refillMs`. Waits are in whole seconds. */
class Telegram {
  #tokens: number
  #at: number
  refusals = 0
  taken = 0

  constructor(
    private readonly time: Stage,
    private readonly burst: number,
    private readonly refillMs: number,
  ) {
    this.#tokens = burst
    this.#at = time.now
  }

  /** Returns the seconds to wait, or undefined if the call is accepted. */
  readonly call = async (): Promise<number | undefined> => {
    const { now } = this.time
    this.#tokens = Math.min(this.burst, this.#tokens + (now - this.#at) / this.refillMs)
    this.#at = now
    if (this.#tokens >= 1 - 1e-9) {
      this.#tokens--
      this.taken++
      return undefined
    }
    this.refusals++
    return Math.max(1, Math.ceil(((1 - this.#tokens) * this.refillMs) / 1000))
  }
}

const secondsOf = (answer: unknown) => answer as number | undefined

let time: Stage
let waits: FloodWait[]

beforeEach(() => {
  time = new Stage()
  waits = []
})

function control(patience = 60_000): FloodControl {
  return new FloodControl({
    patience,
    now: time.clock,
    timers: time.timers,
    onWait: (wait) => waits.push(wait),
  })
}

const turns = async () => {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve()
}

/** Advances the time until the calls have ended. */
async function ended<T>(calls: readonly Promise<T>[], most = 100_000): Promise<PromiseSettledResult<T>[]> {
  let over = false
  const all = Promise.allSettled(calls).finally(() => {
    over = true
  })
  for (let step = 0; !over && step < most; step++) {
    await turns()
    if (!over) time.advance(50)
  }
  return all
}

test('a refused call waits and is repeated, and further calls keep to the learned pace', async () => {
  const telegram = new Telegram(time, 1, 4000)
  const flood = control()
  await flood.run('a', telegram.call, secondsOf)
  const [first] = await ended([flood.run('a', telegram.call, secondsOf)])
  expect(first?.status).toBe('fulfilled')
  expect(waits).toEqual([{ method: 'a', waitMs: 4000, why: 'flood' }])
  expect(telegram.refusals).toBe(1)
  await ended(Array.from({ length: 10 }, () => flood.run('a', telegram.call, secondsOf)))
  expect(telegram.taken).toBe(12)
  expect(telegram.refusals).toBeLessThanOrEqual(3)
  expect(waits.filter(({ why }) => why === 'pace').length).toBeGreaterThan(5)
  expect(flood.waited.count).toBe(waits.length)
  expect(flood.waited.ms).toBe(waits.reduce((sum, { waitMs }) => sum + waitMs, 0))
})

test('methods do not wait for each other', async () => {
  const telegram = new Telegram(time, 1, 30_000)
  const flood = control()
  await flood.run('slow', telegram.call, secondsOf)
  const slow = flood.run('slow', telegram.call, secondsOf)
  await turns()
  expect(flood.waiting).toBe(1)
  await flood.run('other', async () => undefined, secondsOf)
  await ended([slow])
  expect(flood.waiting).toBe(0)
})

test('refusals of concurrent calls reduce the pace only once', async () => {
  const answers = [5, 5, 5, 5]
  const flood = control()
  const call = async () => answers.shift()
  const from = time.now
  await ended(Array.from({ length: 4 }, () => flood.run('a', call, secondsOf)))
  // The learned pace is four calls in five seconds: five seconds for all of them, then one call each 1.25 seconds.
  expect(time.now - from).toBeGreaterThanOrEqual(8750)
  expect(time.now - from).toBeLessThan(9500)
})

test('no call waits longer than the patience, which can be set for single calls', async () => {
  const telegram = new Telegram(time, 1, 20_000)
  const flood = control(10_000)
  await flood.run('a', telegram.call, secondsOf)
  await expect(flood.run('a', telegram.call, secondsOf)).rejects.toMatchObject({ code: 'mtproto.flood' })
  expect(waits).toEqual([])
  const patient = flood.withPatience(30_000, () => flood.run('a', telegram.call, secondsOf))
  const [outcome] = await ended([patient])
  expect(outcome).toEqual({ status: 'fulfilled', value: undefined })
  await expect(flood.withPatience(0, () => flood.run('a', telegram.call, secondsOf))).rejects.toMatchObject({
    code: 'mtproto.flood',
    message: expect.stringMatching(/\ba wait for \d+ s/),
  })
})

test('a waiting call ends by its signal, or when the client is closed', async () => {
  const telegram = new Telegram(time, 1, 9000)
  const flood = control()
  await flood.run('a', telegram.call, secondsOf)
  const stop = new AbortController()
  const given = flood.run('a', telegram.call, secondsOf, stop.signal)
  const closed = flood.run('a', telegram.call, secondsOf)
  await turns()
  expect(flood.waiting).toBe(2)
  stop.abort(new Error('enough'))
  await expect(given).rejects.toThrow('enough')
  flood.close()
  await expect(closed).rejects.toMatchObject({ code: 'mtproto.session' })
  expect(flood.waiting).toBe(0)
})

test('calls do not wait for turns of aborted calls', async () => {
  const answers = [2]
  const flood = control(10_000)
  const call = async () => answers.shift()
  await ended([flood.run('a', call, secondsOf)])
  for (let n = 0; n < 20; n++) {
    const stop = new AbortController()
    const given = flood.run('a', call, secondsOf, stop.signal)
    await turns()
    stop.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
  }
  expect(flood.waiting).toBe(0)
  waits.length = 0
  const from = time.now
  const [first, second] = [flood.run('a', call, secondsOf), flood.run('a', call, secondsOf)]
  const stop = new AbortController()
  const third = flood.run('a', call, secondsOf, stop.signal)
  const fourth = flood.run('a', call, secondsOf)
  await turns()
  stop.abort(new Error('enough'))
  const outcomes = await ended([first, second, third, fourth])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  // The learned pace is one call in two seconds. A call that already waits keeps its time.
  expect(waits.map(({ waitMs }) => waitMs)).toEqual([2000, 4000, 6000, 8000])
  expect(time.now - from).toBeLessThanOrEqual(8050)
})

test('methods that were never refused do not wait, and the pace of the oldest of 1500 refused methods is forgotten', async () => {
  const flood = control()
  for (let n = 0; n < 1500; n++) {
    const answers = [1, undefined]
    await ended([flood.run(`method ${n}`, async () => answers.shift(), secondsOf)])
  }
  waits.length = 0
  await flood.run('method 0', async () => undefined, secondsOf)
  await flood.run('never', async () => undefined, secondsOf)
  expect(waits).toEqual([])
})

test('for random limits, patient calls succeed, no call waits too long, and refusals are rare', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 50, max: 3000 }),
      fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 20, maxLength: 60 }),
      fc.constantFrom(2000, 15_000, 3_600_000),
      async (burst, refillMs, gaps, patience) => {
        time = new Stage()
        waits = []
        const telegram = new Telegram(time, burst, refillMs)
        const flood = control(patience)
        const calls: Promise<number | undefined>[] = []
        const late: number[] = []
        for (const gap of gaps) {
          const from = time.now
          const call = flood.run('a', telegram.call, secondsOf).finally(() => late.push(time.now - from))
          call.catch(() => undefined)
          calls.push(call)
          await turns()
          time.advance(gap)
        }
        const outcomes = await ended(calls)
        const refused = outcomes.filter(({ status }) => status === 'rejected')
        // The time advances in steps of 50 ms.
        expect(Math.max(...late)).toBeLessThanOrEqual(patience + 2050)
        if (patience > 1_000_000) expect(refused).toEqual([])
        for (const each of refused) {
          expect((each as PromiseRejectedResult).reason).toMatchObject({ code: 'mtproto.flood' })
        }
        expect(telegram.taken).toBe(outcomes.length - refused.length)
        expect(telegram.refusals).toBeLessThanOrEqual(8 + gaps.length / 4)
      },
    ),
    { numRuns: 60 },
  )
})
