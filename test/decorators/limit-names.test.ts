import type { Bot, Context, MiddlewareFn } from 'grammy'
import {
  compose,
  memory,
  requireRole,
  type SentinelOptions,
  type Storage,
  type ThrottleOptions,
  throttle,
} from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, says } from '../sentinel/desk.js'

/* Names of limits of handlers. A limit that is set, adapted or reset by name belongs to one handler, and is found again after a deploy. */

const ALICE = 7
const GROUP = -1001000000001
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

type Wire = (bot: Bot<GuardedContext>, note: MiddlewareFn) => void

interface Worker extends Desk {
  readonly handled: string[]
  /** Names of the limits that refused. */
  readonly refused: string[]
}

function worker(wire: Wire, storage: Storage = memory(), options: SentinelOptions = {}): Worker {
  const handled: string[] = []
  const refused: string[] = []
  const stand = desk({ storage, name: 'shop', throttle: '60/1m', ...options }, (bot) =>
    wire(bot, (ctx) => {
      handled.push(ctx.msg?.text ?? '')
    }),
  )
  stand.guard.on('denied', ({ verdict }) => refused.push(verdict.limit))
  open.push(stand)
  return { ...stand, handled, refused }
}

async function peeked({ guard }: Worker): Promise<string[]> {
  const limits = await guard.peek(ALICE)
  return limits.filter(({ name }) => !/\.(inline|edits|joins)$/.test(name)).map(({ name }) => name)
}

describe('a name given to compose()', () => {
  const uploads = (note: MiddlewareFn): MiddlewareFn =>
    compose(throttle('1/1h'), { name: 'uploads' })((ctx: Context, next: () => Promise<void>) =>
      note(ctx, next),
    )

  test('is that of the guards around a handler: guards added before them change nothing', async () => {
    const storage = memory()
    const before = worker((bot, note) => {
      bot.command('up', uploads(note))
    }, storage)
    await before.says(ALICE, '/up', '/up')
    expect([before.handled, before.refused]).toEqual([['/up'], ['uploads']])
    const after = worker((bot, note) => {
      bot.command(
        'other',
        compose(throttle('1/1h'), { name: 'other' })((ctx: Context, next: () => Promise<void>) =>
          note(ctx, next),
        ),
      )
      bot.command('up', uploads(note))
    }, storage)
    await after.says(ALICE, '/other', '/up')
    expect([after.handled, after.refused]).toEqual([['/other'], ['uploads']])
  })

  test('takes precedence over the name of a function, a method and a field', async () => {
    const one = compose(throttle('1/1h'), { name: 'one' })
    const two = compose(throttle('1/1h'), { name: 'two' })
    const three = compose(throttle('1/1h'), { name: 'three' })
    class Shop {
      @two
      async buy(_: Context): Promise<void> {}

      @three
      sell = async (_: Context): Promise<void> => {}
    }
    const shop = new Shop()
    const stand = worker((bot) => {
      bot.command(
        'one',
        one(async function give(_: Context): Promise<void> {}),
      )
      bot.command('two', (ctx) => shop.buy(ctx))
      bot.command('three', (ctx) => shop.sell(ctx))
    })
    await stand.says(ALICE, '/one', '/two', '/three')
    expect(await peeked(stand)).toEqual(['user', 'one', 'two', 'three'])
  })

  test('is used for all guards of the handler, whichever of them has it', async () => {
    const named = compose(throttle('2/1h'), { name: 'uploads' })
    const stand = worker((bot, note) => {
      bot.command('inside', throttle('5/1m')(named(function up() {})))
      bot.command(
        'outside',
        compose(throttle('3/1h'), { name: 'sales' })(throttle('5/1m')(function sell() {})),
      )
      bot.command('role', named(requireRole('vip')(note)))
    })
    await stand.says(ALICE, '/inside', '/outside', '/role')
    expect(await peeked(stand)).toEqual(['user', 'uploads', 'uploads~2', 'sales', 'sales~2', 'uploads~2'])
  })

  test('is numbered if it is used around two handlers, each with its own limit', async () => {
    const stand = worker((bot, note) => {
      const named = compose(throttle('1/1h'), { name: 'uploads' })
      bot.command('one', named(note))
      bot.command('two', named(note))
    })
    await stand.says(ALICE, '/one', '/two', '/two')
    expect([stand.handled, stand.refused]).toEqual([['/one', '/two'], ['uploads~2']])
  })
})

describe('an unnamed limit in front of a handler, behind a sentinel', () => {
  test('is named after its guards, and numbered in the order of registration', async () => {
    const stand = worker((bot, note) => {
      bot.command('one', throttle('1/1m'), note)
      bot.command('two', throttle('1/1m'), note)
      bot.command('three', compose(throttle({ limit: '2/1m', scope: 'chat' })), note)
      bot.command('four', compose(throttle('1/1m'), { name: 'uploads' }), note)
    })
    await stand.says(ALICE, '/one', '/two', '/two', '/three', '/four')
    expect(await peeked(stand)).toEqual(['user', 'throttle 1/1m', 'throttle 1/1m~2', 'uploads'])
    expect(stand.refused).toEqual(['throttle 1/1m~2'])
  })

  test.each<[string, ThrottleOptions, number, (bare: Desk) => unknown]>([
    ['options', { limit: '3/1m' }, 1100, ({ guard }) => guard.reconfigure({ throttle: '3/1m' })],
    [
      'policies',
      { name: 'careful', limit: '3/1m' },
      3,
      async ({ guard }) => {
        guard.reconfigure({ policies: { careful: { throttle: '3/1m' } } })
        await guard.reset(ALICE, 'careful')
      },
    ],
  ])(
    'is the same in a worker whose %s were changed before the handlers were registered',
    async (_, limit, often, change) => {
      for (const times of [0, 1, often]) {
        const bare = desk({ throttle: '60/1m' })
        open.push(bare)
        for (let i = 0; i < times; i++) await change(bare)
        const label = `throttle ${limit.name ?? limit.limit}`
        bare.bot.command('one', throttle(limit), () => undefined)
        bare.bot.command('two', throttle(limit), () => undefined)
        const told: string[] = []
        bare.guard.on('warning', ({ code }) => told.push(code))
        await bare.says(ALICE, '/one', '/two')
        const limits = await bare.guard.peek(ALICE)
        expect([...new Set(limits.flatMap(({ at = [] }) => at))]).toEqual([label, `${label}~2`])
        expect(told).toEqual([])
      }
    },
  )

  test('is named after its scope if the guards use their own storage', async () => {
    const stand = worker((bot, note) => {
      bot.command('own', compose(throttle('1/1m'), { storage: memory() }), note)
    })
    const left: (number | undefined)[] = []
    const alone = desk({ throttle: false }, (bot) => {
      bot.use(compose(throttle('5/1m'), { storage: memory() }), (ctx) => {
        left.push(ctx.sentinel.remaining('user'))
      })
    })
    open.push(alone)
    await alone.says(ALICE, 'hello')
    await stand.says(ALICE, '/own')
    expect(left).toEqual([4])
  })

  test('does not share the name of the sentinel’s limit: limits set for that do not apply to the handler', async () => {
    const stand = worker(
      (bot, note) => {
        bot.command('go', throttle('1/1m'), note)
      },
      memory(),
      { limits: true },
    )
    await stand.says(ALICE, '/go')
    await stand.guard.limits.set(ALICE, 'user', '90/1m')
    await stand.says(ALICE, '/go', '/go')
    expect(stand.handled).toEqual(['/go'])
    await stand.guard.limits.set(ALICE, 'throttle 1/1m', '5/1m')
    await stand.guard.reset(ALICE)
    await stand.says(ALICE, '/go', '/go')
    expect(stand.handled).toEqual(['/go', '/go', '/go'])
  })

  test('is not changed by limits that administrators of a chat choose, nor shown in the menu', async () => {
    const group = { group: true } as const
    const stand = worker(
      (bot, note) => {
        bot.command('go', throttle('1/1m'), note)
      },
      memory(),
      { settings: { throttle: { min: '1/1m', max: '60/1m' } } },
    )
    stand.hasAdministrators(ALICE)
    await stand.handle(says(ALICE, '/go', group))
    await stand.guard.settings.set(GROUP, { limits: { user: '10/1m' } })
    await stand.handle(says(ALICE, '/go', group))
    expect(stand.handled).toEqual(['/go'])
    await stand.guard.settings.reset(GROUP)
    await stand.handle(says(ALICE, '/sentinel', group))
    await stand.quiet()
    expect(stand.notices.at(-1)).toContain('60/1m')
    expect(stand.notices.at(-1)).not.toContain(' 1/1m')
  })

  test('does not change the sentinel’s limits for roles', async () => {
    const stand = worker(
      (bot, note) => {
        bot.command('go', throttle({ limit: '1/1m', algorithm: 'sliding-log' }), note)
      },
      memory(),
      { limits: true, throttle: { limit: '2/1m', roles: { pro: '4/1m' } } },
    )
    await stand.says(8, '/go')
    await stand.guard.grant(ALICE, 'pro')
    await stand.guard.limits.set({ role: 'vip' }, 'user', '3/1m')
    await stand.guard.limits.set(8, 'user', '2000/1m')
    await stand.says(ALICE, 'a', 'b', 'c', 'd', 'e')
    expect(stand.reached).toEqual(['/go', 'a', 'b', 'c', 'd'])
  })

  test('does not lower the sentinel’s limit that adapts to conduct', async () => {
    const stand = worker(
      (bot, note) => {
        bot.command('go', throttle('1/1m'), note)
      },
      memory(),
      { throttle: { limit: '20/1m', adapt: { min: '5/1m', max: '40/1m', lose: { after: 3 } } } },
    )
    const changed: string[] = []
    stand.guard.on('limit.changed', ({ limit }) => changed.push(limit))
    await stand.says(ALICE, ...Array.from({ length: 8 }, () => '/go'))
    await stand.quiet()
    expect([stand.handled, changed]).toEqual([['/go'], []])
    await stand.says(ALICE, ...Array.from({ length: 20 }, (_, nth) => `sentence ${nth}`))
    await stand.quiet()
    expect(changed).toEqual(['throttle.user', 'throttle.user'])
  })
})
