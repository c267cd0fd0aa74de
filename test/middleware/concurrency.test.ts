import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { run } from '@grammyjs/runner'
import { webhookCallback } from 'grammy'
import { type ConcurrencyOptions, concurrency } from '../../src/middleware/concurrency.js'
import type { OverdueEvent } from '../../src/middleware/events.js'
import type { SentinelOptions } from '../../src/options/index.js'
import { sentinel } from '../../src/sentinel.js'
import { type Desk, desk, says, tick } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { type GuardedContext, type Rig, rig } from './rig.js'
import { Work } from './work-by-hand.js'

describe('concurrency, with handlers that the test ends', () => {
  let on: Desk
  let work: Work
  let timers: number
  afterEach(async () => {
    await work.end(...work.running)
    await on.guard.close()
  })

  function opened(
    options: ConcurrencyOptions | readonly ConcurrencyOptions[],
    more: SentinelOptions = {},
  ): void {
    work = new Work()
    on = desk({ concurrency: options as ConcurrencyOptions, throttle: '100/1m', ...more }, (bot) =>
      bot.use(work.handler),
    )
    on.bot.catch(() => undefined)
    const { after } = on.time.timers
    timers = 0
    Object.assign(on.time.timers, {
      after(ms: number, then: () => void) {
        timers++
        return after(ms, then)
      },
    })
  }

  /** Delivers an update without waiting for its handler; `done` settles when it has been handled. */
  async function comes(from: number, text: string, group = false): Promise<{ readonly done: Promise<void> }> {
    const handled = on.handle(says(from, text, { group }))
    handled.catch(() => undefined)
    await tick()
    return { done: handled }
  }

  const left = async (user: number): Promise<number | undefined> =>
    (await on.guard.peek(user, 'user')).find(({ name }) => name === 'user')?.remaining

  test('the second update of a user waits for the first; another user does not wait', async () => {
    opened({})
    await comes(1, 'a')
    await comes(1, 'b')
    await comes(2, 'c')
    expect(work.begun).toEqual(['a', 'c'])
    await work.end('a')
    expect(work.begun).toEqual(['a', 'c', 'b'])
    await work.end('b', 'c')
    expect((await on.guard.health()).tally).toMatchObject({ allowed: 3, denied: 0 })
  })

  test('updates are handled in order of arrival', async () => {
    opened({ most: 2 })
    for (const name of ['a', 'b', 'c', 'd', 'e']) await comes(1, name)
    expect(work.begun).toEqual(['a', 'b'])
    await work.end('b')
    expect(work.begun).toEqual(['a', 'b', 'c'])
    await comes(1, 'f')
    await work.end('c', 'a')
    expect(work.begun).toEqual(['a', 'b', 'c', 'd', 'e'])
    await work.end('d')
    expect(work.begun).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  test('an update beyond the queue is refused, gets one notice, and is not charged', async () => {
    opened({ queue: 1 })
    const denied: unknown[] = []
    on.guard.on('denied', ({ verdict }) => denied.push(verdict))
    for (const name of ['a', 'b', 'c', 'd']) await comes(1, name)
    await on.quiet()
    expect(denied).toHaveLength(2)
    expect(denied[0]).toEqual({
      allowed: false,
      guard: 'concurrency',
      limit: 'user',
      reason: 'busy',
      cause: 'check',
      retryAfterMs: 60_000,
    })
    expect(on.notices).toEqual(['Still working on what you sent before. Try again in a moment.'])
    expect(await left(1)).toBe(98)
    await work.end('a', 'b')
    expect(work.begun).toEqual(['a', 'b'])
    expect((await on.guard.health()).tally).toMatchObject({ allowed: 2, denied: 2 })
  })

  test('with queue: 0 no update waits', async () => {
    opened({ queue: 0 })
    await comes(1, 'a')
    await await comes(1, 'b')
    await work.end('a')
    expect(work.begun).toEqual(['a'])
    await comes(1, 'c')
    expect(work.begun).toEqual(['a', 'c'])
  })

  test('an update that has waited too long is refused; those behind it keep waiting', async () => {
    opened({ maxWait: '5s' })
    await comes(1, 'a')
    const refused = await comes(1, 'b')
    on.time.advance(3000)
    await comes(1, 'c')
    on.time.advance(2000)
    await refused.done
    expect((await on.guard.health()).tally.denials.get('concurrency.busy')).toBe(1)
    await work.end('a')
    expect(work.begun).toEqual(['a', 'c'])
  })

  test('a handler that hangs does not lock users out, and is reported when an update waits for it', async () => {
    opened({ deadline: '10s', maxWait: '1m' })
    const told: OverdueEvent[] = []
    on.guard.on('overdue', (event) => told.push(event))
    await comes(1, 'hangs')
    await comes(2, 'hangs too')
    on.time.advance(8000)
    await comes(1, 'b')
    on.time.advance(1999)
    await tick()
    expect(work.begun).toEqual(['hangs', 'hangs too'])
    on.time.advance(1)
    await tick()
    await tick()
    expect(work.begun).toEqual(['hangs', 'hangs too', 'b'])
    expect(told).toEqual([expect.objectContaining({ guard: 'concurrency', limit: 'user', ms: 10_000 })])
    expect(told[0]?.ctx.msg?.text).toBe('hangs')
    // Its late end must not free a place a second time.
    await work.end('hangs')
    await comes(1, 'd')
    expect(work.begun).not.toContain('d')
    await work.end('b', 'd')
    // Nobody waited for the other handler so far. The next update does, after the deadline has passed.
    on.time.advance(60_000)
    await comes(2, 'c')
    expect(work.begun).toContain('c')
    expect(told).toHaveLength(2)
  })

  test('a handler that throws frees its place', async () => {
    opened({})
    const failed = await comes(1, 'a')
    await comes(1, 'b')
    await work.fail('a')
    await expect(failed.done).rejects.toThrow('boom')
    expect(work.begun).toEqual(['a', 'b'])
  })

  test('an update that nobody waits for needs no timer', async () => {
    opened({})
    for (let user = 1; user <= 20; user++) await comes(user, `of ${user}`)
    expect(timers).toBe(0)
    await comes(1, 'waits')
    expect(timers).toBeGreaterThan(0)
  })

  test.each([
    ['chat', 2],
    ['member', 3],
    ['global', 1],
    ['command', 4],
  ] as const)('per %s: %i at work', async (scope, count) => {
    opened({ scope })
    await comes(1, '/a', true)
    await comes(2, '/b', true)
    await comes(1, '/c')
    await comes(1, '/d')
    expect(work.begun).toHaveLength(count)
    await work.end(...work.begun)
    while (work.ended.length < 4) await work.end(...work.begun.filter((name) => !work.ended.includes(name)))
  })

  test('with several concurrency guards, no update holds one place while waiting for another forever', async () => {
    opened([{ scope: 'user' }, { scope: 'chat', most: 2, name: 'plaza' }])
    await comes(1, 'a', true)
    await comes(2, 'b', true)
    await comes(3, 'c', true)
    await comes(1, 'd', true)
    expect(work.begun).toEqual(['a', 'b'])
    await work.end('a')
    expect(work.begun).toEqual(['a', 'b', 'c'])
    await work.end('b', 'c')
    await work.end('d')
  })

  test('a custom key counts by its value; undefined is not counted, and an error in it is reported', async () => {
    opened({
      name: 'tenant',
      key(facts) {
        if (facts.actorId === 9) throw new Error('boom')
        return facts.actorId === 3 ? undefined : 'all'
      },
    })
    const told: string[] = []
    on.guard.on('error', ({ during }) => told.push(during))
    for (const user of [1, 2, 3, 3, 9, 9]) await comes(user, `${work.begun.length} of ${user}`)
    expect(work.begun).toHaveLength(5)
    expect(told).toEqual(['concurrency.tenant', 'concurrency.tenant'])
  })

  test('in shadow nothing waits, and updates that would have waited are reported', async () => {
    opened({ shadow: true })
    const told: string[] = []
    on.guard.on('shadow', ({ verdict: { guard, limit, reason } }) => told.push(`${guard}.${limit} ${reason}`))
    await comes(1, 'a')
    await comes(1, 'b')
    expect(work.begun).toEqual(['a', 'b'])
    expect(told).toEqual(['concurrency.user busy'])
  })

  test.each([1, 2])(
    'in shadow with %i at once, a handler that hangs past the deadline no longer counts',
    async (most) => {
      const told: string[] = []
      for (const shadow of [true, false]) {
        opened({ shadow, most, queue: 0, deadline: '1m' })
        on.guard.on('shadow', ({ verdict: { reason } }) => told.push(`shadow ${reason}`))
        on.guard.on('denied', ({ verdict }) => told.push(verdict.reason))
        on.guard.on('overdue', ({ ms }) => told.push(`overdue ${ms}`))
        for (let nth = 0; nth < most; nth++) await comes(1, `hangs ${nth}`)
        on.time.advance(59_999)
        await comes(1, 'too early')
        on.time.advance(1)
        await comes(1, 'in time')
        expect(work.begun).toContain('in time')
        const overdue = Array(most).fill('overdue 60000')
        expect(told.splice(0)).toEqual([shadow ? 'shadow busy' : 'busy', ...overdue])
        if (shadow) {
          await work.end(...work.running)
          await on.guard.close()
        }
      }
    },
  )

  test('each of two bots sends its own notice to the same user', async () => {
    opened({ queue: 0 })
    const other = on.another(77)
    other.bot.use(work.handler)
    const tellers = () => on.calls.flatMap(({ method, bot }) => (method === 'sendMessage' ? [bot] : []))
    await comes(1, 'a')
    await await comes(1, 'b')
    void other.handle(says(1, 'c'))
    await tick()
    await other.handle(says(1, 'd'))
    await on.quiet()
    expect(tellers()).toEqual([42, 77])
  })

  test('with the whole sentinel in shadow no update waits', async () => {
    opened({}, { shadow: true })
    await comes(1, 'a')
    await comes(1, 'b')
    expect(work.begun).toEqual(['a', 'b'])
  })

  test('an aborted signal refuses all waiting updates, and later ones that would wait', async () => {
    const away = new AbortController()
    opened({ signal: away.signal })
    await comes(1, 'a')
    const waiting = await comes(1, 'b')
    away.abort()
    await waiting.done
    await await comes(1, 'c')
    expect((await on.guard.health()).tally.denied).toBe(2)
    await work.end('a')
    await comes(1, 'd')
    expect(work.begun).toEqual(['a', 'd'])
  })

  test('close() waits for updates in the queue; later updates are refused', async () => {
    opened({})
    await comes(1, 'a')
    await comes(1, 'b')
    let closed = false
    const closing = on.guard.close().then(() => {
      closed = true
    })
    await tick()
    await await comes(1, 'c')
    expect(closed).toBe(false)
    await work.end('a')
    await closing
    expect(work.begun).toEqual(['a', 'b'])
  })

  test('the total number of waiting updates and of counted subjects is bounded', async () => {
    opened({ maxWaiting: 1, maxSubjects: 2, deadline: '10s' })
    const told: string[] = []
    on.guard.on('warning', ({ code }) => told.push(code))
    on.guard.on('overdue', () => undefined)
    await comes(1, 'a')
    await comes(2, 'b')
    await comes(1, 'waits')
    await await comes(2, 'is one too many')
    expect((await on.guard.health()).tally.denied).toBe(1)
    // A third subject: none of the counted handlers is overdue, so its updates are admitted uncounted.
    await comes(3, 'c')
    await comes(3, 'd')
    expect(work.begun).toEqual(['a', 'b', 'c', 'd'])
    expect(told).toEqual(['concurrency.uncounted'])
    // Overdue handlers give up their places.
    on.time.advance(11_000)
    await comes(4, 'e')
    await comes(4, 'f')
    expect(work.begun).toContain('e')
    expect(work.begun).not.toContain('f')
  })

  test('payments, checkouts and membership updates never wait', async () => {
    opened({ queue: 0 })
    await comes(1, 'a')
    const { update_id, message } = says(1, '')
    const { text: _, ...rest } = message as never as Record<string, unknown>
    const paid = on.handle({
      update_id,
      message: { ...rest, successful_payment: { currency: 'XTR', total_amount: 1 } } as never,
    })
    await tick()
    expect(work.begun).toEqual(['a', 'nothing'])
    await work.end('nothing')
    await paid
  })

  test.each<[string, SentinelOptions]>([
    ['by itself', {}],
    ['beside a debounce that holds other updates back', { debounce: { albums: '300ms' } }],
  ])('its hooks run after those of all other guards, and a veto frees the place: %s', async (_, more) => {
    opened({ queue: 0 }, more)
    const log: string[] = []
    on.guard.hook('after:throttle', ({ verdict }) => void log.push(`throttle ${verdict.allowed}`))
    on.guard.hook('after:concurrency', ({ verdict }) => void log.push(`concurrency ${verdict.allowed}`))
    const stopLog = on.guard.hook('allowed', () => void log.push('allowed'))
    await comes(1, 'a')
    await until('it is at work', () => work.begun.length === 1)
    await (await comes(1, 'b')).done
    expect(log).toEqual([
      'throttle true',
      'concurrency true',
      'allowed',
      'throttle true',
      'concurrency false',
    ])
    stopLog()
    await work.end('a')
    const stop = on.guard.hook('allowed', () => ({ veto: 'no' }))
    await (await comes(1, 'c')).done
    stop()
    expect((await on.guard.health()).tally).toMatchObject({ allowed: 1, denied: 2 })
    await comes(1, 'd')
    await until('it is at work', () => work.begun.length === 2)
    expect(work.begun).toEqual(['a', 'd'])
  })

  test('a burst takes a place when it is handled, and is refused if there is none', async () => {
    opened({ queue: 0, scope: 'chat' }, { debounce: { mode: 'trailing', window: '1s' } })
    await comes(1, 'held', true)
    await comes(2, '/go', true)
    expect(work.begun).toEqual(['/go'])
    const log: string[] = []
    on.guard.on('denied', ({ verdict }) => log.push(verdict.reason))
    on.time.advance(1000)
    for (let i = 0; i < 3; i++) await tick()
    expect(work.begun).toEqual(['/go'])
    expect(log).toEqual(['busy'])
    expect((await on.guard.health()).tally).toMatchObject({ allowed: 1, denied: 1 })
    await work.end('/go')
    await comes(1, 'again', true)
    on.time.advance(1000)
    for (let i = 0; i < 3; i++) await tick()
    expect(work.begun).toEqual(['/go', 'again'])
  })

  const one = (): number => 1
  test.each([
    [{ most: 0 }, 'option.invalid', 'concurrency.most'],
    [{ scope: 'usr' }, 'scope.unknown', 'Did you mean "user"'],
    [{ maxWait: 'soon' }, 'duration.invalid', 'concurrency.maxWait'],
    [{ qeue: 1 }, 'option.unknown', 'Did you mean "queue"'],
    [{ key: one }, 'option.invalid', 'concurrency.name'],
    [{ key: one, name: 'x', scope: 'chat' }, 'option.invalid', 'Give one of the two'],
    [{ signal: true }, 'option.invalid', 'an AbortSignal'],
    [[{}, { scope: 'user' }], 'limit.duplicate', 'concurrency[1].name'],
  ])('%j is refused', async (options, code, words) => {
    opened({})
    const error = expect.objectContaining({ code, message: expect.stringContaining(words) })
    expect(() => sentinel({ concurrency: options as never })).toThrow(error)
    if (!Array.isArray(options)) expect(() => concurrency(options as never)).toThrow(error)
  })
})

describe('on the embedded Telegram', () => {
  let on: Rig
  const ends: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    await on.stop()
  })

  /** Handlers that take a moment, and record when two run for one chat at the same time. */
  function worker() {
    const log: string[] = []
    const working = new Map<number, number>()
    let most = 0
    let together = 0
    return {
      log,
      get most() {
        return most
      },
      get together() {
        return together
      },
      async handler(ctx: GuardedContext): Promise<void> {
        const chat = ctx.chat?.id ?? 0
        const count = (working.get(chat) ?? 0) + 1
        working.set(chat, count)
        most = Math.max(most, count)
        together = Math.max(
          together,
          [...working.values()].reduce((a, b) => a + b, 0),
        )
        log.push(`${ctx.from?.first_name} ${ctx.msg?.text}`)
        await new Promise((done) => setTimeout(done, 15))
        working.set(chat, count - 1)
      },
    }
  }
  const texts = ['1', '2', '3', '4', '5']
  const inOrder = (log: readonly string[], name: string): void => {
    expect(log.filter((line) => line.startsWith(name))).toEqual(texts.map((text) => `${name} ${text}`))
  }

  test('behind a runner: one chat in order, chats side by side', async () => {
    const seen = worker()
    on = await rig(concurrency({ scope: 'chat' }), (bot) => bot.use(seen.handler))
    for (const text of texts) {
      await on.alice.to(on.account).sends(text)
      await on.bob.to(on.account).sends(text)
    }
    const runner = run(on.bot)
    ends.push(() => runner.stop())
    await until('all are handled', () => seen.log.length === 10)
    expect(seen.most).toBe(1)
    expect(seen.together).toBe(2)
    inOrder(seen.log, 'Alice')
    inOrder(seen.log, 'Bob')
  })

  test('behind a webhook: requests that come together take turns', async () => {
    const seen = worker()
    on = await rig(concurrency({ scope: 'chat', maxWait: '5s' }), (bot) => bot.use(seen.handler))
    await on.bot.init()
    const server: Server = createServer(webhookCallback(on.bot, 'http'))
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    ends.push(() => new Promise((done) => server.close(done)))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const posted = texts.map((text) =>
      fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(says(on.alice.id, text)),
      }),
    )
    expect((await Promise.all(posted)).map(({ status }) => status)).toEqual(Array(5).fill(200))
    expect(seen.log).toHaveLength(5)
    expect(seen.most).toBe(1)
  })

  test('under bot.start() no update waits for itself: bursts run in the background, and polling continues', async () => {
    const seen = worker()
    const guard = sentinel<GuardedContext>({
      concurrency: { scope: 'chat', maxWait: '10s' },
      debounce: { mode: 'trailing', window: '5ms' },
      throttle: false,
    })
    ends.push(() => guard.close())
    on = await rig(guard, (bot) => bot.use(seen.handler))
    on.start()
    for (const text of ['/1', 'two', '/3', 'four', '/5', 'six']) await on.alice.to(on.account).sends(text)
    await until('the last is handled', () => seen.log.some((line) => line.endsWith('six')))
    await on.settled()
    expect(seen.most).toBe(1)
    expect(seen.log.filter((line) => line.includes('/'))).toEqual(['Alice /1', 'Alice /3', 'Alice /5'])
  })

  test('under bot.start() a burst that hangs delays polling no longer than `maxWait`', async () => {
    const begun: string[] = []
    let free = (): void => undefined
    on = await rig(concurrency({ maxWait: '30ms', deadline: '1h', deny: 'silent' }), (bot) => {
      bot.on('message', (ctx) => {
        begun.push(ctx.msg.text ?? '')
        if (ctx.msg.text === 'aside')
          return new Promise<void>((done) => {
            free = done
          })
      })
    })
    await on.bot.init()
    // Not by the polling loop: in the way a burst or an update from a web server is handled.
    const aside = on.bot.handleUpdate(says(on.alice.id, 'aside'))
    await until('it is at work', () => begun.length === 1)
    on.start()
    await on.alice.to(on.account).sends('of Alice')
    await on.bob.to(on.account).sends('of Bob')
    await on.settled()
    expect(begun).toEqual(['aside', 'of Bob'])
    free()
    await aside
    await on.alice.to(on.account).sends('again')
    await on.settled()
    expect(begun).toEqual(['aside', 'of Bob', 'again'])
  })

  test('in front of one handler, only updates to that handler are counted', async () => {
    const seen = worker()
    let say: () => void = () => undefined
    const said = new Promise<void>((done) => {
      say = done
    })
    const guard = sentinel<GuardedContext>({ throttle: false })
    ends.push(() => guard.close())
    on = await rig(guard, (bot) => {
      bot.command('slow', concurrency<GuardedContext>({ scope: 'global', name: 'slow' }), async (ctx) => {
        await said
        await seen.handler(ctx)
      })
      bot.on('message', (ctx) => {
        seen.log.push(`${ctx.from.first_name} ${ctx.msg.text}`)
        say()
      })
    })
    await on.alice.to(on.account).sends('/slow')
    await on.bob.to(on.account).sends('/slow')
    await on.bob.to(on.account).sends('hello')
    const runner = run(on.bot)
    ends.push(() => runner.stop())
    await until('all are handled', () => seen.log.length === 3)
    expect(seen.together).toBe(1)
    expect(seen.log).toEqual(['Bob hello', 'Alice /slow', 'Bob /slow'])
  })
})
