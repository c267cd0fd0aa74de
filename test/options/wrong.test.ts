import fc from 'fast-check'
import type { Middleware } from 'grammy'
import type { SentinelErrorCode } from '../../src/core/errors.js'
import { subject } from '../../src/core/subject.js'
import { block } from '../../src/middleware/block.js'
import { debounce } from '../../src/middleware/debounce.js'
import { once } from '../../src/middleware/once.js'
import { throttle } from '../../src/middleware/throttle.js'
import { checkOptions, optionsSchema, readOptions, type SentinelOptions } from '../../src/options/index.js'
import { sentinel } from '../../src/sentinel.js'
import { desk, says } from '../sentinel/desk.js'
import { refusal, wrong } from './refusal.js'

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
      'true for policies, which have names',
      { policies: true },
      'option.invalid policies: true is wrong; it must be an object.',
    ],
    [
      'true for settings, which turn nothing on by themselves',
      { settings: true },
      'option.invalid settings: true is wrong; it must be false or an object such as { notices: true }.',
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

  test.each(Object.keys(optionsSchema.shape))('suggests {} for %s: true only if it takes {}', (name) => {
    if (!wrong({ [name]: true }).endsWith('Did you mean {}?')) return
    expect(checkOptions({ [name]: {} })).toEqual([])
  })

  test.each([
    ['3/2s', 3, 2000],
    ['100000/52w2d', 100_000, 366 * 86_400_000],
  ])('suggests %s for the limit of another limiter', (text, limit, timeFrame) => {
    expect(wrong({ throttle: { limit, timeFrame } })).toContain(` Write limit: '${text}'.`)
    expect(wrong({ throttle: { limit: text } })).toBe('taken')
  })

  test.each([
    [3, -5],
    [3, 0],
    [3, 0.5],
    [3, Number.NaN],
    [3, Number.POSITIVE_INFINITY],
    [3, 400 * 86_400_000],
    [0, 1000],
    [1.5, 1000],
    [Number.NaN, 1000],
    [1e21, 1000],
  ])('suggests no limit for limit: %d and timeFrame: %d', (limit, timeFrame) => {
    expect(wrong({ throttle: { limit, timeFrame } })).toContain(
      'throttle.timeFrame: there is no such option. Did you mean "limit"? Options:',
    )
  })

  test.each([
    ['sentinel', sentinel, 'update'],
    ['throttle', throttle, 'throttle.update'],
  ])('is also reported if bot.use() is given %s uncalled', async (name, uncalled, path) => {
    const { bot } = desk({}, (each) => each.use(uncalled as unknown as Middleware))
    await expect(bot.handleUpdate(says(7, 'hi'))).rejects.toThrow(
      `${path}: there is no such option. If this is a context, call the function: bot.use(${name}()).`,
    )
  })

  test('does not take an option named update for a context', () => {
    expect(wrong({ update: true })).toMatch(/^option\.unknown update: there is no such option\. Options: /)
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
