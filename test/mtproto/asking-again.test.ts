import type { Ms } from '../../src/core/duration.js'
import { AskingAgain } from '../../src/mtproto/client/updates/asking-again.js'
import { COMMON } from '../../src/mtproto/client/updates/progress.js'
import { Stage } from '../middleware/rig.js'

const PASSES = { _: 'mt_rpc_error', errorCode: 500, errorMessage: 'INTERNAL_SERVER_ERROR' } as const
const FLOOD = { code: 'mtproto.flood' }

const account = { box: COMMON, method: 'updates.getDifference', pts: 1 }
const channel = (box: number) => ({ box, method: 'updates.getChannelDifference', pts: 1 })

let time: Stage
let ready: Map<string, Ms>
/** Which boxes were asked about, round by round. */
let rounds: number[][]
/** Timers that are to run. */
let armed: number
let asking: AskingAgain

beforeEach(() => {
  time = new Stage()
  ready = new Map()
  rounds = []
  armed = 0
  asking = new AskingAgain({
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

/** Telegram has a method wait. */
function flood(method: string, wait: Ms): void {
  ready.set(method, time.now + wait)
}

test('what may be asked for in a second does not wait for what Telegram has wait for an hour', () => {
  flood('updates.getChannelDifference', 3_600_000)
  asking.broke(channel(5), FLOOD)
  asking.refused(account, PASSES)
  time.advance(1000)
  expect(rounds).toEqual([[COMMON]])
  asking.came(COMMON)
  time.advance(3_598_999)
  expect(rounds).toHaveLength(1)
  time.advance(1)
  expect(rounds).toEqual([[COMMON], [5]])
})

test('what may be asked for by now is asked for in one round, the account first', () => {
  asking.refused(channel(5), PASSES)
  asking.refused(account, PASSES)
  time.advance(60_000)
  expect(rounds).toEqual([[COMMON, 5]])
})

test('of more than a round takes the rest has the next one', () => {
  for (let box = 1; box <= 60; box++) asking.refused(channel(box), PASSES)
  time.advance(1000)
  time.advance(2000)
  expect(rounds.map(({ length }) => length)).toEqual([50, 10])
})

test('once something came the others are asked for soon, and where all came nobody is', () => {
  asking.refused(account, PASSES)
  for (let round = 0; round < 8; round++) {
    time.advance(60_000)
    asking.refused(account, PASSES)
  }
  asking.refused(channel(5), PASSES)
  expect(rounds).toHaveLength(8)
  asking.came(COMMON)
  time.advance(1000)
  expect(rounds.at(-1)).toEqual([5])
  asking.refused(channel(5), PASSES)
  asking.came(5)
  expect(armed).toBe(0)
})

test('after a close nobody is asked for', () => {
  flood('updates.getChannelDifference', 3_600_000)
  asking.broke(channel(5), FLOOD)
  asking.refused(account, PASSES)
  asking.close()
  expect(armed).toBe(0)
})
