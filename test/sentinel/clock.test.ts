import { jest } from '@jest/globals'
import { localClock } from '../../src/core/clock.js'
import { requireRole } from '../../src/index.js'
import { type Desk, desk, says, tick } from './desk.js'

const ALICE = 7
const MINUTE = 60_000
const HOUR = 60 * MINUTE

const isAsked = ({ method }: Desk['calls'][number]) => method === 'getChatAdministrators'

describe('after the clock was set back by an hour', () => {
  test('notices are sent as often as before, and counted against the same budget', async () => {
    const { guard, says, time, notices, quiet } = desk({
      throttle: { limit: '1/10s', noticeEvery: '30s' },
      notices: { budget: '2/1m' },
    })
    const isNoticed = async (from: number) => {
      const before = notices.length
      await says(from, 'one', 'two')
      await quiet()
      return notices.length > before
    }
    expect(await isNoticed(1)).toBe(true)
    time.now -= HOUR
    expect([await isNoticed(2), await isNoticed(3)]).toEqual([true, false])
    for (let nth = 4; nth < 10; nth++) {
      time.advance(MINUTE)
      expect(await isNoticed(nth)).toBe(true)
    }
    expect((await guard.health()).unsaid).toBe(1)
    await guard.close()
  })

  test("a chat's administrators are remembered for ten minutes, and no longer", async () => {
    const { guard, handle, time, calls } = desk({}, (bot) =>
      bot.command('close', requireRole('chat:administrator'), () => undefined),
    )
    const asked = async () => {
      await handle(says(ALICE, '/close', { group: true }))
      return calls.filter(isAsked).length
    }
    expect(await asked()).toBe(1)
    time.now -= HOUR
    expect(await asked()).toBe(1)
    time.advance(10 * MINUTE - 1)
    expect(await asked()).toBe(1)
    time.advance(1)
    expect(await asked()).toBe(2)
    await guard.close()
  })

  test('a guard in front of a handler sends its notice again', async () => {
    const { guard, says, time, notices, quiet } = desk({ roles: { owner: {} } }, (bot) =>
      bot.command('close', requireRole('owner'), () => undefined),
    )
    const isNoticed = async () => {
      const before = notices.length
      await says(ALICE, '/close')
      await quiet()
      return notices.length > before
    }
    expect(await isNoticed()).toBe(true)
    time.now -= HOUR
    expect(await isNoticed()).toBe(false)
    time.advance(MINUTE)
    expect(await isNoticed()).toBe(true)
    await guard.close()
  })

  test('concurrency sends its notice again', async () => {
    const { guard, says, time, notices, quiet } = desk(
      { concurrency: { queue: 0, noticeEvery: '10s' } },
      (bot) => bot.command('hang', () => new Promise(() => undefined)),
    )
    void says(ALICE, '/hang')
    await quiet()
    const isNoticed = async () => {
      const before = notices.length
      await says(ALICE, 'hello')
      await quiet()
      return notices.length > before
    }
    expect(await isNoticed()).toBe(true)
    time.now -= HOUR
    expect(await isNoticed()).toBe(false)
    time.advance(10_000)
    expect(await isNoticed()).toBe(true)
    await guard.close()
  })

  test('a handler that hangs loses its place at the deadline, and not an hour later', async () => {
    const { guard, says, time, reached } = desk({ concurrency: { deadline: '1m', maxWait: '2m' } }, (bot) =>
      bot.command('hang', () => new Promise(() => undefined)),
    )
    guard.on('overdue', () => undefined)
    void says(ALICE, '/hang')
    await tick()
    time.now -= HOUR
    const waiting = says(ALICE, 'hello')
    await tick()
    expect(reached).toEqual(['/hang'])
    time.advance(MINUTE)
    await waiting
    expect(reached).toEqual(['/hang', 'hello'])
    await guard.close()
  })

  test('errors without a listener are still written to the console', async () => {
    const written = jest.spyOn(console, 'error').mockImplementation(() => undefined)
    try {
      const { guard, says, time, quiet } = desk({
        throttle: {
          limit: '1/1h',
          deny: () => {
            throw new Error('out of order')
          },
        },
      })
      const fails = async () => {
        await says(ALICE, 'hello')
        await quiet()
        return written.mock.calls.length
      }
      await says(ALICE, 'hello')
      expect(await fails()).toBe(1)
      time.now -= HOUR
      expect(await fails()).toBe(1)
      time.advance(10_000)
      expect(await fails()).toBe(2)
      await guard.close()
    } finally {
      written.mockRestore()
    }
  })
})

test('local time follows a given clock, and stands still while that goes back', () => {
  let now = 1000
  const clock = localClock(() => now)
  const readings = [0, 500, -3000, 0, 20, -1, 7].map((step) => {
    now += step
    return clock()
  })
  expect(readings).toEqual([1000, 1500, 1500, 1500, 1520, 1520, 1527])
})

test('without a given clock, local time does not depend on the system time', () => {
  const clock = localClock()
  const before = clock()
  const set = jest.spyOn(Date, 'now').mockReturnValue(0)
  try {
    expect(clock() - before).toBeGreaterThanOrEqual(0)
    expect(clock() - before).toBeLessThan(MINUTE)
  } finally {
    set.mockRestore()
  }
})
