import type { tl } from '@mtcute/core'
import type { Update } from 'grammy/types'
import { MtprotoRefusal } from '../../src/mtproto/client/calls/refusal.js'
import { Originals } from '../../src/mtproto/client/updates/originals.js'
import { COMMON } from '../../src/mtproto/client/updates/progress.js'
import { Waits } from '../../src/mtproto/client/updates/waits.js'
import { Stage } from '../middleware/rig.js'

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

interface Call {
  readonly ids: readonly number[]
  readonly signal: AbortSignal
  answer(messages: readonly object[]): void
  refuse(error: unknown): void
}

/** An Originals whose calls the test answers. */
function originals() {
  const calls: Call[] = []
  const failures: unknown[] = []
  const time = new Stage()
  const caller = {
    channel: async (chat: number) => chat,
    call: (
      { id }: { readonly id: readonly { readonly id: number }[] },
      { signal }: { signal: AbortSignal },
    ) =>
      new Promise((resolve, reject) => {
        calls.push({
          ids: id.map((each) => each.id),
          signal,
          answer: (messages) => resolve({ messages, users: [], chats: [] }),
          refuse: reject,
        })
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
  }
  const fetching = new Originals((error) => failures.push(error), time.timers)
  /** Fetches the original of message `reply` of a box, which replies to the message before it. */
  const of = (box: number, reply: number) => fetching.of(caller as never, box, reply, reply - 1)
  return { of, calls, failures, time, fetching }
}

test('during a call about a chat, further replies are collected and asked about in one call', async () => {
  const { of, calls } = originals()
  const found = Array.from({ length: 151 }, (_, nth) => of(5, 10 + nth))
  await turn()
  expect(calls.map(({ ids }) => ids.length)).toEqual([1])
  calls[0]?.answer([{ id: 9 }])
  await turn()
  expect(calls.map(({ ids }) => ids.length)).toEqual([1, 100])
  calls[1]?.answer([{ id: 10 }])
  await turn()
  expect(calls.map(({ ids }) => ids.length)).toEqual([1, 100, 50])
  calls[2]?.answer([])
  const messages = (await Promise.all(found)).map((each) => each?.message.id)
  expect(messages).toEqual([9, 10, ...Array.from({ length: 149 })])
})

test('eight chats are asked about concurrently, the others in turn', async () => {
  const { of, calls } = originals()
  for (let chat = 1; chat <= 10; chat++) void of(chat, 100 + chat)
  await turn()
  expect(calls).toHaveLength(8)
  calls[3]?.answer([])
  await turn()
  expect(calls.map(({ ids }) => ids[0])).toEqual([101, 102, 103, 104, 105, 106, 107, 108, 109])
})

test('a reply waits at most three seconds, whether its call hangs or has not begun', async () => {
  const { of, calls, failures, time } = originals()
  const first = of(5, 10)
  await turn()
  time.advance(2000)
  const second = of(5, 20)
  await turn()
  time.advance(1000)
  expect(await first).toBeUndefined()
  await turn()
  // The hanging call was aborted, which lets the next one start.
  expect(calls.map(({ ids, signal }) => [ids, signal.aborted])).toEqual([
    [[10], true],
    [[20], false],
  ])
  calls[1]?.answer([{ id: 19 }])
  expect((await second)?.message.id).toBe(19)
  expect(failures).toEqual([])
})

test('a lasting failure is reported once, and again after an answer', async () => {
  const { of, calls, failures } = originals()
  const broken = new Error('broken')
  for (const how of ['refuse', 'refuse', 'answer', 'refuse'] as const) {
    const found = of(5, 10)
    await turn()
    const call = calls.at(-1)
    if (how === 'answer') call?.answer([])
    else call?.refuse(broken)
    expect(await found).toBeUndefined()
    await turn()
  }
  expect(failures).toEqual([broken, broken])
})

test('a chat that Telegram refuses is reported once, although other chats are answered', async () => {
  const { of, calls, failures } = originals()
  const refusal = new MtprotoRefusal('channels.getMessages', 'MSG_ID_INVALID')
  for (const box of [5, 6, 5, COMMON, 5]) {
    const found = of(box, 10)
    await turn()
    if (box === 5) calls.at(-1)?.refuse(refusal)
    else calls.at(-1)?.answer([])
    await found
    await turn()
  }
  expect(failures).toEqual([refusal])
})

test('a wait for all channels is reported once, although private chats are answered', async () => {
  const { of, calls, failures } = originals()
  const flood = new Error('flood')
  for (const box of [5, COMMON, 6, COMMON, 5]) {
    const found = of(box, 10)
    await turn()
    if (box === COMMON) calls.at(-1)?.answer([])
    else calls.at(-1)?.refuse(flood)
    await found
    await turn()
  }
  expect(failures).toEqual([flood])
})

test('the latest thousand messages are kept, with edits and without deleted ones', () => {
  const { fetching } = originals()
  const saw = (id: number, text: string) =>
    fetching.saw(5, { message: { _: 'message', id, message: text } as tl.RawMessage, peers: new Map() })
  const textOf = (id: number) => (fetching.known(5, id)?.message as tl.RawMessage | undefined)?.message
  for (let id = 1; id <= 1000; id++) saw(id, 'written')
  saw(1, 'edited')
  saw(1001, 'written')
  expect([1, 2, 3, 1001].map(textOf)).toEqual(['edited', undefined, 'written', 'written'])
  expect(fetching.known(6, 3)).toBeUndefined()
  fetching.forget(5, [3, 7000])
  expect([3, 4].map(textOf)).toEqual([undefined, 'written'])
})

test('while an update waits, later updates of its chat wait as well, but not those of other chats', async () => {
  const waits = new Waits()
  const ran: string[] = []
  const update = (chat: number) => ({ update_id: 1, message: { chat: { id: chat } } }) as Update
  const run = async (name: string, chat: number, what?: Promise<void>) => {
    const wait = waits.of(update(chat), what)
    if (wait !== undefined && !wait.isOver) await wait.over
    ran.push(name)
  }
  const go: (() => void)[] = []
  const pending = () => new Promise<void>((done) => go.push(done))
  void run('first', 1, pending())
  void run('second', 1, pending())
  void run('third', 1)
  void run('elsewhere', 2)
  expect(ran).toEqual(['elsewhere'])
  go[1]?.()
  await turn()
  expect(ran).toEqual(['elsewhere'])
  go[0]?.()
  await turn()
  expect(ran).toEqual(['elsewhere', 'first', 'second', 'third'])
  // The wait is over, so the next update runs at once.
  void run('fourth', 1)
  expect(ran.at(-1)).toBe('fourth')
})
