import { debounce } from '../../src/index.js'
import type { SentinelOptions } from '../../src/options/index.js'
import { type Desk, desk, says, tick } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { stand } from '../webhook/stand.js'

const hangs = (): Promise<void> => new Promise(() => undefined)

async function rest(): Promise<void> {
  for (let i = 0; i < 10; i++) await tick()
}

describe('after close() has given up on a handler that hangs', () => {
  let at: Desk
  const ends: (() => void)[] = []
  let warned: string[]
  let denied: string[]
  /** The texts with which handlers began. */
  let begun: string[]

  function opened(options: SentinelOptions, inFront = false): void {
    warned = []
    denied = []
    begun = []
    at = desk(options, (bot) => {
      if (inFront) bot.use(debounce({ mode: 'trailing', window: '1s' }))
      bot.on('message', (ctx) => {
        begun.push(ctx.msg.text ?? '')
        return new Promise<void>((end) => ends.push(end))
      })
    })
    at.guard.on('warning', ({ code, message }) => warned.push(`${code} ${message}`))
    at.guard.on('denied', ({ ctx, verdict }) => denied.push(`${ctx.msg?.text} ${verdict.reason}`))
  }

  /** Messages come one after another, each after the pause that ends a burst. */
  async function comes(...texts: string[]): Promise<void> {
    for (const text of texts) {
      void at.handle(says(1, text))
      await rest()
      at.time.advance(1000)
      await rest()
    }
  }

  async function closes(): Promise<void> {
    const closing = at.guard.close('2s')
    await rest()
    at.time.advance(2000)
    await closing
  }

  /** Nothing begins, however long one waits, and no timer keeps the process alive. */
  async function staysClosed(texts: readonly string[]): Promise<void> {
    expect(at.time.pending).toBe(0)
    at.time.advance(600_000)
    await rest()
    expect(begun).toEqual(texts)
  }

  test('a burst that waits behind it is reported and not handled', async () => {
    opened({ debounce: { mode: 'trailing', window: '1s' } })
    await comes('one', 'two')
    await closes()
    expect(warned).toEqual([expect.stringMatching(/^close\.unfinished .*\(debounce: 2, not handled: 1\)/)])
    await staysClosed(['one'])
  })

  test('a burst that waits behind it in front of a handler is not handled', async () => {
    opened({}, true)
    await comes('one', 'two')
    await closes()
    expect(warned.join()).toContain('not handled: 1')
    await staysClosed(['one'])
  })

  test.each([
    { count: 1, texts: ['two'] },
    { count: 2, texts: ['two', 'three'] },
  ])('$count that wait behind a burst of earlier options are not handled', async ({ count, texts }) => {
    opened({ debounce: { mode: 'trailing', window: '1s' } })
    await comes('one')
    at.guard.reconfigure({ throttle: '50/1m' })
    await comes(...texts)
    expect((await at.guard.health()).held).toEqual({ debounce: count })
    await closes()
    expect(warned.join()).toContain(`(debounce: ${count}, earlier options: 1, not handled: ${count})`)
    await staysClosed(['one'])
  })

  test('a second close() does not wait for bursts that were dropped', async () => {
    opened({ debounce: { mode: 'trailing', window: '1s' } })
    await comes('one')
    at.guard.reconfigure({ throttle: '50/1m' })
    await comes('two', 'three')
    await closes()
    for (const end of ends.splice(0)) end()
    await rest()
    // The clock stands still.
    await at.guard.close('2s')
    expect(warned).toHaveLength(1)
    await staysClosed(['one'])
  })

  test('an update that waits for a place is refused', async () => {
    opened({ concurrency: { deny: 'silent' } })
    await comes('one', 'two')
    await closes()
    await rest()
    expect(denied).toEqual(['two busy'])
    expect(warned.join()).toContain('(concurrency: 1, not handled: 1)')
    await staysClosed(['one'])
  })

  test('a burst that waits for a place is refused, and what is behind it is not handled', async () => {
    opened({ concurrency: { deny: 'silent', scope: 'global' }, debounce: { mode: 'trailing', window: '1s' } })
    void at.handle(says(2, 'zero'))
    await rest()
    at.time.advance(1000)
    await rest()
    await comes('one', 'two')
    await closes()
    await rest()
    expect(denied).toEqual(['one busy'])
    await staysClosed(['zero'])
  })

  test('a later update does not wait behind it', async () => {
    opened({ debounce: { mode: 'trailing', window: '1s' } })
    await comes('one', 'two')
    await closes()
    await comes('three')
    await staysClosed(['one', 'three'])
  })

  test('nothing begins when that handler ends', async () => {
    opened({ debounce: { mode: 'trailing', window: '1s' } })
    await comes('one', 'two')
    await closes()
    for (const end of ends.splice(0)) end()
    await rest()
    await staysClosed(['one'])
  })
})

test('a burst that came while the drain of a webhook took all the time of close() begins before close() resolves', async () => {
  const at = stand({ debounce: { mode: 'trailing', window: '1m' } }, (bot) => {
    bot.command('hang', hangs)
  })
  at.guard.on('warning', () => undefined)
  void at.deliver(says(2, '/hang'))
  await until('the handler runs', () => at.webhook.size === 1)
  const closing = at.guard.close('2s').then(() => [...at.reached])
  await rest()
  // By polling: the webhook accepts no more.
  await at.bot.handleUpdate(says(1, 'held'))
  at.time.advance(2000)
  expect(await closing).toEqual(['/hang', 'held'])
})

test('a burst of a policy that waits while the drain of a webhook takes all the time of close() is not handled', async () => {
  const begun: string[] = []
  const at = stand({
    debounce: false,
    roles: { customer: {} },
    policies: {
      calm: {
        // This guard comes before the debounce.
        roles: ['customer'],
        throttle: { limit: '20/1m', adapt: { min: '5/1m', max: '40/1m' } },
        debounce: { mode: 'trailing', window: '1s' },
      },
    },
  })
  at.bot.command('hang', hangs)
  at.bot.on('message', at.guard.policy('calm'), (ctx) => {
    begun.push(ctx.msg.text ?? '')
    return hangs()
  })
  at.guard.on('warning', () => undefined)
  void at.deliver(says(2, '/hang'))
  await until('the handler runs', () => at.webhook.size === 1)
  await at.guard.grant(1, 'customer')
  for (const text of ['one', 'two']) {
    await at.deliver(says(1, text))
    at.time.advance(1000)
    await rest()
  }
  const closing = at.guard.close('2s')
  await rest()
  at.time.advance(2000)
  await closing
  at.time.advance(600_000)
  await rest()
  expect([begun, at.time.pending]).toEqual([['one'], 0])
})

test('an aborted signal of concurrency leaves no timer behind', async () => {
  const leave = new AbortController()
  const at = desk({ concurrency: { deny: 'silent', signal: leave.signal } }, (bot) => {
    bot.on('message', hangs)
  })
  void at.handle(says(1, 'one'))
  void at.handle(says(1, 'two'))
  await rest()
  expect(at.time.pending).toBeGreaterThan(0)
  leave.abort()
  await rest()
  expect(at.time.pending).toBe(0)
})
