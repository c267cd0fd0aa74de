import { Deadline, Deadlines } from '../../src/core/deadlines.js'
import { Stage } from '../middleware/rig.js'
import { onWorkers } from '../on-workers.js'

class Noted extends Deadline {
  constructor(private readonly note: () => void) {
    super()
  }

  override expire(): void {
    this.note()
  }
}

/** Deadlines with a timer each, numbered in the order of adding, and those that have expired. */
function apart(span: number) {
  const time = new Stage()
  const deadlines = new Deadlines(span, time.clock, time.timers, true)
  const expired: number[] = []
  let count = 0
  return {
    time,
    deadlines,
    expired,
    add(): Deadline {
      const number = ++count
      const deadline = new Noted(() => expired.push(number))
      deadlines.add(deadline)
      return deadline
    },
  }
}

function expiresInAnyCase(): void {
  test('a deadline expires, also if another one is added more than a minute after it', () => {
    const { time, expired, add } = apart(90_000)
    add()
    time.advance(62_000)
    add()
    time.advance(28_000)
    expect(expired).toEqual([1])
    time.advance(62_000)
    expect(expired).toEqual([1, 2])
  })

  test('a deadline expires, also if the process stood still and another one is added before the timers fire', () => {
    const { time, expired, add } = apart(10_000)
    add()
    time.now += 75_000
    add()
    time.advance(0)
    expect(expired).toEqual([1])
    time.advance(10_000)
    expect(expired).toEqual([1, 2])
  })

  test('a deadline that was met in time does not expire', () => {
    const { time, expired, add, deadlines } = apart(90_000)
    const first = add()
    time.advance(62_000)
    add()
    expect(deadlines.meet(first)).toBe(true)
    time.advance(90_000)
    expect(expired).toEqual([2])
  })
}

describe('deadlines with a timer each', expiresInAnyCase)

describe('where timers end with the request that set them', () => {
  onWorkers()

  expiresInAnyCase()

  test('deadlines whose timers have ended are forgotten and do not expire', () => {
    const { time, expired, add, deadlines } = apart(10_000)
    for (let i = 0; i < 5; i++) add()
    time.forget()
    time.advance(70_001)
    add()
    expect(deadlines.size).toBe(1)
    time.advance(10_000)
    expect(deadlines.size).toBe(0)
    expect(expired).toEqual([6])
  })

  test('a forgotten deadline that is met after a standstill does not expire', () => {
    const { time, expired, add, deadlines } = apart(10_000)
    const first = add()
    // The process stood still: timers are due, but none has run.
    time.now += 75_000
    add()
    expect(deadlines.size).toBe(1)
    expect(deadlines.meet(first)).toBe(true)
    expect(deadlines.meet(first)).toBe(false)
    time.advance(10_000)
    expect(expired).toEqual([2])
  })

  test('a forgotten deadline that has expired after a standstill is not met', () => {
    const { time, expired, add, deadlines } = apart(10_000)
    const first = add()
    time.now += 75_000
    add()
    time.advance(0)
    expect(expired).toEqual([1])
    expect(deadlines.meet(first)).toBe(false)
  })
})
