import type { MaybePromise } from '../../src/core/check.js'
import { Deadline, Deadlines } from '../../src/core/deadlines.js'
import { BoundedCall, Call } from '../../src/storage/resilient/timed-calls.js'
import { Stage } from '../middleware/rig.js'
import { onWorkers } from '../on-workers.js'
import { settled } from './outage.js'

interface Outcome {
  answered?(): void
  failed(error: unknown): string
  late?(value: string): void
}

function inTime(answer: Promise<string>, deadlines: Deadlines, outcome: Outcome): Promise<string> {
  class Told extends Call<string> {
    protected override answered(): void {
      outcome.answered?.()
    }

    protected override failed(error: unknown): MaybePromise<string> {
      return outcome.failed(error)
    }

    protected override late(value: string): void {
      outcome.late?.(value)
    }
  }
  return new Told(deadlines).wait(answer)
}

class Noted extends Deadline {
  constructor(private readonly note: () => void) {
    super()
  }

  override expire(): void {
    this.note()
  }
}

/** A clock and one timer, which fires when told: late, as if the process had been suspended. */
function stood() {
  let now = 0
  let due: { run: () => void; in: number } | undefined
  const timers = {
    after(ms: number, run: () => void) {
      due = { run, in: ms }
      return () => {
        due = undefined
      }
    },
  }
  return {
    deadlines: new Deadlines(250, () => now, timers),
    set(to: number) {
      now = to
    },
    armed: () => due?.in,
    fire() {
      const timer = due
      due = undefined
      timer?.run()
    },
  }
}

test('after a pause of the process, answers are read before any call times out', async () => {
  const { deadlines, set, armed, fire } = stood()
  let answer: (value: string) => void = () => undefined
  const asked = new Promise<string>((done) => {
    answer = done
  })
  const told: string[] = []
  const waiting = inTime(asked, deadlines, {
    answered: () => told.push('answered'),
    failed: () => 'instead',
  })
  set(1000)
  fire()
  expect(armed()).toBe(1)
  answer('in time')
  expect(await waiting).toBe('in time')
  expect(told).toEqual(['answered'])
})

test('after a pause of the process, calls wait for one turn at most', async () => {
  const { deadlines, set, fire } = stood()
  const waiting = inTime(new Promise<string>(() => undefined), deadlines, {
    failed: (error) => (error as Error).message,
  })
  set(1000)
  fire()
  set(1001)
  fire()
  expect(await waiting).toBe('no answer within 250 ms')
})

test('putting the clock back does not extend a timeout', () => {
  const { deadlines, set, armed, fire } = stood()
  const expired: number[] = []
  set(10_000)
  deadlines.add(new Noted(() => expired.push(1)))
  set(10_100)
  deadlines.add(new Noted(() => expired.push(2)))
  set(10_250)
  fire()
  set(0)
  fire()
  expect(armed()).toBe(250)
  expect(expired).toEqual([1])
})

test('removing any entry keeps the others in order', () => {
  const { deadlines, set, fire, armed } = stood()
  const expired: number[] = []
  const all = Array.from({ length: 6 }, (_, i) => new Noted(() => expired.push(i)))
  for (const [at, deadline] of all.entries()) {
    set(at)
    deadlines.add(deadline)
  }
  for (const i of [0, 3, 5]) expect(deadlines.meet(all[i] as Deadline)).toBe(true)
  expect(deadlines.meet(all[3] as Deadline)).toBe(false)
  expect(deadlines.size).toBe(3)
  set(254)
  fire()
  expect(expired).toEqual([1, 2, 4])
  expect([deadlines.size, armed()]).toEqual([0, undefined])
})

test('an answer after the deadline is reported as late, an error after it is ignored', async () => {
  const { deadlines, set, fire } = stood()
  const late: string[] = []
  const settlers: { done: (value: string) => void; fail: (error: unknown) => void }[] = []
  const ask = (): Promise<string> =>
    inTime(new Promise<string>((done, fail) => settlers.push({ done, fail })), deadlines, {
      failed: () => 'instead',
      late: (value) => late.push(value),
    })
  const asked = [ask(), ask()]
  set(250)
  fire()
  expect(await Promise.all(asked)).toEqual(['instead', 'instead'])
  settlers[0]?.done('late')
  settlers[1]?.fail(new Error('late, too'))
  await settled()
  expect(late).toEqual(['late'])
})

describe('where timers end with the request that set them', () => {
  onWorkers()

  test.each(['value', 'error'])('an answer after a standstill arrives: %s', async (how) => {
    const time = new Stage()
    const deadlines = new Deadlines(250, time.clock, time.timers)
    let settle: (way: string) => void = () => undefined
    const answer = new Promise<string>((fulfil, reject) => {
      settle = (way) => (way === 'value' ? fulfil('value') : reject(new Error('error')))
    })
    let outcome = 'none'
    new BoundedCall<string>(deadlines).wait(answer).then(
      (value) => {
        outcome = value
      },
      (error: Error) => {
        outcome = error.message
      },
    )
    // The process stood still. Another call comes before the answer is read.
    time.now += 75_000
    await new BoundedCall<string>(deadlines).wait(Promise.resolve(''))
    settle(how)
    await settled()
    time.advance(600_000)
    await settled()
    expect(outcome).toBe(how)
  })
})
