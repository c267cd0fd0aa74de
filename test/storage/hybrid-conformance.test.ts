import { memory } from '../../src/storage/memory/memory.js'
import { redis } from '../../src/storage/redis/index.js'
import { Stage } from '../middleware/rig.js'
import { freshName, sharedRedis } from '../servers/shared.js'
import { type Audit, audited } from './audited.js'
import { conformance } from './conformance.js'
import { faulty } from './faulty.js'

const schedules = Number(process.env.SCHEDULES ?? 100)
const overMemory: Audit = { exact: 0, bans: 0, otherwise: 0 }
const overRedis: Audit = { exact: 0, bans: 0, otherwise: 0 }

conformance('hybrid over memory that takes its time', {
  make: (clock) => audited(faulty(clock, new Stage().timers), { clock }, overMemory, memory({ clock })),
  schedules: schedules * 4,
})

conformance('hybrid over redis', {
  make: async (clock) =>
    audited(redis(await sharedRedis(), { prefix: freshName(), clock }), { clock }, overRedis),
  schedules,
})

afterAll(() => {
  // Else the audits were of nothing.
  for (const { exact } of [overMemory, overRedis]) expect(exact).toBeGreaterThan(0)
})
