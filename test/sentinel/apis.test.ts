import { Bot, type MiddlewareFn, type Transformer } from 'grammy'
import { type Sentinel, sentinel } from '../../src/index.js'
import { createTelegram } from '../../src/telegram/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { says } from './desk.js'

/** Aborts unfinished calls at the end of an update, as plugins do that install transformers on `ctx.api`. */
const boundToUpdate: MiddlewareFn<GuardedContext> = async (ctx, next) => {
  const ended = new AbortController()
  const bound: Transformer = (prev, method, payload) =>
    prev(method, payload, ended.signal as unknown as Parameters<Transformer>[3])
  ctx.api.config.use(bound)
  await next()
  ended.abort()
}

describe('a call that the guard makes outside of updates does not use the transformers of an update', () => {
  test.each<[string, boolean, (bot: Bot<GuardedContext>, guard: Sentinel<GuardedContext>) => unknown]>([
    ['installed before bot.init()', false, (bot, guard) => guard.install(bot)],
    ['installed after bot.init()', true, (bot, guard) => guard.install(bot)],
    ['behind guard.webhook(bot)', false, (bot, guard) => bot.use(guard) && guard.webhook(bot)],
  ])('%s', async (_, isInited, protect) => {
    const telegram = createTelegram()
    const account = telegram.createBot({ username: 'guarded_bot' })
    const alice = telegram.createUser({ firstName: 'Alice' })
    const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
    const { botInfo: _me, ...config } = account.config
    const bot = new Bot<GuardedContext>(account.token, config)
    const guard = sentinel<GuardedContext>({ roles: { 'chat:administrator': {} } })
    const failures: unknown[] = []
    guard.on('error', ({ error }) => failures.push(error))
    bot.use(boundToUpdate)
    if (isInited) await bot.init()
    protect(bot, guard)
    await bot.init()
    await bot.handleUpdate(says(alice.id, 'hello'))
    expect(await guard.hasRole(alice.id, 'chat:administrator', { chat: plaza.id })).toBe(true)
    expect(failures).toEqual([])
    await guard.close()
    await telegram.close()
  })
})
