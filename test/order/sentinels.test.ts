import { throttle } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { tick } from '../sentinel/desk.js'
import { alice, bot, ends, guarded, polling, sends, time, useBot } from './desk.js'

useBot()

describe('a guard on a fork', () => {
  test('applies to the whole context: a refused update counts as denied, and is not denied again', async () => {
    const guard = guarded()
    const verdicts: boolean[] = []
    bot.use(guard)
    bot.fork(throttle({ limit: '1/1h', name: 'audit', deny: 'silent' }), () => undefined)
    bot.on('message', async (ctx) => {
      // The forked branch has finished by then.
      await tick()
      verdicts.push(ctx.sentinel.verdict.allowed)
      if (ctx.msg.text === 'over') await ctx.sentinel.deny({ note: 'again' })
    })
    polling()
    await sends('first', 'over')
    expect(verdicts).toEqual([true, false])
    const { allowed, denied, denials } = (await guard.health()).tally
    expect([allowed, denied, [...denials]]).toEqual([1, 1, [['throttle.limited', 1]]])
  })

  test('is refunded by a refund on the main path', async () => {
    const guard = guarded()
    const charged: (readonly string[])[] = []
    bot.use(guard)
    bot.fork(throttle({ limit: '2/1h', name: 'audit', deny: 'silent' }), () => undefined)
    bot.on('message', async (ctx) => {
      // The forked branch has finished by then.
      await tick()
      charged.push(ctx.sentinel.limits.map(({ name }) => name))
      await ctx.sentinel.refund()
    })
    polling()
    await sends('1', '2', '3')
    expect(charged).toEqual(Array(3).fill(['audit', 'user']))
    expect((await guard.peek(alice.id, 'audit')).map(({ remaining }) => remaining)).toEqual([2])
  })
})

describe('a sentinel in front of another', () => {
  test('refund() gives back what both have charged', async () => {
    const first = guarded({ name: 'first', throttle: { name: 'all', limit: '2/1h' } })
    const second = guarded({ throttle: '2/1h' })
    bot.use(first, second)
    bot.on('message', async (ctx) => {
      if (ctx.msg.text === 'free') await ctx.sentinel.refund()
    })
    polling()
    await sends('free', 'paid')
    expect((await first.peek(alice.id, 'all')).map(({ remaining }) => remaining)).toEqual([1])
    expect((await second.peek(alice.id, 'user')).map(({ remaining }) => remaining)).toEqual([1])
  })

  test.each([
    ['is cleared by reset() of the other one, if they share a storage', true],
    ['keeps its counts in a storage of its own when the other one is reset', false],
  ])('%s', async (_, isShared) => {
    const storage = memory({ clock: time.clock })
    ends.push(async () => storage.close())
    const first = guarded({ name: 'first', throttle: { name: 'all', limit: '2/1h' }, storage })
    const second = guarded({ throttle: '2/1h', ...(isShared && { storage }) })
    bot.use(first, second)
    polling()
    await sends('1')
    await second.reset(alice.id, 'user')
    expect((await first.peek(alice.id, 'all')).map(({ remaining }) => remaining)).toEqual([1])
    await second.reset(alice.id)
    expect((await first.peek(alice.id, 'all')).map(({ remaining }) => remaining)).toEqual([isShared ? 2 : 1])
  })
})
