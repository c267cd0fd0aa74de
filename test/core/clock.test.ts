import { jest } from '@jest/globals'
import { ofAnyLength, quietTimers, systemTimers, type Timers } from '../../src/core/clock.js'

import type { SentinelOptions } from '../../src/index.js'
import { desk, tick } from '../sentinel/desk.js'

const DAY = 86_400_000
/** The longest delay that `setTimeout` accepts. */
const LONGEST = 2 ** 31 - 1

/** Custom timers that run at once after a delay that is too long for `setTimeout`, as Node does. */
class Strict implements Timers {
  readonly asked: number[] = []
  private readonly due: { at: number; run: () => void }[] = []
  private now = 0

  after(ms: number, run: () => void): () => void {
    this.asked.push(ms)
    const timer = { at: this.now + (ms > LONGEST ? 1 : ms), run }
    this.due.push(timer)
    return () => void this.due.splice(this.due.indexOf(timer), 1)
  }

  get size(): number {
    return this.due.length
  }

  to(end: number): void {
    for (;;) {
      const [next] = this.due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.due.splice(this.due.indexOf(next), 1)
      this.now = next.at
      next.run()
    }
    this.now = end
  }
}

describe.each([
  ['systemTimers', systemTimers],
  ['quietTimers', quietTimers],
])('%s', (_, timers) => {
  beforeEach(() => void jest.useFakeTimers())
  afterEach(() => void jest.useRealTimers())

  test.each([1, 24, 25, 30, 60, 400])('wait for %i days', (days) => {
    let runs = 0
    timers.after(days * DAY, () => runs++)
    jest.advanceTimersByTime(days * DAY - 1)
    expect(runs).toBe(0)
    jest.advanceTimersByTime(1)
    expect(runs).toBe(1)
    expect(jest.getTimerCount()).toBe(0)
  })

  test.each([0, 30])('can be cancelled after %i of sixty days', (after) => {
    let runs = 0
    const callOff = timers.after(60 * DAY, () => runs++)
    jest.advanceTimersByTime(after * DAY)
    callOff()
    expect(jest.getTimerCount()).toBe(0)
    jest.advanceTimersByTime(60 * DAY)
    expect(runs).toBe(0)
  })

  test('never run a callback after an infinite delay', () => {
    let runs = 0
    const callOff = timers.after(Number.POSITIVE_INFINITY, () => runs++)
    jest.advanceTimersByTime(100 * DAY)
    expect(runs).toBe(0)
    callOff()
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('custom timers', () => {
  test('receive no delay longer than setTimeout accepts, and the whole delay is waited for', () => {
    const own = new Strict()
    let runs = 0
    ofAnyLength(own).after(60 * DAY, () => runs++)
    own.to(60 * DAY - 1)
    expect(runs).toBe(0)
    own.to(60 * DAY)
    expect(runs).toBe(1)
    expect(own.asked).toEqual([LONGEST, LONGEST, 60 * DAY - 2 * LONGEST])
  })

  test('are called once for a delay that setTimeout accepts', () => {
    const own = new Strict()
    ofAnyLength(own).after(LONGEST, () => undefined)
    expect(own.asked).toEqual([LONGEST])
  })

  test.each([
    ['a hook', (run) => ({ hooks: { allowed: { name: 'bouncer', timeout: '30d', run } } })],
    ['a resolver of auth', (run) => ({ auth: { registration: 'auto', timeout: '30d', resolve: run } })],
  ] satisfies [string, (run: () => Promise<never>) => SentinelOptions][])(
    'wait thirty days for %s',
    async (_, options) => {
      const timers = new Strict()
      let asked = false
      const failed: unknown[] = []
      const at = desk({
        timers,
        ...options(() => {
          asked = true
          return new Promise(() => undefined)
        }),
      })
      at.guard.on('error', ({ error }) => failed.push(error))
      const said = at.says(7, 'hello')
      while (!asked) await tick()
      timers.to(30 * DAY - 1)
      await tick()
      expect(failed).toEqual([])
      timers.to(30 * DAY)
      await said
      expect(failed).toHaveLength(1)
      expect(Math.max(...timers.asked)).toBe(LONGEST)
    },
  )
})
