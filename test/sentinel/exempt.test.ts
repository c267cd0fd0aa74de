import type { Update } from 'grammy/types'
import { compose, exempt, type SentinelError, sentinel, subject, throttle } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { TelegramGroup } from '../../src/telegram/index.js'
import { type GuardedContext, type Rig, rig, Stage } from '../middleware/rig.js'
import { until } from '../servers/until.js'
import { desk, nextId, says, taps, tick } from './desk.js'

const OWNER = 1
const ALICE = 7

describe('exempt subjects', () => {
  test('the owner and chosen users: exempt from everything but duplicates', async () => {
    const {
      guard,
      says: say,
      handle,
      reached,
    } = desk({
      throttle: '1/1m',
      auth: {},
      exempt: { owner: OWNER, users: [8, subject.sender(-1005)] },
    })
    await guard.block([OWNER, 8, ALICE])
    for (const from of [OWNER, 8]) await say(from, `1 of ${from}`, `2 of ${from}`)
    const update = says(OWNER, 'once')
    await handle(update)
    await handle(update)
    await say(ALICE, 'blocked')
    expect(reached).toEqual(['1 of 1', '2 of 1', '1 of 8', '2 of 8', 'once'])
  })

  test('holders of a role: exempt from limits and auth, but not from blocks', async () => {
    const { guard, says: say, reached } = desk({ throttle: '1/1m', auth: {}, exempt: { roles: ['staff'] } })
    await say(ALICE, '/start')
    await guard.storage.marks.put(42, 'role:staff', [{ key: subjectKeyOf(ALICE), mark: { since: 0 } }])
    await say(ALICE, '1', '2', '3')
    await say(8, 'unregistered')
    await guard.block(ALICE)
    await say(ALICE, 'blocked')
    expect(reached).toEqual(['/start', '1', '2', '3'])
  })

  test('roles with limits of their own', async () => {
    const { guard, says: say, reached } = desk({ throttle: { limit: '1/1m', roles: { vip: '3/1m' } } })
    await say(8, 'met')
    await guard.storage.marks.put(42, 'role:vip', [{ key: subjectKeyOf(ALICE), mark: { since: 0 } }])
    await say(ALICE, '1', '2', '3', 'over')
    expect(reached).toEqual(['met', '1', '2', '3'])
  })

  test('two exempt() of the same roles around one handler each exempt their own users', async () => {
    const ran: string[] = []
    const { guard, says: say } = desk({}, (bot) => {
      const limited = throttle<GuardedContext>('1/1h')((ctx) => void ran.push(`${ctx.from?.id}`))
      bot.command('go', exempt({ roles: ['m'] })(exempt({ roles: ['m'], owner: OWNER })(limited)))
    })
    const told: string[] = []
    guard.on('error', ({ during }) => told.push(during))
    await guard.grant(8, 'm')
    for (const from of [OWNER, 8, ALICE]) await say(from, '/go', '/go')
    expect(ran).toEqual(['1', '1', '8', '8', '7'])
    expect(told).toEqual([])
  })

  test('exempt() of different roles in one chain exempt the holders of each', async () => {
    const ran: string[] = []
    const { guard, says: say } = desk({ exempt: { roles: ['a'] } }, (bot) => {
      const chain = compose(exempt({ roles: ['b'] }), exempt({ roles: ['c'] }), throttle('1/1h'))
      bot.command('go', chain, (ctx) => void ran.push(`${ctx.from?.id}`))
    })
    const holders = [4, 5, 6]
    for (const from of [...holders, ALICE]) await say(from, '/go', '/go')
    expect(ran.splice(0)).toEqual(['4', '5', '6', '7'])
    for (const [nth, role] of ['a', 'b', 'c'].entries()) await guard.grant(holders[nth] as number, role)
    for (const from of [...holders, ALICE]) await say(from, '/go')
    expect(ran).toEqual(['4', '5', '6'])
  })

  const subjectKeyOf = (id: number): number => 2 ** 44 + id + 2 ** 43
})

describe('administrators of the chat', () => {
  let on: Rig
  let plaza: TelegramGroup
  const time = new Stage()
  const guard = () =>
    sentinel<GuardedContext>({
      clock: time.clock,
      timers: time.timers,
      storage: memory({ clock: time.clock }),
      throttle: { limit: '1/1h', deny: 'silent' },
      exempt: { chatAdmins: true },
    })
  const asked = (): number => on.telegram.calls('getChatAdministrators').length

  async function open(made: ReturnType<typeof guard>): Promise<void> {
    on = await rig(made)
    // Requests membership updates: the guard is already in front of the bot.
    made.install(on.bot)
    plaza = on.telegram.createGroup({
      title: 'Plaza',
      owner: on.alice,
      members: [on.bob],
      admins: [on.account],
    })
    on.start()
  }

  async function writes(who: 'alice' | 'bob', ...texts: string[]): Promise<void> {
    for (const text of texts) await on[who].in(plaza).sends(text)
    await on.settled()
  }
  afterEach(() => on.stop())

  test('are exempt in that chat; Telegram is asked once, and only when an update would be refused', async () => {
    await open(guard())
    await writes('alice', 'a1')
    await writes('bob', 'b1')
    expect(asked()).toBe(0)
    await writes('bob', 'b2')
    expect(asked()).toBe(1)
    await writes('alice', 'a2', 'a3', 'a4')
    await writes('bob', 'b3')
    expect(asked()).toBe(1)
    // In private chats there are no administrators, and the user's bucket is the same as in the group.
    await on.alice.to(on.account).sends('private')
    await on.settled()
    expect(on.reached).toEqual(['a1', 'b1', 'a2', 'a3', 'a4'])
    expect(asked()).toBe(1)
  })

  test('are recognized without asking Telegram if anonymous', async () => {
    await open(guard())
    for (const text of ['1', '2', '3']) await on.alice.in(plaza).anonymously().sends(text)
    await on.settled()
    expect(on.reached).toEqual(['1', '2', '3'])
    expect(asked()).toBe(0)
  })

  test('are followed through promotions and demotions at once', async () => {
    await open(guard())
    await writes('bob', '1', 'over')
    await on.alice.in(plaza).promotes(on.bob)
    await writes('bob', '2', '3')
    await on.alice.in(plaza).demotes(on.bob)
    await writes('bob', 'over again')
    expect(on.reached).toEqual(['1', 'chat_member', '2', '3', 'chat_member'])
    expect(asked()).toBe(3)
  })

  test('are remembered for ten minutes', async () => {
    await open(guard())
    await writes('alice', '1', '2')
    time.advance(599_999)
    await writes('alice', '3')
    expect(asked()).toBe(1)
    time.advance(1)
    await writes('alice', '4')
    expect(asked()).toBe(2)
  })

  test('are not exempt from duplicates, even if Telegram had to be asked', async () => {
    await open(guard())
    await writes('alice', 'spent')
    await on.bot.stop()
    const update = says(on.alice.id, 'twice', { group: true, id: 900 })
    const message = { ...update.message, chat: { id: plaza.id, type: 'supergroup', title: 'Plaza' } }
    const twice = { ...update, message } as typeof update
    await on.bot.handleUpdate(twice)
    await on.bot.handleUpdate(twice)
    expect(on.reached).toEqual(['spent', 'twice'])
    expect(asked()).toBe(1)
  })

  test('are not exempt while Telegram does not answer, which is not asked for each message', async () => {
    const made = guard()
    await open(made)
    const told: string[] = []
    made.on('error', ({ during }) => told.push(during))
    on.telegram.faults.next('getChatAdministrators', { code: 500 })
    await writes('alice', '1', 'over', 'over')
    expect(on.reached).toEqual(['1'])
    expect(told).toEqual(['getChatAdministrators'])
    time.advance(30_000)
    await writes('alice', '2')
    expect(on.reached).toEqual(['1', '2'])
  })

  test('are looked up by simulate() as by an update', async () => {
    const made = guard()
    await open(made)
    await writes('alice', '1')
    const update = says(on.alice.id, 'simulated', { group: true })
    const message = { ...update.message, chat: { id: plaza.id, type: 'supergroup', title: 'Plaza' } }
    const told = await made.simulate({ ...update, message } as typeof update)
    expect(told).toMatchObject({ verdict: { allowed: true }, exempt: true })
    expect((await made.simulate(taps(on.bob.id, 'x'))).exempt).toBe(false)
  })
})

test('administrators of many chats: a demotion that comes while Telegram is asked is not forgotten', async () => {
  const { bot, handle, reached, telegram, hasAdministrators } = desk({
    throttle: { limit: '1/1h', deny: 'silent' },
    exempt: { chatAdmins: true },
  })
  hasAdministrators(ALICE)
  // An answer of Telegram from before the demotion arrives after the update about it.
  let arrive: () => void = () => undefined
  bot.api.config.use(async (prev, method, payload, signal) => {
    const answer = await prev(method, payload, signal)
    if (method === 'getChatAdministrators') await new Promise<void>((arrived) => (arrive = arrived))
    return answer
  })
  await handle(says(ALICE, '1', { group: true }))
  const rescued = handle(says(ALICE, 'was one when she wrote', { group: true }))
  const asked = () => telegram.calls('getChatAdministrators').length
  await until('Telegram was asked', () => asked() === 1)
  const room = telegram.parts.world.sharedChat(-1001000000001)
  room?.members.set(ALICE, { status: 'member' })
  await handle(isMemberAgain(ALICE))
  arrive()
  await rescued
  const asking = handle(says(ALICE, 'no longer', { group: true }))
  await until('Telegram was asked again', () => asked() === 2)
  arrive()
  await asking
  expect(reached).toEqual(['1', 'chat_member', 'was one when she wrote'])
})

/** An administrator of the group becomes a member. */
function isMemberAgain(id: number): Update {
  const member = { id, is_bot: false, first_name: 'Alice' }
  return {
    update_id: nextId(),
    chat_member: {
      chat: { id: -1001000000001, type: 'supergroup', title: 'Plaza' },
      from: { ...member, id: OWNER },
      date: 1,
      old_chat_member: { status: 'administrator', user: member } as never,
      new_chat_member: { status: 'member', user: member },
    },
  }
}

describe('Telegram that does not answer a request for administrators', () => {
  const held: (() => void)[] = []
  const told: unknown[] = []

  /** `exempt()` stands before a limit that one message uses up; requests for administrators stay pending. */
  function waiting() {
    held.length = 0
    told.length = 0
    const passed: (string | undefined)[] = []
    const made = desk({}, (bot) => {
      bot.use(exempt({ chatAdmins: true }))
      bot.on('message', throttle({ limit: '1/1h', deny: 'silent' }), (ctx) => void passed.push(ctx.msg.text))
      bot.api.config.use(async (prev, method, payload, signal) => {
        const answer = await prev(method, payload, signal)
        if (method === 'getChatAdministrators') await new Promise<void>((arrived) => held.push(arrived))
        return answer
      })
    })
    made.hasAdministrators(ALICE)
    made.guard.on('error', ({ error, during }) => told.push([during, (error as SentinelError).code]))
    return { ...made, passed, asked: () => made.telegram.calls('getChatAdministrators').length }
  }

  test('is waited for two seconds, reported once, and asked one call at a time', async () => {
    const { handle, time, passed, asked } = waiting()
    const first = handle(says(8, 'a stranger', { group: true }))
    await until('Telegram was asked', () => asked() === 1)
    time.advance(1999)
    expect(passed).toEqual([])
    time.advance(1)
    await first
    expect(told).toEqual([['getChatAdministrators', 'callback.timeout']])
    await handle(says(ALICE, 'nobody is let off', { group: true }))
    await handle(says(ALICE, 'over', { group: true }))
    expect(passed).toEqual(['a stranger', 'nobody is let off'])
    expect(asked()).toBe(1)
    // The call is still pending: no second one is made meanwhile.
    time.advance(30_000)
    await handle(says(ALICE, 'still over', { group: true }))
    expect([passed.length, asked()]).toEqual([2, 1])
    held[0]?.()
    await tick()
    await handle(says(ALICE, 'answered', { group: true }))
    expect(passed.at(-1)).toBe('answered')
    expect([told.length, asked()]).toEqual([1, 1])
  })

  test('has its late answer used', async () => {
    const { handle, time, passed } = waiting()
    const first = handle(says(ALICE, '1', { group: true }))
    await until('Telegram was asked', () => held.length === 1)
    time.advance(2000)
    await first
    held[0]?.()
    await tick()
    await handle(says(ALICE, '2', { group: true }))
    await handle(says(ALICE, '3', { group: true }))
    expect(passed).toEqual(['1', '2', '3'])
  })

  test('has an outdated late answer ignored', async () => {
    const { handle, time, passed } = waiting()
    const first = handle(says(ALICE, '1', { group: true }))
    await until('Telegram was asked', () => held.length === 1)
    time.advance(2000)
    await first
    const news = handle(isMemberAgain(ALICE))
    await until('Telegram was asked again', () => held.length === 2)
    held[0]?.()
    await tick()
    time.advance(2000)
    await news
    await handle(says(ALICE, 'over', { group: true }))
    expect(passed).toEqual(['1'])
  })
})
