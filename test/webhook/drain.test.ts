import { EventEmitter } from 'node:events'
import { debounce } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { later, says, tick } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { post, SECRET, type Stand, stand } from './stand.js'

/** Lets all pending promises continue, several times over. */
async function rest(): Promise<void> {
  for (let i = 0; i < 8; i++) await tick()
}

describe('on a platform that ends work nobody awaits', () => {
  /** Delivers updates as a worker does, and awaits all work that goes on after the answer. */
  function working(at: Stand) {
    const works: Promise<unknown>[] = []
    return {
      deliver: (update: Parameters<Stand['deliver']>[0]) =>
        at.deliver(update, { waitUntil: (work) => void works.push(work) }),
      async over(): Promise<void> {
        await Promise.all(works)
      },
    }
  }

  test('a burst is handled before its request is over, and the next message is held back again', async () => {
    const bursts: (number | undefined)[] = []
    const at = stand({ debounce: { mode: 'trailing', window: '2s' } }, (bot) => {
      bot.on('message', (ctx) => {
        bursts.push(ctx.sentinel.burst?.length)
      })
    })
    const worker = working(at)
    for (const text of ['a', 'b']) {
      await worker.deliver(says(1, text))
      await worker.over()
    }
    expect(bursts).toEqual([1, 1])
    // The guard was not closed: without waitUntil messages are gathered again.
    await at.deliver(says(1, 'c'))
    await at.deliver(says(1, 'd'))
    expect(bursts).toHaveLength(2)
    at.time.advance(2000)
    await rest()
    expect(bursts).toEqual([1, 1, 2])
  })

  test('an update held back by two debounces is handled before the request is over', async () => {
    const handled: (string | undefined)[] = []
    const at = stand({ debounce: { mode: 'trailing', window: '2s' } }, (bot) => {
      bot.on('message', debounce({ mode: 'trailing', window: '1s' }), (ctx) => {
        handled.push(ctx.msg.text)
      })
    })
    const worker = working(at)
    await worker.deliver(says(1, 'a'))
    await worker.over()
    expect(handled).toEqual(['a'])
  })

  test('an update held back by the debounce of a policy is handled before the request is over', async () => {
    const handled: (string | undefined)[] = []
    const at = stand({
      policies: { calm: { throttle: '5/1m', debounce: { mode: 'trailing', window: '1s' } } },
    })
    at.bot.on('message', at.guard.policy('calm'), (ctx) => {
      handled.push(ctx.msg.text)
    })
    const worker = working(at)
    await worker.deliver(says(1, 'a'))
    await worker.over()
    expect(handled).toEqual(['a'])
  })

  test('updates still wait for their turn after the first request', async () => {
    const ends: (() => void)[] = []
    const at = stand({ concurrency: {}, debounce: false }, (bot) =>
      bot.on('message', (ctx) =>
        ctx.msg.text === 'first' ? undefined : new Promise<void>((end) => ends.push(end)),
      ),
    )
    const worker = working(at)
    await worker.deliver(says(9, 'first'))
    await worker.over()
    const answers = ['one', 'two'].map((text) => worker.deliver(says(1, text)))
    for (let i = 0; i < 2; i++) {
      await until('it is at work', () => ends.length > 0)
      ends.shift()?.()
    }
    expect(await Promise.all(answers)).toEqual([200, 200])
    expect(at.reached).toEqual(['first', 'one', 'two'])
    await expect(at.guard.health()).resolves.toMatchObject({ tally: { denied: 0 } })
  })

  test('a storage that failed during the first request is asked again', async () => {
    const near = later(memory())
    let tries = 0
    const storage = {
      ...near,
      remote: false,
      async prepare(plan: Parameters<typeof near.prepare>[0]) {
        if (++tries === 1) throw new Error('away')
        return near.prepare(plan)
      },
    }
    const at = stand({ storage, throttle: { limit: '2/1m', deny: 'silent' }, debounce: false })
    at.guard.on('error', () => undefined)
    const worker = working(at)
    await worker.deliver(says(1, 'x'))
    await worker.over()
    at.time.advance(60_000)
    for (let i = 0; i < 6; i++) {
      await worker.deliver(says(2, `m${i}`))
      await rest()
    }
    expect(tries).toBe(2)
    // One passed before the storage had taken the plan.
    expect(at.reached.length).toBeLessThan(5)
  })

  test('limits that are changed after the first request apply', async () => {
    const at = stand({ throttle: '2/1m', limits: true, debounce: false })
    const worker = working(at)
    await worker.deliver(says(9, 'x'))
    await worker.over()
    await at.guard.grant(1, 'vip')
    await at.guard.limits.set({ role: 'vip' }, 'user', '50/1m')
    await rest()
    for (let i = 0; i < 10; i++) await worker.deliver(says(1, `m${i}`))
    expect(at.reached).toHaveLength(11)
  })
})

test('a drain waits for bursts of earlier options, too', async () => {
  let open = (): void => undefined
  const opened = new Promise<void>((fulfil) => {
    open = fulfil
  })
  const handled: (string | undefined)[] = []
  const at = stand({ debounce: { mode: 'trailing', window: '10s' } }, (bot) => {
    bot.on('message', async (ctx) => {
      await opened
      handled.push(ctx.msg.text)
    })
  })
  await at.deliver(says(1, 'held'))
  at.guard.reconfigure({ throttle: '30/1m' })
  const drained = at.webhook.drain().then(() => [...handled])
  await until('it is fired', () => at.reached.length === 1)
  await rest()
  open()
  expect(await drained).toEqual(['held'])
})

test('the drain of one bot fires bursts of another, and leaves that one open', async () => {
  const at = stand({ debounce: { mode: 'trailing', window: '1s' } })
  const other = at.another(43)
  const webhook = at.guard.webhook(other.bot, { secret: SECRET })
  const deliver = (text: string) => webhook.fetch(post(JSON.stringify(says(5, text))))
  await deliver('held')
  await at.webhook.drain()
  expect(other.reached).toEqual(['held'])
  await deliver('one')
  await deliver('two')
  await rest()
  expect(other.reached).toEqual(['held'])
  at.time.advance(1000)
  await rest()
  expect(other.reached).toEqual(['held', 'two'])
})

describe('while a handler hangs', () => {
  function hanging(options: Parameters<typeof stand>[2] = {}) {
    const at = stand(
      { debounce: { mode: 'trailing', window: '1m' } },
      (bot) => {
        bot.command('hang', () => new Promise(() => undefined))
      },
      options,
    )
    const warned: string[] = []
    const words: string[] = []
    at.guard.on('warning', ({ code, message }) => {
      warned.push(code)
      words.push(message)
    })
    return { ...at, warned, words }
  }

  /** One handler hangs, and a burst of somebody else is held back. */
  async function beside(at: Stand): Promise<void> {
    void at.deliver(says(2, '/hang'))
    await until('the handler runs', () => at.webhook.size === 1)
    await at.deliver(says(1, 'held'))
    expect(at.reached).toEqual(['/hang'])
  }

  test('a burst is fired at once when the guard closes, and the close takes the time allowed', async () => {
    const at = hanging()
    await beside(at)
    let closed = false
    const closing = at.guard.close('1s').then(() => {
      closed = true
    })
    await until('it is fired', () => at.reached.includes('held'))
    expect(closed).toBe(false)
    at.time.advance(1000)
    await closing
    expect(at.warned).toContain('close.unfinished')
    expect(at.words.join()).toContain('after 1000 ms (webhook: 1)')
  })

  test('a burst is fired at once when the process receives SIGTERM', async () => {
    const at = hanging()
    await beside(at)
    const process = new EventEmitter()
    at.webhook.drainOn(process, { within: '3s' })
    process.emit('SIGTERM')
    await until('it is fired', () => at.reached.includes('held'))
    at.time.advance(3000)
    await rest()
    at.time.advance(3000)
    await until('it is over', () => process.listenerCount('SIGTERM') === 0)
  })

  test('the guard gets the remaining time to close when the process receives SIGTERM', async () => {
    const at = stand({ debounce: { mode: 'trailing', window: '1m' } }, (bot) => {
      bot.on('message', () => new Promise(() => undefined))
    })
    const words: string[] = []
    at.guard.on('warning', ({ message }) => words.push(message))
    await at.deliver(says(1, 'held'))
    const process = new EventEmitter()
    at.webhook.drainOn(process, { within: '30m' })
    process.emit('SIGTERM')
    await until('the burst is being handled', () => at.reached.length === 1)
    // The drain uses up all of its time by the clock of the test, and then the guard waits for the handler as well.
    at.time.advance(1_800_000)
    await rest()
    at.time.advance(1_800_000)
    await until('it is over', () => process.listenerCount('SIGTERM') === 0)
    const waited = /some work had not ended after (\d+)/.exec(words.join())?.[1]
    // By the real clock hardly any time has passed.
    expect(Number(waited)).toBeGreaterThan(1_500_000)
  })

  test.each([
    ['accept', 200],
    ['retry', 500],
  ] as const)(
    'a drain shorter than the time-out answers waiting requests according to onTimeout: %s',
    async (onTimeout, status) => {
      const at = hanging({ timeout: '10s', onTimeout })
      const answer = at.deliver(says(2, '/hang'))
      await until('the handler runs', () => at.webhook.size === 1)
      const drained = at.webhook.drain('300ms')
      await rest()
      at.time.advance(300)
      expect(await answer).toBe(status)
      expect(await drained).toEqual({ left: 1 })
      expect(at.warned).toEqual(['webhook.late'])
    },
  )
})
