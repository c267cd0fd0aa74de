import { requireRole, type Sentinel, type Storage, throttle } from '../../src/index.js'
import { failover } from '../../src/storage/failover.js'
import { hybrid } from '../../src/storage/hybrid.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { makeResilient } from '../../src/storage/protection/make-resilient.js'
import { redis } from '../../src/storage/redis/index.js'
import { Stage } from '../middleware/rig.js'
import { startPostgres } from '../servers/postgres.js'
import { type NetworkProxy, startProxy } from '../servers/proxy.js'
import { startRedis } from '../servers/redis.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { type Desk, desk, says, tick } from './desk.js'

/*
 * A process starts over a slow connection: to connect and get the first answer takes longer than the time-out of a decision. Updates that
 * arrive meanwhile must still be decided by the storage. Time-outs use a clock that is moved by hand, so that the speed of the machine
 * does not matter; the servers and the connection are real.
 */

const ALICE = 7
const MALLORY = 66

/** Latency in one direction, in milliseconds. */
const LINES = [10, 40]

const SERVERS = [
  ['Redis', sharedRedis, (url: string, name: string) => redis(url, { prefix: name })],
  ['Postgres', sharedPostgres, (url: string, name: string) => postgres(url, { schema: name })],
] as const

const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Worker extends Desk {
  readonly shield: ReturnType<typeof makeResilient>
  /** The clock of the time-outs. */
  readonly patience: Stage
  readonly told: string[]
}

/** A process of the bot. Whenever a plan is sent to the storage, the time-out of an answer passes at once. */
function worker(storage: Storage, handlers?: Parameters<typeof desk>[1]): Worker {
  const patience = new Stage()
  const { prepare } = storage
  storage.prepare = (plan) => {
    queueMicrotask(() => patience.advance(250))
    return prepare.call(storage, plan)
  }
  const shield = makeResilient(storage, { clock: patience.clock, timers: patience.timers })
  const options = { storage: shield, name: 'shop', clock: undefined, timers: undefined, throttle: '1000/1m' }
  const made = desk(options as never, handlers)
  const told: string[] = []
  made.guard.on('storage.down', ({ reason }) => told.push(`down: ${reason}`))
  made.guard.on('storage.up', () => told.push('up'))
  made.guard.on('error', ({ error }) => told.push(String(error)))
  closing.push(async () => {
    await made.guard.close('1ms')
    // From here on the clock does not move.
    await storage.close()
  })
  return { ...made, shield, patience, told }
}

async function insteadOf({ guard }: { readonly guard: Sentinel<never> | Desk['guard'] }): Promise<unknown> {
  return (await guard.health()).storage.circuit?.instead
}

describe.each(SERVERS)('the first update of a process, on %s', (_, server, make) => {
  let url = ''
  let name = ''
  let proxy: NetworkProxy
  beforeAll(async () => {
    url = await server()
    proxy = await startProxy(Number(new URL(url).port))
  })
  afterAll(() => proxy.stop())
  beforeEach(() => {
    name = freshName()
  })

  const earlier = async (): Promise<ReturnType<typeof says>> => {
    await proxy.normal()
    const update = says(ALICE, 'pay')
    const { guard, handle, reached } = worker(make(url, name))
    await handle(update)
    await guard.block(MALLORY)
    expect(reached).toEqual(['pay'])
    return update
  }

  test.each(LINES)(
    'that another process has handled is not handled again, with a storage %i ms away',
    async (delay) => {
      const update = await earlier()
      proxy.delay(delay)
      const one = worker(make(proxy.urlOf(url), name))
      await one.handle(update)
      expect(one.reached).toEqual([])
      expect(await insteadOf(one)).toBe(0)
      expect(one.told).toEqual([])
    },
  )

  test.each(LINES)('is refused if its user is blocked, with a storage %i ms away', async (delay) => {
    await earlier()
    proxy.delay(delay)
    const one = worker(make(proxy.urlOf(url), name))
    await one.handle(says(MALLORY, 'here I am'))
    expect(one.reached).toEqual([])
    expect(await insteadOf(one)).toBe(0)
  })

  test.each([
    ['hybrid()', (storage: Storage) => hybrid(storage)],
    ['failover()', (storage: Storage) => failover([storage, make(url, `${name}b`)], { timeout: '30s' })],
  ])('is decided by the storage behind %s, too', async (_, around) => {
    const update = await earlier()
    proxy.delay(10)
    const one = worker(around(make(proxy.urlOf(url), name)))
    await one.handle(update)
    await one.handle(says(MALLORY, 'here I am'))
    expect(one.reached).toEqual([])
    expect(await insteadOf(one)).toBe(0)
  })

  test('to a handler is decided by the storage as well: limits count, and holders of a role are admitted', async () => {
    proxy.delay(10)
    const did: string[] = []
    const handlers: Parameters<typeof desk>[1] = (bot) => {
      bot.command('report', throttle({ name: 'report', limit: '1/1d' }), () => void did.push('report'))
      bot.command('staff', requireRole('staff'), () => void did.push('staff'))
    }
    const one = worker(make(proxy.urlOf(url), name), handlers)
    await one.guard.grant(ALICE, 'staff')
    for (const text of ['/report', '/staff', '/report', '/staff']) await one.handle(says(ALICE, text))
    const another = worker(make(proxy.urlOf(url), name), handlers)
    for (const text of ['/report', '/staff']) await another.handle(says(ALICE, text))
    expect(did).toEqual(['report', 'staff', 'staff', 'staff'])
    expect([await insteadOf(one), await insteadOf(another)]).toEqual([0, 0])
  })

  test('after a change of options is decided by the storage, too', async () => {
    proxy.delay(10)
    const one = worker(make(proxy.urlOf(url), name))
    await one.handle(says(ALICE, 'one'))
    one.guard.reconfigure({ throttle: { name: 'anew', limit: '1/1d' } })
    await one.handle(says(ALICE, 'two'))
    await one.handle(says(ALICE, 'three'))
    expect(one.reached).toEqual(['one', 'two'])
    expect(await insteadOf(one)).toBe(0)
  })
})

describe('a process that begins while its storage', () => {
  test.each([
    ['Redis', startRedis, redis],
    ['Postgres', startPostgres, postgres],
  ] as const)(
    '(%s) hangs: waits once, reports it as down, and uses it when it answers again',
    async (_, start, make) => {
      const server = await start()
      closing.push(() => server.stop())
      server.suspend()
      const one = worker(make(server.url))
      let handled = 0
      const updates = ['a', 'b', 'c'].map((text) => one.handle(says(ALICE, text)).then(() => handled++))
      for (let ms = 250; ms < 2000; ms += 250) {
        one.patience.advance(ms === 250 ? 0 : 250)
        await tick()
      }
      expect([handled, one.told]).toEqual([0, []])
      one.patience.advance(250)
      await Promise.all(updates)
      expect(one.reached).toEqual(['a', 'b', 'c'])
      expect(one.told).toEqual(['down: TIMEOUT'])
      // The clock stands still, so no time-out fires.
      await one.handle(says(ALICE, 'd'))
      server.resume()
      await until('it is back', () => {
        one.patience.advance(25)
        return one.told.includes('up')
      })
      await one.handle(says(ALICE, 'e'))
      expect(one.reached).toEqual(['a', 'b', 'c', 'd', 'e'])
      expect(await insteadOf(one)).toBe(4)
    },
  )

  test('refuses: waits for nothing', async () => {
    const proxy = await startProxy(1)
    const url = `redis://127.0.0.1:${proxy.port}`
    await proxy.stop()
    const one = worker(redis(url))
    await one.handle(says(ALICE, 'a'))
    expect(one.reached).toEqual(['a'])
    expect(one.told).toEqual(['down: ECONNREFUSED'])
  })
})
