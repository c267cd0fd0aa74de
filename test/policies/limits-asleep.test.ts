import { Stage } from '../middleware/rig.js'
import { desk, tick } from '../sentinel/desk.js'

/* Timers do not count the time for which a machine sleeps, and the clock may be set. */

const ALICE = 7
const HOUR = 3_600_000

test('a limit of a role that expires while the machine sleeps ends within a minute of waking', async () => {
  const time = new Stage()
  let slept = 0
  const clock = () => time.now + slept
  const at = desk({ clock, timers: time.timers, throttle: '2/1h', limits: true })
  await at.says(ALICE, 'hello')
  await at.guard.grant(ALICE, 'vip')
  await at.guard.limits.set({ role: 'vip' }, 'user', '100/1h', { for: '1h' })
  const limit = async () => (await at.guard.peek(ALICE, 'user'))[0]?.limit
  expect(await limit()).toBe('100/1h')
  slept += 8 * HOUR
  time.advance(60_000)
  await tick()
  expect(await limit()).toBe('2/1h')
  expect((await at.guard.explain(ALICE)).limits[0]?.limit).toBe('2/1h')
  await at.says(ALICE, '1', '2', '3', '4')
  expect(at.reached).toEqual(['hello', '1', '2'])
  await at.guard.close()
})

test('a plan is not prepared again while no limit of a role expires', async () => {
  const at = desk({ throttle: '2/1h', limits: true })
  await at.says(ALICE, 'hello')
  let prepared = 0
  const { storage } = at.guard
  const prepare = storage.prepare.bind(storage)
  storage.prepare = (plan) => {
    prepared++
    return prepare(plan)
  }
  await at.guard.limits.set({ role: 'vip' }, 'user', '100/1h', { for: '1h' })
  const before = prepared
  at.time.advance(HOUR - 1)
  expect(prepared).toBe(before)
  at.time.advance(1)
  expect(prepared).toBeGreaterThan(before)
  await at.guard.close()
})
