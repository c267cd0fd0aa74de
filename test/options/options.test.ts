import fc from 'fast-check'
import type { Middleware } from 'grammy'
import { z } from 'zod'
import { exactDuration } from '../../src/core/duration.js'
import { SentinelError, type SentinelErrorCode } from '../../src/core/errors.js'
import { formatLimit } from '../../src/core/limit.js'
import { subject } from '../../src/core/subject.js'
import { block } from '../../src/middleware/block.js'
import { debounce } from '../../src/middleware/debounce.js'
import { once } from '../../src/middleware/once.js'
import { throttle } from '../../src/middleware/throttle.js'
import {
  checkOptions,
  DEFAULTS,
  fromEnv,
  fromJson,
  layer,
  optionsSchema,
  readEnv,
  readOptions,
  type SentinelOptions,
} from '../../src/options/index.js'
import { sentinel } from '../../src/sentinel.js'
import { memory } from '../../src/storage/memory/memory.js'
import { desk, says } from '../sentinel/desk.js'
import type { Equal, Expect } from '../types/expect.js'

/* The interface is written by hand, for its docstrings; the schema is what is enforced. Both must describe the same options. */

/** Makes `undefined` no value of optional keys: zod cannot tell an absent option from an undefined one. */
type Given<T> = T extends (...args: never[]) => unknown
  ? T
  : T extends readonly (infer E)[]
    ? readonly Given<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Given<Exclude<T[K], undefined>> }
      : T
type Written = Given<Omit<SentinelOptions, 'storage' | 'timers'>>
type Schemed = Given<Omit<z.input<typeof optionsSchema>, 'storage' | 'timers'>>
/** Optional keys that only one side has are assignable both ways, so their names are compared as well. */
type Names<T> = T extends readonly (infer E)[]
  ? Names<E>
  : // A subject may hold another, for ever.
    T extends ((...args: never[]) => unknown) | { kind: unknown }
    ? never
    : T extends object
      ? { [K in keyof T & string]: K | `${K}.${Names<NonNullable<T[K]>>}` }[keyof T & string]
      : never
type Checks = [
  Expect<Written extends Schemed ? true : false>,
  Expect<Schemed extends Written ? true : false>,
  Expect<Equal<keyof SentinelOptions, keyof z.input<typeof optionsSchema>>>,
  Expect<Equal<Names<Required<Written>['throttle']>, Names<Required<Schemed>['throttle']>>>,
  Expect<Equal<Names<Required<Written>['debounce']>, Names<Required<Schemed>['debounce']>>>,
  Expect<Equal<Names<Required<Written>['block']>, Names<Required<Schemed>['block']>>>,
  Expect<Equal<Names<Required<Written>['once']>, Names<Required<Schemed>['once']>>>,
  Expect<Equal<Names<Required<Written>['auth']>, Names<Required<Schemed>['auth']>>>,
  Expect<Equal<Names<Required<Written>['notices']>, Names<Required<Schemed>['notices']>>>,
  Expect<Equal<Names<Required<Written>['exempt']>, Names<Required<Schemed>['exempt']>>>,
]

test('the interface and the schema describe the same options', () => {
  // Compiles only where each is true.
  const checks: Checks = [true, true, true, true, true, true, true, true, true, true]
  expect(checks).not.toContain(false)
})

/** The report of a wrong value: its code, and words of the message. */
function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof SentinelError) return `${error.code} ${error.message}`
    throw error
  }
  return 'taken'
}

/** Options as they come from untyped code. */
const wrong = (options: unknown): string => refusal(() => readOptions(options as SentinelOptions))

describe('defaults', () => {
  test('have the documented values', () => {
    expect(readOptions()).toEqual({
      block: {},
      once: {},
      auth: false,
      throttle: { limit: { amount: 60, per: '1m', burst: 30 } },
      debounce: { window: '500ms', on: ['tap'] },
      concurrency: false,
      membership: true,
      users: false,
      limits: false,
      outgoing: false,
      settings: false,
      exempt: {},
      notices: {},
      shadow: false,
    })
    expect(readOptions()).toEqual(DEFAULTS)
  })

  test('are merged object by object; limits and lists are replaced as a whole', () => {
    expect(readOptions({ throttle: '20/1m' }).throttle).toEqual({ limit: '20/1m' })
    expect(readOptions({ throttle: { scope: 'chat' } }).throttle).toEqual({
      limit: { amount: 60, per: '1m', burst: 30 },
      scope: 'chat',
    })
    // The burst of the default would let thirty through at once.
    expect(readOptions({ throttle: { amount: 5, per: '10s' } }).throttle).toEqual({
      limit: { amount: 5, per: '10s' },
    })
    expect(readOptions({ debounce: '1s' }).debounce).toEqual({ window: '1s', on: ['tap'] })
    expect(readOptions({ debounce: { on: ['message'] } }).debounce).toEqual({
      window: '500ms',
      on: ['message'],
    })
    const limits = [{ limit: '5/1s' }, { name: 'day', limit: '900/1d' }] as const
    expect(readOptions({ throttle: limits }).throttle).toEqual(limits)
    const day = { name: 'day', limit: '9/1d' } as const
    const short = ['1/s', day] as const
    expect(readOptions({ throttle: short }).throttle).toEqual([{ limit: '1/s' }, day])
    expect(
      fromEnv({
        SENTINEL__THROTTLE__0: '1/s',
        SENTINEL__THROTTLE__1__NAME: 'day',
        SENTINEL__THROTTLE__1__LIMIT: '9/1d',
      }),
    ).toEqual({ throttle: short })
    expect(() => sentinel({ throttle: short })).not.toThrow()
  })

  test('of debounce are dropped for the trailing mode, which gathers no taps', () => {
    expect(readOptions({ debounce: { mode: 'trailing', window: '2s' } }).debounce).toEqual({
      mode: 'trailing',
      window: '2s',
    })
  })

  test('are replaced by false, and used for undefined', () => {
    const off = readOptions({ block: false, once: false, throttle: false, debounce: false })
    expect(off).toMatchObject({ block: false, once: false, throttle: false, debounce: false })
    expect(readOptions({ throttle: undefined, shadow: undefined })).toEqual(DEFAULTS)
  })
})

describe('options after reading', () => {
  test('are deeply frozen, except for objects of the user', () => {
    const storage = memory()
    const timers = { after: () => () => undefined }
    const list = [1, 2]
    const given = { storage, timers, block: { list }, throttle: [{ limit: '1/s' }] } as const
    const read = readOptions(given)
    const open: string[] = []
    const look = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null || value === storage || value === timers) return
      if (!Object.isFrozen(value)) open.push(path)
      for (const [key, held] of Object.entries(value)) look(held, `${path}.${key}`)
    }
    look(read, '')
    look(DEFAULTS, 'defaults')
    expect(open).toEqual([])
    expect([Object.isFrozen(storage), Object.isFrozen(timers), Object.isFrozen(list)]).toEqual([
      false,
      false,
      false,
    ])
    expect(read.storage).toBe(storage)
    expect(read.timers).toBe(timers)
  })

  test('can be layered and read again', () => {
    const first = readOptions({ throttle: { scope: 'chat' }, notices: { budget: '3/1s' } })
    expect(first.notices.budget).toEqual({ amount: 3, per: 1000 })
    expect(readOptions(first)).toEqual(first)
    const second = readOptions(layer(first, { throttle: '20/1m', shadow: true }))
    expect(second).toEqual({ ...first, throttle: { scope: 'chat', limit: '20/1m' }, shadow: true })
  })
})

describe('a wrong option is reported with its path, its value and a fix', () => {
  const LIMIT = `Write '20/1m', '5/10s', or { amount: 60, per: '1m', burst: 30 }.`
  const DURATION = `Write milliseconds (1500) or a text such as '500ms', '10s', '1m', '2h', '7d'.`
  const cases: [what: string, options: unknown, told: string][] = [
    [
      'a text that is not a limit',
      { throttle: '20 per minute' },
      `limit.invalid throttle: "20 per minute" is not a limit. ${LIMIT}`,
    ],
    [
      'a text that is not a limit, in options',
      { throttle: { limit: 'x' } },
      `limit.invalid throttle.limit: "x" is not a limit. ${LIMIT}`,
    ],
    [
      'a limit of zero',
      { throttle: '0/1m' },
      `limit.invalid throttle: "0/1m" is not a limit: its amount must be a whole number from 1 to 100000. ${LIMIT}`,
    ],
    [
      'an amount of zero',
      { throttle: { amount: 0, per: '1m' } },
      `limit.invalid throttle.amount: 0 must be a whole number from 1 to 100000. ${LIMIT}`,
    ],
    [
      'a limit without a period',
      { throttle: [{ limit: { amount: 5 } }] },
      `limit.invalid throttle[0].limit.per: undefined must be a duration from 1 ms to 366 days. ${LIMIT}`,
    ],
    [
      'a limit with a negative period',
      { throttle: { limit: { amount: 5, per: -1 } } },
      `limit.invalid throttle.limit.per: -1 must be a duration from 1 ms to 366 days. ${LIMIT}`,
    ],
    [
      'a number for a limit',
      { throttle: 20 },
      'limit.invalid throttle: 20 is wrong; it must be false, a limit such as "20/1m", an object of options or a list, each item a limit such as "20/1m" or an object of options.',
    ],
    [
      'an unknown option of a limit',
      { throttle: { amount: 5, per: '1m', bursts: 3 } },
      'option.unknown throttle.bursts: there is no such option. Did you mean "burst"? Options: amount, per, burst.',
    ],
    [
      'a missing limit',
      { throttle: [{ scope: 'chat' }] },
      'limit.invalid throttle[0].limit: is missing; it must be a function or a limit such as "20/1m".',
    ],
    ['a negative window', { debounce: -5 }, `duration.invalid debounce: -5 is not a duration. ${DURATION}`],
    [
      'a negative window as a text',
      { debounce: { window: '-5ms' } },
      `duration.invalid debounce.window: "-5ms" is not a duration. ${DURATION}`,
    ],
    [
      'a window of zero',
      { debounce: { window: 0 } },
      'duration.invalid debounce.window: 0 is wrong; it must be 1 ms or more.',
    ],
    [
      'an unknown scope',
      { throttle: { scope: 'usr' } },
      'scope.unknown throttle.scope: "usr" is wrong; it must be "user", "chat", "member", "command" or "global". Did you mean "user"?',
    ],
    [
      'a username as a subject',
      { block: { list: [1, '@alice'] } },
      'subject.invalid block.list[1]: "@alice" is not a subject. Pass a user id, or subject.user(1), subject.chat(-100…), subject.sender(-100…).',
    ],
    [
      'a fraction as a subject',
      { exempt: { owner: 0.5 } },
      'subject.invalid exempt.owner: 0.5 is not a Telegram id. Pass the number, such as ctx.from.id or ctx.chat.id.',
    ],
    [
      'a subject of an unknown kind',
      { exempt: { users: [{ kind: 'group', id: 5 }] } },
      'subject.invalid exempt.users[0]: an object is not a subject. Pass a user id, or subject.user(1), subject.chat(-100…), subject.sender(-100…).',
    ],
    [
      'a chat as owner',
      { exempt: { owner: -100 } },
      'subject.invalid exempt.owner: -100 is the id of a chat, not of a user. Pass subject.chat(-100) for the place, or subject.sender(-100) for the chat as a sender.',
    ],
    [
      'a stand-in account of many users as an exempt user',
      { exempt: { owner: 7, users: [8, subject.user(1087968824)] } },
      "subject.invalid exempt.users[1]: the user 1087968824 stands in for every group's anonymous administrators: exempt subject.sender(groupId).",
    ],
    [
      'a stand-in account of many users',
      { block: { list: [777000] } },
      'subject.invalid block.list: the user 777000 is Telegram itself, in whose name linked channels are forwarded: block subject.sender(channelId).',
    ],
    [
      'two limits with the same name',
      {
        throttle: [
          { name: 'day', limit: '9/1d' },
          { name: 'day', limit: '1/1s' },
        ],
      },
      'limit.duplicate throttle[1].name: "day" is already the name of throttle[0]. Choose another, such as "day2".',
    ],
    [
      'two limits without names and with the same scope',
      { throttle: [{ limit: '9/1d' }, { limit: '1/1s', scope: 'user' }] },
      'limit.duplicate throttle[1].name: "user" is already the name of throttle[0]. Choose another, such as "user2".',
    ],
    [
      'an unknown option',
      { throtle: '20/1m' },
      'option.unknown throtle: there is no such option. Did you mean "throttle"? Options: name, storage, block, once, auth, throttle, debounce, concurrency, membership, users, limits, policies, outgoing, hooks, stats, settings, exempt, roles, notices, shadow, waitUntil, clock, timers.',
    ],
    [
      'an unknown option without a similar one',
      { once: { colour: 1 } },
      'option.unknown once.colour: there is no such option. Options: for, lease, onFailure.',
    ],
    [
      'the name of the option in other limiters',
      { throttle: { timeFrame: 2000 } },
      'option.unknown throttle.timeFrame: there is no such option. Did you mean "limit"? Options: name, limit, otherwise, algorithm, scope, key, on, commands, cost, inline, roles, penalty, adapt, deny, noticeEvery, shadow, onFailure.',
    ],
    [
      'the limit of another limiter',
      { throttle: { timeFrame: 2000, limit: 3 } },
      "option.unknown throttle.timeFrame: there is no such option. Write limit: '3/2s'. Options: name, limit, otherwise, algorithm, scope, key, on, commands, cost, inline, roles, penalty, adapt, deny, noticeEvery, shadow, onFailure.",
    ],
    [
      'the id of the owner as a text',
      { exempt: { owner: '123' } },
      'subject.invalid exempt.owner: "123" is not a subject. Pass a user id (the number 123), or subject.user(1), subject.chat(-100…), subject.sender(-100…).',
    ],
    [
      'the name of an option in other limiters, for a guard without limits',
      { block: { duration: '1h' } },
      'option.unknown block.duration: there is no such option. Options: list, allow, only, deny, noticeEvery, shadow, onFailure.',
    ],
    [
      'the name of an option in other limiters, a level too high',
      { points: 5 },
      'option.unknown points: there is no such option. Options: name, storage, block, once, auth, throttle, debounce, concurrency, membership, users, limits, policies, outgoing, hooks, stats, settings, exempt, roles, notices, shadow, waitUntil, clock, timers.',
    ],
    [
      'a single item in place of a list',
      { throttle: { commands: 'buy' } },
      'option.invalid throttle.commands: "buy" is wrong; it must be a list of texts. Did you mean ["buy"]?',
    ],
    [
      'a single text in place of a list of durations',
      { throttle: { penalty: { bans: '10m' } } },
      'option.invalid throttle.penalty.bans: "10m" is wrong; it must be a list, each item a duration such as "10s". Did you mean ["10m"]?',
    ],
    [
      'an unknown key of texts',
      { notices: { texts: { de: { limted: 'x' } } } },
      'option.unknown notices.texts.de.limted: there is no such option. Did you mean "limited"? Options: blocked, unregistered, forbidden, limited, penalised, duplicate, repeated, busy, suspect, vetoed, denied, unavailable.',
    ],
    [
      'a language by its name',
      { notices: { texts: { german: { limited: 'x' } } } },
      'option.invalid notices.texts.german: the name "german" is wrong; it must be a language tag such as "de" or "pt-br".',
    ],
    [
      'a language as POSIX spells it',
      { notices: { texts: { de: {}, de_DE: { limited: 'x' } } } },
      'option.invalid notices.texts.de_DE: the name "de_DE" is wrong; it must be a language tag such as "de" or "pt-br".',
    ],
    [
      'a text with an unknown placeholder',
      { notices: { texts: { de: { limited: 'In {watt}.' } } } },
      'option.invalid notices.texts.de.limited: "In {watt}." is wrong; it must hold no placeholder but {wait}.',
    ],
    [
      'an empty list of limits',
      { throttle: [] },
      'option.invalid throttle: an array is wrong; it must name at least one; throttle: false turns limits off.',
    ],
    [
      'an invalid text in a list of limits',
      { throttle: ['1/s', 'often'] },
      `limit.invalid throttle[1]: "often" is not a limit. ${LIMIT}`,
    ],
    [
      'two limits as texts, with the same scope',
      { throttle: ['1/s', '9/1d'] },
      'limit.duplicate throttle[1].name: "user" is already the name of throttle[0]. Choose another, such as "user2".',
    ],
    [
      'true for a guard that options turn on',
      { block: true },
      'option.invalid block: true is wrong; it must be false or an object of options. Did you mean {}?',
    ],
    [
      'a text in place of a boolean',
      { membership: 'yes' },
      'option.invalid membership: "yes" is wrong; it must be true or false or an object of options.',
    ],
    [
      'an unknown word in place of one of several',
      { throttle: { deny: 'silnt' } },
      'option.invalid throttle.deny: "silnt" is wrong; it must be "silent", "notice" or a function. Did you mean "silent"?',
    ],
    [
      'a URL as a storage, whose password is not shown',
      { storage: `redis://bot:${'s3cret'.repeat(9)}@cache.internal:6379` },
      'option.invalid storage: "redis://bot:<redacted>@cache.internal:6379" is wrong; it must be a storage, such as memory() or redis(url).',
    ],
    [
      'an unknown activity',
      { debounce: { on: ['tpa'] } },
      'option.invalid debounce.on[0]: "tpa" is wrong; it must be "message", "tap", "inline" or "post". Did you mean "tap"?',
    ],
    [
      'an object that is not a storage',
      { storage: {} },
      'option.invalid storage: an object is wrong; it must be a storage, such as memory() or redis(url).',
    ],
    ['a clock that is a number', { clock: 5 }, 'option.invalid clock: 5 is wrong; it must be a function.'],
    [
      'a missing nested option',
      { throttle: { penalty: {} } },
      'option.invalid throttle.penalty.bans: is missing; it must be a list, each item a duration such as "10s".',
    ],
    [
      'options that contradict each other',
      {
        throttle: [
          { name: 'a', limit: '1/1s' },
          { key: () => 1, limit: '1/1s' },
        ],
      },
      "option.invalid throttle[1].name: a limit with its own key needs a name, such as name: 'tenant'.",
    ],
    [
      'a debounce without an effect',
      { debounce: { mode: 'trailing' } },
      "option.invalid debounce.window: trailing needs a window, such as window: '1s'.",
    ],
    ['no options at all', null, 'option.invalid options: null is wrong; it must be an object of options.'],
    ['a list of options', [], 'option.invalid options: an array is wrong; it must be an object of options.'],
  ]
  test.each(cases)('%s', (_, options, told) => {
    expect(wrong(options)).toBe(told)
  })

  test('reports every problem, each once', () => {
    const codes = checkOptions({ throtle: 1, shadow: 'no', throttle: { limit: 'x', scope: 'usr' } })
    expect(codes.map(({ code }) => code).sort()).toEqual<SentinelErrorCode[]>([
      'limit.invalid',
      'option.invalid',
      'option.unknown',
      'scope.unknown',
    ])
  })

  test('is also reported by a guard that is used alone', () => {
    type Loose = Parameters<typeof throttle>[0]
    expect(refusal(() => throttle({ limt: '5/10s' } as unknown as Loose))).toMatch(
      /^option\.unknown throttle\.limt: there is no such option\. Did you mean "limit"\?/,
    )
    expect(refusal(() => throttle({ limit: '5/10s', scope: 'usr' } as unknown as Loose))).toMatch(
      /^scope\.unknown throttle\.scope: "usr" .* Did you mean "user"\?$/,
    )
    expect(refusal(() => throttle(20 as unknown as Loose))).toMatch(/^limit\.invalid throttle\.limit: 20 /)
    expect(refusal(() => throttle('20/1x'))).toMatch(/^limit\.invalid /)
    expect(refusal(() => debounce({ window: '1 s' as '1s' }))).toMatch(
      /^duration\.invalid debounce\.window: /,
    )
    expect(refusal(() => once({ for: -1 }))).toMatch(/^duration\.invalid once\.for: -1 /)
    expect(refusal(() => block({ list: [0] }))).toMatch(/^subject\.invalid block\.list\[0\]: 0 /)
  })

  test.each([
    ['sentinel', sentinel, 'update'],
    ['throttle', throttle, 'throttle.update'],
  ])('is also reported if bot.use() is given %s uncalled', async (_, uncalled, path) => {
    const { bot } = desk({}, (each) => each.use(uncalled as unknown as Middleware))
    await expect(bot.handleUpdate(says(7, 'hi'))).rejects.toThrow(
      `${path}: there is no such option. If this is a context, call the function: bot.use(sentinel()).`,
    )
  })

  test('is reported as a SentinelError for any input', () => {
    const names = [...Object.keys(optionsSchema.shape), 'limit', 'window', 'list', 'per', 'kind', '__proto__']
    const anything = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'xsmall' },
        fc.anything({ maxDepth: 1 }),
        tie('tree'),
        fc.array(tie('tree'), { maxLength: 2 }),
      ),
      tree: fc
        .array(fc.tuple(fc.constantFrom(...names), tie('value')), { maxLength: 4 })
        .map((entries) => Object.fromEntries(entries)),
    })).tree
    fc.assert(
      fc.property(anything, (options) => {
        const [problem] = checkOptions(options)
        if (problem === undefined) readOptions(options as SentinelOptions)
        else expect(wrong(options)).toBe(`${problem.code} ${problem.message}`)
      }),
      { numRuns: 150 },
    )
  })
})

describe('layer', () => {
  test('lets the later options win, key by key', () => {
    expect(
      layer(
        { throttle: '20/1m', exempt: { users: [1, 2], chatAdmins: true } },
        { throttle: { scope: 'chat' }, exempt: { users: [3] } },
        { throttle: { limit: '5/1s', scope: undefined as unknown as 'user' } },
      ),
    ).toEqual({ throttle: { limit: '5/1s', scope: 'chat' }, exempt: { users: [3], chatAdmins: true } })
  })

  test('replaces limits and subjects as a whole, and options that were turned off', () => {
    expect(
      layer({ throttle: { amount: 9, per: '1m', burst: 3 } }, { throttle: { amount: 5, per: 1 } }),
    ).toEqual({
      throttle: { limit: { amount: 5, per: 1 } },
    })
    const chat = { kind: 'chat', id: -100, name: '' } as const
    const member = { kind: 'member', id: -100, name: '', actor: { kind: 'user', id: 1, name: '' } } as const
    expect(layer({ exempt: { owner: member } }, { exempt: { owner: chat } }).exempt?.owner).toEqual(chat)
    const off: SentinelOptions = { throttle: false }
    const on: SentinelOptions = { throttle: { scope: 'chat' } }
    expect(layer({ throttle: '1/1s' }, off, on)).toEqual({ throttle: { scope: 'chat' } })
    expect(layer({ throttle: '1/1s' }, layer(off, on))).toEqual({ throttle: { scope: 'chat' } })
  })

  test('does not change its arguments, and passes a storage on unchanged', () => {
    const storage = { ...memory() }
    const under = Object.freeze({ throttle: Object.freeze({ scope: 'chat' as const }), storage: memory() })
    expect(layer(under, { throttle: '1/1s', storage }).storage).toBe(storage)
    expect(refusal(() => layer(null as unknown as SentinelOptions))).toMatch(
      /^option\.invalid options: null is wrong/,
    )
  })

  const names = ['throttle', 'debounce', 'limit', 'per', 'kind', 'x', '__proto__', 'constructor', 'prototype']
  const { tree } = fc.letrec<{ tree: object; value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(false, undefined, null, 1, '20/1m'),
      fc.array(fc.integer(), { maxLength: 2 }),
      tie('tree'),
    ),
    tree: fc
      .array(fc.tuple(fc.constantFrom(...names), tie('value')), { maxLength: 5 })
      .map((entries): object => Object.fromEntries(entries)),
  }))
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, held: unknown) =>
      typeof held === 'object' && held !== null && !Array.isArray(held)
        ? Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1))
        : held,
    )

  test('is associative', () => {
    fc.assert(
      fc.property(tree, tree, tree, (a, b, c) => {
        const all = text(layer(a, b, c))
        expect(text(layer(layer(a, b), c))).toBe(all)
        expect(text(layer(a, layer(b, c)))).toBe(all)
      }),
      { numRuns: 2000 },
    )
  })

  test('does not pollute prototypes', () => {
    const clean = (): boolean =>
      Object.keys(Object.prototype).length === 0 &&
      !('x' in {}) &&
      Object.keys(Object).length === 0 &&
      Object.getPrototypeOf(layer()) === Object.prototype
    fc.assert(
      fc.property(tree, tree, (a, b) => {
        const layered = layer(a, b)
        return Object.getPrototypeOf(layered) === Object.prototype && clean()
      }),
    )
    const file: unknown = JSON.parse('{ "__proto__": { "shadow": true }, "constructor": { "x": 1 } }')
    expect(wrong(file)).toMatch(/^option\.unknown /)
    expect(layer(file as SentinelOptions).shadow).toBeUndefined()
    expect(clean()).toBe(true)
  })
})

describe('fromEnv', () => {
  const cases: [env: Record<string, string>, options: SentinelOptions][] = [
    [{ SENTINEL__THROTTLE__LIMIT: '20/1m' }, { throttle: { limit: '20/1m' } }],
    [{ SENTINEL__THROTTLE: '20/1m' }, { throttle: '20/1m' }],
    [
      { SENTINEL__THROTTLE: '20/1m', SENTINEL__THROTTLE__NOTICE_EVERY: '1h' },
      { throttle: { limit: '20/1m', noticeEvery: '1h' } },
    ],
    [
      { SENTINEL__EXEMPT__USERS: '1, 2', SENTINEL__EXEMPT__OWNER: '7' },
      { exempt: { users: [1, 2], owner: 7 } },
    ],
    [{ SENTINEL__EXEMPT__USERS: '1' }, { exempt: { users: [1] } }],
    [{ SENTINEL__EXEMPT__CHAT_ADMINS: 'true' }, { exempt: { chatAdmins: true } }],
    [{ SENTINEL__EXEMPT__CHATADMINS: 'On' }, { exempt: { chatAdmins: true } }],
    [
      { SENTINEL__DEBOUNCE: 'false', SENTINEL__BLOCK: 'off' },
      { debounce: false, block: false },
    ],
    [{ SENTINEL__DEBOUNCE: '1500' }, { debounce: 1500 }],
    [{ SENTINEL__NAME: '123' }, { name: '123' }],
    [
      {
        SENTINEL__NOTICES__TEXTS__DE__LIMITED: 'Langsam!',
        sentinel__notices__texts__pt_br__limited: 'Calma, por favor',
      },
      { notices: { texts: { de: { limited: 'Langsam!' }, 'pt-br': { limited: 'Calma, por favor' } } } },
    ],
    [
      {
        SENTINEL__THROTTLE__1__NAME: 'day',
        SENTINEL__THROTTLE__1__LIMIT: '900/1d',
        SENTINEL__THROTTLE__0__LIMIT: '5/s',
      },
      { throttle: [{ limit: '5/s' }, { name: 'day', limit: '900/1d' }] },
    ],
    [
      { SENTINEL__THROTTLE__PENALTY__BANS: '1m,1h', SENTINEL__THROTTLE__PENALTY__AFTER: '3' },
      { throttle: { penalty: { bans: ['1m', '1h'], after: 3 } } },
    ],
    [
      { SENTINEL__THROTTLE__LIMIT__AMOUNT: '5', SENTINEL__THROTTLE__LIMIT__PER: '1m' },
      { throttle: { limit: { amount: 5, per: '1m' } } },
    ],
    [{ SENTINEL__THROTTLE__ROLES__VIP: '100/1m' }, { throttle: { roles: { vip: '100/1m' } } }],
    [{ SENTINEL__AUTH__GATE: 'vip,report' }, { auth: { gate: ['vip', 'report'] } }],
    [{ SENTINEL__AUTH__GATE: 'all' }, { auth: { gate: 'all' } }],
    [
      { SENTINEL__BLOCK__LIST__0__KIND: 'chat', SENTINEL__BLOCK__LIST__0__ID: '-100' },
      { block: { list: [{ kind: 'chat', id: -100 } as never] } },
    ],
    [{ SENTINEL__NAME: '', SENTINEL_NAME: 'x', NAME: 'x', SENTINELS__NAME: 'x' }, {}],
  ]
  test.each(cases)('%j', (env, options) => {
    expect(fromEnv(env)).toEqual(options)
    // The options read are valid together with the defaults.
    readOptions(fromEnv(env))
  })

  test('accepts a custom prefix', () => {
    expect(fromEnv({ MY_BOT__SHADOW: 'true', SENTINEL__SHADOW: 'nonsense' }, 'my_bot')).toEqual({
      shadow: true,
    })
  })

  const wrongs: [env: Record<string, string>, told: string | RegExp][] = [
    [
      { SENTINEL__THROTLE__LIMIT: 's3cret' },
      /^option\.unknown SENTINEL__THROTLE__LIMIT: there is no such option\. Did you mean "SENTINEL__THROTTLE"\?/,
    ],
    [
      { SENTINEL__THROTTLE__LIMT: 's3cret' },
      /^option\.unknown SENTINEL__THROTTLE__LIMT: .* Did you mean "SENTINEL__THROTTLE__LIMIT"\?/,
    ],
    [{ SENTINEL__NAME__FIRST: 's3cret' }, 'option.unknown SENTINEL__NAME__FIRST: there is no such option.'],
    [
      { SENTINEL____PROTO____X: 's3cret' },
      /^option\.unknown SENTINEL____PROTO____X: there is no such option\./,
    ],
    [
      { SENTINEL__STORAGE: 'redis://me:s3cret@host' },
      'option.invalid SENTINEL__STORAGE: can only be set in code.',
    ],
    [{ SENTINEL__CLOCK: 's3cret' }, 'option.invalid SENTINEL__CLOCK: can only be set in code.'],
    [
      { SENTINEL__THROTTLE__LIMIT: '20' },
      /^limit\.invalid SENTINEL__THROTTLE__LIMIT: "20" is not a limit\. Write /,
    ],
    [
      { SENTINEL__THROTTLE__LIMIT__AMOUNT: '0' },
      /SENTINEL__THROTTLE__LIMIT__AMOUNT: 0 is wrong|"0" is wrong/,
    ],
    [
      { SENTINEL__THROTTLE__SCOPE: 'usr' },
      /^scope\.unknown SENTINEL__THROTTLE__SCOPE: "usr" .* Did you mean "user"\?$/,
    ],
    [
      { SENTINEL__EXEMPT__USERS: '1,@alice' },
      /^subject\.invalid SENTINEL__EXEMPT__USERS\[1\]: "@alice" is not a subject/,
    ],
    [
      { SENTINEL__DEBOUNCE__WINDOW: '-5ms' },
      /^duration\.invalid SENTINEL__DEBOUNCE__WINDOW: "-5ms" is not a duration/,
    ],
    [
      { SENTINEL__SHADOW: 'maybe' },
      'option.invalid SENTINEL__SHADOW: "maybe" is wrong; it must be true or false.',
    ],
    [
      { SENTINEL__DEBOUNCE: 'false', SENTINEL__DEBOUNCE__WINDOW: '1s' },
      'option.invalid SENTINEL__DEBOUNCE: contradicts SENTINEL__DEBOUNCE__WINDOW. Keep one of the two.',
    ],
    [
      { SENTINEL__NAME: 'a', sentinel__name: 'b' },
      'option.invalid sentinel__name: contradicts SENTINEL__NAME. Keep one of the two.',
    ],
    [
      { SENTINEL__THROTTLE__0__LIMIT: '1/s', SENTINEL__THROTTLE__LIMIT: '1/s' },
      'option.invalid SENTINEL__THROTTLE__LIMIT: contradicts SENTINEL__THROTTLE__0. Keep one of the two.',
    ],
    [
      { SENTINEL__THROTTLE__1__LIMIT: '1/s' },
      'option.invalid SENTINEL__THROTTLE__0: is missing; items are counted from 0, without a gap.',
    ],
  ]
  test.each(wrongs)('refuses %j', (env, told) => {
    const said = refusal(() => fromEnv(env))
    if (typeof told === 'string') expect(said).toBe(told)
    else expect(said).toMatch(told)
    expect(said).not.toContain('s3cret')
  })

  test('suggests only options that a variable can set', () => {
    expect(refusal(() => fromEnv({ SENTINEL__COLOUR: 'red' }))).toBe(
      'option.unknown SENTINEL__COLOUR: there is no such option. Options: SENTINEL__NAME, SENTINEL__BLOCK, SENTINEL__ONCE, SENTINEL__AUTH, SENTINEL__THROTTLE, SENTINEL__DEBOUNCE, SENTINEL__CONCURRENCY, SENTINEL__MEMBERSHIP, SENTINEL__USERS, SENTINEL__LIMITS, SENTINEL__POLICIES, SENTINEL__OUTGOING, SENTINEL__SETTINGS, SENTINEL__EXEMPT, SENTINEL__ROLES, SENTINEL__NOTICES, SENTINEL__SHADOW.',
    )
    expect(refusal(() => fromEnv({ SENTINEL__TIMERZ: 'x' }))).not.toContain('Did you mean')
    expect(refusal(() => fromEnv({ SENTINEL__NOTICES__COLOUR: 'red' }))).toMatch(
      /Options: SENTINEL__NOTICES__TEXTS, SENTINEL__NOTICES__BUDGET\.$/,
    )
    // An option that may also be a function still accepts a text.
    expect(refusal(() => fromEnv({ SENTINEL__THROTTLE__COLOUR: 'red' }))).toMatch(
      /SENTINEL__THROTTLE__LIMIT, .*SENTINEL__THROTTLE__DENY/,
    )
  })

  test('returns all problems on request', () => {
    const { problems } = readEnv(
      { SENTINEL__A: 'x', SENTINEL__SHADOW: 'x', SENTINEL__NAME: 'right' },
      'SENTINEL',
    )
    expect(problems.map(({ code }) => code)).toEqual(['option.unknown', 'option.invalid'])
  })

  test('reports only SentinelErrors for any variables, and does not pollute prototypes', () => {
    const part = fc.constantFrom(
      'THROTTLE',
      'LIMIT',
      '0',
      '1',
      'TEXTS',
      'NOTICES',
      'ROLES',
      'constructor',
      '__proto__',
      '',
    )
    const name = fc.array(part, { maxLength: 4 }).map((parts) => ['SENTINEL', ...parts].join('__'))
    const value = fc.constantFrom('1', 'true', '20/1m', 'a,b', ' ', '{}')
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 4 }), (env) => {
        expect(refusal(() => fromEnv(env))).toMatch(/^(taken|[a-z]+\.[a-z]+ )/)
        expect(Object.keys(Object.prototype)).toEqual([])
      }),
    )
  })
})

describe('fromJson', () => {
  test('reads options, and ignores $schema', () => {
    const text = '{ "$schema": "./options.schema.json", "throttle": "20/1m" }'
    expect(readOptions(fromJson(text))).toEqual({ ...DEFAULTS, throttle: { limit: '20/1m' } })
  })

  test('validates the options', () => {
    expect(refusal(() => fromJson('{ "throttle": { "limit": "20" } }'))).toMatch(
      /^limit\.invalid throttle\.limit: /,
    )
  })

  test('accepts a byte order mark, which some editors of Windows write', () => {
    expect(fromJson('\ufeff{ "throttle": "20/1m" }')).toEqual({ throttle: '20/1m' })
    expect(refusal(() => fromJson('\ufeff{ "a": tru }'))).toContain('line 1, column 8:')
  })

  const broken: [text: string, line: number, column: number][] = [
    ['', 1, 1],
    ['  \n ', 2, 2],
    ['{ "throttle": "20/1m",\n  "shadow" true }', 2, 12],
    ['{\n  "shadow": true,\n}', 3, 1],
    ['{ "a": [1, 2', 1, 13],
    ['{ "a": [1, ] }', 1, 12],
    ['{ "a": tru }', 1, 8],
    ["{ 'a': 1 }", 1, 3],
    ['{} {}', 1, 4],
    ['{ "a": "tab\t" }', 1, 8],
    ['{ "a": 01 }', 1, 9],
    ['{ "a" }', 1, 7],
    ['{ "a": 1 ]', 1, 10],
    ['[1}', 1, 3],
    ['// no comments\n{}', 1, 1],
  ]
  test.each(broken)('reports where %j is invalid', (text, line, column) => {
    expect(refusal(() => fromJson(text))).toBe(
      `option.invalid line ${line}, column ${column}: the JSON is invalid here. Check what precedes it, too.`,
    )
  })

  test('reports a position no later than that of the engine', () => {
    const cut = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '}', ']', '"', ':', '1', '\\'))
    fc.assert(
      fc.property(cut, ([json, at, junk]) => {
        const index = at % (json.length + 1)
        const text = json.slice(0, index) + junk + json.slice(index + 1)
        let position: number | undefined
        try {
          JSON.parse(text)
          return
        } catch (error) {
          const told = /at position (\d+)/.exec((error as Error).message)?.[1]
          position = told === undefined ? undefined : Number(told)
        }
        const column = /line 1, column (\d+):/.exec(refusal(() => fromJson(text)))?.[1]
        expect(column).toBeDefined()
        expect(Number(column) - 1).toBeLessThanOrEqual(position ?? text.length)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the schema for editors', () => {
  interface Json {
    readonly type?: string
    readonly description?: string
    readonly default?: unknown
    readonly pattern?: string
    readonly not?: object
    readonly anyOf?: readonly Json[]
    readonly properties?: Readonly<Record<string, Json>>
  }
  const schema = z.toJSONSchema(optionsSchema, { io: 'input', unrepresentable: 'any' }) as Json
  const at = (name: string, from = schema): Json => {
    const forms = [from, ...(from.anyOf ?? [])]
    const found = forms.map((form) => form.properties?.[name]).find((held) => held !== undefined)
    if (found === undefined) throw new Error(`there is no ${name}`)
    return found
  }
  const textOf = (from: Json): RegExp => {
    const forms = [from, ...(from.anyOf ?? []), ...(from.anyOf ?? []).flatMap((form) => form.anyOf ?? [])]
    return new RegExp(forms.find(({ pattern }) => pattern !== undefined)?.pattern ?? '^$')
  }

  test('describes every option and its actual default', () => {
    for (const [name, option] of Object.entries(schema.properties ?? {})) {
      expect(`${name}: ${option.description ?? ''}`).toMatch(/: .+\.$/)
    }
    for (const name of ['block', 'once', 'auth', 'throttle', 'debounce', 'membership', 'shadow'] as const) {
      expect([name, at(name).default]).toEqual([name, DEFAULTS[name]])
    }
    expect(at('noticeEvery', at('throttle').anyOf?.[2]).default).toBe('1m')
  })

  test('accepts every limit and duration that is formatted as a text', () => {
    const limits = textOf(at('otherwise', at('throttle').anyOf?.[2]))
    const durations = textOf(at('for', at('once')))
    for (const text of ['20/1m', '5/s', '60/1m (burst 30)', '1/1h30m']) expect(text).toMatch(limits)
    for (const text of ['20', '20/x', '/1m', 'm/20']) expect(text).not.toMatch(limits)
    for (const text of ['10', '-1s', 's', '1 day']) expect(text).not.toMatch(durations)
    const whole = fc.integer({ min: 1, max: 100_000 })
    fc.assert(
      fc.property(whole, fc.integer({ min: 1, max: 31_622_400_000 }), whole, (amount, per, burst) => {
        expect(formatLimit({ amount, per, burst })).toMatch(limits)
        expect(exactDuration(per)).toMatch(durations)
      }),
    )
  })

  test('rejects options that can only be set in code', () => {
    for (const name of ['storage', 'clock', 'timers']) expect(at(name).not).toEqual({})
    expect(at('key', at('throttle').anyOf?.[2]).not).toEqual({})
  })
})
