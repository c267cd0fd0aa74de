import type { MiddlewareFn } from 'grammy'
import { auth, compose, exempt, policy, requireRole, sentinel, throttle } from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { desk } from '../sentinel-desk.js'

const ALICE = 7
const roles = { vip: {}, support: {} }
const limit = '1/1m'

describe.each<[string, (role: string) => MiddlewareFn<GuardedContext>, string]>([
  ['throttle()', (role) => throttle({ limit, roles: { [role]: '5/1m' } }), 'throttle.roles'],
  ['auth()', (role) => auth({ roles: [role] }), 'auth.roles'],
  ['exempt()', (role) => exempt({ roles: [role] }), 'exempt.roles'],
  [
    'policy() with a limit of the handler',
    (role) => policy('base', { throttle: { roles: { [role]: '5/1m' } } }),
    'policy base: throttle.roles',
  ],
])('a role in %s in front of a handler', (_, make, what) => {
  test.each([
    ['that is misspelled', 'vipp', 'there is no role "vipp". Did you mean "vip"?'],
    ['that Telegram gives', 'chat:administrator', '"chat:administrator" is a role that Telegram gives.'],
  ])('%s admits nobody, which is reported once', async (_, role, words) => {
    const handled: string[] = []
    const at = desk({ roles, policies: { base: { throttle: limit } } }, (bot) => {
      bot.command('ask', make(role), (ctx) => {
        handled.push(ctx.msg.text)
      })
    })
    const errors: unknown[] = []
    at.guard.on('error', ({ error, during }) => errors.push([during, (error as Error).message]))
    await at.guard.grant(ALICE, 'vip')
    await at.says(ALICE, '/ask 1', '/ask 2')
    expect(handled).toEqual([])
    expect(errors).toEqual([['wiring', expect.stringContaining(`${what}: ${words}`)]])
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

test('a role that Telegram gives is refused at once around a handler and in compose()', () => {
  const limited = throttle({ limit, roles: { 'chat:administrator': '5/1m' } })
  const handler = (): void => undefined
  for (const make of [
    () => limited(handler),
    () => compose(limited, requireRole('vip')),
    () => exempt({ roles: ['chat:creator'] })(handler),
    () => auth({ roles: ['chat:creator'] })(handler),
  ]) {
    expect(make).toThrow(expect.objectContaining({ code: 'option.invalid' }))
  }
})
