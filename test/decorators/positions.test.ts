import { Bot, Composer, type Context, type MiddlewareFn, type NextFunction } from 'grammy'
import {
  compose,
  debounce,
  exempt,
  type Guard,
  memory,
  once,
  policy,
  rateLimit,
  requirePermission,
  requireRegistered,
  requireRole,
  type SentinelOptions,
  throttle,
  userKey,
} from '../../src/index.js'
import { Extras } from '../extras.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, says, taps } from '../sentinel/desk.js'

const ALICE = 7

/** Puts a guard somewhere in front of a handler of /go. */
type Position = (bot: Bot<GuardedContext>, guard: Guard, handler: MiddlewareFn) => void

const POSITIONS: Readonly<Record<string, Position>> = {
  'in front of the bot': (bot, guard, handler) => {
    bot.use(guard)
    bot.command('go', handler)
  },
  'in front of a handler': (bot, guard, handler) => bot.command('go', guard, handler),
  'in front of a composer': (bot, guard, handler) => {
    const composer = new Composer()
    composer.command('go', handler)
    bot.filter((ctx) => ctx.hasCommand('go')).use(guard, composer)
  },
  'around a handler': (bot, guard, handler) => bot.command('go', guard(handler)),
  'around a composer': (bot, guard, handler) => {
    const composer = new Composer()
    composer.command('go', handler)
    bot.filter((ctx) => ctx.hasCommand('go')).use(guard(composer))
  },
  'within compose()': (bot, guard, handler) => bot.command('go', compose(guard), handler),
  'on a method': (bot, guard, handler) => {
    class Desk {
      @guard
      go(ctx: Context, next: NextFunction): unknown {
        return handler(ctx, next)
      }
    }
    const own = new Desk()
    bot.command('go', (ctx, next) => own.go(ctx, next))
  },
  'on a field': (bot, guard, handler) => {
    class Desk {
      @guard
      go = (ctx: Context, next: NextFunction): unknown => handler(ctx, next)
    }
    bot.command('go', new Desk().go)
  },
  'on a private method': (bot, guard, handler) => {
    class Desk {
      @guard
      #go(ctx: Context, next: NextFunction): unknown {
        return handler(ctx, next)
      }

      go(ctx: Context, next: NextFunction): unknown {
        return this.#go(ctx, next)
      }
    }
    const own = new Desk()
    bot.command('go', (ctx, next) => own.go(ctx, next))
  },
  'on a static method': (bot, guard, handler) => {
    // biome-ignore lint/complexity/noStaticOnlyClass: a position like others.
    class Desk {
      @guard
      static go(ctx: Context, next: NextFunction): unknown {
        return handler(ctx, next)
      }
    }
    bot.command('go', Desk.go)
  },
}

/** Sends /go several times, each after a preparation, and returns which of them reached the handler. */
async function outcomes(
  guard: Guard,
  position: Position,
  times: readonly ((stand: Desk) => unknown)[],
  options: SentinelOptions = {},
): Promise<{ passed: boolean[]; reasons: string[]; stand: Desk }> {
  let handled = 0
  const stand = desk({ storage: memory(), throttle: '90/1m', ...options }, (bot) =>
    position(bot, guard, () => {
      handled++
    }),
  )
  const reasons: string[] = []
  stand.guard.on('denied', ({ verdict }) => reasons.push(verdict.reason))
  const passed: boolean[] = []
  for (const before of times) {
    await before(stand)
    const earlier = handled
    await stand.handle(says(ALICE, '/go'))
    passed.push(handled > earlier)
  }
  return { passed, reasons, stand }
}

const nothing = (): void => undefined

describe.each(Object.entries(POSITIONS))('%s', (_, position) => {
  test.each([
    ['throttle', throttle],
    ['rateLimit', rateLimit],
  ])('%s limits updates', async (_name, word) => {
    const later = (stand: Desk) => stand.time.advance(30_000)
    const { passed, reasons } = await outcomes(word('2/1m'), position, [nothing, nothing, nothing, later])
    expect(passed).toEqual([true, true, false, true])
    expect(reasons).toEqual(['limited'])
  })

  test('debounce refuses repeated updates', async () => {
    const later = (stand: Desk) => stand.time.advance(1000)
    const { passed, reasons } = await outcomes(debounce('1s'), position, [nothing, nothing, later])
    expect(passed).toEqual([true, false, true])
    expect(reasons).toEqual(['repeated'])
  })

  test('requireRegistered admits registered users', async () => {
    const { passed, reasons } = await outcomes(requireRegistered(), position, [
      nothing,
      ({ guard }) => guard.register(ALICE),
      ({ guard }) => guard.unregister(ALICE),
    ])
    expect(passed).toEqual([false, true, false])
    expect(reasons).toEqual(['unregistered', 'unregistered'])
  })

  test('requireRole admits holders of one of the roles', async () => {
    const { passed, reasons } = await outcomes(requireRole('admin', 'support'), position, [
      ({ guard }) => guard.grant(ALICE, 'customer'),
      ({ guard }) => guard.grant(ALICE, 'support'),
    ])
    expect(passed).toEqual([false, true])
    expect(reasons).toEqual(['forbidden'])
  })

  test('requirePermission admits users whose role has the permission', async () => {
    const roles = { support: { allow: ['orders.*'] } }
    const { passed } = await outcomes(
      requirePermission('orders.refund'),
      position,
      [nothing, ({ guard }) => guard.grant(ALICE, 'support')],
      { roles },
    )
    expect(passed).toEqual([false, true])
  })

  test('policy requires everything that it bundles', async () => {
    const strict = policy('strict', { throttle: '1/1m' })
    const { passed, reasons } = await outcomes(
      strict,
      position,
      [nothing, ({ guard }) => guard.grant(ALICE, 'customer'), nothing],
      { policies: { strict: { throttle: '5/1m', roles: ['customer'] } } },
    )
    expect(passed).toEqual([false, true, false])
    expect(reasons).toEqual(['forbidden', 'limited'])
  })

  test('exempt refunds what was charged before it', async () => {
    const { passed, stand } = await outcomes(exempt(), position, [nothing, nothing, nothing], {
      throttle: { name: 'all', limit: '5/1h' },
    })
    await stand.quiet()
    expect(passed).toEqual([true, true, true])
    expect((await stand.guard.peek(ALICE, 'all'))[0]?.remaining).toBe(5)
  })

  test('once handles an update once', async () => {
    let handled = 0
    const stand = desk({ storage: memory(), once: false }, (bot) =>
      position(bot, once(), () => {
        handled++
      }),
    )
    const update = says(ALICE, '/go')
    await stand.handle(update)
    await stand.handle(update)
    expect(handled).toBe(1)
  })

  test('a guard counts in the storage of the sentinel, and its refusals reach the listeners and the notices', async () => {
    const texts = { en: { limited: 'Later: {wait}.' } }
    const forgotten = (stand: Desk) => stand.guard.reset(ALICE)
    const { passed, reasons, stand } = await outcomes(
      throttle('1/1m'),
      position,
      [nothing, nothing, nothing, forgotten],
      { notices: { texts } },
    )
    await stand.quiet()
    expect(passed).toEqual([true, false, false, true])
    expect(reasons).toEqual(['limited', 'limited'])
    expect(stand.notices).toEqual(['Later: 1m.'])
    const { tally } = await stand.guard.health()
    expect([tally.allowed, tally.denied]).toEqual([2, 2])
  })

  test('a guard skips users whom the sentinel exempts', async () => {
    const { passed } = await outcomes(throttle('1/1m'), position, [nothing, nothing], {
      exempt: { owner: ALICE },
    })
    expect(passed).toEqual([true, true])
  })

  test('a guard works without a sentinel, with memory of its own', async () => {
    let handled = 0
    const { account, config } = new Extras(Date.now).hire(42)
    const bot = new Bot<GuardedContext>(account.token, config)
    position(bot, throttle({ limit: '1/1d', deny: 'silent' }), () => {
      handled++
    })
    await bot.handleUpdate(says(ALICE, '/go'))
    await bot.handleUpdate(says(ALICE, '/go'))
    await bot.handleUpdate(says(8, '/go'))
    expect(handled).toBe(2)
  })

  test('a guard passes errors of the handler on', async () => {
    const stand = desk({ storage: memory() }, (bot) =>
      position(bot, throttle('5/1m'), () => {
        throw new Error('out of stock')
      }),
    )
    await expect(stand.handle(says(ALICE, '/go'))).rejects.toThrow('out of stock')
  })
})

describe('a handler behind guards', () => {
  test('keeps its name, arity, `this`, arguments and result', async () => {
    const guard = throttle('1/1d')
    function buy(this: { stock: number }, ctx: Context, amount: number, ...more: string[]): string {
      return `${this.stock} ${ctx.from?.id} ${amount} ${more.join()}`
    }
    const guarded = guard(buy)
    const { account, config } = new Extras(Date.now).hire(42)
    const bot = new Bot(account.token, config)
    const told: unknown[] = []
    bot.use(async (ctx) => told.push(await guarded.call({ stock: 3 }, ctx, 2, 'a', 'b')))
    await bot.handleUpdate(says(ALICE, 'x'))
    await bot.handleUpdate(says(ALICE, 'y'))
    expect(told).toEqual(['3 7 2 a,b', undefined])
    expect([guarded.name, guarded.length]).toEqual(['buy', 2])
  })

  test('is one plan with the guards around it, evaluated from the outside in: a refusal charges nothing', async () => {
    let handled = 0
    const go = throttle({ name: 'slow', limit: '3/1h' })(
      requireRole('customer')(
        throttle({ name: 'fast', limit: '1/1m' })(() => {
          handled++
        }),
      ),
    )
    const stand = desk({ storage: memory(), throttle: false }, (bot) => bot.command('go', go))
    const limits: string[] = []
    stand.guard.on('denied', ({ verdict }) => limits.push(verdict.limit))
    await stand.says(ALICE, '/go')
    await stand.guard.grant(ALICE, 'customer')
    await stand.says(ALICE, '/go', '/go', '/go')
    stand.time.advance(60_000)
    await stand.says(ALICE, '/go')
    stand.time.advance(60_000)
    await stand.says(ALICE, '/go')
    stand.time.advance(60_000)
    await stand.says(ALICE, '/go')
    expect(limits).toEqual(['customer', 'fast', 'fast', 'slow'])
    expect(handled).toBe(3)
  })

  test('sees the remaining amounts of its limits and of those of the sentinel', async () => {
    const seen: unknown[] = []
    const stand = desk({ storage: memory(), throttle: '5/1h' }, (bot) =>
      bot.command(
        'go',
        throttle('3/1h')(function go(ctx: GuardedContext) {
          seen.push(ctx.sentinel.limits.map(({ name, remaining }) => [name, remaining]))
          return ctx.sentinel.refund()
        }),
      ),
    )
    await stand.says(ALICE, '/go', '/go')
    const first = [
      ['go', 2],
      ['user', 4],
    ]
    // The refund of the first update restored both limits.
    expect(seen).toEqual([first, first])
  })

  test('has limits that peek() and reset() find by name', async () => {
    const stand = desk({ storage: memory() }, (bot) =>
      bot.command(
        'go',
        throttle('2/1h')(function go() {}),
      ),
    )
    await stand.says(ALICE, '/go')
    const [state] = await stand.guard.peek(ALICE, 'go')
    expect(state).toMatchObject({ guard: 'throttle', limit: '2/1h', remaining: 1 })
    await stand.guard.reset(ALICE, 'go')
    expect((await stand.guard.peek(ALICE, 'go'))[0]?.remaining).toBe(2)
    await expect(stand.guard.peek(ALICE, 'gone')).rejects.toThrow(
      'Limits: user, user.inline, user.edits, user.joins, go',
    )
  })

  test('keeps its counts after reconfigure()', async () => {
    let handled = 0
    const stand = desk({ storage: memory() }, (bot) =>
      bot.command(
        'go',
        throttle('2/1h')(() => {
          handled++
        }),
      ),
    )
    await stand.says(ALICE, '/go')
    stand.guard.reconfigure({ throttle: '50/1m' })
    await stand.says(ALICE, '/go', '/go')
    expect(handled).toBe(2)
  })

  test('works behind two sentinels, and counts separately for each', async () => {
    const handled: string[] = []
    const go = throttle('1/1h')((ctx: Context) => {
      handled.push(String(ctx.me.id))
    })
    const one = desk({ storage: memory() }, (bot) => bot.command('go', go))
    const two = desk({ storage: memory() }, (bot) => bot.command('go', go))
    await one.says(ALICE, '/go')
    await two.says(ALICE, '/go')
    await one.says(ALICE, '/go')
    await two.says(ALICE, '/go')
    expect(handled).toHaveLength(2)
  })

  test('is run by close() for updates that a trailing debounce holds back', async () => {
    const handled: string[] = []
    const gather = debounce({ mode: 'trailing', window: '5s' })((ctx: GuardedContext) => {
      handled.push((ctx.sentinel.burst ?? []).map(({ msg }) => msg?.text).join(' '))
    })
    const stand = desk({ storage: memory() }, (bot) => bot.on('message', gather))
    await stand.says(ALICE, 'one', 'two')
    expect(handled).toEqual([])
    await stand.guard.close()
    expect(handled).toEqual(['one two'])
  })

  test('keeps the storage of a chain that was created with its own', async () => {
    const own = memory()
    const handled: string[] = []
    const go = throttle('9/1h')(
      compose(throttle('1/1h'), { storage: own, name: 'own' })(() => handled.push('go')),
    )
    const stand = desk({ storage: memory() }, (bot) => bot.command('go', go))
    await stand.says(ALICE, '/go', '/go')
    expect(handled).toEqual(['go'])
    await own.reset(42, userKey(ALICE))
    await stand.says(ALICE, '/go')
    expect(handled).toEqual(['go', 'go'])
  })
})

describe('misplaced guards', () => {
  const guard = throttle('1/1m') as unknown as (...args: unknown[]) => unknown
  const complaint = (message: string) => expect.objectContaining({ code: 'handler.invalid', message })

  test.each([
    ['undefined', [undefined], 'throttle 1/1m: undefined is not a handler'],
    ['a text', ['buy'], 'throttle 1/1m: "buy" is not a handler'],
    ['two handlers', [() => undefined, () => undefined], 'it guards one handler'],
    [
      'a getter',
      [() => undefined, { kind: 'getter', name: 'buy', addInitializer() {} }],
      'decorates a getter',
    ],
    ['a class', [class {}, { kind: 'class', name: 'Shop', addInitializer() {} }], 'decorates a class'],
    [
      'a getter, with legacy decorators',
      [{}, 'buy', { get: () => undefined }],
      'on Object.buy: undefined is not a handler',
    ],
  ])('%s is refused at once', (_, args, words) => {
    expect(() => guard(...args)).toThrow(complaint(expect.stringContaining(words) as unknown as string))
  })

  test('a field that is not a function is refused when an instance is created', () => {
    class Desk {
      // @ts-expect-error: not a handler
      @throttle('1/1m')
      go = 'away'
    }
    expect(() => new Desk()).toThrow(
      complaint(expect.stringContaining('on Desk.go: "away" is not a handler') as unknown as string),
    )
  })

  test('a guarded builder of a conversation throws when it is called, because its first argument is not a context', () => {
    const story = (_conversation: object, ctx: Context) => ctx.reply('What is your name?')
    const guarded = guard(story) as (conversation: object, ctx: object) => unknown
    expect(() => guarded({ waitFor: () => undefined }, {})).toThrow(
      complaint(
        'throttle 1/1m around story: it was called without a context. To guard a conversation, put the guard in front of the handler that enters it.',
      ),
    )
  })

  test('guards with the same name around one handler are refused at once', () => {
    const twice = throttle({ name: 'same', limit: '1/1m' })
    expect(() => twice(twice(() => undefined))).toThrow(expect.objectContaining({ code: 'limit.duplicate' }))
  })

  test('an unknown role is reported with the first update, and nobody is admitted', async () => {
    let handled = 0
    const stand = desk({ storage: memory(), roles: { admin: {} } }, (bot) =>
      bot.command(
        'go',
        requireRole('admn')(() => handled++),
      ),
    )
    const errors: unknown[] = []
    stand.guard.on('error', ({ error, during }) => errors.push([during, (error as Error).message]))
    await stand.says(ALICE, '/go')
    expect(handled).toBe(0)
    expect(errors).toEqual([['wiring', expect.stringContaining('Did you mean "admin"?')]])
  })

  test('an update that guards with errors stop is counted as denied, and its callback query is answered', async () => {
    let handled = 0
    const stand = desk({ storage: memory(), roles: { admin: {} } }, (bot) =>
      bot.on(
        ['message', 'callback_query'],
        requireRole('admn')(() => handled++),
      ),
    )
    stand.guard.on('error', () => undefined)
    const denied: unknown[] = []
    stand.guard.on('denied', ({ verdict, facts }) => {
      denied.push([verdict.guard, verdict.reason, verdict.note, facts.actorId])
    })
    await stand.says(ALICE, 'go')
    await stand.handle(taps(ALICE, 'go'))
    await stand.quiet()
    expect(handled).toBe(0)
    const why = 'could not be prepared; see the "error" event of "wiring"'
    expect(denied).toEqual([
      ['requireRole', 'unavailable', why, ALICE],
      ['requireRole', 'unavailable', why, ALICE],
    ])
    const { tally } = await stand.guard.health()
    expect([tally.allowed, tally.denied, [...tally.denials]]).toEqual([
      0,
      2,
      [['requireRole.unavailable', 2]],
    ])
    expect(stand.calls.map(({ method, payload }) => [method, payload.text])).toEqual([
      ['answerCallbackQuery', undefined],
    ])
  })
})
