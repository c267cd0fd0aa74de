import { Lane, type LaneShared } from '../../src/outgoing/lane.js'
import { onWorkers } from '../on-workers.js'

interface Timer {
  readonly run: () => void
}

/** Lanes by their key, and a clock and timers that are moved by hand. */
class Road {
  now = 0
  readonly due = new Set<Timer>()
  readonly lanes = new Map<string, Lane>()
  readonly shared: LaneShared = {
    clock: () => this.now,
    timers: {
      after: (_, run) => {
        const timer = { run }
        this.due.add(timer)
        return () => this.due.delete(timer)
      },
    },
    emptied: (lane) => this.lanes.delete(lane.key),
  }

  lane(widens = false): Lane {
    const lane = new Lane('chat', widens, this.shared)
    this.lanes.set('chat', lane)
    return lane
  }
}

test('a late timer does not remove the lane that has replaced its own', () => {
  const road = new Road()
  const first = road.lane()
  expect(first.enter()).toBe(true)
  first.close(1000)
  const [late] = road.due
  road.now = 1001
  first.leave(true)
  expect(road.lanes.size).toBe(0)
  const second = road.lane()
  second.close(60_000)
  if (late !== undefined && road.due.has(late)) late.run()
  expect([road.lanes.get('chat') === second, road.due.size]).toEqual([true, 1])
})

/** The lane of a bot with more waiting calls than can ever be under way. */
class Rush {
  readonly road = new Road()
  readonly lane = this.road.lane(true)
  /** Calls under way. */
  out = 0

  constructor() {
    this.lane.close(1000)
    const go = (): void => void this.out++
    for (let number = 0; number < 2000; number++)
      this.lane.wait({ number, deadline: Number.POSITIVE_INFINITY, go, end: () => undefined })
    this.open(1000)
  }

  /** Advances the clock. */
  open(ms: number): void {
    this.road.now += ms
    for (const { run } of [...this.road.due]) run()
  }

  /** Answers all calls under way. */
  round(): void {
    const { out } = this
    for (let call = 0; call < out; call++) this.leave(true)
  }

  leave(succeeded: boolean): void {
    this.out--
    this.lane.leave(succeeded)
  }

  /** The number of calls under way in each of these rounds. */
  rounds(count: number): number[] {
    return Array.from({ length: count }, () => {
      const { out } = this
      this.round()
      return out
    })
  }
}

test('a lane doubles its width each round; after a refusal it halves, and then grows by one', () => {
  const rush = new Rush()
  expect(rush.rounds(5)).toEqual([1, 2, 4, 8, 16])
  expect(rush.out).toBe(32)
  rush.lane.close(rush.road.now + 1000)
  while (rush.out > 0) rush.leave(false)
  rush.open(1000)
  expect(rush.rounds(8)).toEqual([1, 2, 4, 8, 16, 17, 18, 19])
})

test('a lane whose calls are refused together halves once, and later answers of that round widen nothing', () => {
  const rush = new Rush()
  rush.rounds(3)
  const { now } = rush.road
  rush.lane.close(now + 1000)
  rush.lane.close(now + 1100)
  while (rush.out > 0) rush.leave(rush.out > 2)
  rush.open(1100)
  expect(rush.rounds(6)).toEqual([1, 2, 4, 5, 6, 7])
})

test('a lane that is not full becomes no wider', () => {
  const road = new Road()
  const lane = road.lane(true)
  lane.close(1000)
  road.now = 1000
  // One after the other: three parallel calls have not been tried yet.
  for (let call = 0; call < 20; call++) {
    expect(lane.enter()).toBe(true)
    lane.leave(true)
  }
  expect([lane.enter(), lane.enter(), lane.enter()]).toEqual([true, true, false])
})

test('a lane that a call will join is not removed before', () => {
  const road = new Road()
  const lane = road.lane(true)
  lane.expect(1)
  lane.close(1000)
  road.now = 1000
  for (const { run } of [...road.due]) run()
  expect(road.lanes.size).toBe(1)
  expect(lane.enter()).toBe(true)
  lane.expect(-1)
  expect(road.lanes.size).toBe(1)
  lane.leave(true)
  expect(road.lanes.size).toBe(0)
})

describe('on platforms where calls end with their request', () => {
  onWorkers()

  function waiter(number: number, told: number[]) {
    return { number, deadline: Number.POSITIVE_INFINITY, go: () => told.push(number), end: () => undefined }
  }

  /** A closed lane with a waiting call whose request has ended together with its timers; starting that call has no effect. */
  function abandoned() {
    const road = new Road()
    const lane = road.lane()
    const told: number[] = []
    lane.close(1000)
    lane.wait(waiter(1, told))
    road.due.clear()
    return { road, lane, told }
  }

  test('a call that waited when its request ended does not delay later ones', () => {
    const { road, lane, told } = abandoned()
    road.now = 500
    lane.wait(waiter(2, told))
    expect(told).toEqual([])
    road.now = 1000
    for (const { run } of [...road.due]) run()
    expect(told).toEqual([1, 2])
    expect([lane.enter(), lane.enter()]).toEqual([true, true])
  })

  test('a waiting call is released by the next call that finds the lane open', () => {
    const { road, lane, told } = abandoned()
    road.now = 2500
    expect(lane.enter()).toBe(true)
    expect([told, road.lanes.size]).toEqual([[1], 0])
  })
})
