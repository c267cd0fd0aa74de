import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import { type Sentinel, type SentinelOptions, sentinel } from '../src/index.js'
import { Extras } from './extras.js'
import { type GuardedContext, Stage } from './middleware/rig.js'
import { later, says, tick } from './sentinel-desk.js'

/* One sentinel on several branches of a bot. */

const ALICE = 7
const guards: Sentinel<GuardedContext>[] = []

afterEach(async () => {
  for (const guard of guards.splice(0)) await guard.close()
})

function stand(options: SentinelOptions) {
  const { account, config } = new Extras(Date.now).hire(42)
  const bot = new Bot<GuardedContext>(account.token, config)
  const { clock, timers } = new Stage()
  const guard = sentinel<GuardedContext>({ clock, timers, ...options })
  guards.push(guard)
  const denied: string[] = []
  guard.on('denied', ({ verdict }) => denied.push(verdict.reason))
  return { bot, guard, denied }
}

describe.each<[string, () => SentinelOptions]>([
  ['memory', () => ({})],
  ['a storage that answers later', () => ({ storage: later() })],
])('on forks and on the main way: %s', (_, options) => {
  test('each runs, and the update is judged and counted once', async () => {
    const { bot, guard, denied } = stand({ ...options(), throttle: '3/1h' })
    const ran: string[] = []
    bot.fork(guard, () => void ran.push('one'))
    bot.fork(guard, () => void ran.push('two'))
    bot.use(guard, () => void ran.push('main'))
    for (const text of ['a', 'b']) await bot.handleUpdate(says(ALICE, text))
    expect(ran.sort()).toEqual(['main', 'main', 'one', 'one', 'two', 'two'])
    expect(denied).toEqual([])
    expect((await guard.health()).tally).toMatchObject({ allowed: 2, denied: 0 })
    expect(await guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 1 }])
  })

  test('none waits for what handlers of another do, or fails of it', async () => {
    const { bot, guard } = stand(options())
    let end = (): void => undefined
    const hangs = new Promise<void>((done) => {
      end = done
    })
    const ran: string[] = []
    bot.fork(guard, () => void ran.push('fork'))
    bot.use(guard, async (ctx) => {
      if (ctx.msg?.text === 'throw') throw new Error('out of order')
      await hangs
    })
    await expect(bot.handleUpdate(says(ALICE, 'throw'))).rejects.toThrow('out of order')
    const handling = bot.handleUpdate(says(ALICE, 'hang'))
    while (ran.length < 2) await tick()
    end()
    await handling
    expect(ran).toEqual(['fork', 'fork'])
  })

  test.each([false, true])(
    'an update of a kind that nobody knows passes both (limits at run time: %s)',
    async (limits) => {
      const { bot, guard } = stand({ ...options(), limits })
      const ran: string[] = []
      bot.use(guard)
      bot.use(async (_ctx, next) => {
        await tick()
        await next()
      })
      bot.use(guard)
      bot.use(() => void ran.push('handler'))
      const from = { id: ALICE, is_bot: false, first_name: 'Alice' }
      await bot.handleUpdate({ update_id: 1, of_tomorrow: { from } } as unknown as Update)
      expect(ran).toEqual(['handler'])
    },
  )

  test('what is refused reaches none', async () => {
    const { bot, guard, denied } = stand({ ...options(), throttle: { limit: '1/1h', deny: 'silent' } })
    const ran: string[] = []
    bot.fork(guard, () => void ran.push('fork'))
    bot.use(guard, () => void ran.push('main'))
    for (const text of ['a', 'b']) await bot.handleUpdate(says(ALICE, text))
    expect(ran.sort()).toEqual(['fork', 'main'])
    expect(new Set(denied)).toEqual(new Set(['limited']))
  })
})
