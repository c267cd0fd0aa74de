import { jest } from '@jest/globals'
import { Bot } from 'grammy'

import { sentinel } from '../../src/index.js'
import { createTelegram } from '../../src/telegram/index.js'
import { Extras } from '../extras.js'
import { says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { gate, post, SECRET, stand } from './stand.js'

describe('requests that are refused', () => {
  const at = stand()

  test.each([
    ['no POST', new Request('http://bot.test/hook'), 405],
    ['without the secret', post('{}', { 'x-telegram-bot-api-secret-token': '' }), 401],
    ['with another secret', post('{}', { 'x-telegram-bot-api-secret-token': 'the-secreT' }), 401],
    ['with half of the secret', post('{}', { 'x-telegram-bot-api-secret-token': 'the-' }), 401],
    ['with more than the secret', post('{}', { 'x-telegram-bot-api-secret-token': `${SECRET}x` }), 401],
    ['no JSON', post('{"update_id":'), 400],
    ['an empty body', post(''), 400],
    ['JSON that is not an update', post('[1]'), 400],
    ['an update without a number', post('{"update_id":"1"}'), 400],
    ['nothing', post('null'), 400],
  ])('%s', async (_, request, status) => {
    const errors: unknown[] = []
    const stop = at.guard.on('error', (told) => errors.push(told))
    expect((await at.webhook.fetch(request)).status).toBe(status)
    expect(at.reached).toEqual([])
    expect(errors).toEqual([])
    stop()
  })
})

test('a body that is too large is not read to its end, whatever length it announces', async () => {
  const at = stand({}, undefined, { maxBody: 1000 })
  expect(await at.deliver(says(1, 'x'.repeat(1000)))).toBe(413)
  let pulled = 0
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++
      controller.enqueue(new Uint8Array(400))
    },
  })
  const init = {
    method: 'POST',
    body: endless,
    duplex: 'half',
    headers: { 'x-telegram-bot-api-secret-token': SECRET },
  }
  const answer = await at.webhook.fetch(new Request('http://bot.test/hook', init as RequestInit))
  expect(answer.status).toBe(413)
  expect(pulled).toBeLessThan(6)
  expect(await at.deliver(says(1, 'x'.repeat(100)))).toBe(200)
})

test('an update is handled, and a redelivered one is not handled again', async () => {
  const at = stand()
  const update = says(1, 'hello')
  expect(await at.deliver(update)).toBe(200)
  expect(await at.deliver(update)).toBe(200)
  expect(at.reached).toEqual(['hello'])
})

test.each([
  ['accept', 200],
  ['retry', 500],
] as const)(
  'an error of a handler goes to bot.catch, and is answered by onThrow: %s',
  async (onThrow, status) => {
    const told: unknown[] = []
    const at = stand(
      {},
      (bot) => {
        bot.catch((error) => {
          told.push(error.error)
        })
        bot.on('message:text', () => {
          throw new Error('the handler')
        })
      },
      { onThrow },
    )
    expect(await at.deliver(says(1, 'hello'))).toBe(status)
    expect(told).toEqual([new Error('the handler')])
  },
)

test('after a failure with retry the redelivered update is handled, and charged once', async () => {
  let fail = true
  const at = stand(
    { throttle: '5/1m' },
    (bot) => {
      bot.catch(() => undefined)
      bot.use(() => {
        if (fail) throw new Error('not yet')
      })
    },
    { onThrow: 'retry' },
  )
  const update = says(1, 'hello')
  expect(await at.deliver(update)).toBe(500)
  fail = false
  expect(await at.deliver(update)).toBe(200)
  expect(at.reached).toEqual(['hello', 'hello'])
  expect(await at.guard.peek(1, 'user')).toMatchObject([{ remaining: 4 }])
})

test('without bot.catch the failure is an error event, and the bot keeps running', async () => {
  const silent = jest.spyOn(console, 'error').mockImplementation(() => undefined)
  const at = stand({}, (bot) => {
    bot.command('bad', () => {
      throw new Error('the handler')
    })
  })
  const told: unknown[] = []
  at.guard.on('error', ({ error, during }) => told.push([during, error]))
  expect(await at.deliver(says(1, '/bad'))).toBe(200)
  expect(told).toEqual([['webhook.handler', new Error('the handler')]])
  expect(await at.deliver(says(1, 'good'))).toBe(200)
  silent.mockRestore()
})

test('an error handler that throws is reported, too', async () => {
  const at = stand({}, (bot) => {
    bot.catch(() => {
      throw new Error('the error handler')
    })
    bot.use(() => {
      throw new Error('the handler')
    })
  })
  const told: unknown[] = []
  at.guard.on('error', ({ error }) => told.push(error))
  expect(await at.deliver(says(1, 'hello'))).toBe(200)
  expect(told).toEqual([new Error('the error handler')])
})

test.each([
  ['accept', 200],
  ['retry', 500],
] as const)(
  'handlers that take too long are answered by onTimeout: %s, and continue',
  async (onTimeout, status) => {
    const { opened, open } = gate()
    const done: string[] = []
    const at = stand(
      {},
      (bot) =>
        bot.use(async () => {
          await opened
          done.push('done')
        }),
      { timeout: '3s', onTimeout },
    )
    const warnings: string[] = []
    at.guard.on('warning', ({ code }) => warnings.push(code))
    const answer = at.deliver(says(1, 'slow'))
    await until('the handler runs', () => at.reached.length === 1)
    at.time.advance(2999)
    expect(warnings).toEqual([])
    at.time.advance(1)
    expect(await answer).toBe(status)
    expect(warnings).toEqual(['webhook.late'])
    expect(at.webhook.size).toBe(1)
    open()
    await until('the handler is done', () => at.webhook.size === 0)
    expect(done).toEqual(['done'])
  },
)

test('a slow update is answered in time, also if another one arrives more than a minute after it', async () => {
  const at = stand({}, (bot) => bot.use(() => gate().opened), { timeout: '90s' })
  at.guard.on('warning', () => undefined)
  const first = at.deliver(says(1, 'slow'))
  await until('the handler runs', () => at.reached.length === 1)
  at.time.advance(62_000)
  const second = at.deliver(says(2, 'slow, too'))
  await until('both run', () => at.reached.length === 2)
  at.time.advance(28_000)
  expect(await first).toBe(200)
  at.time.advance(62_000)
  expect(await second).toBe(200)
})

test('a redelivery that arrives while the first is handled is answered like the first', async () => {
  const { opened, open } = gate()
  const at = stand(
    {},
    (bot) => {
      bot.catch(() => undefined)
      bot.use(async () => {
        await opened
        throw new Error('after all')
      })
    },
    { onThrow: 'retry' },
  )
  const update = says(1, 'hello')
  const answers = [at.deliver(update), at.deliver(update)]
  await until('the handler runs', () => at.reached.length === 1)
  open()
  // If the second were answered 200 at once, Telegram would consider the update handled.
  expect(await Promise.all(answers)).toEqual([500, 500])
  expect(at.reached).toEqual(['hello'])
})

test('updates beyond the limit of updates in progress are put off', async () => {
  const { opened, open } = gate()
  const at = stand({}, (bot) => bot.use(() => opened), { maxRunning: 2 })
  const answers = [at.deliver(says(1, 'a')), at.deliver(says(2, 'b'))]
  await until('both run', () => at.webhook.size === 2)
  const third = await at.webhook.fetch(post(JSON.stringify(says(3, 'c'))))
  expect(third.status).toBe(503)
  expect(third.headers.get('retry-after')).toBe('1')
  open()
  expect(await Promise.all(answers)).toEqual([200, 200])
  expect(await at.deliver(says(3, 'c'))).toBe(200)
})

test('updates beyond the limit are put off behind a body parser, too', async () => {
  const { opened, open } = gate()
  const at = stand({}, (bot) => bot.use(() => opened), { maxRunning: 2 })
  const statuses: number[] = []
  const given = (nth: number): void => {
    const headers = { 'x-telegram-bot-api-secret-token': SECRET }
    const request = { method: 'POST', headers, body: says(nth, 'x'), on: () => undefined }
    const response = {
      statusCode: 0,
      setHeader: () => undefined,
      end() {
        statuses.push(this.statusCode)
      },
    }
    at.webhook.http(request, response)
  }
  for (let nth = 1; nth <= 5; nth++) given(nth)
  await until('three are refused', () => statuses.length === 3)
  expect([statuses, at.webhook.size]).toEqual([[503, 503, 503], 2])
  open()
  await until('all are answered', () => statuses.length === 5)
  expect(statuses.slice(3)).toEqual([200, 200])
})

describe('answering Telegram with a call', () => {
  const bot = (reply: boolean) => {
    const sent: string[] = []
    const { account, config } = new Extras(Date.now, ({ method }) => sent.push(method)).hire(42)
    const client = { ...config.client, canUseWebhookReply: () => true }
    const own = new Bot(account.token, { ...config, client })
    const guard = sentinel({ membership: false })
    own.use(guard)
    return { own, sent, webhook: guard.webhook(own, { secret: SECRET, reply }) }
  }

  test('is off unless asked for', async () => {
    const at = bot(false)
    at.own.on('message', (ctx) => ctx.reply('hi'))
    const answer = await at.webhook.fetch(post(JSON.stringify(says(1, 'hello'))))
    expect(await answer.text()).toBe('')
    expect(at.sent).toEqual(['sendMessage'])
  })

  test('uses the first call; later ones are made as requests', async () => {
    const at = bot(true)
    at.own.on('message', async (ctx) => {
      await ctx.reply('one')
      await ctx.reply('two')
    })
    const answer = await at.webhook.fetch(post(JSON.stringify(says(1, 'hello'))))
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await answer.json()).toMatchObject({ method: 'sendMessage', chat_id: 1, text: 'one' })
    expect(at.sent).toEqual(['sendMessage'])
  })

  test('uses none once Telegram was answered', async () => {
    const at = bot(true)
    const { opened, open } = gate()
    let replied: Promise<unknown> | undefined
    at.own.on('message', (ctx) => {
      // The handler does not await it.
      replied = opened.then(() => ctx.reply('late'))
    })
    const answer = await at.webhook.fetch(post(JSON.stringify(says(1, 'hello'))))
    expect(await answer.text()).toBe('')
    open()
    await replied
    expect(at.sent).toEqual(['sendMessage'])
  })
})

test('a guard that the bot does not use causes a warning', async () => {
  const { token, config } = createTelegram().createBot({ username: 'b_bot' })
  const guard = sentinel()
  const warnings: string[] = []
  guard.on('warning', ({ code }) => warnings.push(code))
  const webhook = guard.webhook(new Bot(token, config), { secret: SECRET })
  expect((await webhook.fetch(post(JSON.stringify(says(1, 'hello'))))).status).toBe(200)
  expect(warnings).toEqual(['webhook.unguarded'])
})

test('a platform receives the work that continues after the answer', async () => {
  const { opened, open } = gate()
  const at = stand({ throttle: '1/1h' }, (bot) => bot.use(() => opened), { timeout: '1s' })
  at.guard.on('warning', () => undefined)
  const works: Promise<unknown>[] = []
  const info = { waitUntil: (work: Promise<unknown>) => void works.push(work) }
  const answer = at.deliver(says(1, 'slow'), info)
  await until('the handler runs', () => at.reached.length === 1)
  at.time.advance(1000)
  expect(await answer).toBe(200)
  let ended = false
  void works[0]?.then(() => {
    ended = true
  })
  expect(await at.deliver(says(1, 'refused'), info)).toBe(200)
  await works[1]
  // The notice was sent before the platform may end the work.
  expect(at.notices).toHaveLength(1)
  expect(ended).toBe(false)
  open()
  await works[0]
  expect(ended).toBe(true)
})
