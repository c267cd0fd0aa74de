import type { ApiResponse } from 'grammy/types'
import type { OutgoingOptions } from '../../src/outgoing/options.js'
import { Sender } from '../../src/outgoing/sender.js'
import { Stage } from '../middleware/rig.js'
import { tick } from '../sentinel-desk.js'

const SECOND = 1000

/** A sender whose calls are answered by hand. */
class Counter {
  readonly time = new Stage()
  readonly sender: Sender
  /** The answers that calls under way are waiting for. */
  private underWay: ((answer: ApiResponse<true>) => void)[] = []

  constructor(options: OutgoingOptions = {}) {
    const { clock, timers } = this.time
    this.sender = new Sender(
      { jitter: 0, ...options },
      {
        clock,
        timers,
        random: () => 0,
        limited: () => undefined,
        migrated: () => undefined,
        failed(error) {
          throw error
        },
      },
    )
  }

  send(method: string, payload: object): Promise<ApiResponse<true>> {
    return this.sender.send(method, payload, undefined, () => new Promise((done) => this.underWay.push(done)))
  }

  /** Answers all calls under way; returns how many there were. */
  async answer(answer: ApiResponse<true> = { ok: true, result: true }): Promise<number> {
    await tick()
    const answered = this.underWay.splice(0)
    for (const done of answered) done(answer)
    await tick()
    return answered.length
  }

  refuse(seconds: number): Promise<number> {
    const parameters = { retry_after: seconds }
    return this.answer({ ok: false, error_code: 429, description: 'Too Many Requests', parameters })
  }

  /** How many calls are under way in each round, after one 429 of a second, until all forty are answered. */
  async roundsAfterOne429(method: string, payload: (call: number) => object): Promise<number[]> {
    const calls = [this.send(method, payload(0))]
    await this.refuse(1)
    for (let call = 1; call < 40; call++) calls.push(this.send(method, payload(call)))
    this.time.advance(SECOND)
    const rounds: number[] = []
    while (this.sender.waiting > 0) rounds.push(await this.answer())
    rounds.push(await this.answer())
    expect(await Promise.all(calls)).toEqual(Array(40).fill({ ok: true, result: true }))
    return rounds
  }
}

describe('after one 429', () => {
  test.each<[string, string, (call: number) => object]>([
    ['answers to taps', 'answerCallbackQuery', (call) => ({ callback_query_id: `${call}` })],
    ['deletions in one chat', 'deleteMessage', (call) => ({ chat_id: -100, message_id: call })],
  ])('%s resume with one call, then twice as many each round', async (_, method, payload) => {
    expect(await new Counter().roundsAfterOne429(method, payload)).toEqual([1, 2, 4, 8, 16, 9])
  })

  test.each<[string, OutgoingOptions, string, object]>([
    ['messages to one chat', {}, 'sendMessage', { chat_id: 1 }],
    ['edits of one inline message', {}, 'editMessageText', { inline_message_id: 'a' }],
    ['deletions under order: chat', { order: 'chat' }, 'deleteMessage', { chat_id: 1 }],
  ])('%s keep to their order, one at a time', async (_, options, method, payload) => {
    const rounds = await new Counter(options).roundsAfterOne429(method, () => payload)
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
