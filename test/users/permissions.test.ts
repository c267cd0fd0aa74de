import type { Update } from 'grammy/types'
import {
  fromEnv,
  fromJson,
  type Guard,
  layer,
  type RequireOptions,
  requirePermission,
  requireRole,
  type SentinelOptions,
  sentinel,
  subject,
  userKey,
} from '../../src/index.js'
import { Exemptions } from '../../src/middleware/exempt/exemptions.js'
import { Chain, newTally } from '../../src/middleware/pipeline.js'
import { createServices, type ServicesOptions } from '../../src/middleware/services.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { TelegramGroup } from '../../src/telegram/index.js'
import { type GuardedContext, type Rig, rig } from '../middleware/rig.js'
import { desk, later, says } from '../sentinel/desk.js'

const OWNER = 1
const ALICE = 7
const BOB = 8
const PLAZA = -1001000000001

const ROLES = {
  support: { allow: ['orders.read'] },
  admin: { extends: ['support'], allow: ['orders.*'] },
  muted: { deny: ['*'] },
} as const

/** A storage, and the number of requests for plans. */
function counted(storage: Storage): { storage: Storage; asks: () => number } {
  let asks = 0
  const prepare: Storage['prepare'] = async (plan) => {
    const judge = await storage.prepare(plan)
    return {
      evaluate: (ask, at) => {
        asks++
        return judge.evaluate(ask, at)
      },
      peek: (ask, at) => judge.peek(ask, at),
      settle: (receipt, how, check) => judge.settle(receipt, how, check),
    }
  }
  const proxy = new Proxy(storage, {
    get(of, name) {
      const value: unknown = name === 'prepare' ? prepare : Reflect.get(of, name)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
  return { storage: proxy, asks: () => asks }
}

/** A permission in front of a handler, with the roles and the storage of the sentinel. */
function guarded(
  permission: string,
  options: RequireOptions & SentinelOptions = {},
  make = (more: RequireOptions): Guard => requirePermission(permission, more),
) {
  const { on, deny = 'silent', onFailure, shadow, ...rest } = options
  const storage = rest.storage ?? memory()
  const services = createServices({ ...(rest as ServicesOptions), roles: rest.roles ?? ROLES, storage })
  const given = { deny, ...(on && { on }), ...(onFailure && { onFailure }), ...(shadow && { shadow }) }
  const guard = make(given)
  const exemptions = new Exemptions(rest.exempt ?? {}, undefined)
  const chain = new Chain(services, guard.definitions, 'permission', exemptions, newTally())
  const passed: string[] = []
  const made = desk({ roles: ROLES, ...rest, storage, throttle: false, debounce: false }, (bot) => {
    bot.use((ctx, next) => chain.run(ctx, next))
    bot.use((ctx) => void passed.push(ctx.msg?.text ?? ''))
  })
  return { ...made, passed, services }
}

describe.each<[string, () => Storage]>([
  ['in memory', () => memory()],
  ['in a storage that answers later', () => later()],
])('a permission, %s', (_, make) => {
  test('is held by holders of a role that allows it, inherited or not, unless another role denies it', async () => {
    const { guard, says: say, passed } = guarded('orders.read', { storage: make() })
    await say(ALICE, 'nobody')
    await guard.grant(ALICE, 'support')
    await say(ALICE, 'support')
    await guard.grant(BOB, 'admin')
    await say(BOB, 'admin')
    await guard.grant(BOB, 'muted')
    await say(BOB, 'muted')
    await guard.revoke(BOB, 'muted')
    await say(BOB, 'again')
    await guard.revoke(ALICE, 'support')
    await say(ALICE, 'no longer')
    expect(passed).toEqual(['support', 'admin', 'again'])
  })

  test('is held in one chat only, where the role is', async () => {
    const { guard, handle, passed } = guarded('orders.refund', { storage: make() })
    await guard.grant(ALICE, 'admin', { chat: PLAZA })
    await handle(says(ALICE, 'in private'))
    await handle(says(ALICE, 'in the group', { group: true }))
    await handle(says(BOB, 'somebody else', { group: true }))
    await guard.grant(ALICE, 'muted', { chat: PLAZA })
    await handle(says(ALICE, 'muted', { group: true }))
    expect(passed).toEqual(['in the group'])
    expect(await guard.rolesOf(ALICE)).toEqual([])
    expect(await guard.rolesOf(ALICE, { chat: PLAZA })).toEqual(['admin', 'muted'])
    expect(await guard.revoke(ALICE, 'muted', { chat: PLAZA })).toBe(1)
    expect([
      await guard.hasRole(ALICE, 'support'),
      await guard.hasRole(ALICE, 'support', { chat: PLAZA }),
      await guard.hasRole(subject.member(ALICE, PLAZA), 'support'),
      await guard.hasRole(ALICE, 'support', { chat: -5 }),
    ]).toEqual([false, true, true, false])
  })

  test('can be looked up by subject, name and chat', async () => {
    const { guard, says: say } = guarded('orders.read', { storage: make(), exempt: { owner: OWNER } })
    const can = (): Promise<boolean[]> =>
      Promise.all([
        guard.can(ALICE, 'orders.refund'),
        guard.can(ALICE, 'orders.read'),
        guard.can(BOB, 'orders.refund'),
        guard.can(BOB, 'orders.refund', { chat: PLAZA }),
        guard.can(OWNER, 'orders.refund'),
      ])
    await guard.grant(ALICE, 'support')
    await guard.grant(BOB, 'admin', { chat: PLAZA })
    const expected = [false, true, false, true, true]
    // Before the first update of a bot, pending changes count.
    expect(await can()).toEqual(expected)
    await say(OWNER, 'hello')
    expect(await can()).toEqual(expected)
  })

  test('can be checked in a handler for the actor, in the chat of the update', async () => {
    const told: unknown[] = []
    const made = desk({ roles: ROLES, storage: make(), exempt: { owner: OWNER } }, (bot) => {
      bot.on('message:text', async (ctx) => {
        told.push([await ctx.sentinel.can(ctx.msg.text), await ctx.sentinel.hasRole('support')])
      })
    })
    await made.guard.grant(ALICE, 'admin', { chat: PLAZA })
    await made.handle(says(ALICE, 'orders.refund'))
    await made.handle(says(ALICE, 'orders.refund', { group: true }))
    await made.handle(says(ALICE, 'orders.read', { group: true }))
    await made.handle(says(ALICE, 'constructor', { group: true }))
    await made.handle(says(ALICE, 'users.ban', { group: true }))
    await made.handle(says(OWNER, 'users.ban'))
    await made.handle(says(OWNER, 'Is this allowed?'))
    expect(told).toEqual([
      [false, false],
      [true, true],
      [true, true],
      [false, true],
      [false, true],
      [true, false],
      [false, false],
    ])
  })
})

describe('a permission', () => {
  test('needs one question, however roles inherit and wherever they are held', async () => {
    const { storage, asks } = counted(later())
    const { guard, handle, passed } = guarded('orders.read', { storage })
    await guard.grant(ALICE, 'admin', { chat: PLAZA })
    await handle(says(ALICE, 'first', { group: true }))
    const before = asks()
    await handle(says(ALICE, 'second', { group: true }))
    await handle(says(BOB, 'third', { group: true }))
    expect(passed).toEqual(['first', 'second'])
    // For each update, one of the sentinel's own chain and one of this chain.
    expect(asks() - before).toBe(4)
  })

  test('lapses with the role, and its refusal has a reason', async () => {
    let now = (): number => 0
    const made = guarded('orders.read', { storage: memory({ clock: () => now() }) })
    const { guard, says: say, passed, time, services } = made
    now = time.clock
    const denied: unknown[] = []
    services.events.on('denied', ({ verdict }) => denied.push([verdict.guard, verdict.limit, verdict.reason]))
    await guard.grant(ALICE, 'support', { for: '1h', reason: 'on trial' })
    await say(ALICE, 'in time')
    expect(await guard.storage.marks.get(42, userKey(ALICE), 'role:support')).toEqual({
      since: time.now,
      until: time.now + 3_600_000,
      reason: 'on trial',
    })
    time.advance(3_600_000)
    expect(await guard.hasRole(ALICE, 'support')).toBe(false)
    expect(passed).toEqual(['in time'])
    await say(BOB, 'never')
    expect(denied).toEqual([['permission', 'orders.read', 'forbidden']])
  })

  test('is not required of the owner, and only reported in shadow', async () => {
    const { says: say, passed } = guarded('orders.read', { exempt: { owner: OWNER } })
    await say(OWNER, 'owner')
    await say(ALICE, 'nobody')
    expect(passed).toEqual(['owner'])
    const shadowed = guarded('orders.read', { shadow: true })
    await shadowed.says(ALICE, 'seen')
    expect(shadowed.passed).toEqual(['seen'])
  })

  test('that no role allows is refused when the guard is wired, with a suggestion', () => {
    expect(() => guarded('orders.read', { roles: { admin: { allow: ['order.read'] } } })).toThrow(
      expect.objectContaining({
        code: 'permission.unknown',
        message: expect.stringContaining('Did you mean "order.read"?'),
      }),
    )
    expect(() => requirePermission('orders.*')).toThrow(expect.objectContaining({ code: 'option.invalid' }))
    expect(() => requirePermission('orders.read', { denny: 'silent' } as object)).toThrow(
      expect.objectContaining({ code: 'option.unknown' }),
    )
  })

  test('that no role allows is an error in front of a handler, too, which then refuses everybody', async () => {
    const reached: string[] = []
    const at = desk({ roles: { admin: { allow: ['order.read'] } } }, (bot) => {
      bot.command('orders', requirePermission('orders.read'), (ctx) => {
        reached.push(ctx.msg.text)
      })
    })
    const told: unknown[] = []
    at.guard.on('error', ({ during, error }) => told.push([during, (error as { code?: string }).code]))
    at.guard.on('warning', ({ code }) => told.push(code))
    await at.says(ALICE, '/orders', '/orders')
    expect(reached).toEqual([])
    expect(told).toEqual([['wiring', 'permission.unknown']])
    await at.guard.close()
  })

  test('that looks misspelled in can() causes one warning', async () => {
    const guard = sentinel({ roles: { admin: { allow: ['orders.refund'] } } })
    const warnings: unknown[] = []
    guard.on('warning', ({ code, message }) => warnings.push([code, message.includes('"orders.refund"')]))
    expect(await guard.can(ALICE, 'orders.refnd')).toBe(false)
    expect(await guard.can(ALICE, 'orders.refnd')).toBe(false)
    expect(await guard.can(ALICE, 'whatever a user wrote; --')).toBe(false)
    expect(await guard.can(ALICE, 'hunter2')).toBe(false)
    expect(warnings).toEqual([['permission.slip', true]])
  })
})

test('a misspelled role is reported wherever roles are named', async () => {
  const named = (more: SentinelOptions) => () => sentinel({ roles: ROLES, ...more })
  for (const [more, what] of [
    [{ auth: { roles: ['admn'] } }, 'auth.roles[0]'],
    [{ exempt: { roles: ['support', 'admn'] } }, 'exempt.roles[1]'],
    [{ throttle: { limit: '1/1m', roles: { admn: '2/1m' } } }, 'throttle.roles'],
  ] as const) {
    expect(named(more)).toThrow(
      expect.objectContaining({
        code: 'role.unknown',
        message: `${what}: there is no role "admn". Did you mean "admin"? Roles: support, admin, muted.`,
      }),
    )
  }
  expect(named({ exempt: { roles: ['chat:administrator'] } })).toThrow(/chatAdmins: true/)
  const guard = sentinel({ roles: ROLES })
  await expect(guard.grant(ALICE, 'admn')).rejects.toMatchObject({ code: 'role.unknown' })
  await expect(guard.grant(ALICE, '__proto__')).rejects.toMatchObject({ code: 'role.unknown' })
  await expect(guard.hasRole(ALICE, 'constructor')).rejects.toMatchObject({ code: 'role.unknown' })
  await expect(guard.grant(ALICE, 'chat:administrator')).rejects.toMatchObject({ code: 'option.invalid' })
  await expect(guard.grant(ALICE, 'admin', { chat: 1.5 })).rejects.toMatchObject({ code: 'option.invalid' })
  // Roles that are no longer defined can still be revoked.
  expect(await guard.revoke(ALICE, 'retired')).toBe(0)
})

test('roles are named in files and in the environment, too', async () => {
  const file = fromJson(
    '{"roles": {"support": {"allow": ["orders.read"]}, "admin": {"extends": ["support"]}}}',
  )
  const env = fromEnv({ SENTINEL__ROLES__ADMIN__ALLOW: 'orders.refund,users.*' })
  const guard = sentinel(layer(file, env))
  await guard.grant(ALICE, 'admin')
  expect(
    await Promise.all(
      ['orders.read', 'orders.refund', 'users.ban', 'x'].map((name) => guard.can(ALICE, name)),
    ),
  ).toEqual([true, true, true, false])
  const odd = sentinel(
    fromJson('{"roles": {"constructor": {"allow": ["a"]}, "__proto__": {"allow": ["*"]}}}'),
  )
  await odd.grant(BOB, 'constructor')
  expect(await Promise.all([odd.can(BOB, 'a'), odd.can(BOB, 'b'), odd.can(ALICE, 'b')])).toEqual([
    true,
    false,
    false,
  ])
  expect(() => fromJson('{"roles": {"admin": {"extend": ["support"]}}}')).toThrow(/Did you mean "extends"\?/)
})

test('limits, exemptions and auth go by inherited roles, too', async () => {
  const limits = desk({
    roles: ROLES,
    throttle: { limit: '1/1h', roles: { support: '2/1h', admin: '3/1h' }, deny: 'silent' },
  })
  await limits.guard.grant(ALICE, 'admin')
  await limits.says(ALICE, '1', '2', '3', 'over')
  const inherited = desk({
    roles: ROLES,
    throttle: { limit: '1/1h', roles: { support: '2/1h' }, deny: 'silent' },
  })
  await inherited.guard.grant(ALICE, 'admin')
  await inherited.says(ALICE, 'a', 'b', 'over')
  const exempt = desk({
    roles: ROLES,
    throttle: { limit: '1/1h', deny: 'silent' },
    exempt: { roles: ['support'] },
  })
  await exempt.guard.grant(ALICE, 'admin')
  await exempt.says(ALICE, '1', '2')
  const gated = desk({ roles: ROLES, auth: { roles: ['support'], deny: 'silent' } })
  await gated.guard.grant(ALICE, 'admin')
  await gated.says(ALICE, 'in')
  await gated.says(BOB, 'out')
  expect([limits.reached, inherited.reached, exempt.reached, gated.reached]).toEqual([
    ['1', '2', '3'],
    ['a', 'b'],
    ['1', '2'],
    ['in'],
  ])
})

describe('roles that Telegram gives', () => {
  const TELEGRAM = {
    'chat:administrator': { allow: ['notes.*'] },
    'chat:can_pin_messages': { allow: ['pins.*'] },
    'chat:creator': { allow: ['settings.*'] },
    admin: { allow: ['notes.*'] },
  } as const
  let on: Rig
  let plaza: TelegramGroup
  const can: unknown[] = []
  const failures: string[] = []

  async function open(permission: string): Promise<void> {
    const storage = memory()
    const guard = sentinel<GuardedContext>({ roles: TELEGRAM, storage, throttle: false })
    guard.on('error', ({ during }) => failures.push(during))
    const services = createServices({ storage, roles: TELEGRAM })
    // As in the chain of a handler, roles in chats come from the sentinel in front of it.
    const shared = {
      ...services,
      chatRoles: (guard as unknown as { services: typeof services }).services.chatRoles,
    }
    const { definitions } = requirePermission(permission, { deny: 'silent' })
    const chain = new Chain(shared, definitions, 'notes', new Exemptions({}, undefined), newTally())
    on = await rig(guard, (bot) => {
      bot.use((ctx, next) => chain.run(ctx, next))
      bot.on('message:text', async (ctx) => {
        can.push([ctx.msg.text, await ctx.sentinel.can('settings.language')])
      })
    })
    guard.install(on.bot)
    plaza = on.telegram.createGroup({
      title: 'Plaza',
      owner: on.alice,
      members: [on.bob],
      admins: [on.account],
    })
    can.length = 0
    on.start()
  }
  const texts = (): unknown[] => can.map((each) => (each as unknown[])[0])
  const asked = (): number => on.telegram.calls('getChatAdministrators').length
  async function writes(who: 'alice' | 'bob', ...all: string[]): Promise<void> {
    for (const text of all) await on[who].in(plaza).sends(text)
    await on.settled()
  }
  afterEach(() => on.stop())

  test('admit administrators in their chat; looked up once, and again after a promotion', async () => {
    await open('notes.edit')
    await writes('alice', 'a1', 'a2')
    await writes('bob', 'b1', 'b2')
    expect(asked()).toBe(1)
    await on.alice.in(plaza).promotes(on.bob)
    await on.settled()
    await writes('bob', 'b3')
    expect(asked()).toBe(2)
    await on.bob.to(on.account).sends('in private')
    await on.settled()
    expect(can).toEqual([
      ['a1', true],
      ['a2', true],
      ['b3', false],
    ])
  })

  test('are checked by right, and looked up again when rights change without a promotion', async () => {
    await open('pins.add')
    await on.alice.in(plaza).promotes(on.bob, { can_pin_messages: false })
    await on.settled()
    await writes('bob', 'without')
    await writes('alice', 'creators have all rights')
    await on.alice.in(plaza).promotes(on.bob, { can_pin_messages: true })
    await on.settled()
    await writes('bob', 'with')
    expect(texts()).toEqual(['creators have all rights', 'with'])
  })

  test('are held by nobody if Telegram does not answer', async () => {
    await open('notes.edit')
    on.telegram.faults.next('getChatAdministrators', { code: 400 })
    await writes('bob', 'b1')
    expect(texts()).toEqual([])
    expect(failures).toEqual(['getChatAdministrators'])
  })
})

test('in front of a handler a permission uses the roles and the storage of the sentinel, in one question', async () => {
  const { storage, asks } = counted(later())
  const passed: string[] = []
  const made = desk({ roles: ROLES, storage, throttle: false, debounce: false }, (bot) => {
    bot.hears(
      /refund/,
      requirePermission('orders.read', { deny: 'silent' }),
      requirePermission('orders.refund', { deny: 'silent' }),
      (ctx) => void passed.push(ctx.msg?.text ?? ''),
    )
  })
  await made.guard.grant(ALICE, 'support')
  await made.guard.grant(BOB, 'admin')
  await made.says(ALICE, 'refund me')
  const before = asks()
  await made.says(BOB, 'refund them')
  expect(passed).toEqual(['refund them'])
  // One for the sentinel, and one for each guard that is used separately.
  expect(asks() - before).toBeLessThanOrEqual(3)
})

test.each<[string, NonNullable<SentinelOptions['roles']>, ((options: RequireOptions) => Guard) | undefined]>([
  ['orders.read', ROLES, undefined],
  ['notes.edit', { 'chat:administrator': { allow: ['notes.*'] } }, undefined],
  ['the role', {}, (options) => requireRole('chat:administrator', options)],
])('while the storage fails nobody has %s, unless onFailure says so', async (permission, roles, make) => {
  const inner = memory()
  const broken = new Proxy(inner, {
    get(of, name) {
      const value: unknown = Reflect.get(of, name, of)
      if (name !== 'prepare') return typeof value === 'function' ? value.bind(of) : value
      return (plan: Parameters<Storage['prepare']>[0]) => {
        const judge = inner.prepare(plan) as object
        const evaluate = (): never => {
          throw new Error('broken')
        }
        return plan.name === 'permission' ? { ...judge, evaluate } : inner.prepare(plan)
      }
    },
  })
  const closed = guarded(permission, { storage: broken, roles }, make)
  const told: string[] = []
  closed.services.events.on('error', ({ during }) => told.push(during))
  await closed.handle(says(ALICE, 'let me in', { group: true }))
  expect(closed.passed).toEqual([])
  expect(told).toEqual(['storage.evaluate'])
  const open = guarded(permission, { storage: broken, roles, onFailure: 'open' }, make)
  open.services.events.on('error', () => undefined)
  await open.handle(says(ALICE, 'let me in', { group: true }))
  expect(open.passed).toEqual(['let me in'])
})

test('an update without an actor has no permission', async () => {
  const { handle, passed } = guarded('orders.read')
  const poll = { update_id: 900_001, poll: { id: '1', question: '?', options: [] } } as unknown as Update
  await handle(poll)
  expect(passed).toEqual([])
})
