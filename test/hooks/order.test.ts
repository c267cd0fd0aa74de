import { joins, says, taps, tick } from '../sentinel/desk.js'
import { LIMIT, left, on, opened } from './hooked.js'

describe('the order', () => {
  test('all before hooks run before the decision, then the after hooks, then allowed, then the handlers', async () => {
    const log: string[] = []
    opened(LIMIT, (bot) => bot.use(() => void log.push('handler')))
    for (const guard of ['throttle', 'once', 'block'] as const) {
      on.guard.hook(`after:${guard}`, ({ verdict }) => void log.push(`after ${guard} ${verdict.allowed}`))
      on.guard.hook(`before:${guard}`, async () => {
        await tick()
        log.push(`before ${guard}: ${await left()} left`)
      })
    }
    on.guard.hook('allowed', () => void log.push('allowed'))
    on.guard.on('allowed', () => log.push('told'))
    await on.says(1, 'hello')
    expect(log).toEqual([
      'before block: 2 left',
      'before once: 2 left',
      'before throttle: 2 left',
      'after block true',
      'after once true',
      'after throttle true',
      'allowed',
      'told',
      'handler',
    ])
  })

  test('after hooks run up to the guard that refuses', async () => {
    opened()
    const log: string[] = []
    for (const guard of ['block', 'once', 'throttle'] as const) {
      on.guard.hook(`after:${guard}`, async ({ verdict }) => {
        await tick()
        log.push(`${guard} ${verdict.allowed ? 'passed' : verdict.reason}`)
      })
    }
    on.guard.hook('denied', ({ verdict }) => void log.push(`denied by ${verdict.guard}`))
    await on.says(1, 'hello')
    const { update_id } = says(1, 'x')
    log.length = 0
    for (let i = 0; i < 2; i++) await on.handle(says(1, 'again', { id: update_id }))
    expect(log.slice(3)).toEqual(['block passed', 'once duplicate', 'denied by once'])
    await on.guard.block(1)
    log.length = 0
    await on.says(1, 'hello')
    expect(log).toEqual(['block blocked', 'denied by block'])
  })

  test('hooks of one point run one after another, in the order in which they were added', async () => {
    opened()
    const log: number[] = []
    on.guard.hook('before:block', async () => {
      await tick()
      log.push(1)
    })
    on.guard.hook('before:block', () => void log.push(2))
    const stop = on.guard.hook('before:block', () => void log.push(3))
    await on.says(1, 'a')
    stop()
    stop()
    await on.says(1, 'b')
    expect(log).toEqual([1, 2, 3, 1, 2])
  })

  test('hooks of a guard that does not concern an update do not run', async () => {
    opened()
    const log: string[] = []
    for (const guard of ['membership', 'debounce', 'throttle'] as const) {
      on.guard.hook(`before:${guard}`, () => void log.push(guard))
    }
    await on.says(1, 'hello')
    expect(log.splice(0)).toEqual(['throttle'])
    await on.handle(taps(1, 'a'))
    expect(log.splice(0)).toEqual(['debounce', 'throttle'])
    await on.handle(joins(1))
    expect(log.splice(0)).toEqual(['membership', 'throttle'])
  })

  test('hooks also run before and after the guards of one handler', async () => {
    opened()
    const log: string[] = []
    on.guard.hook('before:throttle', ({ facts }) => void log.push(`before ${facts.command ?? 'all'}`))
    on.guard.hook('after:throttle', ({ verdict }) => void log.push(`after ${verdict.allowed}`))
    const { bot, handle } = on.another(43, on.guard)
    bot.command(
      'buy',
      on.guard.policy({ name: 'buy', throttle: '1/1m' } as never),
      () => void log.push('bought'),
    )
    await handle(says(1, '/buy'))
    expect(log).toEqual(['before buy', 'after true', 'before buy', 'after true', 'bought'])
  })
})
