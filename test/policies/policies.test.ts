import {
  compose,
  definePolicy,
  fromEnv,
  fromJson,
  type Guard,
  type PolicyOptions,
  policy,
  type SentinelOptions,
  sentinel,
  subject,
} from '../../src/index.js'
import { ChainPlan } from '../../src/middleware/chain/chain-plan.js'
import { createServices } from '../../src/middleware/services.js'
import { PolicyBook } from '../../src/policies/policy-book.js'
import { desk, says } from '../sentinel/desk.js'

const ALICE = 7

/** The checks of a policy, one line each. */
function asked(policies: Record<string, PolicyOptions>, guard: Guard): string[] {
  const services = { ...createServices({}), policies: new PolicyBook(policies) }
  return new ChainPlan(services, guard.definitions).questions.map(({ check, name }) => {
    const limit = 'limit' in check ? ` ${check.limit.amount}/${check.limit.per}` : ''
    const claim = check.kind === 'claim' ? ` ${check.holdFor}` : ''
    const marks = 'anyOf' in check ? ` ${check.anyOf.join()}` : ''
    return `${check.kind} ${name}${limit}${claim}${marks}`
  })
}

function problem(make: () => unknown): unknown {
  try {
    make()
  } catch (error) {
    return error
  }
  return undefined
}

describe('a policy', () => {
  const checkout: PolicyOptions = {
    throttle: { limit: '3/1m', on: ['message'] },
    debounce: '1s',
    roles: ['customer'],
  }

  test('checks roles, then debounce, then limits', () => {
    const lines = [
      'present customer role:customer',
      'claim checkout 1000',
      'claim album 60000',
      'bucket checkout 3/60000',
    ]
    expect(asked({ checkout }, policy('checkout'))).toEqual(lines)
    expect(asked({}, policy(definePolicy('checkout', checkout)))).toEqual(lines)
  })

  test('overrides the policy it extends, option by option, and is overridden by options of the handler', () => {
    const strict: PolicyOptions = {
      throttle: { limit: '5/1m', on: ['message'], penalty: { bans: ['10m'] } },
      debounce: '2s',
      registered: true,
    }
    const book = new PolicyBook({
      strict,
      checkout: { extends: 'strict', throttle: '3/1m', roles: ['customer'] },
      gift: {
        extends: 'checkout',
        debounce: false,
        registered: false,
        throttle: ['1/1m', { name: 'day', limit: '9/1d' }],
      },
    })
    const parts = (name: string, own?: object) =>
      Object.fromEntries(
        [...book.resolved(name, own).parts].map(([part, { value, from }]) => [part, [value, from]]),
      )
    expect(parts('checkout')).toEqual({
      'throttle.limit': ['3/1m', 'policy checkout'],
      'throttle.on': [['message'], 'policy strict'],
      'throttle.penalty': [{ bans: ['10m'] }, 'policy strict'],
      'debounce.window': ['2s', 'policy strict'],
      registered: [true, 'policy strict'],
      roles: [['customer'], 'policy checkout'],
    })
    expect(parts('checkout', { throttle: '1/1m', roles: false, shadow: true })).toMatchObject({
      'throttle.limit': ['1/1m', 'handler'],
      'throttle.penalty': [{ bans: ['10m'] }, 'policy strict'],
      shadow: [true, 'handler'],
    })
    expect(Object.keys(parts('checkout', { roles: false }))).not.toContain('roles')
    expect(parts('gift')).toEqual({
      throttle: [['1/1m', { name: 'day', limit: '9/1d' }], 'policy gift'],
      roles: [['customer'], 'policy checkout'],
    })
    expect(book.definitionsOf('gift', undefined)).toHaveLength(3)
  })

  test('can extend a policy given as a value, known by name or not', () => {
    const strict = definePolicy('strict', { throttle: { limit: '5/1m', on: ['message'] } })
    const inner = definePolicy('inner', { extends: strict, debounce: '1s' })
    expect(asked({}, policy(inner))).toEqual([
      'claim inner 1000',
      'claim album 60000',
      'bucket inner 5/60000',
    ])
    expect(asked({ inner }, policy('inner', { debounce: false }))).toEqual([
      'claim album 60000',
      'bucket inner 5/60000',
    ])
  })

  test('can be in front of handlers and around them, each with its own bucket', async () => {
    const bought: string[] = []
    const at = desk(
      { limits: true, policies: { checkout: { throttle: '2/1h', roles: ['customer'], deny: 'silent' } } },
      (bot) => {
        bot.command('buy', policy('checkout'), () => {
          bought.push('buy')
        })
        bot.command(
          'rent',
          policy('checkout', { throttle: '1/1h' })(function rent() {
            bought.push('rent')
          }),
        )
        bot.command('steal', policy('chekout'), () => {
          bought.push('steal')
        })
      },
    )
    const errors: unknown[] = []
    at.guard.on('error', ({ error }) => errors.push(error))
    const warnings: { code: string; message: string }[] = []
    at.guard.on('warning', (warning) => warnings.push(warning))
    const rounds = async (times: number) => {
      bought.length = 0
      for (let nth = 0; nth < times; nth++) await at.says(ALICE, '/buy', '/rent')
      return bought.join(' ')
    }
    expect(await rounds(1)).toBe('')
    // Reported with the first update, whoever it is from.
    expect(warnings).toEqual([
      { code: 'policy.unknown', message: expect.stringContaining('Did you mean "checkout"?') },
    ])
    expect(errors).toEqual([])
    await at.guard.grant(ALICE, 'customer')
    expect(await rounds(3)).toBe('buy rent buy')
    at.time.advance(3_600_000)
    // One stored change for the limit of the policy, at every handler; it is known, though no guard of the sentinel uses it.
    await at.guard.limits.set(ALICE, 'checkout', '3/1h')
    expect(await rounds(4)).toBe('buy rent buy rent buy rent')
    // An unknown policy admits nobody, and warns once.
    for (let nth = 0; nth < 3; nth++) await at.says(ALICE, '/steal')
    expect(warnings).toHaveLength(1)
    expect(bought).not.toContain('steal')
    expect(errors).toEqual([expect.objectContaining({ code: 'policy.unknown' })])
    await at.guard.close()
  })

  test('checks roles in the chat of the update, and those that Telegram gives', async () => {
    const handlers: Parameters<typeof desk>[1] = (bot) => {
      bot.command('ban', policy('moderation'), (ctx) => {
        reached.push(ctx.from?.id)
      })
    }
    const reached: unknown[] = []
    const roles = { moderator: {}, 'chat:administrator': { extends: ['moderator'] } }
    const at = desk({ roles, policies: { moderation: { roles: ['moderator'] } } }, handlers)
    at.hasAdministrators(9)
    for (const from of [ALICE, 8, 9]) await at.handle(says(from, '/ban', { group: true }))
    expect(reached).toEqual([9])
    await at.guard.grant(ALICE, 'moderator', { chat: -1001000000001 })
    await at.says(ALICE, '/ban')
    expect(reached).toEqual([9])
    await at.handle(says(ALICE, '/ban', { group: true }))
    expect(reached).toEqual([9, ALICE])
    await at.guard.close()
  })
})

describe('a policy that is wrong', () => {
  const policies: Record<string, PolicyOptions> = { checkout: { throttle: '3/1m' }, strict: {} }
  const guard = sentinel({ policies })

  test.each<[string, () => unknown, string, string]>([
    [
      'an unknown name',
      () => guard.policy('chekout'),
      'policy.unknown',
      'Did you mean "checkout"? Policies: checkout, strict.',
    ],
    ['__proto__', () => guard.policy('__proto__'), 'option.invalid', '"__proto__" is wrong'],
    ['constructor', () => guard.policy('constructor'), 'policy.unknown', 'there is no policy "constructor"'],
    [
      'hasOwnProperty',
      () => asked(policies, policy('hasOwnProperty')),
      'policy.unknown',
      'there is no policy',
    ],
    [
      'an unknown name, when the guard is wired',
      () => asked(policies, policy('chekout')),
      'policy.unknown',
      'Did you mean "checkout"?',
    ],
    [
      'no sentinel upstream',
      () => new ChainPlan(createServices({}), policy('checkout').definitions),
      'policy.unknown',
      'No sentinel upstream defines any',
    ],
    [
      'an unknown policy to extend',
      () => sentinel({ policies: { a: { extends: 'strct' }, strict: {} } }),
      'policy.unknown',
      'policies.a.extends: there is no policy "strct". Did you mean "strict"?',
    ],
    [
      'a policy that extends itself',
      () => sentinel({ policies: { a: { extends: 'a' } } }),
      'policy.cycle',
      'a → a',
    ],
    [
      'policies that extend each other in a circle',
      () => sentinel({ policies: { a: { extends: 'b' }, b: { extends: 'c' }, c: { extends: 'b' } } }),
      'policy.cycle',
      'b → c → b',
    ],
    [
      'an unknown option',
      () => sentinel({ policies: { a: { throtle: '3/1m' } as never } }),
      'option.unknown',
      'policies.a.throtle: there is no such option. Did you mean "throttle"?',
    ],
    [
      'an invalid limit',
      () => sentinel({ policies: { a: { throttle: '3' as never } } }),
      'limit.invalid',
      'policies.a.throttle',
    ],
    [
      'an invalid limit in definePolicy()',
      () => definePolicy('a', { throttle: '3' as never }),
      'limit.invalid',
      'a.throttle',
    ],
    [
      'limit options without a limit',
      () => sentinel({ policies: { a: { throttle: { cost: 2 } } } }),
      'limit.invalid',
      'policy a: throttle.limit',
    ],
    [
      'an invalid limit of a handler',
      () => policy('checkout', { throttle: '3' as never }),
      'limit.invalid',
      'policy.throttle',
    ],
    [
      'an option that handlers do not have',
      () => policy('checkout', { extends: 'strict' } as never),
      'option.unknown',
      'policy.extends',
    ],
    [
      'the name of a limit',
      () => sentinel({ policies: { user: { throttle: '3/1m' } } }),
      'limit.duplicate',
      '"user" is already the name of a limit (throttle)',
    ],
    [
      'a key that differs from the name of the policy',
      () => sentinel({ policies: { a: definePolicy('b', {}) } }),
      'option.invalid',
      'this is the policy "b"',
    ],
    ['a name with spaces', () => definePolicy('check out', {}), 'option.invalid', 'must be a letter, then'],
    [
      'an unknown role',
      () => sentinel({ roles: { customer: {} }, policies: { a: { roles: ['custmer'] } } }),
      'role.unknown',
      'Did you mean "customer"?',
    ],
    ['undefined', () => policy(undefined as never), 'option.invalid', 'is not a policy'],
  ])('%s', (_, make, code, words) => {
    expect(problem(make)).toMatchObject({
      name: 'SentinelError',
      code,
      message: expect.stringContaining(words),
    })
  })

  test('changes nothing at run time', () => {
    const at = sentinel({ limits: true, policies })
    expect(problem(() => at.reconfigure({ policies: { a: { extends: 'b' } } }))).toMatchObject({
      code: 'policy.unknown',
    })
    expect(problem(() => at.policy('checkout'))).toBeUndefined()
    at.reconfigure({ policies: { gift: { extends: 'checkout' } } })
    expect(problem(() => at.policy('gift'))).toBeUndefined()
  })
})

describe('policies of files and variables', () => {
  const read = (options: SentinelOptions) => options.policies

  test('work like those of code', () => {
    expect(read(fromJson('{"policies": {"checkout": {"throttle": "3/1m", "roles": ["customer"]}}}'))).toEqual(
      {
        checkout: { throttle: '3/1m', roles: ['customer'] },
      },
    )
    const env = {
      SENTINEL__POLICIES__CHECKOUT__THROTTLE__LIMIT: '3/1m',
      SENTINEL__POLICIES__CHECKOUT__EXTENDS: 'strict',
      SENTINEL__POLICIES__STRICT__DEBOUNCE: '1s',
      SENTINEL__POLICIES__STRICT__ROLES: 'customer,friend',
    }
    expect(read(fromEnv(env))).toEqual({
      checkout: { throttle: { limit: '3/1m' }, extends: 'strict' },
      strict: { debounce: '1s', roles: ['customer', 'friend'] },
    })
    expect(problem(() => fromEnv({ SENTINEL__POLICIES__CHECKOUT__THROTLE: '3/1m' }))).toMatchObject({
      code: 'option.unknown',
    })
    expect(problem(() => fromJson('{"policies": {"__proto__": {"throttle": "3/1m"}}}'))).toBeDefined()
    expect(problem(() => fromJson('{"policies": {"a": {"extends": "b"}}}'))).toMatchObject({
      code: 'policy.unknown',
    })
  })
})

describe('explain', () => {
  const policies: Record<string, PolicyOptions> = {
    strict: {
      throttle: { limit: '5/1m', on: ['message'], roles: { vip: '50/1m' }, penalty: { bans: ['10m'] } },
    },
    checkout: { extends: 'strict', throttle: '3/1m', roles: ['customer'], deny: () => undefined },
  }

  test('returns which limit applies, in order, and where each part comes from', async () => {
    const at = desk({ policies, limits: true, throttle: '20/1m' })
    await at.says(ALICE, 'hello')
    const there = subject.member(ALICE, -1001000000001)
    const from = async () => {
      const { limits } = await at.guard.explain(there, 'checkout')
      return `${limits[0]?.limit} ${limits[0]?.from}`
    }
    expect(await from()).toBe('3/1m policy checkout')
    await at.guard.grant(ALICE, 'vip')
    expect(await from()).toBe('50/1m role vip')
    await at.guard.limits.set({ role: 'vip' }, 'checkout', '60/1m')
    expect(await from()).toBe('60/1m role vip')
    await at.guard.limits.set(subject.chat(-1001000000001), 'checkout', '30/1m')
    expect(await from()).toBe('30/1m chat')
    await at.guard.limits.set(ALICE, 'checkout', '10/1m', { for: '1h', reason: 'asked for it' })
    const { text, parts, limits, policy: name } = await at.guard.explain(there, 'checkout')
    expect(name).toBe('checkout')
    expect(
      limits[0]?.considered.map(({ from, limit, held, applies }) => [from, limit, held, applies]),
    ).toEqual([
      ['user', '10/1m', true, true],
      ['chat', '30/1m', true, false],
      ['role vip', '60/1m', true, false],
      ['policy checkout', '3/1m', true, false],
    ])
    expect(parts.find((part) => part.name === 'throttle.penalty')).toEqual({
      name: 'throttle.penalty',
      value: '{"bans":["10m"]}',
      from: 'policy strict',
    })
    expect(text).toBe(
      [
        'Policy checkout for m-1001000000001:u7:',
        '- checkout: 10/1m (user, set at run time until 2026-01-01T01:00:00.000Z: asked for it)',
        '  before 30/1m (chat, set at run time), 60/1m (role vip, set at run time), 3/1m (policy checkout)',
        '- throttle.limit = "3/1m" (policy checkout)',
        '- throttle.on = ["message"] (policy strict)',
        '- throttle.roles = {"vip":"50/1m"} (policy strict)',
        '- throttle.penalty = {"bans":["10m"]} (policy strict)',
        '- roles = ["customer"] (policy checkout)',
        '- deny = a function (policy checkout)',
      ].join('\n'),
    )
    // Elsewhere the limit of the chat does not apply.
    await at.guard.limits.remove(ALICE, 'checkout')
    expect((await at.guard.explain(ALICE, 'checkout')).limits[0]).toMatchObject({ limit: '60/1m' })
    await at.guard.close()
  })

  test('returns the options of a handler, and the limits of the sentinel itself', async () => {
    const at = desk({ policies, throttle: { limit: '20/1m', on: ['message'] } })
    const handler = at.guard.policy('checkout', { throttle: '1/1m' })
    expect((await at.guard.explain(ALICE, handler)).limits[0]).toMatchObject({
      limit: '1/1m',
      from: 'handler',
    })
    const own = await at.guard.explain(ALICE)
    expect(own.text).toBe('The sentinel for u7:\n- user: 20/1m (options)')
    await expect(at.guard.explain(ALICE, 'chekout')).rejects.toMatchObject({
      code: 'policy.unknown',
      message: expect.stringMatching(
        /^explain: this sentinel has no policy "chekout"\. Did you mean "checkout"\? Policies: .*checkout.* guard\.peek\(\)/,
      ),
    })
    await expect(desk().guard.explain(ALICE, 'quota')).rejects.toThrow(
      'explain: this sentinel has no policy "quota". Only policies and the limits of the sentinel itself are explained.',
    )
    await expect(at.guard.explain(subject.global())).rejects.toMatchObject({ code: 'subject.invalid' })
    await expect(at.guard.explain(ALICE, compose() as never)).rejects.toMatchObject({
      code: 'option.invalid',
    })
    await at.guard.close()
  })
})

test('updates held by a policy of several guards are in health()', async () => {
  const at = desk(
    {
      throttle: false,
      policies: {
        calm: { registered: true, throttle: '9/1m', debounce: { mode: 'trailing', window: '1s' } },
      },
    },
    (bot) => bot.on('message:text', policy('calm'), () => undefined),
  )
  await at.says(ALICE, 'met')
  expect((await at.guard.health()).held).toEqual({ 'policy calm': 0 })
  await at.guard.register(ALICE)
  await at.says(ALICE, 'one', 'two')
  expect((await at.guard.health()).held).toEqual({ 'policy calm': 1 })
  at.time.advance(1000)
  await at.guard.close()
  expect((await at.guard.health()).held).toEqual({ 'policy calm': 0 })
})
