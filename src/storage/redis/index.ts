export type { RedisConnection } from './connection.js'
export { type RedisOptions, redis } from './redis.js'
