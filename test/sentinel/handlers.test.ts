import { jest } from '@jest/globals'
import type { Context, MiddlewareFn } from 'grammy'
import {
  compose,
  debounce,
  exempt,
  type Guard,
  memory,
  policy,
  requirePermission,
  requireRegistered,
  requireRole,
  type SentinelOptions,
  throttle,
} from '../../src/index.js'
import { ChainHost } from '../../src/middleware/chain/control-host.js'
import { metrics } from '../../src/observability/metrics/index.js'
import { stats } from '../../src/observability/stats/index.js'
import { type Desk, desk, says } from './desk.js'

// The guards behave in front of a handler as in front of the bot.

const ALICE = 7

const GUARDS: readonly [string, Guard, SentinelOptions][] = [
  ['throttle', throttle('1/1m'), {}],
  ['throttle, exact', throttle({ limit: '1/1m', algorithm: 'sliding' }), {}],
  ['debounce', debounce('5s'), {}],
  ['policy', policy('careful'), { policies: { careful: { throttle: '1/1m', debounce: '5s' } } }],
]

describe('an update whose handler failed is redelivered', () => {
  test.each(GUARDS)('and is not refused because of its own charge: %s', async (_, guard, options) => {
    const runs: string[] = []
    const { bot, handle, guard: sentinel } = desk(options)
    bot.command('go', guard, () => {
      runs.push('go')
      if (runs.length === 1) throw new Error('the till is stuck')
    })
    const update = says(ALICE, '/go')
    await expect(handle(update)).rejects.toThrow('the till is stuck')
    await handle(update)
    expect(runs).toHaveLength(2)
    // It was charged once, and another one is refused.
    await handle(says(ALICE, '/go'))
    expect(runs).toHaveLength(2)
    expect((await sentinel.health()).tally).toMatchObject({ allowed: 2, denied: 1 })
  })

  test('and is refused if the user has lost the role meanwhile', async () => {
    let runs = 0
    const made = desk({ roles: { seller: {} } })
    made.bot.command('go', requireRole('seller'), () => {
      runs++
      throw new Error('the till is stuck')
    })
    await made.says(ALICE, 'hello')
    await made.guard.grant(ALICE, 'seller')
    const update = says(ALICE, '/go')
    await expect(made.handle(update)).rejects.toThrow('the till is stuck')
    await made.guard.revoke(ALICE, 'seller')
    await made.handle(update)
    expect(runs).toBe(1)
  })
})

describe('a sentinel in shadow', () => {
  const all: readonly [string, Guard][] = [
    ['throttle', throttle('1/1m')],
    ['debounce', debounce('5s')],
    ['policy', policy('careful')],
    ['requireRole', requireRole('seller')],
    ['requireRegistered', requireRegistered()],
  ]
  const options: SentinelOptions = {
    roles: { seller: {} },
    policies: { careful: { throttle: '1/1m' } },
    auth: { registration: 'explicit' },
  }

  test.each(all)('refuses nobody in front of a handler, either: %s', async (_, guard) => {
    let runs = 0
    const told: string[] = []
    const made = desk({ ...options, shadow: true })
    made.bot.command('go', guard, () => {
      runs++
    })
    made.guard.on('shadow', ({ verdict: { guard } }) => told.push(guard))
    made.guard.on('denied', ({ verdict }) => told.push(`denied by ${verdict.guard}`))
    await made.says(ALICE, '/go', '/go', '/go')
    expect(runs).toBe(3)
    expect(told.length).toBeGreaterThanOrEqual(2)
    expect(told.filter((each) => each.startsWith('denied'))).toEqual([])
  })

  test('and takes effect with the next update after it is installed', async () => {
    let runs = 0
    const made = desk()
    made.bot.command('go', throttle('1/1m'), () => {
      runs++
    })
    await made.says(ALICE, '/go', '/go')
    expect(runs).toBe(1)
    await made.guard.reconfigure({ shadow: true })
    await made.says(ALICE, '/go', '/go')
    expect(runs).toBe(3)
    await made.guard.reconfigure({ shadow: false })
    await made.says(ALICE, '/go')
    expect(runs).toBe(3)
  })
})

describe('ctx.sentinel behind a guard of the handler', () => {
  test('has the value of the resolver', async () => {
    const seen: unknown[] = []
    const { bot, says: say } = desk({
      auth: { registration: 'auto', resolve: () => ({ allow: true, value: { plan: 'pro' } }) },
    })
    bot.command('plain', (ctx) => void seen.push(ctx.sentinel.identity))
    bot.command('guarded', throttle('3/1h'), debounce('1s'), (ctx) => void seen.push(ctx.sentinel.identity))
    await say(ALICE, '/plain', '/guarded')
    expect(seen).toEqual([{ plan: 'pro' }, { plan: 'pro' }])
  })

  async function refunded(what: (made: Desk) => void): Promise<Desk> {
    const made = desk({
      throttle: [
        { name: 'user', limit: '10/1h' },
        { name: 'uploads', limit: '3/1h' },
      ],
    })
    what(made)
    await made.says(ALICE, '/go')
    return made
  }
  const inner = throttle({ name: 'inner', limit: '5/1h' })
  const left = async ({ guard }: Desk): Promise<unknown> =>
    Object.fromEntries((await guard.peek(ALICE)).map(({ name, remaining }) => [name, remaining]))

  test('refunds the charges of all guards', async () => {
    const made = await refunded(({ bot }) => bot.command('go', inner, (ctx) => ctx.sentinel.refund()))
    expect(await left(made)).toMatchObject({ user: 10, uploads: 3, inner: 5 })
    const denied = await refunded(({ bot }) =>
      bot.command('go', throttle({ name: 'inner', limit: '5/1h' }), (ctx) =>
        ctx.sentinel.deny({ refund: true }),
      ),
    )
    expect(await left(denied)).toMatchObject({ user: 10, uploads: 3, inner: 5 })
  })

  test('refunds one limit, whichever guard it belongs to', async () => {
    const made = await refunded(({ bot }) =>
      bot.command('go', throttle({ name: 'inner', limit: '5/1h' }), (ctx) => ctx.sentinel.refund('uploads')),
    )
    expect(await left(made)).toMatchObject({ user: 9, uploads: 3, inner: 4 })
  })

  test('warns of a name that no limit has', async () => {
    const warned: string[] = []
    const made = await refunded(({ bot, guard }) => {
      guard.on('warning', ({ code, message }) => warned.push(`${code}: ${message}`))
      bot.command('go', throttle({ name: 'inner', limit: '5/1h' }), (ctx) => ctx.sentinel.refund('uplods'))
    })
    expect(await left(made)).toMatchObject({ user: 9, uploads: 2, inner: 4 })
    expect(warned).toEqual([
      'limit.unknown: ctx.sentinel.refund: no limit is named "uplods", so nothing was refunded. Did you mean "uploads"? The limit of a handler is known once an update has reached it.',
    ])
  })

  test.each([
    ['usr', 1],
    ['user', 0],
    ['user.inline', 0],
    ['inner', 0],
    ['ask', 0],
    ['ask.inline', 0],
  ])(
    'remaining(%j) warns of names that no limit has, not of limits that were not asked',
    async (name, times) => {
      const OWNER = 1
      const policies = { ask: { throttle: '2/1m' } } as const
      const throttled = { limit: '10/1h', inline: '5/1h' } as const
      const made = desk({ throttle: throttled, policies, exempt: { owner: OWNER } }, (bot) => {
        bot.command('go', throttle({ name: 'inner', limit: '5/1h' }), () => undefined)
        bot.on('message', async ({ sentinel }) => {
          sentinel.remaining(name)
          if (name !== 'usr') await sentinel.refund(name)
        })
      })
      const warned: string[] = []
      made.guard.on('warning', ({ code, message }) => {
        // The first sentinel to run also warns of policies that handlers of other tests ask for.
        if (code !== 'policy.unknown') warned.push(`${code}: ${message}`)
      })
      await made.says(ALICE, '/go', 'hello', 'hello')
      await made.says(OWNER, 'hello')
      expect(warned).toEqual(
        Array(times).fill(
          'limit.unknown: ctx.sentinel.remaining: no limit is named "usr", so what remains is unknown. Did you mean "user"? The limit of a handler is known once an update has reached it.',
        ),
      )
    },
  )

  test('remaining() for an exempt user lists no limits', async () => {
    const listed = jest.spyOn(ChainHost.prototype, 'limitNames')
    const made = desk({ throttle: '10/1h', exempt: { owner: 1 } }, (bot) => {
      bot.on('message', ({ sentinel }) => void sentinel.remaining('user'))
    })
    await made.says(1, 'hello')
    expect(listed).not.toHaveBeenCalled()
    listed.mockRestore()
  })
})

describe('an update that a guard of its handler refuses', () => {
  test.each<[string, Guard, number]>([
    ['throttle', throttle('1/1m'), 1],
    ['requireRole', requireRole('seller'), 0],
  ])('is counted once: %s', async (_, guard, allowed) => {
    const made = desk({ roles: { seller: {} }, users: true, stats: stats() })
    const told: boolean[] = []
    made.guard.on('denied', ({ wasAllowed }) => told.push(wasAllowed))
    made.bot.command('go', guard, () => undefined)
    const exporter = metrics(made.guard)
    await made.says(ALICE, '/go', '/go', '/go', '/go')
    const denied = 4 - allowed
    expect(told).toEqual(Array(denied).fill(true))
    expect((await made.guard.health()).tally).toMatchObject({ allowed, denied })
    expect(await made.guard.stats()).toMatchObject({ updates: 4, allowed, denied })
    const text = await exporter.registry.metrics()
    const count = (start: RegExp): number =>
      text
        .split('\n')
        .filter((line) => start.test(line))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    expect(count(/^sentinel_verdicts_total\{.*verdict="allowed"/)).toBe(4)
    expect(count(/^sentinel_verdicts_total\{/)).toBe(4)
    expect(count(/^sentinel_handler_denials_total\{/)).toBe(denied)
    made.time.advance(1000)
    await made.quiet()
    expect(await made.guard.users.read(ALICE)).toMatchObject({ counts: { message: 4, denials: denied } })
    await made.guard.close()
    exporter.close()
  })

  test('is counted once if the handler refuses it', async () => {
    const made = desk({ stats: stats() })
    made.bot.command('go', (ctx) => ctx.sentinel.deny())
    await made.says(ALICE, '/go', '/go')
    expect((await made.guard.health()).tally).toMatchObject({ allowed: 0, denied: 2 })
    expect(await made.guard.stats()).toMatchObject({ updates: 2, allowed: 0, denied: 2 })
  })

  test('is counted once if it is refused twice', async () => {
    const made = desk({ stats: stats(), users: true })
    const a = throttle('1/1m')(async function a() {})
    const b = throttle('1/1m')(async function b() {})
    const first: boolean[] = []
    made.guard.on('denied', ({ isFirst }) => first.push(isFirst))
    made.bot.command('go', async (ctx) => {
      await a(ctx)
      await b(ctx)
      await ctx.sentinel.deny()
    })
    await made.says(ALICE, '/go', '/go', '/go')
    made.time.advance(1000)
    await made.quiet()
    expect((await made.guard.health()).tally).toMatchObject({ allowed: 0, denied: 3 })
    expect(await made.guard.stats()).toMatchObject({ updates: 3, allowed: 0, denied: 3 })
    expect(await made.guard.users.read(ALICE)).toMatchObject({ counts: { message: 3, denials: 3 } })
    expect(first.filter(Boolean)).toHaveLength(3)
  })

  test('counts as one update of its user if it failed and is redelivered', async () => {
    const made = desk({ users: true })
    let failing = true
    made.bot.command('go', () => {
      if (failing) throw new Error('the till is stuck')
    })
    const update = says(ALICE, '/go')
    await expect(made.handle(update)).rejects.toThrow('the till is stuck')
    failing = false
    await made.handle(update)
    made.time.advance(1000)
    await made.quiet()
    expect(await made.guard.users.read(ALICE)).toMatchObject({ counts: { message: 1 } })
  })
})

describe('a guard in front of a handler whose updates it does not count', () => {
  const joins = (nth: number): ReturnType<typeof says> => {
    const update = says(100 + nth, '', { group: true })
    const { text: _, ...message } = update.message as { text: string }
    return {
      ...update,
      message: { ...message, new_chat_members: [(message as { from?: object }).from] },
    } as never
  }

  test('causes a warning', async () => {
    const warned: string[] = []
    const made = desk({ storage: memory() })
    made.guard.on('warning', ({ code, message }) => warned.push(`${code}: ${message}`))
    let runs = 0
    made.bot.on('message:new_chat_members', throttle('2/1m'), () => {
      runs++
    })
    for (let nth = 0; nth < 25; nth++) await made.handle(joins(nth))
    expect(runs).toBe(25)
    expect(warned).toEqual([
      expect.stringMatching(/^guard\.idle: throttle: 20 updates came here, .*on: \['service'\]/),
    ])
  })

  test('causes no warning if it counts other updates', async () => {
    const warned: string[] = []
    const made = desk()
    made.guard.on('warning', ({ code }) => warned.push(code))
    made.bot.on('message', throttle('100/1m'), () => undefined)
    await made.handle(says(ALICE, 'hello', { group: true }))
    for (let nth = 0; nth < 25; nth++) await made.handle(joins(nth))
    expect(warned).not.toContain('guard.idle')
  })

  test('causes no warning if it only collects albums', async () => {
    const warned: string[] = []
    const made = desk()
    made.guard.on('warning', ({ code }) => warned.push(code))
    const taps = debounce({ window: '500ms', on: ['tap'], albums: '300ms' })
    made.bot.on('message', taps, () => undefined)
    for (let nth = 0; nth < 25; nth++) await made.says(ALICE, `message ${nth}`)
    expect(warned).not.toContain('guard.idle')
  })
})

describe('an update that a guard of its handler refused', () => {
  const policies = { p: { throttle: { limit: '1/1m', penalty: { after: 1, bans: ['1h'] } } } } as const

  test('is refused when it is redelivered, whatever failed around the handler', async () => {
    let runs = 0
    let failing = false
    const made = desk({ policies })
    made.bot.use(async (_, next) => {
      await next()
      if (failing) throw new Error('the session cannot be written')
    })
    made.bot.command('go', policy('p'), () => {
      runs++
    })
    await made.says(ALICE, '/go', '/go')
    failing = true
    const update = says(ALICE, '/go')
    await expect(made.handle(update)).rejects.toThrow('the session')
    failing = false
    await made.handle(update)
    expect(runs).toBe(1)
  })

  test('is charged for each delivery if middleware before it failed', async () => {
    let runs = 0
    const made = desk()
    let failing = true
    made.bot.use((_, next) => {
      if (failing) throw new Error('the session cannot be read')
      return next()
    })
    made.bot.command('go', throttle('1/1m'), () => {
      runs++
    })
    const updates = Array.from({ length: 5 }, () => says(ALICE, '/go'))
    for (const update of updates) await expect(made.handle(update)).rejects.toThrow('the session')
    failing = false
    for (const update of updates) await made.handle(update)
    expect(runs).toBe(1)
  })
})

describe('two requirements of one handler', () => {
  const roles = { admin: { allow: ['orders.*'] } } as const
  const weaker: readonly [string, Guard, Guard][] = [
    ['on other updates', requireRole('admin', { on: ['tap'] }), requireRole('admin')],
    ['in shadow', requireRole('admin', { shadow: true }), requireRole('admin')],
    ['open where the storage fails', requireRole('admin', { onFailure: 'open' }), requireRole('admin')],
    ['registered, in shadow', requireRegistered({ shadow: true }), requireRegistered()],
    [
      'a permission, on other updates',
      requirePermission('orders.refund', { on: ['tap'] }),
      requirePermission('orders.refund'),
    ],
    [
      'a permission, in shadow',
      requirePermission('orders.refund', { shadow: true }),
      requirePermission('orders.refund'),
    ],
  ]

  test.each(weaker)(
    'are both checked: a weaker one, %s, does not replace the other',
    async (_, weak, strong) => {
      let runs = 0
      const handler = (): void => {
        runs++
      }
      const made = desk({ roles, auth: { registration: 'explicit' } })
      made.bot.command('out', weak(strong(handler)))
      made.bot.command('in', strong(weak(handler)))
      made.bot.command('both', compose(weak, strong), handler)
      await made.says(ALICE, '/out', '/in', '/both')
      expect(runs).toBe(0)
    },
  )

  test('are checked once if they are the same', async () => {
    const told: string[] = []
    const made = desk({ roles })
    made.guard.on('denied', ({ verdict }) => told.push(verdict.limit))
    made.bot.command('go', requireRole('admin')(requireRole('admin')(() => undefined)))
    await made.says(ALICE, '/go')
    expect(told).toEqual(['admin'])
  })
})

test.each<[string, (limit: Guard, free: Guard, handler: () => void) => readonly MiddlewareFn[]]>([
  ['around', (limit, free, handler) => [limit(free(handler))]],
  ['composed', (limit, free, handler) => [compose(limit, free), handler]],
  ['composed, around', (limit, free, handler) => [compose(limit, free)(handler)]],
  ['in a chain', (limit, free, handler) => [limit, free, handler]],
])('exempt() also exempts from earlier guards: %s', async (_, chain) => {
  let runs = 0
  const made = desk({ roles: { staff: {} }, exempt: { owner: 5 } })
  const handler = (): void => {
    runs++
  }
  made.bot.command('owner', ...chain(throttle('2/1h'), exempt(), handler))
  made.bot.command('staff', ...chain(throttle('2/1h'), exempt({ roles: ['staff'] }), handler))
  for (let nth = 0; nth < 6; nth++) {
    await made.handle(says(5, '/owner'))
    await made.quiet()
  }
  expect(runs).toBe(6)
  runs = 0
  await made.says(ALICE, 'hello')
  await made.guard.grant(ALICE, 'staff')
  for (let nth = 0; nth < 6; nth++) {
    await made.handle(says(ALICE, '/staff'))
    await made.quiet()
  }
  expect(runs).toBe(6)
  runs = 0
  for (let nth = 0; nth < 6; nth++) await made.handle(says(8, '/staff'))
  expect(runs).toBe(2)
})

test('too many guards around a handler for one plan are refused; moving some in front of it works', async () => {
  const many = (from: number, count: number): Guard[] =>
    Array.from({ length: count }, (_, index) => throttle({ name: `limit${from + index}`, limit: '9/1m' }))
  const around = (guards: readonly Guard[], handler: MiddlewareFn<Context>): MiddlewareFn<Context> =>
    guards.reduceRight<MiddlewareFn<Context>>((inner, guard) => guard(inner), handler)
  let runs = 0
  const go = (): void => {
    runs++
  }
  expect(() => around(many(0, 12), go)).toThrow(/some guards around it and some in front of it/)
  const { bot, handle } = desk({})
  bot.command('go', compose(...many(0, 6)), around(many(6, 6), go))
  await handle(says(ALICE, '/go'))
  expect(runs).toBe(1)
})
