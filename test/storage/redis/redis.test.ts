import { redis } from '../../../src/storage/redis/index.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { conformance } from '../conformance.js'

conformance<string>('redis', {
  place: freshName,
  make: async (clock, prefix) => redis(await sharedRedis(), { prefix, clock }),
  schedules: Number(process.env.SCHEDULES ?? 300),
})
