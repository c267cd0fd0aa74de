import { type DeniedEvent, hooks, memory, type ShadowEvent, throttle } from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { joins, later, says, taps, tick } from '../sentinel/desk.js'
import { LIMIT, left, on, opened } from './hooked.js'

describe('a veto', () => {
  test('before the decision charges nothing, claims nothing, and is reported', async () => {
    opened(LIMIT)
    const denied: unknown[] = []
    on.guard.on('denied', ({ verdict }) => denied.push(verdict))
    const stop = on.guard.hook('before:throttle', function closed() {
      return { veto: 'we are closed' }
    })
    const update = says(1, 'hello')
    await on.handle(update)
    expect(on.reached).toEqual([])
    expect(denied).toEqual([
      {
        allowed: false,
        guard: 'hook',
        limit: 'closed',
        reason: 'vetoed',
        cause: 'check',
        retryAfterMs: Number.POSITIVE_INFINITY,
        note: 'we are closed',
      },
    ])
    expect(await left()).toBe(2)
    // Nothing was charged or claimed: the same update, delivered again, is no duplicate.
    stop()
    await on.handle(update)
    expect(on.reached).toEqual(['hello'])
    expect((await on.guard.health()).tally).toMatchObject({ allowed: 1, denied: 1 })
  })

  test.each(['after:block', 'after:throttle', 'allowed'] as const)(
    '%s refunds all charges, and the update may be redelivered',
    async (point) => {
      for (const storage of [memory(), later()]) {
        opened({ ...LIMIT, storage })
        const stop = on.guard.hook(point, async () => ({ veto: 'no' }))
        const update = says(1, 'hello')
        for (let i = 0; i < 5; i++) await on.handle(update)
        expect(on.reached).toEqual([])
        await tick()
        expect(await left()).toBe(2)
        stop()
        await on.handle(update)
        expect(on.reached).toEqual(['hello'])
        await on.guard.close()
      }
    },
  )

  test('stops later guards, but not observers: membership is seen', async () => {
    opened()
    const log: string[] = []
    on.guard.hook('before:membership', () => ({ veto: 'no' }))
    on.guard.hook('before:throttle', () => void log.push('not reached'))
    on.guard.hook('after:membership', () => void log.push('not reached'))
    on.guard.membership.on('joined', ({ member }) => log.push(`joined ${member.id}`))
    await on.handle(joins(5))
    expect(log).toEqual(['joined 5'])
    expect(on.reached).toEqual([])
  })

  test('sends one notice a minute, in the language of the user; a tap is always answered', async () => {
    opened()
    on.guard.hook('before:throttle', () => ({ veto: 'no' }))
    await on.says(1, 'a', 'b')
    await on.quiet()
    expect(on.notices).toEqual(['This is not for you.'])
    on.time.advance(60_000)
    await on.says(1, 'c')
    await on.handle(taps(1, 'x'))
    await on.quiet()
    expect(on.notices).toHaveLength(2)
    expect(on.calls.filter(({ method }) => method === 'answerCallbackQuery')).toHaveLength(1)
  })

  test('at several handlers sends one notice for an update, and one a minute by each hook', async () => {
    const first = throttle<GuardedContext>('9/1m')(async function first() {})
    const second = throttle<GuardedContext>('9/1m')(async function second() {})
    opened({}, (bot) => {
      bot.use(async (ctx) => {
        await first(ctx)
        await second(ctx)
      })
    })
    let times = 0
    const stop = on.guard.hook('before:throttle', () => (times++ % 3 === 0 ? undefined : { veto: 'no' }))
    await on.says(1, 'a')
    await on.quiet()
    expect(on.notices).toEqual(['This is not for you.'])
    stop()
    let turn = 0
    on.guard.hook('before:throttle', { name: 'one', run: () => (++turn === 2 ? { veto: 'no' } : undefined) })
    on.guard.hook('before:throttle', { name: 'two', run: () => (turn === 3 ? { veto: 'no' } : undefined) })
    await on.says(1, 'b')
    await on.quiet()
    expect(on.notices).toHaveLength(2)
    turn = 1
    on.guard.reconfigure({ throttle: '30/1m' })
    await on.says(1, 'c')
    await on.quiet()
    expect(on.notices).toHaveLength(2)
  })

  test('in shadow is reported, and stops nothing', async () => {
    opened({ shadow: true })
    const told: string[] = []
    on.guard.on('shadow', ({ verdict: { guard, limit } }) => told.push(`${guard}.${limit}`))
    on.guard.hook('before:throttle', { name: 'curfew', run: () => ({ veto: 'no' }) })
    on.guard.hook('allowed', { name: 'last', run: () => ({ veto: 'no' }) })
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
    expect(told).toEqual(['hook.curfew', 'hook.last'])
  })

  test('one listener receives real and shadow vetoes', async () => {
    opened({ throttle: [{ limit: '1/1m' }, { name: 'strict', limit: '1/1h', shadow: true }] })
    const told: unknown[] = []
    const line = ({ verdict: { guard, limit, reason } }: DeniedEvent | ShadowEvent) =>
      told.push([guard, limit, reason])
    on.guard.on('denied', line)
    on.guard.on('shadow', line)
    await on.says(1, 'a', 'b')
    on.time.advance(60_000)
    await on.says(1, 'c')
    expect(told).toEqual([
      ['throttle', 'user', 'limited'],
      ['throttle', 'strict', 'limited'],
    ])
  })

  test('from a hook that does not decide is ignored', async () => {
    opened()
    on.guard.hook('blocked', (() => ({ veto: 'no' })) as never)
    on.guard.hook('before:block', hooks.background((async () => ({ veto: 'no' })) as never))
    await on.guard.block(2)
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
  })
})
