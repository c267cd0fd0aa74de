import { Lane, type LaneShared } from '../../src/outgoing/lane.js'

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

test('a timer that comes late does not forget the lane that took the place of its own', () => {
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

test('a lane that widened begins anew with one call when it is closed again', () => {
  const road = new Road()
  const lane = road.lane(true)
  for (const calls of [1, 2, 4]) {
    let entered = 0
    while (lane.enter()) entered++
    expect(entered).toBe(calls)
    // One of them widens it for the next round.
    for (let call = 0; call < calls; call++) lane.leave(call === 0)
  }
  lane.close(1000)
  road.now = 1000
  expect([lane.enter(), lane.enter()]).toEqual([true, false])
})
