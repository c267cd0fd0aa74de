import type { OutgoingOptions } from '../../src/outgoing/options.js'
import { Counter } from './counter.js'

const SECOND = 1000

/** How many calls are under way in each round, after one 429 of a second, until all forty are answered. */
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
  ])('%s resume with one call, then twice as many each round', async (_, method, payload) => {
    expect(await roundsAfterOne429(new Counter(), method, payload)).toEqual([1, 2, 4, 8, 16, 9])
  })

  test.each<[string, OutgoingOptions, string, object]>([
    ['messages to one chat', {}, 'sendMessage', { chat_id: 1 }],
    ['edits of one inline message', {}, 'editMessageText', { inline_message_id: 'a' }],
    ['deletions under order: chat', { order: 'chat' }, 'deleteMessage', { chat_id: 1 }],
  ])('%s keep to their order, one at a time', async (_, options, method, payload) => {
    const rounds = await roundsAfterOne429(new Counter(options), method, () => payload)
    expect(rounds).toEqual(Array(40).fill(1))
  })

  test('an inline message is waited for, and no other one', async () => {
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
