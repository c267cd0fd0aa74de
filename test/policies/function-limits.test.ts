import {
  memory,
  policy,
  type SentinelOptions,
  sentinel,
  subject,
  type ThrottleOptions,
  throttle,
} from '../../src/index.js'
import { desk } from '../sentinel-desk.js'

const BOUNDS = { min: '1/1d', max: '60/1d' } as const

const both: ThrottleOptions = { name: 'plan', limit: () => '1/1d', roles: { premium: '5/1d' } }

describe('the limits of roles beside a limit that is a function, which would replace them', () => {
  const plan = (more: Partial<ThrottleOptions>): SentinelOptions => ({
    policies: { plan: { throttle: { limit: '2/1d', ...more } } },
  })
  test.each([
    ['in a sentinel', () => sentinel({ throttle: both })],
    ['in a list', () => sentinel({ throttle: ['20/1m', both] })],
    ['in front of a handler', () => throttle(both)],
    ['in a policy', () => sentinel(plan(both))],
    [
      'in a policy that extends one with limits of roles',
      () =>
        sentinel({
          policies: {
            base: { throttle: { limit: '2/1d', roles: { premium: '5/1d' } } },
            plan: { extends: 'base', throttle: { limit: () => '1/1d' } },
          },
        }),
    ],
    [
      'in the options of a handler over a policy',
      () =>
        sentinel(plan({ roles: { premium: '5/1d' } })).policy('plan', { throttle: { limit: () => '1/1d' } }),
    ],
  ])('are refused %s', (_, make) => {
    expect(make).toThrow(
      expect.objectContaining({
        code: 'option.invalid',
        message: expect.stringContaining(
          '.roles: the limit is a function, which replaces the limits of roles.',
        ),
      }),
    )
  })

  test('can be dropped by the policy that extends them', () => {
    const policies: SentinelOptions['policies'] = {
      base: { throttle: { limit: '2/1d', roles: { premium: '5/1d' } } },
      plan: { extends: 'base', throttle: { limit: () => '1/1d', roles: {} } },
    }
    expect(() => sentinel({ policies })).not.toThrow()
    expect(() => policy('base', { throttle: { limit: () => '1/1d', roles: {} } })).not.toThrow()
  })
})

describe('changes of a limit that is a function', () => {
  const limit = (): '2/1d' => '2/1d'

  test.each<[string, SentinelOptions]>([
    ['by name', { throttle: { name: 'plan', limit }, settings: { limits: { plan: BOUNDS } } }],
    ['by settings.throttle', { throttle: { limit }, settings: { throttle: BOUNDS } }],
    ['of a policy', { policies: { plan: { throttle: { limit } } }, settings: { limits: { plan: BOUNDS } } }],
  ])('by the administrators of chats are refused, %s', (_, options) => {
    expect(() => sentinel(options)).toThrow(
      expect.objectContaining({
        code: 'option.invalid',
        message: expect.stringMatching(/settings\.limits\.\w+: \w+ is a function of the update/),
      }),
    )
  })

  test.each<[string, SentinelOptions]>([
    ['the sentinel', { throttle: { name: 'plan', limit } }],
    ['a policy', { policies: { plan: { throttle: { limit } } } }],
  ])('at run time are refused with the reason, in %s', async (_, options) => {
    const { guard, says } = desk({ limits: true, ...options })
    await says(7, 'hello')
    for (const whom of [7, { role: 'vip' }, subject.chat(-100)]) {
      await expect(guard.limits.set(whom, 'plan', '9/1d')).rejects.toMatchObject({
        code: 'limit.invalid',
        message: expect.stringContaining('plan is a function of the update'),
      })
    }
    await expect(guard.limits.set(7, 'plam', '9/1d')).rejects.toThrow('Did you mean "plan"?')
    await guard.close()
  })

  test('that were stored while it was a fixed limit change nothing, and can be removed', async () => {
    const storage = memory()
    const fixed = desk({ storage, name: 'shop', limits: true, throttle: '1/1d' })
    await fixed.says(7, 'hello')
    await fixed.guard.limits.set([8, { role: 'vip' }], 'user', '9/1d')
    await fixed.guard.grant(8, 'vip')
    await fixed.guard.close()

    const { guard, says, reached } = desk({ storage, name: 'shop', limits: true, throttle: { limit } })
    await says(8, '1', '2', '3')
    expect(reached).toEqual(['1', '2'])
    expect((await guard.explain(8)).limits[0]).toMatchObject({ limit: 'a function of the update' })
    expect(await guard.limits.remove([8, { role: 'vip' }], 'user')).toBe(2)
    await guard.close()
  })
})
