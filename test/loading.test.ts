import { jest } from '@jest/globals'
import type { SentinelOptions } from '../src/options/index.js'

/*
 * Rarely used code is loaded on demand. Here some of it is missing, as if a bundle was deployed without its smaller files.
 */

const GONE = [
  '../src/middleware/block/block-list.js',
  '../src/middleware/chain/late-entrance.js',
  '../src/middleware/concurrency/seats.js',
  '../src/middleware/auth/resolver.js',
  '../src/middleware/membership/transitions.js',
  '../src/middleware/inspection/inspection.js',
  '../src/middleware/roles/permissions.js',
  '../src/middleware/membership/delivery-check.js',
  '../src/middleware/throttle/adapt-limit.js',
  '../src/users/profiles.js',
  '../src/users/stored-preferences.js',
  '../src/policies/role-limits.js',
  '../src/webhook/lazy-parts.js',
  '../src/settings/menu.js',
  '../src/middleware/position/adjacent-guards.js',
]
for (const path of GONE) {
  jest.unstable_mockModule(path, () => {
    throw new Error(`Cannot find module '${path}'`)
  })
}
const { desk: make, joins } = await import('./sentinel/desk.js')
const { fuse, memory, requireRegistered, throttle } = await import('../src/index.js')

function stand(options: SentinelOptions = {}, handlers?: Parameters<typeof make>[1]) {
  const desk = make(options, handlers)
  const told: string[] = []
  desk.guard.on('error', ({ during, error }) => {
    told.push(`${during}: ${(error as { code?: string }).code}`)
  })
  return { desk, told }
}

test('without the code of places, an error is reported, and updates are admitted uncounted', async () => {
  const { desk, told } = stand({ concurrency: {} })
  await desk.says(7, 'one', 'two')
  expect(desk.reached).toEqual(['one', 'two'])
  expect(told).toEqual(['concurrency: module.failed', 'concurrency: module.failed'])
  await desk.guard.close()
})

test('bursts are handled without a place where places cannot be taken late', async () => {
  const { desk, told } = stand({ concurrency: {}, debounce: { mode: 'trailing', window: '1s' } })
  await desk.says(7, 'one', 'two')
  expect(desk.reached).toEqual([])
  await desk.guard.close()
  expect(desk.reached).toEqual(['two'])
  expect(told).toEqual(['concurrency: module.failed', 'concurrency: module.failed'])
})

test.each(['after:concurrency', 'allowed'] as const)(
  'hooks at %s still veto where places cannot be taken late',
  async (point) => {
    const { desk } = stand({ concurrency: {}, debounce: { albums: '1s' } })
    desk.guard.hook(point, () => ({ veto: 'not today' }))
    await desk.says(7, 'one')
    expect(desk.reached).toEqual([])
    await desk.guard.close()
  },
)

test('guards that cannot be asked together are asked in turn', async () => {
  const { desk, told } = stand({}, (bot) => {
    fuse(bot).command(
      'buy',
      throttle({ limit: '1/1h', deny: 'silent' }),
      requireRegistered({ deny: 'silent' }),
      (_, next) => next(),
    )
  })
  const refused: string[] = []
  desk.guard.on('denied', ({ verdict }) => refused.push(verdict.limit))
  await desk.says(7, '/buy', '/buy')
  expect([told, refused]).toEqual([Array(2).fill('fuse: module.failed'), ['registered', 'throttle 1/1h']])
  await desk.guard.close()
})

test('without the code that asks a resolver, nobody is admitted', async () => {
  const { desk, told } = stand({ auth: { registration: 'auto', resolve: () => true } })
  await desk.says(7, 'one')
  expect(desk.reached).toEqual([])
  expect(told).toEqual(['admit: module.failed'])
  await desk.guard.close()
})

test('without the code of memberships, listeners are not called, and updates are decided', async () => {
  const { desk, told } = stand()
  await desk.handle(joins(7))
  expect(desk.reached).toHaveLength(1)
  expect(told).toEqual(['observe: module.failed'])
  await desk.guard.close()
})

test('roles have the limits of the options', async () => {
  const { desk, told } = stand({ limits: true, throttle: '1/1m' })
  await desk.says(7, 'one', 'two')
  expect(desk.reached).toEqual(['one'])
  expect(new Set(told)).toEqual(new Set(['limits.roles: module.failed']))
  await desk.guard.close()
})

test('without the code of the menu, it is not shown, and the bot continues', async () => {
  const { desk, told } = stand({ settings: { notices: true } })
  await desk.says(7, '/sentinel', 'hello')
  await desk.quiet()
  expect(desk.reached).toEqual(['hello'])
  expect(told).toEqual(['settings.menu: module.failed'])
  await desk.guard.close()
})

test('without the code of inspection, its calls reject', async () => {
  const { desk } = stand()
  await expect(desk.guard.peek(7)).rejects.toMatchObject({ code: 'module.failed' })
  await desk.guard.close()
})

test('without the code of permissions, can() returns false', async () => {
  const answers: boolean[] = []
  const { desk, told } = stand({ roles: { admin: { allow: ['*'] } } }, (bot) =>
    bot.use(async ({ sentinel }) => {
      answers.push(await sentinel.can('orders.refund'), await sentinel.hasRole('admin'))
    }),
  )
  await desk.says(7, 'may I?')
  expect(answers).toEqual([false, false])
  expect(told).toEqual(['permissions: module.failed', 'permissions: module.failed'])
  await desk.guard.close()
})

test('without the code that compares delivered kinds, updates are still decided', async () => {
  const { desk, told } = stand()
  desk.guard.membership.on('joined', () => undefined)
  await desk.says(7, 'one')
  await desk.quiet()
  expect(desk.reached).toEqual(['one'])
  expect(told).toEqual(['delivery: module.failed'])
  await desk.guard.close()
})

test('limits stay as they are, whatever the conduct', async () => {
  const adapt = { min: '1/1h', max: '9/1h', lose: { after: 1 } }
  const { desk, told } = stand({ throttle: { limit: '2/1h', adapt } as never })
  await desk.says(7, 'one', 'two', 'three')
  await desk.quiet()
  expect(desk.reached).toEqual(['one', 'two'])
  expect(told).toEqual(['throttle.adapt: module.failed'])
  await desk.guard.close()
})

test('close() reports blocks that were never written, without the code that counts them', async () => {
  const { desk, told } = stand({ storage: memory() })
  await desk.guard.block(7)
  await desk.guard.close()
  expect(told).toEqual(['close: bot.unknown'])
})

test('without the code of users and preferences, their calls reject', async () => {
  const { desk } = stand({ users: true })
  const preferences = desk.guard.users.preferences(() => ({ language: 'en' }))
  const failed = { code: 'module.failed' }
  await expect(desk.guard.users.read(7)).rejects.toMatchObject(failed)
  await expect(desk.guard.users.scan().next()).rejects.toMatchObject(failed)
  await expect(preferences.get(7)).rejects.toMatchObject(failed)
  await desk.guard.close()
})

test('without the code of webhooks, requests are answered with 500', async () => {
  const { desk, told } = stand()
  const webhook = desk.guard.webhook(desk.bot, { secret: 'what-setWebhook-was-given' })
  const request = new Request('https://bot.example/', { method: 'POST', body: '{}' })
  expect((await webhook.fetch(request)).status).toBe(500)
  expect(told).toEqual(['webhook: module.failed'])
  expect(await webhook.drain()).toEqual({ left: 0 })
  await desk.guard.close()
})
