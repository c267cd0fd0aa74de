import { Bot } from 'grammy'

import { type SentinelOptions, sentinel } from '../../src/index.js'
import { createTelegram } from '../../src/telegram/index.js'
import type { FetchInfo } from '../../src/webhook/index.js'
import { Stage } from '../middleware/rig.js'
import { onWorkers } from '../on-workers.js'
import { says, tick } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { gate, post, SECRET } from './stand.js'

describe('the bot calls getMe at the first update', () => {
  const unknown = (options: SentinelOptions = {}) => {
    const telegram = createTelegram()
    const { token, config } = telegram.createBot({ username: 'late_bot' })
    const bot = new Bot(token, { client: config.client })
    const time = new Stage()
    const guard = sentinel({ ...options, clock: time.clock, timers: time.timers })
    bot.use(guard)
    const reached: number[] = []
    bot.use((ctx) => {
      reached.push(ctx.update.update_id)
    })
    const warned: string[] = []
    guard.on('warning', ({ code }) => warned.push(code))
    const webhook = guard.webhook(bot, { secret: SECRET, timeout: '3s' })
    const deliver = async (id: number, info?: FetchInfo) =>
      (await webhook.fetch(post(JSON.stringify(says(id, 'hi', { id }))), info)).status
    return { me: config.botInfo, reached, telegram, bot, time, guard, warned, webhook, deliver }
  }
  /** No call of getMe returns before the test opens its gate. */
  const unreachable = (options?: SentinelOptions) => {
    const at = unknown(options)
    const calls: (() => void)[] = []
    at.bot.api.config.use(async (prev, method, payload, signal) => {
      if (method === 'getMe') {
        const { opened, open } = gate()
        calls.push(open)
        await opened
      }
      return prev(method, payload, signal)
    })
    return { ...at, open: (nth: number) => calls[nth]?.(), asked: () => calls.length }
  }

  test('which updates wait for', async () => {
    const at = unknown()
    const answers = [1, 2, 3].map((id) => at.webhook.fetch(post(JSON.stringify(says(id, 'hi', { id })))))
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200])
    expect(at.reached).toEqual([1, 2, 3])
  })

  test('and calls it again if that fails', async () => {
    const at = unknown()
    at.telegram.faults.next('getMe', { code: 401 })
    const told: string[] = []
    at.guard.on('error', ({ during }) => told.push(during))
    expect((await at.webhook.fetch(post(JSON.stringify(says(1, 'hi'))))).status).toBe(500)
    expect(told).toEqual(['webhook.init'])
    expect((await at.webhook.fetch(post(JSON.stringify(says(1, 'hi'))))).status).toBe(200)
  })

  test('and until that succeeds, updates are answered 503 after the time-out, so that Telegram keeps them', async () => {
    const at = unreachable()
    // The second delivery of update 1 arrives while the first one waits.
    const answers = [at.deliver(1), at.deliver(2), at.deliver(1)]
    await until('all wait', () => at.webhook.size === 2 && at.asked() === 1)
    at.time.advance(3000)
    expect(await Promise.all(answers)).toEqual([503, 503, 503])
    expect([at.warned, at.webhook.size]).toEqual([['webhook.init'], 0])
    const again = at.deliver(2)
    await until('it waits', () => at.webhook.size === 1)
    // The first call succeeds in the end.
    at.open(0)
    expect(await again).toBe(200)
    expect(at.reached).toEqual([2])
    expect(await at.deliver(1)).toBe(200)
    expect(at.reached).toEqual([2, 1])
    expect([at.warned, at.asked()]).toEqual([['webhook.init'], 2])
  })

  test('and calls it again after the time-out, because the first call may have ended with its request', async () => {
    const at = unreachable()
    const works: Promise<unknown>[] = []
    const info = { waitUntil: (work: Promise<unknown>) => void works.push(work) }
    const first = at.deliver(1, info)
    await until('it waits', () => at.asked() === 1)
    at.time.advance(3000)
    expect(await first).toBe(503)
    // The platform need not keep the request.
    await works[0]
    const again = [at.deliver(1, info), at.deliver(2, info)]
    await until('both wait', () => at.webhook.size === 2 && at.asked() === 2)
    at.open(1)
    expect(await Promise.all(again)).toEqual([200, 200])
    await Promise.all(works)
    expect([at.reached, at.asked()]).toEqual([[1, 2], 2])
  })

  test('and the failure of a call that has been given up ends no update that waits for a newer one', async () => {
    const at = unreachable()
    const errors: string[] = []
    at.guard.on('error', ({ during }) => errors.push(during))
    const first = at.deliver(1)
    await until('it waits', () => at.asked() === 1)
    at.time.advance(3000)
    expect(await first).toBe(503)
    const second = at.deliver(2)
    await until('it waits', () => at.asked() === 2)
    at.telegram.faults.next('getMe', { code: 401 })
    at.open(0)
    await until('the first call has failed', () => errors.length === 1)
    at.open(1)
    expect(await second).toBe(200)
    expect([at.reached, at.asked()]).toEqual([[2], 2])
  })

  test('and does not wait for it any longer if botInfo is set meanwhile', async () => {
    const at = unreachable()
    const first = at.deliver(1)
    await until('it waits', () => at.asked() === 1)
    at.bot.botInfo = at.me
    expect(await at.deliver(2)).toBe(200)
    expect(await first).toBe(200)
    expect(at.reached.toSorted()).toEqual([1, 2])
    expect([at.warned, at.asked()]).toEqual([[], 1])
  })

  test('and handles an update that still waits at its time-out if botInfo is set by then', async () => {
    const at = unreachable()
    const answer = at.deliver(1)
    await until('it waits', () => at.asked() === 1)
    at.bot.botInfo = at.me
    at.time.advance(3000)
    expect(await answer).toBe(200)
    await until('it is handled', () => at.webhook.size === 0)
    expect(at.reached).toEqual([1])
  })

  test('and a redelivery joins an update that waits, however long the process was suspended', async () => {
    const at = unreachable({ once: { lease: '10s' } })
    const answers = [at.deliver(1)]
    await until('it waits', () => at.asked() === 1)
    // The clock goes on, and timers fire late.
    at.time.now += 60_000
    answers.push(at.deliver(1))
    await tick()
    at.open(0)
    expect(await Promise.all(answers)).toEqual([200, 200])
    expect([at.reached, at.webhook.size]).toEqual([[1], 0])
  })

  test('and a drain answers 503 to updates that still wait for it', async () => {
    const at = unreachable()
    const answer = at.deliver(1)
    await until('it waits', () => at.asked() === 1)
    const drained = at.webhook.drain('1s')
    await until('the drain has begun', () => at.webhook.isDraining)
    await tick()
    at.time.advance(1000)
    expect(await drained).toEqual({ left: 0 })
    expect(await answer).toBe(503)
    expect([at.warned, at.reached]).toEqual([['webhook.init'], []])
  })

  test('and a bot that is not behind the guard causes a warning, also if the first call failed', async () => {
    const telegram = createTelegram()
    const { token, config } = telegram.createBot({ username: 'late_bot' })
    const guard = sentinel()
    const warned: string[] = []
    guard.on('warning', ({ code }) => warned.push(code))
    guard.on('error', () => undefined)
    const webhook = guard.webhook(new Bot(token, { client: config.client }), { secret: SECRET })
    telegram.faults.next('getMe', { code: 401 })
    expect((await webhook.fetch(post(JSON.stringify(says(1, 'hi'))))).status).toBe(500)
    expect((await webhook.fetch(post(JSON.stringify(says(1, 'hi'))))).status).toBe(200)
    expect(warned).toEqual(['webhook.unguarded'])
  })

  describe('on platforms where timers end with their request', () => {
    onWorkers()

    test('and calls it again after a call that ended with its request, and with its time-out', async () => {
      const at = unreachable()
      void at.deliver(1)
      await until('it waits', () => at.asked() === 1)
      at.time.forget()
      at.time.advance(63_000)
      const second = at.deliver(2)
      await until('it is under way', () => at.webhook.size === 1)
      expect(at.asked()).toBe(2)
      at.open(1)
      expect(await second).toBe(200)
      expect(at.reached).toEqual([2])
    })
  })
})
