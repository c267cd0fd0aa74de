import type { Context } from 'grammy'
import {
  compose,
  concurrency,
  debounce,
  exempt,
  type Guard,
  memory,
  once,
  throttle,
} from '../../src/index.js'
import { desk, later, says } from '../sentinel/desk.js'

/* A guarded function returns and throws what its handler does. */

const ALICE = 7

const GUARDS: readonly [string, () => Guard][] = [
  ['throttle', () => throttle('9/1m')],
  ['concurrency', () => concurrency()],
  ['debounce', () => debounce('1s')],
  ['once', () => once()],
  ['once with a lease', () => once({ lease: '1m' })],
  ['exempt', () => exempt()],
  ['compose', () => compose(throttle('9/1m'), concurrency({ scope: 'chat' }))],
]

describe.each([
  ['memory', () => memory()],
  ['a storage that answers later', () => later()],
])('behind %s', (_, storage) => {
  describe.each(GUARDS)('a function guarded by %s', (_name, guard) => {
    test('returns what its handler returns', async () => {
      const prices: unknown[] = []
      const price = guard()(async function price(_ctx: Context) {
        return 5
      })
      const { bot, handle, time } = desk({ storage: storage() })
      bot.command('price', async (ctx) => {
        prices.push(await price(ctx))
      })
      for (let update = 0; update < 3; update++) {
        await handle(says(ALICE, '/price'))
        time.advance(2000)
      }
      expect(prices).toEqual([5, 5, 5])
    })

    test('waits for a handler that returns an object whose `then` returns nothing', async () => {
      const prices: unknown[] = []
      const price = guard()((_ctx: Context) => ({
        // biome-ignore lint/suspicious/noThenProperty: await needs nothing but a `then` that calls back.
        then(done: (price: number) => void) {
          setImmediate(() => done(5))
        },
      }))
      const { bot, handle } = desk({ storage: storage() })
      bot.command('price', async (ctx) => {
        prices.push(await price(ctx))
      })
      await handle(says(ALICE, '/price'))
      expect(prices).toEqual([5])
    })

    test('runs a lazy query that its handler returns once', async () => {
      let runs = 0
      const query = {
        // biome-ignore lint/suspicious/noThenProperty: like those of several database libraries, it runs whenever `then` is called.
        then(done: (rows: number) => unknown) {
          runs++
          return Promise.resolve(1).then(done)
        },
      }
      const order = guard()((_ctx: Context) => query)
      const { bot, handle } = desk({ storage: storage() })
      bot.command('order', order)
      await handle(says(ALICE, '/order'))
      expect(runs).toBe(1)
    })

    test('throws what its handler throws', async () => {
      const failure = new Error('the till is stuck')
      const price = guard()(async function price(_ctx: Context) {
        throw failure
      })
      const { bot, handle, time } = desk({ storage: storage() })
      const thrown: unknown[] = []
      bot.command('price', (ctx) =>
        Promise.resolve(price(ctx)).catch((error) => {
          thrown.push(error)
        }),
      )
      for (let update = 0; update < 3; update++) {
        await handle(says(ALICE, '/price'))
        time.advance(2000)
      }
      expect(thrown).toEqual([failure, failure, failure])
    })
  })
})
