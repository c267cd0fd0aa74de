import { Bot, type Middleware } from 'grammy'
import {
  compose,
  debounce,
  exempt,
  type Guard,
  memory,
  once,
  requireRole,
  type Sentinel,
  type SentinelOptions,
  type Storage,
  sentinel,
  throttle,
} from '../../src/index.js'
import { Extras } from '../extras.js'
import { type GuardedContext, Stage } from '../middleware/rig.js'
import { type Desk, desk, later, says, tick } from './desk.js'

/* An update whose handler fails stays charged, by the sentinel and by the guards in front of the handler, and is charged once. */

const ALICE = 7
type Worker = Bot<GuardedContext>
const open: Pick<Sentinel, 'close'>[] = []

afterEach(async () => {
  for (const each of open.splice(0)) await each.close('1ms')
})

const once1h = { limit: '1/1h', deny: 'silent' } as const
const fails = (): never => {
  throw new Error('the till is stuck')
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await tick()
}

function stand(options: SentinelOptions, wire: (bot: Bot<GuardedContext>) => void): Desk {
  const made = desk(options, wire)
  open.push(made.guard)
  return made
}

const STORAGES: readonly [string, () => Storage][] = [
  ['memory', () => memory()],
  ['a storage that answers later', () => later()],
]

/** A storage that records the names of its plans. */
function preparing(storage: Storage, plans: string[]): Storage {
  return {
    ...storage,
    prepare(plan) {
      plans.push(plan.name)
      return storage.prepare(plan)
    },
  }
}

describe.each(STORAGES)('a limit in front of a handler counts updates although, in %s,', (_, storage) => {
  const failing: readonly [string, (bot: Bot<GuardedContext>, ran: () => void) => void][] = [
    [
      'the handler fails at its end',
      (bot, ran) =>
        bot.command('draw', throttle(once1h), async () => {
          ran()
          await tick()
          fails()
        }),
    ],
    [
      'a fork fails',
      (bot, ran) => {
        bot.fork(fails)
        bot.command('draw', throttle(once1h), ran)
      },
    ],
    [
      'the session cannot be saved',
      (bot, ran) => {
        bot.use(async (_, next) => {
          await next()
          fails()
        })
        bot.command('draw', throttle(once1h), ran)
      },
    ],
  ]
  test.each(failing)('%s', async (_, wire) => {
    let ran = 0
    const at = stand({ storage: storage() }, (bot) => wire(bot, () => void ran++))
    for (let nth = 0; nth < 5; nth++) {
      await at.handle(says(ALICE, '/draw')).catch(() => undefined)
      await settled()
    }
    expect(ran).toBe(1)
  })
})

describe('a redelivered update', () => {
  test('is charged once if a guard decided after the update had failed', async () => {
    let isAway = true
    let ran = 0
    const at = stand({ storage: later() }, (bot) => {
      bot.fork(() => isAway && fails())
      bot.command('draw', throttle(once1h), debounce('1h'), () => void ran++)
    })
    const update = says(ALICE, '/draw')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    await settled()
    isAway = false
    await at.handle(update)
    await at.handle(says(ALICE, '/draw'))
    expect(ran).toBe(2)
  })

  test('sees what is left of the limits in front of its handler, and may have its charge refunded', async () => {
    const left: unknown[] = []
    const at = stand({}, (bot) => {
      bot.command('draw', throttle({ name: 'drawings', limit: '5/1h' }), async ({ sentinel }) => {
        left.push(sentinel.remaining('drawings'))
        if (left.length === 1) fails()
        await sentinel.refund()
      })
    })
    const update = says(ALICE, '/draw')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    await at.handle(update)
    expect(left).toEqual([4, 4])
    expect((await at.guard.peek(ALICE, 'drawings')).map(({ remaining }) => remaining)).toEqual([5])
  })

  test('causes no note of its failure by guards that charge nothing', async () => {
    const plans: string[] = []
    const storage = later()
    const at = stand({ storage: preparing(storage, plans), roles: { admin: {} } }, (bot) => {
      bot.command('buy', requireRole('admin'), fails)
      bot.command('draw', throttle(once1h), fails)
    })
    await at.guard.grant(ALICE, 'admin')
    for (const text of ['/buy', '/draw'])
      await expect(at.handle(says(ALICE, text))).rejects.toThrow('the till is stuck')
    expect(plans.filter((name) => name.endsWith(' charged'))).toEqual([expect.stringContaining('throttle')])
  })

  type Ends = (bot: Bot<GuardedContext>, at: () => Desk) => void
  const refunds: readonly [string, SentinelOptions, Ends][] = [
    ['its handler refunds it', {}, (bot) => bot.use(({ sentinel }) => sentinel.refund())],
    ['its handler denies it', {}, (bot) => bot.use(({ sentinel }) => sentinel.deny({ refund: true }))],
    ['it is exempt', {}, (bot) => bot.use(exempt())],
    ['a hook vetoes it', {}, (_, at) => at().guard.hook('allowed', () => ({ veto: 'closed' }))],
    [
      'there is no place for it',
      { concurrency: { scope: 'global', queue: 0 } },
      (_, at) => void at().handle(says(8, 'hang')),
    ],
  ]
  test.each(refunds)('gets back what its first attempt was charged if %s', async (_, options, ends) => {
    let isAway = true
    const at: Desk = stand({ throttle: '5/1h', ...options }, (bot) => {
      bot.hears('hang', () => new Promise(() => undefined))
      bot.use((_, next) => (isAway ? fails() : next()))
    })
    const update = says(ALICE, 'hello')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    isAway = false
    ends(at.bot, () => at)
    await at.handle(update)
    await at.quiet()
    expect((await at.guard.peek(ALICE)).map(({ remaining }) => remaining)[0]).toBe(5)
  })

  test('is charged by another process if it failed in front of the guard, and not again afterwards', async () => {
    const storage = later()
    let isAway = true
    let isStuck = true
    const sold: number[] = []
    const workers = [0, 1, 2].map((worker) => {
      const guard = sentinel<GuardedContext>({ name: 'shop', storage })
      const bot = hired()
      open.push(guard)
      bot.use(guard)
      bot.use((_, next) => (isAway ? fails() : next()))
      bot.command('sell', throttle(once1h), debounce('1h'), () => {
        if (isStuck) fails()
        sold.push(worker)
      })
      return bot
    })
    const [first, second, third] = workers as [Worker, Worker, Worker]
    const updates = [says(ALICE, '/sell'), says(ALICE, '/sell')] as const
    for (const update of updates) await expect(first.handleUpdate(update)).rejects.toThrow()
    isAway = false
    await expect(second.handleUpdate(updates[0])).rejects.toThrow()
    isAway = true
    await expect(first.handleUpdate(updates[0])).rejects.toThrow()
    isAway = isStuck = false
    for (const update of updates) await third.handleUpdate(update)
    expect(sold).toEqual([2])
  })

  test('is refused again, in another process, by a debounce that had refused it', async () => {
    const storage = later()
    let ran = 0
    const [first, second] = [0, 1].map(() => {
      const guard = sentinel<GuardedContext>({ name: 'shop', storage })
      const bot = hired()
      open.push(guard)
      bot.use(guard)
      bot.use(async (_, next) => {
        await next()
        if (ran < 2) fails()
      })
      bot.command('sell', debounce('1h'), () => void ran++)
      return bot
    }) as [Worker, Worker]
    const repeated = says(ALICE, '/sell')
    for (const update of [says(ALICE, '/sell'), repeated])
      await expect(first.handleUpdate(update)).rejects.toThrow()
    await expect(second.handleUpdate(repeated)).rejects.toThrow()
    expect(ran).toBe(1)
  })
})

const { account, config } = new Extras(Date.now).hire(42)

/** The bot, in a further process. */
function hired(): Bot<GuardedContext> {
  return new Bot<GuardedContext>(account.token, config)
}

describe('once() without a sentinel: a redelivered update is charged once', () => {
  const guards: readonly [string, () => Guard, () => Guard][] = [
    ['throttle', () => once(), () => throttle(once1h)],
    ['debounce', () => once(), () => debounce('1h')],
    ['a chain with a storage', () => once(), () => compose(throttle(once1h), { storage: later() })],
    ['throttle, with a lease', () => once({ lease: '1m' }), () => throttle(once1h)],
  ]
  test.each(guards)('%s', async (_, first, second) => {
    let ran = 0
    const bot = hired()
    bot.use(first())
    bot.command('buy', second(), () => {
      if (++ran === 1) fails()
    })
    const update = says(ALICE, '/buy')
    await expect(bot.handleUpdate(update)).rejects.toThrow('the till is stuck')
    await bot.handleUpdate(update)
    await bot.handleUpdate(update)
    await bot.handleUpdate(says(ALICE, '/buy'))
    expect(ran).toBe(2)
  })

  test('also behind a sentinel without `once`, and in front of one handler', async () => {
    let ran = 0
    const at = stand({ once: false }, (bot) => {
      bot.command('buy', once(), throttle(once1h), () => {
        if (++ran === 1) fails()
      })
    })
    const update = says(ALICE, '/buy')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    await at.handle(update)
    await at.handle(update)
    await at.handle(says(ALICE, '/buy'))
    expect(ran).toBe(2)
  })
})

describe('one guard on two branches', () => {
  const leases: readonly [string, object][] = [
    ['', {}],
    [', with a lease', { lease: '1m' }],
  ]
  const guards = leases.flatMap(([how, options]): [string, () => Middleware<GuardedContext>][] => [
    [`a sentinel${how}`, () => sentinel<GuardedContext>({ once: options })],
    [`once() in a chain${how}`, () => compose(once(options), throttle('5/1h'))],
  ])
  const both = guards.flatMap(([what, made]) =>
    (['first', 'second'] as const).map((which) => [what, which, made] as const),
  )
  test.each(both)('%s: an update is handled again if the %s branch fails', async (_, which, made) => {
    const guard = made()
    const ran = { first: 0, second: 0 }
    const bot = hired()
    const handles = (branch: 'first' | 'second') => async () => {
      if (branch === which) await settled()
      if (++ran[branch] === 1 && branch === which) fails()
    }
    // grammY enters the main way first.
    bot.fork(guard, handles('second'))
    bot.use(guard, handles('first'))
    const update = says(ALICE, 'hello')
    await expect(bot.handleUpdate(update)).rejects.toThrow('the till is stuck')
    await bot.handleUpdate(update)
    await bot.handleUpdate(update)
    expect(ran).toEqual({ first: 2, second: 2 })
  })

  test('with a lease, an update may be handled again while one of them is not done', async () => {
    const stage = new Stage()
    const { clock } = stage
    const guard = compose(once({ lease: '1m' }), { clock })
    let ran = 0
    const bot = hired()
    bot.fork(guard, () => {
      ran++
      return new Promise<void>(() => undefined)
    })
    bot.use(guard, settled)
    const update = says(ALICE, 'hello')
    void bot.handleUpdate(update)
    await settled()
    stage.advance(61_000)
    void bot.handleUpdate(update)
    await settled()
    expect(ran).toBe(2)
  })
})

test('what a guard on a fork refused stays denied behind the guard of the main way', async () => {
  const seen: boolean[] = []
  const at = stand({}, (bot) => {
    bot.fork(throttle({ name: 'wide', limit: '9/1h' }), async ({ sentinel }) => {
      await settled()
      seen.push(sentinel.verdict.allowed)
      await sentinel.deny()
    })
    bot.use(throttle({ name: 'tight', limit: '1/1h' }), () => undefined)
  })
  await at.handle(says(ALICE, 'hello'))
  at.notices.length = 0
  const denied: string[] = []
  at.guard.on('denied', ({ verdict }) => denied.push(verdict.limit))
  await at.handle(says(ALICE, 'hello'))
  await at.quiet()
  expect([seen, denied, at.notices.length]).toEqual([[true, false], ['tight'], 1])
})
