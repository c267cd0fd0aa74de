import { redis } from '../../src/storage/redis/index.js'
import { freshName, sharedRedis } from '../servers/shared.js'
import { conformance } from './conformance.js'

conformance('redis', {
  make: async (clock) => redis(await sharedRedis(), { prefix: freshName(), clock }),
  schedules: 400,
})
