import { SessionLease } from '../../src/mtproto/client/sessions/session-lease.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
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

/** Advances the time in small steps, and lets pending work proceed. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    time.advance(500)
    for (let turn = 0; turn < 4; turn++) await new Promise((done) => setImmediate(done))
  }
}

/** The same storage, whose answers to claims can be held back. */
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

test('only one process holds a session, for as long as it lives', async () => {
  const [one, other] = [worker(), worker()]
  await one.lease.take(0)
  await expect(other.lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
  await pass(120_000)
  await expect(other.lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
  expect(one.lost).toEqual([])
  await worker('another').lease.take(0)
})

test('a released session can be taken at once', async () => {
  const [one, other] = [worker(), worker()]
  await one.lease.take(0)
  await one.lease.end()
  await other.lease.take(0)
  await pass(60_000)
  expect([...one.lost, ...other.lost]).toEqual([])
})

test('a waiting process takes the session of a stalled one, which is then notified', async () => {
  const one = worker()
  await one.lease.take(0)
  // In a stalled process, no timers run.
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

test('a process that stood still notices that its session is gone before any of its timers runs', async () => {
  const [one, other] = [worker(), worker()]
  await one.lease.take(0)
  for (let passed = 0; passed < 60_000; passed += 500) {
    await pass(500)
    expect(one.lease.isHeld()).toBe(true)
  }
  time.now += 31_000
  await other.lease.take(0)
  expect(one.lost).toEqual([])
  expect(one.lease.isHeld()).toBe(false)
  expect(one.lost).toEqual(['mtproto.session'])
  expect(other.lease.isHeld()).toBe(true)
  await pass(60_000)
  expect([one.lost, one.lease.isHeld()]).toEqual([['mtproto.session'], false])
  expect(other.lost).toEqual([])
})

test('a clock that is set back by some seconds, into the span before, does not lose the session', async () => {
  const { lease, lost } = worker()
  await lease.take(0)
  // The second span of 15 s has begun, and a renewal has run in it.
  await pass(20_000)
  time.now -= 5500
  expect(lease.isHeld()).toBe(true)
  await pass(60_000)
  expect([lost, lease.isHeld()]).toEqual([[], true])
  await expect(worker().lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
})

test('a session that was released is not held, and was not lost', async () => {
  const { lease, lost } = worker()
  await lease.take(0)
  await lease.end()
  expect([lease.isHeld(), lost]).toEqual([false, []])
})

test('a claim that is in flight during the release is released as well', async () => {
  const { at, held, state } = slow()
  const one = worker('main', at)
  await one.lease.take(0)
  // The lease is renewed later, and the answer is held back.
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

test('if the storage hangs, the holder loses the session before another process can take it', async () => {
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
  // The hanging renewals may have arrived, so the other process has to wait until they expire.
  await pass(60_000)
  await taking
  expect(other.lost).toEqual([])
})

test('a process that waits for a session can stop waiting', async () => {
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
