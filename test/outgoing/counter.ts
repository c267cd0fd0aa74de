import type { ApiResponse } from 'grammy/types'
import type { OutgoingLimitedEvent } from '../../src/middleware/events.js'
import { type OutgoingOptions, readOutgoing } from '../../src/outgoing/options.js'
import { Sender } from '../../src/outgoing/sender.js'
import { Stage } from '../middleware/rig.js'
import { tick } from '../sentinel/desk.js'

/** A sender whose calls are answered by the test. */
export class Counter {
  readonly time = new Stage()
  readonly sender: Sender
  /** The 429 events that listeners received. */
  readonly limited: OutgoingLimitedEvent[] = []
  /** The pending answers of calls under way. */
  private underWay: ((answer: ApiResponse<true>) => void)[] = []

  constructor(options: OutgoingOptions = {}) {
    const { clock, timers } = this.time
    this.sender = new Sender(readOutgoing({ jitter: 0, ...options }), {
      clock,
      timers,
      random: () => 0,
      limited: (told) => void this.limited.push(told),
      migrated: () => undefined,
      failed(error) {
        throw error
      },
    })
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

  /** Never answers the calls under way, as if the request that made them had ended. */
  async lose(): Promise<number> {
    await tick()
    return this.underWay.splice(0).length
  }
}
