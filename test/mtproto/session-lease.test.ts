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

function worker(name = 'main') {
  const lost: string[] = []
  const onLost = ({ code }: { readonly code: string }) => lost.push(code)
  const lease = new SessionLease(storage, name, { clock: time.clock, timers: time.timers, onLost })
  return { lease, lost }
}

/** Lets time pass in small steps, and whoever waits for it go on. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    time.advance(500)
    for (let turn = 0; turn < 4; turn++) await new Promise((done) => setImmediate(done))
  }
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
