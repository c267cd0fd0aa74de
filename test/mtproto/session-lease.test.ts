import { SessionLease } from '../../src/mtproto/client/sessions/session-lease.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { Storage } from '../../src/storage/storage.js'
import { Stage } from '../middleware/rig.js'

let time: Stage
let storage: Storage

beforeEach(() => {
  time = new Stage()
  storage = memory({ clock: time.clock })
})

function worker(name = 'main', at = storage) {
  const lost: string[] = []
  const onLost = ({ code }: { readonly code: string }) => lost.push(code)
  const lease = new SessionLease(at, name, { clock: time.clock, timers: time.timers, onLost })
  return { lease, lost }
}

/** Lets time pass in small steps, and whoever waits for it go on. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    time.advance(500)
    for (let turn = 0; turn < 4; turn++) await new Promise((done) => setImmediate(done))
  }
}

/** The same storage, whose answers to claims come when they are let go. */
function slow() {
  const held: (() => void)[] = []
  const state = { isSlow: false }
  const prepare: Storage['prepare'] = async (plan) => {
    const judge = await storage.prepare(plan)
    return {
      evaluate: async (...ask) => {
        const answer = await judge.evaluate(...ask)
        if (state.isSlow) await new Promise<void>((go) => held.push(go))
        return answer
      },
      peek: (...ask) => judge.peek(...ask),
      settle: (...how) => judge.settle(...how),
    }
  }
  const at = new Proxy(storage, { get: (of, name) => (name === 'prepare' ? prepare : Reflect.get(of, name)) })
  return { at, held, state }
}

test('a session is one process at a time, for as long as that lives', async () => {
  const [one, other] = [worker(), worker()]
  await one.lease.take(0)
  await expect(other.lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
  await pass(120_000)
  await expect(other.lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
  expect(one.lost).toEqual([])
  await worker('another').lease.take(0)
})

test('whoever lets go lets the next one in at once', async () => {
  const [one, other] = [worker(), worker()]
  await one.lease.take(0)
  await one.lease.end()
  await other.lease.take(0)
  await pass(60_000)
  expect([...one.lost, ...other.lost]).toEqual([])
})

test('who waits comes in when the holder stands still, which then hears that it has lost', async () => {
  const one = worker()
  await one.lease.take(0)
  // Its process stops: no timer of it goes off.
  const frozen = new Stage()
  const other = new SessionLease(storage, 'main', {
    clock: time.clock,
    timers: frozen.timers,
    onLost: () => undefined,
  })
  time.now += 31_000
  await other.take(0)
  await pass(10_000)
  expect(one.lost).toEqual(['mtproto.session'])
  await other.end()
})

test('what is asked for while somebody lets go is let go of, too', async () => {
  const { at, held, state } = slow()
  const one = worker('main', at)
  await one.lease.take(0)
  // A span further on the next one is asked for, and the answer is on its way.
  state.isSlow = true
  while (held.length === 0) await pass(500)
  const ending = one.lease.end()
  held[0]?.()
  await ending
  const other = worker()
  await other.lease.take(0)
  await pass(60_000)
  expect([...one.lost, ...other.lost]).toEqual([])
  await expect(worker().lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
})

test('a storage that says nothing any more is as one that is away: the holder hears of it before somebody else comes in', async () => {
  const { at, state } = slow()
  const one = worker('main', at)
  await one.lease.take(0)
  state.isSlow = true
  let came = false
  const other = worker()
  const taking = other.lease.take(60_000).then(() => {
    came = true
  })
  while (one.lost.length === 0 && !came) await pass(500)
  expect(one.lost).toEqual(['mtproto.session'])
  // Its claims may have arrived: those hold whoever wants to come in for as long as they last.
  await pass(60_000)
  await taking
  expect(other.lost).toEqual([])
})

test('whoever waits to come in can be told not to', async () => {
  const [one, other] = [worker(), worker()]
  await one.lease.take(0)
  const taking = expect(other.lease.take(60_000)).rejects.toMatchObject({ code: 'mtproto.session' })
  await pass(1000)
  await other.lease.end()
  await taking
  await one.lease.end()
  await pass(10_000)
  await worker().lease.take(0)
})
