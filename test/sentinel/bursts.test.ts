import { concurrency, type Duration, debounce } from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, nextId, says, tick, user } from './desk.js'

/* Bursts in a sentinel: collected by two debounces, and refused when they fire. */

const ALICE = 7
const BOB = 8
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await closed(at)
})

function stand(...given: Parameters<typeof desk>): Desk {
  const at = desk(...given)
  open.push(at)
  return at
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await tick()
}

async function passes(at: Desk, ms: number): Promise<void> {
  at.time.advance(ms)
  await settled()
}

describe('collected in front of the bot, and again in front of a handler', () => {
  const photo = (album: string) => {
    const id = nextId()
    return {
      update_id: id,
      message: {
        message_id: id,
        date: 1,
        chat: { id: ALICE, type: 'private' as const, first_name: 'Alice' },
        from: user(ALICE),
        media_group_id: album,
        photo: [{ file_id: `f${id}`, file_unique_id: `u${id}`, width: 1, height: 1 }],
      },
    }
  }

  test('albums that form a burst are passed on completely', async () => {
    const bursts: (number | undefined)[][] = []
    const at = stand({ debounce: { albums: '300ms' } }, (bot) => {
      bot.on('message', debounce({ mode: 'trailing', window: '1s' }), (ctx) => {
        bursts.push((ctx.sentinel.burst ?? []).map(({ msg }) => msg?.message_id))
      })
    })
    const parts = ['a', 'a', 'a', 'b', 'b'].map(photo)
    for (const part of parts) {
      // The next album arrives when the one before has been collected.
      if (part.message.media_group_id === 'b') await passes(at, 300)
      await at.handle(part)
    }
    await passes(at, 300)
    await passes(at, 1000)
    expect(bursts).toEqual([parts.map(({ message }) => message.message_id)])
  })

  test('a burst that becomes part of another is passed on completely', async () => {
    const bursts: (string | undefined)[][] = []
    const at = stand({ debounce: { mode: 'trailing', window: '1s' } }, (bot) => {
      bot.on('message', debounce({ mode: 'trailing', window: '5s' }), (ctx) => {
        bursts.push((ctx.sentinel.burst ?? []).map(({ msg }) => msg?.text))
      })
    })
    await at.says(ALICE, 'one', 'two')
    await passes(at, 1000)
    await at.says(ALICE, 'three', 'four')
    await passes(at, 1000)
    await passes(at, 5000)
    expect(bursts).toEqual([['one', 'two', 'three', 'four']])
  })
})

describe('a burst that is refused when it is due', () => {
  const slow = (options: Parameters<typeof desk>[0]): Desk =>
    stand(
      {
        throttle: { limit: '10/1h', deny: 'silent' },
        debounce: { mode: 'trailing', window: '1s' },
        ...options,
      },
      (bot) => {
        bot.command('slow', () => new Promise<void>(() => undefined))
      },
    )

  test('by concurrency: all of its messages are refunded, and count as denied', async () => {
    const at = slow({ concurrency: { scope: 'chat', most: 1, queue: 0, deny: 'silent' } })
    const denied: string[] = []
    at.guard.on('denied', ({ facts, verdict }) => denied.push(`${facts.updateId} ${verdict.reason}`))
    void at.handle(says(ALICE, '/slow'))
    await settled()
    const messages = ['one', 'two', 'three', 'four'].map((text) => says(ALICE, text))
    for (const message of messages) await at.handle(message)
    await passes(at, 1000)
    const left = await at.guard.peek(ALICE, 'user')
    expect(left.map(({ remaining }) => Math.floor(remaining))).toEqual([9])
    expect(denied).toEqual(messages.map(({ update_id }) => `${update_id} busy`))
    expect((await at.guard.health()).tally).toMatchObject({ allowed: 1, denied: 4 })
    await at.guard.close('1ms')
  })

  test('by a hook after the guards: all of its messages are refunded, with one notice', async () => {
    const at = slow({ concurrency: { scope: 'chat', most: 1 } })
    at.guard.hook('after:concurrency', () => ({ veto: 'closed' }))
    await at.says(BOB, 'one', 'two', 'three')
    await passes(at, 1000)
    await at.quiet()
    const left = await at.guard.peek(BOB, 'user')
    expect(left.map(({ remaining }) => Math.floor(remaining))).toEqual([10])
    expect((await at.guard.health()).tally).toMatchObject({ allowed: 0, denied: 3 })
    expect(at.notices).toHaveLength(1)
  })
})

/** Closes the guard, and advances the clock as long as that may take. */
async function closed(at: Desk, within: Duration = '1s', step = 1000): Promise<void> {
  let isOver = false
  const closing = at.guard.close(within).then(() => {
    isOver = true
  })
  for (let nth = 0; nth < 60 && !isOver; nth++) await passes(at, step)
  expect(isOver).toBe(true)
  await closing
}

describe('if the handler of a burst hangs', () => {
  const hanging = (): { at: Desk; reached: string[] } => {
    const reached: string[] = []
    const at = stand({ debounce: { mode: 'trailing', window: '1m' } }, (bot) => {
      bot.hears(
        /^hang/,
        debounce({ mode: 'trailing', window: '1s' }),
        () => new Promise<void>(() => undefined),
      )
      bot.hears(/^short/, debounce({ mode: 'trailing', window: '1s' }), (ctx) => {
        reached.push(ctx.msg.text ?? '')
      })
      bot.on('message', (ctx) => {
        reached.push(ctx.msg.text ?? '')
      })
    })
    return { at, reached }
  }

  test('close() still handles the held bursts of the sentinel', async () => {
    const { at, reached } = hanging()
    await at.says(BOB, 'hang')
    await passes(at, 60_000)
    await passes(at, 1000)
    await at.says(ALICE, 'held')
    await settled()
    const closing = closed(at)
    await settled()
    expect(reached).toEqual(['held'])
    await closing
  })

  test('its user is admitted again after the deadline, with commands, too, and the handler is reported', async () => {
    const overdue: unknown[] = []
    const at = stand({ debounce: { mode: 'trailing', window: '1s', deadline: '20s' } }, (bot) => {
      bot.hears('hang', () => new Promise<void>(() => undefined))
    })
    at.guard.on('overdue', ({ guard, limit, ms, ctx }) => overdue.push([guard, limit, ms, ctx.msg?.text]))
    await at.says(ALICE, 'hang')
    await passes(at, 1000)
    await at.says(ALICE, 'well?', '/help')
    await passes(at, 19_000)
    expect([at.reached, overdue]).toEqual([['hang'], []])
    await passes(at, 1000)
    expect(at.reached).toEqual(['hang', 'well?', '/help'])
    expect(overdue).toEqual([['debounce', 'trailing', 20_000, 'hang']])
  })

  test('a burst that still waits for a place does not count as hanging: the next burst of its actor waits', async () => {
    const overdue: unknown[] = []
    const ends: (() => void)[] = []
    const concurrency = { scope: 'global', most: 1, maxWait: '5m', deadline: '10m' } as const
    const at = stand(
      { debounce: { mode: 'trailing', window: '1s', deadline: '20s' }, concurrency },
      (bot) => {
        bot.on('message', () => new Promise<void>((end) => ends.push(end)))
      },
    )
    at.guard.on('overdue', ({ ms, ctx }) => overdue.push([ms, ctx.msg?.text]))
    await at.says(BOB, 'at work')
    await passes(at, 1000)
    await at.says(ALICE, 'first')
    await passes(at, 1000)
    await at.says(ALICE, 'second')
    await passes(at, 60_000)
    expect([at.reached, overdue]).toEqual([['at work'], []])
    ends[0]?.()
    await settled()
    await passes(at, 19_000)
    expect([at.reached, overdue]).toEqual([['at work', 'first'], []])
    ends[1]?.()
    await settled()
    expect([at.reached, overdue]).toEqual([['at work', 'first', 'second'], []])
    ends[2]?.()
  })

  test('bursts in front of another handler do not wait for it after reconfigure()', async () => {
    const { at, reached } = hanging()
    await at.says(ALICE, 'hang')
    await passes(at, 60_000)
    await passes(at, 1000)
    at.guard.reconfigure({ throttle: '50/1m' })
    await at.says(ALICE, 'short')
    await passes(at, 60_000)
    await passes(at, 1000)
    expect(reached).toEqual(['short'])
    await closed(at)
  })
})

test('bursts of a debounce in front of a handler take places of a concurrency() behind it', async () => {
  let running = 0
  const most: number[] = []
  const at = stand({}, (bot) => {
    const guards = [debounce({ mode: 'trailing', window: '1s' }), concurrency({ scope: 'chat' })] as const
    bot.on('message', ...guards, async () => {
      most.push(++running)
      await new Promise<void>((done) => at.time.timers.after(10, done))
      running--
    })
  })
  for (const who of [1, 2, 3]) await at.handle(says(who, `of ${who}`, { group: true }))
  await passes(at, 1000)
  for (let i = 0; i < 3; i++) await passes(at, 10)
  expect(most).toEqual([1, 1, 1])
})

describe('a burst handled by close() takes its place in order', () => {
  const TRAILING = { mode: 'trailing', window: '1s' } as const

  /** Many users write in one group; the handlers take ten milliseconds. */
  async function closedWith(
    options: Parameters<typeof desk>[0],
    before: (at: Desk) => void = () => undefined,
  ) {
    const handled: string[] = []
    const denied: string[] = []
    const at = stand(options, (bot) => {
      bot.on('message', concurrency({ scope: 'chat', name: 'desk' }), async (ctx) => {
        await new Promise<void>((done) => at.time.timers.after(10, done))
        handled.push(ctx.msg.text ?? '')
      })
    })
    at.guard.on('denied', ({ verdict, ctx }) => denied.push(`${ctx.msg?.text}: ${verdict.reason}`))
    for (const who of [1, 2, 3]) await at.handle(says(who, `of ${who}`, { group: true }))
    expect(handled).toEqual([])
    before(at)
    await closed(at, '30s', 10)
    return { handled, denied }
  }

  const all = { handled: ['of 1', 'of 2', 'of 3'], denied: [] }

  test('of a limit of the sentinel itself', async () => {
    expect(await closedWith({ debounce: TRAILING, concurrency: { scope: 'chat' } })).toEqual(all)
  })

  test('of a limit in front of their handler', async () => {
    expect(await closedWith({ debounce: TRAILING })).toEqual(all)
  })

  test('if the options were changed since it arrived', async () => {
    const change = (at: Desk): void => at.guard.reconfigure({ throttle: '50/1m' })
    expect(await closedWith({ debounce: TRAILING, concurrency: { scope: 'chat' } }, change)).toEqual(all)
  })
})

test('a handler denies and refunds every message of a burst, one by one', async () => {
  const at = stand({ throttle: '10/1h', debounce: { mode: 'trailing', window: '1s' } }, (bot) => {
    bot.on('message', async (ctx) => {
      for (const each of (ctx.sentinel.burst ?? []) as readonly GuardedContext[])
        await each.sentinel.deny({ refund: true, notice: each === ctx })
    })
  })
  await at.says(ALICE, 'one', 'two', 'three')
  expect((await at.guard.peek(ALICE, 'user'))[0]?.remaining).toBe(7)
  await passes(at, 1000)
  await at.quiet()
  expect((await at.guard.peek(ALICE, 'user'))[0]?.remaining).toBe(10)
  expect((await at.guard.health()).tally).toMatchObject({ allowed: 0, denied: 3 })
  expect(at.notices).toHaveLength(1)
})
