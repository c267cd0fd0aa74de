import fc from 'fast-check'
import type { Timers } from '../../src/core/clock.js'
import { GapRetries } from '../../src/mtproto/client/updates/gap-retries.js'
import { Gaps } from '../../src/mtproto/client/updates/gaps.js'
import { Handling } from '../../src/mtproto/client/updates/handling.js'
import { Progress } from '../../src/mtproto/client/updates/progress.js'
import { Stage } from '../middleware/rig.js'

type Step =
  | { readonly do: 'begin' | 'reach' | 'freeze'; readonly box: number }
  | { readonly do: 'end'; readonly box: number; readonly which: number }

const box = fc.integer({ min: 0, max: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('begin' as const), box }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reach' as const), box }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('end' as const), box, which: fc.nat(20) }) },
)

test('a saved position never covers an update that is being handled, and finally covers all', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const failures: unknown[] = []
      const progress = new Progress((error) => failures.push(error))
      /** Per box: the number of updates begun, the open ones, and what was saved last. */
      const boxes = [0, 1, 2].map(() => ({
        begun: 0,
        open: new Map<number, () => void>(),
        written: 0,
        reached: 0,
      }))
      for (const each of steps) {
        const own = boxes[each.box] as (typeof boxes)[number]
        if (each.do === 'begin') own.open.set(++own.begun, progress.begin(each.box))
        else if (each.do === 'reach') {
          const covers = own.begun
          own.reached = covers
          await progress.reached(each.box, 'pts', async () => {
            for (const number of own.open.keys()) expect(number).toBeGreaterThan(covers)
            expect(covers).toBeGreaterThanOrEqual(own.written)
            own.written = covers
          })
        } else if (each.do === 'end') {
          const numbers = [...own.open.keys()]
          const number = numbers[each.which % Math.max(1, numbers.length)]
          if (number === undefined) continue
          const end = own.open.get(number)
          own.open.delete(number)
          end?.()
          // A second call has no effect.
          end?.()
          await progress.settled()
        }
      }
      for (const own of boxes) {
        const open = [...own.open.values()]
        own.open.clear()
        for (const end of open) end()
      }
      await progress.settled()
      expect(failures).toEqual([])
      expect(progress.open).toBe(0)
      for (const { reached, written } of boxes) expect(written).toBe(reached)
    }),
  )
})

test('an update that never ends holds up only its own box', async () => {
  const progress = new Progress(() => undefined)
  const written: string[] = []
  progress.begin(1)
  for (let n = 0; n < 5000; n++) {
    const end = progress.begin(1)
    await progress.reached(1, 'pts', async () => written.push(`1: ${n}`))
    end()
  }
  const end = progress.begin(2)
  await progress.reached(2, 'pts', async () => written.push('2'))
  end()
  await progress.settled()
  expect(written).toEqual(['2'])
  expect(progress.open).toBe(1)
})

test('after freeze() no later position is saved, and failed writes are reported', async () => {
  const failures: unknown[] = []
  const progress = new Progress((error) => failures.push(error))
  const written: string[] = []
  const end = progress.begin(0)
  await progress.reached(0, 'pts', async () => written.push('earlier'))
  await progress.reached(0, 'qts', () => Promise.reject(new Error('no room on the disk')))
  progress.freeze()
  await progress.reached(0, 'pts', async () => written.push('later'))
  end()
  await progress.settled()
  expect(written).toEqual(['earlier'])
  expect(failures).toEqual([new Error('no room on the disk')])
})

test('eight channels are caught up concurrently, the rest in turn; a gap is counted once, whatever the number of answers', async () => {
  let now = 0
  const never = () => {
    throw new Error('nothing was refused')
  }
  const gaps = new Gaps(
    () => now,
    () => undefined,
    new GapRetries({ timers: { after: never }, readyIn: never, again: never, failed: never }),
  )
  const told: unknown[] = []
  gaps.onRecovered = (ms, of) => told.push([of, ms])
  const go: ((answer: unknown) => void)[] = []
  const ask = (channelId: number): Promise<unknown> =>
    Promise.resolve(
      gaps.watching(
        {
          request: {
            _: 'updates.getChannelDifference',
            channel: { _: 'inputChannel', channelId },
            force: true,
          },
        } as never,
        () => new Promise((resolve) => go.push(resolve)),
      ),
    )
  const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
  const asked = Array.from({ length: 20 }, (_, n) => ask(n + 1))
  await turn()
  expect(go).toHaveLength(8)
  now = 70
  go[0]?.({ _: 'updates.channelDifference', final: false, newMessages: [{}], otherUpdates: [] })
  await turn()
  expect([go.length, gaps.count]).toEqual([9, 0])
  const more = ask(1)
  for (let n = 1; n < 21; n++) {
    const { length } = go
    now = 100
    go[n]?.(
      n === 20
        ? { _: 'updates.channelDifference', final: true, newMessages: [], otherUpdates: [] }
        : { _: 'updates.channelDifferenceEmpty', final: true },
    )
    await turn()
    expect(go.length).toBeLessThanOrEqual(Math.min(21, length + 1))
  }
  await Promise.all([...asked, more])
  expect([gaps.count, gaps.recoveryMs, told]).toEqual([1, 100, [['channel', 100]]])
})

test('500 updates are handled concurrently and in order; failures are reported and count as handled; drain() waits for a limited time', async () => {
  const failures: unknown[] = []
  const progress = new Progress((error) => failures.push(error))
  const handling = new Handling(progress, (error) => failures.push(error))
  const began: number[] = []
  const go: (() => void)[] = []
  const hand = (n: number): void =>
    handling.hand(1, undefined, () => {
      began.push(n)
      return n === 3
        ? Promise.reject(new Error('a handler'))
        : new Promise<void>((resolve) => go.push(resolve))
    })
  const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
  for (let n = 0; n < 1500; n++) hand(n)
  await turn()
  // The failed update has left its place to another one.
  expect(began).toEqual(Array.from({ length: 501 }, (_, n) => n))
  expect(failures).toEqual([new Error('a handler')])
  expect(progress.open).toBe(1499)
  expect(handling.room()).toBeUndefined()
  hand(1500)
  const room = handling.room()
  expect(room).toBeInstanceOf(Promise)
  go[0]?.()
  await room
  let due: () => void = () => undefined
  const timers: Timers = {
    after: (_, run) => {
      due = run
      return () => undefined
    },
  }
  const late = handling.drain(10_000, timers)
  due()
  expect(await late).toBe(false)
  const whole = handling.drain(10_000, timers)
  while (progress.open > 0) {
    for (const each of go.splice(0)) each()
    await turn()
  }
  expect(await whole).toBe(true)
  expect(began).toHaveLength(1501)
  expect(await handling.drain(10_000, timers)).toBe(true)
})

test('an update that leave() cuts off does not count as handled: the position stays before it', async () => {
  const time = new Stage()
  const [written, noted]: [string[], number[]] = [[], []]
  const progress = new Progress(
    () => undefined,
    {
      note: async (_box, handled) => void noted.push(...handled),
      passed: async () => undefined,
    },
    time.timers,
  )
  const first = progress.begin(5, 1)
  const second = progress.begin(5, 2)
  await progress.reached(5, 'pts', async () => written.push('pts'))
  second()
  progress.freeze()
  progress.leave()
  first()
  await progress.settled()
  expect([written, noted, progress.open]).toEqual([[], [2], 1])
})

test('a process whose session another one uses does not write over its position', async () => {
  const written: string[] = []
  let isOurs = true
  const progress = new Progress(
    () => undefined,
    undefined,
    new Stage().timers,
    () => isOurs,
  )
  const write = (pts: number) => progress.reached(5, 'pts', async () => written.push(`pts ${pts}`))
  await write(1)
  const end = progress.begin(5)
  await write(2)
  isOurs = false
  end()
  await progress.settled()
  expect(written).toEqual(['pts 1'])
})

test('after stop() nothing is written', async () => {
  const time = new Stage()
  const written: unknown[] = []
  const progress = new Progress(
    () => undefined,
    { note: async (...what) => void written.push(what), passed: async (...what) => void written.push(what) },
    time.timers,
  )
  const ahead = progress.begin(5, 1)
  const behind = progress.begin(5, 2)
  await progress.reached(5, 'pts', async () => written.push('pts'))
  ahead()
  progress.stop()
  behind()
  time.advance(60_000)
  await progress.reached(6, 'pts', async () => written.push('another'))
  await progress.settled()
  expect(written).toEqual([])
})
