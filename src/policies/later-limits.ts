import { later } from '../core/later.js'
import type { LimitInput } from '../core/limit.js'
import type { Services } from '../middleware/services.js'
import type { LimitBook } from './limit-book.js'
import type { LimitChangeOptions, LimitHolder, LimitRegister, StoredLimit, StoredLimits } from './limits.js'
import type { Policy } from './policy-options.js'

const changing = later('guard.limits', () => import('./limits.js'))

/** `guard.limits`; its code is loaded on first use. */
export class LaterLimits implements LimitRegister {
  constructor(
    private readonly services: () => Services,
    private readonly book: LimitBook,
    private readonly note: (policy: Policy) => void,
  ) {}

  async set(
    whom: LimitHolder | readonly LimitHolder[],
    limit: string | Policy,
    to: LimitInput,
    options?: LimitChangeOptions,
  ): Promise<void> {
    await (await this.stored()).set(whom, limit, to, options)
  }

  async remove(whom: LimitHolder | readonly LimitHolder[], limit?: string | Policy): Promise<number> {
    return (await this.stored()).remove(whom, limit)
  }

  async *list(limit?: string | Policy): AsyncGenerator<StoredLimit, void, undefined> {
    yield* (await this.stored()).list(limit)
  }

  private async stored(): Promise<StoredLimits> {
    const { StoredLimits } = await changing.load()
    return new StoredLimits(this.services, this.book, this.note)
  }
}
