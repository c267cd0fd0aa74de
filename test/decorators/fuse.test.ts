import { Bot, Composer, type Context, type NextFunction } from 'grammy'
import {
  auth,
  compose,
  concurrency,
  debounce,
  exempt,
  fromRateLimiter,
  fuse,
  type Guard,
  membership,
  memory,
  once,
  type PointsLimiter,
  policy,
  requireRegistered,
  requireRole,
  type SentinelOptions,
  type Storage,
  throttle,
} from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, later, says } from '../sentinel/desk.js'

/* Guards side by side in one call: evaluated together, but otherwise as if each stood alone. */

const ALICE = 7
const BOB = 8
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

type Note = (ctx: Context, next: NextFunction) => void
type Wire = (bot: Composer<GuardedContext>, note: Note) => void

interface Stand extends Desk {
  readonly handled: string[]
  readonly refused: string[]
  /** The number of evaluations in the storage that one update causes. */
  readonly asked: (text: string, from?: number) => Promise<number>
}

function stand(wire: Wire, options: SentinelOptions = {}): Stand {
  const handled: string[] = []
  const refused: string[] = []
  const { storage, count } = counted((options.storage as Storage | undefined) ?? memory())
  const at = desk({ throttle: '1000/1m', limits: true, ...options, name: 'shop', storage }, (bot) =>
    wire(fuse(bot), (ctx) => {
      handled.push(ctx.msg?.text ?? '')
    }),
  )
  at.guard.on('denied', ({ verdict }) => refused.push(verdict.limit))
  open.push(at)
  return {
    ...at,
    handled,
    refused,
    async asked(text, from = ALICE) {
      const before = count()
      await at.says(from, text)
      return count() - before
    },
  }
}

/** A storage that counts evaluations. */
function counted(storage: Storage): { readonly storage: Storage; readonly count: () => number } {
  let questions = 0
  const counting: Storage = Object.create(storage, {
    prepare: {
      async value(...given: Parameters<Storage['prepare']>) {
        const judge = await storage.prepare(...given)
        return Object.create(judge, {
          evaluate: {
            value(...asked: Parameters<typeof judge.evaluate>) {
              questions++
              return judge.evaluate(...asked)
            },
          },
        })
      },
    },
  })
  return { storage: counting, count: () => questions }
}

test('guards in front of a handler are evaluated together, in one evaluation besides that of the sentinel', async () => {
  const at = stand(
    (bot, note) => {
      bot.command('buy', requireRegistered(), throttle('2/1m'), debounce('1s'), note)
      bot.on('message:text').hears(/sell/, throttle('2/1m'), requireRegistered(), note)
      bot.chatType('private').command('give', policy('strict'), throttle('2/1m'), note)
    },
    { policies: { strict: { throttle: '3/1m', registered: true } } },
  )
  await at.guard.register(ALICE)
  expect(await at.asked('/buy')).toBe(2)
  expect(await at.asked('sell')).toBe(2)
  expect(await at.asked('/give')).toBe(2)
  expect(await at.asked('hello')).toBe(1)
  expect(at.handled).toEqual(['/buy', 'sell', '/give'])
  await at.says(BOB, '/buy', 'sell', '/give')
  expect(at.refused).toEqual(['registered', 'registered', 'registered'])
})

test('fused guards keep their names in verdicts and in limits that are set at run time', async () => {
  const at = stand((bot, note) => {
    bot.command('buy', throttle('1/1m'), throttle('2/1h'), note)
    bot.command('sell', throttle('1/1m'), requireRegistered(), note)
  })
  await at.guard.register(ALICE)
  await at.says(ALICE, '/buy', '/sell', '/buy', '/sell')
  expect(at.handled).toEqual(['/buy', '/sell'])
  expect(at.refused).toEqual(['throttle 1/1m', 'throttle 1/1m~2'])
  await at.guard.limits.set(ALICE, 'throttle 1/1m', '5/1m')
  await at.guard.reset(ALICE)
  await at.says(ALICE, '/buy', '/buy', '/buy')
  expect(at.handled).toEqual(['/buy', '/sell', '/buy', '/buy'])
  expect(at.refused.at(-1)).toBe('throttle 2/1h')
})

test('a refusal by one guard charges none of the fused guards', async () => {
  const at = stand((bot, note) => {
    bot.command('sell', throttle('1/1m'), requireRegistered({ deny: 'silent' }), note)
  })
  await at.says(ALICE, '/sell', '/sell')
  await at.guard.register(ALICE)
  await at.says(ALICE, '/sell', '/sell')
  expect([at.handled, at.refused]).toEqual([['/sell'], ['registered', 'registered', 'throttle 1/1m']])
})

test('state of fused guards survives a restart', async () => {
  const storage = memory()
  const wire: Wire = (bot, note) => {
    bot.command('buy', throttle('1/1h'), debounce('1s'), note)
  }
  const before = stand(wire, { storage })
  await before.says(ALICE, '/buy')
  const after = stand(wire, { storage })
  await after.says(ALICE, '/buy')
  expect([before.handled, after.handled]).toEqual([['/buy'], []])
})

test('a limit keeps its count when guards are added beside it or removed', async () => {
  const storage = memory()
  const alone: Wire = (bot, note) => {
    bot.command('buy', throttle('3/1h'), note)
  }
  const together: Wire = (bot, note) => {
    bot.command('buy', requireRegistered(), throttle('3/1h'), debounce('1ms'), note)
  }
  const handled: string[] = []
  for (const wire of [alone, together, alone, together]) {
    const at = stand(wire, { storage })
    await at.guard.register(ALICE)
    await at.says(ALICE, '/buy')
    handled.push(...at.handled)
  }
  expect(handled).toHaveLength(3)
})

test('fused limits keep their counts after reconfigure()', async () => {
  const at = stand((bot, note) => {
    bot.command('buy', throttle('2/1h'), throttle('3/1d'), note)
  })
  await at.says(ALICE, '/buy')
  at.guard.reconfigure({ throttle: '900/1m' })
  await at.says(ALICE, '/buy', '/buy')
  expect([at.handled, at.refused]).toEqual([['/buy', '/buy'], ['throttle 2/1h']])
})

test('a sentinel in shadow mode reports what each fused guard would refuse, by its name', async () => {
  const at = stand(
    (bot, note) => {
      bot.command(
        'buy',
        compose(throttle('1/1h'), throttle({ limit: '1/1h', scope: 'chat' })),
        requireRegistered(),
        note,
      )
    },
    { shadow: true },
  )
  const shadows: string[] = []
  at.guard.on('shadow', ({ verdict: { limit } }) => shadows.push(limit))
  await at.says(ALICE, '/buy', '/buy')
  expect(at.handled).toEqual(['/buy', '/buy'])
  const name = 'throttle 1/1h + throttle 1/1h'
  expect(shadows).toEqual(['registered', name, `${name}~2`, 'registered'])
})

test('a guard in two places is one limit, and is evaluated separately', async () => {
  const at = stand((bot, note) => {
    const shared = throttle('2/1m')
    bot.command('buy', shared, debounce('1s'), note)
    bot.command('sell', requireRegistered(), shared, note)
  })
  await at.guard.register(ALICE)
  expect(await at.asked('/buy')).toBe(3)
  expect(await at.asked('/sell')).toBe(3)
  await at.says(ALICE, '/sell')
  expect([at.handled, at.refused]).toEqual([['/buy', '/sell'], ['throttle 2/1m']])
})

test('a guard that is also one side of a branch is one limit', async () => {
  const at = stand((bot, note) => {
    const shared = throttle('3/1m')
    bot.branch(
      ({ msg }) => msg?.text === 'hello',
      shared,
      (_, next) => next(),
    )
    bot.hears('hello', note)
    bot.command('buy', requireRegistered(), shared, note)
  })
  await at.guard.register(ALICE)
  await at.says(ALICE, 'hello', 'hello', '/buy', '/buy', 'hello')
  expect([at.handled, at.refused]).toEqual([
    ['hello', 'hello', '/buy'],
    ['throttle 3/1m', 'throttle 3/1m'],
  ])
})

describe('a guard that is also used where fuse() cannot see its neighbours is one limit', () => {
  type Elsewhere = (bot: Composer<GuardedContext>, guard: Guard<GuardedContext>, note: Note) => void
  const elsewhere: [string, Elsewhere][] = [
    [
      'on a composer that is not fused',
      (bot, guard, note) => {
        const shop = new Composer<GuardedContext>()
        shop.command('sell', guard, note)
        bot.use(shop)
      },
    ],
    ['in middleware from lazy()', (bot, guard, note) => bot.command('sell').lazy(() => [guard, note])],
    [
      'in a route of route()',
      (bot, guard, note) => bot.command('sell').route(() => 'sell', { sell: new Composer(guard, note) }),
    ],
  ]

  test.each(elsewhere)('%s: it keeps its count, whichever place is used first', async (_, wire) => {
    for (const first of ['/buy', '/sell']) {
      const at = stand((bot, note) => {
        const shared = throttle<GuardedContext>('3/1m')
        bot.command('buy', shared, throttle('100/1m'), note)
        wire(bot, shared, note)
      })
      const told: string[] = []
      at.guard.on('warning', ({ code }) => told.push(code))
      const second = first === '/buy' ? '/sell' : '/buy'
      await at.says(ALICE, first, first, second, second, first, second, '/buy')
      expect(at.handled).toEqual([first, first, second])
      expect(new Set(at.refused)).toEqual(new Set(['throttle 3/1m']))
      // The shared guard is evaluated separately, and its neighbour as well.
      expect([await at.asked('/buy', BOB), await at.asked('/sell', BOB)]).toEqual([3, 2])
      expect(told).toEqual(first === '/buy' ? ['handler.apart'] : [])
      // The shared guard keeps its count when the options of the sentinel change.
      at.guard.reconfigure({ throttle: '900/1m' })
      await at.says(ALICE, '/buy', '/sell')
      expect(at.handled).toHaveLength(5)
      expect((await at.guard.peek(ALICE)).filter(({ name }) => name === 'throttle 3/1m')).toHaveLength(1)
    }
  })

  test('behind other guards, it counts for all of its places from its first use elsewhere', async () => {
    const at = stand((bot, note) => {
      const shared = throttle<GuardedContext>('3/1m')
      bot.command('buy', throttle('100/1m'), requireRegistered(), shared, debounce('1ms'), note)
      bot.command('sell').lazy(() => [shared, note])
    })
    at.guard.on('warning', () => undefined)
    await at.guard.register(ALICE)
    for (const text of ['/buy', '/sell', '/buy', '/sell', '/buy', '/sell']) {
      await at.says(ALICE, text)
      at.time.advance(5)
    }
    // The first /buy, before the guard was used elsewhere, was counted with its neighbours.
    expect(at.handled).toEqual(['/buy', '/sell', '/buy', '/sell'])
    // The guards before it are still evaluated together.
    expect(await at.asked('/buy')).toBe(3)
  })

  test('updates that its neighbours hold back are handled', async () => {
    const at = stand((bot, note) => {
      const shared = throttle<GuardedContext>('3/1m')
      bot.hears('buy', shared, debounce({ mode: 'trailing', window: '1s' }), note)
      bot.command('sell').lazy(() => [shared, note])
    })
    at.guard.on('warning', () => undefined)
    await at.says(ALICE, 'buy')
    expect(at.handled).toEqual([])
    await at.says(ALICE, '/sell')
    await at.quiet()
    expect(at.handled.sort()).toEqual(['/sell', 'buy'])
    await at.says(ALICE, '/sell')
    await at.says(ALICE, '/sell')
    expect(at.handled).toHaveLength(3)
  })
})

test('behind a trailing debounce, a limit counts bursts instead of messages', async () => {
  const at = stand((bot, note) => {
    bot.on('message', debounce({ window: '1s', mode: 'trailing' }), throttle('1/1h'), note)
  })
  await at.says(ALICE, 'one', 'two', 'three')
  at.time.advance(1500)
  await at.quiet()
  await at.says(ALICE, 'four')
  at.time.advance(1500)
  await at.quiet()
  expect([at.handled, at.refused]).toEqual([['three'], ['throttle 1/1h']])
})

test('behind a resolver of auth, a limit charges only admitted users, and its cost may read the identity', async () => {
  const wire: Wire = (bot, note) => {
    bot.command(
      'buy',
      auth({
        deny: 'silent',
        resolve: ({ actorId }) => (actorId === ALICE ? { allow: true, value: 'gold' } : false),
      }),
      throttle({
        limit: '3/1m',
        cost: (_, ctx) => ((ctx as GuardedContext).sentinel.identity === 'gold' ? 1 : 3),
      }),
      note,
    )
  }
  // Without injected clocks: the resolver's answer expires by the clock of the storage.
  const at = stand(wire, { clock: undefined, timers: undefined })
  await at.guard.register(ALICE)
  await at.guard.register(BOB)
  await at.says(ALICE, '/buy', '/buy', '/buy', '/buy')
  await at.says(BOB, '/buy')
  expect(at.handled).toEqual(['/buy', '/buy', '/buy'])
  // A refusal by a resolver names no limit.
  expect(at.refused).toEqual(['throttle 3/1m', ''])
})

test('membership reports only the updates that guards before it admit', async () => {
  const seen: string[] = []
  const at = stand((bot) => {
    const members = membership()
    members.on('joined', ({ member }) => seen.push(member.first_name))
    bot.on('chat_member', requireRegistered({ on: ['membership'], deny: 'silent' }), members)
  })
  const joins = (id: number) =>
    at.handle({
      update_id: 1000 + id,
      chat_member: {
        chat: { id: -1001000000001, type: 'supergroup', title: 'Plaza' },
        from: { id, is_bot: false, first_name: `User ${id}` },
        date: 1,
        old_chat_member: { status: 'left', user: { id, is_bot: false, first_name: `User ${id}` } },
        new_chat_member: { status: 'member', user: { id, is_bot: false, first_name: `User ${id}` } },
      },
    })
  await at.guard.register(ALICE)
  await joins(ALICE)
  await joins(BOB)
  expect(seen).toEqual(['User 7'])
})

test('exempt() skips the guards after it, and refunds those before it', async () => {
  const at = stand((bot, note) => {
    bot.command(
      'buy',
      throttle('1/1h'),
      exempt({ users: [ALICE] }),
      requireRegistered({ deny: 'silent' }),
      note,
    )
  })
  await at.says(ALICE, '/buy', '/buy')
  await at.says(BOB, '/buy')
  expect([at.handled, at.refused]).toEqual([['/buy', '/buy'], ['registered']])
})

test('concurrency takes a place only after the guards beside it have admitted the update', async () => {
  let leave = (): void => undefined
  const at = stand((bot) => {
    bot.command('buy', throttle('3/1m'), concurrency({ most: 1, queue: 0, deny: 'silent' }), () => {
      at.handled.push('/buy')
      return new Promise<void>((done) => {
        leave = done
      })
    })
  })
  const first = at.says(ALICE, '/buy')
  await at.says(ALICE, '/buy')
  leave()
  await first
  expect([at.handled, at.refused]).toEqual([['/buy'], ['user']])
})

test('behind a required role of Telegram, refused users do not use up the limit of the chat', async () => {
  const at = stand(
    (bot, note) => {
      bot.command(
        'ban',
        requireRole('chat:administrator', { deny: 'silent' }),
        throttle({ limit: '2/1m', scope: 'chat', deny: 'silent', penalty: { after: 1, bans: ['10m'] } }),
        note,
      )
    },
    { storage: later() },
  )
  at.hasAdministrators(ALICE)
  const group = { group: true } as const
  await Promise.all(Array.from({ length: 5 }, () => at.handle(says(BOB, '/ban', group))))
  await at.handle(says(ALICE, '/ban', group))
  expect([at.handled, at.refused]).toEqual([['/ban'], Array(5).fill('chat:administrator')])
})

test('an update that fromRateLimiter() refuses is not recorded by the debounce behind it', async () => {
  let room = false
  const limiter: PointsLimiter = {
    async consume() {
      if (!room) throw { msBeforeNext: 1000, remainingPoints: 0, consumedPoints: 9, isFirstInDuration: false }
      return { msBeforeNext: 0, remainingPoints: 1, consumedPoints: 1, isFirstInDuration: false }
    },
  }
  const at = stand((bot, note) => {
    bot.command('buy', fromRateLimiter(limiter, { deny: 'silent' }), debounce('1m'), note)
  })
  await at.says(ALICE, '/buy')
  room = true
  await at.says(ALICE, '/buy')
  expect(at.handled).toEqual(['/buy'])
})

test('redelivered parts of an album are skipped, even if the limit in front admits them for free', async () => {
  const handled: number[] = []
  const at = stand(
    (bot) => {
      bot.on('message:photo', throttle('20/1m'), once(), (ctx) => {
        handled.push(ctx.update.update_id)
      })
    },
    { once: false, debounce: false },
  )
  const album = [1, 2].map((nth) => ({
    update_id: 9000 + nth,
    message: {
      message_id: nth,
      date: 1,
      chat: { id: ALICE, type: 'private' as const, first_name: 'Alice' },
      from: { id: ALICE, is_bot: false, first_name: 'Alice' },
      media_group_id: 'a',
      photo: [{ file_id: `f${nth}`, file_unique_id: `u${nth}`, width: 1, height: 1 }],
    },
  }))
  for (const part of [...album, ...album]) await at.handle(part)
  expect(handled).toEqual([9001, 9002])
})

test('guards with their own name or storage keep it', async () => {
  const own = counted(memory())
  const at = stand((bot, note) => {
    bot.command(
      'buy',
      compose(throttle('1/1m'), { name: 'sales' }),
      compose(throttle('2/1m'), { storage: own.storage }),
      note,
    )
  })
  expect(await at.asked('/buy')).toBe(2)
  await at.says(ALICE, '/buy')
  expect([at.handled, at.refused, own.count()]).toEqual([['/buy'], ['sales'], 1])
})

test('guards that do not fit into one plan are evaluated in turn', async () => {
  const named = (): Guard => throttle({ name: 'sales', limit: '3/1m' })
  const at = stand((bot, note) => {
    bot.command('buy', named(), named(), note)
  })
  expect(await at.asked('/buy')).toBe(3)
  expect(at.handled).toEqual(['/buy'])
})

test('without a sentinel, each guard uses its own memory', async () => {
  const handled: string[] = []
  const at = desk()
  open.push(at)
  const bot = fuse(new Bot('1:token', { botInfo: at.bot.botInfo }))
  bot.command('buy', throttle({ limit: '1/1m', deny: 'silent' }), debounce('1ms'), (ctx) => {
    handled.push(ctx.match)
  })
  await bot.handleUpdate(says(ALICE, '/buy tea'))
  await bot.handleUpdate(says(ALICE, '/buy milk'))
  expect(handled).toEqual(['tea'])
})

describe('fuse()', () => {
  test('returns the composer itself, and fuses composers that its methods return and bots with an installed sentinel', async () => {
    const composer = new Composer<Context>()
    expect(fuse(composer)).toBe(composer)
    const { use } = composer
    expect(fuse(composer).use).toBe(use)
    expect(Object.hasOwn(composer.on('message'), 'use')).toBe(true)
    const at = desk()
    open.push(at)
    const bot = new Bot<GuardedContext>('1:token')
    at.guard.install(bot)
    expect(Object.hasOwn(bot, 'use')).toBe(true)
  })

  test('fuses guards in forks, in branches and behind error boundaries', async () => {
    const at = stand((bot, note) => {
      bot.fork(requireRegistered(), throttle('9/1m'), note)
      bot.errorBoundary(
        () => undefined,
        throttle('9/1m'),
        requireRegistered(),
        (_, next) => next(),
      )
      bot.branch(() => true, [requireRegistered(), throttle('9/1m'), note], [])
    })
    await at.guard.register(ALICE)
    expect(await at.asked('hello')).toBe(4)
    expect(at.handled).toEqual(['hello', 'hello'])
  })

  test('does not fuse guards on the two sides of a branch', async () => {
    const at = stand((bot, note) => {
      bot
        .command('go')
        .branch(
          ({ from }) => from?.id === ALICE,
          throttle({ limit: '1/1m', deny: 'silent' }),
          requireRegistered({ deny: 'silent' }),
        )
      bot.use(note)
    })
    await at.says(ALICE, '/go', '/go')
    await at.says(BOB, '/go')
    expect([at.handled, at.refused]).toEqual([['/go'], ['throttle 1/1m', 'registered']])
  })

  test('accepts a composer whose methods return something else', () => {
    class Terse extends Composer<Context> {
      override use(...given: Parameters<Composer<Context>['use']>): never {
        super.use(...given)
        return undefined as never
      }
    }
    expect(fuse(new Terse()).use(throttle('1/1m'), requireRegistered())).toBeUndefined()
  })

  test('refuses values that are not composers', () => {
    expect(() => fuse({} as Composer<Context>)).toThrow(
      expect.objectContaining({ code: 'option.invalid', message: expect.stringContaining('not a composer') }),
    )
    expect(() => fuse(requireRole('vip') as unknown as Composer<Context>)).toThrow('not a composer')
  })
})
