import { type Guard, policy, requireRole, type Sentinel, sentinel } from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { desk } from '../sentinel/desk.js'

/* Policies that reconfigure() changes apply to handlers that already stand behind them. */

const ALICE = 7
const limited = (limit: `${number}/1m`) => ({ throttle: { limit, on: ['message'] } }) as const

const forms: [what: string, make: (guard: Sentinel<GuardedContext>) => Guard<GuardedContext>][] = [
  ['policy(name)', () => policy('buying')],
  ['guard.policy(name)', (guard) => guard.policy('buying')],
  ['guard.policy(name) with overrides', (guard) => guard.policy('buying', { debounce: false })],
  ['guard.policy(value) on top of a name', (guard) => guard.policy({ name: 'gift', extends: 'buying' })],
]

describe.each(forms)('reconfigure() changes the policy of a handler behind %s', (_, make) => {
  function stand() {
    const handled: string[] = []
    const at = desk({ throttle: false, roles: { admin: {} }, policies: { buying: limited('5/1m') } })
    at.bot.command('buy', make(at.guard), (ctx) => void handled.push(ctx.msg.text))
    return { ...at, handled }
  }

  test('so that it demands roles that were added, whether or not it has been used', async () => {
    for (const isUsed of [false, true]) {
      const at = stand()
      if (isUsed) await at.says(ALICE, '/buy before')
      at.guard.reconfigure({ policies: { buying: { ...limited('5/1m'), roles: ['admin'] } } })
      await at.says(ALICE, '/buy after')
      expect(at.handled).toEqual(isUsed ? ['/buy before'] : [])
      await at.guard.grant(ALICE, 'admin')
      await at.says(ALICE, '/buy as admin')
      expect(at.handled.at(-1)).toBe('/buy as admin')
      await at.guard.close()
    }
  })

  test('so that its limit is the one that explain() and peek() report', async () => {
    const at = stand()
    const guard = make(at.guard)
    await at.says(ALICE, '/buy 1')
    at.guard.reconfigure({ policies: { buying: limited('2/1m') } })
    await at.says(ALICE, '/buy 2', '/buy 3')
    expect(at.handled).toEqual(['/buy 1', '/buy 2'])
    const { limits } = await at.guard.explain(ALICE, guard)
    const states = await at.guard.peek(ALICE)
    expect(limits.map(({ limit }) => limit)).toEqual(['2/1m'])
    expect(states.map(({ limit }) => limit)).toEqual(['2/1m'])
    await at.guard.close()
  })

  test('but not if the options are refused', async () => {
    const at = stand()
    const refused = { throttle: '0/1m', policies: { buying: limited('1/1m') } } as const
    expect(() => at.guard.reconfigure(refused)).toThrow(expect.objectContaining({ code: 'limit.invalid' }))
    await at.says(ALICE, '/buy 1', '/buy 2')
    expect(at.handled).toEqual(['/buy 1', '/buy 2'])
    await at.guard.close()
  })
})

test('guard.policy() keeps the policies of its own sentinel behind another one', async () => {
  const own = sentinel<GuardedContext>({ policies: { buying: { throttle: '1/1m' } } })
  const handled: string[] = []
  const at = desk({ policies: { buying: { throttle: '9/1m' } } }, (bot) =>
    bot.command('buy', own.policy('buying'), (ctx) => void handled.push(ctx.msg.text)),
  )
  await at.says(ALICE, '/buy 1', '/buy 2')
  expect(handled).toEqual(['/buy 1'])
  own.reconfigure({ policies: { buying: { throttle: '2/1m' } } })
  at.guard.reconfigure({ shadow: false })
  at.time.advance(60_000)
  await at.says(ALICE, '/buy 3', '/buy 4', '/buy 5')
  expect(handled).toEqual(['/buy 1', '/buy 3', '/buy 4'])
  await at.guard.close()
  await own.close()
})

test('a listener may call reconfigure() when guards do not fit, which is reported once', async () => {
  const at = desk({ throttle: false, debounce: false, users: false })
  at.bot.command('a', requireRole('vip'), () => undefined)
  at.bot.command('b', requireRole('vup'), () => undefined)
  await at.says(ALICE, '/a', '/b')
  const told: string[] = []
  at.guard.on('error', ({ error }) => {
    told.push((error as Error).message)
    if (told.length < 9) at.guard.reconfigure({ users: false })
  })
  at.guard.reconfigure({ roles: { gold: {} }, users: true })
  expect(told).toEqual([expect.stringContaining('"vip"'), expect.stringContaining('"vup"')])
  await at.says(ALICE, 'hello')
  expect(await at.guard.users.read(ALICE)).toBeUndefined()
  await at.guard.close()
})
