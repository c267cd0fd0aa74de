import fc from 'fast-check'
import type { Update } from 'grammy/types'
import { chatKey } from '../../src/core/subject.js'
import { type SentinelOptions, type SettingsOptions, sentinel, subject } from '../../src/index.js'
import { choiceIn, dataOf } from '../../src/settings/choice.js'
import { isWithin, readSettings } from '../../src/settings/settings-options.js'
import { memory } from '../../src/storage/memory/memory.js'
import { Stage } from '../middleware/rig.js'
import { desk, later, says, taps } from '../sentinel/desk.js'
import { faulty } from '../storage/faulty.js'

const GROUP = -1001000000001
const SETTINGS: SettingsOptions = { throttle: { min: '2/1h', max: '8/1h' }, notices: true }

describe.each([
  ['memory', () => memory()],
  ['a storage elsewhere', () => later()],
])('settings of chats, in %s', (_, storage) => {
  test('apply in their chat, for limits that administrators may adjust', async () => {
    const at = desk({ storage: storage(), throttle: '4/1h', settings: SETTINGS })
    await at.says(9, 'hello')
    const { settings } = at.guard
    expect(await settings.of(GROUP)).toEqual({ limits: new Map(), notices: true })
    await settings.set(GROUP, { limits: { user: '2/1h' }, notices: false })
    expect(await settings.of(GROUP)).toEqual({ limits: new Map([['user', '2/1h']]), notices: false })
    expect(await settings.of(-1001000000002)).toEqual({ limits: new Map(), notices: true })
    for (let nth = 0; nth < 5; nth++) {
      await at.handle(says(7, 'here', { group: true }))
      await at.says(8, 'there')
    }
    expect(at.reached.filter((text) => text === 'here')).toHaveLength(2)
    expect(at.reached.filter((text) => text === 'there')).toHaveLength(4)
    await settings.reset(GROUP)
    expect(await settings.of(GROUP)).toEqual({ limits: new Map(), notices: true })
    await at.guard.close()
  })

  test('are seen by another process at once', async () => {
    const kept = storage()
    const [one, other] = [0, 1].map(() =>
      desk({ storage: kept, name: 'shop', throttle: { limit: '1/1h', noticeEvery: 1 }, settings: SETTINGS }),
    ) as [ReturnType<typeof desk>, ReturnType<typeof desk>]
    const asks = async (at: typeof one) => {
      const before = at.notices.length
      for (let nth = 0; nth < 2; nth++) {
        at.time.advance(10)
        await at.handle(says(7, '/help', { group: true }))
      }
      await at.quiet()
      return at.notices.length > before
    }
    await one.says(9, 'hello')
    expect(await asks(other)).toBe(true)
    await one.guard.settings.set(GROUP, { notices: false })
    expect(await asks(other)).toBe(false)
    await one.guard.settings.set(GROUP, { notices: true })
    expect(await asks(other)).toBe(true)
    await one.guard.close()
    await other.guard.close()
  })

  test('move with a group that becomes a supergroup', async () => {
    const at = desk({ storage: storage(), throttle: '4/1h', settings: SETTINGS })
    await at.says(9, 'hello')
    await at.guard.settings.set(-55, { limits: { user: '2/1h' }, notices: false })
    await at.handle(moves(-55))
    await at.quiet()
    expect(await at.guard.settings.of(GROUP)).toEqual({ limits: new Map([['user', '2/1h']]), notices: false })
    expect(await at.guard.settings.of(-55)).toEqual({ limits: new Map(), notices: true })
    await at.guard.close()
  })

  test.each([
    ['for good', {}, { for: '1m' }, 'stays'],
    ['for an hour', { for: '1h' }, { for: '1m' }, 'stays'],
    ['for a minute', { for: '1m' }, { for: '1h' }, 'is lost'],
    ['for a while', { for: '1m' }, {}, 'is lost'],
  ] as const)('a block of it %s (%j) that meets another (%j) %s', async (_, was, is, becomes) => {
    const at = desk({ storage: storage(), settings: SETTINGS, clock: Date.now })
    const ends = async (chat: number) =>
      (await at.guard.export()).blocked.find((each) => each.subject === `c${chat}`)?.until
    await at.says(9, 'hello')
    await at.guard.block(subject.chat(-55), was)
    await at.guard.block(subject.chat(GROUP), is)
    const longer = await ends(becomes === 'stays' ? -55 : GROUP)
    await at.handle(moves(-55))
    await at.quiet()
    expect(await at.guard.isBlocked(subject.chat(GROUP))).toBe(true)
    expect(await ends(GROUP)).toBe(longer)
    await at.guard.close()
  })
})

/** A group is upgraded to the supergroup. */
function moves(from: number): Update {
  return {
    update_id: 1_000_001,
    message: {
      message_id: 1,
      date: 0,
      chat: { id: from, type: 'group', title: 'Plaza' },
      from: { id: 7, is_bot: false, first_name: 'Alice' },
      migrate_to_chat_id: GROUP,
    },
  }
}

test.each(['Telegram', 'the storage'])(
  'while %s does not answer nothing is changed, and the tap is answered',
  async (who) => {
    const kept = memory()
    const marks = Object.create(kept.marks) as typeof kept.marks
    marks.put = () => {
      throw new Error('away')
    }
    const storage = Object.defineProperty(Object.create(kept) as typeof kept, 'marks', { value: marks })
    const at = desk({
      ...(who === 'the storage' && { storage }),
      settings: SETTINGS,
      throttle: '20/1h',
      debounce: false,
    })
    at.hasAdministrators(7)
    if (who === 'Telegram') at.telegram.faults.next('getChatAdministrators', { code: 500 })
    const failures: string[] = []
    at.guard.on('error', ({ during }) => failures.push(during))
    const tap = taps(7, 'sentinel:n:0')
    Object.assign(tap.callback_query?.message?.chat ?? {}, { id: GROUP, type: 'supergroup' })
    await at.handle(tap)
    await at.quiet()
    expect(at.calls.filter(({ method }) => method === 'answerCallbackQuery')).toMatchObject([
      { payload: { text: 'That could not be done. Try again in a moment.', show_alert: true } },
    ])
    expect(failures).toEqual(['settings.menu'])
    expect(at.reached).toEqual([])
    expect(await at.guard.settings.of(GROUP)).toEqual({ limits: new Map(), notices: true })
    await at.guard.close()
  },
)

test('a limit of a user precedes that of the chat, which precedes those of roles', async () => {
  const at = desk({ throttle: { limit: '4/1h', roles: { vip: '6/1h' } }, limits: true, settings: SETTINGS })
  await at.says(9, 'hello')
  await at.guard.grant(7, 'vip')
  const from = async () =>
    (
      await at.guard.explain({
        kind: 'member',
        id: GROUP,
        name: '',
        actor: { kind: 'user', id: 7, name: '' },
      })
    ).limits[0]?.from
  expect(await from()).toBe('role vip')
  await at.guard.settings.set(GROUP, { limits: { user: '5/1h' } })
  expect(await from()).toBe('settings')
  await at.guard.limits.set({ kind: 'chat', id: GROUP, name: '' }, 'user', '3/1h')
  expect(await from()).toBe('chat')
  await at.guard.limits.set(7, 'user', '7/1h')
  expect(await from()).toBe('user')
  await at.guard.close()
})

test('the notices setting of a chat is cached', async () => {
  const kept = memory()
  let reads = 0
  const { get } = kept.marks
  const marks = Object.assign(Object.create(kept.marks) as typeof kept.marks, {
    get: (bot: number, key: number | string, name: string) => {
      if (name === 'settings') reads++
      return get.call(kept.marks, bot, key, name)
    },
  })
  const storage = Object.defineProperty(Object.create(kept) as typeof kept, 'marks', { value: marks })
  const at = desk({ storage, throttle: { limit: '1/1h', noticeEvery: 1 }, settings: SETTINGS })
  for (let nth = 0; nth < 6; nth++) {
    at.time.advance(10)
    await at.handle(says(7, '/help', { group: true }))
    await at.quiet()
  }
  expect(at.notices).toHaveLength(5)
  expect(reads).toBe(1)
  await kept.marks.put(42, 'settings', [{ key: chatKey(GROUP), mark: { since: 0, value: 'nonsense' } }])
  // Until the group may get another notice.
  at.time.advance(12_000)
  await at.handle(says(7, '/help', { group: true }))
  await at.quiet()
  expect(reads).toBe(2)
})

test.each([
  ['an unknown chat gets notices', undefined, 1],
  ['a chat that had turned notices off gets none', false, 0],
  ['a chat that had turned notices on gets them', true, 1],
])('while settings cannot be read, %s', async (_, notices, said) => {
  const time = new Stage()
  const { clock, timers } = time
  const storage = faulty(clock, timers)
  const at = desk({ storage, clock, timers, throttle: { limit: '1/1h', noticeEvery: 1 }, settings: SETTINGS })
  const failed: string[] = []
  at.guard.on('error', ({ during }) => failed.push(during))
  at.guard.on('storage.down', () => undefined)
  const asks = async () => {
    time.advance(10)
    await at.handle(says(7, '/help', { group: true }))
    await at.quiet()
  }
  await asks()
  if (notices !== undefined) {
    await at.guard.settings.set(GROUP, { notices })
    await asks()
  }
  const before = at.notices.length
  time.advance(900_000)
  storage.fault = 'refuses'
  storage.gap()
  // The first update is decided in memory, where nothing has been counted.
  await asks()
  await asks()
  expect(at.notices).toHaveLength(before + said)
  expect(failed).toContain('settings.notices')
  expect(failed).not.toContain('notice')
  storage.fault = 'none'
  await at.guard.close()
})

describe('options for adjustable limits', () => {
  const problem = (make: () => unknown): unknown => {
    try {
      return make()
    } catch (error) {
      return error
    }
  }
  const bounds = (min: string, max: string, choices?: readonly string[]): SentinelOptions =>
    ({ settings: { throttle: { min, max, ...(choices && { choices }) } } }) as SentinelOptions
  /** Options with this many policies that administrators may adjust, with seven buttons each. */
  const tuning = (count: number): SentinelOptions => {
    const names = Array.from({ length: count }, (_, nth) => `p${nth}`)
    const of = <T>(value: T) => Object.fromEntries(names.map((name) => [name, value]))
    return {
      policies: of({ throttle: '20/1m' } as const),
      settings: { limits: of({ min: '5/1m', max: '60/1m' } as const), notices: true },
    }
  }

  test('accept a menu of 100 buttons, which Telegram still shows', () => {
    expect(sentinel(tuning(14)).policy('p13')).toBeInstanceOf(Function)
  })

  test.each<[SentinelOptions, string, string]>([
    [
      bounds('5/1m', '60/1h'),
      'option.invalid',
      'settings.throttle.max: 60/1h has another time span than min, 5/1m',
    ],
    [bounds('60/1m', '5/1m'), 'option.invalid', 'settings.throttle.max: 5 is less than min, 60'],
    [bounds('5/1m', '60/1m', ['70/1m']), 'option.invalid', 'choices[0]: 70/1m is not within the bounds'],
    [
      bounds('5/1m', '60/1m', ['20/1m', '20/1m (burst 500)']),
      'option.invalid',
      'choices[1]: 20/1m (burst 500) is not within the bounds, 5/1m to 60/1m, 5 to 60 at once',
    ],
    [bounds('5/1m', '60/1m', ['20/1m (burst 4)']), 'option.invalid', 'choices[0]: 20/1m (burst 4) is not'],
    [
      bounds('5/1m (burst 50)', '60/1m (burst 20)'),
      'option.invalid',
      'settings.throttle.max: 20 at once is less than min, 50 at once',
    ],
    [bounds('5', '60/1m'), 'limit.invalid', 'settings.throttle.min'],
    [{ settings: {} }, 'option.invalid', 'there is nothing to tune'],
    [tuning(15), 'option.invalid', 'settings.limits: 107 buttons are too many. Telegram shows 100 at most.'],
    [{ settings: { notices: true, command: '/x' } }, 'option.invalid', 'settings.command'],
    [{ settings: { notcies: true } as never }, 'option.unknown', 'Did you mean "notices"?'],
    [
      { settings: { limits: { usr: { min: '5/1m', max: '60/1m' } } } },
      'limit.unknown',
      'settings.limits.usr: there is no limit "usr". Did you mean "user"?',
    ],
    [
      { settings: { limits: { uploads: { min: '1/1h', max: '9/1h' } } } },
      'limit.unknown',
      'there is no limit "uploads". Limits: user. Turn the limit of a handler into a policy.',
    ],
    [
      { ...bounds('5/1m', '60/1m'), throttle: false },
      'limit.unknown',
      'settings.throttle: it tunes "user", but there is no limit "user". Limits: (none).',
    ],
    [
      {
        settings: {
          throttle: { min: '5/1m', max: '60/1m' },
          limits: { user: { min: '5/1m', max: '60/1m' } },
        },
      },
      'option.invalid',
      'settings.limits.user says the same',
    ],
  ])('are refused if they are invalid: %j', (options, code, words) => {
    expect(problem(() => sentinel(options))).toMatchObject({ code, message: expect.stringContaining(words) })
  })

  test('limit the changes at run time', async () => {
    const { settings } = sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' } } })
    const refused = async (change: object, chat = GROUP) =>
      settings.set(chat, change).then(
        () => 'done',
        (error: { code: string; message: string }) => `${error.code} ${error.message}`,
      )
    expect(await refused({ limits: { user: '61/1m' } })).toContain(
      'limit.invalid settings.set.limits.user: 61/1m is out of bounds',
    )
    expect(await refused({ limits: { user: '5/1h' } })).toContain('out of bounds')
    expect(await refused({ limits: { user: '10/1m (burst 5000)' } })).toContain(
      '10/1m (burst 5000) is out of bounds. Choose from 5/1m to 60/1m, 5 to 60 at once.',
    )
    expect(await refused({ limits: { user: '10/1m (burst 4)' } })).toContain('out of bounds')
    expect(await refused({ limits: { user: '10/1m (burst 60)' } })).toBe('done')
    expect(await refused({ limits: JSON.parse('{"__proto__": "6/1m"}') })).toContain(
      '"__proto__" cannot be tuned',
    )
    expect(await refused({ notices: false })).toContain('it cannot be tuned')
    expect(await refused({ notice: false })).toContain('option.unknown')
    expect(await refused({}, 7)).toContain('subject.invalid')
    expect(await refused({ limits: { user: '60/1m' } })).toBe('done')
    await expect(sentinel().settings.of(GROUP)).rejects.toMatchObject({ code: 'option.invalid' })
  })
})

test('choices are between the bounds, and their data fit a button', () => {
  for (const [min, max] of [
    ['5/1m', '60/1m'],
    ['1/1s', '1/1s'],
    ['7/366d', '100000/366d'],
    ['1/1h', '2/1h'],
    ['5/1m', '60/1m (burst 20)'],
    ['9/366d (burst 90000)', '90000/366d (burst 100000)'],
  ] as const) {
    const { limits } = readSettings({ throttle: { min, max }, command: 'c'.repeat(32) })
    const [tunable] = [...limits.values()]
    const amounts = tunable?.choices.map(({ amount }) => amount) ?? []
    expect(amounts[0]).toBe(Number.parseInt(min, 10))
    expect(amounts.at(-1)).toBe(Number.parseInt(max, 10))
    expect(amounts.length).toBeLessThanOrEqual(6)
    expect([...new Set(amounts)].sort((a, b) => a - b)).toEqual(amounts)
    for (const to of tunable?.choices ?? []) {
      if (tunable !== undefined) {
        expect(isWithin(tunable, to)).toBe(true)
        expect(dataOf('c'.repeat(32), { kind: 'limit', tunable, to }).length).toBeLessThanOrEqual(64)
      }
    }
  }
})

test('limits that differ only in their burst are separate choices', async () => {
  const span = { min: '20/1m (burst 5)', max: '20/1m (burst 40)' } as const
  const found = readSettings({ throttle: span }).limits.get('user')
  expect(found?.choices.map(({ burst }) => burst)).toEqual([5, 40])
  const tuning = readSettings({
    throttle: { ...span, choices: ['20/1m (burst 40)', '20/1m', '20/1m (burst 5)'] },
  })
  const tunable = tuning.limits.get('user')
  if (tunable === undefined) throw new Error('no limit of users')
  const data = tunable.choices.map((to) => dataOf('c', { kind: 'limit', tunable, to }))
  const command = { ...tuning, command: 'c' }
  expect(new Set(data).size).toBe(3)
  expect(data.map((each) => choiceIn(command, each))).toEqual(
    [
      { amount: 20, per: 60_000, burst: 5 },
      { amount: 20, per: 60_000 },
      { amount: 20, per: 60_000, burst: 40 },
    ].map((to) => ({ kind: 'limit', tunable, to })),
  )
})

test('random data in a tap never change a setting to something that no button offers', () => {
  const tuning = readSettings({
    limits: { user: { min: '5/1m', max: '60/1m' }, uploads: { min: '1/1h', max: '9/1h' } },
    notices: true,
  })
  const offered = new Set(
    [...tuning.limits.values()]
      .flatMap((tunable) =>
        [...tunable.choices, undefined].map((to) => dataOf('sentinel', { kind: 'limit', tunable, to })),
      )
      .concat(['sentinel:n:0', 'sentinel:n:1', 'sentinel:x']),
  )
  for (const data of offered) {
    const choice = choiceIn(tuning, data)
    expect(choice === undefined ? undefined : dataOf('sentinel', choice)).toBe(data)
  }
  const near = fc
    .tuple(fc.constantFrom(...offered), fc.nat(40), fc.string({ maxLength: 3 }), fc.nat(2))
    .map(([data, at, put, cut]) => data.slice(0, at) + put + data.slice(at + cut))
  const any = fc.string({ maxLength: 64 }).map((text) => `sentinel:${text}`)
  fc.assert(
    fc.property(fc.oneof(near, any, fc.string({ maxLength: 64 })), (data) => {
      expect(choiceIn(tuning, data) !== undefined).toBe(offered.has(data))
    }),
    { numRuns: 1000 },
  )
})
