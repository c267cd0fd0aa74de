import { debounce, sentinel } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { type GuardedContext, Stage } from '../middleware/rig.js'
import { settled } from '../storage/outage.js'
import { desk, later, says, taps, tick, types } from './desk.js'

const ALICE = 7

describe('reconfigure', () => {
  test('new limits hold at once, and counts are kept', async () => {
    const { guard, says, reached, time } = desk({ throttle: '4/1m' })
    await says(ALICE, '1', '2')
    guard.reconfigure({ throttle: '8/1m' })
    // A bucket keeps its level: half of it was left before, and half of it is left now.
    await says(ALICE, '3', '4', '5', '6', '7')
    expect(reached).toEqual(['1', '2', '3', '4', '5', '6'])
    time.advance(7500)
    await says(ALICE, 'one more', 'two more')
    expect(reached.slice(6)).toEqual(['one more'])
  })

  test('changes only the given options, including block list and registrations', async () => {
    const { guard, says, handle, reached } = desk({ throttle: '2/1m', debounce: false, block: { list: [8] } })
    await guard.block(9)
    await says(ALICE, '1')
    guard.reconfigure({ debounce: { window: '1s', on: ['tap'] } })
    await says(8, 'listed')
    await says(9, 'blocked')
    await handle(taps(ALICE, 'buy'))
    await handle(taps(ALICE, 'buy'))
    await says(ALICE, 'over')
    expect(reached).toEqual(['1', 'buy'])
  })

  test('does not block again users who were unblocked since', async () => {
    const { guard, says, reached } = desk({ block: { list: [8, 9] } })
    await says(8, 'blocked')
    await guard.unblock(8)
    guard.reconfigure({ throttle: '5/1m' })
    guard.reconfigure({ block: { list: [8, 9, 10] } })
    for (const from of [8, 9, 10]) await says(from, `from ${from}`)
    expect(reached).toEqual(['from 8'])
  })

  test.each<[string, object, string]>([
    ['an unknown option', { throttel: '5/1m' }, 'option.unknown'],
    ['a wrong limit', { throttle: 'many', block: { list: [ALICE] } }, 'limit.invalid'],
    ['a stand-in', { throttle: '9/1m', block: { list: [777000] } }, 'subject.invalid'],
    [
      'too many checks',
      {
        block: { list: [ALICE] },
        throttle: Array.from({ length: 8 }, (_, index) => ({ name: `n${index}`, limit: '9/1m' })),
      },
      'plan.invalid',
    ],
  ])('with %s changes nothing', async (_, wrong, code) => {
    const { guard, says, reached, handle } = desk({ throttle: '2/1m' })
    await says(ALICE, '1')
    expect(() => guard.reconfigure(wrong)).toThrow(expect.objectContaining({ code }))
    await says(ALICE, '2', 'over')
    await handle(types(ALICE, 'query'))
    expect(reached).toEqual(['1', '2', 'inline_query'])
    expect(await guard.isBlocked(ALICE)).toBe(false)
  })

  test('turns guards off and on again', async () => {
    const { guard, says, reached } = desk({ throttle: '1/1m' })
    await guard.block(8)
    await says(ALICE, '1', 'over')
    guard.reconfigure({ throttle: false, block: false })
    await says(ALICE, '2', '3')
    await says(8, 'blocked, but nobody looks')
    guard.reconfigure({ throttle: '1/1m', block: {} })
    await says(8, 'blocked')
    expect(reached).toEqual(['1', '2', '3', 'blocked, but nobody looks'])
  })

  test('to another mode of debounce keeps nothing of the previous one', async () => {
    const { guard, says, handle, reached, time } = desk()
    guard.reconfigure({ debounce: { mode: 'trailing', window: '1s', maxWait: '5s' } })
    await says(ALICE, '1', '2')
    time.advance(1000)
    await tick()
    expect(reached).toEqual(['2'])
    guard.reconfigure({ debounce: { window: '2s' } })
    await says(ALICE, '3')
    time.advance(1000)
    await tick()
    expect(reached).toEqual(['2'])
    guard.reconfigure({ debounce: { mode: 'leading', window: '1s' } })
    await tick()
    await handle(taps(ALICE, 'buy'))
    await handle(taps(ALICE, 'buy'))
    expect(reached).toEqual(['2', '3', 'buy'])
  })

  test('loses no held burst, and close() waits for it', async () => {
    const bursts: (string | undefined)[][] = []
    let go = (): void => undefined
    const gate = new Promise<void>((done) => {
      go = done
    })
    const { guard, says } = desk({ debounce: { mode: 'trailing', window: '1s' } }, (bot) => {
      bot.on('message', async (ctx) => {
        bursts.push(ctx.sentinel.burst?.map(({ msg }) => msg?.text) ?? [])
        await gate
      })
    })
    await says(ALICE, '1', '2')
    guard.reconfigure({ debounce: { mode: 'trailing', window: '5s' } })
    await says(ALICE, '3')
    let closed = false
    const closing = guard.close().then(() => {
      closed = true
    })
    await tick()
    expect(bursts).toEqual([['1', '2']])
    expect(closed).toBe(false)
    go()
    await closing
    expect(bursts).toEqual([['1', '2'], ['3']])
  })

  test.each([
    ['other limits', { throttle: '50/1m' }],
    ['another quiet', { debounce: { window: '3s' } }],
    ['none, and trailing again', { debounce: false }],
  ] as const)('to %s: later updates wait for the handlers of earlier ones', async (_, other) => {
    const begun: (string | undefined)[] = []
    const ends: (() => void)[] = []
    const trailing = { mode: 'trailing', window: '1s' } as const
    const { guard, says, time } = desk({ debounce: trailing }, (bot) => {
      bot.on('message', async (ctx) => {
        begun.push((ctx.sentinel.burst ?? [ctx]).map(({ msg }) => msg?.text).join(' '))
        await new Promise<void>((end) => ends.push(end))
      })
    })
    const goesOn = async () => {
      for (let i = 0; i < 10; i++) await tick()
    }
    await says(ALICE, '1', '2')
    guard.reconfigure(other)
    guard.reconfigure({ debounce: trailing })
    await says(ALICE, '3')
    // A command is handled after the messages before it.
    await says(ALICE, '/four')
    await says(8, 'somebody else')
    time.advance(5000)
    await goesOn()
    expect(begun).toEqual(['1 2', 'somebody else'])
    for (const end of ends.splice(0)) end()
    await goesOn()
    expect(begun.slice(2)).toEqual(['3'])
    for (const end of ends.splice(0)) end()
    await goesOn()
    expect(begun.slice(3)).toEqual(['/four'])
    for (const end of ends.splice(0)) end()
    await guard.close()
  })

  test('keeps the order of updates that wait in front of a handler, too', async () => {
    const begun: (string | undefined)[] = []
    const ends: (() => void)[] = []
    const { guard, says, time } = desk({}, (bot) => {
      bot.on('message', debounce({ mode: 'trailing', window: '1s' }), async (ctx) => {
        begun.push(ctx.msg.text)
        await new Promise<void>((end) => ends.push(end))
      })
    })
    await says(ALICE, '1')
    guard.reconfigure({ throttle: '50/1m' })
    await says(ALICE, '2')
    time.advance(1000)
    await tick()
    expect(begun).toEqual(['1'])
    ends.shift()?.()
    await tick()
    expect(begun).toEqual(['1', '2'])
    ends.shift()?.()
    await guard.close()
  })

  test('does not affect an update that a remote storage is deciding', async () => {
    const { clock } = new Stage()
    const { guard, handle, reached } = desk({ clock, storage: later(memory({ clock })), throttle: '1/1m' })
    await handle(says(ALICE, '1'))
    const pending = handle(says(ALICE, '2'))
    guard.reconfigure({ throttle: false })
    await pending
    await handle(says(ALICE, '3'))
    expect(reached).toEqual(['1', '3'])
  })

  test('a thousand times leaks nothing', async () => {
    const { guard, says, reached } = desk({ block: { list: [8] } })
    await says(ALICE, '1')
    for (let i = 1; i <= 1000; i++) guard.reconfigure({ throttle: `${i}/1m` })
    await says(ALICE, '2')
    await says(8, 'listed')
    expect(reached).toEqual(['1', '2'])
    expect((await guard.health()).storage.tracked).toBeLessThanOrEqual(4)
    expect((await guard.health()).background.running).toBe(0)
  })

  test('keeps counters', async () => {
    const { guard, says } = desk({ throttle: '1/1m', notices: { budget: '1/1m' } })
    await says(ALICE, '1', 'over')
    await says(8, '1', 'over')
    guard.reconfigure({ notices: { budget: '5/1m' } })
    await says(ALICE, 'over')
    expect(await guard.health()).toMatchObject({ unsaid: 1, tally: { allowed: 2, denied: 3 } })
  })
})

describe('health and close', () => {
  test.each([
    ['30s, by default,', undefined, 30_000],
    ['for the given time', '5s', 5000],
  ] as const)(
    'close() waits %s for a handler that hangs, reports unfinished work, and still closes',
    async (_, within, span) => {
      const begun: (string | undefined)[] = []
      const { guard, handle, time } = desk({ debounce: { mode: 'trailing', window: '1s' } }, (bot) => {
        const slow = debounce({ mode: 'trailing', window: '1m' })
        bot.hears('again', slow, (ctx) => {
          begun.push(ctx.msg?.text)
        })
        bot.on('message', (ctx) => {
          begun.push(ctx.msg?.text)
          return new Promise<never>(() => undefined)
        })
      })
      const warned: string[] = []
      guard.on('warning', ({ code, message }) => warned.push(`${code} ${message}`))
      await handle(says(ALICE, 'hangs'))
      await handle(says(8, 'again'))
      time.advance(1000)
      await settled()
      expect(begun).toEqual(['hangs'])
      let closed = false
      const closing = guard.close(within).then(() => {
        closed = true
      })
      await settled()
      // Bursts of other users are handled meanwhile.
      expect(begun).toEqual(['hangs', 'again'])
      time.advance(span - 1)
      await settled()
      expect([closed, warned]).toEqual([false, []])
      time.advance(1)
      await closing
      expect(warned).toEqual([
        expect.stringMatching(`^close[.]unfinished .* after ${span} ms [(]debounce: 1[)]`),
      ])
      await expect(async () =>
        guard.storage.prepare({ name: 'x', scopes: [], checks: [] }),
      ).rejects.toMatchObject({
        code: 'storage.closed',
      })
    },
  )

  test('close() takes a duration, and does not warn if everything ends in time', async () => {
    const { guard, says } = desk({ debounce: { mode: 'trailing', window: '1s' } })
    const warned: string[] = []
    guard.on('warning', ({ code }) => warned.push(code))
    await says(ALICE, '1')
    await expect(guard.close('soon' as '1s')).rejects.toMatchObject({ code: 'duration.invalid' })
    await guard.close('1m')
    expect(warned).toEqual([])
  })

  test('return the current state', async () => {
    const { guard, says } = desk({ throttle: '1/1m' })
    expect(await guard.health()).toMatchObject({ ok: true, bots: [], tally: { allowed: 0 } })
    await says(ALICE, '1', 'over')
    const { bots, storage, tally } = await guard.health()
    expect(bots).toEqual([42])
    expect(storage).toMatchObject({ ok: true, kind: 'memory', tracked: 1 })
    expect([...tally.denials]).toEqual([['throttle.limited', 1]])
  })

  test('report a storage whose health() fails as not ok', async () => {
    const storage = { ...later(), health: () => Promise.reject(new Error('gone')) }
    const { guard } = desk({ storage })
    const told: string[] = []
    guard.on('error', ({ during }) => told.push(during))
    expect(await guard.health()).toMatchObject({ ok: false, storage: { ok: false } })
    expect(told).toEqual(['storage.health'])
  })

  test('close() waits for notices, and closes a storage that it created, but none that was given', async () => {
    const own = desk({ throttle: '1/1m' })
    await own.says(ALICE, '1', 'over')
    await own.guard.close()
    expect(own.notices).toHaveLength(1)
    expect((await own.guard.health()).ok).toBe(false)

    const storage = memory()
    const given = desk({ storage })
    await given.guard.close()
    expect((await given.guard.health()).ok).toBe(true)
    given.guard.reconfigure({ throttle: '1/1m' })
    await given.guard.close()
    expect((await given.guard.health()).ok).toBe(true)
    await given.guard.close()
  })

  test('an update after close() does not fail', async () => {
    const { guard, says, reached } = desk()
    await says(ALICE, '1')
    await guard.close()
    await says(ALICE, '2')
    expect(reached).toEqual(['1', '2'])
  })
})

describe('ctx.sentinel', () => {
  test('has the facts and the remaining units of each limit, and refunds charges', async () => {
    const seen: unknown[] = []
    const { guard, says } = desk({ throttle: '3/1m' }, (bot) => {
      bot.on('message', async ({ sentinel }) => {
        const before = sentinel.remaining('user')
        if (sentinel.facts.command === 'free') await sentinel.refund()
        if (sentinel.facts.command === 'free') await sentinel.refund('user')
        seen.push([
          sentinel.facts.actorId,
          before,
          sentinel.remaining('user'),
          sentinel.remaining('user.inline'),
        ])
      })
    })
    await says(ALICE, '1', '/free', '2')
    expect(seen).toEqual([
      [ALICE, 2, 2, undefined],
      [ALICE, 1, 2, undefined],
      [ALICE, 1, 1, undefined],
    ])
    expect(await guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 1 }])
  })

  test('a refund of an unknown limit refunds nothing', async () => {
    const { guard, says } = desk({ throttle: '3/1m' }, (bot) =>
      bot.on('message', ({ sentinel }) => sentinel.refund('users')),
    )
    await says(ALICE, '1')
    expect(await guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 2 }])
  })

  test('denies later: informs listeners, counters and the user once', async () => {
    const { guard, says, notices, quiet } = desk({ throttle: '3/1m' }, (bot) => {
      bot.on('message', async ({ sentinel }) => {
        await sentinel.deny({ note: 'no such order', refund: true })
        await sentinel.deny({ note: 'again' })
        verdicts.push(sentinel.verdict)
      })
    })
    const verdicts: unknown[] = []
    const told: unknown[] = []
    guard.on('denied', ({ verdict }) => told.push(verdict))
    await says(ALICE, 'order')
    await quiet()
    expect(verdicts).toEqual(told)
    expect(told).toEqual([
      expect.objectContaining({ guard: 'handler', reason: 'denied', note: 'no such order' }),
    ])
    expect(notices).toEqual(['This is not possible right now.'])
    expect((await guard.health()).tally).toMatchObject({ allowed: 0, denied: 1 })
    expect(await guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 3 }])
  })

  test('denies later silently if asked to', async () => {
    const { says, notices, quiet } = desk({}, (bot) =>
      bot.use(({ sentinel }) => sentinel.deny({ notice: false })),
    )
    await says(ALICE, 'order')
    await quiet()
    expect(notices).toEqual([])
  })
})

describe('several sentinels or bots', () => {
  test.each([
    ['of one storage', true],
    ['of storages of their own', false],
  ])('sentinels %s on one bot each count by themselves, in order', async (_, shared) => {
    const time = new Stage()
    const storage = memory({ clock: time.clock })
    const ours = shared ? { storage } : {}
    const inner = sentinel<GuardedContext>({ clock: time.clock, throttle: '2/1m', ...ours })
    const left: (number | undefined)[] = []
    const passed: string[] = []
    const { says, reached } = desk({ clock: time.clock, throttle: '4/1m', ...ours }, (bot) => {
      bot.use(inner)
      bot.on('message:text', (ctx) => {
        passed.push(ctx.message.text)
        left.push(...ctx.sentinel.limits.map(({ remaining }) => remaining))
      })
    })
    await says(ALICE, '1', '2', '3', '4', '5')
    expect(reached).toEqual(['1', '2', '3', '4'])
    expect(passed).toEqual(['1', '2'])
    // The limits of the inner guard first, then those of the outer one.
    expect(left).toEqual([1, 3, 0, 2])
  })

  test('a block by one of two sentinels that share a storage is a block by both', async () => {
    const time = new Stage()
    const storage = memory({ clock: time.clock })
    const first = desk({ clock: time.clock, storage })
    const second = desk({ clock: time.clock, storage })
    await first.says(8, 'met')
    await second.says(8, 'met')
    await first.guard.block(ALICE)
    await second.says(ALICE, 'no')
    expect(second.reached).toEqual(['met'])
    expect(await second.guard.isBlocked(ALICE)).toBe(true)
  })

  test('bots behind one sentinel share only its rules and blocks', async () => {
    const { guard, says: say, another, reached, handle } = desk({ throttle: '2/1m' })
    const other = another(43)
    const update = says(8, 'hello')
    await handle(update)
    await other.handle(update)
    await say(ALICE, '1', '2', 'over')
    await other.handle(says(ALICE, '1'))
    expect(reached).toEqual(['hello', '1', '2'])
    expect(other.reached).toEqual(['hello', '1'])
    await guard.block(ALICE)
    await other.handle(says(ALICE, 'blocked'))
    expect(other.reached).toEqual(['hello', '1'])
    expect((await guard.health()).bots).toEqual([42, 43])
    expect(await guard.unblock(ALICE)).toBe(1)
    await other.handle(says(ALICE, 'back'))
    expect(other.reached.at(-1)).toBe('back')
  })
})
