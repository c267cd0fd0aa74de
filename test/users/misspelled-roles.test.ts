import type { MiddlewareFn } from 'grammy'
import { auth, definePolicy, exempt, policy, sentinel, throttle } from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { desk } from '../sentinel/desk.js'

const ALICE = 7
const roles = { vip: {}, support: {} }
const limit = '1/1m'

describe.each<[string, (role: string) => MiddlewareFn<GuardedContext>, string]>([
  ['throttle()', (role) => throttle({ limit, roles: { [role]: '5/1m' } }), 'throttle 1/1m: throttle.roles:'],
  ['auth()', (role) => auth({ roles: [role] }), 'auth: auth.roles:'],
  ['exempt()', (role) => exempt({ roles: [role] }), 'exempt vipp: exempt.roles:'],
  [
    'policy() with a limit of the handler',
    (role) => policy('base', { throttle: { roles: { [role]: '5/1m' } } }),
    'policy base: throttle.roles:',
  ],
])('a role in %s in front of a handler', (_, make, what) => {
  test('that Telegram gives is refused at once', () => {
    expect(() => make('chat:administrator')).toThrow(
      expect.objectContaining({
        code: 'option.invalid',
        message: expect.stringContaining(
          '"chat:administrator" is wrong; it must not be a role that Telegram gives.',
        ),
      }),
    )
  })

  test('that is misspelled admits nobody, which is reported once, with the name of the handler', async () => {
    const handled: string[] = []
    const at = desk({ roles, policies: { base: { throttle: limit } } }, (bot) => {
      bot.command('ask', make('vipp'), (ctx) => {
        handled.push(ctx.msg.text)
      })
    })
    const errors: unknown[] = []
    at.guard.on('error', ({ error, during }) => errors.push([during, (error as Error).message]))
    await at.guard.grant(ALICE, 'vip')
    await at.says(ALICE, '/ask 1', '/ask 2')
    expect(handled).toEqual([])
    expect(errors).toEqual([
      ['wiring', expect.stringMatching(`^${what} there is no role "vipp"\\. Did you mean "vip"`)],
    ])
    await at.guard.close()
  })

  test('that the sentinel defines is accepted, as is any where the sentinel defines none', async () => {
    for (const options of [{ roles }, {}]) {
      const handled: string[] = []
      const at = desk({ ...options, policies: { base: { throttle: limit } } }, (bot) => {
        bot.command('ask', make('vip'), (ctx) => {
          handled.push(ctx.msg.text)
        })
      })
      await at.guard.grant(ALICE, 'vip')
      await at.says(ALICE, '/ask 1', '/ask 2')
      expect(handled).toEqual(['/ask 1', '/ask 2'])
      await at.guard.close()
    }
  })
})

test('a misspelled role in a limit of a policy is reported at once', () => {
  const policies = { ask: { throttle: { limit, roles: { vipp: '5/1m' } } } } as const
  expect(() => sentinel({ roles, policies })).toThrow(
    expect.objectContaining({
      code: 'role.unknown',
      message: expect.stringContaining(
        'policy ask: throttle.roles: there is no role "vipp". Did you mean "vip"?',
      ),
    }),
  )
  const guard = sentinel({ roles })
  expect(() => guard.reconfigure({ policies })).toThrow(expect.objectContaining({ code: 'role.unknown' }))
})

test('a role that Telegram gives is refused at once in a policy and in the options of a sentinel', () => {
  const throttled = { throttle: { limit, roles: { 'chat:administrator': '5/1m' } } } as const
  for (const make of [
    () => definePolicy('ask', throttled),
    () => sentinel(throttled),
    () => sentinel({ auth: { roles: ['chat:creator'] } }),
    () => sentinel({ exempt: { roles: ['chat:creator'] } }),
  ]) {
    expect(make).toThrow(expect.objectContaining({ code: 'option.invalid' }))
  }
})

test('guard.policy() refuses a misspelled role at once', () => {
  const guard = sentinel({ roles, policies: { base: { throttle: limit } } })
  expect(() => guard.policy('base', { throttle: { roles: { vipp: '5/1m' } } })).toThrow(
    expect.objectContaining({
      code: 'role.unknown',
      message: expect.stringContaining('policy base: throttle.roles: there is no role "vipp"'),
    }),
  )
})

test('reconfigure() reports at once the handlers in use whose guards its options do not fit', async () => {
  const handled: string[] = []
  const at = desk({ throttle: false, limits: true }, (bot) => {
    const limited = throttle({ name: 'ask', limit, roles: { vip: '5/1m' } })
    bot.command('ask', limited, (ctx) => void handled.push(ctx.msg.text))
  })
  const errors: unknown[] = []
  at.guard.on('error', ({ error, during }) => errors.push([during, (error as Error).message]))
  await at.says(ALICE, '/ask 1')
  at.guard.reconfigure({ roles: { support: {} } })
  expect(errors).toEqual([
    ['wiring', expect.stringMatching(/^throttle ask: throttle\.roles: there is no role "vip"/)],
  ])
  at.guard.reconfigure({ roles: { vip: {} } })
  expect(errors).toHaveLength(1)
  await at.says(ALICE + 1, '/ask 2')
  expect(handled).toEqual(['/ask 1', '/ask 2'])
  await at.guard.close()
})
