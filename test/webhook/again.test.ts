import type { Update } from 'grammy/types'
import { memory } from '../../src/storage/memory/memory.js'
import type { FetchInfo, WebhookOptions } from '../../src/webhook/index.js'
import { later, says, tick } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { gate, SECRET, type Stand, stand } from './stand.js'

/** A bot whose handlers end when told; warnings about late ones are ignored. */
function slow(options: Parameters<typeof stand>[0], webhookOptions: WebhookOptions) {
  const ends: ((error?: Error) => void)[] = []
  const at = stand(
    options,
    (bot) => {
      bot.catch(() => undefined)
      bot.use(() => new Promise<void>((done, fail) => ends.push((error) => (error ? fail(error) : done()))))
    },
    webhookOptions,
  )
  at.guard.on('warning', () => undefined)
  return { ...at, ends }
}

/** Delivers an update behind a body parser, so that it is complete when this returns. */
function given({ webhook }: Stand, body: Update | string): Promise<number> {
  return new Promise((answered) => {
    const headers = { 'x-telegram-bot-api-secret-token': SECRET }
    const response = {
      statusCode: 0,
      setHeader: () => undefined,
      end() {
        answered(this.statusCode)
      },
    }
    webhook.http({ method: 'POST', headers, body, on: () => undefined }, response)
  })
}

/** The status of an answer that does not depend on the clock; 'none' if there is no answer yet. */
async function answered(answer: Promise<number>): Promise<number | 'none'> {
  let status: number | 'none' = 'none'
  void answer.then((told) => {
    status = told
  })
  for (let i = 0; i < 8; i++) await tick()
  return status
}

/** Delivers an update whose handler takes too long; the answer is 500. */
async function lateDelivery(at: Stand, update: Update): Promise<void> {
  const first = at.deliver(update)
  await until('the handler runs', () => at.reached.length === 1)
  at.time.advance(10_000)
  expect(await first).toBe(500)
}

describe('an update that timed out, redelivered while its handler still runs', () => {
  const options = { onTimeout: 'retry', onThrow: 'retry' } as const

  test.each([
    ['ends well', undefined, 200],
    ['throws', new Error('after all'), 500],
  ])('waits for the result of the handler, which %s', async (_, error, status) => {
    const at = slow({}, options)
    const update = says(1, 'slow')
    await lateDelivery(at, update)
    const again = given(at, update)
    expect(await answered(again)).toBe('none')
    at.ends[0]?.(error)
    expect(await again).toBe(status)
    expect(at.reached).toEqual(['slow'])
  })

  test('waits no longer than the first delivery', async () => {
    const at = slow({}, options)
    const update = says(1, 'hangs')
    await lateDelivery(at, update)
    for (let i = 0; i < 3; i++) {
      const again = given(at, update)
      at.time.advance(9_999)
      expect(await answered(again)).toBe('none')
      at.time.advance(1)
      expect(await again).toBe(500)
    }
    // Without a lease `once` keeps its claim for the whole period.
    expect(at.reached).toEqual(['hangs'])
    expect(at.webhook.size).toBe(1)
  })

  test('is answered when the time of a drain is up', async () => {
    const at = slow({}, options)
    const update = says(1, 'hangs')
    await lateDelivery(at, update)
    const again = given(at, update)
    expect(await answered(again)).toBe('none')
    const drained = at.webhook.drain('1s')
    await tick()
    at.time.advance(1000)
    expect(await again).toBe(500)
    expect(await drained).toEqual({ left: 1 })
  })

  test('is handled again once the lease of `once` has ended', async () => {
    const at = slow({ once: { lease: '1m' }, throttle: '5/1h' }, options)
    const update = says(1, 'hangs')
    await lateDelivery(at, update)
    // When another delivery is handled, the waiting one is answered that it should be repeated.
    at.time.advance(55_000)
    const waiting = given(at, update)
    expect(await answered(waiting)).toBe('none')
    at.time.advance(5_000)
    const again = given(at, update)
    expect(await waiting).toBe(500)
    await until('it is handled anew', () => at.reached.length === 2)
    expect(at.webhook.size).toBe(2)
    at.ends[1]?.()
    expect(await again).toBe(200)
    // The first handler may end later, or never: it does not affect the others.
    expect(at.webhook.size).toBe(1)
    at.ends[0]?.()
    await until('the first has ended, too', () => at.webhook.size === 0)
    expect(await given(at, update)).toBe(200)
    expect(at.reached).toEqual(['hangs', 'hangs'])
    const [limit] = await at.guard.peek(1, 'user')
    expect(Math.floor(limit?.remaining ?? 0)).toBe(4)
  })
})

test('a redelivery has its own timer on platforms where each request must', async () => {
  const at = slow({}, {})
  const update = says(1, 'slow')
  const works: Promise<unknown>[] = []
  const worker: FetchInfo = { waitUntil: (work) => void works.push(work) }
  // Timers that were set in a request that has ended do not fire.
  const { after } = at.time.timers
  let ended = true
  let timers = 0
  at.time.timers.after = (ms, run) => {
    timers++
    return after(ms, ended ? () => undefined : run)
  }
  void at.deliver(update, worker)
  await until('the handler runs', () => at.reached.length === 1)
  ended = false
  const before = timers
  const again = at.deliver(update, worker)
  await until('it has set one', () => timers > before)
  at.time.advance(10_000)
  expect(await again).toBe(200)
  // No work of the redelivery goes on.
  await works[1]
})

test('if an update arrives twice while the gate asks a remote storage, the second is answered like the first', async () => {
  const { opened, open } = gate()
  let fail = true
  const at = stand(
    { storage: later(memory()), throttle: { limit: '1/1m', deny: 'silent' } },
    (bot) => {
      bot.catch(() => undefined)
      bot.hears('twice', async () => {
        await opened
        if (fail) throw new Error('not yet')
      })
    },
    { onThrow: 'retry' },
  )
  for (const text of ['passes', 'is refused', 'is refused']) await at.deliver(says(1, text))
  at.time.advance(60_000)
  const update = says(1, 'twice')
  const answers = [given(at, JSON.stringify(update)), given(at, JSON.stringify(update))]
  await until('the handler runs', () => at.reached.includes('twice'))
  expect(await Promise.all(answers.map(answered))).toEqual(['none', 'none'])
  open()
  expect(await Promise.all(answers)).toEqual([500, 500])
  fail = false
  expect(await at.deliver(update)).toBe(200)
  expect(at.reached).toEqual(['passes', 'twice', 'twice'])
})
