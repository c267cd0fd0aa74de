import {
  type BlockingOptions,
  type BlockListExport,
  type Subject,
  sentinel,
  subject,
  subjectKey,
} from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { Stage } from '../middleware/rig.js'
import { settled } from '../storage/outage.js'
import { desk, later, nextId, says, user } from './desk.js'

const ALICE = 7
const BOB = 8
const GROUP = -1001000000001

async function all<T>(of: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const one of of) list.push(one)
  return list
}

const saysWho = (from: number) => says(from, `from ${from}`)

/** A user who writes anonymously as a chat: a channel, or the group itself. */
const hidden = (standIn: number, chat: number, text: string) => {
  const update = says(standIn, text, { group: true })
  return {
    ...update,
    message: { ...update.message, sender_chat: { id: chat, type: 'channel', title: 'C' } },
  } as never
}

describe('block', () => {
  test.each([
    ['before the bot is met', false],
    ['after', true],
  ])('stops users at once, %s', async (_, met) => {
    const { guard, says, reached } = desk()
    if (met) await says(9, 'first')
    await guard.block(ALICE, { reason: 'spam' })
    await says(ALICE, 'one', 'two')
    await says(BOB, 'hello')
    expect(reached.slice(met ? 1 : 0)).toEqual(['hello'])
    expect(await guard.isBlocked(ALICE)).toBe(true)
    expect(await guard.isBlocked(BOB)).toBe(false)
    expect(await guard.unblock(ALICE)).toBe(1)
    expect(await guard.unblock(ALICE)).toBe(0)
    await says(ALICE, 'back')
    expect(reached.at(-1)).toBe('back')
  })

  test('returns the start, the end and the reason', async () => {
    const { guard, time, says } = desk()
    const since = time.now
    await guard.block(ALICE, { for: '1h', reason: 'spam' })
    await guard.block(BOB, { until: new Date(since + 5) })
    const staged = [await guard.blockOf(ALICE), await guard.blockOf(BOB), await guard.blockOf(9)]
    await says(9, 'the bot is met')
    expect(staged).toEqual([
      { subject: subject.user(ALICE), since, until: since + 3_600_000, reason: 'spam' },
      { subject: subject.user(BOB), since, until: since + 5 },
      undefined,
    ])
    expect([await guard.blockOf(ALICE), await guard.blockOf(BOB), await guard.blockOf(9)]).toEqual(staged)
  })

  test.each([
    ['before the bot is met', false],
    ['after', true],
  ])('with an end lapses by the clock, %s', async (_, met) => {
    const { guard, time, says, reached } = desk()
    if (met) await says(9, 'first')
    await guard.block(ALICE, { for: '1h' })
    time.advance(3_599_999)
    expect(await guard.isBlocked(ALICE)).toBe(true)
    if (met) await says(ALICE, 'too soon')
    time.advance(1)
    expect(await guard.isBlocked(ALICE)).toBe(false)
    expect(await all(guard.blocked())).toEqual([])
    await says(ALICE, 'in time')
    expect(reached).toEqual(met ? ['first', 'in time'] : ['in time'])
  })

  test('accepts many subjects at once, before the bot is met or after', async () => {
    const { guard, says, reached } = desk()
    const many = Array.from({ length: 2500 }, (_, index) => 1000 + index)
    await guard.block(many)
    // One by one, too: pending blocks must not be dropped because there are many.
    for (const id of many.slice(0, 600)) await guard.block(id + 10_000)
    for (const id of [1000, 3499, 11_000, 11_599]) await says(id, 'no')
    await says(ALICE, 'yes')
    expect(reached).toEqual(['yes'])
    expect(await all(guard.blocked())).toHaveLength(3100)
    expect(await guard.unblock([...many, 1])).toBe(2500)
    expect(await all(guard.blocked())).toHaveLength(600)
  })

  test('refuses channels, anonymous administrators and whole chats, but not the accounts that stand in for them', async () => {
    const { guard, handle, reached } = desk()
    await guard.block([subject.sender(-1005), subject.sender(GROUP), subject.chat(-1006)])
    await handle(hidden(136817688, -1005, 'channel'))
    await handle(hidden(136817688, -1007, 'another channel'))
    await handle(hidden(1087968824, GROUP, 'anonymous'))
    await handle(says(ALICE, 'member', { group: true }))
    expect(reached).toEqual(['another channel', 'member'])
  })

  test.each([1087968824, 136817688, 777000])('rejects the stand-in account %d in every form', async (id) => {
    const { guard } = desk()
    const refused = { code: 'subject.invalid', message: expect.stringContaining('subject.sender(') }
    await expect(guard.block(id)).rejects.toMatchObject(refused)
    await expect(guard.block([ALICE, subject.user(id)])).rejects.toMatchObject(refused)
    expect(await guard.isBlocked(ALICE)).toBe(false)
    const list = { version: 1, blocked: [{ subject: `u${id}`, since: 1 }] } as const
    await expect(guard.import(list)).rejects.toMatchObject({ ...refused, code: 'import.invalid' })
    expect(() => sentinel({ block: { list: [id] } })).toThrow(expect.objectContaining(refused))
    expect(() => sentinel({ exempt: { owner: id } })).toThrow(expect.objectContaining(refused))
  })

  test.each([
    ['a member of a chat', subject.member(ALICE, GROUP)],
    ['a command', subject.command(ALICE, 'buy')],
    ['everybody', subject.global()],
    ['no id', Number.NaN],
    ['a chat by its bare id', GROUP],
    ['nothing', undefined as unknown as Subject],
  ])('rejects %s, for which no update is looked up', async (_, whom) => {
    await expect(desk().guard.block(whom)).rejects.toMatchObject({ code: 'subject.invalid' })
  })

  test.each([
    [{ fro: '1d' }, 'option.unknown', 'block.fro: there is no such option. Did you mean "for"?'],
    [
      { for: '1d', reasn: 'spam' },
      'option.unknown',
      'block.reasn: there is no such option. Did you mean "reason"?',
    ],
    [{ reason: 7 }, 'option.invalid', 'block.reason: 7 is wrong; it must be a text.'],
    [{ until: '2027-01-01' }, 'option.invalid', 'block.until: this is not a date.'],
    ['1d', 'option.invalid', 'block: "1d" is wrong; it must be an object of options.'],
  ])('rejects %j, which would block forever', async (options, code, message) => {
    const { guard } = desk()
    const refused = { code, message: expect.stringContaining(message) }
    await expect(guard.block(ALICE, options as BlockingOptions)).rejects.toMatchObject(refused)
    expect(await guard.isBlocked(ALICE)).toBe(false)
  })

  test.each([
    ['a span of zero', { for: 0 }],
    ['a span that is rounded to zero', { for: '0.4ms' }],
    ['a moment that has passed', { until: 5 }],
  ] as const)('rejects %s, which would end a permanent block', async (_, options) => {
    const { guard, says } = desk({ roles: { staff: {} } })
    await says(9, 'the bot is met')
    await guard.block(ALICE)
    await guard.grant(ALICE, 'staff')
    await expect(guard.block(ALICE, options)).rejects.toMatchObject({ code: 'option.invalid' })
    await expect(guard.grant(ALICE, 'staff', options)).rejects.toMatchObject({ code: 'option.invalid' })
    expect(await guard.blockOf(ALICE)).not.toHaveProperty('until')
    expect(await guard.hasRole(ALICE, 'staff')).toBe(true)
  })

  test('rejects two ends at once, and invalid ends', async () => {
    const { guard } = desk()
    await expect(guard.block(ALICE, { for: '1h', until: 5 })).rejects.toMatchObject({
      code: 'option.invalid',
    })
    await expect(guard.block(ALICE, { until: Number.NaN })).rejects.toMatchObject({ code: 'option.invalid' })
    await expect(guard.block(ALICE, { for: 'long' as '1h' })).rejects.toMatchObject({
      code: 'duration.invalid',
    })
    expect(await guard.isBlocked(ALICE)).toBe(false)
  })

  test('accepts an undefined reason, as a command without words gives it', async () => {
    const { guard } = desk({ roles: { staff: {} } })
    const words = '' as string
    await guard.block(ALICE, { reason: words || undefined })
    await guard.grant(BOB, 'staff', { reason: words || undefined })
    expect(await guard.blockOf(ALICE)).not.toHaveProperty('reason')
    expect(await guard.hasRole(BOB, 'staff')).toBe(true)
  })

  test('emits an event once for each bot', async () => {
    const { guard, says, another } = desk()
    const told: unknown[] = []
    guard.on('blocked', ({ bot, key, reason }) => told.push(['blocked', bot, key, reason]))
    guard.on('unblocked', ({ bot, key }) => told.push(['unblocked', bot, key]))
    const key = { asymmetricMatch: (value: unknown) => typeof value === 'number' }
    await guard.block(ALICE, { reason: 'spam' })
    expect(told).toEqual([])
    await says(BOB, 'the bot is met')
    await another(43).handle(saysWho(BOB))
    expect(told).toEqual([
      ['blocked', 42, key, 'spam'],
      ['blocked', 43, key, 'spam'],
    ])
    await guard.unblock(ALICE)
    expect(told.slice(2)).toEqual([
      ['unblocked', 42, key],
      ['unblocked', 43, key],
    ])
  })

  test('an unblock also applies to bots that are added later', async () => {
    const { guard, says, another } = desk({ block: { list: [BOB] } })
    await guard.block([ALICE, 9])
    await guard.unblock([9, BOB])
    await says(9, 'the first bot is met')
    await guard.unblock(ALICE)
    const second = another(43)
    for (const from of [ALICE, BOB, 9]) await second.handle(saysWho(from))
    expect(second.reached).toEqual(['from 7', 'from 8', 'from 9'])
  })

  test('works on a storage that answers later', async () => {
    const { clock } = new Stage()
    const { guard, says, reached } = desk({ clock, storage: later(memory({ clock })) })
    await guard.block(ALICE, { for: '1h' })
    await says(ALICE, 'no')
    await says(BOB, 'yes')
    expect(reached).toEqual(['yes'])
    expect(await guard.isBlocked(ALICE)).toBe(true)
    expect((await all(guard.blocked())).map(({ subject }) => subject.id)).toEqual([ALICE])
  })
})

describe.each([
  ['memory', () => memory()],
  ['a storage that answers later', () => later()],
])('in %s', (_, make) => {
  test('the last call about a subject counts, even during a call about many', async () => {
    const { guard, says, reached } = desk({ storage: make() })
    const many = Array.from({ length: 2500 }, (_, id) => 1000 + id)
    await says(BOB, 'met')
    await guard.block(many)
    const told: unknown[] = []
    guard.on('unblocked', ({ key }) => told.push(key))
    await Promise.all([guard.unblock(many), guard.block([1000, 3499]), guard.unregister(many)])
    expect(told).toHaveLength(2498)
    await Promise.all([guard.block(many), guard.unblock(3499)])
    for (const id of [1000, 2000, 3499]) await says(id, String(id))
    expect(reached).toEqual(['met', '3499'])
  })

  test('events are emitted only for subjects that were blocked', async () => {
    const { guard, says } = desk({ storage: make() })
    await says(BOB, 'met')
    const told: unknown[] = []
    guard.on('unblocked', ({ key }) => told.push(key))
    guard.on('unregistered', ({ key }) => told.push(key))
    expect(await guard.unblock(ALICE)).toBe(0)
    expect(await guard.unblock([ALICE, BOB])).toBe(0)
    expect(await guard.unregister(ALICE)).toBe(0)
    expect(told).toEqual([])
    const many = Array.from({ length: 250 }, (_, id) => 1000 + id)
    const some = many.filter((id) => id % 3 === 0)
    await guard.block(some)
    expect(await guard.unblock(many)).toBe(some.length)
    expect(told).toEqual(some.map((id) => subjectKey(id)))
    await guard.register(ALICE)
    expect(await guard.unregister(ALICE)).toBe(1)
    expect(told).toHaveLength(some.length + 1)
  })
})

describe('on a server that takes a millisecond for each of them', () => {
  test('many are blocked and unblocked, however long that takes', async () => {
    const time = new Stage()
    const kept = memory({ clock: time.clock })
    const slowly = async <T>(all: readonly unknown[], work: () => T): Promise<T> => {
      await new Promise<void>((done) => time.timers.after(all.length, done))
      return work()
    }
    const { put, remove } = kept.marks
    Object.assign(kept, { remote: true })
    Object.assign(kept.marks, {
      put: (...args: Parameters<typeof put>) => slowly(args[2], () => put.apply(kept.marks, args)),
      remove: (...args: Parameters<typeof remove>) => slowly(args[2], () => remove.apply(kept.marks, args)),
    })
    const { guard, says } = desk({ storage: kept, clock: time.clock, timers: time.timers })
    await says(BOB, 'met')
    const many = Array.from({ length: 5000 }, (_, id) => 1000 + id)
    const passing = async <T>(work: Promise<T>): Promise<T> => {
      let isOver = false
      const over = (): void => {
        isOver = true
      }
      work.then(over, over)
      while (!isOver) {
        await settled()
        time.advance(100)
      }
      return work
    }
    await passing(guard.block(many))
    expect(await passing(guard.unblock(many))).toBe(5000)
  })
})

describe('the block list as JSON', () => {
  const list: readonly Subject[] = [ALICE, subject.chat(GROUP), subject.sender(-1005)]

  test.each([
    ['before the bot is met', false],
    ['after', true],
  ])('can be exported and imported, %s', async (_, met) => {
    const from = desk()
    if (met) await from.says(BOB, 'met')
    await from.guard.block(list, { for: '2h', reason: 'raid' })
    await from.guard.block(9)
    const exported = await from.guard.export()
    const copy = JSON.parse(JSON.stringify(exported)) as BlockListExport
    expect(copy).toEqual(exported)

    const to = desk({ clock: from.time.clock })
    if (met) await to.says(BOB, 'met')
    expect(await to.guard.import(copy)).toBe(4)
    expect(await to.guard.export()).toEqual(exported)
    await to.says(ALICE, 'no')
    await to.says(BOB, 'yes')
    expect(to.reached.at(-1)).toBe('yes')
    expect(to.reached).not.toContain('no')
  })

  test('omits lapsed blocks, so that they replace nothing', async () => {
    const { guard, time } = desk()
    await guard.block(ALICE)
    const lapsed = { subject: `u${ALICE}`, since: 1, until: time.now }
    expect(await guard.import({ version: 1, blocked: [lapsed, { subject: 'u9', since: 1 }] })).toBe(1)
    expect(await guard.isBlocked(ALICE)).toBe(true)
  })

  test.each<[string, unknown]>([
    ['no object', null],
    ['another version', { version: 2, blocked: [] }],
    ['no list', { version: 1, blocked: {} }],
    ['a null entry', { version: 1, blocked: [{ subject: 'u7', since: 1 }, null] }],
    ['an entry without a subject', { version: 1, blocked: [{ subject: 'u7', since: 1 }, { since: 1 }] }],
    [
      'an invalid subject',
      {
        version: 1,
        blocked: [
          { subject: 'u7', since: 1 },
          { subject: 'x', since: 1 },
        ],
      },
    ],
    [
      'a subject that no update has',
      {
        version: 1,
        blocked: [
          { subject: 'u7', since: 1 },
          { subject: 'u0', since: 1 },
        ],
      },
    ],
    [
      'an invalid start',
      {
        version: 1,
        blocked: [
          { subject: 'u7', since: 1 },
          { subject: 'u8', since: 'x' },
        ],
      },
    ],
    ['an invalid end', { version: 1, blocked: [{ subject: 'u7', since: 1, until: null }] }],
    ['a reason that is not a text', { version: 1, blocked: [{ subject: 'u7', since: 1, reason: {} }] }],
  ])('with %s imports nothing', async (_, bad) => {
    const { guard, says } = desk()
    await says(BOB, 'met')
    await expect(guard.import(bad as BlockListExport)).rejects.toMatchObject({ code: 'import.invalid' })
    expect(await all(guard.blocked())).toEqual([])
  })
})

describe('the allow list', () => {
  test('admits only its members', async () => {
    const { guard, says, reached } = desk({ block: { only: true } })
    await guard.allow([ALICE, BOB])
    expect(await guard.disallow(BOB)).toBe(1)
    await says(ALICE, 'alice')
    await says(BOB, 'bob')
    expect(reached).toEqual(['alice'])
  })
})

describe('registration', () => {
  test('admits registered users, registered before the bot is met or after', async () => {
    const { guard, says, reached } = desk({ auth: {} })
    const told: string[] = []
    guard.on('registered', ({ bot }) => told.push(`registered ${bot}`))
    guard.on('unregistered', ({ bot }) => told.push(`unregistered ${bot}`))
    await guard.register(ALICE)
    expect(await guard.isRegistered(ALICE)).toBe(true)
    await says(ALICE, 'alice')
    await says(BOB, '/start', 'bob')
    await guard.register([BOB])
    await says(BOB, 'bob again')
    expect(await guard.unregister([ALICE, BOB, 9])).toBe(2)
    await says(ALICE, 'alice again')
    expect(reached).toEqual(['alice', '/start', 'bob again'])
    expect(await guard.isRegistered(ALICE)).toBe(false)
    expect(told.slice(0, 2)).toEqual(['registered 42', 'registered 42'])
    expect(told).toContain('unregistered 42')
  })

  test('a reaction of a registered user passes, that of an unregistered one does not', async () => {
    const { guard, handle, reached } = desk({ auth: { deny: 'silent' } })
    await guard.register(ALICE)
    for (const from of [BOB, ALICE]) {
      await handle({
        update_id: nextId(),
        message_reaction: {
          chat: { id: GROUP, type: 'supergroup', title: 'Plaza' },
          message_id: 1,
          date: 1,
          user: user(from),
          old_reaction: [],
          new_reaction: [],
        },
      })
    }
    expect(reached).toEqual(['message_reaction'])
  })
})
