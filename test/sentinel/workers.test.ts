import {
  combine,
  failover,
  fromGrammyStorage,
  type GrammyAdapter,
  hybrid,
  memory,
  resilient,
  type Storage,
} from '../../src/index.js'
import { Stage } from '../middleware/rig.js'
import { io, onWorkers, whileLoading } from '../on-workers.js'
import { desk, tick } from './desk.js'

/* A guard on Cloudflare Workers, where all work that a request started ends with it. */

onWorkers()

/** A remote storage that does not receive the first plans: the requests that sent them have ended. */
function cutOff(time: Stage, times: number): Storage & { readonly asked: () => number } {
  const storage = memory({ clock: time.clock })
  const { prepare } = storage
  let asked = 0
  return Object.assign(storage, {
    remote: true,
    asked: () => asked,
    prepare(plan: Parameters<Storage['prepare']>[0]) {
      asked++
      return asked <= times
        ? new Promise<never>(() => undefined)
        : Promise.resolve(prepare.call(storage, plan))
    },
  })
}

test('a plan whose request ended while the storage prepared it is prepared again by a later update', async () => {
  const time = new Stage()
  const storage = cutOff(time, 2)
  // Timers end with their request, too.
  const timers = { after: () => () => undefined }
  const { says, reached } = desk({ storage, clock: time.clock, timers, throttle: '2/1m' })
  void says(7, 'cut off')
  await tick()
  time.advance(9_000)
  void says(8, 'waits')
  await tick()
  expect([storage.asked(), reached]).toEqual([1, []])

  time.advance(2_000)
  void says(9, 'waits for the second')
  await tick()
  expect([storage.asked(), reached]).toEqual([2, []])

  time.advance(11_000)
  await says(9, 'one', 'two', 'three')
  expect([storage.asked(), reached]).toEqual([3, ['one', 'two']])
})

test('a changed plan whose request ended is prepared again: the new limit holds, and inspection works', async () => {
  const time = new Stage()
  const storage = memory({ clock: time.clock })
  const { prepare } = storage
  let isCut = false
  Object.assign(storage, {
    remote: true,
    prepare(plan: Parameters<Storage['prepare']>[0]) {
      return isCut ? new Promise<never>(() => undefined) : Promise.resolve(prepare.call(storage, plan))
    },
  })
  const timers = { after: () => () => undefined }
  const { guard, says, reached } = desk({
    storage,
    timers,
    clock: time.clock,
    throttle: '1/1m',
    limits: true,
    roles: { vip: {} },
  })
  await guard.grant(7, 'vip')
  await says(7, 'first')
  isCut = true
  void guard.limits.set({ role: 'vip' }, 'user', '3/1m')
  await tick()
  isCut = false
  time.advance(61_000)
  await says(8, 'hands it over again')
  await tick()
  expect(await guard.peek(7, 'user')).toMatchObject([{ limit: '3/1m' }])
  await says(7, 'one', 'two', 'three', 'four')
  expect(reached).toEqual(['first', 'hands it over again', 'one', 'two', 'three'])
})

/** An adapter whose data outlives the isolates, as that of a KV does. */
function namespace(): GrammyAdapter {
  const documents = new Map<string, unknown>()
  return {
    async read(key: string) {
      await io()
      return documents.get(key)
    },
    async write(key: string, value: unknown) {
      await io()
      documents.set(key, structuredClone(value))
    },
    async delete(key: string) {
      await io()
      documents.delete(key)
    },
  } as GrammyAdapter
}

const STORAGES: Readonly<Record<string, (adapter: GrammyAdapter) => Storage>> = {
  combine: (adapter) => combine({ durable: fromGrammyStorage(adapter) }),
  'a storage that throws while it is refused': (adapter) => {
    const storage = combine({ durable: fromGrammyStorage(adapter) })
    const { prepare } = storage
    return Object.assign(storage, {
      prepare(plan: Parameters<Storage['prepare']>[0]) {
        clearTimeout(setTimeout(() => undefined))
        return prepare.call(storage, plan)
      },
    })
  },
  'combine in hybrid': (adapter) => hybrid(combine({ durable: fromGrammyStorage(adapter) })),
  'combine in resilient': (adapter) => resilient(combine({ durable: fromGrammyStorage(adapter) })),
  'combine in failover': (adapter) => failover([combine({ durable: fromGrammyStorage(adapter) }), memory()]),
}

describe.each(Object.entries(STORAGES))(
  'a sentinel that is made while a worker is loaded, on %s',
  (_, storageOf) => {
    test('decides the first updates by its storage', async () => {
      const adapter = namespace()
      const earlier = desk({ storage: storageOf(adapter) })
      await earlier.guard.block(7)
      await earlier.guard.register(8)
      await earlier.says(9, 'meets the bot')
      await earlier.guard.close()

      const down: unknown[] = []
      const { guard, says, reached } = await whileLoading(() => {
        const made = desk({ storage: storageOf(adapter), auth: { gate: ['orders'] } })
        made.guard.on('storage.down', (event) => down.push(event))
        made.guard.on('error', (event) => down.push(event))
        return made
      })
      await Promise.all([
        says(9, 'hello'),
        says(7, 'hi'),
        says(8, '/orders'),
        says(7, 'hi'),
        says(8, '/orders'),
      ])
      expect(reached).toEqual(['hello', '/orders', '/orders'])
      expect(down).toEqual([])
      expect((await guard.health()).storage.circuit).toMatchObject({
        state: 'closed',
        outages: 0,
        instead: 0,
      })
    })
  },
)

test('a storage that cannot be watched while a worker is loaded is watched with the first request', async () => {
  const adapter = namespace()
  const storage = combine({ durable: fromGrammyStorage(adapter) })
  const { watch } = storage
  let watched = 0
  Object.assign(storage, {
    async watch(listener: Parameters<Storage['watch']>[0]) {
      await io()
      watched++
      return watch.call(storage, listener)
    },
  })
  const failed: unknown[] = []
  const { guard, says } = await whileLoading(() => {
    const made = desk({ storage: resilient(storage) })
    made.guard.on('error', (event) => failed.push(event))
    return made
  })
  expect(watched).toBe(0)
  await says(9, 'hello')
  await tick()
  expect(watched).toBe(1)
  expect((await guard.health()).storage.circuit?.reason).toBeUndefined()
  expect(failed).toEqual([])
})
