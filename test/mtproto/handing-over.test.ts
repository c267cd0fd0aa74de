import { jest } from '@jest/globals'
import { systemClock } from '../../src/core/clock.js'
import { Bridging } from '../../src/mtproto/client/updates/bridging.js'
import { Handling } from '../../src/mtproto/client/updates/handling.js'
import { Progress } from '../../src/mtproto/client/updates/progress.js'

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

test('after stop() no update is delivered: queued ones count as not handled, and room() does not wait', async () => {
  const progress = new Progress(() => undefined)
  const handling = new Handling(progress, () => undefined)
  const began: number[] = []
  const go: (() => void)[] = []
  const hand = (n: number): void =>
    handling.hand(1, undefined, () => {
      began.push(n)
      return new Promise<void>((resolve) => go.push(resolve))
    })
  for (let n = 0; n < 499; n++) hand(n)
  await turn()
  let written = false
  await progress.reached(1, 'pts', async () => {
    written = true
  })
  // These updates would begin in the next turn, but are stopped before.
  for (let n = 499; n < 2000; n++) hand(n)
  const room = handling.room()
  expect(room).toBeInstanceOf(Promise)
  progress.stop()
  handling.stop()
  await room
  expect(handling.room()).toBeUndefined()
  hand(2000)
  for (const each of go) each()
  await turn()
  await progress.settled()
  expect([began.length, began.at(-1), written]).toEqual([499, 498, false])
})

describe('a bridge', () => {
  /** A bridge with one translated update, which waits until the storage says whether an earlier process handled it. */
  async function waiting() {
    const taken: unknown[] = []
    const failures: unknown[] = []
    let [tell, asked]: [() => void, boolean] = [() => undefined, false]
    const kv = {
      get: async () => {
        asked = true
        await new Promise<void>((done) => {
          tell = done
        })
        return null
      },
    }
    const bridging = new Bridging({
      storage: { kv } as never,
      clock: systemClock,
      failed: (error) => failures.push(error),
      isOurs: () => true,
    })
    let came: (what: unknown) => void = () => undefined
    const onRawUpdate = {
      add: (listen: typeof came) => {
        came = listen
      },
    }
    const base = { storage: { updates: { getState: async () => [1, 1, 1, 1] } } }
    await bridging.start(
      { client: { onRawUpdate } } as never,
      { base, client: { startUpdatesLoop: async () => undefined } } as never,
      async (update) => taken.push(update),
      { id: 2, is_bot: true, first_name: 'Watcher' },
      [],
    )
    const peerId = { _: 'peerUser', userId: 1 }
    const message = { _: 'message', id: 1, peerId, fromId: peerId, message: 'hello', date: 1_795_000_000 }
    const user = { _: 'user', id: 1, firstName: 'Alice' }
    came({
      update: { _: 'updateNewMessage', message, pts: 2, ptsCount: 1 },
      peers: { users: new Map([[1, user]]), chats: new Map() },
    })
    while (!asked) await turn()
    return { bridging, taken, failures, tell: () => tell() }
  }

  test('delivers an update that the storage does not know', async () => {
    const { taken, failures, tell } = await waiting()
    tell()
    await turn()
    expect([taken, failures]).toMatchObject([[{ message: { text: 'hello' } }], []])
  })

  test('that has lost its session delivers nothing, whenever the storage answers', async () => {
    const { bridging, taken, failures, tell } = await waiting()
    bridging.abandon()
    tell()
    await turn()
    expect([taken, failures]).toEqual([[], []])
  })

  test('that has waited for too long at its end delivers nothing', async () => {
    const { bridging, taken, failures, tell } = await waiting()
    bridging.freeze()
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
    const ending = bridging.end()
    jest.advanceTimersByTime(10_000)
    jest.useRealTimers()
    await ending
    tell()
    await turn()
    expect([taken, failures]).toEqual([[], []])
  })
})
