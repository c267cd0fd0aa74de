import { Bot, type Middleware } from 'grammy'
import type { Update } from 'grammy/types'
import {
  compose,
  debounce,
  once,
  type Sentinel,
  type SentinelOptions,
  sentinel,
  throttle,
} from '../../src/index.js'
import { Extras } from '../extras.js'
import { type GuardedContext, Stage } from '../middleware/rig.js'
import { joins, later, says, tick } from './desk.js'

/* One sentinel, or one guard, on several branches of a bot. */

const ALICE = 7
const guards: Sentinel<GuardedContext>[] = []

afterEach(async () => {
  for (const guard of guards.splice(0)) await guard.close()
})

function stand(options: SentinelOptions) {
  const { account, config } = new Extras(Date.now).hire(42)
  const bot = new Bot<GuardedContext>(account.token, config)
  const time = new Stage()
  const { clock, timers } = time
  const guard = sentinel<GuardedContext>({ clock, timers, ...options })
  guards.push(guard)
  const denied: string[] = []
  guard.on('denied', ({ verdict }) => denied.push(verdict.reason))
  return { bot, guard, denied, time }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await tick()
}

const trailing = { debounce: { mode: 'trailing', window: '1s' } } as const

describe.each<[string, () => SentinelOptions]>([
  ['memory', () => ({})],
  ['a storage that answers later', () => ({ storage: later() })],
])('on forks and on the main way: %s', (_, options) => {
  test.each([
    [3000, 1000],
    [1000, 3000],
    [1000, 1000],
  ])('each of two debounces gathers its own bursts, with windows of %d and %d ms', async (fork, main) => {
    const { bot, time, guard } = stand({ ...options(), throttle: false })
    const ran: string[] = []
    const runs = (way: string) => (ctx: GuardedContext) => {
      const { burst = [ctx] } = ctx.sentinel
      ran.push(`${way} ${burst.map(({ msg }) => msg?.text).join(' ')}`)
      for (const each of burst as readonly GuardedContext[]) expect(each.sentinel.outer).toBeDefined()
    }
    bot.use(guard)
    bot.fork().use(debounce({ mode: 'trailing', window: fork }), runs('fork'))
    bot.use(debounce({ mode: 'trailing', window: main }), runs('main'))
    for (const text of ['a', 'b', 'c']) {
      await bot.handleUpdate(says(ALICE, text))
      await settled()
    }
    for (let second = 0; second < 3; second++) {
      time.advance(1000)
      await settled()
    }
    expect(ran.sort()).toEqual(['fork a b c', 'main a b c'])
  })

  test('a debounce that messages reach after another one has handled them gathers each once', async () => {
    const { bot, time, guard } = stand({ ...options(), throttle: false })
    const ran: (string | undefined)[] = []
    let open = (): void => undefined
    const opened = new Promise<void>((done) => {
      open = done
    })
    bot.use(guard)
    bot.fork().use(debounce({ mode: 'trailing', window: '1s' }), () => undefined)
    bot.use(
      (_, next) => opened.then(next),
      debounce({ mode: 'trailing', window: '1s' }),
      ({ sentinel: { burst = [] } }) => void ran.push(...burst.map(({ msg }) => msg?.text)),
    )
    const handling = ['a', 'b', 'c'].map((text) => bot.handleUpdate(says(ALICE, text)))
    for (const step of [() => undefined, () => time.advance(1000), open, () => time.advance(1000)]) {
      step()
      await settled()
    }
    await Promise.all(handling)
    expect(ran).toEqual(['a', 'b', 'c'])
  })

  describe('guards that the main way has passed since a message was held on a fork', () => {
    /** A bot with a trailing debounce on a fork, and a middleware that waits in front of the guards of the main way. */
    function held(...main: Middleware<GuardedContext>[]) {
      const at = stand({ ...options(), throttle: false })
      at.bot.use(at.guard)
      at.bot.fork().on('message', debounce({ mode: 'trailing', window: '1s' }), () => undefined)
      at.bot.use(async (_, next) => {
        await tick()
        await next()
      })
      at.bot.on('message', ...main)
      /** Calls `open` once the burst of the fork has begun, while the main way still handles the message. */
      const handle = async (update: Update, open: () => void) => {
        const handling = at.bot.handleUpdate(update)
        handling.catch(() => undefined)
        await settled()
        at.time.advance(1000)
        await settled()
        open()
        await handling
      }
      return { ...at, handle }
    }

    function door() {
      let open = (): void => undefined
      const opened = new Promise<void>((done) => {
        open = done
      })
      return { open, opened }
    }

    test('are still known to its handler, which is charged once when it fails and is called again', async () => {
      const { open, opened } = door()
      const left: (number | undefined)[] = []
      let isStuck = true
      const at = held(throttle({ name: 'jobs', limit: '5/1h' }), async ({ sentinel: control }) => {
        left.push(control.remaining('jobs'))
        await opened
        left.push(control.remaining('jobs'))
        if (isStuck) throw new Error('the disk is full')
      })
      const jobs = async () =>
        (await at.guard.peek(ALICE, 'jobs')).map(({ remaining }) => Math.floor(remaining))
      const update = says(ALICE, 'a')
      await expect(at.handle(update, open)).rejects.toThrow('the disk is full')
      await settled()
      expect([left, await jobs()]).toEqual([[4, 4], [4]])
      isStuck = false
      await at.handle(update, open)
      expect(await jobs()).toEqual([4])
    })

    test('let it pass to a second handler behind the same guard', async () => {
      const { open, opened } = door()
      const twice = debounce({ window: '10s' })
      const ran: string[] = []
      const at = held(twice, (_, next) => opened.then(next))
      at.bot.on('message', twice, () => void ran.push('second'))
      await at.handle(says(ALICE, 'a'), open)
      expect([ran, at.denied]).toEqual([['second'], []])
    })
  })

  test('each runs, and the update is decided and counted once', async () => {
    const { bot, guard, denied } = stand({ ...options(), throttle: '3/1h' })
    const ran: string[] = []
    bot.fork(guard, () => void ran.push('one'))
    bot.fork(guard, () => void ran.push('two'))
    bot.use(guard, () => void ran.push('main'))
    for (const text of ['a', 'b']) await bot.handleUpdate(says(ALICE, text))
    expect(ran.sort()).toEqual(['main', 'main', 'one', 'one', 'two', 'two'])
    expect(denied).toEqual([])
    expect((await guard.health()).tally).toMatchObject({ allowed: 2, denied: 0 })
    expect(await guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 1 }])
  })

  test('none waits for the handlers of another, or fails because of them', async () => {
    const { bot, guard } = stand(options())
    let end = (): void => undefined
    const hangs = new Promise<void>((done) => {
      end = done
    })
    const ran: string[] = []
    bot.fork(guard, () => void ran.push('fork'))
    bot.use(guard, async (ctx) => {
      if (ctx.msg?.text === 'throw') throw new Error('out of order')
      await hangs
    })
    await expect(bot.handleUpdate(says(ALICE, 'throw'))).rejects.toThrow('out of order')
    const handling = bot.handleUpdate(says(ALICE, 'hang'))
    while (ran.length < 2) await tick()
    end()
    await handling
    expect(ran).toEqual(['fork', 'fork'])
  })

  test.each([false, true])(
    'an update of an unknown kind passes both (limits at run time: %s)',
    async (limits) => {
      const { bot, guard } = stand({ ...options(), limits })
      const ran: string[] = []
      bot.use(guard)
      bot.use(async (_ctx, next) => {
        await tick()
        await next()
      })
      bot.use(guard)
      bot.use(() => void ran.push('handler'))
      const from = { id: ALICE, is_bot: false, first_name: 'Alice' }
      await bot.handleUpdate({ update_id: 1, of_tomorrow: { from } } as unknown as Update)
      expect(ran).toEqual(['handler'])
    },
  )

  test('a refused update reaches none', async () => {
    const { bot, guard, denied } = stand({ ...options(), throttle: { limit: '1/1h', deny: 'silent' } })
    const ran: string[] = []
    bot.fork(guard, () => void ran.push('fork'))
    bot.use(guard, () => void ran.push('main'))
    for (const text of ['a', 'b']) await bot.handleUpdate(says(ALICE, text))
    expect(ran.sort()).toEqual(['fork', 'main'])
    expect(denied).toEqual(['limited'])
    expect((await guard.health()).tally).toMatchObject({ allowed: 1, denied: 1 })
  })

  test('a refusal counts once towards a ban', async () => {
    const penalty = { after: 4, within: '1m', bans: ['5m'] } as const
    const { bot, guard, denied } = stand({
      ...options(),
      throttle: { limit: '1/1h', penalty, deny: 'silent' },
    })
    bot.fork(guard)
    bot.use(guard)
    for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) await bot.handleUpdate(says(ALICE, text))
    expect(denied).toEqual(['limited', 'limited', 'limited', 'limited', 'penalised'])
  })

  test('a branch that reaches the guard after the refusal is refused as well', async () => {
    const { bot, guard, denied } = stand({ ...options(), throttle: { limit: '1/1h', deny: 'silent' } })
    const ran: string[] = []
    bot.fork(
      async (_, next) => {
        await settled()
        await next()
      },
      guard,
      (ctx) => void ran.push(`fork ${ctx.msg?.text}`),
    )
    bot.use(guard, (ctx) => void ran.push(`main ${ctx.msg?.text}`))
    for (const text of ['a', 'b']) await bot.handleUpdate(says(ALICE, text))
    expect(ran).toEqual(['main a', 'fork a'])
    expect(denied).toEqual(['limited'])
  })

  test('a blocked person is seen to join once', async () => {
    const { bot, guard, denied } = stand(options())
    const seen: number[] = []
    // Ignores the warning that Telegram does not deliver joins by default.
    guard.on('warning', () => undefined)
    guard.membership.on('joined', ({ member }) => void seen.push(member.id))
    bot.fork(guard)
    bot.use(guard)
    await bot.handleUpdate(says(8, 'the bot is met'))
    await guard.block(ALICE)
    await bot.handleUpdate(joins(ALICE))
    await settled()
    expect(seen).toEqual([ALICE])
    expect(denied).toEqual(['blocked'])
  })

  test.each<[string, SentinelOptions]>([
    ['debounce', trailing],
    ['debounce and concurrency', { ...trailing, concurrency: {} }],
  ])('a burst reaches each branch once and completely: %s', async (_, holding) => {
    const { bot, guard, time } = stand({ ...options(), ...holding })
    const ran: string[] = []
    const handler = (name: string) => (ctx: GuardedContext) =>
      void ran.push(`${name} ${ctx.sentinel.burst?.map(({ msg }) => msg?.text).join('+')}`)
    bot.fork(guard, handler('fork'))
    // In series on one branch, the second use admits what the first has admitted.
    bot.use(guard, guard, handler('main'))
    for (const text of ['a', 'b', 'c']) await bot.handleUpdate(says(ALICE, text))
    await settled()
    expect(ran).toEqual([])
    time.advance(1000)
    await settled()
    expect(ran.sort()).toEqual(['fork a+b+c', 'main a+b+c'])
    expect((await guard.health()).tally).toMatchObject({ allowed: 3, denied: 0 })
  })

  test('the next burst waits for the handlers of all branches, even if one of them throws', async () => {
    const errors: unknown[] = []
    const onError = (error: unknown) => void errors.push(error)
    const { bot, guard, time } = stand({ ...options(), debounce: { ...trailing.debounce, onError } })
    const ran: string[] = []
    let end = (): void => undefined
    const hangs = new Promise<void>((done) => {
      end = done
    })
    bot.fork(guard, async (ctx) => {
      ran.push(`fork ${ctx.msg?.text}`)
      await hangs
    })
    bot.use(guard, () => {
      throw new Error('out of order')
    })
    for (const text of ['a', 'b']) {
      await bot.handleUpdate(says(ALICE, text))
      time.advance(1000)
      await settled()
    }
    expect(ran).toEqual(['fork a'])
    end()
    await settled()
    expect(ran).toEqual(['fork a', 'fork b'])
    expect(errors).toMatchObject([{ message: 'out of order' }, { message: 'out of order' }])
  })

  test.each<[string, SentinelOptions]>([
    ['trailing', trailing],
    ['albums', { debounce: { albums: '1s' } }],
  ])('an update that gets no place runs on no branch: %s', async (_, holding) => {
    const { bot, guard, denied } = stand({ ...options(), ...holding, concurrency: { queue: 0 } })
    const ran: string[] = []
    let end = (): void => undefined
    const hangs = new Promise<void>((done) => {
      end = done
    })
    bot.fork(guard, (ctx) => void ran.push(`fork ${ctx.msg?.text}`))
    bot.use(guard, async (ctx) => {
      ran.push(`main ${ctx.msg?.text}`)
      await hangs
    })
    const handling = bot.handleUpdate(says(ALICE, '/1'))
    await settled()
    await bot.handleUpdate(says(ALICE, '/2'))
    expect(denied).toEqual(['busy'])
    end()
    await handling
    expect(ran.sort()).toEqual(['fork /1', 'main /1'])
    expect((await guard.health()).tally).toMatchObject({ allowed: 1, denied: 1 })
  })

  test('a branch whose context inherits from that of the others waits no longer than they do', async () => {
    const { bot, guard, denied } = stand({ ...options(), ...trailing, concurrency: {} })
    const ran: string[] = []
    bot.fork(
      (ctx, next) => guard.middleware()(Object.create(ctx), next),
      () => void ran.push('fork'),
    )
    bot.use(guard, () => void ran.push('main'))
    await bot.handleUpdate(says(ALICE, '/now'))
    expect(ran.sort()).toEqual(['fork', 'main'])
    expect(denied).toEqual([])
  })

  test('an update that a later hook vetoes runs on no branch', async () => {
    const { bot, guard, time, denied } = stand({ ...options(), ...trailing, concurrency: {} })
    guard.hook('after:concurrency', ({ facts }) => (facts.command === undefined ? undefined : { veto: 'no' }))
    guard.hook('after:concurrency', ({ ctx }) => (ctx.msg?.text === 'held' ? { veto: 'no' } : undefined))
    const ran: string[] = []
    bot.fork(guard, () => void ran.push('fork'))
    bot.use(guard, () => void ran.push('main'))
    for (const text of ['/stop', 'held']) await bot.handleUpdate(says(ALICE, text))
    time.advance(1000)
    await settled()
    expect(ran).toEqual([])
    expect(denied).toEqual(['vetoed', 'vetoed'])
    expect((await guard.health()).tally).toMatchObject({ allowed: 0, denied: 2 })
  })
})

describe.each<[string, () => SentinelOptions]>([
  ['memory', () => ({})],
  ['a storage that answers later', () => ({ storage: later() })],
])('one guard in front of two handlers that the same update reaches: %s', (_, options) => {
  const repeatedly = ['a', 'a', 'b'].map((text) => says(ALICE, text))

  test.each([
    ['in series', false],
    ['on a fork', true],
  ])('does not treat an update as its own repetition, %s', async (_how, forks) => {
    const { bot, guard, denied } = stand({ ...options(), once: false })
    const calm = compose(once(), debounce({ window: '5s', on: ['message'] }))
    const ran: string[] = []
    bot.use(guard)
    const first = [
      calm,
      (ctx: GuardedContext, next: () => Promise<void>) => {
        ran.push(`first ${ctx.msg?.text}`)
        return next()
      },
    ] as const
    if (forks) bot.fork(...first)
    else bot.use(...first)
    bot.use(calm, (ctx) => void ran.push(`second ${ctx.msg?.text}`))
    for (const update of repeatedly) await bot.handleUpdate(update)
    expect(ran.sort()).toEqual(['first a', 'first b', 'second a', 'second b'])
    expect(denied).toEqual(['repeated'])
  })

  test.each([
    ['in series', false],
    ['on a fork', true],
  ])('passes a burst to both, and charges its messages once, %s', async (_how, forks) => {
    const { bot, guard, time } = stand({ ...options(), debounce: false })
    const gathering = compose(
      throttle({ name: 'slow', limit: '5/1h', algorithm: 'fixed' }),
      debounce(trailing.debounce),
    )
    const ran: string[] = []
    bot.use(guard)
    const handler = (name: string) => (ctx: GuardedContext, next: () => Promise<void>) => {
      ran.push(`${name} ${ctx.sentinel.burst?.map(({ msg }) => msg?.text).join('+')}`)
      return next()
    }
    if (forks) bot.fork(gathering, handler('first'))
    else bot.use(gathering, handler('first'))
    bot.use(gathering, handler('second'))
    for (const text of ['a', 'b', 'c']) await bot.handleUpdate(says(ALICE, text))
    await settled()
    expect(ran).toEqual([])
    time.advance(1000)
    await settled()
    expect(ran.sort()).toEqual(['first a+b+c', 'second a+b+c'])
    expect(await guard.peek(ALICE, 'slow')).toMatchObject([{ remaining: 2 }])
  })

  test('admits an update of an unknown kind to both', async () => {
    const { bot, guard } = stand(options())
    const calm = debounce('5s')
    const ran: string[] = []
    bot.use(guard, calm)
    bot.use(async (_ctx, next) => {
      await tick()
      await next()
    })
    bot.use(calm, () => void ran.push('handler'))
    await bot.handleUpdate({ update_id: 1, of_tomorrow: {} } as unknown as Update)
    expect(ran).toEqual(['handler'])
  })
})
