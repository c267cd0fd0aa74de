import type { OutgoingOptions } from '../../src/outgoing/options.js'
import { Counter } from './counter.js'

const SECOND = 1000

/** Returns the number of concurrent calls per round, after one 429 of a second, until all forty are answered. */
async function roundsAfterOne429(
  counter: Counter,
  method: string,
  payload: (call: number) => object,
): Promise<number[]> {
  const calls = [counter.send(method, payload(0))]
  await counter.refuse(1)
  for (let call = 1; call < 40; call++) calls.push(counter.send(method, payload(call)))
  counter.time.advance(SECOND)
  const rounds: number[] = []
  while (counter.sender.waiting > 0) rounds.push(await counter.answer())
  rounds.push(await counter.answer())
  expect(await Promise.all(calls)).toEqual(Array(40).fill({ ok: true, result: true }))
  return rounds
}

describe('after one 429', () => {
  test.each<[string, string, (call: number) => object]>([
    ['answers to taps', 'answerCallbackQuery', (call) => ({ callback_query_id: `${call}` })],
    ['deletions in one chat', 'deleteMessage', (call) => ({ chat_id: -100, message_id: call })],
  ])('%s resume with one call, and twice as many in each further round', async (_, method, payload) => {
    expect(await roundsAfterOne429(new Counter(), method, payload)).toEqual([1, 2, 4, 8, 16, 9])
  })

  test.each<[string, OutgoingOptions, string, object]>([
    ['messages to one chat', {}, 'sendMessage', { chat_id: 1 }],
    ['edits of one inline message', {}, 'editMessageText', { inline_message_id: 'a' }],
    ['deletions under order: chat', { order: 'chat' }, 'deleteMessage', { chat_id: 1 }],
  ])('%s keep their order, one at a time', async (_, options, method, payload) => {
    const rounds = await roundsAfterOne429(new Counter(options), method, () => payload)
    expect(rounds).toEqual(Array(40).fill(1))
  })

  test('only calls for the same inline message wait', async () => {
    const counter = new Counter()
    const edit = (id: string) => counter.send('editMessageText', { inline_message_id: id, text: 'x' })
    const limited = edit('one')
    await counter.refuse(3)
    const other = edit('two')
    expect([await counter.answer(), counter.sender.waiting]).toEqual([1, 1])
    expect((await other).ok).toBe(true)
    counter.time.advance(3 * SECOND)
    expect(await counter.answer()).toBe(1)
    expect((await limited).ok).toBe(true)
  })
})

describe('five chats that are limited at the same time', () => {
  /** Has Telegram limit five chats for half a minute, then sends messages to three others. */
  async function suspected(counter: Counter): Promise<Promise<unknown>[]> {
    const limited = [1, 2, 3, 4, 5].map((chat) => counter.send('sendMessage', { chat_id: chat }))
    await counter.refuse(30)
    expect(counter.sender.waiting).toBe(5)
    return [6, 7, 8].map((chat) => counter.send('sendMessage', { chat_id: chat })).concat(limited)
  }

  test('delay messages to other chats by at most two seconds, however long their own wait is', async () => {
    const counter = new Counter()
    await suspected(counter)
    expect(await counter.answer()).toBe(0)
    counter.time.advance(2 * SECOND)
    expect([await counter.answer(), await counter.answer(), counter.sender.waiting]).toEqual([1, 2, 5])
  })

  test('delay other chats again each time the first message after the pause is refused as well', async () => {
    const counter = new Counter({ attempts: 2 })
    const calls = await suspected(counter)
    for (const pause of [2, 2, 2]) {
      counter.time.advance(pause * SECOND - 1)
      expect(await counter.answer()).toBe(0)
      counter.time.advance(1)
      expect(await counter.refuse(30)).toBe(1)
    }
    counter.time.advance(36 * SECOND)
    let sent = 0
    for (let round = 0; round < 8; round++) sent += await counter.answer()
    expect([sent, counter.sender.counts.gaveUp]).toEqual([8, 0])
    expect(await Promise.all(calls)).toEqual(Array(8).fill({ ok: true, result: true }))
  })
})
