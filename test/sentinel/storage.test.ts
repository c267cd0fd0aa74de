import { compose, memory, resilient, sentinel, throttle } from '../../src/index.js'
import { LastResort } from '../../src/middleware/services/last-resort.js'
import type { SentinelOptions } from '../../src/options/index.js'
import { Stage } from '../middleware/rig.js'
import { type Faulty, faulty } from '../storage/faulty.js'
import { settled } from '../storage/outage.js'
import { desk, later, says, tick } from './desk.js'

const ALICE = 7
const BOB = 8

/** A sentinel on a storage that can be made to fail. */
function stand(options: SentinelOptions = {}) {
  const time = new Stage()
  const remote = faulty(time.clock, time.timers)
  const one = desk({ clock: time.clock, timers: time.timers, storage: remote, ...options })
  const told: unknown[] = []
  one.guard.on('storage.down', ({ reason }) => told.push(`down ${reason}`))
  one.guard.on('storage.up', ({ kind }) => told.push(`up ${kind}`))
  one.guard.on('error', ({ during }) => told.push(during))
  const pass = async (ms: number): Promise<void> => {
    await settled()
    for (let left = ms; left > 0; left -= 25) {
      time.advance(Math.min(25, left))
      await settled()
    }
  }
  return { ...one, remote, time, told, pass }
}

describe('a sentinel on a remote storage', () => {
  test('is protected by default: failed calls are decided in memory, reported, and visible in health()', async () => {
    const { guard, says, reached, remote, told, pass } = stand({ throttle: '2/1m' })
    await says(ALICE, '1')
    remote.fault = 'refuses'
    await says(ALICE, '2', '3', 'over', 'over', 'over', 'over')
    expect(reached).toEqual(['1', '2', '3'])
    expect(told).toEqual(['down ECONNREFUSED'])
    expect(await guard.health()).toMatchObject({
      ok: false,
      storage: { ok: false, circuit: { state: 'open', reason: 'ECONNREFUSED', instead: 6 } },
    })
    remote.fault = 'none'
    await pass(1000)
    await says(ALICE, '4', 'over')
    expect(reached).toEqual(['1', '2', '3', '4'])
    expect(told).toEqual(['down ECONNREFUSED', 'up faulty'])
    expect(await guard.health()).toMatchObject({ ok: true, storage: { circuit: { state: 'closed' } } })
  })

  test('follows the onFailure of each guard', async () => {
    const { guard, says, reached, remote, notices, calls, quiet } = stand({
      auth: { gate: ['vip'] },
      throttle: [
        { name: 'open', limit: '1/1m', onFailure: 'open' },
        { name: 'shut', limit: '9/1m', commands: ['shut'], onFailure: 'closed' },
      ],
    })
    const denied: unknown[] = []
    guard.on('denied', ({ verdict }) =>
      denied.push([verdict.guard, verdict.limit, verdict.reason, verdict.cause]),
    )
    await guard.register(ALICE)
    remote.fault = 'refuses'
    await says(ALICE, 'a', 'b', '/vip', '/shut', 'c', 'again')
    await quiet()
    expect(reached).toEqual(['a', 'b', 'c', 'again'])
    expect(denied).toEqual([
      ['auth', 'registered', 'unavailable', 'unavailable'],
      ['throttle', 'shut', 'unavailable', 'unavailable'],
    ])
    expect([notices, calls]).toEqual([[], []])
  })

  test('keeps blocks, and rejects a new block as not stored yet', async () => {
    const { guard, says, reached, remote, pass } = stand()
    await says(BOB, 'before')
    await guard.block(ALICE)
    await settled()
    remote.fault = 'refuses'
    await says(ALICE, '1', '2', '3', '4', '5', '6')
    await expect(guard.block(BOB, { reason: 'spam' })).rejects.toMatchObject({ code: 'storage.unavailable' })
    await says(BOB, 'blocked')
    expect(reached).toEqual(['before'])
    expect(await guard.isBlocked(BOB)).toBe(true)
    remote.fault = 'none'
    await pass(1000)
    await says(BOB, 'still')
    expect(reached).toEqual(['before'])
    expect(await guard.blockOf(BOB)).toMatchObject({ reason: 'spam' })
  })

  test('stores the block list of the options when the storage is back', async () => {
    const time = new Stage()
    const remote = faulty(time.clock, time.timers)
    remote.fault = 'refuses'
    const { says, reached, guard } = desk({
      clock: time.clock,
      timers: time.timers,
      storage: remote,
      block: { list: [ALICE] },
    })
    guard.on('error', () => undefined)
    guard.on('storage.down', () => undefined)
    guard.on('storage.up', () => undefined)
    await says(BOB, 'hello')
    await settled()
    await says(ALICE, 'blocked')
    remote.fault = 'none'
    for (let i = 0; i < 40; i++) {
      time.advance(25)
      await settled()
    }
    await says(ALICE, 'blocked')
    expect(reached).toEqual(['hello'])
    expect(
      await remote.kept.marks.get(42, (await import('../../src/index.js')).userKey(ALICE), 'blocked'),
    ).toMatchObject({ reason: 'listed' })
  })

  test('that hangs delays each update for no longer than the timeout', async () => {
    const { handle, reached, remote, time } = stand()
    await handle(says(ALICE, '1'))
    remote.fault = 'hangs'
    const handled = Promise.all([handle(says(ALICE, '2')), handle(says(BOB, '3'))])
    await settled()
    time.advance(249)
    await settled()
    expect(reached).toEqual(['1'])
    time.advance(1)
    await handled
    expect(reached).toEqual(['1', '2', '3'])
  })

  test('two that share one share its protection, and each have their own state', async () => {
    const time = new Stage()
    const remote = faulty(time.clock, time.timers)
    const common = { clock: time.clock, timers: time.timers, storage: remote, throttle: '1/1m' as const }
    const [one, other] = [desk(common), desk(common)]
    const told: unknown[] = []
    for (const { guard } of [one, other]) guard.on('storage.down', ({ reason }) => told.push(reason))
    await one.says(ALICE, 'passes', 'over')
    await other.says(ALICE, 'passes', 'over')
    expect([one.reached, other.reached]).toEqual([['passes'], ['passes']])
    remote.fault = 'refuses'
    await one.says(BOB, '1', '2', '3', '4', '5')
    expect(told).toEqual(['ECONNREFUSED', 'ECONNREFUSED'])
    expect((await other.guard.health()).ok).toBe(false)
    remote.fault = 'none'
    expect(remote.listening).toBe(1)
    await one.guard.close()
    expect(remote.listening).toBe(1)
    await other.guard.close()
    await other.guard.close()
    expect(remote.listening).toBe(0)
    // The storage was passed in, so its owner has to close it.
    expect(remote.asked).not.toContain('close')
  })

  test('close() reports blocks that never reached it', async () => {
    const { guard, says, remote, told } = stand()
    await says(BOB, 'before')
    remote.fault = 'refuses'
    await says(BOB, '1', '2', '3', '4', '5')
    await expect(guard.block(ALICE)).rejects.toThrow()
    told.length = 0
    await guard.close()
    expect(told).toEqual(['close'])
  })

  test('separate and composed guards are protected, too', async () => {
    const said: unknown[] = []
    const { warn } = console
    console.warn = (...args: unknown[]) => said.push(args.join(' '))
    try {
      const time = new Stage()
      const remote: Faulty = faulty(time.clock, time.timers)
      remote.fault = 'refuses'
      const limit = throttle({ limit: '1/1m', deny: 'silent' })
      const chain = compose(limit, { storage: remote, clock: time.clock, timers: time.timers } as never)
      const passed: string[] = []
      const ctx = (text: string) => ({ update: says(ALICE, text), me: { id: 42 }, api: {} }) as never
      for (const text of ['1', '2']) await chain(ctx(text), async () => void passed.push(text))
      expect(passed).toEqual(['1'])
    } finally {
      console.warn = warn
    }
    expect(said).toEqual([expect.stringContaining('is down: ECONNREFUSED')])
  })

  test('that is already resilient is not wrapped again', async () => {
    const storage = resilient(later(), { timeout: '50ms' })
    const guard = sentinel({ storage })
    expect(guard.storage).toBe(storage)
    expect(sentinel({ storage: memory() }).storage.remote).toBeUndefined()
    await guard.close()
    await storage.close()
  })

  test('without a listener the console reports failures', async () => {
    const said: unknown[] = []
    const { warn } = console
    console.warn = (...args: unknown[]) => said.push(args.join(' '))
    try {
      const time = new Stage()
      const remote = faulty(time.clock, time.timers)
      const { says, guard } = desk({ clock: time.clock, timers: time.timers, storage: remote })
      await says(ALICE, '1')
      remote.fault = 'refuses'
      await says(ALICE, '1', '2', '3', '4', '5')
      remote.fault = 'none'
      for (let i = 0; i < 20; i++) {
        time.advance(25)
        await settled()
      }
      await guard.close()
    } finally {
      console.warn = warn
    }
    await tick()
    expect(said).toEqual([
      expect.stringContaining('is down: ECONNREFUSED'),
      expect.stringContaining('is back after'),
    ])
  })
})

test('the console ends a message of the storage with one mark of punctuation', () => {
  const said: string[] = []
  const { warn } = console
  console.warn = (...args: unknown[]) => void said.push(args.join(' '))
  try {
    const console = new LastResort(() => 0)
    for (const message of ['Is it reachable?', 'Give the role that right.', 'no route to host'])
      console.tell('storage.down', { kind: 'redis', reason: 'ECONNREFUSED', message })
  } finally {
    console.warn = warn
  }
  expect(said.map((line) => line.split('ECONNREFUSED. ')[1])).toEqual([
    'Is it reachable? See guard.health().',
    'Give the role that right. See guard.health().',
    'no route to host. See guard.health().',
  ])
})
