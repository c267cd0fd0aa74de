import { Redis } from 'ioredis'
import pg from 'pg'
import { freshName, sharedPostgres, sharedRedis } from './shared.js'

test('suites share one Redis', async () => {
  const url = await sharedRedis()
  expect(await sharedRedis()).toBe(url)
  const redis = new Redis(url)
  const key = freshName()
  await redis.set(key, 'x')
  expect(await redis.get(key)).toBe('x')
  redis.disconnect()
})

test('suites share one Postgres', async () => {
  const url = await sharedPostgres()
  expect(await sharedPostgres()).toBe(url)
  const client = new pg.Client(url)
  await client.connect()
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await client.end()
})
