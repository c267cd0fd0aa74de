import type { Ms } from '../../src/core/duration.js'
import { GapRetries } from '../../src/mtproto/client/updates/gap-retries.js'
import { COMMON } from '../../src/mtproto/client/updates/progress.js'
import { Stage } from '../middleware/rig.js'

const PASSES = { _: 'mt_rpc_error', errorCode: 500, errorMessage: 'INTERNAL_SERVER_ERROR' } as const
const FLOOD = { code: 'mtproto.flood' }

const account = { box: COMMON, method: 'updates.getDifference', pts: 1 }
const channel = (box: number) => ({ box, method: 'updates.getChannelDifference', pts: 1 })

let time: Stage
let ready: Map<string, Ms>
/** The boxes that were asked about, by round. */
let rounds: number[][]
/** The number of pending timers. */
let armed: number
let retries: GapRetries

beforeEach(() => {
  time = new Stage()
  ready = new Map()
  rounds = []
  armed = 0
  retries = new GapRetries({
    timers: {
      after: (ms, run) => {
        armed++
        const callOff = time.timers.after(ms, () => {
          armed--
          run()
        })
        return () => {
          armed--
          callOff()
        }
      },
    },
    readyIn: (method) => Math.max(0, (ready.get(method) ?? 0) - time.now),
    again: (boxes) => rounds.push([...boxes.keys()]),
    failed: () => undefined,
  })
})

/** Lets Telegram demand a wait for a method. */
function flood(method: string, wait: Ms): void {
  ready.set(method, time.now + wait)
}

test('a box that may be retried in a second does not wait for one that has to wait for an hour', () => {
  flood('updates.getChannelDifference', 3_600_000)
  retries.broke(channel(5), FLOOD)
  retries.refused(account, PASSES)
  time.advance(1000)
  expect(rounds).toEqual([[COMMON]])
  retries.came(COMMON)
  time.advance(3_598_999)
  expect(rounds).toHaveLength(1)
  time.advance(1)
  expect(rounds).toEqual([[COMMON], [5]])
})

test('boxes whose time has come are retried in one round, the account first', () => {
  retries.refused(channel(5), PASSES)
  retries.refused(account, PASSES)
  time.advance(60_000)
  expect(rounds).toEqual([[COMMON, 5]])
})

test('boxes beyond the size of a round are retried in the next one', () => {
  for (let box = 1; box <= 60; box++) retries.refused(channel(box), PASSES)
  time.advance(1000)
  time.advance(2000)
  expect(rounds.map(({ length }) => length)).toEqual([50, 10])
})

test('after a success the other boxes are retried soon, and without open boxes no timer is left', () => {
  retries.refused(account, PASSES)
  for (let round = 0; round < 8; round++) {
    time.advance(60_000)
    retries.refused(account, PASSES)
  }
  retries.refused(channel(5), PASSES)
  expect(rounds).toHaveLength(8)
  retries.came(COMMON)
  time.advance(1000)
  expect(rounds.at(-1)).toEqual([5])
  retries.refused(channel(5), PASSES)
  retries.came(5)
  expect(armed).toBe(0)
})

test('after close() nothing is retried', () => {
  flood('updates.getChannelDifference', 3_600_000)
  retries.broke(channel(5), FLOOD)
  retries.refused(account, PASSES)
  retries.close()
  expect(armed).toBe(0)
})
