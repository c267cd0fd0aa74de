import { Api } from 'grammy'
import { chatKey, type Key } from '../../src/core/subject.js'
import { ChatAdministrators } from '../../src/middleware/exempt/chat-administrators.js'
import { memory } from '../../src/storage/memory/memory.js'
import { desk, later, nextId, tick, user } from '../sentinel/desk.js'
import { Stage } from './rig.js'

const BOT = 42
const MOST = 10_000

/** A cache of chat administrators. `asked` lists the chats that Telegram was asked about; its answers are empty. */
function remembering() {
  const { clock, timers } = new Stage()
  const asked: unknown[] = []
  const api = new Api('42:token')
  api.config.use(async (_prev, _method, payload) => {
    asked.push((payload as { chat_id?: unknown }).chat_id)
    return { ok: true, result: [] as never }
  })
  const failed = (error: unknown): never => {
    throw error
  }
  const known = new ChatAdministrators(clock, timers, failed, memory())
  return { asked, looksAt: (chat: number) => known.rolesIn(BOT, chat, 7, api) }
}

test('at most ten thousand chats are remembered: the one that was looked up first is dropped', async () => {
  const { asked, looksAt } = remembering()
  for (let chat = 1; chat <= MOST; chat++) await looksAt(-chat)
  for (let chat = 1; chat <= MOST; chat++) await looksAt(-chat)
  expect(asked).toHaveLength(MOST)
  await looksAt(-MOST - 1)
  await looksAt(-2)
  expect(asked).toHaveLength(MOST + 1)
  await looksAt(-1)
  expect(asked.slice(MOST)).toEqual([-MOST - 1, -1])
})

test.each([
  ['before the time-out', 1000, 1000],
  ['after it', 2000, 0],
])('a late answer is not kept if the administrators changed meanwhile, %s', async (_, before, after) => {
  const time = new Stage()
  const api = new Api('42:token')
  const answers: (() => void)[] = []
  api.config.use(async () => {
    await new Promise<void>((answer) => answers.push(answer))
    return { ok: true, result: [{ status: 'administrator', user: user(7) }] as never }
  })
  const known = new ChatAdministrators(
    time.clock,
    time.timers,
    () => undefined,
    memory({ clock: time.clock }),
  )
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await tick()
  }
  const asked = known.rolesIn(BOT, -1, 7, api)
  await turns()
  time.advance(before)
  await turns()
  known.forget(BOT, -1)
  time.advance(after)
  expect(await asked).toEqual([])
  answers.shift()?.()
  await turns()
  const again = known.rolesIn(BOT, -1, 7, api)
  await turns()
  expect(answers).toHaveLength(1)
  answers.shift()?.()
  expect(await again).toContain('chat:administrator')
})

test('other processes are told of every change in a storm, with few writes', async () => {
  const storage = later(memory())
  const told = new Set<Key>()
  const waiting: (() => void)[] = []
  const { put } = storage.marks
  let writes = 0
  Object.assign(storage.marks, {
    put: async (...args: Parameters<typeof put>) => {
      const [, name, entries] = args
      if (name === 'administrators.changed') {
        writes++
        await new Promise<void>((done) => waiting.push(done))
        for (const { key } of entries) told.add(key)
      }
      return put(...args)
    },
  })
  const at = desk({ storage })
  const chats = Array.from({ length: 400 }, (_, index) => -1_001_000_000_000 - index)
  for (const id of chats) {
    const member = { user: user(7), status: 'administrator' }
    await at.handle({
      update_id: nextId(),
      chat_member: {
        chat: { id, type: 'supergroup', title: 'Plaza' },
        from: user(9),
        date: 0,
        old_chat_member: member as never,
        new_chat_member: { ...member, status: 'member' } as never,
      },
    })
  }
  for (let turn = 0; turn < 20; turn++) {
    waiting.shift()?.()
    await tick()
  }
  await at.quiet()
  expect([...told].sort()).toEqual(chats.map((id) => chatKey(id)).sort())
  expect(writes).toBe(2)
  await at.guard.close()
})
