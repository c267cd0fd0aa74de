import fc from 'fast-check'
import { type Api, Context } from 'grammy'
import type { UserFromGetMe } from 'grammy/types'
import { ofAnyLength } from '../../src/core/clock.js'
import { describe as describeUpdate } from '../../src/core/facts.js'
import { ALLOWED } from '../../src/core/verdict.js'
import { type ControlHost, SentinelControl } from '../../src/middleware/chain/control.js'
import { Bursts, type Part } from '../../src/middleware/debounce/burst.js'
import type { EarlierBursts } from '../../src/middleware/debounce/earlier-bursts.js'
import { HandTime } from './debounce-time.js'

const QUIET = 100
const MOST = 350
const DEADLINE = 60_000
const KEYS = ['a', 'b', 'c'] as const
type KeyName = (typeof KEYS)[number]

/** Runs all pending promise callbacks. */
const settled = () => new Promise(setImmediate)

interface Call {
  readonly key: KeyName
  /** Update ids, in the order in which the handlers received them. */
  readonly ids: readonly number[]
  readonly command: boolean
  readonly at: number
  readonly finish: (fails: boolean) => void
}

interface Message {
  readonly id: number
  readonly at: number
  readonly command: boolean
}

const NOBODY: ControlHost = {
  limitsOf: () => [],
  refund: () => false,
  denyAdmitted: () => undefined,
  can: () => false,
  hasRole: () => false,
}

function partOf(id: number): Omit<Part, 'next'> {
  const ctx = new Context({ update_id: id }, {} as Api, {} as UserFromGetMe)
  const facts = describeUpdate(ctx.update)
  return { ctx, control: new SentinelControl(facts, ctx, ALLOWED, undefined, NOBODY, undefined) }
}

/** Bursts under test, with handlers that end when told to. */
class Bench {
  readonly time = new HandTime()
  bursts: Bursts
  /** Bursts of earlier options, until they are drained. */
  readonly earlier = new Set<EarlierBursts>()
  readonly drained: Promise<void>[] = []
  readonly calls: Call[] = []
  readonly errors: unknown[] = []
  /** Update ids of handlers that took too long. */
  readonly overdue: number[] = []
  readonly running = new Set<Call>()
  /** Accepted messages that have not been passed to handlers yet, by key and in order. */
  readonly waiting = new Map<KeyName, Message[]>(KEYS.map((key) => [key, []]))
  /** Calls that began while another call of the same key ran. */
  besides = 0
  private id = 0

  constructor(
    private readonly maxSize: number,
    private readonly maxKeys: number,
  ) {
    this.bursts = this.make()
  }

  /** Replaces the bursts by new ones, and drains the old ones. */
  reconfigure(): void {
    this.drained.push(this.bursts.drain())
    this.bursts = this.make()
  }

  private make(): Bursts {
    const { clock, timers } = this.time
    const failed = async (error: unknown): Promise<void> => {
      this.errors.push(error)
    }
    const { maxSize, maxKeys, earlier } = this
    return new Bursts({
      ...{ clock, timers, maxSize, maxKeys, failed, earlier },
      deadline: DEADLINE,
      overdue: ({ ctx }, ms) => {
        expect(ms).toBeGreaterThanOrEqual(DEADLINE)
        this.overdue.push(ctx.update.update_id)
      },
    })
  }

  /** Delivers a message or a command; returns whether it was held back. */
  comes(key: KeyName, command = false, id = ++this.id): boolean {
    const part = this.part(key, command, id)
    // Recorded before the call, as it may be handled at once.
    const waiting = this.waiting.get(key) as Message[]
    waiting.push({ id, at: this.time.now, command })
    const taken = command
      ? this.bursts.follow(key, part)
      : this.bursts.hold(key, part, { quiet: QUIET, most: MOST })
    if (!taken) waiting.pop()
    return taken
  }

  runningOf(key: KeyName): number {
    return [...this.running].filter((call) => call.key === key).length
  }

  async finishAll(): Promise<void> {
    while (this.running.size > 0) {
      for (const call of this.running) call.finish(false)
      await settled()
    }
  }

  private part(key: KeyName, command: boolean, id: number): Part {
    const { ctx, control } = partOf(id)
    const next = () =>
      new Promise<void>((resolve, reject) => {
        const given = control.burst ?? [ctx]
        expect(given.at(-1)).toBe(ctx)
        expect(control.burst === undefined).toBe(command)
        const call: Call = {
          key,
          command,
          ids: given.map((each) => each.update.update_id),
          at: this.time.now,
          finish: (fails) => {
            this.running.delete(call)
            if (fails) reject(new Error('failed'))
            else resolve()
          },
        }
        if (this.runningOf(key) > 0) this.besides++
        this.running.add(call)
        this.calls.push(call)
        // In order and each once: handlers receive exactly the messages that have waited longest.
        const waiting = this.waiting.get(key) as Message[]
        expect(call.ids).toEqual(waiting.splice(0, call.ids.length).map((message) => message.id))
      })
    return { ctx, next, control }
  }
}

type Step =
  | { readonly do: 'message' | 'command'; readonly key: KeyName }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'finish'; readonly which: number; readonly fails: boolean }

const key = fc.constantFrom(...KEYS)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('message' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('command' as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 150 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(), fails: fc.boolean() }),
  },
)

test('with random arrivals, each message is handled once, in order, in time and within bounds', async () => {
  const schedule = fc.record({
    steps: fc.array(step, { maxLength: 60 }),
    maxSize: fc.integer({ min: 1, max: 5 }),
    // Either so few that the oldest must make room, or enough for all.
    maxKeys: fc.constantFrom(1, 2, 3, 1000),
  })
  await fc.assert(
    fc.asyncProperty(schedule, async ({ steps, maxSize, maxKeys }) => {
      const bench = new Bench(maxSize, maxKeys)
      let failures = 0
      let taken = 0
      for (const each of steps) {
        if (each.do === 'pass') bench.time.pass(each.ms)
        else if (each.do === 'finish') {
          const call = [...bench.running][each.which % Math.max(1, bench.running.size)]
          if (call !== undefined && each.fails) failures++
          call?.finish(each.fails)
        } else {
          const busy = bench.runningOf(each.key) > 0 || bench.waiting.get(each.key)?.length !== 0
          const command = each.do === 'command'
          const over = bench.comes(each.key, command)
          expect(over).toBe(!command || busy)
          if (over) taken++
        }
        await settled()
        expect(bench.bursts.size).toBeLessThanOrEqual(maxKeys)
        // At most one timer for each waiting key: for its window, or for the handlers before it.
        expect(bench.time.pending).toBeLessThanOrEqual(KEYS.length)
        for (const key of KEYS) {
          const [first, ...rest] = bench.waiting.get(key) as Message[]
          if (first === undefined || bench.runningOf(key) > 0) continue
          // A burst that waits while no handler of its key runs is neither due nor full, and no command.
          const last = rest.at(-1) ?? first
          expect(bench.time.now).toBeLessThan(Math.min(first.at + MOST, last.at + QUIET))
          expect(rest.length + 1).toBeLessThan(maxSize)
          expect([first, ...rest].some(({ command }) => command)).toBe(false)
        }
      }
      if (maxKeys === 1000) expect(bench.besides).toBe(0)
      let isDrained = false
      const drained = bench.bursts.drain().then(() => {
        isDrained = true
      })
      await settled()
      // A later message passes on its own or in its turn: never while a handler of its key runs.
      for (const command of [false, false, true]) {
        const busy = bench.runningOf('a') > 0
        expect(bench.comes('a', command)).toBe(busy)
        if (busy) taken++
      }
      while (bench.running.size > 0) {
        expect(isDrained).toBe(false)
        for (const call of bench.running) call.finish(false)
        await settled()
      }
      await drained
      expect(bench.bursts.size).toBe(0)
      expect(bench.time.pending).toBe(0)
      expect([...bench.waiting.values()].flat()).toEqual([])
      expect(bench.calls.flatMap(({ ids }) => ids)).toHaveLength(taken)
      expect(bench.calls.every(({ ids }) => ids.length <= maxSize)).toBe(true)
      expect(bench.errors).toHaveLength(failures)
    }),
    { numRuns: 300 },
  )
})

test('with random arrivals and reconfigurations, each message is handled once, in order, and never two of a key at once', async () => {
  const change = fc.constant({ do: 'reconfigure' as const })
  const steps = fc.array(fc.oneof({ weight: 8, arbitrary: step }, { weight: 1, arbitrary: change }), {
    maxLength: 60,
  })
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (steps, maxSize) => {
      const bench = new Bench(maxSize, 1000)
      let taken = 0
      for (const each of steps) {
        if (each.do === 'pass') bench.time.pass(each.ms)
        else if (each.do === 'finish')
          [...bench.running][each.which % Math.max(1, bench.running.size)]?.finish(each.fails)
        else if (each.do === 'reconfigure') bench.reconfigure()
        else {
          const busy = bench.runningOf(each.key) > 0 || bench.waiting.get(each.key)?.length !== 0
          const command = each.do === 'command'
          const over = bench.comes(each.key, command)
          expect(over).toBe(!command || busy)
          if (over) taken++
        }
        await settled()
      }
      bench.reconfigure()
      await settled()
      await bench.finishAll()
      await Promise.all(bench.drained)
      expect(bench.besides).toBe(0)
      expect(bench.earlier.size).toBe(0)
      expect(bench.time.pending).toBe(0)
      expect([...bench.waiting.values()].flat()).toEqual([])
      expect(bench.calls.flatMap(({ ids }) => ids)).toHaveLength(taken)
    }),
    { numRuns: 200 },
  )
})

test('behind a hanging handler of earlier options one burst waits, and collects no further messages', async () => {
  const bench = new Bench(10, 1000)
  bench.comes('a')
  bench.reconfigure()
  for (let nth = 0; nth < 5; nth++) {
    bench.comes('a')
    bench.time.pass(QUIET)
    await settled()
  }
  expect(bench.calls).toHaveLength(1)
  expect([bench.bursts.handled, bench.bursts.size]).toEqual([0, 2])
  await bench.finishAll()
  expect(bench.calls.map(({ ids }) => ids)).toEqual([[1], [2], [3, 4, 5, 6]])
})

test('a message that arrives during a drain waits only for its turn', async () => {
  const bench = new Bench(10, 1000)
  bench.comes('a')
  const drained = bench.bursts.drain()
  await settled()
  expect([bench.comes('a'), bench.comes('a'), bench.comes('a', true), bench.comes('b')]).toEqual([
    true,
    true,
    true,
    false,
  ])
  await settled()
  expect(bench.calls.map(({ ids }) => ids)).toEqual([[1]])
  await bench.finishAll()
  await drained
  expect(bench.calls.map(({ ids }) => ids)).toEqual([[1], [2, 3], [4]])
  expect(bench.besides).toBe(0)
})

describe('handlers that hang', () => {
  test('keep the next burst waiting until their deadline, and are reported; that they end later changes nothing', async () => {
    const bench = new Bench(10, 1000)
    bench.comes('a')
    bench.time.pass(QUIET)
    await settled()
    const [hung] = bench.calls
    bench.time.pass(DEADLINE - 1)
    bench.comes('a')
    bench.comes('a', true)
    await settled()
    expect(bench.overdue).toEqual([])
    bench.time.pass(1)
    await settled()
    expect(bench.overdue).toEqual([1])
    expect(bench.calls.map(({ ids }) => ids)).toEqual([[1], [2]])
    hung?.finish(false)
    await settled()
    // The command waits for the second call.
    expect(bench.calls).toHaveLength(2)
    await bench.finishAll()
    expect(bench.calls.map(({ ids }) => ids)).toEqual([[1], [2], [3]])
    expect(bench.time.pending).toBe(0)
  })

  test('need no timer while nothing waits, and are reported when a burst waits for them', async () => {
    const bench = new Bench(10, 1000)
    bench.comes('a')
    bench.time.pass(QUIET)
    await settled()
    expect(bench.time.pending).toBe(0)
    bench.time.pass(DEADLINE)
    expect(bench.overdue).toEqual([])
    bench.comes('a', true)
    await settled()
    expect(bench.overdue).toEqual([1])
    expect(bench.calls.map(({ ids }) => ids)).toEqual([[1], [2]])
    await bench.finishAll()
  })

  test('of earlier options keep nothing waiting past their deadline, and are not reported again', async () => {
    const bench = new Bench(10, 1000)
    bench.comes('a')
    bench.reconfigure()
    await settled()
    bench.comes('a')
    bench.time.pass(QUIET)
    await settled()
    bench.comes('a', true)
    bench.time.pass(DEADLINE - QUIET)
    await settled()
    expect(bench.overdue).toEqual([1])
    expect(bench.calls.map(({ ids }) => ids)).toEqual([[1], [2]])
    bench.time.pass(DEADLINE)
    await settled()
    expect(bench.overdue).toEqual([1, 2])
    expect(bench.calls.map(({ ids }) => ids)).toEqual([[1], [2], [3]])
    await bench.finishAll()
    await Promise.all(bench.drained)
    expect(bench.time.pending).toBe(0)
  })

  test('do not delay the next burst longer if the clock is put back', async () => {
    const bench = new Bench(10, 1000)
    bench.comes('a')
    bench.time.pass(QUIET)
    await settled()
    bench.time.now -= 1_000_000
    bench.comes('a')
    await settled()
    bench.time.pass(DEADLINE)
    await settled()
    expect(bench.overdue).toEqual([1])
    expect(bench.calls).toHaveLength(2)
    await bench.finishAll()
  })
})

test('no burst fires before its time, unless it is full', async () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(gaps, fc.integer({ min: 2, max: 8 }), async (gaps, maxSize) => {
      const bench = new Bench(maxSize, 1000)
      const cameAt: number[] = []
      for (const gap of gaps) {
        bench.comes('a')
        cameAt.push(bench.time.now)
        await settled()
        for (let ms = 0; ms < gap; ms++) {
          bench.time.pass(1)
          await bench.finishAll()
        }
        await bench.finishAll()
      }
      for (const { ids, at } of bench.calls) {
        const first = cameAt[(ids[0] as number) - 1] as number
        const last = cameAt[(ids.at(-1) as number) - 1] as number
        const due = ids.length === maxSize ? last : Math.min(first + MOST, last + QUIET)
        expect(at).toBe(due)
      }
    }),
    { numRuns: 100 },
  )
})

test('updates that arrive out of order are sorted', async () => {
  const bench = new Bench(10, 10)
  const waiting = bench.waiting.get('a') as Message[]
  for (const id of [2, 4, 1, 3]) bench.comes('a', false, id)
  waiting.sort((a, b) => a.id - b.id)
  bench.time.pass(QUIET)
  await settled()
  expect(bench.calls.map(({ ids }) => ids)).toEqual([[1, 2, 3, 4]])
  await bench.finishAll()
})

test('putting the clock back does not hold a burst for longer', async () => {
  const time = new HandTime()
  let back = 0
  const bursts = new Bursts({
    clock: () => time.now - back,
    timers: time.timers,
    maxSize: 10,
    maxKeys: 10,
    failed: async () => {},
    earlier: new Set(),
    deadline: DEADLINE,
    overdue: () => undefined,
  })
  let handled = false
  const next = async () => {
    handled = true
  }
  bursts.hold('a', { ...partOf(1), next }, { quiet: QUIET, most: MOST })
  back = 3_600_000
  time.pass(QUIET)
  // Not a timer of an hour: the window just starts again.
  time.pass(QUIET)
  await settled()
  expect(handled).toBe(true)
})

test('a wait longer than a timer allows is split into several', async () => {
  const time = new HandTime()
  const { clock } = time
  const timers = ofAnyLength(time.timers)
  const bursts = new Bursts({
    clock,
    timers,
    maxSize: 10,
    maxKeys: 10,
    failed: async () => {},
    earlier: new Set(),
    deadline: DEADLINE,
    overdue: () => undefined,
  })
  let handled = false
  const next = async () => {
    handled = true
  }
  const month = 30 * 86_400_000
  bursts.hold('a', { ...partOf(1), next }, { quiet: month, most: month })
  time.pass(month - 1)
  await settled()
  expect(handled).toBe(false)
  time.pass(1)
  await settled()
  expect(handled).toBe(true)
  expect(time.armed).toBe(2)
})
