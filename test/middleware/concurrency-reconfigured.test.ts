import { type ConcurrencyOptions, concurrency } from '../../src/middleware/concurrency.js'
import type { SentinelOptions } from '../../src/options/index.js'
import { type Desk, desk, later, says, tick } from '../sentinel/desk.js'
import { Work } from './work-by-hand.js'

async function ticks(): Promise<void> {
  for (let i = 0; i < 10; i++) await tick()
}

describe('an update from before reconfigure() that reaches a guard after it', () => {
  let on: Desk
  let work: Work
  let refused: string[]
  const ways = new Map<string, () => void>()
  afterEach(async () => {
    for (const go of ways.values()) go()
    ways.clear()
    await ticks()
    while (work.running.length > 0) await work.end(...work.running)
    await on.guard.close()
  })

  /** The handlers of messages with the texts in `held` run until the test ends them. */
  function opened(options: ConcurrencyOptions, held: readonly string[], more: SentinelOptions = {}): void {
    work = new Work()
    refused = []
    const waits = new Map(held.map((text) => [text, new Promise<void>((go) => ways.set(text, go))]))
    on = desk({ throttle: '100/1m', ...more }, (bot) => {
      bot.use(async (ctx, next) => {
        await waits.get(ctx.msg?.text ?? '')
        await next()
      })
      bot.use(concurrency(options), work.handler)
    })
    on.guard.on('denied', ({ ctx, verdict }) => refused.push(`${ctx.msg?.text} ${verdict.reason}`))
  }
  async function comes(...texts: string[]): Promise<void> {
    for (const text of texts) {
      on.handle(says(1, text)).catch(() => undefined)
      await ticks()
    }
  }
  async function goesOn(text: string): Promise<void> {
    ways.get(text)?.()
    await ticks()
  }

  test('waits for its turn in front of its handler as before', async () => {
    opened({}, ['two'])
    await comes('one', 'two')
    on.guard.reconfigure({ throttle: '50/1m' })
    await ticks()
    await goesOn('two')
    expect([work.begun, refused]).toEqual([['one'], []])
    await work.end('one')
    expect([work.begun, refused]).toEqual([['one', 'two'], []])
  })

  test('waits inside the sentinel, too', async () => {
    work = new Work()
    refused = []
    on = desk({ storage: later(), concurrency: {}, throttle: '100/1m' }, (bot) => bot.use(work.handler))
    on.guard.on('denied', ({ verdict }) => refused.push(verdict.reason))
    await comes('one')
    const two = on.handle(says(1, 'two'))
    // The storage has not answered yet.
    on.guard.reconfigure({ throttle: '50/1m' })
    await ticks()
    await work.end('one')
    expect([work.begun, refused]).toEqual([['one', 'two'], []])
    await work.end('two')
    await two
  })

  test('is waited for by close(); updates that reach the guard later are refused', async () => {
    opened({}, ['two', 'three'])
    await comes('one', 'two', 'three')
    on.guard.reconfigure({ throttle: '50/1m' })
    await ticks()
    await goesOn('two')
    let closed = false
    const closing = on.guard.close().then(() => {
      closed = true
    })
    await ticks()
    await goesOn('three')
    expect([work.begun, refused, closed]).toEqual([['one'], ['three busy'], false])
    await work.end('one')
    await closing
    expect(work.begun).toEqual(['one', 'two'])
  })

  test('is refused when the signal is aborted', async () => {
    const away = new AbortController()
    opened({ signal: away.signal }, ['two', 'three'])
    await comes('one', 'two', 'three')
    on.guard.reconfigure({ throttle: '50/1m' })
    await ticks()
    await goesOn('two')
    away.abort()
    await ticks()
    expect(refused).toEqual(['two busy'])
    await goesOn('three')
    expect(refused).toEqual(['two busy', 'three busy'])
  })
})

test('a user who was notified before reconfigure() gets no second notice after it', async () => {
  const work = new Work()
  const on = desk({ throttle: '100/1m' }, (bot) => bot.use(concurrency({ queue: 0 }), work.handler))
  const comes = async (text: string): Promise<void> => {
    on.handle(says(1, text)).catch(() => undefined)
    await ticks()
  }
  await comes('one')
  await comes('two')
  on.guard.reconfigure({ throttle: '50/1m' })
  // The places are new ones.
  await comes('three')
  await comes('four')
  await on.quiet()
  expect(work.begun).toEqual(['one', 'three'])
  expect(on.notices).toHaveLength(1)
  await work.end(...work.running)
  await on.guard.close()
})
