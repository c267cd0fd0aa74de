import type { SentinelOptions } from '../../src/options/index.js'
import { desk, says, taps } from '../sentinel/desk.js'

describe('an update that was admitted by debounce and then refused starts the window', () => {
  const throws = new Error('the till is stuck')

  test.each<[string, SentinelOptions]>([
    ['by a hook', { hooks: { allowed: () => ({ veto: 'closed' }) } }],
    ['by concurrency', { concurrency: { scope: 'global', most: 1, queue: 0 } }],
    ['by a handler that threw', {}],
  ])('%s', async (_, options) => {
    const reasons: string[] = []
    let sold = 0
    let end = (): void => undefined
    const busy = new Promise<void>((done) => {
      end = done
    })
    let isFirst = true
    const at = desk({ debounce: '5s', ...options }, (bot) => {
      bot.on('message', () => busy)
      bot.on('callback_query', () => {
        sold++
        if (isFirst) throw throws
      })
    })
    at.guard.on('denied', ({ verdict }) => reasons.push(verdict.reason))
    const working = at.handle(says(8, 'work'))
    const first = taps(7, 'order')
    await at.handle(first).catch(() => undefined)
    isFirst = false
    end()
    await working
    at.guard.reconfigure({ hooks: {} })
    reasons.splice(0)
    const before = sold
    await at.handle(taps(7, 'order'))
    expect([sold, reasons]).toEqual([before, ['repeated']])
    // When delivered again, it passes.
    await at.handle(first)
    expect(sold).toBe(before + 1)
    at.time.advance(5000)
    await at.handle(taps(7, 'order'))
    expect(sold).toBe(before + 2)
    await at.guard.close()
  })
})
