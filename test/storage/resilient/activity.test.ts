import { userKey } from '../../../src/core/subject.js'
import { desk, idle } from '../../sentinel/desk.js'
import { ALICE, BOT, outage, passing, settled } from '../outage.js'

/* The storage decides, but activity of users is not written in time: the table is locked. */

test('activity that is written late is counted once', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  const { guard, says } = desk({
    users: true,
    storage: stage.storage,
    clock: stage.time.clock,
    timers: stage.time.timers,
  })
  await says(7, 'one', 'two')
  stage.remote.fault = 'hangs'
  await stage.pass(5000)
  await says(7, 'three')
  await stage.pass(10_000)
  expect((await guard.health()).storage.circuit?.state).toBe('closed')
  expect(stage.remote.asked.filter((what) => what === 'users.note')).toHaveLength(1)
  stage.remote.resume()
  await stage.pass(2000)
  expect(await stage.remote.kept.users.get(BOT, ALICE)).toMatchObject({ counts: { message: 3 } })
  await guard.close()
  await idle(guard)
  await stage.storage.close()
})

test('activity whose write fails late is written again', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  stage.remote.fault = 'hangs'
  let ended = 'it waits'
  void Promise.resolve(stage.storage.users.note(BOT, [{ key: ALICE, at: 1, counts: { message: 1 } }])).then(
    () => {
      ended = 'it is written'
    },
    ({ code }) => {
      ended = code
    },
  )
  await stage.pass(10_000)
  expect(ended).toBe('it waits')
  stage.remote.kill()
  await settled()
  expect(ended).toBe('storage.unavailable')
  await stage.storage.close()
})

test('activity is written again when an answer is lost, after minutes, which is reported', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  const { guard, says } = desk({
    users: true,
    storage: stage.storage,
    clock: stage.time.clock,
    timers: stage.time.timers,
  })
  const failures: string[] = []
  guard.on('error', ({ during }) => failures.push(during))
  stage.remote.fault = 'loses'
  await says(7, 'one')
  await stage.pass(5000)
  stage.remote.fault = 'none'
  for (let nth = 0; nth < 4; nth++) await says(7, 'again')
  await passing(stage.time, 240_000, 1000)
  expect(await stage.remote.kept.users.get(BOT, ALICE)).toMatchObject({ counts: { message: 1 } })
  expect(failures).toEqual([])
  await passing(stage.time, 120_000, 1000)
  // The first one counts twice, as its write was repeated.
  expect(await stage.remote.kept.users.get(BOT, ALICE)).toMatchObject({ counts: { message: 6 } })
  expect(failures).toEqual(['users.note'])
  await guard.close()
  await stage.storage.close()
})

test('close() of the storage ends calls that wait for the answer to activity', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  stage.remote.fault = 'hangs'
  const notes = Promise.allSettled(
    [1, 2].map(async (at) => {
      // The first one waits for minutes when the second one has just been sent.
      if (at === 2) await stage.pass(10_000)
      await stage.storage.users.note(BOT, [{ key: ALICE, at, counts: { message: 1 } }])
    }),
  )
  await stage.pass(10_500)
  await stage.storage.close()
  expect(await notes).toMatchObject([1, 2].map(() => ({ reason: { code: 'storage.unavailable' } })))
  expect(stage.armed()).toBe(0)
})

test('an erased user does not come back when a write that was not answered fails', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  const { guard, says } = desk({
    users: true,
    storage: stage.storage,
    clock: stage.time.clock,
    timers: stage.time.timers,
  })
  stage.remote.fault = 'hangs'
  await says(7, 'one')
  await stage.pass(1500)
  const erasing = expect(guard.users.erase(7)).rejects.toMatchObject({ code: 'storage.unavailable' })
  await stage.pass(5000)
  await erasing
  stage.remote.kill()
  stage.remote.resume()
  await stage.pass(5000)
  expect(await stage.remote.kept.users.get(BOT, ALICE)).toBeUndefined()
  await guard.close()
  await stage.storage.close()
})

test.each(['fails', 'succeeds'])(
  'erase() does not wait for the write of other users if it %s before this user was sent, who does not come back',
  async (how) => {
    const stage = outage()
    stage.remote.parts = (what) => what === 'users.note'
    const { guard, says } = desk({
      users: true,
      storage: stage.storage,
      clock: stage.time.clock,
      timers: stage.time.timers,
    })
    stage.remote.fault = 'hangs'
    for (let n = 0; n < 1200; n++) await says(1000 + n, 'hello')
    await says(7, 'one')
    await stage.pass(1500)
    expect(await guard.users.erase(7)).toMatchObject({ profiles: 0 })
    if (how === 'fails') stage.remote.kill()
    stage.remote.resume()
    await stage.pass(5000)
    expect(await stage.remote.kept.users.get(BOT, ALICE)).toBeUndefined()
    expect(await stage.remote.kept.users.get(BOT, userKey(2199))).toMatchObject({ counts: { message: 1 } })
    await guard.close()
    await stage.storage.close()
  },
)

test('erase() does not wait for the write of other users after this user was written', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  const { guard, says } = desk({
    users: true,
    storage: stage.storage,
    clock: stage.time.clock,
    timers: stage.time.timers,
  })
  await says(7, 'one')
  for (let n = 0; n < 1200; n++) await says(1000 + n, 'hello')
  stage.remote.fault = 'hangs'
  await stage.pass(1500)
  const erasing = guard.users.erase(7)
  await stage.pass(1000)
  stage.remote.resume()
  stage.remote.fault = 'hangs'
  await stage.pass(1000)
  expect(await erasing).toMatchObject({ profiles: 1 })
  stage.remote.resume()
  await stage.pass(5000)
  expect(await stage.remote.kept.users.get(BOT, ALICE)).toBeUndefined()
  await guard.close()
  await stage.storage.close()
})

test('erase() rejects while activity of the user may still be written, and deletes what was written when it is repeated', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  const { guard, says } = desk({
    users: true,
    storage: stage.storage,
    clock: stage.time.clock,
    timers: stage.time.timers,
  })
  stage.remote.fault = 'hangs'
  await says(7, 'one')
  await stage.pass(1500)
  for (let tries = 0; tries < 2; tries++) {
    const erasing = expect(guard.users.erase(7)).rejects.toMatchObject({ code: 'storage.unavailable' })
    await stage.pass(5000)
    await erasing
  }
  stage.remote.resume()
  await stage.pass(5000)
  expect((await guard.users.erase(7)).profiles).toBe(1)
  expect(await stage.remote.kept.users.get(BOT, ALICE)).toBeUndefined()
  await guard.close()
  await stage.storage.close()
})

test('close() waits for activity as long as the storage answers, however slowly', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  const { guard, says } = desk({
    users: true,
    storage: stage.storage,
    clock: stage.time.clock,
    timers: stage.time.timers,
  })
  const failures: string[] = []
  guard.on('error', ({ during }) => failures.push(during))
  for (let user = 0; user < 4000; user++) await says(10_000 + user, 'hello')
  stage.remote.delay = 1200
  const closing = guard.close()
  await stage.pass(8000)
  await closing
  expect((await stage.remote.kept.users.get(BOT, userKey(13_999)))?.counts).toEqual({ message: 1 })
  expect(failures).toEqual([])
  stage.remote.delay = 0
  await stage.storage.close()
})

test.each([
  ['5s', 'ends', 5000, 2900],
  // The function has used the time up, during which the activity of two thousand users was written. The rest is given 2.5 seconds.
  ['5s', 'hangs', 7500, 1900],
  ['1s', 'ends', 2500, 3900],
] as const)(
  'close(%j), with a deny function that %s, ends after %i ms if activity is written slowly, and reports that of %i users',
  async (within, deny, taken, left) => {
    const stage = outage()
    stage.remote.parts = (what) => what === 'users.note'
    const { clock, timers } = stage.time
    const throttle = {
      limit: '1/1h',
      deny: () => (deny === 'hangs' ? new Promise<void>(() => undefined) : undefined),
    } as const
    const { guard, says } = desk({ users: true, storage: stage.storage, clock, timers, throttle })
    const failures: unknown[] = []
    guard.on('warning', () => undefined)
    guard.on('error', ({ during, error }) => failures.push(during, (error as Error).message))
    for (let user = 0; user < 4900; user++) await says(10_000 + user, 'hello')
    await says(10_000, 'again')
    stage.remote.delay = 1800
    const began = clock()
    let over = Number.NaN
    const closing = guard.close(within).then(() => {
      over = clock() - began
    })
    await passing(stage.time, 9500, 100)
    await closing
    expect(over).toBe(taken)
    const lost = `close: the storage did not answer in time; the latest activity of ${left} users may be lost.`
    expect(failures).toEqual(['users.note', lost])
    stage.remote.delay = 0
    await stage.storage.close()
  },
)

test('close() does not wait without end for activity that cannot be written, and reports it', async () => {
  const stage = outage()
  stage.remote.parts = (what) => what === 'users.note'
  stage.remote.fault = 'hangs'
  const { guard, says } = desk({
    users: true,
    storage: stage.storage,
    clock: stage.time.clock,
    timers: stage.time.timers,
  })
  const failures: string[] = []
  guard.on('error', ({ during }) => failures.push(during))
  await says(7, 'one')
  let isClosed = false
  const closing = guard.close().then(() => {
    isClosed = true
  })
  await stage.pass(5000)
  expect({ isClosed, failures }).toEqual({ isClosed: true, failures: ['users.note'] })
  await closing
  stage.remote.kill()
  await settled()
  expect(failures).toEqual(['users.note'])
  await stage.storage.close()
})
