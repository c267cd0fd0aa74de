import { compose } from '../../src/middleware/compose.js'
import { type ConcurrencyOptions, concurrency } from '../../src/middleware/concurrency.js'
import { type Desk, desk, says, tick } from '../sentinel/desk.js'
import type { GuardedContext } from './rig.js'

/** How a guarded function calls itself. */
type Again = (ctx: GuardedContext, next: () => Promise<void>, deeper: number) => Promise<void>

async function ticks(): Promise<void> {
  for (let i = 0; i < 10; i++) await tick()
}

/** A promise that is resolved by `open()`. */
function door(): { readonly opens: Promise<void>; open(): void } {
  let open = (): void => undefined
  const opens = new Promise<void>((done) => {
    open = done
  })
  return { opens, open: () => open() }
}

describe('an update never waits for itself', () => {
  let on: Desk
  let refused: number
  afterEach(() => on.guard.close())

  function opened(): void {
    on = desk({ throttle: '100/1m' })
    refused = 0
    on.guard.on('denied', () => {
      refused++
    })
  }

  test.each<[string, ConcurrencyOptions]>([
    ['one place', {}],
    ['no queue', { queue: 0 }],
    ['in shadow', { shadow: true, queue: 0 }],
    ['one place for all users', { scope: 'global' }],
  ])('with the same guard for the whole bot and for one handler: %s', async (_, options) => {
    opened()
    let shadows = 0
    on.guard.on('shadow', () => {
      shadows++
    })
    const guard = concurrency(options)
    const ran: string[] = []
    on.bot.use(guard)
    on.bot.command('go', guard, (ctx) => void ran.push(ctx.msg.text))
    await on.says(1, '/go', '/go again')
    expect(ran).toEqual(['/go', '/go again'])
    expect([refused, shadows]).toEqual([0, 0])
  })

  test('a guarded function that calls itself finishes, and occupies one place until then', async () => {
    opened()
    const ran: string[] = []
    const { opens, open } = door()
    const walk: Again = concurrency<GuardedContext>()(
      async (ctx, next: () => Promise<void>, deeper: number) => {
        ran.push(`${ctx.msg?.text} ${deeper}`)
        if (deeper > 0) return walk(ctx, next, deeper - 1)
        await opens
      },
    )
    on.bot.use((ctx, next) => walk(ctx, next, 2))
    const first = on.handle(says(1, 'a'))
    await ticks()
    const second = on.handle(says(1, 'b'))
    await ticks()
    expect(ran).toEqual(['a 2', 'a 1', 'a 0'])
    open()
    await Promise.all([first, second])
    expect(ran).toEqual(['a 2', 'a 1', 'a 0', 'b 2', 'b 1', 'b 0'])
    expect(refused).toBe(0)
  })

  test('work that an update runs in parallel counts as one: others wait until all of it has ended', async () => {
    opened()
    const log: string[] = []
    const [left, right] = [door(), door()]
    const job = concurrency<GuardedContext>()(async (ctx, until: Promise<void>) => {
      log.push(`${ctx.msg?.text} begins`)
      await until
      log.push(`${ctx.msg?.text} ends`)
    })
    on.bot.use(async (ctx) => {
      await Promise.all([job(ctx, left.opens), job(ctx, right.opens)])
    })
    const both = Promise.all([on.handle(says(1, 'a')), on.handle(says(1, 'b'))])
    await ticks()
    expect(log).toEqual(['a begins', 'a begins'])
    left.open()
    await ticks()
    expect(log).toEqual(['a begins', 'a begins', 'a ends'])
    right.open()
    await both
    expect(log.slice(3)).toEqual(['a ends', 'b begins', 'b begins', 'b ends', 'b ends'])
    expect(refused).toBe(0)
  })

  test('after leaving its place, an update takes another like any other update', async () => {
    opened()
    const log: string[] = []
    const between = door()
    const job = concurrency<GuardedContext>()(async (ctx, what: string) => {
      log.push(`${ctx.msg?.text} ${what}`)
      if (ctx.msg?.text === 'b') await between.opens
    })
    const pause = door()
    on.bot.use(async (ctx) => {
      await job(ctx, 'first')
      if (ctx.msg?.text === 'a') await pause.opens
      await job(ctx, 'then')
    })
    const a = on.handle(says(1, 'a'))
    await ticks()
    const b = on.handle(says(1, 'b'))
    await ticks()
    pause.open()
    await ticks()
    expect(log).toEqual(['a first', 'b first'])
    between.open()
    await Promise.all([a, b])
    expect(log.filter((line) => line.endsWith('then')).sort()).toEqual(['a then', 'b then'])
    expect(refused).toBe(0)
  })

  test('under a second key, an update also takes a place of that key', async () => {
    opened()
    let tenant = 'one'
    const guard = compose<GuardedContext>(concurrency({ name: 'tenant', key: () => tenant, queue: 0 }))
    const { opens, open } = door()
    let within = 0
    on.bot.use(guard)
    on.bot.use((_, next) => {
      tenant = 'two'
      return next()
    })
    on.bot.use(guard, async () => {
      within++
      await opens
    })
    const a = on.handle(says(1, 'a'))
    await ticks()
    // Both places are taken: that of the other key, too.
    await on.handle(says(2, 'b'))
    tenant = 'one'
    await on.handle(says(2, 'c'))
    expect([within, refused]).toEqual([1, 2])
    open()
    await a
  })
})
