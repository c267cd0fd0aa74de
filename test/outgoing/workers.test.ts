import { type Key, textKey } from '../../src/core/subject.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { redis } from '../../src/storage/redis/index.js'
import { freshName, sharedRedis } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { fate, type Office, office } from './rig.js'

let url: string
let on: Office
let storages: Storage[]

beforeAll(async () => {
  url = await sharedRedis()
})
beforeEach(async () => {
  on = await office({}, false, 8)
  storages = []
})
afterEach(async () => {
  await on.stop()
  for (const storage of storages) await storage.close()
})

/** A worker with a connection of its own. */
function workerOn(prefix: string) {
  const storage = redis(url, { prefix, clock: on.time.clock })
  storages.push(storage)
  return on.worker({}, { bot: on.account.id, storage })
}

test('one 429 is enough for two workers on one Redis', async () => {
  const prefix = freshName()
  const [one, two] = [workerOn(prefix), workerOn(prefix)]
  const [alice, bob] = on.people
  // A worker listens once it has made a call.
  for (const { api } of [one, two]) await api.sendMessage(alice!.id, 'hello')
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 5 })
  const sent = [fate(one.api.sendMessage(alice!.id, 'of one'))]
  await until('the other has heard', () => two.calls.health().heard > 0)
  const before = on.made
  sent.push(fate(two.api.sendMessage(alice!.id, 'of two')))
  await on.waiting(2)
  expect(on.made).toBe(before)
  expect(await fate(two.api.sendMessage(bob!.id, 'to another'))).toBe('sent')
  await on.pass(5000)
  expect(await Promise.all(sent)).toEqual(['sent', 'sent'])
  expect(on.telegram.calls('sendMessage').filter(({ result }) => result?.ok === false)).toHaveLength(1)
})

test('a 429 in a chat of a business account pauses only that chat in other workers', async () => {
  const prefix = freshName()
  const [one, two] = [workerOn(prefix), workerOn(prefix)]
  const [alice] = on.people
  const business = { business_connection_id: 'connection-of-a-shop' }
  for (const { api } of [one, two]) await api.sendMessage(alice!.id, 'hello')
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 5 })
  const held = [fate(one.api.sendMessage(alice!.id, 'of one', business))]
  await until('the other has heard', () => two.calls.health().heard > 0)
  held.push(fate(two.api.sendMessage(alice!.id, 'of two', business)))
  await on.waiting(2)
  const own = fate(two.api.sendMessage(alice!.id, 'from the bot'))
  await until('it is sent', () => on.heard(alice!).includes('from the bot'))
  await on.pass(5000)
  expect(await own).toBe('sent')
  // The embedded Telegram has no business accounts.
  expect(await Promise.all(held)).toEqual([501, 501])
})

test('a worker that starts later learns of current floods', async () => {
  const prefix = freshName()
  const one = workerOn(prefix)
  const [alice, bob] = on.people
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 30 })
  const sent = [fate(one.api.sendMessage(alice!.id, 'of one'))]
  const { marks } = storages[0] as Storage
  await until(
    'it is told',
    async () => (await marks.scan(on.account.id, 'outgoing.paused')).entries.length > 0,
  )
  const late = workerOn(prefix)
  await late.api.sendMessage(bob!.id, 'hello')
  await until('it has heard', () => late.calls.health().heard > 0)
  const before = on.made
  sent.push(fate(late.api.sendMessage(alice!.id, 'of the late')))
  await on.waiting(2)
  expect(on.made).toBe(before)
  await on.pass(30_000)
  expect(await Promise.all(sent)).toEqual(['sent', 'sent'])
  expect((await marks.scan(on.account.id, 'outgoing.paused')).entries).toEqual([])
})

test('a worker ignores its own reports', async () => {
  const storage = redis(url, { prefix: freshName(), clock: on.time.clock })
  storages.push(storage)
  let listening = false
  const told = new Set<Key>()
  const echoing: Pick<Storage, 'marks' | 'watch'> = {
    async watch(listener) {
      const stop = await storage.watch((change) => {
        listener(change)
        if (change.kind === 'marks') for (const key of change.keys) told.add(key)
      })
      listening = true
      return stop
    },
    marks: storage.marks,
  }
  const { api, calls } = on.worker({}, { bot: on.account.id, storage: echoing })
  const [alice, bob] = on.people
  await api.sendMessage(alice!.id, 'hello')
  await until('it listens', () => listening)
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 5, times: 2 })
  const sent = [alice, bob].map((person) => fate(api.sendMessage(person!.id, 'x')))
  await until('the storage has told of both', () => told.size === 2)
  // The marks it reads upon the event are answered before this read.
  await storage.marks.get(on.account.id, textKey('u1'), 'outgoing.paused')
  await new Promise((done) => setImmediate(done))
  expect(calls.health()).toMatchObject({ limited: 2, heard: 0 })
  await on.pass(5000)
  expect(await Promise.all(sent)).toEqual(['sent', 'sent'])
})

test('a flood of the whole bot is shared, too', async () => {
  const prefix = freshName()
  const [one, two] = [workerOn(prefix), workerOn(prefix)]
  for (const { api } of [one, two]) await api.getMe()
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 5, times: 5 })
  const sent = on.people.slice(0, 5).map(({ id }) => fate(one.api.sendMessage(id, 'x')))
  await until('five chats and the bot were heard of', () => two.calls.health().heard >= 6)
  const before = on.made
  sent.push(fate(two.api.sendMessage(on.people[7]!.id, 'x')))
  await on.waiting(6)
  expect(on.made).toBe(before)
  await on.pass(5000)
  expect(await Promise.all(sent)).toEqual(Array(6).fill('sent'))
})

test('without the storage each worker gets its own 429, and no call is lost', async () => {
  const errors: string[] = []
  const storage = redis('redis://127.0.0.1:1', { prefix: freshName() })
  storages.push(storage)
  const { api } = on.worker({ onError: ({ during }) => errors.push(during) }, { bot: on.account.id, storage })
  const [alice] = on.people
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 1 })
  const call = fate(api.sendMessage(alice!.id, 'x'))
  await on.waiting(1)
  await on.pass(1000)
  expect(await call).toBe('sent')
  await until('it is told', () => errors.includes('outgoing.share'))
})

test('a storage that refuses to be watched is asked again after a pause', async () => {
  const prefix = freshName()
  const near = redis(url, { prefix, clock: on.time.clock })
  storages.push(near)
  let tries = 0
  const storage: Pick<Storage, 'marks' | 'watch'> = {
    marks: near.marks,
    async watch(listener) {
      if (++tries < 3) throw new Error('away')
      return near.watch(listener)
    },
  }
  const errors: string[] = []
  const one = on.worker({ onError: ({ during }) => errors.push(during) }, { bot: on.account.id, storage })
  const two = workerOn(prefix)
  const [alice, bob] = on.people
  const says = () => one.api.sendMessage(alice!.id, 'hello')
  await says()
  await until('it is told', () => errors.length === 1)
  await says()
  // Not with every call.
  expect(tries).toBe(1)
  await on.pass(5000)
  await says()
  await until('it is told again', () => errors.length === 2)
  await on.pass(5000)
  await says()
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 5 })
  const held = fate(two.api.sendMessage(bob!.id, 'x'))
  await until('it has heard', () => one.calls.health().heard > 0)
  expect([tries, errors]).toEqual([3, ['outgoing.share', 'outgoing.share']])
  await on.pass(5000)
  expect(await held).toBe('sent')
})
