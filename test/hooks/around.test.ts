import { run } from '@grammyjs/runner'
import { hooks } from '../../src/index.js'
import type { OverdueEvent } from '../../src/middleware/events.js'
import { sentinel } from '../../src/sentinel.js'
import { type GuardedContext, type Rig, rig } from '../middleware/rig.js'
import { desk, says, tick } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { stand } from '../webhook/stand.js'

describe('hooks and their surroundings', () => {
  test('behind a webhook that refuses updates unparsed, hooks still see every update', async () => {
    const at = stand({ throttle: { limit: '1/1m', deny: 'silent' } })
    const seen: (string | undefined)[] = []
    at.guard.hook('before:throttle', ({ ctx }) => void seen.push(ctx.msg?.text))
    for (const text of ['a', 'b', 'c', 'd']) expect(await at.deliver(says(1, text))).toBe(200)
    expect(seen).toEqual(['a', 'b', 'c', 'd'])
    expect(at.reached).toEqual(['a'])
    await at.guard.close()
  })

  test('errors of handlers reach bot.catch unchanged, and a redelivery is handled', async () => {
    let fails = true
    const at = desk({}, (bot) =>
      bot.use(() => {
        if (fails) throw new Error('of the handler')
      }),
    )
    at.guard.hook('before:block', async () => undefined)
    at.guard.hook('allowed', async () => undefined)
    const update = says(1, 'a')
    await expect(at.handle(update)).rejects.toThrow('of the handler')
    fails = false
    await at.handle(update)
    await at.handle(update)
    expect(at.reached).toEqual(['a', 'a'])
    await at.guard.close()
  })

  test('with two sentinels on one bot, each has its own hooks, and handlers see what both added', async () => {
    const seen: unknown[] = []
    const inner = sentinel<GuardedContext>({ name: 'inner' })
    const at = desk({}, (bot) => {
      bot.use(inner)
      bot.use((ctx) => void seen.push({ ...ctx.sentinel.enriched }))
    })
    at.guard.hook('before:block', () => ({ enrich: { of: 'outer', more: 1 } }))
    const stop = inner.hook('before:block', ({ enriched }) => ({
      enrich: { of: 'inner', saw: Object.keys(enriched).length },
    }))
    await at.says(1, 'a')
    stop()
    await at.says(1, 'b')
    expect(seen).toEqual([
      { of: 'inner', more: 1, saw: 0 },
      { of: 'outer', more: 1 },
    ])
    await inner.close()
    await at.guard.close()
  })

  test('without a listener a handler that hangs is reported on the console', async () => {
    const said: string[] = []
    const { warn } = console
    console.warn = (text: string) => void said.push(text)
    const at = desk({ concurrency: { deadline: '1s' } }, (bot) =>
      bot.hears('hangs', () => new Promise(() => undefined)),
    )
    void at.handle(says(1, 'hangs'))
    await tick()
    at.time.advance(2000)
    await at.says(1, 'next')
    console.warn = warn
    expect(at.reached).toEqual(['hangs', 'next'])
    expect(said).toEqual([expect.stringContaining('concurrency.user')])
    const told: OverdueEvent[] = []
    at.guard.on('overdue', (event) => told.push(event))
    expect(told).toEqual([])
    await at.guard.close()
  })
})

describe('on the embedded Telegram', () => {
  let on: Rig
  afterEach(() => on.stop())

  test('bot.start() and a runner wait only for hooks that decide', async () => {
    const log: string[] = []
    const guard = sentinel<GuardedContext>()
    guard.hook('before:throttle', async ({ ctx, facts }) => {
      const chat = await ctx.api.getChat(facts.chatId ?? 0)
      return { enrich: { title: chat.first_name } }
    })
    guard.hook(
      'allowed',
      hooks.background(async ({ facts, ctx }) => {
        await ctx.api.sendChatAction(facts.chatId ?? 0, 'typing')
        log.push('typed')
      }),
    )
    on = await rig(guard, (bot) =>
      bot.on('message', (ctx) => ctx.reply(`Hello, ${ctx.sentinel.enriched.title}!`)),
    )
    on.start()
    await on.alice.to(on.account).sends('hi')
    await on.alice.hears('Hello, Alice!')
    await on.settled()
    await on.bot.stop()
    const runner = run(on.bot)
    await on.bob.to(on.account).sends('hi')
    await on.bob.hears('Hello, Bob!')
    await runner.stop()
    await guard.close()
    await until('both were typed', () => log.length === 2)
  })
})
