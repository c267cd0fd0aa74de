import { Bot, type Context, type MiddlewareFn } from 'grammy'
import type { Plan } from '../../src/core/check.js'
import { type ComposeOptions, compose, debounce, memory, type Storage, throttle } from '../../src/index.js'
import { claim } from '../../src/middleware/position/place.js'
import { Extras } from '../extras.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, says } from '../sentinel/desk.js'

const ALICE = 7

/** A storage that records the names of prepared plans. */
function watched(): { storage: Storage; plans: string[] } {
  const inner = memory()
  const plans: string[] = []
  const storage: Storage = Object.assign(Object.create(inner), {
    prepare(plan: Plan) {
      plans.push(plan.name)
      return inner.prepare(plan)
    },
  })
  return { storage, plans }
}

type Wire = (bot: Bot<GuardedContext>, note: MiddlewareFn) => void

/** A worker of a bot: the same code and the same storage, created anew. */
function worker(storage: Storage, wire: Wire): Desk & { readonly handled: string[] } {
  const handled: string[] = []
  const stand = desk({ storage, name: 'shop' }, (bot) =>
    wire(bot, (ctx) => {
      handled.push(ctx.msg?.text ?? '')
    }),
  )
  return { ...stand, handled }
}

/** Returns the names of plans that were prepared while the texts were handled. */
async function namesOf(wire: Wire, ...texts: string[]): Promise<string[]> {
  const { storage, plans } = watched()
  const stand = worker(storage, wire)
  plans.length = 0
  await stand.says(ALICE, ...texts)
  return plans.map((name) => name.replace('shop/', ''))
}

describe('the plan of guarded handlers is named', () => {
  test('after a function', async () => {
    function buy(): void {}
    const sell = throttle('1/1m')(() => undefined)
    const wire: Wire = (bot) => {
      bot.command('buy', throttle('1/1m')(buy))
      bot.command('order', throttle('1/1m')(buy.bind(undefined)))
      bot.command('sell', sell)
    }
    expect(await namesOf(wire, '/buy', '/order', '/sell')).toEqual([
      'buy',
      'buy~2',
      expect.stringMatching(/^handler \(throttle 1\/1m\)/),
    ])
  })

  test('after a method and its declaring class; after the description of a symbol', async () => {
    class Base {
      @throttle('1/1m')
      buy(): void {}
    }
    class Shop extends Base {
      @throttle('1/1m')
      override buy(): void {}

      @throttle('1/1m')
      [Symbol('sell')](): void {}

      @throttle('1/1m')
      #hidden(): void {}

      @throttle('1/1m')
      held = (): void => undefined

      all(): unknown[] {
        const [symbol] = Object.getOwnPropertySymbols(Shop.prototype)
        const sell: unknown = Reflect.get(this, symbol as symbol)
        return [this.buy, super.buy, sell, this.#hidden, this.held]
      }
    }
    const wire: Wire = (bot) => {
      const shop = new Shop()
      for (const handler of shop.all()) {
        bot.command('go', async (ctx, next) => {
          await (handler as (this: Shop, ctx: Context) => unknown).call(shop, ctx)
          await next()
        })
      }
    }
    expect(await namesOf(wire, '/go')).toEqual(['Shop.buy', 'Base.buy', 'Shop[sell]', '#hidden', 'Shop.held'])
  })

  test('once for stacked guards; an inner handler that is also used alone gets a name of its own', async () => {
    const wire: Wire = (bot) => {
      const inner = throttle('1/1m')(function buy() {})
      bot.command('buy', debounce('1s')(inner))
      bot.command('inner', inner)
    }
    expect(await namesOf(wire, '/inner', '/buy')).toEqual(['buy/1', 'buy'])
  })

  test('like its limits; a second limit is numbered', async () => {
    const limits: string[] = []
    const stand = worker(memory(), (bot) => {
      bot.command('buy', throttle('2/1m')(throttle('1/1s')(function buy() {})))
    })
    stand.guard.on('denied', ({ verdict }) => limits.push(verdict.limit))
    await stand.says(ALICE, '/buy', '/buy')
    stand.time.advance(1000)
    await stand.says(ALICE, '/buy', '/buy')
    expect(limits).toEqual(['buy~2', 'buy'])
  })
})

describe('two unnamed limits never share a bucket', () => {
  const twice: readonly (readonly [string, Wire])[] = [
    [
      'around two functions with the same name',
      (bot, note) => {
        const shops = [1, 2].map(() => ({ buy: ((ctx, next) => note(ctx, next)) as MiddlewareFn }))
        bot.command('one', throttle('1/1h')(shops[0]?.buy as MiddlewareFn))
        bot.command('two', throttle('1/1h')(shops[1]?.buy as MiddlewareFn))
      },
    ],
    [
      'around two functions without a name',
      (bot, note) => {
        bot.command(
          'one',
          throttle('1/1h')((ctx: Context, next: () => Promise<void>) => note(ctx, next)),
        )
        bot.command(
          'two',
          throttle('1/1h')((ctx: Context, next: () => Promise<void>) => note(ctx, next)),
        )
      },
    ],
    [
      'around one function',
      (bot, note) => {
        bot.command('one', throttle('1/1h')(note))
        bot.command('two', throttle('1/1h')(note))
      },
    ],
    [
      'in front of two handlers',
      (bot, note) => {
        bot.command('one', throttle('1/1h'), note)
        bot.command('two', throttle('1/1h'), note)
      },
    ],
    [
      'on methods of two classes with the same name',
      (bot, note) => {
        for (const name of ['one', 'two']) {
          class Shop {
            @throttle('1/1h')
            buy(ctx: Context, next: () => Promise<void>): unknown {
              return note(ctx, next)
            }
          }
          const shop = new Shop()
          bot.command(name, (ctx, next) => shop.buy(ctx, next))
        }
      },
    ],
    [
      'before and after the sentinel is created',
      (() => {
        const early = throttle('1/1h')
        return (bot, note) => {
          bot.command('one', early, note)
          bot.command('two', throttle('1/1h'), note)
        }
      })(),
    ],
  ]

  test.each(twice)('%s', async (_, wire) => {
    const { handled, says } = worker(memory(), wire)
    await says(ALICE, '/one', '/two', '/one', '/two')
    expect(handled).toEqual(['/one', '/two'])
  })

  test.each(twice.slice(0, -1))(
    '%s: and find them again after a restart, in whatever order they are used',
    async (_, wire) => {
      const storage = memory()
      const before = worker(storage, wire)
      await before.says(ALICE, '/two')
      const after = worker(storage, wire)
      await after.says(ALICE, '/one', '/two')
      expect([before.handled, after.handled]).toEqual([['/two'], ['/one']])
    },
  )

  test('names that depend on which limit was used first cause a warning', async () => {
    const warnings: string[] = []
    const early = throttle('7/1h')
    const stand = worker(memory(), (bot, note) => {
      bot.command('one', early, note)
      bot.command('two', throttle('7/1h'), note)
    })
    stand.guard.on('warning', ({ code }) => warnings.push(code))
    await stand.says(ALICE, '/one', '/two')
    expect(warnings).toEqual(['handler.name'])
  })
})

describe('names and buckets stay the same', () => {
  test('if other limits are added', async () => {
    const storage = memory()
    const before = worker(storage, (bot, note) => {
      bot.command('buy', throttle('1/1h'), note)
    })
    await before.says(ALICE, '/buy')
    const after = worker(storage, (bot, note) => {
      bot.command('new', throttle('2/1h'), note)
      bot.command('newer', debounce('1s')(note))
      bot.command('buy', throttle('1/1h'), note)
    })
    await after.says(ALICE, '/buy', '/new')
    expect(after.handled).toEqual(['/new'])
  })

  test('if the numbers of a limit change and other guards are added', async () => {
    const storage = memory()
    const wire =
      (limit: '4/1h' | '2/1h', more: boolean): Wire =>
      (bot, note) => {
        function buy(ctx: Context, next: () => Promise<void>): unknown {
          return note(ctx, next)
        }
        const guarded = throttle(limit)(buy)
        bot.command('buy', more ? debounce('1s')(guarded) : guarded)
      }
    const before = worker(storage, wire('4/1h', false))
    await before.says(ALICE, '/buy', '/buy')
    const after = worker(storage, wire('2/1h', true))
    after.time.advance(2000)
    await after.says(ALICE, '/buy')
    after.time.advance(2000)
    await after.says(ALICE, '/buy')
    expect([before.handled.length, after.handled.length]).toEqual([2, 1])
  })

  test('for one guard in two places, which is one limit', async () => {
    const { handled, says } = worker(memory(), (bot, note) => {
      const slow = throttle('1/1h')
      bot.command('one', slow, note)
      bot.command('two', slow, note)
    })
    await says(ALICE, '/one', '/two')
    expect(handled).toEqual(['/one'])
  })

  test('for a chain with a custom name', async () => {
    const storage = memory()
    const wire: Wire = (bot, note) => bot.command('buy', compose(throttle('1/1h'), { name: 'uploads' }), note)
    const before = worker(storage, wire)
    await before.says(ALICE, '/buy')
    const after = worker(storage, (bot, note) => {
      bot.command('other', compose(throttle('1/1h'), { name: 'other' }), note)
      wire(bot, note)
    })
    await after.says(ALICE, '/other', '/buy')
    expect(after.handled).toEqual(['/other'])
  })

  test('guards created with every update cause a warning after a thousand, and share one bucket from then on', async () => {
    const warnings: string[] = []
    const stand = worker(memory(), (bot, note) => {
      function buy(ctx: Context, next: () => Promise<void>): unknown {
        return note(ctx, next)
      }
      bot.command('buy', (ctx, next) => throttle('1/1h')(buy)(ctx, next))
    })
    stand.guard.on('warning', ({ code }) => warnings.push(code))
    await stand.says(ALICE, '/buy')
    for (let nth = 0; nth < 1000; nth++) claim('buy')
    expect(warnings).toEqual([])
    await stand.says(ALICE, '/buy', '/buy')
    await stand.says(8, '/buy')
    expect(stand.handled).toHaveLength(1 + 1 + 1)
    // Further guards are not kept.
    expect((await stand.guard.peek(ALICE)).filter(({ name }) => name === 'buy')).toHaveLength(2)
    expect(new Set(warnings)).toEqual(new Set(['handler.many']))
  })

  test('so do guards created in front of a handler with every update', async () => {
    const warnings: string[] = []
    const stand = worker(memory(), (bot, note) => {
      bot.command('buy', (ctx, next) => throttle('1/3h')(ctx, next), note)
    })
    stand.guard.on('warning', ({ code }) => warnings.push(code))
    await stand.says(ALICE, '/buy')
    for (let nth = 0; nth < 1000; nth++) claim('throttle 1/3h')
    expect(warnings).toEqual([])
    await stand.says(ALICE, '/buy', '/buy')
    await stand.says(8, '/buy')
    expect(stand.handled).toHaveLength(1 + 1 + 1)
    expect(
      (await stand.guard.peek(ALICE)).map(({ limit }) => limit).filter((limit) => limit === '1/3h'),
    ).toHaveLength(6)
    expect(new Set(warnings)).toEqual(new Set(['handler.many']))
  })

  test('so do composed guards with a name', async () => {
    const warnings: string[] = []
    const uploads = () => compose(throttle('1/3h'), { name: 'uploads' })
    const stand = worker(memory(), (bot, note) => {
      bot.lazy(uploads)
      bot.use(note)
    })
    stand.guard.on('warning', ({ code }) => warnings.push(code))
    await stand.says(ALICE, 'first')
    for (let nth = 1; nth < 1000; nth++) uploads()
    expect(warnings).toEqual([])
    await stand.says(ALICE, 'second', 'third')
    await stand.says(8, 'first')
    expect(stand.handled).toEqual(['first', 'second', 'first'])
    // Further guards are not kept.
    expect((await stand.guard.peek(ALICE)).filter(({ limit }) => limit === '1/3h')).toHaveLength(6)
    expect(warnings).toEqual(['handler.many'])
  })

  test.each<[string, () => ComposeOptions]>([
    ['without a sentinel', () => ({})],
    ['with a storage of their own', () => ({ storage: memory() })],
  ])('so do guards %s, and the console says so once', async (_, options) => {
    const said: unknown[] = []
    const { warn } = console
    console.warn = (text: unknown) => said.push(text)
    try {
      const own = options()
      const limited = () => compose(throttle('1/5h'), own)
      for (let nth = 0; nth < 1000; nth++) limited()
      const handled: string[] = []
      const { account, config } = new Extras(Date.now).hire(42)
      const bot = new Bot(account.token, config)
      bot.lazy(limited)
      bot.use((ctx) => void handled.push(ctx.msg?.text ?? ''))
      for (const text of ['first', 'second', 'third']) await bot.handleUpdate(says(ALICE, text))
      await bot.handleUpdate(says(8, 'first'))
      expect(handled).toEqual(['first', 'first'])
    } finally {
      console.warn = warn
    }
    expect(said).toEqual([expect.stringContaining('More than a thousand handlers are named "throttle 1/5h"')])
  })
})
