import type { Timers } from '../../src/core/clock.js'
import { userKey } from '../../src/core/subject.js'
import { memory } from '../../src/storage/memory/memory.js'
import { Stage } from '../middleware/rig.js'
import { onWorkers } from '../on-workers.js'
import { desk, says, tick } from '../sentinel/desk.js'
import { stand } from '../webhook/stand.js'

/* On platforms where timers end with the request that set them, such as Cloudflare Workers. */

const ALICE = 7
const BOT = 42
onWorkers()

/** A guard that records activity, with timers that can be dropped, and a storage that may stop answering. */
function noting(keeps: boolean) {
  const storage = memory()
  const note = storage.users.note.bind(storage.users)
  const line = { isDead: false }
  storage.users.note = async (...args) => {
    if (line.isDead) await new Promise(() => undefined)
    await note(...args)
  }
  const time = new Stage()
  const armed = new Set<() => void>()
  const timers: Timers = {
    after(ms, run) {
      const callOff = time.timers.after(ms, run)
      armed.add(callOff)
      return callOff
    },
  }
  const kept: Promise<unknown>[] = []
  const waitUntil = { waitUntil: (work: Promise<unknown>) => void kept.push(work) }
  const at = desk({ users: true, storage, clock: time.clock, timers, ...(keeps && waitUntil) })
  return {
    ...at,
    storage,
    time,
    line,
    kept,
    endRequest() {
      for (const callOff of armed) callOff()
      armed.clear()
    },
    async counted() {
      await tick()
      return (await storage.users.get(BOT, userKey(ALICE)))?.counts.message
    },
  }
}

test('a request is kept alive until its activity is written', async () => {
  const { says, time, kept, counted, guard } = noting(true)
  await says(ALICE, 'one', 'two')
  time.advance(1000)
  await Promise.all(kept)
  expect(await counted()).toBe(2)
  expect((await guard.health()).activity).toEqual({ waiting: 0, dropped: 0 })
})

test('if nothing keeps requests alive, the next one writes the activity of the last', async () => {
  const { says, time, endRequest, counted } = noting(false)
  await says(ALICE, 'one')
  endRequest()
  time.advance(60_000)
  expect(await counted()).toBeUndefined()
  await says(ALICE, 'two')
  expect(await counted()).toBe(2)
})

test('a write that was interrupted by the end of its request is made by another', async () => {
  const { says, time, endRequest, counted, line, guard } = noting(true)
  line.isDead = true
  await says(ALICE, 'one')
  time.advance(1000)
  endRequest()
  line.isDead = false
  time.advance(60_000)
  await says(ALICE, 'two')
  time.advance(1000)
  await tick()
  time.advance(1000)
  expect(await counted()).toBe(2)
  expect((await guard.health()).activity).toEqual({ waiting: 0, dropped: 0 })
})

test('close() waits for activity that is not written yet', async () => {
  const { says, time, counted, guard } = noting(true)
  await says(ALICE, 'one')
  const closing = guard.close()
  await tick()
  time.advance(1000)
  await closing
  expect(await counted()).toBe(1)
})

test('a request is not kept alive for later ones, however many', async () => {
  const storage = memory()
  const note = storage.users.note.bind(storage.users)
  const time = new Stage()
  storage.users.note = async (...args) => {
    await new Promise<void>((done) => time.timers.after(100, done))
    await note(...args)
  }
  const at = stand({ users: true, storage, clock: time.clock, timers: time.timers })
  const kept: number[] = []
  const REQUESTS = 100
  for (let i = 0; i < REQUESTS; i++) {
    const began = time.clock()
    const waitUntil = (work: Promise<unknown>) => void work.then(() => kept.push(time.clock() - began))
    await at.deliver(says(ALICE, 'again'), { waitUntil })
    for (let half = 0; half < 2; half++) {
      for (let turn = 0; turn < 5; turn++) await tick()
      time.advance(50)
    }
  }
  // A second until the write, which takes a tenth; and the same again for the activity recorded meanwhile.
  expect(kept.length).toBeGreaterThanOrEqual(REQUESTS - 25)
  expect(Math.max(...kept)).toBeLessThanOrEqual(2500)
  for (let turn = 0; turn < 100; turn++) {
    time.advance(100)
    await tick()
  }
  expect(kept).toHaveLength(REQUESTS)
  expect((await storage.users.get(BOT, userKey(ALICE)))?.counts.message).toBe(REQUESTS)
})

test('if nothing keeps requests alive, a request that is still held is released by the next one', async () => {
  const { says, time, endRequest, guard } = noting(false)
  await says(ALICE, 'one')
  endRequest()
  expect((await guard.health()).background.running).toBe(1)
  time.advance(60_000)
  await says(ALICE, 'two')
  await tick()
  expect((await guard.health()).background.running).toBe(0)
})

test('a write that timed out does not end the next one', async () => {
  const { says, time, endRequest, storage } = noting(true)
  const ends: (() => void)[] = []
  storage.users.note = () => new Promise<void>((end) => ends.push(end))
  const begun = async (): Promise<number> => {
    time.advance(1000)
    await tick()
    return ends.length
  }
  await says(ALICE, 'one')
  expect(await begun()).toBe(1)
  endRequest()
  time.advance(60_000)
  await says(ALICE, 'two')
  expect(await begun()).toBe(2)
  // The pending answer arrives after all.
  ends[0]?.()
  await tick()
  await says(ALICE, 'three')
  expect(await begun()).toBe(2)
  ends[1]?.()
  await tick()
  expect(await begun()).toBe(3)
})
