import type { Update } from 'grammy/types'
import { memory, type Storage } from '../../src/index.js'
import { type Desk, desk, later, nextId, says, tick, user } from './desk.js'

/* Each process remembers who administers a chat, and Telegram reports a change to one of them only. */

const ALICE = 7
const OLGA = 1

function worker(storage: Storage): Desk {
  const at = desk({ storage, name: 'shop', throttle: '1/1h', debounce: false, exempt: { chatAdmins: true } })
  at.hasAdministrators(ALICE)
  return at
}

/** Alice becomes an ordinary member of the group, or gets other rights. */
function changes(after: 'member' | 'administrator'): Update {
  const { message } = says(OLGA, 'demotes', { group: true })
  const alice = user(ALICE)
  return {
    update_id: nextId(),
    chat_member: {
      chat: message?.chat as never,
      from: user(OLGA),
      date: 1_767_225_600,
      old_chat_member: { status: 'administrator', user: alice } as never,
      new_chat_member: { status: after, user: alice } as never,
    },
  }
}

async function settled(at: Desk): Promise<void> {
  await at.quiet()
  for (let turn = 0; turn < 20; turn++) await tick()
}

const asks = ({ calls }: Desk): number =>
  calls.filter(({ method }) => method === 'getChatAdministrators').length

describe.each([
  ['memory', () => memory()],
  ['a storage elsewhere', () => later()],
])('processes that share %s', (_, storage) => {
  test('all forget an administrator when one of them gets the demotion', async () => {
    const kept = storage()
    const [one, other] = [worker(kept), worker(kept)]
    for (const at of [one, other]) {
      for (const text of ['first', 'second', 'third']) await at.handle(says(ALICE, text, { group: true }))
      await settled(at)
    }
    expect(other.reached).toEqual(['first', 'second', 'third'])
    other.bot.api.config.use(async (prev, method, payload, signal) =>
      method === 'getChatAdministrators' ? { ok: true, result: [] as never } : prev(method, payload, signal),
    )
    await one.handle(changes('member'))
    await settled(one)
    await other.handle(says(ALICE, 'fourth', { group: true }))
    expect(other.reached).toEqual(['first', 'second', 'third'])
    for (const at of [one, other]) await at.guard.close()
  })

  test('ask again after a change of rights', async () => {
    const kept = storage()
    const [one, other] = [worker(kept), worker(kept)]
    for (const text of ['first', 'second']) await other.handle(says(ALICE, text, { group: true }))
    await settled(other)
    expect(asks(other)).toBe(1)
    await one.handle(changes('administrator'))
    await settled(one)
    await other.handle(says(ALICE, 'third', { group: true }))
    expect(other.reached).toEqual(['first', 'second', 'third'])
    expect(asks(other)).toBe(2)
    for (const at of [one, other]) await at.guard.close()
  })
})

test('a process asks again after changes in the storage may have been missed', async () => {
  const kept = memory()
  const listeners = new Set<Parameters<Storage['watch']>[0]>()
  const storage: Storage = Object.assign(Object.create(kept) as Storage, {
    watch: (listener: Parameters<Storage['watch']>[0]) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  })
  const at = worker(storage)
  expect(listeners.size).toBe(0)
  for (const text of ['first', 'second']) await at.handle(says(ALICE, text, { group: true }))
  await settled(at)
  for (const listener of listeners) listener({ kind: 'gap' })
  await at.handle(says(ALICE, 'third', { group: true }))
  expect(asks(at)).toBe(2)
  expect(listeners.size).toBe(1)
  await at.guard.close()
  await settled(at)
  expect(listeners.size).toBe(0)
})

test('a process whose storage cannot be watched reports that, and tries again with the next question', async () => {
  const kept = memory()
  let isDeaf = true
  let watches = 0
  const storage: Storage = Object.assign(Object.create(kept) as Storage, {
    watch: (listener: Parameters<Storage['watch']>[0]) => {
      watches++
      if (isDeaf) throw new Error('deaf')
      return kept.watch(listener)
    },
  })
  const at = worker(storage)
  const failed: string[] = []
  at.guard.on('error', ({ during }) => failed.push(during))
  for (const text of ['first', 'second']) await at.handle(says(ALICE, text, { group: true }))
  await settled(at)
  expect(at.reached).toEqual(['first', 'second'])
  expect(failed).toEqual(['getChatAdministrators'])
  isDeaf = false
  await at.handle(changes('administrator'))
  await at.handle(says(ALICE, 'third', { group: true }))
  await settled(at)
  expect(failed).toEqual(['getChatAdministrators'])
  expect(watches).toBe(2)
  await at.guard.close()
})
