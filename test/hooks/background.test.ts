import { hooks } from '../../src/index.js'
import type { HookRanEvent } from '../../src/middleware/events.js'
import { tick } from '../sentinel/desk.js'
import { LIMIT, on, opened } from './hooked.js'

describe('in the background', () => {
  test('only close() waits for it', async () => {
    opened()
    const log: string[] = []
    let open = (): void => undefined
    const gate = new Promise<void>((done) => {
      open = done
    })
    on.guard.hook(
      'before:block',
      hooks.background(async () => {
        await gate
        log.push('done')
      }),
    )
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
    expect((await on.guard.health()).hooks).toEqual({ running: 1, dropped: 0 })
    const closed = on.guard.close().then(() => log.push('closed'))
    await tick()
    expect(log).toEqual([])
    open()
    await closed
    expect(log).toEqual(['done', 'closed'])
  })

  test('is bounded: excess runs are dropped, counted and reported', async () => {
    opened({ throttle: false })
    const ran: HookRanEvent[] = []
    on.guard.on('error', () => undefined)
    on.guard.on('hook.ran', (event) => ran.push(event))
    on.guard.hook(
      'before:block',
      hooks.background(() => new Promise(() => undefined)),
    )
    for (let i = 0; i < 260; i++) await on.says(1, `message ${i}`)
    expect(on.reached).toHaveLength(260)
    expect((await on.guard.health()).hooks).toEqual({ running: 256, dropped: 4 })
    expect(ran).toHaveLength(4)
    expect(ran[0]).toMatchObject({ point: 'before:block', outcome: 'dropped' })
    // Running hooks time out, which makes room for the next.
    on.time.advance(1000)
    await tick()
    expect((await on.guard.health()).hooks).toEqual({ running: 0, dropped: 4 })
  })

  test('is passed to a platform that would otherwise end, and so are notices', async () => {
    const works: Promise<unknown>[] = []
    opened({ ...LIMIT, throttle: '1/1m', waitUntil: (work) => void works.push(work) })
    on.guard.hook(
      'before:block',
      hooks.background(() => undefined),
    )
    await on.says(1, 'a', 'b')
    // At least one per hook, and one for the notice.
    expect(works.length).toBeGreaterThanOrEqual(3)
    await Promise.all(works)
    expect(on.notices).toHaveLength(1)
  })

  test('a platform that throws is reported, and the work is done', async () => {
    const told: string[] = []
    opened({
      waitUntil() {
        throw new Error('not in a request')
      },
    })
    on.guard.on('error', ({ during }) => told.push(during))
    let ran = false
    on.guard.hook(
      'before:block',
      hooks.background(() => {
        ran = true
      }),
    )
    await on.says(1, 'a')
    expect([ran, new Set(told)]).toEqual([true, new Set(['waitUntil'])])
  })
})
