import { expect, test } from '@jest/globals'
import { BLOCKED } from '../../src/middleware/block.js'
import { memory } from '../../src/storage/memory/memory.js'
import { DeferredStorage } from '../../src/storage/protection/deferred.js'
import { makeResilient } from '../../src/storage/protection/make-resilient.js'
import { Stage } from '../middleware/rig.js'
import { faulty } from './faulty.js'
import { ALICE, askOf, BOT, bucket, planOf } from './outage.js'

/** A storage whose wrapper is loaded when the test says so. */
function stand() {
  const time = new Stage()
  const remote = faulty(time.clock, time.timers, memory({ clock: time.clock }))
  let loads = 0
  let arrive: (error?: Error) => void = () => undefined
  const storage = new DeferredStorage(
    remote,
    async () => {
      loads++
      await new Promise<void>((done, fail) => {
        arrive = (error) => (error === undefined ? done() : fail(error))
      })
      return makeResilient(remote, { clock: time.clock, timers: time.timers })
    },
    time.clock,
  )
  return { storage, remote, loads: () => loads, arrive: (error?: Error) => arrive(error) }
}

const mark = { since: 0 }

test('calls made before the protection is loaded are made in order afterwards', async () => {
  const { storage, loads, arrive } = stand()
  expect(loads()).toBe(0)
  const judging = storage.prepare(planOf(bucket(1)))
  const put = storage.marks.put(BOT, BLOCKED, [{ key: ALICE, mark }])
  const removed = storage.marks.remove(BOT, BLOCKED, [ALICE])
  const written = storage.values.put('own', 'a', 1)
  // It has no `touch`, so callers do without it.
  expect(storage.values.touch).toBeUndefined()
  const sessions = storage.sessions<{ items: number }>()
  const session = sessions.write('7', { items: 3 })
  expect(loads()).toBe(1)

  arrive()

  await Promise.all([put, written, session])
  expect(await removed).toBe(1)
  expect(await storage.marks.get(BOT, ALICE, BLOCKED)).toBeUndefined()
  expect(await sessions.read('7')).toEqual({ items: 3 })
  expect(await storage.users.get(BOT, ALICE)).toBeUndefined()
  const judge = await judging
  expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
  expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
  await storage.reset(BOT, ALICE)
  expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
  expect(await storage.health()).toMatchObject({ ok: true, circuit: { state: 'closed' } })
  expect(loads()).toBe(1)
  await storage.close()
})

test('calls made after it is loaded are made at once', async () => {
  const { storage, remote, arrive } = stand()
  const judging = storage.prepare(planOf(bucket(1)))
  arrive()
  await judging
  const before = remote.asked.length
  void storage.reset(BOT, ALICE)
  expect(remote.asked.slice(before)).toEqual(['reset'])
  await storage.release()
})

test('listeners added before loading are called afterwards, unless they were removed', async () => {
  const { storage, remote, arrive } = stand()
  const told: string[] = []
  storage.observe(({ is }) => told.push(is))
  storage.observe(({ is }) => told.push(`taken away, and told ${is}`))()
  const judging = storage.prepare(planOf(bucket(9)))
  arrive()
  const judge = await judging
  remote.fault = 'refuses'
  for (let failure = 0; failure < 5; failure++) await judge.evaluate(askOf())
  expect(told).toEqual(['down'])
  await storage.release()
})

test('if the protection cannot be loaded, all waiting calls reject, and the next call loads it again', async () => {
  const { storage, loads, arrive } = stand()
  const [judging, put] = [
    storage.prepare(planOf(bucket(1))),
    storage.marks.put(BOT, BLOCKED, [{ key: ALICE, mark }]),
  ]
  arrive(new Error('gone'))
  await expect(judging).rejects.toThrow('gone')
  await expect(put).rejects.toThrow('gone')

  const again = storage.prepare(planOf(bucket(1)))
  expect(loads()).toBe(2)
  arrive()
  expect((await (await again).evaluate(askOf())).refusedBy).toBe(-1)
  await storage.release()
})

test('an invalid plan is refused at once, and nothing is loaded for a storage that was never used', async () => {
  const { storage, loads } = stand()
  expect(() => storage.prepare(planOf(bucket(-1)))).toThrow(expect.objectContaining({ code: 'plan.invalid' }))
  await storage.release()
  expect(loads()).toBe(0)
})
