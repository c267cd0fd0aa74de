import { policy, type SentinelOptions, sentinel, type ThrottleOptions, throttle } from '../../src/index.js'

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
