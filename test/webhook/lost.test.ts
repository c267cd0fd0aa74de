import { memory } from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { onWorkers } from '../on-workers.js'
import { later, says, tick } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { flood } from './gate-stand.js'
import { type Stand, stand } from './stand.js'

/* On platforms where a handler ends with its request, such as Cloudflare Workers: its promise then never settles. */

onWorkers()

const TIMEOUT = 10_000
const MINUTE = 60_000

/** A bot whose handlers never end by themselves, and their ends. */
function cutOff(options: Parameters<typeof stand>[0], webhookOptions: Parameters<typeof stand>[2]) {
  const ends: (() => void)[] = []
  const at = stand(
    options,
    (bot) => bot.use(() => new Promise<void>((end) => ends.push(end))),
    webhookOptions,
  )
  at.guard.on('warning', () => undefined)
  return { ...at, ends }
}

/** Delivers an update whose handler does not end in time; returns the status. */
async function late(at: Stand, update = says(1, 'slow')): Promise<number> {
  const before = at.reached.length
  const answer = at.deliver(update)
  await until('the handler runs', () => at.reached.length > before)
  at.time.advance(TIMEOUT)
  return answer
}

test('updates whose request has ended free their places a minute after their time-out', async () => {
  const at = cutOff({}, { maxRunning: 2 })
  expect(await late(at)).toBe(200)
  expect(await late(at)).toBe(200)
  expect(await at.deliver(says(1, 'too many'))).toBe(503)
  at.time.advance(MINUTE - TIMEOUT)
  expect(at.webhook.size).toBe(1)
  expect(await late(at)).toBe(200)
  at.time.advance(MINUTE)
  expect(at.webhook.size).toBe(0)
})

test('a handler that ends after all leaves the place of a redelivered update alone', async () => {
  const at = cutOff({ once: { lease: '10s' } }, { onTimeout: 'retry' })
  const update = says(1, 'slow')
  expect(await late(at, update)).toBe(500)
  at.time.advance(MINUTE)
  expect(await late(at, update)).toBe(500)
  at.ends[0]?.()
  for (let i = 0; i < 8; i++) await tick()
  expect(at.webhook.size).toBe(1)
})

test('a hanging update that is handled again takes its second place for a minute at most, too', async () => {
  const at = cutOff({ once: { lease: '10s' } }, { onTimeout: 'retry', maxRunning: 2 })
  const update = says(1, 'hangs')
  expect(await late(at, update)).toBe(500)
  at.time.advance(TIMEOUT)
  expect(await late(at, update)).toBe(500)
  expect(at.webhook.size).toBe(2)
  at.time.advance(MINUTE - 2 * TIMEOUT)
  expect(at.webhook.size).toBe(1)
  at.time.advance(2 * TIMEOUT)
  expect(at.webhook.size).toBe(0)
})

test('a request that ended while the gate asked a remote storage frees its place a minute after its time-out', async () => {
  const near = memory()
  let hanging = 0
  let hangs = false
  const storage: Storage = {
    ...later(near),
    async prepare(plan) {
      const judge = await near.prepare(plan)
      return {
        async evaluate(ask, at) {
          if (hangs) await new Promise(() => hanging++)
          return judge.evaluate(ask, at)
        },
        peek: async (ask, at) => judge.peek(ask, at),
        settle: async (receipt, how, check) => judge.settle(receipt, how, check),
      }
    },
  }
  const at = stand({ storage, throttle: '1/1m' })
  await flood(at, 1, 3)
  hangs = true
  void at.deliver(says(1, 'flood'))
  await until('the gate asks the storage', () => hanging === 1)
  at.time.forget()
  at.time.advance(MINUTE)
  expect(at.webhook.size).toBe(1)
  at.time.advance(TIMEOUT)
  expect(at.webhook.size).toBe(0)
})
