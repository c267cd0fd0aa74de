import type { ApiResponse } from 'grammy/types'
import { readOutgoing } from '../../src/outgoing/options.js'
import { onWorkers } from '../on-workers.js'
import { Counter } from './counter.js'

const SECOND = 1000
const OK = { ok: true, result: true }

/** Has Telegram limit a chat for twenty seconds, and sends that many messages to it in total. */
async function flood(
  counter: Counter,
  chat: number,
  messages: number,
): Promise<Promise<ApiResponse<true>>[]> {
  const send = () => counter.send('sendMessage', { chat_id: chat })
  const calls = [send()]
  await counter.refuse(20)
  while (calls.length < messages) calls.push(send())
  return calls
}

/** Returns whether a message to a limited chat waits. */
async function waits(counter: Counter, chat: number): Promise<boolean> {
  const before = counter.sender.waiting
  void flood(counter, chat, 1)
  await counter.answer()
  return counter.sender.waiting === before + 1
}

describe('places for waiting calls', () => {
  test.each([
    [1, 200],
    [5, 555],
    [20, 833],
  ])(
    'of 1000 are taken by %d flooded chats only up to %d, so calls to other chats can still wait',
    async (chats, taken) => {
      const counter = new Counter({ maxWaiting: 1000 })
      for (let chat = 1; chat <= chats; chat++) {
        // One after another, because five limited chats within a second would count as a limit of the whole bot.
        await flood(counter, chat, 1)
        counter.time.advance(SECOND / 2)
      }
      for (let message = 0; message < 1000; message++)
        for (let chat = 1; chat <= chats; chat++) void counter.send('sendMessage', { chat_id: chat })
      await counter.answer()
      expect(Math.abs(counter.sender.waiting - taken)).toBeLessThan(chats + 1)
      expect(await waits(counter, 100)).toBe(true)
    },
  )

  test('can all be taken by many chats with one message each', async () => {
    const counter = new Counter({ maxWaiting: 3 })
    expect([await waits(counter, 1), await waits(counter, 2), await waits(counter, 3)]).toEqual([
      true,
      true,
      true,
    ])
    expect(await waits(counter, 4)).toBe(false)
  })

  test('are kept by a call that has waited, even if the options change meanwhile', async () => {
    const counter = new Counter({ maxWaiting: 100 })
    const calls = await flood(counter, 1, 10)
    counter.sender.configure(readOutgoing({ jitter: 0, maxWaiting: 1, attempts: 1, maxWait: 0 }))
    counter.time.advance(20 * SECOND)
    // The first call is refused again, and waits again.
    expect(await counter.refuse(20)).toBe(1)
    expect(counter.sender.waiting).toBe(10)
    counter.time.advance(20 * SECOND)
    for (let call = 0; call < 10; call++) expect(await counter.answer()).toBe(1)
    expect(await Promise.all(calls)).toEqual(Array(10).fill(OK))
  })

  test('are released when calls end', async () => {
    const counter = new Counter({ maxWaiting: 1 })
    for (let round = 0; round < 3; round++) {
      const [call] = await flood(counter, 1, 1)
      counter.time.advance(20 * SECOND)
      await counter.answer()
      expect(await call).toEqual(OK)
    }
  })

  test('a 429 without a free place is reported as not retried', async () => {
    const counter = new Counter({ maxWaiting: 1 })
    const calls = [...(await flood(counter, 1, 1)), ...(await flood(counter, 2, 1))]
    expect(counter.limited.map(({ retried }) => retried)).toEqual([true, false])
    expect(await calls[1]).toMatchObject({ ok: false, error_code: 429 })
    expect(counter.sender.counts).toMatchObject({ overloaded: 1, gaveUp: 1 })
  })
})

describe('places where calls end with their request, as on Workers', () => {
  onWorkers()

  test('are released after the wait, because the call may never continue', async () => {
    const counter = new Counter({ maxWaiting: 1 })
    await flood(counter, 1, 1)
    counter.time.advance(20 * SECOND)
    expect(await counter.lose()).toBe(1)
    expect(await waits(counter, 2)).toBe(true)
  })

  test.each([
    ['for its chat', { ok: false, error_code: 429, description: '', parameters: { retry_after: 20 } }],
    ['to be repeated after a 5xx', { ok: false, error_code: 502, description: '' }],
  ] as const)(
    'are released at the deadline of a call that waited %s and lost its timers',
    async (_, answer) => {
      const counter = new Counter({ maxWaiting: 1, maxWait: '1m', retry: ['flood', 'server'], repeat: 'all' })
      const lost = counter.send('sendMessage', { chat_id: 1 })
      await counter.answer(answer)
      expect(counter.sender.waiting).toBe(1)
      counter.time.forget()
      counter.time.advance(60 * SECOND)
      await flood(counter, 2, 1)
      expect(counter.sender.counts.overloaded).toBe(1)
      counter.time.advance(1)
      await flood(counter, 3, 1)
      expect(counter.sender.counts.overloaded).toBe(1)
      expect(counter.sender.waiting).toBe(1)
      expect(await lost).toEqual(answer)
    },
  )
})
