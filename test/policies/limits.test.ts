import type { Clock } from '../../src/core/clock.js'
import { subject, userKey } from '../../src/core/subject.js'
import { definePolicy, hybrid, type LimitChangedEvent, type LimitHolder, policy } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { Stage } from '../middleware/rig.js'
import { desk, later, says } from '../sentinel/desk.js'

const ALICE = 7
const BOB = 8
const GROUP = -1001000000001

function clockwork() {
  const stage = new Stage()
  return { clock: stage.clock, timers: stage.timers, advance: (ms: number) => stage.advance(ms) }
}

/** How many of ten messages pass with a full limit. */
async function passed(at: ReturnType<typeof desk>, from: number, group = false): Promise<number> {
  const before = at.reached.length
  if (before > 0) await at.guard.reset(from)
  for (let nth = 0; nth < 10; nth++) await at.handle(says(from, `${from} ${nth}`, { group }))
  return at.reached.length - before
}

async function listed(at: ReturnType<typeof desk>): Promise<string[]> {
  const lines: string[] = []
  for await (const { holder, limit, value } of at.guard.limits.list()) {
    lines.push(
      `${'role' in holder ? `role ${holder.role}` : `${holder.kind} ${holder.id}`} ${limit} ${value}`,
    )
  }
  return lines.sort()
}

describe.each([
  ['memory', (clock?: Clock) => memory(clock === undefined ? {} : { clock })],
  ['a storage elsewhere', (clock?: Clock) => later(memory(clock === undefined ? {} : { clock }))],
])('limits that are changed while the bot runs, in %s', (_, storage) => {
  test('hold for a user, a chat and a role, in that order', async () => {
    const at = desk({ storage: storage(), throttle: '4/1h', limits: true, once: false })
    expect(await passed(at, ALICE)).toBe(4)
    await at.guard.grant(BOB, 'vip')
    await at.guard.limits.set({ role: 'vip' }, 'user', '6/1h')
    expect(await passed(at, BOB)).toBe(6)
    await at.guard.limits.set(subject.chat(GROUP), 'throttle.user', '8/1h')
    expect(await passed(at, BOB, true)).toBe(8)
    expect(await passed(at, BOB)).toBe(6)
    await at.guard.limits.set(BOB, 'user', '9/1h')
    expect(await passed(at, BOB, true)).toBe(9)
    expect(await listed(at)).toEqual([
      'chat -1001000000001 user 8/1h',
      'role vip user 6/1h',
      'user 8 user 9/1h',
    ])
    expect(await at.guard.limits.remove([BOB, subject.chat(GROUP), { role: 'vip' }, ALICE])).toBe(3)
    expect(await listed(at)).toEqual([])
    expect(await passed(at, BOB, true)).toBe(4)
    await at.guard.close()
  })

  test('are listed and counted once, however many bots use them', async () => {
    const at = desk({ storage: storage(), throttle: '4/1h', limits: true })
    const other = at.another(77)
    await at.says(9, 'hello')
    await at.guard.limits.set(ALICE, 'user', '9/1h')
    await other.handle(says(9, 'hello'))
    await at.guard.limits.set([BOB, { role: 'vip' }], 'user', '8/1h')
    expect(await listed(at)).toEqual(['role vip user 8/1h', 'user 7 user 9/1h', 'user 8 user 8/1h'])
    expect(await at.guard.limits.remove([ALICE, BOB])).toBe(2)
    expect(await listed(at)).toEqual(['role vip user 8/1h'])
    await at.guard.close()
  })

  test('lapse', async () => {
    const { clock, timers, ...time } = clockwork()
    const at = desk({ storage: storage(clock), clock, timers, throttle: '4/1h', limits: true })
    await at.says(ALICE, 'hello')
    await at.guard.grant(BOB, 'vip')
    await at.guard.limits.set({ role: 'vip' }, 'user', '6/1h', { for: '1m', reason: 'a minute of fame' })
    await at.guard.limits.set(ALICE, 'user', '7/1h', { for: '1m' })
    expect([await passed(at, ALICE), await passed(at, BOB)]).toEqual([7, 6])
    time.advance(59_999)
    expect([await passed(at, ALICE), await passed(at, BOB)]).toEqual([7, 6])
    time.advance(1)
    expect(await passed(at, ALICE)).toBe(4)
    expect(await passed(at, BOB)).toBe(4)
    expect(await listed(at)).toEqual([])
    await at.guard.close()
  })

  test('hold after a restart, from the first update on', async () => {
    const kept = storage()
    const first = desk({ storage: kept, name: 'shop', throttle: '4/1h', limits: true })
    await first.says(ALICE, 'hello')
    await first.guard.grant(BOB, 'vip')
    await first.guard.limits.set({ role: 'vip' }, 'user', '6/1h')
    await first.guard.close()
    const second = desk({ storage: kept, name: 'shop', throttle: '4/1h', limits: true })
    for (let nth = 0; nth < 10; nth++) await second.says(BOB, `hello ${nth}`)
    expect(second.reached).toHaveLength(6)
    await second.guard.close()
  })

  test('may be of a policy given as a value, before any of its handlers was reached', async () => {
    const gift = definePolicy('gift', { throttle: '2/1h' })
    const given: string[] = []
    const at = desk({ storage: storage(), limits: true }, (bot) => {
      bot.command('gift', policy(gift), () => {
        given.push('gift')
      })
    })
    await at.says(ALICE, 'hello')
    await at.guard.limits.set(ALICE, gift, '3/1h')
    for (let nth = 0; nth < 5; nth++) await at.says(ALICE, '/gift')
    expect(given).toHaveLength(3)
    expect(await listed(at)).toEqual(['user 7 gift 3/1h'])
    await at.guard.close()
  })

  test('may be set before a bot is known', async () => {
    const at = desk({ storage: storage(), throttle: '4/1h', limits: true })
    await at.guard.limits.set([ALICE, { role: 'vip' }], 'user', '6/1h')
    await at.says(BOB, 'hello')
    await at.quiet()
    expect(await passed(at, ALICE)).toBe(6)
    expect(await listed(at)).toEqual(['role vip user 6/1h', 'user 7 user 6/1h'])
    await at.guard.close()
  })

  test('are reported, with the previous limit', async () => {
    const at = desk({ storage: storage(), throttle: '4/1h', limits: true })
    const told: Partial<LimitChangedEvent>[] = []
    at.guard.on('limit.changed', ({ key: _key, ...rest }) => told.push(rest))
    await at.says(ALICE, 'hello')
    await at.guard.limits.set(ALICE, 'user', '6/1h')
    await at.guard.limits.set(ALICE, 'user', '7/1h')
    await at.guard.limits.remove(ALICE, 'user')
    await at.guard.limits.remove(ALICE, 'user')
    const common = { bot: 42, limit: 'throttle.user', by: 'code' }
    const [six, seven] = [
      { amount: 6, per: 3_600_000 },
      { amount: 7, per: 3_600_000 },
    ]
    expect(told).toEqual([
      { ...common, before: undefined, after: six },
      { ...common, before: six, after: seven },
      { ...common, before: seven, after: undefined },
    ])
    await at.guard.close()
  })
})

describe('precedence', () => {
  const ORDER = ['user', 'chat', 'settings', 'role', 'adapted', 'options'] as const
  const AMOUNT = { user: 1, chat: 2, settings: 3, role: 4, adapted: 5, options: 6 }
  const every = Array.from({ length: 32 }, (_, set) =>
    ORDER.filter((_, nth) => nth < 5 && (set & (1 << nth)) !== 0),
  )

  test.each(every.map((there) => [there.join(', ') || 'nothing', there] as const))(
    'with %s',
    async (_, there) => {
      const at = desk({
        once: false,
        limits: true,
        throttle: {
          limit: '6/1h',
          on: ['message'],
          deny: 'silent',
          adapt: { min: '5/1h', max: '6/1h', earn: { after: 1000 }, lose: { after: 1000 } },
        },
        settings: { throttle: { min: '3/1h', max: '9/1h' } },
      })
      await at.says(BOB, 'hello')
      const { guard } = at
      const has = (part: (typeof ORDER)[number]): boolean => there.includes(part)
      const mark = { since: 0, value: { amount: AMOUNT.adapted, per: 3_600_000 } }
      if (has('adapted'))
        await guard.storage.marks.put(42, 'adapted:throttle.user', [{ key: userKey(ALICE), mark }])
      if (has('role')) {
        await guard.grant(ALICE, 'vip')
        await guard.limits.set({ role: 'vip' }, 'user', `${AMOUNT.role}/1h`)
      }
      if (has('settings')) await guard.settings.set(GROUP, { limits: { user: `${AMOUNT.settings}/1h` } })
      if (has('chat')) await guard.limits.set(subject.chat(GROUP), 'user', `${AMOUNT.chat}/1h`)
      if (has('user')) await guard.limits.set(ALICE, 'user', `${AMOUNT.user}/1h`)
      const expected = there[0] ?? 'options'
      expect(await passed(at, ALICE, true)).toBe(AMOUNT[expected])
      const { limits } = await guard.explain(subject.member(ALICE, GROUP))
      expect(limits[0]).toMatchObject({
        limit: `${AMOUNT[expected]}/1h`,
        from: expected === 'role' ? 'role vip' : expected,
      })
      // Elsewhere the limits of the chat do not apply; those of the user show in a peek.
      const own = there.find((part) => part !== 'chat' && part !== 'settings') ?? 'options'
      expect(await passed(at, ALICE)).toBe(AMOUNT[own])
      expect(await guard.peek(ALICE, 'user')).toMatchObject([{ limit: `${AMOUNT[own]}/1h`, remaining: 0 }])
      await guard.close()
    },
  )
})

describe('the roles of options', () => {
  test('keep their order when their limits change, and roles that extend them inherit', async () => {
    const at = desk({
      once: false,
      limits: true,
      roles: { member: {}, vip: { extends: ['member'] }, guest: {} },
      throttle: { limit: '2/1h', roles: { member: '4/1h', guest: '3/1h' } },
    })
    await at.guard.grant(ALICE, 'vip')
    await at.guard.grant(BOB, 'guest')
    expect(await passed(at, ALICE)).toBe(4)
    await at.guard.limits.set({ role: 'member' }, 'user', '5/1h')
    expect([await passed(at, ALICE), await passed(at, BOB)]).toEqual([5, 3])
    await at.guard.limits.set({ role: 'vip' }, 'user', '7/1h')
    expect([await passed(at, ALICE), await passed(at, BOB)]).toEqual([7, 3])
    // A user with two roles has the limit of the role that the options name first.
    await at.guard.grant(BOB, 'member')
    expect(await passed(at, BOB)).toBe(5)
    await at.guard.limits.remove([{ role: 'vip' }, { role: 'member' }], 'user')
    expect([await passed(at, ALICE), await passed(at, BOB)]).toEqual([4, 4])
  })

  test('do not affect limits of a chat, of all, and of a function', async () => {
    const at = desk({
      limits: true,
      throttle: [
        { name: 'place', scope: 'chat', limit: '5/1h' },
        { name: 'all', scope: 'global', limit: '50/1h' },
      ],
    })
    await expect(at.guard.limits.set(ALICE, 'place', '1/1h')).rejects.toThrow(
      'limits: place can be changed for chats, roles; this is a user.',
    )
    await expect(at.guard.limits.set(subject.chat(GROUP), 'all', '1/1h')).rejects.toMatchObject({
      code: 'subject.invalid',
    })
    await at.guard.limits.set(subject.chat(GROUP), 'place', '1/1h')
    for (let nth = 0; nth < 5; nth++) await at.handle(says(nth + 1, 'hello', { group: true }))
    expect(at.reached).toHaveLength(1)
  })
})

test('run-time limits can be turned on and off, and earlier chains are no longer prepared', async () => {
  const kept = memory()
  let prepared = 0
  const storage = Object.assign(Object.create(kept) as typeof kept, {
    prepare: (plan: Parameters<typeof kept.prepare>[0]) => {
      prepared++
      return kept.prepare(plan)
    },
  })
  const at = desk({ storage, throttle: '4/1h', once: false })
  await at.says(BOB, 'hello')
  await at.guard.grant(ALICE, 'vip')
  for (const limits of [true, false, true]) at.guard.reconfigure({ limits })
  await at.guard.limits.set({ role: 'vip' }, 'user', '6/1h')
  expect(await passed(at, ALICE)).toBe(6)
  at.guard.reconfigure({ throttle: '5/1h' })
  const before = prepared
  await at.guard.limits.set({ role: 'vip' }, 'user', '7/1h')
  expect(prepared - before).toBe(1)
  expect(await passed(at, ALICE)).toBe(7)
  at.guard.reconfigure({ limits: false })
  expect(await passed(at, ALICE)).toBe(5)
  await expect(at.guard.limits.set(ALICE, 'user', '6/1h')).rejects.toMatchObject({ code: 'option.invalid' })
  await at.guard.close()
})

test('limits of roles that cannot be read are read again, and refuse nobody meanwhile', async () => {
  const time = new Stage()
  const kept = memory({ clock: time.clock })
  const before = desk({
    storage: kept,
    clock: time.clock,
    timers: time.timers,
    throttle: '4/1h',
    limits: true,
  })
  await before.says(BOB, 'hello')
  await before.guard.grant(ALICE, 'vip')
  await before.guard.limits.set({ role: 'vip' }, 'user', '6/1h')
  let fails = true
  const marks = Object.create(kept.marks) as typeof kept.marks
  marks.scan = (...asked) => {
    if (fails) throw new Error('away')
    return kept.marks.scan(...asked)
  }
  const storage = Object.defineProperty(Object.create(kept) as typeof kept, 'marks', { value: marks })
  const at = desk({
    storage,
    clock: time.clock,
    timers: time.timers,
    throttle: '4/1h',
    limits: true,
    once: false,
  })
  const told: string[] = []
  at.guard.on('error', ({ during }) => told.push(during))
  expect(await passed(at, ALICE)).toBe(4)
  time.advance(4999)
  expect(told).toEqual(['limits.roles'])
  fails = false
  time.advance(1)
  expect(await passed(at, ALICE)).toBe(6)
  await at.guard.close()
  await before.guard.close()
})

describe('in front of a hybrid storage, which remembers refusals', () => {
  test.each(['user', 'chat', 'role'])('a raised limit of a %s admits at once', async (whose) => {
    const inner = later()
    const [at, other] = [0, 1].map(() =>
      desk({
        storage: hybrid(inner),
        name: 'shop',
        throttle: { limit: '4/1h', algorithm: 'fixed', deny: 'silent' },
        limits: true,
        once: false,
      }),
    ) as [ReturnType<typeof desk>, ReturnType<typeof desk>]
    const passes = async (): Promise<number> => {
      const before = at.reached.length
      for (let nth = 0; nth < 8; nth++) await at.handle(says(ALICE, `${nth}`, { group: true }))
      return at.reached.length - before
    }
    await other.says(BOB, 'hello')
    await at.guard.grant(ALICE, 'vip')
    expect([await passes(), await passes()]).toEqual([4, 0])
    const holder = { user: ALICE, chat: subject.chat(GROUP), role: { role: 'vip' } }[whose] as LimitHolder
    await other.guard.limits.set(holder, 'user', '6/1h')
    await other.quiet()
    await at.quiet()
    expect(await passes()).toBe(2)
    await at.guard.close()
    await other.guard.close()
  })
})

describe('an invalid change of a limit', () => {
  const at = desk({ throttle: '4/1h', limits: true, roles: { vip: {} } })
  const { limits } = at.guard

  test.each([
    [() => limits.set(ALICE, 'usr', '5/1m'), 'limit.unknown', 'Did you mean "user"?'],
    [() => limits.set(ALICE, '__proto__', '5/1m'), 'limit.unknown', 'Limits: user'],
    [() => limits.set(ALICE, 'user', '0/1m'), 'limit.invalid', 'a whole number from 1 to 100000'],
    [() => limits.set(ALICE, 'user', '200000/1m'), 'limit.invalid', 'a whole number from 1 to 100000'],
    [() => limits.set(subject.global(), 'user', '5/1m'), 'subject.invalid', 'this is a global'],
    [() => limits.set(-5, 'user', '5/1m'), 'subject.invalid', '-5 is the id of a chat'],
    [() => limits.set(136817688, 'user', '5/1m'), 'subject.invalid', 'pass subject.sender(channelId)'],
    [() => limits.set({ role: '' }, 'user', '5/1m'), 'option.invalid', 'not a role name'],
    [() => limits.set({ role: 'vpi' }, 'user', '5/1m'), 'role.unknown', 'Did you mean "vip"?'],
    [() => limits.set({ role: 'constructor' }, 'user', '5/1m'), 'role.unknown', 'constructor'],
    [
      () => limits.set({ role: 'chat:creator' }, 'user', '5/1m'),
      'option.invalid',
      'is a role that Telegram gives in a chat',
    ],
    [() => limits.set(ALICE, 'user', '5/1m', { for: 'soon' as '1m' }), 'duration.invalid', 'limits.set.for'],
    [
      () => limits.set(ALICE, 'user', '5/1m', { fro: '1m' } as object),
      'option.unknown',
      'Did you mean "for"?',
    ],
    [() => limits.remove(ALICE, 'usr'), 'limit.unknown', 'Did you mean "user"?'],
    [() => limits.list('usr').next(), 'limit.unknown', 'Did you mean "user"?'],
    [() => desk().guard.limits.set(ALICE, 'user', '5/1m'), 'option.invalid', 'sentinel({ limits: true })'],
  ])('is refused: %s', async (change, code, words) => {
    const error = await change().then(undefined, (thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, message: expect.stringContaining(words) })
  })

  test('an exact window stores no more timestamps than at first', async () => {
    const exact = desk({
      throttle: { limit: '4/1h', algorithm: 'sliding-log', roles: { vip: '6/1h' } },
      limits: true,
    })
    await exact.guard.limits.set(ALICE, 'user', '6/1h')
    await expect(exact.guard.limits.set(ALICE, 'user', '7/1h')).rejects.toMatchObject({
      code: 'limit.invalid',
    })
    expect(await passed(exact, ALICE)).toBe(6)
  })

  test('too many roles of one limit for a plan are refused', async () => {
    const full = desk({ throttle: '4/1h', limits: true })
    await full.says(ALICE, 'hello')
    for (let nth = 0; nth < 50; nth++) await full.guard.limits.set({ role: `role ${nth}` }, 'user', '5/1m')
    await full.guard.limits.set({ role: 'role 7' }, 'user', '6/1m')
    await expect(full.guard.limits.set({ role: 'one more' }, 'user', '5/1m')).rejects.toMatchObject({
      code: 'limit.invalid',
    })
  })

  test('a mark that is not a limit is ignored by the plan and by list()', async () => {
    const { guard, says: say, reached } = desk({ throttle: '4/1h', limits: true, once: false })
    await say(ALICE, 'hello')
    const { marks } = guard.storage
    await marks.put(42, 'limit:throttle.user', [
      { key: userKey(ALICE), mark: { since: 0, value: { amount: -1, per: 'x' } } },
    ])
    await marks.put(42, 'role-limit', [{ key: 'kthrottle.user vip', mark: { since: 0, value: 'nonsense' } }])
    for (let nth = 0; nth < 5; nth++) await say(ALICE, `again ${nth}`)
    expect(reached).toHaveLength(4)
    expect(await guard.limits.list().next()).toMatchObject({ done: true })
  })
})

describe('a plan', () => {
  const plansOf = async (options: object): Promise<number[]> => {
    const storage = memory()
    const widths: number[] = []
    const at = desk({
      ...options,
      throttle: '4/1h',
      storage: {
        ...storage,
        marks: storage.marks,
        users: storage.users,
        values: storage.values,
        prepare(plan) {
          widths.push(
            plan.checks.flatMap((check) => ('variants' in check ? (check.variants ?? []) : [])).length,
          )
          return storage.prepare(plan)
        },
        watch: (listener) => storage.watch(listener),
        sessions: (options) => storage.sessions(options),
        reset: (...args) => storage.reset(...args),
        health: () => storage.health(),
        close: () => storage.close(),
      },
    })
    await at.says(ALICE, 'hello')
    if ('limits' in options) await at.guard.limits.set({ role: 'vip' }, 'user', '5/1m')
    return widths
  }

  test('reads nothing for limits that nobody changes', async () => {
    expect(await plansOf({})).toEqual([0])
    expect(await plansOf({ limits: true })).toEqual([2, 3])
  })
})
