import type { Update } from 'grammy/types'
import { Redis } from 'ioredis'
import Database from 'libsql'
import { Pool } from 'pg'
import { type BlockListExport, keyText, subject } from '../../src/index.js'
import { combine } from '../../src/storage/combine.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { fromGrammyStorage } from '../../src/storage/grammy-storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { sqlite } from '../../src/storage/sqlite/index.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'
import { type Desk, desk, later, nextId, user } from './desk.js'

const ALICE = 7
const BOB = 8
const CAROL = 9

const GROUP = -55
const OTHER_GROUP = -56
const SUPERGROUP = -1001000000055

const inGroup = (id: number, content: object): Update => {
  const update_id = nextId()
  const chat = { id, type: id === SUPERGROUP ? 'supergroup' : 'group', title: 'Plaza' }
  const message = { message_id: update_id, date: 1_767_225_600, chat, from: user(ALICE), ...content }
  return { update_id, message } as Update
}

const prefixes: string[] = []
const schemas: string[] = []
const desks: Desk[] = []

/** Operations that take several storage calls must work on each of these. */
const places: Readonly<Record<string, () => Storage | Promise<Storage>>> = {
  memory: () => memory(),
  'memory that answers later': () => later(),
  'an adapter of grammY': () => {
    const kept = new Map<string, string>()
    const durable = fromGrammyStorage({
      read: (key) => JSON.parse(kept.get(key) ?? 'null') ?? undefined,
      write: (key, value) => void kept.set(key, JSON.stringify(value)),
      delete: (key) => void kept.delete(key),
    })
    return combine({ durable, volatile: memory() })
  },
  sqlite: () => sqlite(new Database(':memory:')),
  redis: async () => {
    const prefix = freshName('every')
    prefixes.push(prefix)
    return redis(await sharedRedis(), { prefix })
  },
  postgres: async () => {
    const schema = freshName('every')
    schemas.push(schema)
    return postgres(await sharedPostgres(), { schema })
  },
}

afterEach(async () => {
  for (const { guard } of desks.splice(0)) {
    await guard.close()
    await guard.storage.close()
  }
})

afterAll(async () => {
  const pool = new Pool({ connectionString: await sharedPostgres() })
  for (const schema of schemas) await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
  await pool.end()
  const client = new Redis(await sharedRedis())
  for (const prefix of prefixes) {
    const keys = await client.keys(`${prefix}:*`)
    if (keys.length > 0) await client.del(keys)
  }
  client.disconnect()
})

function guarded(storage: Storage, options: Parameters<typeof desk>[0] = {}): Desk {
  const one = desk({ storage, name: 'shop', clock: Date.now, ...options })
  desks.push(one)
  return one
}

describe.each(Object.entries(places))('with %s', (_, make) => {
  test('an import shortens no block, and returns how many it changed', async () => {
    const { guard, says } = guarded(await make())
    const told: unknown[] = []
    await says(1, 'met')
    const now = Date.now()
    await guard.block(ALICE, { reason: 'for good' })
    await guard.block(BOB, { until: now + 7_200_000, reason: 'two hours' })
    await guard.block(CAROL, { until: now + 3_600_000, reason: 'one hour' })
    guard.on('blocked', ({ reason }) => told.push(reason))
    const list: BlockListExport = {
      version: 1,
      blocked: [
        { subject: `u${ALICE}`, since: 1, until: now + 3_600_000, reason: 'shorter' },
        { subject: `u${BOB}`, since: 1, until: now + 7_200_000, reason: 'as long' },
        { subject: `u${CAROL}`, since: 1, until: now + 7_200_000, reason: 'longer' },
        { subject: 'u10', since: 1, until: now + 7_200_000, reason: 'twice, the longer one' },
        { subject: 'u10', since: 1, until: now + 3_600_000, reason: 'twice, the shorter one' },
        { subject: 'u11', since: 1, until: Date.now(), reason: 'lapsed' },
      ],
    }
    expect(await guard.import(list)).toBe(2)
    expect(told).toEqual(['longer', 'twice, the longer one'])
    const reasons = await Promise.all([ALICE, BOB, CAROL, 10, 11].map((id) => guard.blockOf(id)))
    expect(reasons.map((block) => block?.reason)).toEqual([
      'for good',
      'two hours',
      'longer',
      'twice, the longer one',
      undefined,
    ])
    expect(await guard.import(list)).toBe(0)
  })

  test('an import before the bot is known shortens no block either, but block() applies', async () => {
    const storage = await make()
    const before = guarded(storage)
    await before.says(1, 'met')
    await before.guard.block([ALICE, BOB, CAROL], { reason: 'for good' })

    const { guard, says, quiet } = guarded(storage)
    const until = Date.now() + 3_600_000
    await guard.block(BOB, { until: until - 1, reason: 'asked' })
    await guard.unblock(CAROL)
    const blocked = [ALICE, BOB, CAROL, 10].map((id) => ({
      subject: `u${id}`,
      since: 1,
      until,
      reason: 'imported',
    }))
    expect(await guard.import({ version: 1, blocked })).toBe(4)
    expect(await guard.import({ version: 1, blocked })).toBe(0)
    await says(2, 'met')
    await quiet()
    const reasons = await Promise.all([ALICE, BOB, CAROL, 10].map((id) => guard.blockOf(id)))
    expect(reasons.map((block) => block?.reason)).toEqual(['for good', 'imported', 'imported', 'imported'])
  })

  test('the state of a group moves with it when it becomes a supergroup', async () => {
    const at = guarded(await make(), {
      limits: true,
      throttle: '20/1h',
      roles: { owner: { extends: ['admin'] }, admin: {} },
      settings: { throttle: { min: '1/1h', max: '20/1h' } },
    })
    const { guard } = at
    await at.says(1, 'met')
    await guard.block([subject.chat(GROUP), subject.sender(GROUP)], { reason: 'raid' })
    await guard.block(subject.chat(OTHER_GROUP))
    await guard.limits.set(subject.chat(GROUP), 'user', '2/1h')
    await guard.settings.set(GROUP, { limits: { user: '3/1h' } })
    await guard.grant([ALICE, BOB], 'owner', { chat: GROUP })
    await guard.grant(CAROL, 'admin', { chat: OTHER_GROUP })
    const told: unknown[] = []
    guard.on('blocked', ({ key }) => told.push(keyText(key)))

    await at.handle(inGroup(GROUP, { text: 'before' }))
    await at.handle(inGroup(GROUP, { migrate_to_chat_id: SUPERGROUP }))
    await at.handle(inGroup(SUPERGROUP, { migrate_from_chat_id: GROUP }))
    await at.handle(inGroup(SUPERGROUP, { text: 'after' }))
    await at.quiet()

    expect(at.reached).toEqual(['met'])
    expect(await guard.blockOf(subject.chat(SUPERGROUP))).toMatchObject({ reason: 'raid' })
    expect(await guard.isBlocked(subject.sender(SUPERGROUP))).toBe(true)
    expect(await guard.isBlocked(subject.chat(OTHER_GROUP))).toBe(true)
    expect(told).toEqual([`c${SUPERGROUP}`, `s${SUPERGROUP}`])
    const limits: unknown[] = []
    for await (const { holder, value } of guard.limits.list()) limits.push([holder, value])
    expect(limits).toEqual([[expect.objectContaining({ kind: 'chat', id: SUPERGROUP }), '2/1h']])
    expect((await guard.settings.of(SUPERGROUP)).limits).toEqual(new Map([['user', '3/1h']]))
    const roles = (who: number, chat: number) => guard.rolesOf(who, { chat })
    expect(await Promise.all([ALICE, BOB, CAROL].map((who) => roles(who, SUPERGROUP)))).toEqual([
      ['owner'],
      ['owner'],
      [],
    ])
    expect(await roles(ALICE, GROUP)).toEqual([])
    expect(await roles(CAROL, OTHER_GROUP)).toEqual(['admin'])
  })
})
