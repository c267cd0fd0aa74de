import {
  type BeforeEvent,
  type DeniedEvent,
  type FailureEvent,
  type Hook,
  hooks,
  memory,
  type SentinelOptions,
  type ShadowEvent,
  subject,
  throttle,
} from '../../src/index.js'
import type { HookRanEvent } from '../../src/middleware/events.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, joins, later, says, taps, tick } from '../sentinel/desk.js'

let on: Desk
afterEach(() => on.guard.close())

const nothing = (): void => undefined
const LIMIT = { throttle: { limit: '2/1m', deny: 'silent' } } as const

function opened(options: SentinelOptions = {}): Desk {
  on = desk(options)
  // Ignores the warning that this desk delivers no membership updates.
  on.guard.on('warning', () => undefined)
  return on
}

/** Advances the clock until the work is done. */
async function pass(work: Promise<unknown>, ms = 20_000): Promise<void> {
  let done = false
  const ended = work.finally(() => {
    done = true
  })
  for (let passed = 0; !done && passed < ms; passed += 50) {
    await tick()
    on.time.advance(50)
  }
  await ended
}

const left = async (user = 1): Promise<number | undefined> =>
  (await on.guard.peek(user, 'user')).find(({ name }) => name === 'user')?.remaining

describe('the order', () => {
  test('all before hooks run before the decision, then the after hooks, then allowed, then the handlers', async () => {
    const log: string[] = []
    on = desk(LIMIT, (bot) => bot.use(() => void log.push('handler')))
    for (const guard of ['throttle', 'once', 'block'] as const) {
      on.guard.hook(`after:${guard}`, ({ verdict }) => void log.push(`after ${guard} ${verdict.allowed}`))
      on.guard.hook(`before:${guard}`, async () => {
        await tick()
        log.push(`before ${guard}: ${await left()} left`)
      })
    }
    on.guard.hook('allowed', () => void log.push('allowed'))
    on.guard.on('allowed', () => log.push('told'))
    await on.says(1, 'hello')
    expect(log).toEqual([
      'before block: 2 left',
      'before once: 2 left',
      'before throttle: 2 left',
      'after block true',
      'after once true',
      'after throttle true',
      'allowed',
      'told',
      'handler',
    ])
  })

  test('after hooks run up to the guard that refuses', async () => {
    opened()
    const log: string[] = []
    for (const guard of ['block', 'once', 'throttle'] as const) {
      on.guard.hook(`after:${guard}`, async ({ verdict }) => {
        await tick()
        log.push(`${guard} ${verdict.allowed ? 'passed' : verdict.reason}`)
      })
    }
    on.guard.hook('denied', ({ verdict }) => void log.push(`denied by ${verdict.guard}`))
    await on.says(1, 'hello')
    const { update_id } = says(1, 'x')
    log.length = 0
    for (let i = 0; i < 2; i++) await on.handle(says(1, 'again', { id: update_id }))
    expect(log.slice(3)).toEqual(['block passed', 'once duplicate', 'denied by once'])
    await on.guard.block(1)
    log.length = 0
    await on.says(1, 'hello')
    expect(log).toEqual(['block blocked', 'denied by block'])
  })

  test('hooks of one point run one after another, in the order in which they were added', async () => {
    opened()
    const log: number[] = []
    on.guard.hook('before:block', async () => {
      await tick()
      log.push(1)
    })
    on.guard.hook('before:block', () => void log.push(2))
    const stop = on.guard.hook('before:block', () => void log.push(3))
    await on.says(1, 'a')
    stop()
    stop()
    await on.says(1, 'b')
    expect(log).toEqual([1, 2, 3, 1, 2])
  })

  test('hooks of a guard that does not concern an update do not run', async () => {
    opened()
    const log: string[] = []
    for (const guard of ['membership', 'debounce', 'throttle'] as const) {
      on.guard.hook(`before:${guard}`, () => void log.push(guard))
    }
    await on.says(1, 'hello')
    expect(log.splice(0)).toEqual(['throttle'])
    await on.handle(taps(1, 'a'))
    expect(log.splice(0)).toEqual(['debounce', 'throttle'])
    await on.handle(joins(1))
    expect(log.splice(0)).toEqual(['membership', 'throttle'])
  })

  test('hooks also run before and after the guards of one handler', async () => {
    opened()
    const log: string[] = []
    on.guard.hook('before:throttle', ({ facts }) => void log.push(`before ${facts.command ?? 'all'}`))
    on.guard.hook('after:throttle', ({ verdict }) => void log.push(`after ${verdict.allowed}`))
    const { bot, handle } = on.another(43, on.guard)
    bot.command(
      'buy',
      on.guard.policy({ name: 'buy', throttle: '1/1m' } as never),
      () => void log.push('bought'),
    )
    await handle(says(1, '/buy'))
    expect(log).toEqual(['before buy', 'after true', 'before buy', 'after true', 'bought'])
  })
})

describe('a veto', () => {
  test('before the decision charges nothing, claims nothing, and is reported', async () => {
    opened(LIMIT)
    const denied: unknown[] = []
    on.guard.on('denied', ({ verdict }) => denied.push(verdict))
    const stop = on.guard.hook('before:throttle', function closed() {
      return { veto: 'we are closed' }
    })
    const update = says(1, 'hello')
    await on.handle(update)
    expect(on.reached).toEqual([])
    expect(denied).toEqual([
      {
        allowed: false,
        guard: 'hook',
        limit: 'closed',
        reason: 'vetoed',
        cause: 'check',
        retryAfterMs: Number.POSITIVE_INFINITY,
        note: 'we are closed',
      },
    ])
    expect(await left()).toBe(2)
    // Nothing was charged or claimed: the same update, delivered again, is no duplicate.
    stop()
    await on.handle(update)
    expect(on.reached).toEqual(['hello'])
    expect((await on.guard.health()).tally).toMatchObject({ allowed: 1, denied: 1 })
  })

  test.each(['after:block', 'after:throttle', 'allowed'] as const)(
    '%s refunds all charges, and the update may be redelivered',
    async (point) => {
      for (const storage of [memory(), later()]) {
        opened({ ...LIMIT, storage })
        const stop = on.guard.hook(point, async () => ({ veto: 'no' }))
        const update = says(1, 'hello')
        for (let i = 0; i < 5; i++) await on.handle(update)
        expect(on.reached).toEqual([])
        await tick()
        expect(await left()).toBe(2)
        stop()
        await on.handle(update)
        expect(on.reached).toEqual(['hello'])
        await on.guard.close()
      }
    },
  )

  test('stops later guards, but not observers: membership is seen', async () => {
    opened()
    const log: string[] = []
    on.guard.hook('before:membership', () => ({ veto: 'no' }))
    on.guard.hook('before:throttle', () => void log.push('not reached'))
    on.guard.hook('after:membership', () => void log.push('not reached'))
    on.guard.membership.on('joined', ({ member }) => log.push(`joined ${member.id}`))
    await on.handle(joins(5))
    expect(log).toEqual(['joined 5'])
    expect(on.reached).toEqual([])
  })

  test('sends one notice a minute, in the language of the user; a tap is always answered', async () => {
    opened()
    on.guard.hook('before:throttle', () => ({ veto: 'no' }))
    await on.says(1, 'a', 'b')
    await on.quiet()
    expect(on.notices).toEqual(['This is not for you.'])
    on.time.advance(60_000)
    await on.says(1, 'c')
    await on.handle(taps(1, 'x'))
    await on.quiet()
    expect(on.notices).toHaveLength(2)
    expect(on.calls.filter(({ method }) => method === 'answerCallbackQuery')).toHaveLength(1)
  })

  test('at several handlers sends one notice for an update, and one a minute by each hook', async () => {
    const first = throttle<GuardedContext>('9/1m')(async function first() {})
    const second = throttle<GuardedContext>('9/1m')(async function second() {})
    on = desk({}, (bot) => {
      bot.use(async (ctx) => {
        await first(ctx)
        await second(ctx)
      })
    })
    let times = 0
    const stop = on.guard.hook('before:throttle', () => (times++ % 3 === 0 ? undefined : { veto: 'no' }))
    await on.says(1, 'a')
    await on.quiet()
    expect(on.notices).toEqual(['This is not for you.'])
    stop()
    let turn = 0
    on.guard.hook('before:throttle', { name: 'one', run: () => (++turn === 2 ? { veto: 'no' } : undefined) })
    on.guard.hook('before:throttle', { name: 'two', run: () => (turn === 3 ? { veto: 'no' } : undefined) })
    await on.says(1, 'b')
    await on.quiet()
    expect(on.notices).toHaveLength(2)
    turn = 1
    on.guard.reconfigure({ throttle: '30/1m' })
    await on.says(1, 'c')
    await on.quiet()
    expect(on.notices).toHaveLength(2)
  })

  test('in shadow is reported, and stops nothing', async () => {
    opened({ shadow: true })
    const told: string[] = []
    on.guard.on('shadow', ({ verdict: { guard, limit } }) => told.push(`${guard}.${limit}`))
    on.guard.hook('before:throttle', { name: 'curfew', run: () => ({ veto: 'no' }) })
    on.guard.hook('allowed', { name: 'last', run: () => ({ veto: 'no' }) })
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
    expect(told).toEqual(['hook.curfew', 'hook.last'])
  })

  test('one listener receives real and shadow vetoes', async () => {
    opened({ throttle: [{ limit: '1/1m' }, { name: 'strict', limit: '1/1h', shadow: true }] })
    const told: unknown[] = []
    const line = ({ verdict: { guard, limit, reason } }: DeniedEvent | ShadowEvent) =>
      told.push([guard, limit, reason])
    on.guard.on('denied', line)
    on.guard.on('shadow', line)
    await on.says(1, 'a', 'b')
    on.time.advance(60_000)
    await on.says(1, 'c')
    expect(told).toEqual([
      ['throttle', 'user', 'limited'],
      ['throttle', 'strict', 'limited'],
    ])
  })

  test('from a hook that does not decide is ignored', async () => {
    opened()
    on.guard.hook('blocked', (() => ({ veto: 'no' })) as never)
    on.guard.hook('before:block', hooks.background((async () => ({ veto: 'no' })) as never))
    await on.guard.block(2)
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
  })
})

describe('data that a hook adds', () => {
  test('are seen by later hooks and the handler; the later value of a name wins', async () => {
    const seen: unknown[] = []
    on = desk({}, (bot) => bot.use((ctx) => void seen.push({ ...ctx.sentinel.enriched })))
    on.guard.hook('before:block', async () => ({ enrich: { tenant: 7, plan: 'free' } }))
    on.guard.hook('before:throttle', ({ enriched }) => void seen.push({ ...enriched }))
    on.guard.hook('after:throttle', () => ({ enrich: { plan: 'paid' } }))
    await on.says(1, 'a')
    expect(seen).toEqual([
      { tenant: 7, plan: 'free' },
      { tenant: 7, plan: 'paid' },
    ])
  })

  test('belong to one update, and their names cannot overwrite anything else', async () => {
    const seen: Readonly<Record<string, unknown>>[] = []
    on = desk({}, (bot) => bot.use((ctx) => void seen.push(ctx.sentinel.enriched)))
    const given = JSON.parse('{"__proto__":{"admin":true},"constructor":1}') as Record<string, unknown>
    const stop = on.guard.hook('before:block', () => ({ enrich: given }))
    await on.says(1, 'a')
    stop()
    await on.says(1, 'b')
    expect(Object.keys(seen[0] ?? {})).toEqual(['__proto__', 'constructor'])
    expect(seen[0]?.admin).toBeUndefined()
    expect(Object.keys(seen[1] ?? {})).toEqual([])
  })
})

describe('a hook that fails', () => {
  test('by throwing or rejecting is reported, and the update continues', async () => {
    opened()
    const told: FailureEvent[] = []
    on.guard.on('error', (event) => told.push(event))
    on.guard.hook('before:block', function boom() {
      throw new Error('thrown')
    })
    on.guard.hook('after:throttle', { name: 'later', run: () => Promise.reject(new Error('rejected')) })
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
    expect(told).toEqual([
      { error: new Error('thrown'), during: 'hook boom' },
      { error: new Error('rejected'), during: 'hook later' },
    ])
  })

  test('by hanging is waited for a second, aborted by its signal, and its answer is ignored', async () => {
    opened()
    const told: FailureEvent[] = []
    on.guard.on('error', (event) => told.push(event))
    let reason: unknown
    on.guard.hook('before:block', {
      name: 'slow',
      run: (_, { signal }) =>
        new Promise((done) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            done({ veto: 'too late' })
          })
        }),
    })
    const handled = on.says(1, 'a')
    await tick()
    on.time.advance(999)
    await tick()
    expect(on.reached).toEqual([])
    on.time.advance(1)
    await handled
    expect(on.reached).toEqual(['a'])
    expect(told).toEqual([{ error: expect.objectContaining({ code: 'hook.timeout' }), during: 'hook slow' }])
    expect(reason).toBe(told[0]?.error)
  })

  test('by hanging has the given timeout', async () => {
    opened()
    on.guard.on('error', () => undefined)
    on.guard.hook('before:block', { run: () => new Promise(() => undefined), timeout: '5s' })
    const handled = on.says(1, 'a')
    await tick()
    on.time.advance(4999)
    await tick()
    expect(on.reached).toEqual([])
    on.time.advance(1)
    await handled
    expect(on.reached).toEqual(['a'])
  })

  test('at a hook for errors is not reported to itself endlessly', async () => {
    opened()
    let runs = 0
    const said: string[] = []
    const { error } = console
    console.error = (text: string) => void said.push(text)
    on.guard.hook('error', () => {
      runs++
      throw new Error('again')
    })
    on.guard.on('blocked', () => {
      throw new Error('first')
    })
    await on.says(1, 'a')
    await on.guard.block(1)
    await tick()
    console.error = error
    expect(runs).toBe(1)
    expect(said).toEqual([expect.stringContaining('listener for error')])
  })

  const lazy = {
    get x(): never {
      throw new Error('lazy')
    },
  }
  const answers: Record<string, object> = {
    enrich: { enrich: lazy },
    veto: {
      get veto(): never {
        throw new Error('lazy')
      },
    },
  }
  const throwing: [string, Hook<BeforeEvent>][] = Object.entries(answers).flatMap(([what, answer]) => [
    [`${what}, at once`, () => answer],
    [`${what}, later`, async () => answer],
    [`${what}, at once beside another`, hooks.parallel(() => answer, nothing)],
    [`${what}, later beside another`, hooks.parallel(nothing, async () => answer)],
  ])
  const wayward: [string, Hook<BeforeEvent>][] = [
    ['an object whose then() throws', () => Object.defineProperty({}, 'then', { value: () => lazy.x })],
    ['an object whose getter of then throws', () => Object.defineProperty({}, 'then', { get: () => lazy.x })],
  ]
  test.each([...throwing, ...wayward])(
    'by an answer that throws when it is read is reported, and the update continues: %s',
    async (_, hook) => {
      opened()
      const told: FailureEvent[] = []
      const ran: string[] = []
      on.guard.on('error', (event) => told.push(event))
      on.guard.on('hook.ran', ({ outcome }) => ran.push(outcome))
      on.guard.hook('before:block', hook)
      on.guard.hook('before:throttle', { name: 'next', run: () => void ran.push('next') })
      await on.says(1, 'a')
      expect(on.reached).toEqual(['a'])
      expect(told).toEqual([{ error: new Error('lazy'), during: expect.stringMatching(/^hook /) }])
      expect(ran.filter((outcome) => outcome === 'failed')).toHaveLength(1)
      expect(ran.slice(-2)).toEqual(['next', 'done'])
    },
  )

  test('after its run has ended affects no other run', async () => {
    opened()
    const signals: AbortSignal[] = []
    on.guard.on('error', () => undefined)
    on.guard.hook('before:block', { name: 'a', run: (_, { signal }) => void signals.push(signal) })
    on.guard.hook('before:block', (_, { signal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    })
    await pass(on.says(1, 'a'))
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true])
  })
})

describe('combined', () => {
  test('parallel runs all hooks at once, waits for all, and the first veto in the list counts', async () => {
    opened()
    const log: string[] = []
    const step = (name: string, ticks: number, veto?: string) => async () => {
      log.push(`${name} begins`)
      for (let i = 0; i < ticks; i++) await tick()
      log.push(`${name} ends`)
      return { ...(veto !== undefined && { veto }), enrich: { [name]: true, last: name } }
    }
    let enriched: object = {}
    let note: string | undefined
    on.guard.on('denied', ({ verdict }) => {
      note = verdict.note
    })
    on.guard.hook('before:block', hooks.parallel(step('a', 3, 'of a'), step('b', 1, 'of b'), step('c', 2)))
    on.guard.hook('before:block', (told) => {
      enriched = { ...told.enriched }
    })
    await on.says(1, 'x')
    expect(log).toEqual(['a begins', 'b begins', 'c begins', 'b ends', 'c ends', 'a ends'])
    expect(note).toBe('of a')
    expect(enriched).toEqual({})
  })

  test.each<[string, () => Promise<void> | undefined]>([
    ['at once', () => undefined],
    ['later', tick],
  ])(
    'data of several hooks are merged in the order of the list, whatever their form: %s',
    async (_, wait) => {
      opened()
      const seen: unknown[] = []
      const brings =
        (of: string, ...names: readonly string[]): Hook<BeforeEvent> =>
        ({ enriched }) => {
          seen.push([of, { ...enriched }])
          const answer = { enrich: Object.fromEntries(names.map((name) => [name, of])) }
          const waited = wait()
          return waited === undefined ? answer : waited.then(() => answer)
        }
      on.guard.hook(
        'before:block',
        hooks.parallel(
          brings('a', 'x', 'y', 'z'),
          hooks.chain(
            brings('b', 'x', 'y'),
            hooks.parallel(
              brings('c', 'y'),
              hooks.filter(() => true, brings('d', 'v')),
            ),
          ),
          hooks.chain(brings('e', 'v', 'w'), hooks.once(brings('f', 'w'))),
        ),
      )
      on.guard.hook('before:throttle', brings('last'))
      await on.says(1, 'a')
      const brought = Object.fromEntries(seen as [string, object][])
      // Hooks of a chain see the data of the hooks before them.
      expect(brought.c).toMatchObject({ x: 'b', y: 'b' })
      expect(brought.f).toMatchObject({ w: 'e' })
      expect(brought.last).toEqual({ x: 'b', y: 'c', z: 'a', v: 'e', w: 'f' })
    },
  )

  test('once runs only the first time, filter only if its condition holds', async () => {
    opened()
    const log: string[] = []
    on.guard.hook(
      'before:block',
      hooks.chain(
        hooks.once(({ facts }) => void log.push(`once ${facts.updateId > 0}`)),
        hooks.filter(
          ({ facts }) => facts.inGroup,
          () => ({ veto: 'not in groups' }),
        ),
      ),
    )
    await on.says(1, 'a')
    await on.handle(says(1, 'b', { group: true }))
    expect(log).toEqual(['once true'])
    expect(on.reached).toEqual(['a'])
  })

  test('once runs once for a sentinel, whatever its options, and wherever it is added', async () => {
    const log: string[] = []
    const greet = hooks.once(() => void log.push('once'))
    opened({ hooks: { allowed: greet } })
    await on.says(1, 'a')
    on.guard.reconfigure({ throttle: '50/1m' })
    await on.says(1, 'b')
    on.guard.reconfigure({ hooks: { allowed: [hooks.chain(greet), () => void log.push('beside')] } })
    on.guard.hook('before:block', greet)()
    on.guard.hook('before:block', greet)
    await on.says(1, 'c')
    expect(log).toEqual(['once', 'beside'])
    const other = desk({ hooks: { allowed: greet } })
    await other.says(1, 'a')
    expect(log).toEqual(['once', 'beside', 'once'])
    await other.guard.close()
  })

  test('a condition that throws does not hold, and is reported', async () => {
    opened()
    const told: string[] = []
    on.guard.on('error', ({ during }) => told.push(during))
    const isOdd = (): boolean => {
      throw new Error('boom')
    }
    on.guard.hook(
      'before:block',
      hooks.filter(isOdd, () => ({ veto: 'no' })),
    )
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
    expect(told).toEqual(['hook isOdd'])
  })

  test('each function in a chain has its own timeout, and one that hangs stops no other', async () => {
    opened()
    const log: string[] = []
    on.guard.on('error', () => undefined)
    const hangs = (): Promise<never> => new Promise(() => undefined)
    on.guard.hook(
      'before:block',
      hooks.chain(
        hangs,
        hooks.parallel(hangs, () => void log.push('beside')),
        () => void log.push('after'),
      ),
    )
    await pass(on.says(1, 'a'))
    expect(log).toEqual(['beside', 'after'])
    expect(on.reached).toEqual(['a'])
  })
})

describe('in the background', () => {
  test('only close() waits for it', async () => {
    opened()
    const log: string[] = []
    let open = (): void => undefined
    const gate = new Promise<void>((done) => {
      open = done
    })
    on.guard.hook(
      'before:block',
      hooks.background(async () => {
        await gate
        log.push('done')
      }),
    )
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
    expect((await on.guard.health()).hooks).toEqual({ running: 1, dropped: 0 })
    const closed = on.guard.close().then(() => log.push('closed'))
    await tick()
    expect(log).toEqual([])
    open()
    await closed
    expect(log).toEqual(['done', 'closed'])
  })

  test('is bounded: excess runs are dropped, counted and reported', async () => {
    opened({ throttle: false })
    const ran: HookRanEvent[] = []
    on.guard.on('error', () => undefined)
    on.guard.on('hook.ran', (event) => ran.push(event))
    on.guard.hook(
      'before:block',
      hooks.background(() => new Promise(() => undefined)),
    )
    for (let i = 0; i < 260; i++) await on.says(1, `message ${i}`)
    expect(on.reached).toHaveLength(260)
    expect((await on.guard.health()).hooks).toEqual({ running: 256, dropped: 4 })
    expect(ran).toHaveLength(4)
    expect(ran[0]).toMatchObject({ point: 'before:block', outcome: 'dropped' })
    // Running hooks time out, which makes room for the next.
    on.time.advance(1000)
    await tick()
    expect((await on.guard.health()).hooks).toEqual({ running: 0, dropped: 4 })
  })

  test('is passed to a platform that would otherwise end, and so are notices', async () => {
    const works: Promise<unknown>[] = []
    opened({ ...LIMIT, throttle: '1/1m', waitUntil: (work) => void works.push(work) })
    on.guard.hook(
      'before:block',
      hooks.background(() => undefined),
    )
    await on.says(1, 'a', 'b')
    // At least one per hook, and one for the notice.
    expect(works.length).toBeGreaterThanOrEqual(3)
    await Promise.all(works)
    expect(on.notices).toHaveLength(1)
  })

  test('a platform that throws is reported, and the work is done', async () => {
    const told: string[] = []
    opened({
      waitUntil() {
        throw new Error('not in a request')
      },
    })
    on.guard.on('error', ({ during }) => told.push(during))
    let ran = false
    on.guard.hook(
      'before:block',
      hooks.background(() => {
        ran = true
      }),
    )
    await on.says(1, 'a')
    expect([ran, new Set(told)]).toEqual([true, new Set(['waitUntil'])])
  })
})

describe('events', () => {
  test('run hooks for blocks, registrations, members and limits', async () => {
    opened()
    const log: string[] = []
    on.guard.hook('blocked', ({ reason }) => void log.push(`blocked ${reason}`))
    on.guard.hook('unblocked', () => void log.push('unblocked'))
    on.guard.hook('registered', () => void log.push('registered'))
    on.guard.hook('unregistered', () => void log.push('unregistered'))
    on.guard.hook('membership.joined', ({ member }) => void log.push(`joined ${member.id}`))
    on.guard.hook('membership.left', () => void log.push('left'))
    on.guard.hook('membership', ({ event }) => void log.push(event))
    await on.says(1, 'a')
    await on.guard.block(2, { reason: 'spam' })
    await on.guard.unblock(2)
    await on.guard.register(subject.user(3))
    await on.guard.unregister(3)
    await on.handle(joins(9))
    expect(log).toEqual(['blocked spam', 'unblocked', 'registered', 'unregistered', 'joined 9', 'joined'])
  })

  test('do not delay the update, and do not run removed hooks', async () => {
    opened(LIMIT)
    const log: number[] = []
    const stop = on.guard.hook('denied', async ({ facts }) => {
      await new Promise<void>((done) => on.time.timers.after(500, done))
      log.push(facts.updateId)
    })
    await on.says(1, 'a', 'b', 'c')
    expect(log).toEqual([])
    on.time.advance(500)
    await tick()
    expect(log).toHaveLength(1)
    stop()
    await on.says(1, 'd')
    on.time.advance(500)
    await tick()
    expect(log).toHaveLength(1)
  })

  test('for members are requested from Telegram if there is a hook, as for a handler', () => {
    opened()
    expect(on.guard.membership.listened).toBe(false)
    const stop = on.guard.hook('membership.joined', () => undefined)
    expect(on.guard.membership.listened).toBe(true)
    stop()
    expect(on.guard.membership.listened).toBe(false)
  })
})

describe('the duration of hooks', () => {
  test('is reported by name, with the result, and measured only if there is a listener', async () => {
    opened()
    on.guard.on('error', () => undefined)
    const ran: HookRanEvent[] = []
    on.guard.hook('before:block', async function quick() {
      await tick()
    })
    on.guard.hook('before:block', {
      name: 'broken',
      run(): void {
        throw new Error('boom')
      },
    })
    const hung = (): Promise<void> => new Promise(() => undefined)
    on.guard.hook('before:block', { run: hung, timeout: 20 })
    on.guard.hook('before:block', () => undefined)
    await pass(on.says(1, 'a'))
    const stop = on.guard.on('hook.ran', (event) => ran.push(event))
    on.guard.hook('before:throttle', { name: 'strict', run: () => ({ veto: 'no' }) })
    await pass(on.says(1, 'b'))
    stop()
    await pass(on.says(1, 'c'))
    expect(ran.map(({ name, point, outcome }) => `${point} ${name} ${outcome}`)).toEqual([
      'before:block quick done',
      'before:block broken failed',
      'before:block hung late',
      'before:block before:block#4 done',
      'before:throttle strict vetoed',
    ])
    expect(ran.every(({ ms }) => ms >= 0 && ms < 60_000)).toBe(true)
  })
})

test.each<[string, () => void]>([
  ['throws', raiseAway],
  ['is rejected', async () => raiseAway()],
])('a listener that %s for hooks of errors does not receive its own failure', async (_, fails) => {
  opened()
  const ran: string[] = []
  const errors: string[] = []
  const said: string[] = []
  const { error } = console
  console.error = (text: string) => void said.push(text)
  try {
    on.guard.hook('error', ({ during }) => void errors.push(during))
    on.guard.hook('allowed', () => undefined)
    on.guard.on('hook.ran', ({ point }) => {
      ran.push(point)
      return fails()
    })
    await on.says(1, 'a')
    for (let turn = 0; turn < 20; turn++) await tick()
  } finally {
    console.error = error
  }
  expect([ran, errors]).toEqual([['allowed', 'error'], ['listener for hook.ran']])
  expect(said).toEqual([expect.stringContaining('listener for hook.ran')])
})

function raiseAway(): never {
  throw new Error('metrics are away')
}

test('hooks without a name get distinct names, even after others were removed', async () => {
  opened()
  const ran: string[] = []
  on.guard.on('hook.ran', ({ name }) => ran.push(name))
  const hook = () => on.guard.hook('allowed', () => undefined)
  const [first] = [hook(), hook()]
  first()
  first()
  hook()
  hook()
  await on.says(1, 'a')
  expect(ran.toSorted()).toEqual(['allowed#1', 'allowed#2', 'allowed#3'])
  // The number of names stays small, however often options are changed.
  for (let i = 0; i < 5; i++) on.guard.reconfigure({ hooks: { 'before:block': [() => undefined] } })
  ran.length = 0
  await on.says(1, 'b')
  expect(ran[0]).toMatch(/^before:block#[12]$/)
})

test('a hook that answers after its timeout is reported once, as late', async () => {
  opened()
  const ran: string[] = []
  on.guard.on('error', () => undefined)
  on.guard.on('hook.ran', ({ name, outcome }) => ran.push(`${name} ${outcome}`))
  on.guard.hook('before:block', {
    name: 'slow',
    run: () => new Promise<void>((done) => on.time.timers.after(3000, done)),
  })
  on.guard.hook('before:block', {
    name: 'breaks',
    run: () => new Promise<void>((_, fail) => on.time.timers.after(3000, () => fail(new Error('late')))),
  })
  await pass(on.says(1, 'a'))
  on.time.advance(10_000)
  await tick()
  expect(ran).toEqual(['slow late', 'breaks late'])
})

describe('options', () => {
  test('hooks may be given as options, one or several for each point, and are replaced as a whole', async () => {
    const log: string[] = []
    opened({
      hooks: {
        'before:block': () => void log.push('one'),
        allowed: [() => void log.push('two'), { name: 'three', run: () => void log.push('three') }],
      },
    })
    on.guard.hook('before:block', () => void log.push('own'))
    await on.says(1, 'a')
    expect(log.splice(0)).toEqual(['one', 'own', 'two', 'three'])
    on.guard.reconfigure({ throttle: '5/1m' })
    await on.says(1, 'b')
    expect(log.splice(0)).toEqual(['one', 'own', 'two', 'three'])
    on.guard.reconfigure({ hooks: { 'before:throttle': () => void log.push('other') } })
    await on.says(1, 'c')
    expect(log).toEqual(['own', 'other'])
  })

  test.each([
    [{ 'before:throtle': nothing }, 'hook.unknown', 'Did you mean "before:throttle"'],
    [{ 'hook.ran': nothing }, 'hook.unknown', 'Points: '],
    [{ __proto__: null, constructor: nothing }, 'hook.unknown', '"constructor"'],
    [{ denied: 'log' }, 'option.invalid', 'hooks.denied: "log" is not a hook'],
    [{ denied: [null] }, 'option.invalid', 'hooks.denied: null is not a hook'],
    [{ denied: { run: nothing, timout: 5 } }, 'option.unknown', 'Did you mean "timeout"'],
    [{ denied: { run: nothing, timeout: 'soon' } }, 'duration.invalid', 'hooks.denied.timeout'],
    [{ denied: { run: nothing, timeout: 0 } }, 'option.invalid', '1 ms or more'],
    [{ denied: { run: nothing, name: '' } }, 'option.invalid', 'not a name'],
    [{ denied: { kind: 'filter', when: true, hook: nothing } }, 'option.invalid', 'not a condition'],
  ])('%j is refused', (given, code, words) => {
    opened()
    const error = expect.objectContaining({ code, message: expect.stringContaining(words) })
    expect(() => desk({ hooks: given as never })).toThrow(error)
    for (const [point, hook] of Object.entries(given)) {
      const all: readonly unknown[] = Array.isArray(hook) ? hook : [hook]
      for (const one of all) expect(() => on.guard.hook(point as never, one as never)).toThrow(error)
    }
  })

  test('too many at once are refused, together with all other changes', async () => {
    opened({ throttle: '5/1m' })
    const denied = Array.from({ length: 1001 }, () => nothing)
    expect(() => on.guard.reconfigure({ throttle: '1/1m', hooks: { denied } })).toThrow('Add them once')
    on.guard.reconfigure({ once: false })
    await on.says(1, 'a', 'b')
    expect(on.reached).toEqual(['a', 'b'])
  })

  test('stay, in their order, if another option that is changed with them is refused', async () => {
    const log: string[] = []
    opened({ hooks: { allowed: () => void log.push('option') } })
    on.guard.hook('allowed', () => void log.push('own'))
    const throttle = Array.from({ length: 40 }, (_, index) => ({ name: `x${index}`, limit: '5/1m' as const }))
    const hooks = { allowed: () => void log.push('other') }
    expect(() => on.guard.reconfigure({ throttle, hooks })).toThrow('checks')
    await on.says(1, 'a')
    expect(log).toEqual(['option', 'own'])
  })

  test('hooks that are added with every update cause an error', () => {
    opened()
    for (let i = 0; i < 1000; i++) on.guard.hook('denied', () => undefined)
    expect(() => on.guard.hook('denied', () => undefined)).toThrow('Add them once')
  })
})
