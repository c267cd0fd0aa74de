import { Redis } from 'ioredis'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { explained } from '../../../src/storage/redis/failures.js'
import { redis } from '../../../src/storage/redis/index.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { ALICE, admits, askOf, BOT, bucket, once, planOf } from './desk.js'

/* Scripts report a missing permission in other words than commands do, and only when they reach that command. */

const ALL = '~sentinel:* &sentinel:* +@all -@dangerous +info +role'
const USERS = {
  // In Redis 7, users may not use any channel unless it is granted.
  hushed: '>pw ~sentinel:* +@all -@dangerous +info +role resetchannels',
  unsetting: `>pw ${ALL} -hset`,
  unrunning: `>pw ${ALL} -evalsha`,
  ungetting: `>pw ${ALL} -getrange`,
  unleasing: `>pw ${ALL} -hget`,
  unlisting: `>pw ${ALL} -zrange`,
  keyless: '>pw ~other:* &sentinel:* +@all -@dangerous +info +role',
}

let server: RedisServer
let admin: Redis
beforeAll(async () => {
  server = await startRedis({ users: USERS })
  admin = new Redis(server.url)
}, 30_000)
afterAll(async () => {
  admin.disconnect()
  await server.stop()
})

const put = ({ marks }: Storage) => marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
const keep = ({ values }: Storage) => values.put('space', 'key', 1)

test.each<[string, (storage: Storage) => unknown, string]>([
  ['hushed', put, 'The user lacks the channel.'],
  ['hushed', (storage) => storage.marks.remove(BOT, 'blocked', [ALICE]), 'The user lacks the channel.'],
  ['hushed', (storage) => storage.reset(BOT, ALICE), 'The user lacks the channel.'],
  ['unsetting', keep, 'The user lacks a command.'],
  ['unrunning', keep, 'The user lacks a command.'],
  ['keyless', keep, 'The user lacks the keys.'],
])(
  'the user "%s" gets an error with the missing permission, and nothing is written',
  async (user, work, lacked) => {
    await admin.flushall()
    const storage = redis(`redis://${user}:pw@127.0.0.1:${server.port}`)
    await expect((async () => work(storage))()).rejects.toMatchObject({
      code: 'storage.permission',
      message: expect.stringMatching(new RegExp(`${lacked} .*ACL SETUSER … ~sentinel:\\* &sentinel:\\*`)),
    })
    expect(await admin.dbsize()).toBe(0)
    await storage.close()
  },
)

test.each([
  ['ungetting', 'an id that was handled'],
  ['unleasing', 'the lease of an id that is being handled'],
])('the user "%s", who may not read %s, gets an error, and the id is not handled again', async (user) => {
  await admin.flushall()
  const plan = planOf(once({ lease: 60_000 }))
  const open = (login: string): Storage => redis(`redis://${login}127.0.0.1:${server.port}`)
  const [able, unable] = [open(''), open(`${user}:pw@`)]
  const ask = askOf(ALICE, [5])
  const first = await able.prepare(plan)
  expect((await first.evaluate(ask)).refusedBy).toBe(-1)
  const second = await unable.prepare(plan)
  await expect((async () => second.evaluate(ask))()).rejects.toMatchObject({
    code: 'storage.permission',
    message: expect.stringContaining('The user lacks a command.'),
  })
  expect((await unable.health()).corrupt).toBe(0)
  expect((await first.evaluate(ask)).refusedBy).toBe(0)
  await able.close()
  await unable.close()
})

test('a user who may not list what is to be forgotten gets an error, and nothing is forgotten', async () => {
  await admin.flushall()
  const able = redis(`redis://127.0.0.1:${server.port}`)
  const unable = redis(`redis://unlisting:pw@127.0.0.1:${server.port}`)
  const judge = await able.prepare(planOf(once({ subject: 0 })))
  await judge.evaluate(askOf(ALICE, [5]))
  await expect(unable.reset(BOT, ALICE)).rejects.toMatchObject({ code: 'storage.permission' })
  expect((await judge.evaluate(askOf(ALICE, [5]))).refusedBy).toBe(0)
  await able.close()
  await unable.close()
})

test.each([
  ["User bot has no permissions to run the 'hset' command", 'The user lacks a command.'],
  ['User bot has no permissions to access one of the keys used as arguments', 'The user lacks the keys.'],
  ["User bot has no permissions to access the 'sentinel:changes' channel", 'The user lacks the channel.'],
])('a later Redis, in whose scripts a %s, is understood', (said, lacked) => {
  const script = 'script: f993f9e1, on @user_script:16'
  const { code, message } = explained(`ERR ACL failure in script: ${said} ${script}.`)
  expect(code).toBe('storage.permission')
  expect(message).toContain(`${said}. ${lacked} The user needs`)
})

test('a server without ROLE, such as those of Redis Cloud, stores plans, counts and marks', async () => {
  const roleless = await startRedis({ config: ['rename-command ROLE ""'] })
  const storage = redis(roleless.url)
  try {
    const judge = await storage.prepare(planOf(bucket(1, 3_600_000)))
    expect([await admits(judge), await admits(judge)]).toEqual([true, false])
    await storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
    expect(await storage.marks.get(BOT, ALICE, 'blocked')).toEqual({ since: 1 })
    expect((await storage.health()).ok).toBe(true)
  } finally {
    await storage.close()
    await roleless.stop()
  }
})
