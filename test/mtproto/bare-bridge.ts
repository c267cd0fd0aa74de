import type { Message, Update } from 'grammy/types'
import { systemClock } from '../../src/core/clock.js'
import { Bridging } from '../../src/mtproto/client/updates/bridging.js'

// A bridge without a connection: tests pass it updates as mtcute does.

export const ALICE = { _: 'user', id: 1, firstName: 'Alice' }
export const PLAZA = { _: 'channel', id: 6, title: 'Plaza', megagroup: true }

export const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

/** A bridge to a bot; `came` passes an update as mtcute does. By default, Telegram answers that it does not have the message. */
export async function bridge() {
  const taken: Update[] = []
  const failures: unknown[] = []
  const asked: string[] = []
  const saved: string[] = []
  const telegram = { answer: async (): Promise<unknown> => ({ messages: [], users: [], chats: [] }) }
  const bridging = new Bridging({
    storage: { kv: { get: async () => null, set: async (key: string) => saved.push(key) } } as never,
    clock: systemClock,
    failed: (error) => failures.push(error),
    isOurs: () => true,
  })
  let listen: (what: unknown) => void = () => undefined
  const onRawUpdate = {
    add: (listener: typeof listen) => {
      listen = listener
    },
  }
  const caller = {
    client: { onRawUpdate },
    channel: async () => ({ _: 'inputChannelEmpty' }),
    call: ({ _: method }: { readonly _: string }) => {
      asked.push(method)
      return telegram.answer()
    },
  }
  const base = { storage: { updates: { getState: async () => [1, 1, 1, 1] } } }
  await bridging.start(
    caller as never,
    { base, client: { startUpdatesLoop: async () => undefined } } as never,
    async (update) => taken.push(update),
    { id: 2, is_bot: true, first_name: 'Watcher' },
    [],
  )
  const peers = { users: new Map([[1, ALICE]]), chats: new Map([[6, PLAZA]]) }
  const came = async (update: object, described: typeof peers = peers) => {
    listen({ update, peers: described })
    await turn()
    await turn()
  }
  const answered = () => taken.map(({ message: it }) => it?.reply_to_message as Message | undefined)
  return { bridging, came, taken, failures, asked, saved, peers, telegram, answered }
}
