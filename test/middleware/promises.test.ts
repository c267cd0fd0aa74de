import {
  fromRateLimiter,
  type Guard,
  hooks,
  type SentinelOptions,
  sentinel,
  throttle,
} from '../../src/index.js'
import { type Desk, desk, tick } from '../sentinel/desk.js'

/*
 * Functions of developers whose result is used synchronously, in untyped code: async functions are refused when the options are read, and
 * other functions that return a promise are reported. If such a promise is rejected, the process must not end.
 */

const ALICE = 7
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

/** A rejected promise, as of a database that is down: a test fails if the rejection is not handled. */
const away = (): Promise<never> => Promise.reject(new Error('the database is away'))

interface Place {
  /** Options that use the function. */
  readonly options: (given: never) => SentinelOptions
  readonly code: string
  readonly words: string
  /** The path in the error for an `async` function, if such a function is refused. */
  readonly refused?: string
  /** The messages handled, and the notices sent, for two messages. */
  readonly handled?: readonly string[]
  readonly said?: readonly string[]
  readonly texts?: readonly string[]
}

const once: SentinelOptions = { throttle: '1/1h', debounce: false }
const guarded = (guard: Guard): SentinelOptions & { readonly guard: Guard } => ({
  ...once,
  throttle: false,
  guard,
})
const never = { consume: () => Promise.reject({ msBeforeNext: 1000 }) }

const places: Readonly<Record<string, Place>> = {
  'throttle.cost': {
    options: (cost) => ({ ...once, throttle: { limit: '1/1h', cost, deny: 'silent' } }),
    code: 'cost.invalid',
    words: 'throttle.cost: a promise is not a cost',
    refused: 'throttle.cost',
    handled: ['1'],
  },
  'throttle.limit': {
    options: (limit) => ({ ...once, throttle: { limit, otherwise: '1/1h', deny: 'silent' } }),
    code: 'limit.invalid',
    words: 'throttle.limit(): it returned a promise',
    refused: 'throttle.limit',
    handled: ['1'],
  },
  'notices.t': {
    options: (t) => ({ ...once, notices: { t } }),
    code: 'option.invalid',
    words: 'notices.t: it returned a promise',
    refused: 'notices.t',
    handled: ['1'],
    said: ['Slow down, please. Try again in 1h.'],
  },
  'settings.t': {
    options: (t) => ({ ...once, throttle: false, settings: { notices: true, t } }),
    code: 'option.invalid',
    words: 'settings.t: it returned a promise',
    refused: 'settings.t',
    texts: ['/sentinel'],
    said: ['Groups have settings. Ask for them there.'],
  },
  'a condition of hooks.filter()': {
    options: (when) => ({
      ...once,
      throttle: '5/1h',
      hooks: { 'before:throttle': hooks.filter(when, () => ({ veto: 'no' })) },
    }),
    code: 'option.invalid',
    words: 'it returned a promise',
    refused: 'hooks.before:throttle',
    handled: ['1', '2'],
  },
  'fromRateLimiter.cost': {
    options: (cost) => guarded(fromRateLimiter(never, { cost, deny: 'silent' })),
    code: 'cost.invalid',
    words: 'fromRateLimiter.cost: a promise is not a number of points',
    refused: 'fromRateLimiter.cost',
    handled: [],
  },
  waitUntil: {
    options: (waitUntil) => ({ ...once, waitUntil }),
    code: 'Error',
    words: 'the database is away',
    handled: ['1'],
    said: ['Slow down, please. Try again in 1h.'],
  },
}

describe.each(Object.entries(places))('%s that returns a promise', (_, place) => {
  const { options, code, words, refused, texts = ['1', '2'], handled = [], said = [] } = place

  test('is reported, and a rejection does not end the process', async () => {
    const { guard, ...own } = options(away as never) as SentinelOptions & { readonly guard?: Guard }
    const seen: string[] = []
    const at = desk(own, (bot) => {
      if (guard !== undefined) bot.use(guard)
      bot.on('message:text', ({ msg }) => {
        seen.push(msg.text)
      })
    })
    open.push(at)
    const told = new Set<string>()
    at.guard.on('error', ({ error }) => {
      const { code = 'Error', message } = error as Error & { readonly code?: string }
      told.add(`${code} ${message}`)
    })
    await at.says(ALICE, ...texts)
    await at.quiet()
    await tick()
    expect([seen, at.notices]).toEqual([handled, said])
    expect([...told]).toEqual([expect.stringContaining(words)])
    expect([...told][0]).toContain(code)
  })

  if (refused === undefined) return
  test('is refused if it is an async function', () => {
    const given = (async () => undefined) as never
    const error = expect.objectContaining({
      code: 'option.invalid',
      message: expect.stringContaining(`${refused}: it is an async function. `),
    })
    expect(() => sentinel(options(given))).toThrow(error)
  })
})

test.each<[string, () => unknown]>([
  ['null', () => null],
  ['nothing', () => undefined],
])('a limit function that returns %s falls back to otherwise', async (_, limit) => {
  const { handled, told } = await limited(limit)
  expect([handled, told]).toEqual([['1'], []])
})

test.each<[string, () => unknown, string]>([
  ['a text that is not a limit', () => 'abc', '"abc" is not a limit'],
  ['a number', () => Number.NaN, 'NaN is not a limit'],
  ['an amount of zero', () => ({ amount: 0, per: 1 }), 'throttle.limit().amount: 0'],
])(
  'a limit function that returns %s is reported once, and falls back to otherwise',
  async (_, limit, words) => {
    const { handled, told } = await limited(limit)
    expect([handled, told]).toEqual([['1'], [expect.stringContaining(words)]])
  },
)

async function limited(limit: () => unknown): Promise<{ handled: string[]; told: string[] }> {
  const at = desk(
    {
      debounce: false,
      throttle: false,
      once: false,
    },
    (bot) => {
      bot.use(throttle({ limit: limit as never, otherwise: '1/1h', deny: 'silent' }), ({ msg }) => {
        handled.push(msg?.text ?? '')
      })
    },
  )
  open.push(at)
  const handled: string[] = []
  const told: string[] = []
  at.guard.on('error', ({ error }) => told.push((error as Error).message))
  await at.says(ALICE, '1', '2', '3')
  return { handled, told }
}
