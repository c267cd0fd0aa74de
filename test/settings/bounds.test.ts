import type { Clock } from '../../src/core/clock.js'
import { policy, type SentinelOptions, subject } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { Stage } from '../middleware/rig.js'
import { type Desk, desk, later, says } from '../sentinel/desk.js'

const GROUP = -1001000000001

/** The number of messages in the group that pass, of this many. */
async function passesInGroup(at: Desk, times: number, from = 7): Promise<number> {
  const before = at.reached.length
  for (let nth = 0; nth < times; nth++) await at.handle(says(from, `sentence ${nth}`, { group: true }))
  return at.reached.length - before
}

describe.each([
  ['memory', (clock: Clock) => memory({ clock })],
  ['a storage elsewhere', (clock: Clock) => later(memory({ clock }))],
])('changed bounds apply to earlier choices, in %s', (_, storage) => {
  const tuned = (min: `${number}/${string}`, max: `${number}/${string}`) => ({
    settings: { throttle: { min, max } },
  })
  const open = (options: SentinelOptions): Desk => {
    const time = new Stage()
    const { clock, timers } = time
    return { ...desk({ clock, timers, storage: storage(clock), debounce: false, ...options }), time }
  }
  const choosing = async (chosen: `${number}/${string}`) => {
    const at = open({ throttle: '5/1m', ...tuned('2/1m', '60/1m') })
    await at.says(9, 'hello')
    await at.guard.settings.set(GROUP, { limits: { user: chosen } })
    return at
  }
  const told = async (at: Desk) => {
    const { limits } = await at.guard.explain(subject.member(7, GROUP))
    const { limits: settings } = await at.guard.settings.of(GROUP)
    const { limit, from } = limits[0] as (typeof limits)[number]
    return { limit, from, settings: settings.get('user') }
  }

  test('a lower maximum, which is reported as the limit in force', async () => {
    const at = await choosing('60/1m')
    at.guard.reconfigure(tuned('2/1m', '10/1m'))
    at.time.advance(60_000)
    expect(await passesInGroup(at, 30)).toBe(10)
    expect(await told(at)).toEqual({ limit: '10/1m', from: 'settings', settings: '10/1m' })
    // The setting was not deleted: with the earlier bounds it applies as chosen.
    at.guard.reconfigure(tuned('2/1m', '60/1m'))
    expect((await told(at)).limit).toBe('60/1m')
    await at.guard.close()
  })

  test('a higher minimum', async () => {
    const at = await choosing('2/1m')
    at.guard.reconfigure(tuned('8/1m', '60/1m'))
    at.time.advance(60_000)
    expect(await passesInGroup(at, 30)).toBe(8)
    await at.guard.close()
  })

  test('with another time span the usual limit holds', async () => {
    const at = await choosing('60/1m')
    at.guard.reconfigure(tuned('2/1h', '10/1h'))
    at.time.advance(60_000)
    expect(await passesInGroup(at, 30)).toBe(5)
    expect(await told(at)).toEqual({ limit: '5/1m', from: 'options', settings: undefined })
    await at.guard.close()
  })

  test('choosing the limit in force is no change, and holds from then on', async () => {
    const at = await choosing('60/1m')
    const changes: unknown[] = []
    at.guard.on('settings.changed', ({ before, after }) => changes.push([before, after]))
    at.guard.reconfigure(tuned('2/1m', '10/1m'))
    await at.guard.settings.set(GROUP, { limits: { user: '10/1m' } })
    await at.guard.settings.set(GROUP, { limits: { user: '9/1m' } })
    expect(changes).toEqual([['10/1m', '9/1m']])
    await at.guard.settings.set(GROUP, { limits: { user: '10/1m' } })
    at.guard.reconfigure(tuned('2/1m', '60/1m'))
    expect((await told(at)).limit).toBe('10/1m')
    await at.guard.close()
  })

  test('a limit that was earned', async () => {
    const adapting = (max: `${number}/${string}`, after: number) => ({
      throttle: { limit: '20/1m', adapt: { min: '5/1m', max, earn: { after, by: 20 } } } as const,
    })
    const at = open(adapting('40/1m', 1))
    await at.says(7, 'hello')
    await at.quiet()
    expect((await at.guard.explain(7)).limits[0]?.limit).toBe('40/1m')
    at.guard.reconfigure(adapting('25/1m', 1000))
    expect((await at.guard.explain(7)).limits[0]).toMatchObject({ limit: '25/1m', from: 'adapted' })
    at.time.advance(120_000)
    const before = at.reached.length
    for (let nth = 0; nth < 60; nth++) await at.says(7, `sentence ${nth}`)
    expect(at.reached.length - before).toBe(25)
    await at.guard.close()
  })
})

describe('a limit that settings could not change', () => {
  const wiring = (algorithm: 'sliding' | 'sliding-log' | 'sliding-counters', max: `${number}/${string}`) =>
    desk({ throttle: { limit: '20/1m', algorithm }, settings: { throttle: { min: '5/1m', max } } })

  test.each(['sliding', 'sliding-log'] as const)('stores too few timestamps (%s)', async (algorithm) => {
    expect(() => wiring(algorithm, '60/1m')).toThrow(
      /^settings\.limits\.user: user stores at most 20 timestamps, so it cannot be 60\/1m\./,
    )
    await wiring(algorithm, '20/1m').guard.close()
    await wiring('sliding-counters', '60/1m').guard.close()
  })

  test('may be higher for holders of a role', async () => {
    const at = desk({
      throttle: { limit: '20/1m', algorithm: 'sliding-log', roles: { vip: '60/1m' } },
      settings: { throttle: { min: '5/1m', max: '60/1m' } },
    })
    await at.says(9, 'hello')
    await at.guard.settings.set(GROUP, { limits: { user: '60/1m' } })
    expect(await passesInGroup(at, 70)).toBe(60)
    await at.guard.close()
  })

  test('is lower than the cost of an update', async () => {
    const options = (min: `${number}/${string}`) => ({
      limits: true,
      throttle: { limit: '20/1m', cost: 5 } as const,
      settings: { throttle: { min, max: '60/1m' } as const },
    })
    expect(() => desk(options('2/1m'))).toThrow(
      /^settings\.limits\.user: an update costs 5 of user, so nothing would ever pass under 2\/1m\. Raise it\./,
    )
    const at = desk(options('5/1m'))
    expect(() => at.guard.reconfigure(options('2/1m'))).toThrow(/^settings\.limits\.user: an update costs 5/)
    await at.says(9, 'hello')
    await expect(at.guard.limits.set(8, 'user', '3/1m')).rejects.toMatchObject({
      code: 'limit.invalid',
      message: expect.stringMatching(/^limits\.set: an update costs 5 of user/),
    })
    await at.guard.limits.set(8, 'user', '5/1m')
    await at.guard.settings.set(GROUP, { limits: { user: '5/1m' } })
    expect(await passesInGroup(at, 2)).toBe(1)
    await at.guard.close()
  })

  test('of a handler keeps its usual value, which is reported: the handler stays open', async () => {
    const warnings: string[] = []
    const at = desk(
      {
        debounce: false,
        policies: { buy: { throttle: '4/1m' } },
        settings: { limits: { buy: { min: '1/1m', max: '9/1m' } } },
      },
      (bot) =>
        bot.command('buy', policy('buy', { throttle: { cost: 2 } }), (ctx) => {
          at.reached.push(`bought ${ctx.from?.id}`)
        }),
    )
    at.guard.on('warning', ({ code, message }) => warnings.push(`${code} ${message}`))
    await at.says(9, 'hello')
    await at.guard.settings.set(GROUP, { limits: { buy: '1/1m' } })
    for (let nth = 0; nth < 4; nth++) await at.handle(says(7, '/buy', { group: true }))
    expect(at.reached.filter((text) => text === 'bought 7')).toHaveLength(2)
    expect(warnings).toEqual([
      expect.stringMatching(/^settings\.unfit settings\.limits\.buy: an update costs 2 of buy/),
    ])
    await at.guard.close()
  })
})
