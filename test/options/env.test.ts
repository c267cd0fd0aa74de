import fc from 'fast-check'
import { fromEnv, readEnv, readOptions, type SentinelOptions } from '../../src/options/index.js'
import { refusal } from './refusal.js'

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
