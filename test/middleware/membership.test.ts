import fc from 'fast-check'
import { Bot, type Context } from 'grammy'
import type { ChatMemberAdministrator, Update } from 'grammy/types'
import { describe as factsOf } from '../../src/core/facts.js'
import { ANONYMOUS_ADMIN_ID } from '../../src/core/kinds.js'
import { userKey } from '../../src/core/subject.js'
import { BLOCKED, block } from '../../src/middleware/block.js'
import { compose } from '../../src/middleware/compose.js'
import type { FailureEvent } from '../../src/middleware/events.js'
import { Exemptions } from '../../src/middleware/exempt/exemptions.js'
import type { Guard } from '../../src/middleware/guard.js'
import { UNREACHABLE } from '../../src/middleware/membership/reach.js'
import { TRANSITION_EVENTS } from '../../src/middleware/membership/transition-events.js'
import {
  type Transition,
  type TransitionEvent,
  transitionsOf,
} from '../../src/middleware/membership/transitions.js'
import { membership } from '../../src/middleware/membership.js'
import { Chain, newTally } from '../../src/middleware/pipeline.js'
import { createServices, type Services, type ServicesOptions } from '../../src/middleware/services.js'
import type { Marks } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import {
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
  type TelegramGroup,
} from '../../src/telegram/index.js'

let telegram: Telegram
let account: TelegramBot
let olga: Person
let bob: Person
let carl: Person
let plaza: TelegramGroup
const ends: (() => Promise<void>)[] = []

beforeEach(async () => {
  telegram = createTelegram()
  account = telegram.createBot({ username: 'member_bot' })
  olga = telegram.createUser({ firstName: 'Olga' })
  bob = telegram.createUser({ firstName: 'Bob' })
  carl = telegram.createUser({ firstName: 'Carl' })
  plaza = telegram.createGroup({ title: 'Plaza', owner: olga, members: [bob], admins: [account] })
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await telegram.close()
})

const KINDS = ['message', 'chat_member', 'my_chat_member', 'chat_join_request'] as const

async function running(prepare: (bot: Bot) => void, of: TelegramBot = account): Promise<Bot> {
  const bot = new Bot(of.token, of.config)
  prepare(bot)
  const done = bot.start({ allowed_updates: KINDS })
  ends.push(async () => {
    await bot.stop()
    await done
  })
  // From here on Telegram knows which kinds are wanted.
  while (!telegram.calls('getUpdates').some((call) => call.bot.id === of.id)) await new Promise(setImmediate)
  return bot
}

/** A chain whose services are accessible to the test. */
function wired(
  guards: readonly Guard[],
  options: ServicesOptions = {},
): { services: Services; middleware: Guard } {
  const services = createServices(options)
  const definitions = guards.flatMap((guard) => guard.definitions)
  const chain = new Chain(
    services,
    definitions,
    'test',
    new Exemptions({}, services.administrators),
    newTally(),
  )
  return {
    services,
    middleware: Object.assign((ctx: Context, next: () => Promise<void>) => chain.run(ctx, next), {
      definitions,
    }) as unknown as Guard,
  }
}

type Told = [event: TransitionEvent, member: string, actor: string]
const brief = ({ event, member, actor }: Transition): Told => [event, member.first_name, actor.first_name]

describe('what people do is reported', () => {
  let park: TelegramGroup
  let bot: Bot
  const allowed = {
    can_send_messages: true,
    can_send_other_messages: true,
    can_add_web_page_previews: true,
    can_send_polls: true,
  }

  const stories: [name: string, story: () => Promise<unknown>, told: Told[]][] = [
    ['joining', () => carl.in(plaza).joins(), [['joined', 'Carl', 'Carl']]],
    ['being added', () => olga.in(plaza).adds(carl), [['joined', 'Carl', 'Olga']]],
    ['leaving', () => bob.in(plaza).leaves(), [['left', 'Bob', 'Bob']]],
    [
      'being removed, free to return',
      () => bot.api.unbanChatMember(plaza.id, bob.id),
      [['kicked', 'Bob', 'member_bot']],
    ],
    ['being banned', () => olga.in(plaza).bans(bob), [['banned', 'Bob', 'Olga']]],
    ['being banned without being a member', () => olga.in(plaza).bans(carl), [['banned', 'Carl', 'Olga']]],
    [
      'being unbanned',
      async () => {
        await olga.in(plaza).bans(bob)
        await olga.in(plaza).unbans(bob)
      },
      [
        ['banned', 'Bob', 'Olga'],
        ['unbanned', 'Bob', 'Olga'],
      ],
    ],
    [
      'being added though banned',
      async () => {
        await olga.in(plaza).bans(bob)
        await olga.in(plaza).adds(bob)
      },
      [
        ['banned', 'Bob', 'Olga'],
        ['unbanned', 'Bob', 'Olga'],
        ['joined', 'Bob', 'Olga'],
      ],
    ],
    [
      'a longer ban is no new transition',
      async () => {
        await olga.in(plaza).bans(bob, { for: '1h' })
        await olga.in(plaza).bans(bob, { for: '1d' })
      },
      [['banned', 'Bob', 'Olga']],
    ],
    [
      'promotion, other rights, demotion',
      async () => {
        await olga.in(plaza).promotes(bob)
        await olga.in(plaza).promotes(bob, { can_pin_messages: true })
        await olga.in(plaza).demotes(bob)
      },
      [
        ['promoted', 'Bob', 'Olga'],
        ['demoted', 'Bob', 'Olga'],
      ],
    ],
    [
      'an administrator who is banned is only reported as banned',
      async () => {
        await olga.in(plaza).promotes(bob)
        await olga.in(plaza).bans(bob)
      },
      [
        ['promoted', 'Bob', 'Olga'],
        ['banned', 'Bob', 'Olga'],
      ],
    ],
    [
      'restriction, other permissions, leaving and returning restricted, end of the restriction',
      async () => {
        await olga.in(plaza).restricts(bob)
        await olga.in(plaza).restricts(bob, { can_send_messages: true })
        await bob.in(plaza).leaves()
        await bob.in(plaza).joins()
        await bot.api.restrictChatMember(plaza.id, bob.id, allowed)
      },
      [
        ['restricted', 'Bob', 'Olga'],
        ['left', 'Bob', 'Bob'],
        ['joined', 'Bob', 'Bob'],
        ['unrestricted', 'Bob', 'member_bot'],
      ],
    ],
    [
      'restriction of a user who is not a member, and its end',
      async () => {
        await olga.in(plaza).restricts(carl)
        await bot.api.restrictChatMember(plaza.id, carl.id, allowed)
      },
      [
        ['restricted', 'Carl', 'Olga'],
        ['unrestricted', 'Carl', 'member_bot'],
      ],
    ],
    [
      'restriction, then removal',
      async () => {
        await olga.in(plaza).restricts(bob)
        await bot.api.unbanChatMember(plaza.id, bob.id)
      },
      [
        ['restricted', 'Bob', 'Olga'],
        ['kicked', 'Bob', 'member_bot'],
      ],
    ],
    [
      'promotion of a restricted user, restriction of a promoted one',
      async () => {
        await olga.in(plaza).restricts(bob)
        await olga.in(plaza).promotes(bob)
        await olga.in(plaza).restricts(bob)
      },
      [
        ['restricted', 'Bob', 'Olga'],
        ['unrestricted', 'Bob', 'Olga'],
        ['promoted', 'Bob', 'Olga'],
        ['demoted', 'Bob', 'Olga'],
        ['restricted', 'Bob', 'Olga'],
      ],
    ],
    [
      'a join request, and its approval',
      async () => {
        await carl.in(plaza).requestsToJoin({ bio: 'I am nice' })
        await olga.in(plaza).approves(carl)
      },
      [
        ['requested', 'Carl', 'Carl'],
        ['joined', 'Carl', 'Olga'],
      ],
    ],
    [
      'the bot is added, promoted, demoted, restricted, unrestricted and removed',
      async () => {
        await olga.in(park).adds(account)
        await olga.in(park).promotes(account)
        await olga.in(park).demotes(account)
        await olga.in(park).restricts(account)
        await olga.in(park).promotes(account)
        await olga.in(park).bans(account)
        await olga.in(park).unbans(account)
        await olga.in(park).adds(account)
        await telegram.settled()
        await bot.api.leaveChat(park.id)
      },
      [
        ['botAdded', 'member_bot', 'Olga'],
        ['botPromoted', 'member_bot', 'Olga'],
        ['botDemoted', 'member_bot', 'Olga'],
        ['botRestricted', 'member_bot', 'Olga'],
        ['botUnrestricted', 'member_bot', 'Olga'],
        ['botPromoted', 'member_bot', 'Olga'],
        ['botRemoved', 'member_bot', 'Olga'],
        ['botAdded', 'member_bot', 'Olga'],
        ['botRemoved', 'member_bot', 'member_bot'],
      ],
    ],
    ['the bot is banned in a chat without it: no transition', () => olga.in(park).bans(account), []],
    [
      'blocking the bot, and unblocking it',
      async () => {
        await bob.to(account).sends('/start')
        await bob.blocks(account)
        await bob.unblocks(account)
      },
      [
        ['botBlocked', 'Bob', 'Bob'],
        ['botUnblocked', 'Bob', 'Bob'],
      ],
    ],
  ]

  test.each(stories)('%s', async (_name, story, expected) => {
    park = telegram.createGroup({ title: 'Park', owner: olga })
    const told: Told[] = []
    const members = membership()
    members.on(TRANSITION_EVENTS, (transition) => {
      told.push(brief(transition))
    })
    const { services, middleware } = wired([members])
    const listened: Told[] = []
    services.events.on('membership', (transition) => listened.push(brief(transition)))
    services.events.on('warning', () => undefined)
    bot = await running((made) => made.use(middleware))
    await story()
    await telegram.settled()
    expect(told).toEqual(expected)
    expect(listened).toEqual(expected)
  })
})

const person = (id: number, first_name = `P${id}`) => ({ id, is_bot: false, first_name })
const GROUP = { id: -100123, type: 'supergroup', title: 'Plaza' }

/** Reads the transitions of an update that no simulated person can cause. */
function read(update: object): Transition[] {
  const whole = { update_id: 1, ...update } as unknown as Update
  return transitionsOf(factsOf(whole), { update: whole } as unknown as Context)
}

describe('transitions in updates', () => {
  const changed = (before: object, after: object, more: object = {}) => ({
    chat: GROUP,
    from: person(1),
    date: 1_700_000_000,
    old_chat_member: { user: person(7), ...before },
    new_chat_member: { user: person(7), ...after },
    ...more,
  })

  test('a chat that changes hands promotes one and demotes another', () => {
    const events = [
      changed({ status: 'creator' }, { status: 'administrator' }),
      changed({ status: 'administrator' }, { status: 'creator' }, { from: person(9) }),
      changed({ status: 'creator' }, { status: 'left' }, { from: person(7) }),
    ].flatMap((chat_member) => read({ chat_member }).map(({ event }) => event))
    expect(events).toEqual(['demoted', 'promoted', 'left'])
  })

  test('one update may contain several transitions; those that end something come first', () => {
    const my_chat_member = changed({ status: 'left' }, { status: 'administrator' })
    expect(read({ my_chat_member }).map(({ event }) => event)).toEqual(['botAdded', 'botPromoted'])
    const joined = changed({ status: 'left' }, { status: 'restricted', is_member: true })
    expect(read({ chat_member: joined }).map(({ event }) => event)).toEqual(['joined', 'restricted'])
    const gone = changed({ status: 'restricted', is_member: false }, { status: 'kicked' })
    expect(read({ chat_member: gone }).map(({ event }) => event)).toEqual(['banned'])
    const freed = changed({ status: 'kicked' }, { status: 'restricted', is_member: false })
    expect(read({ chat_member: freed }).map(({ event }) => event)).toEqual(['unbanned', 'restricted'])
  })

  test('an anonymous administrator is the performer, never the member', () => {
    const anonymous = { id: ANONYMOUS_ADMIN_ID, is_bot: true, first_name: 'Group' }
    const chat_member = changed({ status: 'member' }, { status: 'left' }, { from: anonymous })
    expect(read({ chat_member })).toMatchObject([
      { event: 'kicked', member: { id: 7 }, actor: { id: ANONYMOUS_ADMIN_ID } },
    ])
  })

  test('a transition has the old and new status, the time and the invite link', () => {
    const invite_link = { invite_link: 'https://t.me/+abc', creator: person(1) }
    const chat_member = changed({ status: 'left' }, { status: 'member' }, { invite_link })
    expect(read({ chat_member })).toEqual([
      {
        event: 'joined',
        ctx: expect.anything(),
        chat: GROUP,
        member: person(7),
        actor: person(1),
        before: { user: person(7), status: 'left' },
        after: { user: person(7), status: 'member' },
        at: 1_700_000_000_000,
        inviteLink: invite_link,
      },
    ])
    const request = { chat: GROUP, from: person(7), user_chat_id: 7, date: 5, bio: 'nice', invite_link }
    expect(read({ chat_join_request: request })).toEqual([
      {
        event: 'requested',
        ctx: expect.anything(),
        chat: GROUP,
        member: person(7),
        actor: person(7),
        before: undefined,
        after: undefined,
        at: 5000,
        bio: 'nice',
        inviteLink: invite_link,
      },
    ])
  })

  test('in private chats only blocking the bot is a transition', () => {
    const chat = { id: 7, type: 'private', first_name: 'P7' }
    const from = person(7)
    const own = (before: string, after: string) => ({
      my_chat_member: changed({ status: before }, { status: after }, { chat, from }),
    })
    expect(read(own('left', 'kicked')).map(brief)).toEqual([['botBlocked', 'P7', 'P7']])
    expect(read(own('kicked', 'member')).map(brief)).toEqual([['botUnblocked', 'P7', 'P7']])
    expect(read(own('left', 'member'))).toEqual([])
    const { my_chat_member } = own('member', 'kicked')
    expect(read({ chat_member: my_chat_member })).toEqual([])
  })

  test.each([
    ['no chat', { chat: undefined }],
    ['a chat without a type', { chat: { id: 1 } }],
    ['a chat of an unknown type', { chat: { id: 1, type: 'toString' } }],
    ['no sender', { from: undefined }],
    ['a sender without an id', { from: { first_name: 'X' } }],
    ['no date', { date: undefined }],
    ['an invalid date', { date: Number.NaN }],
    ['no member before', { old_chat_member: undefined }],
    ['no member after', { new_chat_member: null }],
    ['an unknown status', { new_chat_member: { user: person(7), status: 'constructor' } }],
    ['a member without a user', { new_chat_member: { status: 'member' } }],
  ])('%s: no transition', (_name, more) => {
    expect(read({ chat_member: changed({ status: 'left' }, { status: 'member' }) })).toHaveLength(1)
    expect(read({ chat_member: changed({ status: 'left' }, { status: 'member' }, more) })).toEqual([])
    expect(read({ my_chat_member: changed({ status: 'left' }, { status: 'member' }, more) })).toEqual([])
  })

  test('nothing malformed throws', () => {
    const junk = fc.anything({ withNullPrototype: true, maxDepth: 2 })
    const or = <T>(good: fc.Arbitrary<T>) =>
      fc.oneof({ weight: 30, arbitrary: good }, { weight: 1, arbitrary: junk })
    const id = fc.oneof(fc.constantFrom(1, 7, -100123), junk)
    const user = or(fc.record({ id: or(id), first_name: junk }, { requiredKeys: [] }))
    const member = or(
      fc.record(
        {
          user,
          status: or(
            fc.constantFrom(
              'creator',
              'administrator',
              'member',
              'restricted',
              'left',
              'kicked',
              '__proto__',
            ),
          ),
          is_member: or(fc.boolean()),
        },
        { requiredKeys: ['user', 'status'] },
      ),
    )
    const chat = or(
      fc.record({ id: or(id), type: or(fc.constantFrom('private', 'group', 'supergroup', 'channel')) }),
    )
    const payload = or(
      fc.record(
        {
          chat,
          from: user,
          date: or(fc.integer()),
          old_chat_member: member,
          new_chat_member: member,
          invite_link: junk,
          bio: junk,
        },
        { requiredKeys: ['chat', 'from', 'date'] },
      ),
    )
    let told = 0
    fc.assert(
      fc.property(
        fc.constantFrom('chat_member', 'my_chat_member', 'chat_join_request'),
        payload,
        (kind, it) => {
          for (const { event, member: whose, actor, at } of read({ [kind]: it })) {
            told++
            expect(TRANSITION_EVENTS).toContain(event)
            expect([whose.id, actor.id, at].every(Number.isSafeInteger)).toBe(true)
            expect(event.startsWith('bot')).toBe(kind === 'my_chat_member')
          }
        },
      ),
      { numRuns: 2000 },
    )
    expect(told).toBeGreaterThan(100)
  })
})

describe('handlers', () => {
  test('are called for blocked users, too', async () => {
    const told: Told[] = []
    const passed: string[] = []
    const members = membership()
    members.on(['joined', 'left'], (transition) => {
      told.push(brief(transition))
    })
    await running((bot) => {
      bot.use(compose(block({ list: [carl.id] }), members))
      bot.on(['message', 'chat_member'], (ctx) => {
        passed.push(ctx.from?.first_name ?? '')
      })
    })
    await carl.in(plaza).joins()
    await carl.in(plaza).sends('hello')
    await carl.in(plaza).leaves()
    await bob.in(plaza).sends('hi')
    await telegram.settled()
    expect(told).toEqual([
      ['joined', 'Carl', 'Carl'],
      ['left', 'Carl', 'Carl'],
    ])
    expect(passed).toEqual(['Bob'])
  })

  test('are awaited one after another, in order, before the update goes on', async () => {
    const order: string[] = []
    const members = membership()
    members.on('joined', async () => {
      await new Promise(setImmediate)
      order.push('first')
    })
    members.on('left', () => order.push('never'))
    members.on('joined', () => order.push('second'))
    await running((bot) => {
      bot.use(members)
      bot.on('chat_member', () => {
        order.push('the bot')
      })
    })
    await carl.in(plaza).joins()
    await telegram.settled()
    expect(order).toEqual(['first', 'second', 'the bot'])
  })

  test('that throw or reject stop nothing, and are reported', async () => {
    const failures: FailureEvent[] = []
    const reached: string[] = []
    const members = membership()
    const oops = new Error('oops')
    members.on('joined', () => {
      throw oops
    })
    members.on('joined', () => Promise.reject(oops))
    members.on('joined', () => reached.push('next handler'))
    const { services, middleware } = wired([members])
    services.events.on('error', (failure) => failures.push(failure))
    await running((bot) => {
      bot.use(middleware)
      bot.on('chat_member', () => {
        reached.push('the bot')
      })
    })
    await carl.in(plaza).joins()
    await telegram.settled()
    expect(failures).toEqual([
      { error: oops, during: 'membership.joined' },
      { error: oops, during: 'membership.joined' },
    ])
    expect(reached).toEqual(['next handler', 'the bot'])
  })

  test('can be added late and removed, also by each other', async () => {
    const told: string[] = []
    const members = membership()
    await running((bot) => bot.use(members))
    const offFirst = members.on('joined', () => {
      told.push('first')
      offSecond()
    })
    const offSecond = members.on('joined', () => told.push('second'))
    await carl.in(plaza).joins()
    await telegram.settled()
    offFirst()
    await carl.in(plaza).leaves()
    await carl.in(plaza).joins()
    await telegram.settled()
    expect(told).toEqual(['first'])
    expect(members.listened).toBe(false)
  })

  test('work in every chain and for every bot', async () => {
    const other = telegram.createBot({ username: 'other_bot' })
    const park = telegram.createGroup({ title: 'Park', owner: olga, admins: [account, other] })
    const told: number[] = []
    const members = membership()
    members.on(['joined', 'requested'], ({ ctx }) => told.push(ctx.me.id))
    const { services, middleware } = wired([members])
    const listened: number[] = []
    services.events.on('membership', ({ event, ctx }) => {
      if (event === 'joined') listened.push(ctx.me.id)
    })
    await running((bot) => bot.use(middleware))
    await running((bot) => bot.use(middleware, compose(members)), other)
    await carl.in(park).joins()
    await telegram.settled()
    expect(told.sort()).toEqual([account.id, other.id, other.id].sort())
    // Guards behind a sentinel also call its listeners.
    expect(listened.sort()).toEqual([account.id, other.id, other.id].sort())
  })

  test('for unknown events are refused', () => {
    const members = membership()
    expect(() => members.on('arrived' as TransitionEvent, () => undefined)).toThrow(
      expect.objectContaining({
        code: 'option.invalid',
        message: expect.stringMatching(/^membership\.on: there is no event "arrived"\. Use one of joined, /),
      }),
    )
    expect(() => members.on('joined', undefined as unknown as () => void)).toThrow(
      'membership.on: undefined is not a handler. Pass a function of the transition.',
    )
    expect(() => membership({ unreachable: 'yes' as unknown as boolean })).toThrow(
      expect.objectContaining({ code: 'option.invalid' }),
    )
  })

  test('or a listener for membership make the guard request chat_member updates', () => {
    const members = membership()
    const { services } = wired([members])
    expect(members.listened).toBe(false)
    const off = services.events.on('membership', () => undefined)
    expect(members.listened).toBe(true)
    off()
    const offOne = members.on('requested', ({ before, after }) => [before, after] satisfies undefined[])
    expect(members.listened).toBe(true)
    offOne()
    members.on('joined', ({ after }) => after.status)
    expect(members.listened).toBe(true)
  })
})

describe('a user who blocks the bot', () => {
  test('is marked unreachable until they return; a blocked user stays blocked', async () => {
    const { services, middleware } = wired([membership(), block()])
    const { marks } = services.storage
    const key = userKey(bob.id)
    const passed: string[] = []
    await running((bot) => {
      bot.use(middleware)
      bot.on('message:text', (ctx) => {
        passed.push(ctx.message.text)
      })
    })
    await bob.to(account).sends('/start')
    await marks.put(account.id, BLOCKED, [{ key, mark: { since: 1, reason: 'spam' } }])
    await bob.blocks(account)
    await telegram.settled()
    expect(await marks.get(account.id, key, UNREACHABLE)).toMatchObject({ since: expect.any(Number) })
    expect(await marks.get(account.id, key, BLOCKED)).toMatchObject({ since: 1, reason: 'spam' })
    await bob.unblocks(account)
    await bob.to(account).sends('let me in')
    await telegram.settled()
    expect(await marks.get(account.id, key, UNREACHABLE)).toBeUndefined()
    expect(await marks.get(account.id, key, BLOCKED)).toMatchObject({ since: 1, reason: 'spam' })
    expect(passed).not.toContain('let me in')
  })

  test('gets no mark if the option is off', async () => {
    const { services, middleware } = wired([membership({ unreachable: false })])
    await running((bot) => bot.use(middleware))
    await bob.to(account).sends('/start')
    await bob.blocks(account)
    await telegram.settled()
    expect(await services.storage.marks.get(account.id, userKey(bob.id), UNREACHABLE)).toBeUndefined()
  })

  test('is passed to handlers even if the storage fails', async () => {
    const members = membership()
    const told: Told[] = []
    const failures: string[] = []
    members.on(['botBlocked', 'botUnblocked'], (transition) => {
      told.push(brief(transition))
    })
    const storage = memory()
    const marks: Marks = {
      get: () => undefined,
      put: () => Promise.reject(new Error('down')),
      remove: () => {
        throw new Error('down')
      },
      scan: () => ({ entries: [] }),
      of: () => new Map(),
    }
    const failing = new Proxy(storage, {
      get: (of, name) => (name === 'marks' ? marks : Reflect.get(of, name)?.bind(of)),
    })
    const { services, middleware } = wired([members], { storage: failing })
    services.events.on('error', ({ during }) => failures.push(during))
    await running((bot) => bot.use(middleware))
    await bob.to(account).sends('/start')
    await bob.blocks(account)
    await bob.unblocks(account)
    await telegram.settled()
    expect(told).toEqual([
      ['botBlocked', 'Bob', 'Bob'],
      ['botUnblocked', 'Bob', 'Bob'],
    ])
    expect(failures).toEqual(['membership.unreachable', 'membership.unreachable'])
  })
})

describe('administrators that are remembered', () => {
  test('are forgotten when somebody is promoted, demoted or gone', async () => {
    const { services, middleware } = wired([membership()], { exempt: { chatAdmins: true } })
    const answers: boolean[] = []
    await running((bot) => {
      bot.use(middleware)
      bot.on('message:text', async (ctx) => {
        answers.push((await services.administrators?.includes(factsOf(ctx.update), ctx)) === true)
      })
    })
    const asks = async (): Promise<void> => {
      await bob.in(plaza).sends('am I one?')
      await telegram.settled()
    }
    await asks()
    await asks()
    await carl.in(plaza).joins()
    await asks()
    expect(telegram.calls('getChatAdministrators')).toHaveLength(1)
    await olga.in(plaza).promotes(bob)
    await asks()
    await olga.in(plaza).demotes(bob)
    await asks()
    await olga.in(plaza).promotes(bob)
    await asks()
    await bob.in(plaza).leaves()
    await bob.in(plaza).joins()
    await asks()
    expect(answers).toEqual([false, false, false, true, false, true, false])
    expect(telegram.calls('getChatAdministrators')).toHaveLength(5)
  })
})

describe('a chat that the bot cannot see', () => {
  const watched = async (prepare: (members: ReturnType<typeof membership>, services: Services) => void) => {
    const members = membership()
    const { services, middleware } = wired([members])
    const warnings: string[] = []
    services.events.on('warning', ({ code, message }) => warnings.push(`${code}: ${message}`))
    prepare(members, services)
    await running((bot) => bot.use(middleware))
    return warnings
  }
  const undelivered = (chat: number): string =>
    `membership.undelivered: The bot is not an administrator of chat ${chat}, so chat_member updates of it do not arrive: handlers for 'joined', 'left' and the like stay silent there. Make the bot an administrator of that chat.`

  test('causes one warning if membership handlers would miss updates', async () => {
    const park = telegram.createGroup({ title: 'Park', owner: olga })
    const warnings = await watched((members) => members.on('left', () => undefined))
    await olga.in(park).adds(account)
    await telegram.settled()
    expect(warnings).toEqual([undelivered(park.id)])
    await olga.in(park).bans(account)
    await olga.in(park).adds(account)
    await telegram.settled()
    expect(warnings).toEqual([undelivered(park.id)])
  })

  test('causes a warning to listeners if the bot is demoted', async () => {
    const warnings = await watched((_, services) => services.events.on('membership', () => undefined))
    await olga.in(plaza).promotes(account, { can_pin_messages: true })
    await olga.in(plaza).demotes(account)
    await telegram.settled()
    expect(warnings).toEqual([undelivered(plaza.id)])
  })

  test('causes no warning without membership handlers', async () => {
    const park = telegram.createGroup({ title: 'Park', owner: olga })
    const warnings = await watched((members) => members.on(['botAdded', 'botBlocked'], () => undefined))
    await olga.in(park).adds(account)
    await bob.to(account).sends('/start')
    await telegram.settled()
    expect(warnings).toEqual([])
  })

  test('causes no warning if the bot is added as administrator', async () => {
    const warnings = await watched((members) => members.on('joined', () => undefined))
    const user = account.info
    telegram.deliver(account, {
      my_chat_member: {
        chat: { id: -100999, type: 'channel', title: 'News' },
        from: person(olga.id),
        date: 1_700_000_000,
        old_chat_member: { user, status: 'left' },
        new_chat_member: { ...plaza.member(account), user } as ChatMemberAdministrator,
      },
    })
    await telegram.settled()
    expect(warnings).toEqual([])
  })
})
