import type { Update } from 'grammy/types'
import { chatKey, userKey } from '../../src/core/subject.js'
import { type SentinelOptions, subject } from '../../src/index.js'
import { Stage } from '../middleware/rig.js'
import { onWorkers } from '../on-workers.js'
import { type Desk, desk, nextId, says, tick, user } from '../sentinel/desk.js'
import { type Faulty, faulty } from '../storage/faulty.js'

/* A group that becomes a supergroup gets a new id, and what is stored for it has to follow. */

const GROUP = -55
/** The group in which {@link says} writes. */
const SUPERGROUP = -1001000000001
const ALICE = 7
const OPTIONS: SentinelOptions = {
  roles: { mod: {} },
  settings: { throttle: { min: '1/1h', max: '20/1h' }, notices: true },
}

interface Setting extends Desk {
  readonly storage: Faulty
  /** What failed, and which blocks were reported. */
  readonly told: string[]
  /** Lets time pass until all that can be repeated has been repeated. */
  later(): Promise<void>
}

async function setting(options: SentinelOptions = {}): Promise<Setting> {
  const time = new Stage()
  const { clock, timers } = time
  const storage = faulty(clock, timers)
  const at = desk({ storage, clock, timers, ...OPTIONS, ...options })
  const told: string[] = []
  at.guard.on('error', ({ during }) => told.push(during))
  at.guard.on('blocked', ({ key }) => told.push(`blocked ${key}`))
  at.guard.on('storage.down', () => undefined)
  at.guard.on('storage.up', () => undefined)
  await at.says(9, 'met')
  const later = async (): Promise<void> => {
    for (let second = 0; second < 12; second++) {
      time.advance(1000)
      for (let turn = 0; turn < 20; turn++) await tick()
      await at.quiet()
    }
  }
  return { ...at, time, storage, told, later }
}

function service(chat: number, content: object): Update {
  const id = nextId()
  const type = chat === GROUP ? 'group' : 'supergroup'
  const message = {
    message_id: id,
    date: 0,
    chat: { id: chat, type, title: 'Plaza' },
    from: user(9),
    ...content,
  }
  return { update_id: id, message: message as Update['message'] & object }
}
const leavesFor = (): Update => service(GROUP, { migrate_to_chat_id: SUPERGROUP })
const comesFrom = (): Update => service(SUPERGROUP, { migrate_from_chat_id: GROUP })

async function prepare({ guard, told }: Setting): Promise<void> {
  await guard.block(subject.chat(GROUP), { reason: 'spam' })
  await guard.settings.set(GROUP, { limits: { user: '3/1h' }, notices: false })
  await guard.grant(ALICE, 'mod', { chat: GROUP })
  told.splice(0)
}

async function stateOf({ guard }: Setting, chat: number): Promise<unknown> {
  const { limits, notices } = await guard.settings.of(chat)
  return {
    blocked: (await guard.blockOf(subject.chat(chat)))?.reason,
    limits: [...limits],
    notices,
    roles: await guard.rolesOf(ALICE, { chat }),
  }
}

const MOVED = { blocked: 'spam', limits: [['user', '3/1h']], notices: false, roles: ['mod'] }

describe('while the storage is down', () => {
  test('the block holds under the new id in this process, and everything follows when the storage is back', async () => {
    const at = await setting()
    await prepare(at)
    at.storage.fault = 'refuses'
    await at.handle(leavesFor())
    await at.handle(says(ALICE, 'down', { group: true }))
    await at.quiet()
    expect(at.reached).toEqual(['met'])
    const told = [`blocked ${chatKey(SUPERGROUP)}`, 'chats.migrate']
    expect(at.told).toEqual(told)
    await at.later()
    expect(at.told).toEqual(told)

    at.storage.fault = 'none'
    await at.later()
    expect(await stateOf(at, SUPERGROUP)).toEqual(MOVED)
    expect(await at.storage.kept.marks.get(42, chatKey(SUPERGROUP), 'blocked')).toMatchObject({
      reason: 'spam',
    })
    expect((await at.guard.settings.of(GROUP)).notices).toBe(true)
    expect(at.told).toEqual(told)
    await at.handle(says(ALICE, 'up', { group: true }))
    expect(at.reached).toEqual(['met'])
    await at.guard.close()
  })

  test('a storage that hangs delays the block by no more than reading it under both ids', async () => {
    const at = await setting()
    await prepare(at)
    at.storage.parts = (what) => what === 'marks.get'
    at.storage.fault = 'hangs'
    const handling = at.handle(leavesFor())
    const turns = async () => {
      for (let turn = 0; turn < 20; turn++) await tick()
    }
    await turns()
    for (let elapsed = 0; elapsed < 500; elapsed += 50) {
      at.time.advance(50)
      await turns()
    }
    expect(at.told).toContain(`blocked ${chatKey(SUPERGROUP)}`)
    at.storage.fault = 'none'
    at.storage.resume()
    await at.later()
    await handling
    await at.guard.close()
  })

  test('roles that could not be looked up follow later', async () => {
    const at = await setting()
    await prepare(at)
    at.storage.parts = (what) => what === 'marks.scan'
    at.storage.fault = 'refuses'
    await at.handle(leavesFor())
    await at.later()
    expect(await stateOf(at, SUPERGROUP)).toEqual({ ...MOVED, roles: [] })
    at.storage.fault = 'none'
    await at.later()
    expect(await stateOf(at, SUPERGROUP)).toEqual(MOVED)
    expect(at.told).toEqual([`blocked ${chatKey(SUPERGROUP)}`, 'chats.roles'])
    await at.guard.close()
  })

  test('a move that failed is repeated by new options as well, and by close()', async () => {
    for (const end of ['reconfigure', 'close'] as const) {
      const at = await setting()
      await prepare(at)
      at.storage.parts = (what) => what === 'marks.put'
      at.storage.fault = 'refuses'
      await at.handle(leavesFor())
      at.storage.fault = 'none'
      if (end === 'close') await at.guard.close()
      else at.guard.reconfigure({ throttle: '9/1h' })
      await at.quiet()
      for (let turn = 0; turn < 20; turn++) await tick()
      expect(at.told).toEqual([`blocked ${chatKey(SUPERGROUP)}`, 'chats.migrate'])
      expect(await at.storage.kept.marks.get(42, chatKey(SUPERGROUP), 'settings')).toBeDefined()
    }
  })

  test('close() names a group whose move never succeeded', async () => {
    const at = await setting()
    await prepare(at)
    at.storage.fault = 'refuses'
    await at.handle(leavesFor())
    const messages: string[] = []
    at.guard.on('error', ({ during, error }) => {
      if (during === 'chats.migrate') messages.push((error as Error).message)
    })
    await at.guard.close()
    expect(messages).toEqual([
      `The group ${GROUP} became the supergroup ${SUPERGROUP} while the storage did not answer. Not all of its block, limits, settings and roles were moved: set them again for ${SUPERGROUP}.`,
    ])
  })
})

describe('on a platform that ends timers with the request that set them', () => {
  onWorkers()

  test('a failed move is repeated with the next one', async () => {
    const at = await setting()
    await prepare(at)
    at.storage.parts = (what) => what === 'marks.put'
    at.storage.fault = 'refuses'
    await at.handle(leavesFor())
    at.time.forget()
    at.storage.fault = 'none'
    at.time.advance(6000)
    await at.handle(service(-56, { migrate_to_chat_id: -1001000000056 }))
    await at.quiet()
    expect(await stateOf(at, SUPERGROUP)).toEqual(MOVED)
    await at.guard.close()
  })
})

test('the message in the supergroup suffices: another process may have got the other one, and failed', async () => {
  const at = await setting()
  await prepare(at)
  await at.handle(comesFrom())
  await at.quiet()
  expect(await stateOf(at, SUPERGROUP)).toEqual(MOVED)
  await at.handle(leavesFor())
  await at.quiet()
  expect(at.told).toEqual([`blocked ${chatKey(SUPERGROUP)}`])
  await at.guard.close()
})

test('both messages at once report the block once', async () => {
  const at = await setting()
  await prepare(at)
  await Promise.all([at.handle(leavesFor()), at.handle(comesFrom())])
  await at.quiet()
  expect(at.told).toEqual([`blocked ${chatKey(SUPERGROUP)}`])
  await at.guard.close()
})

test('a block that is lifted after the move stays lifted when Telegram delivers the message again', async () => {
  const at = await setting()
  await prepare(at)
  await at.handle(leavesFor())
  await at.quiet()
  await at.guard.unblock(subject.chat(SUPERGROUP))
  await at.handle(comesFrom())
  await at.quiet()
  expect(await at.guard.isBlocked(subject.chat(SUPERGROUP))).toBe(false)
  await at.guard.close()
})

describe('a block that is lifted after the move', () => {
  test('stays lifted when the other message reaches another process', async () => {
    const at = await setting()
    await prepare(at)
    await at.handle(leavesFor())
    await at.quiet()
    await at.guard.unblock(subject.chat(SUPERGROUP))
    const other = desk({ storage: at.storage, clock: at.time.clock, timers: at.time.timers, ...OPTIONS })
    await other.handle(comesFrom())
    await other.quiet()
    expect(await other.guard.isBlocked(subject.chat(SUPERGROUP))).toBe(false)
    expect(await other.guard.isBlocked(subject.chat(GROUP))).toBe(true)
    await at.guard.close()
    await other.guard.close()
  })

  test('stays lifted while the storage is down, and afterwards', async () => {
    const at = await setting()
    await prepare(at)
    at.storage.fault = 'refuses'
    await at.handle(leavesFor())
    await at.quiet()
    await expect(at.guard.unblock(subject.chat(SUPERGROUP))).rejects.toThrow()
    await at.later()
    expect(await at.guard.isBlocked(subject.chat(SUPERGROUP))).toBe(false)
    at.storage.fault = 'none'
    await at.later()
    expect(await stateOf(at, SUPERGROUP)).toEqual({ ...MOVED, blocked: undefined })
    expect(at.told).toEqual([`blocked ${chatKey(SUPERGROUP)}`, 'chats.migrate'])
    await at.guard.close()
  })

  test('stays lifted when the rest of the move is repeated', async () => {
    for (const failing of ['marks.scan', 'marks.of']) {
      const at = await setting()
      await prepare(at)
      at.storage.parts = (what) => what === failing
      at.storage.fault = 'refuses'
      await at.handle(leavesFor())
      await at.quiet()
      expect(await at.guard.isBlocked(subject.chat(SUPERGROUP))).toBe(true)
      await at.guard.unblock(subject.chat(SUPERGROUP))
      await at.later()
      expect(await at.guard.isBlocked(subject.chat(SUPERGROUP))).toBe(false)
      at.storage.fault = 'none'
      await at.later()
      expect(await stateOf(at, SUPERGROUP)).toEqual({ ...MOVED, blocked: undefined })
      await at.guard.close()
    }
  })
})

test('a move for which there is no place among the failed ones is reported with the names of its groups', async () => {
  const at = await setting()
  at.storage.parts = (what) => what.startsWith('marks.')
  at.storage.fault = 'refuses'
  const messages: string[] = []
  at.guard.on('error', ({ error }) => messages.push((error as Error).message))
  for (let group = 1; group <= 1000; group++)
    await at.handle(service(GROUP - group, { migrate_to_chat_id: SUPERGROUP - group }))
  const named = (): string[] => messages.filter((message) => message.startsWith('The group'))
  expect(named()).toEqual([])
  await at.handle(leavesFor())
  expect(named()).toEqual([
    `The group ${GROUP} became the supergroup ${SUPERGROUP} while the storage did not answer. Not all of its block, limits, settings and roles were moved: set them again for ${SUPERGROUP}.`,
  ])
  at.storage.fault = 'none'
  await at.guard.close()
})

test('roles of the anonymous administrators belong to those of the supergroup', async () => {
  const at = await setting()
  await at.guard.grant(subject.sender(GROUP), 'mod', { chat: GROUP })
  await at.handle(leavesFor())
  await at.quiet()
  expect(await at.guard.hasRole(subject.sender(SUPERGROUP), 'mod', { chat: SUPERGROUP })).toBe(true)
  expect(await at.guard.hasRole(subject.sender(GROUP), 'mod', { chat: SUPERGROUP })).toBe(false)
  await at.guard.close()
})

test('a pause after a 429 stays with the old chat', async () => {
  const at = await setting()
  const { marks } = at.storage.kept
  const mark = { since: at.time.now, until: at.time.now + 40_000 }
  await marks.put(42, 'outgoing.paused', [{ key: chatKey(GROUP), mark }])
  await at.handle(leavesFor())
  await at.quiet()
  expect(await marks.get(42, chatKey(SUPERGROUP), 'outgoing.paused')).toBeUndefined()
  await at.guard.close()
})

test('the roster follows with its members, unless something newer is recorded', async () => {
  const at = await setting()
  const { marks } = at.storage.kept
  await marks.put(42, `member@${GROUP}`, [
    { key: userKey(ALICE), mark: { since: 1, value: 'member' } },
    { key: userKey(8), mark: { since: 1, value: 'member' } },
  ])
  await marks.put(42, `member@${SUPERGROUP}`, [
    { key: userKey(8), mark: { since: 2, value: 'administrator' } },
  ])
  await marks.put(42, 'reconciled', [{ key: chatKey(GROUP), mark: { since: 5 } }])
  await at.handle(leavesFor())
  await at.quiet()
  const standing = async (id: number) => (await marks.get(42, userKey(id), `member@${SUPERGROUP}`))?.value
  expect(await standing(ALICE)).toBe('member')
  expect(await standing(8)).toBe('administrator')
  expect(await marks.get(42, chatKey(SUPERGROUP), 'reconciled')).toEqual({ since: 5 })
  expect(await marks.get(42, chatKey(GROUP), 'reconciled')).toBeUndefined()
  expect((await marks.scan(42, `member@${GROUP}`)).entries).toEqual([])
  await at.guard.close()
})
