import type { Timers } from '../../src/core/clock.js'
import { userKey } from '../../src/core/subject.js'
import { memory } from '../../src/storage/memory/memory.js'
import { Stage } from '../middleware/rig.js'
import { desk, tick } from '../sentinel-desk.js'

/* Where timers end with the request that set them, as on Cloudflare Workers. */

const ALICE = 7
const BOT = 42
const platform = Object.getOwnPropertyDescriptor(globalThis, 'navigator')

beforeEach(() => {
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent: 'Cloudflare-Workers' },
    configurable: true,
  })
})
afterEach(() => {
  if (platform === undefined) Reflect.deleteProperty(globalThis, 'navigator')
  else Object.defineProperty(globalThis, 'navigator', platform)
})

/** A guard that notes activity over timers that can be ended, and a storage that may answer nothing. */
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

test('a request is kept until what it noted is written', async () => {
  const { says, time, kept, counted, guard } = noting(true)
  await says(ALICE, 'one', 'two')
  time.advance(1000)
  await Promise.all(kept)
  expect(await counted()).toBe(2)
  expect((await guard.health()).activity).toEqual({ waiting: 0, dropped: 0 })
})

test('where nothing keeps requests, the next one writes what the last has noted', async () => {
  const { says, time, endRequest, counted } = noting(false)
  await says(ALICE, 'one')
  endRequest()
  time.advance(60_000)
  expect(await counted()).toBeUndefined()
  await says(ALICE, 'two')
  expect(await counted()).toBe(2)
})

test('what was being written when the request ended is written by another', async () => {
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

test('close() waits for what is held', async () => {
  const { says, time, counted, guard } = noting(true)
  await says(ALICE, 'one')
  const closing = guard.close()
  await tick()
  time.advance(1000)
  await closing
  expect(await counted()).toBe(1)
})
