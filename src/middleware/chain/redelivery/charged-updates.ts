import type { Ask, Judge, Plan } from '../../../core/check.js'
import { GLOBAL_KEY } from '../../../core/subject.js'
import type { Services } from '../../services.js'
import { Preparation } from '../preparation.js'
import { isUpdateId, REDELIVERED_WITHIN } from './redeliveries.js'

/**
 * The failed updates that the guards of one chain have charged, kept in their storage: another process may get such an update when
 * it is redelivered, and must not charge it again.
 */
export class ChargedUpdates {
  private readonly prepared: Preparation

  /** @param chain The name of the chain, which is the same in every process. */
  constructor(
    private readonly services: Services,
    chain: string,
  ) {
    const plan = planOf(`${chain} charged`)
    this.prepared = new Preparation({ ...services, runtime: undefined }, () => plan, true)
  }

  /** Never rejects. */
  async add(bot: number, update: number): Promise<void> {
    if (!isUpdateId(update)) return
    try {
      const judge = await this.judge()
      await judge?.evaluate(askOf(bot, update), this.services.at())
    } catch (error) {
      this.services.failed(error, 'storage.settle')
    }
  }

  /** Never rejects. If the storage fails, no update counts as charged. */
  async has(bot: number, update: number): Promise<boolean> {
    try {
      const judge = await this.judge()
      const peeked = await judge?.peek(askOf(bot, update), this.services.at())
      return peeked !== undefined && peeked.refusedBy >= 0
    } catch (error) {
      this.services.failed(error, 'storage.evaluate')
      return false
    }
  }

  private async judge(): Promise<Judge | undefined> {
    const judge = await this.prepared.ready()
    if (judge === undefined) this.prepared.retry()
    return judge
  }
}

/** An update was charged if its claim is taken. */
function planOf(name: string): Plan {
  return {
    name,
    scopes: ['global'],
    checks: [
      {
        kind: 'claim',
        guard: 'once',
        slot: 'charged',
        subject: 0,
        tokens: 'sequence',
        holdFor: REDELIVERED_WITHIN,
        whenHeld: 'refuse',
      },
    ],
  }
}

function askOf(bot: number, update: number): Ask {
  return { bot, subjects: [GLOBAL_KEY], costs: [1], tokens: [update] }
}
