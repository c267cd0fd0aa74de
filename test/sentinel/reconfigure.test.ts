import { subjectKey } from '../../src/core/subject.js'
import {
  fromRateLimiter,
  type Guard,
  type PointsLimiter,
  requirePermission,
  requireRole,
  type SentinelOptions,
  subject,
} from '../../src/index.js'
import { stats } from '../../src/observability/stats/index.js'
import { optionsSchema } from '../../src/options/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, joins, says, tick } from './desk.js'

const GROUP = -1001000000001

/** The visible effect of an option; called with a new user each time, unless the effect is about one. */
type Sight = (at: Desk, user: number) => unknown

/** The number of these messages that reach the handlers. */
async function passing(at: Desk, user: number, ...texts: string[]): Promise<number> {
  const before = at.reached.length
  await at.says(user, ...texts)
  return at.reached.length - before
}

/** The code of the error, or 'done'. */
async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'done'
  } catch (error) {
    return (error as { code: string }).code
  }
}

const blocked: Sight = async (at, user) => {
  await at.guard.block(user)
  return passing(at, user, 'a')
}
const thrice: Sight = (at, user) => passing(at, user, 'a', 'b', 'c')
const twiceTheSame: Sight = (at, user) => passing(at, user, 'a', 'a')
const redelivered: Sight = async (at, user) => {
  const before = at.reached.length
  const update = says(user, 'a')
  await at.handle(update)
  await at.handle(update)
  return at.reached.length - before
}
const said: Sight = async (at, user) => {
  await at.says(user, 'a', 'b', 'c')
  await at.quiet()
  return at.notices.at(-1)
}
const told: string[] = []
const hook = (): void => void told.push('hooked')
const handedOver = (): void => void told.push('handed over')
const heard: Sight = async (at, user) => {
  told.length = 0
  await at.says(user, 'a', 'b', 'c')
  await at.quiet()
  return [...new Set(told)].join(', ')
}
const installed = new WeakSet<Desk>()
const made: Sight = async (at, user) => {
  if (!installed.has(at)) at.guard.install(at.bot)
  installed.add(at)
  at.telegram.faults.next('sendMessage', { code: 429, retryAfter: 1, times: Number.POSITIVE_INFINITY })
  const before = at.calls.length
  let ended = false
  const call = at.bot.api.sendMessage(user, 'x').catch(() => {
    ended = true
  })
  while (!ended) {
    await tick()
    at.time.advance(100)
  }
  await call
  return at.calls.length - before
}

const STRICT = { throttle: '1/1m' } as const

/** For every option: the first value, the changed value, and its visible effect before and after. */
const EFFECTS: Readonly<
  Record<string, readonly [SentinelOptions, SentinelOptions, Sight, unknown, unknown] | 'stays'>
> = {
  block: [{ block: false }, { block: {} }, blocked, 1, 0],
  once: [{ once: false }, { once: {} }, redelivered, 2, 1],
  auth: [{}, { auth: {} }, (at, user) => passing(at, user, 'a'), 1, 0],
  throttle: [{ throttle: '9/1m' }, STRICT, thrice, 3, 1],
  debounce: [{ debounce: false }, { debounce: { window: '1s', on: ['message'] } }, twiceTheSame, 2, 1],
  concurrency: [
    {},
    { concurrency: { queue: 0 } },
    async (at, user) => {
      const before = at.reached.length
      for (const text of ['hangs', 'b']) {
        void at.handle(says(user, text))
        await tick()
      }
      return at.reached.length - before
    },
    2,
    1,
  ],
  membership: [
    { membership: { roster: false } },
    { membership: { roster: true } },
    async (at, user) => {
      await at.handle(joins(user))
      await at.quiet()
      const { marks } = at.guard.storage
      return (await marks.of(42, subjectKey(subject.user(user)))).size
    },
    0,
    1,
  ],
  users: [
    {},
    { users: true },
    async (at, user) => {
      await at.says(user, 'a')
      at.time.advance(60_000)
      await at.quiet()
      return (await at.guard.users.read(user)) !== undefined
    },
    false,
    true,
  ],
  limits: [
    {},
    { limits: true },
    (at, user) => codeOf(() => at.guard.limits.set(user, 'user', '1/1m')),
    'option.invalid',
    'done',
  ],
  policies: [
    {},
    { policies: { shop: { throttle: '1/1m' } } },
    (at) => codeOf(() => at.guard.policy('shop')),
    'policy.unknown',
    'done',
  ],
  outgoing: [{ outgoing: { attempts: 3 } }, { outgoing: { attempts: 2 } }, made, 3, 2],
  hooks: [{}, { hooks: { allowed: hook } }, heard, '', 'hooked'],
  settings: [
    {},
    { settings: { notices: true } },
    (at) => codeOf(() => at.guard.settings.set(GROUP, { notices: false })),
    'option.invalid',
    'done',
  ],
  exempt: [STRICT, { exempt: { users: [77] } }, (at) => thrice(at, 77), 1, 3],
  roles: [
    {},
    { roles: { admin: {} } },
    (at, user) => codeOf(() => at.guard.grant(user, 'visitor')),
    'done',
    'role.unknown',
  ],
  notices: [
    { ...STRICT, notices: { texts: { en: { limited: 'Slow.' } } } },
    { notices: { texts: { en: { limited: 'Slower.' } } } },
    said,
    'Slow.',
    'Slower.',
  ],
  shadow: [STRICT, { shadow: true }, thrice, 1, 3],
  waitUntil: [STRICT, { waitUntil: handedOver }, heard, '', 'handed over'],
  // Options that cannot be changed without losing stored data or mixing two clocks.
  $schema: 'stays',
  name: 'stays',
  storage: 'stays',
  stats: 'stays',
  clock: 'stays',
  timers: 'stays',
}

test('the tests cover every option', () => {
  expect(Object.keys(EFFECTS).sort()).toEqual(Object.keys(optionsSchema.shape).sort())
})

describe('reconfigure()', () => {
  let at: Desk
  afterEach(() => at.guard.close(1))

  const effects = Object.entries(EFFECTS).flatMap(([name, effect]) =>
    effect === 'stays' ? [] : ([[name, ...effect]] as const),
  )
  test.each(effects)('changes %s', async (_, from, to, sight, before, after) => {
    at = desk(from, (bot) => bot.hears('hangs', () => new Promise(() => undefined)))
    at.guard.on('error', () => undefined)
    at.guard.on('warning', () => undefined)
    expect(await sight(at, 1)).toEqual(before)
    at.time.advance(120_000)
    at.guard.reconfigure(to)
    expect(await sight(at, 2)).toEqual(after)
    // The option stays as it is when another one is changed.
    at.time.advance(120_000)
    at.guard.reconfigure({ $schema: 'x' })
    expect(await sight(at, 3)).toEqual(after)
  })

  test('keeps the name, the storage, the clock, the timers and the counts', async () => {
    const storage = memory({ clock: () => 0 })
    at = desk({ ...STRICT, debounce: { mode: 'trailing', window: '1s' } })
    const kept = at.guard.storage
    const timers = { after: () => () => undefined }
    at.guard.reconfigure({ name: 'other', storage, clock: () => 0, timers, stats: stats(), $schema: 'x' })
    expect(at.guard.storage).toBe(kept)
    await at.says(1, 'a', 'b')
    at.guard.reconfigure({ name: 'another' })
    await at.says(1, 'c')
    await tick()
    expect(at.reached).toEqual(['a'])
    at.time.advance(60_000)
    await at.says(1, 'd')
    at.time.advance(1000)
    await tick()
    expect(at.reached).toEqual(['a', 'd'])
    expect(await codeOf(() => at.guard.stats())).toBe('option.invalid')
  })
})

describe('a guard in front of a handler', () => {
  const never: PointsLimiter = { consume: () => Promise.reject({ msBeforeNext: 3_600_000 }) }
  const guards: readonly (readonly [string, () => Guard<GuardedContext>])[] = [
    ['requireRole() of a role that Telegram gives', () => requireRole('chat:administrator')],
    ['requirePermission() of such a role', () => requirePermission('orders.delete')],
    ['fromRateLimiter()', () => fromRateLimiter(never)],
  ]

  test.each(guards)('does not repeat notices after a change of options: %s', async (_, guard) => {
    const roles = { 'chat:administrator': { allow: ['orders.delete'] } }
    const at = desk({ roles }, (bot) => bot.command('delete', guard(), () => undefined))
    for (let times = 0; times < 3; times++) {
      await at.says(7, '/delete')
      at.time.advance(1000)
      at.guard.reconfigure({ throttle: `${50 + times}/1m` })
    }
    await at.quiet()
    expect(at.notices).toHaveLength(1)
    at.time.advance(60_000)
    await at.says(7, '/delete')
    await at.quiet()
    expect(at.notices).toHaveLength(2)
    await at.guard.close()
  })
})
