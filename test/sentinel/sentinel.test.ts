import { sentinel, throttle } from '../../src/index.js'
import { stats } from '../../src/observability/stats/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { type GuardedContext, type Rig, rig, Stage } from '../middleware/rig.js'
import { desk, edits, joins, pinned, posts, says, taps, types } from './desk.js'

const ALICE = 7
const times = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

describe('sentinel() with no options', () => {
  test('admits thirty forwarded messages at once, and refuses the thirty-first', async () => {
    const { says, reached, notices, quiet } = desk()
    await says(ALICE, ...times(31).map(String))
    await quiet()
    expect(reached).toEqual(times(30).map(String))
    expect(notices).toEqual(['Slow down, please. Try again in 1s.'])
  })

  test('refills sixty updates a minute', async () => {
    const { says, reached, time } = desk()
    await says(ALICE, ...times(30).map(String))
    time.advance(999)
    await says(ALICE, 'too soon')
    time.advance(1)
    await says(ALICE, 'in time', 'too soon again')
    expect(reached.slice(30)).toEqual(['in time'])
  })

  test('sends one notice a minute', async () => {
    const { says, time, notices, quiet } = desk()
    await says(ALICE, ...times(40).map(String))
    await quiet()
    expect(notices).toHaveLength(1)
    time.advance(60_000)
    await says(ALICE, ...times(40).map(String))
    await quiet()
    expect(notices).toHaveLength(2)
  })

  test('counts edits, joins and inline queries separately, and allows five times as many inline queries', async () => {
    const { handle, says, reached } = desk()
    await says(ALICE, ...times(30).map(String), 'over')
    await handle(edits(ALICE, 'edit'))
    await handle(joins(ALICE))
    for (const n of times(151)) await handle(types(ALICE, `query ${n}`))
    expect(reached.slice(30)).toEqual(['edit', 'chat_member', ...Array(150).fill('inline_query')])
  })

  test('treats the same tap within half a second as one, and answers both', async () => {
    const { handle, reached, time, calls, quiet } = desk()
    await handle(taps(ALICE, 'buy'))
    await handle(taps(ALICE, 'buy'))
    await handle(taps(ALICE, 'sell'))
    time.advance(499)
    await handle(taps(ALICE, 'buy'))
    time.advance(1)
    await handle(taps(ALICE, 'buy'))
    await quiet()
    expect(reached).toEqual(['buy', 'sell', 'buy'])
    expect(calls.map(({ method, payload }) => [method, payload.text])).toEqual([
      ['answerCallbackQuery', undefined],
      ['answerCallbackQuery', undefined],
    ])
  })

  test('does not refuse repeated messages: people say "+" and "yes" again and again', async () => {
    const { says, reached } = desk()
    await says(ALICE, '+', '+', 'yes', 'yes')
    expect(reached).toEqual(['+', '+', 'yes', 'yes'])
  })

  test('handles a redelivered update once', async () => {
    const { handle, reached } = desk()
    const update = says(ALICE, 'hello')
    await handle(update)
    await handle(update)
    expect(reached).toEqual(['hello'])
  })

  test('never stops channel posts and service updates', async () => {
    const { handle, reached } = desk()
    for (const n of times(40)) await handle(posts(`post ${n}`))
    for (const _ of times(40)) await handle(pinned(ALICE))
    expect(reached).toHaveLength(80)
  })

  test('sees users join, even if they are blocked', async () => {
    const { guard, handle, reached } = desk()
    const came: number[] = []
    guard.membership.on('joined', ({ member }) => came.push(member.id))
    await guard.block(ALICE)
    await handle(joins(ALICE))
    await handle(joins(8))
    expect(came).toEqual([ALICE, 8])
    expect(reached).toEqual(['chat_member'])
  })

  test('admits updates of an unknown kind unchanged, and counts them', async () => {
    const { guard, handle, reached } = desk()
    const told: unknown[] = []
    guard.on('unknown', ({ facts, ctx }) => told.push([facts.kind, ctx.update.update_id]))
    for (const _ of times(40)) await handle({ update_id: 5, telepathy: { from: { id: ALICE } } } as never)
    expect(reached).toEqual(Array(40).fill('telepathy'))
    expect(told[0]).toEqual([undefined, 5])
    expect((await guard.health()).tally).toMatchObject({ allowed: 0, denied: 0, unknown: 40 })
  })

  test('sets ctx.sentinel for updates of an unknown kind, too', async () => {
    const seen: unknown[] = []
    const { handle } = desk({}, (bot) =>
      bot.use(throttle('1/1m'), async ({ sentinel }) => {
        await sentinel.refund('user')
        seen.push(sentinel.facts.activity, sentinel.verdict.allowed, sentinel.limits)
      }),
    )
    await handle({ update_id: 5, telepathy: { from: { id: ALICE } } } as never)
    expect(seen).toEqual(['unknown', true, []])
  })

  test('counts an update of an unknown kind that a handler denies as denied, and none less as allowed', async () => {
    const { guard, handle, says } = desk({ stats: stats() }, (bot) =>
      bot.use(({ msg, sentinel }) => (msg === undefined ? sentinel.deny() : undefined)),
    )
    const told: unknown[] = []
    guard.on('denied', ({ wasAllowed, isFirst }) => told.push([wasAllowed, isFirst]))
    await says(ALICE, 'hello')
    await handle({ update_id: 5, telepathy: { from: { id: ALICE } } } as never)
    expect(told).toEqual([[false, true]])
    expect((await guard.health()).tally).toMatchObject({ allowed: 1, denied: 1, unknown: 1 })
    expect(await guard.stats()).toMatchObject({ updates: 2, allowed: 1, denied: 1 })
  })

  test('reports denials in JSON, too', async () => {
    const { guard, says } = desk({ throttle: '1/1m' })
    await guard.block(8)
    await says(ALICE, '1', '2', '3')
    await says(8, 'hello')
    const { tally } = await guard.health()
    expect(JSON.parse(JSON.stringify(tally))).toMatchObject({
      denied: 3,
      denials: { 'throttle.limited': 2, 'block.blocked': 1 },
    })
    expect([...tally.denials]).toEqual([
      ['throttle.limited', 2],
      ['block.blocked', 1],
    ])
  })

  test('two with the same name, storage and bot cause a warning; with different names they do not', async () => {
    for (const [names, warns] of [
      [['shop', 'shop'], true],
      [['shop', 'help'], false],
      [[undefined, undefined], false],
    ] as const) {
      const { clock } = new Stage()
      const storage = memory({ clock })
      const [first, second] = names.map((name) => ({
        storage,
        clock,
        ...(name !== undefined && { name }),
      }))
      const guard = sentinel<GuardedContext>(second)
      const warned: string[] = []
      guard.on('warning', ({ code, message }) => warned.push(`${code} ${message}`))
      const { says, bot } = desk(first)
      const reached: string[] = []
      bot.use(guard)
      bot.on('message:text', (ctx) => reached.push(ctx.msg.text))
      await says(ALICE, '1', '2')
      const twin = warned.filter((each) => each.startsWith('sentinel.twin'))
      expect(twin).toEqual(warns ? [expect.stringMatching(/"shop".*name: 'second'/)] : [])
      expect(reached).toEqual(warns ? [] : ['1', '2'])
    }
  })

  test('used twice on one bot by mistake, it decides each update once', async () => {
    const { bot, guard, says, reached } = desk({ throttle: '2/1m' }, (bot) => bot.use((_, next) => next()))
    guard.install(bot)
    const passed: (string | undefined)[] = []
    bot.use((ctx) => passed.push(ctx.msg?.text))
    await says(ALICE, '1', '2', '3')
    expect(passed).toEqual(['1', '2'])
    expect(reached).toEqual(['1', '2'])
  })
})

describe('sentinel() on a real connection', () => {
  let on: Rig
  afterEach(() => on.stop())

  test('protects at once', async () => {
    const guard = sentinel<GuardedContext>()
    on = await rig(guard)
    on.start()
    for (const n of times(32)) await on.alice.to(on.account).sends(`forwarded ${n}`)
    await on.bob.to(on.account).sends('hello')
    await on.alice.hears(/^Slow down, please\. Try again in 1s\.$/)
    await on.settled()
    expect(on.reached.filter((text) => text.startsWith('forwarded')).length).toBeGreaterThanOrEqual(30)
    expect(on.reached).toContain('hello')
    await guard.close()
  })

  test('install() requests the membership updates that bot.use() would miss', async () => {
    const guard = sentinel<GuardedContext>()
    on = await rig(undefined)
    guard.install(on.bot)
    const came: string[] = []
    guard.membership.on('joined', ({ member }) => came.push(member.first_name))
    const plaza = on.telegram.createGroup({ title: 'Plaza', owner: on.alice, admins: [on.account] })
    on.start()
    // Telegram knows the wanted kinds from the first getUpdates on.
    await on.alice.in(plaza).sends('hello')
    await on.settled()
    await on.bob.in(plaza).joins()
    await on.settled()
    expect(came).toEqual(['Bob'])
    await guard.close()
  })
})
