import { Bot } from 'grammy'
import { memory, policy, sentinel, subject, throttle } from '../../src/index.js'
import { Stage } from '../middleware/rig.js'
import { desk, says } from './desk.js'

const ALICE = 7

describe('peek and reset', () => {
  test('return the state of a limit, selected by its name', async () => {
    const at = desk({ throttle: '60/1m' }, (bot) => {
      bot.command('buy', throttle('1/1m'), () => undefined)
      bot.command('sell', throttle({ name: 'sell', limit: '2/1m' }), () => undefined)
      bot.command(
        'rent',
        throttle('3/1m')(function rent() {}),
      )
    })
    await at.says(ALICE, '/buy', '/sell', '/rent')
    const states = async (name: string) =>
      (await at.guard.peek(ALICE, name)).map(({ at: where, limit, remaining }) => [where, limit, remaining])
    expect(await states('user')).toEqual([[undefined, '60/1m', 57]])
    expect(await states('throttle 1/1m')).toEqual([['throttle 1/1m', '1/1m', 0]])
    expect(await states('sell')).toEqual([[expect.stringMatching(/^throttle sell/), '2/1m', 1]])
    expect(await states('rent')).toEqual([['rent', '3/1m', 2]])
    await at.guard.reset(ALICE, 'sell')
    expect(await states('sell')).toEqual([[expect.anything(), '2/1m', 2]])
    await at.guard.reset(ALICE, 'user')
    expect(await states('user')).toEqual([[undefined, '60/1m', 60]])
    expect(await states('throttle 1/1m')).toMatchObject([{ 2: 0 }])
    await at.guard.close()
  })

  test('treat limits of one name as one, wherever they are', async () => {
    const at = desk({ throttle: '60/1m' }, (bot) => {
      bot.command('buy', throttle({ name: 'user', limit: '1/1m' }), () => undefined)
    })
    await at.says(ALICE, '/buy')
    const states = async () =>
      (await at.guard.peek(ALICE, 'user')).map(({ at: where, remaining }) => [where, remaining])
    expect(await states()).toEqual([
      [undefined, 59],
      [expect.stringMatching(/^throttle user/), 0],
    ])
    await at.guard.reset(ALICE, 'user')
    expect(await states()).toMatchObject([{ 1: 60 }, { 1: 1 }])
    await at.guard.close()
  })

  test('return the remaining units of each limit, and reset it', async () => {
    const { guard, says } = desk({
      throttle: [{ limit: '3/1m' }, { name: 'hour', limit: '10/1h', on: ['message'] }],
    })
    await says(ALICE, '1', '2', '3')
    const left = async () =>
      Object.fromEntries((await guard.peek(ALICE)).map(({ name, remaining }) => [name, remaining]))
    expect(await left()).toEqual({ user: 0, 'user.inline': 15, 'user.edits': 3, 'user.joins': 3, hour: 7 })
    expect(await guard.peek(ALICE, 'user')).toEqual([
      { guard: 'throttle', name: 'user', limit: '3/1m', remaining: 0, retryAfterMs: 20_000 },
    ])
    await guard.reset(ALICE, 'user')
    expect(await left()).toMatchObject({ user: 3, hour: 7 })
    await guard.reset(ALICE)
    expect(await left()).toMatchObject({ user: 3, hour: 10 })
  })

  test('reset ends a ban', async () => {
    const { guard, says, reached } = desk({
      throttle: { limit: '1/1m', penalty: { after: 1, bans: ['1d'] } },
    })
    await says(ALICE, '1', 'banned')
    expect(await guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 0, retryAfterMs: 86_400_000 }])
    await guard.reset(ALICE, 'user')
    await says(ALICE, '2')
    expect(reached).toEqual(['1', '2'])
  })

  test.each(['2/10s', '7/10s', '3/1m (burst 2)', '1000/1h'] as const)(
    'tell the wait of a bucket, not the ban that a refusal would begin: %s',
    async (limit) => {
      const at = desk({ throttle: { limit, penalty: { after: 2, within: '1m', bans: ['1d'] } } })
      const look = async () =>
        (await at.guard.peek(ALICE, 'user'))[0] as { remaining: number; retryAfterMs: number }
      for (let nth = 0; nth === at.reached.length; nth++) await at.says(ALICE, `sentence ${nth}`)
      at.time.advance(100)
      const { remaining, retryAfterMs } = await look()
      expect([remaining > 0, remaining < 1]).toEqual([true, true])
      at.time.advance(retryAfterMs - 1)
      expect((await look()).retryAfterMs).toBe(1)
      at.time.advance(1)
      expect((await look()).retryAfterMs).toBe(0)
      const before = at.reached.length
      await at.says(ALICE, 'again')
      expect(at.reached).toHaveLength(before + 1)
      expect(before).toBeGreaterThan(0)
      await at.guard.close()
    },
  )

  test.each([
    ['bucket', 10_000],
    ['sliding', 0],
    ['fixed', 0],
  ] as const)('tell that a limit in shadow is used up: %s', async (algorithm, wait) => {
    const { guard, says } = desk({ throttle: { limit: '2/20s', algorithm, shadow: true } })
    await says(ALICE, '1')
    expect(await guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 1, retryAfterMs: 0 }])
    await says(ALICE, '2', '3')
    expect(await guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 0, retryAfterMs: wait }])
    await guard.close()
  })

  test.each(['bucket', 'sliding', 'fixed'] as const)(
    'peek reports no amounts of a limit that is a function, which only an update decides: %s',
    async (algorithm) => {
      const penalty = { after: 2, within: '1m', bans: ['1h'] } as const
      const limit = (): '2/1m' => '2/1m'
      const roles = { vip: {} }
      const { guard, says } = desk({
        roles,
        exempt: { roles: ['vip'] },
        throttle: { limit, algorithm, penalty },
      })
      const user = { guard: 'throttle', name: 'user', limit: 'a function of the update' }
      const unknown = { ...user, remaining: Number.NaN, retryAfterMs: Number.NaN }
      expect(await guard.peek(ALICE, 'user')).toEqual([unknown])
      await says(ALICE, '1', '2', 'refused')
      expect(await guard.peek(ALICE, 'user')).toEqual([unknown])
      // The other activities are counted by the base limit.
      expect(await guard.peek(ALICE, 'user.edits')).toMatchObject([{ limit: '60/1m', remaining: 60 }])
      await says(ALICE, 'banned')
      expect(await guard.peek(ALICE, 'user')).toEqual([{ ...user, remaining: 0, retryAfterMs: 3_600_000 }])
      await guard.grant(8, 'vip')
      expect(await guard.peek(8, 'user')).toMatchObject([{ remaining: Number.POSITIVE_INFINITY }])
      await guard.close()
    },
  )

  test('reset never clears later what other workers count, for want of a bot', async () => {
    const time = new Stage()
    const { clock, timers } = time
    const options = { clock, timers, storage: memory({ clock }), throttle: '5/1h' } as const
    const [working, idle] = [desk(options), desk(options)]
    const left = async () => (await working.guard.peek(ALICE, 'user')).map(({ remaining }) => remaining)
    await working.says(ALICE, '1')
    await expect(idle.guard.reset(ALICE)).rejects.toMatchObject({ code: 'bot.unknown' })
    await working.says(ALICE, '2')
    await idle.says(8, 'hello')
    await idle.quiet()
    expect(await left()).toEqual([3])
    await idle.guard.reset(ALICE)
    expect(await left()).toEqual([5])
    for (const { guard } of [working, idle]) await guard.close()
  })

  test('reset knows a bot that was installed first and initialised later', async () => {
    const storage = memory()
    const at = desk({ storage, throttle: '5/1h' })
    await at.says(ALICE, '1')
    const idle = sentinel({ storage, throttle: '5/1h' })
    const { token, botInfo } = at.bot
    const bot = new Bot(token)
    idle.install(bot)
    await expect(idle.reset(ALICE)).rejects.toMatchObject({ code: 'bot.unknown' })
    bot.botInfo = botInfo
    await idle.reset(ALICE)
    expect(await at.guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 5 }])
    for (const guard of [at.guard, idle]) await guard.close()
  })

  test('tell the wait of a bucket that holds more than its limit, since another limit applies', async () => {
    const penalty = { after: 2, within: '1m', bans: ['1h'] } as const
    const at = desk({ throttle: { limit: '5/10s', penalty }, limits: true })
    await at.guard.limits.set(ALICE, 'user', '5/1m')
    await at.says(ALICE, ...'12345', 'refused, and the next refusal would begin a ban')
    await at.guard.limits.remove(ALICE, 'user')
    const states = () => at.guard.peek(ALICE, 'user')
    const [{ remaining = 1, retryAfterMs = 0 } = {}] = await states()
    // The five units of 12 seconds each fill the bucket of 10 seconds six times. It has room when 52 seconds have passed.
    expect({ remaining, retryAfterMs }).toEqual({ remaining: 0, retryAfterMs: 52_000 })
    at.time.advance(retryAfterMs - 1)
    expect(await states()).toMatchObject([{ retryAfterMs: 1 }])
    at.time.advance(1)
    expect(await states()).toMatchObject([{ retryAfterMs: 0 }])
    await at.guard.close()
  })

  test('reset of memory of its own is done before a bot is met', async () => {
    const at = desk({ throttle: '5/1h' })
    await at.guard.reset(ALICE)
    await at.says(ALICE, '1')
    await at.quiet()
    expect(await at.guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 4 }])
    await at.guard.close()
  })

  test('know the limits of chats, members, commands and keys of your own', async () => {
    const on = ['message'] as const
    const { guard, handle } = desk({
      throttle: [
        { scope: 'chat', limit: '5/1m', on },
        { scope: 'member', limit: '4/1m', on },
        { scope: 'command', limit: '3/1m' },
        { scope: 'global', limit: '9/1m', on },
        { name: 'tenant', key: () => 'acme', limit: '2/1m', on },
      ],
    })
    await handle(says(ALICE, '/buy', { group: true }))
    const whom = {
      chat: subject.chat(-1001000000001),
      member: subject.member(ALICE, -1001000000001),
      command: subject.command(ALICE, 'buy'),
      global: subject.global(),
      tenant: subject.own('acme'),
    }
    const left: Record<string, number | undefined> = {}
    for (const [name, one] of Object.entries(whom)) left[name] = (await guard.peek(one, name))[0]?.remaining
    expect(left).toEqual({ chat: 4, member: 3, command: 2, global: 8, tenant: 1 })
    // The limit exists, but does not count this subject.
    expect(await guard.peek(ALICE, 'chat')).toEqual([])
  })

  test('name the known limits if a limit is unknown', async () => {
    const { guard } = desk()
    const unknown = (word: string) => ({
      code: 'limit.unknown',
      message: expect.stringMatching(
        new RegExp(
          `^${word}: there is no limit "users"\\. Did you mean "user"\\? Limits: user, user.inline.* once an update has reached it`,
        ),
      ),
    })
    await expect(guard.peek(ALICE, 'users')).rejects.toMatchObject(unknown('peek'))
    await expect(guard.reset(ALICE, 'users')).rejects.toMatchObject(unknown('reset'))
    await expect(guard.peek(0, 'user')).rejects.toMatchObject({ code: 'subject.invalid' })
  })

  test('of a member of a chat use the limits set for the user, the chat and roles', async () => {
    const PLAZA = -1001000000001
    const at = desk({
      debounce: false,
      limits: true,
      throttle: { limit: '20/1m', scope: 'member', name: 'here', on: ['message'], roles: { vip: '9/1m' } },
      settings: { limits: { here: { min: '1/1m', max: '60/1m' } } },
      exempt: { roles: ['mod'] },
    })
    await at.handle(says(ALICE, 'hello', { group: true }))
    const looks = async (whom = ALICE) => {
      const [state] = await at.guard.peek(subject.member(whom, PLAZA), 'here')
      return [state?.limit, state?.remaining]
    }
    at.time.advance(60_000)
    expect(await looks()).toEqual(['20/1m', 20])
    await at.guard.grant(ALICE, 'vip')
    expect(await looks()).toEqual(['9/1m', 9])
    await at.guard.settings.set(PLAZA, { limits: { here: '40/1m' } })
    expect(await looks()).toEqual(['40/1m', 40])
    await at.guard.limits.set(subject.chat(PLAZA), 'here', '3/1m')
    expect(await looks()).toEqual(['3/1m', 3])
    await at.guard.limits.set(ALICE, 'here', '2/1m')
    expect(await looks()).toEqual(['2/1m', 2])
    for (let nth = 0; nth < 3; nth++) await at.handle(says(ALICE, `a ${nth}`, { group: true }))
    expect(at.reached).toHaveLength(3)
    expect(await at.guard.peek(subject.member(ALICE, PLAZA))).toMatchObject([
      { limit: '2/1m', remaining: 0, retryAfterMs: 30_000 },
    ])
    await at.guard.grant(ALICE, 'mod')
    expect(await looks()).toEqual(['2/1m', Number.POSITIVE_INFINITY])
    await at.guard.close()
  })

  test('of a command use the roles of its user', async () => {
    const { guard, says } = desk({
      throttle: { limit: '1/1m', scope: 'command', name: 'each', roles: { vip: '9/1m' } },
    })
    await says(ALICE, 'hello')
    await guard.grant(ALICE, 'vip')
    expect(await guard.peek(subject.command(ALICE, 'buy'), 'each')).toMatchObject([
      { limit: '9/1m', remaining: 9 },
    ])
  })
})

describe('after a reconfigure', () => {
  const shop = () => {
    const at = desk({ debounce: false, policies: { slow: { throttle: '1/1h' } } }, (bot) => {
      const bought = (what: string) => () => {
        at.reached.push(what)
      }
      bot.command('slow', policy('slow'), bought('slow done'))
      bot.command('buy', throttle({ name: 'buy', limit: '1/1h' }), bought('buy done'))
      bot.command('gift', throttle('1/1h'), bought('gift done'))
    })
    const names = async () => {
      const states = await at.guard.peek(ALICE)
      return states.map(({ name }) => name).filter((name) => !name.includes('.'))
    }
    const done = (what: string) => at.reached.filter((text) => text === `${what} done`).length
    return { ...at, names, done }
  }

  test('limits of handlers and policies are still known, and can be reset', async () => {
    const at = shop()
    await at.says(ALICE, '/buy', '/buy', '/slow', '/gift')
    const before = await at.names()
    expect(before).toEqual(['user', 'buy', 'slow', 'throttle 1/1h'])
    at.guard.reconfigure({ throttle: '30/1m', policies: { slow: { throttle: '2/1h' } } })
    expect(await at.names()).toEqual(before)
    expect(await at.guard.peek(ALICE, 'buy')).toMatchObject([
      { at: 'throttle buy', limit: '1/1h', remaining: 0 },
    ])
    // With the current options.
    expect(await at.guard.peek(ALICE, 'slow')).toMatchObject([{ limit: '2/1h', remaining: 0 }])
    await at.says(ALICE, '/buy')
    expect(at.done('buy')).toBe(1)
    await at.guard.reset(ALICE, 'buy')
    await at.says(ALICE, '/buy', '/buy')
    expect(at.done('buy')).toBe(2)
    // Each limit is listed once, also after another change.
    at.guard.reconfigure({ throttle: '20/1m' })
    await at.says(ALICE, '/gift')
    expect(at.done('gift')).toBe(1)
    expect(await at.names()).toEqual(['user', 'throttle 1/1h', 'buy', 'slow'])
    await at.guard.close()
  })

  test('a policy is known by its name before any handler was used', async () => {
    const at = shop()
    await at.says(ALICE, 'hello')
    expect(await at.guard.peek(ALICE, 'slow')).toEqual([])
    await at.guard.reset(ALICE, 'slow')
    await expect(at.guard.reset(ALICE, 'buy')).rejects.toMatchObject({
      code: 'limit.unknown',
      message: expect.stringContaining('slow'),
    })
    await at.guard.close()
  })
})

describe('simulate', () => {
  test('returns the verdict of an update, with the result of each check', async () => {
    const { guard, says: say } = desk({ throttle: '1/1m' })
    expect((await guard.simulate(says(ALICE, 'hello'))).verdict).toEqual({ allowed: true })
    await say(ALICE, 'hello')
    const over = await guard.simulate(says(ALICE, 'again'))
    expect(over.verdict).toMatchObject({
      guard: 'throttle',
      limit: 'user',
      reason: 'limited',
      retryAfterMs: 60_000,
    })
    expect(over.facts).toMatchObject({ kind: 'message', actorId: ALICE })
    expect(over.checks.filter(({ refuses }) => refuses).map(({ name }) => name)).toEqual(['user'])
    await guard.block(ALICE, { for: '1h' })
    const blocked = await guard.simulate(says(ALICE, 'again'))
    expect(blocked.verdict).toMatchObject({ guard: 'block', reason: 'blocked', retryAfterMs: 3_600_000 })
    expect(blocked.checks.filter(({ refuses }) => refuses).map(({ name }) => name)).toEqual(['actor', 'user'])
  })

  test('works for duplicates, and for updates of an unknown kind', async () => {
    const { guard, handle } = desk()
    const update = says(ALICE, 'hello')
    await handle(update)
    expect((await guard.simulate(update)).verdict).toMatchObject({ guard: 'once', reason: 'duplicate' })
    const strange = await guard.simulate({ update_id: 1, telepathy: {} } as never)
    expect(strange).toMatchObject({ verdict: { allowed: true }, facts: { kind: undefined } })
    expect(strange.checks.every(({ applies }) => !applies)).toBe(true)
  })

  test('reports exemptions, and checks in shadow refuse nobody', async () => {
    const { guard, says: say } = desk({ throttle: { limit: '1/1m', shadow: true }, exempt: { owner: 9 } })
    await say(ALICE, '1')
    const { verdict, checks } = await guard.simulate(says(ALICE, '2'))
    expect(verdict.allowed).toBe(true)
    expect(checks.find(({ name }) => name === 'user')).toMatchObject({ refuses: true, shadow: true })
    expect(await guard.simulate(says(9, 'mine'))).toMatchObject({ exempt: true, verdict: { allowed: true } })
  })

  test('allows any update before a bot is known', async () => {
    const { guard } = desk()
    expect((await guard.simulate(says(ALICE, 'hello'))).verdict).toEqual({ allowed: true })
  })
})
