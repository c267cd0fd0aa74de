import {
  definePolicy,
  layer,
  memory,
  policy,
  type SentinelOptions,
  sentinel,
  subject,
  type ThrottleOptions,
  throttle,
} from '../../src/index.js'
import { desk } from '../sentinel/desk.js'

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

  const adapted: ThrottleOptions = {
    limit: '2/1d',
    roles: { premium: '5/1d' },
    adapt: { min: '1/1d', max: '9/1d' },
  }
  const computed = { limit: (): '1/1d' => '1/1d' }

  test('are dropped, as is adapt, where a later layer of options makes the limit a function', () => {
    expect(layer({ throttle: adapted }, { throttle: computed })).toEqual({ throttle: computed })
    expect(() => sentinel({ throttle: adapted }).reconfigure({ throttle: computed })).not.toThrow()
    const guard = sentinel({ policies: { plan: { throttle: adapted } } })
    expect(() => guard.policy('plan', { throttle: computed })).not.toThrow()
    expect(() => guard.reconfigure({ policies: { plan: { throttle: computed } } })).not.toThrow()
    const policies: SentinelOptions['policies'] = {
      base: { throttle: adapted },
      plan: { extends: 'base', throttle: computed },
    }
    expect(() => sentinel({ policies })).not.toThrow()
  })

  test('are kept by that layer if it names them itself, and so are refused', () => {
    const guard = sentinel({ throttle: adapted })
    const roles = { vip: '7/1d' } as const
    expect(() => guard.reconfigure({ throttle: { ...computed, roles } })).toThrow(
      expect.objectContaining({ code: 'option.invalid' }),
    )
  })
})

test('a handler whose limit is a function leaves the limits of roles to the other handlers of its policy', async () => {
  const plan = definePolicy('plan', { throttle: '2/1d' })
  const handled: string[] = []
  const { guard, says } = desk({ throttle: false, debounce: false, limits: true }, (bot) => {
    bot.command('a', policy(plan), (ctx) => void handled.push(ctx.msg.text))
    bot.command('b', policy(plan, { throttle: { limit: () => '1/1d' } }), () => undefined)
  })
  await guard.grant(8, 'vip')
  await says(9, '/a 0')
  await guard.limits.set([{ role: 'vip' }, { role: 'other' }], 'plan', '5/1d')
  await says(9, '/b 0')
  await guard.limits.remove({ role: 'other' }, 'plan')
  handled.length = 0
  await says(8, '/a 1', '/a 2', '/a 3', '/a 4', '/a 5', '/a 6')
  expect(handled).toEqual(['/a 1', '/a 2', '/a 3', '/a 4', '/a 5'])
  await guard.limits.set(11, 'plan', '4/1d')
  expect((await guard.explain(11, policy(plan))).limits[0]?.limit).toBe('4/1d')
  await guard.close()
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
