import { Api } from 'grammy'
import { ChatAdministrators } from '../../src/middleware/exempt/chat-administrators.js'
import { memory } from '../../src/storage/memory/memory.js'
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
