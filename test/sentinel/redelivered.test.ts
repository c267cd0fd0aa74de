import { Bot, type Middleware } from 'grammy'
import type { Update } from 'grammy/types'
import { systemTimers } from '../../src/core/clock.js'
import {
  debounce,
  type Guard,
  type LimitView,
  policy,
  type Sentinel,
  type SentinelOptions,
  type Storage,
  sentinel,
  throttle,
} from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { faulty } from '../storage/faulty.js'
import { type Desk, desk, later, says, tick } from './desk.js'

/* An update whose handler failed, or whose worker died, is redelivered, possibly to another worker. */

const ALICE = 7
const open: Pick<Sentinel, 'close'>[] = []

afterEach(async () => {
  for (const each of open.splice(0)) await each.close('1ms')
})

interface Shop extends Desk {
  readonly sold: string[]
  /** What the handler does first. */
  fate: () => unknown
  /** Delivers an update to the same bot in another process. */
  elsewhere(update: Update): Promise<void>
}

function shop(guard: Guard, options: SentinelOptions, first?: Middleware<GuardedContext>): Shop {
  const sold: string[] = []
  const wire = (bot: Bot<GuardedContext>): void => {
    if (first !== undefined) bot.use(first)
    bot.command('sell', guard, async () => {
      await at.fate()
      sold.push('sold')
    })
  }
  const own = { name: 'shop', throttle: '60/1m', ...options } as const
  const made = desk(own, wire)
  const { clock, timers } = made.time
  const second = sentinel<GuardedContext>({ ...own, clock, timers, storage: made.guard.storage })
  const bot = new Bot<GuardedContext>(made.bot.token, { botInfo: made.bot.botInfo })
  bot.use(second)
  wire(bot)
  open.push(made.guard, second)
  const at: Shop = {
    ...made,
    sold,
    fate: () => undefined,
    elsewhere: (update) => bot.handleUpdate(update),
  }
  return at
}

const fails = (): never => {
  throw new Error('the till is stuck')
}

const limited = { limit: '1/1h', deny: 'silent' } as const
const GUARDS: readonly [string, () => Guard, SentinelOptions][] = [
  ['throttle', () => throttle(limited), {}],
  ['debounce', () => debounce('1h'), {}],
  ['policy', () => policy('careful'), { policies: { careful: { throttle: limited, debounce: '1h' } } }],
]

describe('a handler failed', () => {
  test.each(GUARDS)('and another worker gets the update: %s admits it', async (_, guard, options) => {
    const at = shop(guard(), options)
    at.fate = fails
    const update = says(ALICE, '/sell')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    await at.quiet()
    at.fate = () => undefined
    await at.elsewhere(update)
    expect(at.sold).toEqual(['sold'])
    await at.elsewhere(says(ALICE, '/sell'))
    expect(at.sold).toEqual(['sold'])
  })

  test.each(GUARDS)('and the options were changed: %s admits it', async (_, guard, options) => {
    const at = shop(guard(), options)
    at.fate = fails
    const update = says(ALICE, '/sell')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    await at.quiet()
    at.fate = () => undefined
    at.guard.reconfigure({ throttle: '30/1m' })
    await at.handle(update)
    expect(at.sold).toEqual(['sold'])
  })

  /** A storage whose settling of claims stays pending until it is released. */
  function slowToSettle() {
    const inner = later()
    let open = (): void => undefined
    const opened = new Promise<void>((done) => {
      open = done
    })
    const storage: Storage = {
      ...inner,
      async prepare(plan) {
        const judge = await inner.prepare(plan)
        return { ...judge, settle: (...given) => opened.then(() => judge.settle(...given)) }
      },
    }
    return { storage, open }
  }

  test.each<[string, () => unknown]>([
    ['later', () => Promise.reject(new Error('the till is stuck'))],
    ['at once', fails],
  ])('%s, which is reported once the update may be redelivered, and not before', async (_, fate) => {
    const { storage, open } = slowToSettle()
    let handled = 0
    const at = desk({ storage }, (bot) => {
      bot.use((_, next) => (++handled === 1 ? (fate() as Promise<void>) : next()))
    })
    const update = says(ALICE, 'hello')
    let told = false
    const handling = at.handle(update).catch((error: Error) => {
      told = true
      return error.message
    })
    for (let turn = 0; turn < 20; turn++) await tick()
    expect([handled, told]).toEqual([1, false])
    open()
    expect(await handling).toContain('the till is stuck')
    await at.handle(update)
    expect(handled).toBe(2)
    await at.guard.close()
  })

  test('and the storage does not answer: the failure is still reported', async () => {
    const { storage, open } = slowToSettle()
    const at = desk({ storage }, (bot) => {
      bot.use(fails)
    })
    let told = false
    at.handle(says(ALICE, 'hello')).catch(() => {
      told = true
    })
    for (let second = 0; second < 10 && !told; second++) {
      for (let turn = 0; turn < 10; turn++) await tick()
      at.time.advance(1000)
    }
    expect(told).toBe(true)
    open()
    await at.guard.close()
  })

  test('behind guards that had refused the update: they refuse it again', async () => {
    const sold: string[] = []
    const at = desk({}, (bot) => {
      bot.use(async (_, next) => {
        await next()
        fails()
      })
      bot.command('sell', debounce('1h'), () => {
        sold.push('sold')
      })
    })
    open.push(at.guard)
    const repeated = says(ALICE, '/sell')
    for (const update of [says(ALICE, '/sell'), repeated, repeated]) {
      await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    }
    expect(sold).toEqual(['sold'])
  })
})

test('after a handler failed in shadow mode, guards in front of it report no refusal of the redelivered update', async () => {
  const at = shop(throttle(limited), { shadow: true })
  at.fate = fails
  const update = says(ALICE, '/sell')
  const refused: string[] = []
  at.guard.on('shadow', ({ verdict: { guard, limit } }) => refused.push(`${guard}.${limit}`))
  await expect(at.handle(update)).rejects.toThrow('the till is stuck')
  at.fate = () => undefined
  await at.handle(update)
  expect([at.sold, refused]).toEqual([['sold'], []])
})

test.each([false, true])(
  'updates without a proper id are never taken for a redelivered one (shadow: %s)',
  async (shadow) => {
    const at = shop(throttle(limited), { shadow })
    const withoutId = (from: number): Update => {
      const { update_id: _, ...content } = says(from, '/sell')
      return content as Update
    }
    let refused = 0
    at.guard.on(shadow ? 'shadow' : 'denied', () => void refused++)
    at.fate = fails
    await expect(at.handle(withoutId(ALICE))).rejects.toThrow('the till is stuck')
    at.fate = () => undefined
    for (let nth = 0; nth < 3; nth++) await at.handle(withoutId(8))
    expect(refused).toBe(2)
  },
)

describe('after a handler failed and its limits were changed, its redelivered update', () => {
  const one = { name: 'one', limit: '10/1h' } as const
  const two = { name: 'two', limit: '50/1h' } as const
  const added = { name: 'added', limit: '30/1h' } as const

  test('may have the charge of one limit refunded, by its name', async () => {
    let attempts = 0
    const at = desk({ throttle: [one, two] }, (bot) => {
      bot.use(({ sentinel }) => (++attempts === 1 ? fails() : sentinel.refund('one')))
    })
    open.push(at.guard)
    const update = says(ALICE, 'hello')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    at.guard.reconfigure({ throttle: [added, one, two] })
    await at.handle(update)
    const left = await Promise.all(['one', 'two'].map((limit) => at.guard.peek(ALICE, limit)))
    expect(left.map(([state]) => state?.remaining)).toEqual([10, 49])
  })

  /** Changes the options after each of some failed updates; returns what the first may have refunded when it is redelivered. */
  async function refundedAfter(changes: number): Promise<number | undefined> {
    const at = desk({ throttle: [one] }, (bot) => {
      bot.use(({ sentinel }) => (isStuck ? fails() : sentinel.refund('one')))
    })
    open.push(at.guard)
    let isStuck = true
    const first = says(ALICE, 'hello')
    await expect(at.handle(first)).rejects.toThrow('the till is stuck')
    for (let nth = 1; nth <= changes; nth++) {
      at.guard.reconfigure({ throttle: [{ ...added, limit: `${nth}/1h` }, one] })
      await expect(at.handle(says(100 + nth, 'hello'))).rejects.toThrow('the till is stuck')
    }
    isStuck = false
    await at.handle(first)
    const [state] = await at.guard.peek(ALICE, 'one')
    return state && state.remaining - 9
  }

  test('has its charge refunded if few changes followed: options and states of many are not kept for it', async () => {
    expect(await refundedAfter(3)).toBe(1)
    expect(await refundedAfter(8)).toBe(0)
  })

  test('sees the limits in front of its handler that charged it', async () => {
    const seen: (readonly LimitView[])[] = []
    const at = desk({ throttle: false, policies: { sales: { throttle: one } } }, (bot) => {
      bot.command('sell', policy('sales'), async ({ sentinel }) => {
        seen.push(sentinel.limits)
        if (seen.length === 1) fails()
        await sentinel.refund('one')
      })
    })
    open.push(at.guard)
    const update = says(ALICE, '/sell')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    at.guard.reconfigure({ throttle: false, policies: { sales: { throttle: [added, one, two] } } })
    await at.handle(update)
    const only = [{ guard: 'throttle', name: 'one', remaining: 9 }]
    expect(seen).toEqual([only, only])
    expect((await at.guard.peek(ALICE, 'one')).map(({ remaining }) => remaining)).toEqual([10])
  })
})

describe('an update whose handler failed is known as a repeated one while the storage is down', () => {
  test.each([
    ['which a local copy replaces', true],
    ['which nothing replaces', false],
  ])('%s', async (_, remote) => {
    const storage = Object.assign(faulty(Date.now, systemTimers), { remote })
    const repeated: boolean[] = []
    const at = desk({ storage, throttle: '60/1m' }, (bot) => {
      bot.command('sell', throttle(limited), ({ sentinel }) => {
        repeated.push(sentinel.isRepeated)
        fails()
      })
    })
    open.push(at.guard)
    for (const event of ['error', 'storage.down'] as const) at.guard.on(event, () => undefined)
    const update = says(ALICE, '/sell')
    await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    await at.quiet()
    storage.fault = 'refuses'
    storage.parts = (what) => what === 'evaluate'
    for (let nth = 0; nth < 4; nth++) await at.says(100 + nth, 'hello')
    for (let nth = 0; nth < 2; nth++) {
      await expect(at.handle(update)).rejects.toThrow('the till is stuck')
    }
    expect(repeated).toEqual([false, true, true])
    await at.says(8, '/sell').catch(() => undefined)
    expect(repeated).toEqual([false, true, true, false])
  })
})

test('an update whose handler failed is known for a day as a repeated one of its bot, whatever ids failed before', async () => {
  const repeated: boolean[] = []
  const at = desk({}, (bot) => {
    bot.command('sell', ({ sentinel }) => {
      repeated.push(sentinel.isRepeated)
      fails()
    })
  })
  open.push(at.guard)
  const other = at.another(43)
  const deliver = async ({ handle }: Pick<Desk, 'handle'>, update_id: number): Promise<void> => {
    await handle({ ...says(ALICE, '/sell'), update_id }).catch(() => undefined)
    at.time.advance(1000)
    await at.quiet()
  }
  for (const id of [700, 100, 500]) await deliver(at, id)
  for (const id of [100, 600, 700]) await deliver(at, id)
  expect(repeated.splice(0)).toEqual([false, false, false, true, false, true])
  for (const id of [500, 500]) await deliver(other, id)
  expect(repeated.splice(0)).toEqual([false, true])
  // Longer than `once` knows an id, too.
  at.time.advance(7 * 86_400_000)
  for (const id of [500, 100, 500]) await deliver(at, id)
  expect(repeated).toEqual([false, false, true])
})

describe('a worker died over an update, and its lease has run out', () => {
  test.each(GUARDS)('%s admits it, as it was already charged', async (_, guard, options) => {
    const at = shop(guard(), { ...options, once: { lease: '1s' } })
    at.fate = () => new Promise(() => undefined)
    const update = says(ALICE, '/sell')
    void at.handle(update)
    for (let turn = 0; turn < 10; turn++) await tick()
    at.fate = () => undefined
    await at.elsewhere(update)
    expect(at.sold).toEqual([])
    at.time.advance(1500)
    await at.elsewhere(update)
    expect(at.sold).toEqual(['sold'])
    await at.elsewhere(says(ALICE, '/sell'))
    expect(at.sold).toEqual(['sold'])
  })
})

describe('an update that is handled several times, with a lease', () => {
  const hangs = (): Promise<void> => new Promise(() => undefined)
  const before = (): void => undefined
  const ORDERS = Object.entries({
    'fails and hangs': [fails, hangs],
    'hangs and fails': [hangs, fails],
    'fails, hangs and hangs': [fails, hangs, hangs],
    'fails, hangs and fails': [fails, hangs, fails],
    'hangs, and fails before it reaches the handler': [hangs, before],
    'fails before it reaches the handler, and hangs': [before, hangs],
    'fails, and fails again': [fails, fails],
  })

  const members = { throttle: limited, registered: true }
  const EACH: typeof GUARDS = [
    ...GUARDS,
    // Asks the storage even if nothing must be charged again.
    ['policy for members', () => policy('members'), { auth: {}, policies: { members } }],
  ]

  test.each(ORDERS.flatMap(([order, fates]) => EACH.map((guard) => [order, ...guard, fates] as const)))(
    '%s: %s charges it once',
    async (_, __, guard, options, fates) => {
      let isEarly = false
      const at = shop(guard(), { ...options, once: { lease: '1s' } }, (_, next) =>
        isEarly ? fails() : next(),
      )
      await at.guard.register(ALICE)
      const update = says(ALICE, '/sell')
      for (const fate of fates) {
        isEarly = fate === before
        at.fate = fate
        void at.handle(update).catch(() => undefined)
        for (let turn = 0; turn < 10; turn++) await tick()
        at.time.advance(1500)
      }
      isEarly = false
      at.fate = () => undefined
      await at.handle(update)
      expect(at.sold).toEqual(['sold'])
      await at.handle(says(ALICE, '/sell'))
      expect(at.sold).toEqual(['sold'])
    },
  )
})

test('hundreds of updates that fail at once are charged once each when they are redelivered', async () => {
  const slow = later()
  const storage: Storage = {
    ...slow,
    async prepare(plan) {
      const judge = await slow.prepare(plan)
      return {
        ...judge,
        async settle(...given) {
          for (let turn = 0; turn < 20; turn++) await tick()
          return judge.settle(...given)
        },
      }
    },
  }
  const at = shop(throttle(limited), { storage })
  at.fate = fails
  const updates = Array.from({ length: 400 }, (_, nth) => says(1000 + nth, '/sell'))
  await Promise.allSettled(updates.map((update) => at.handle(update)))
  await at.quiet()
  for (let turn = 0; turn < 50; turn++) await tick()
  at.fate = () => undefined
  for (const update of updates) await at.handle(update)
  expect(at.sold).toHaveLength(400)
})
