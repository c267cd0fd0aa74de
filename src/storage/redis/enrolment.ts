import { steadyClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Connection } from './connection.js'
import type { BotKeys } from './keys.js'

/** Maximum number of plans recorded per bot. Beyond it, those that were not renewed for longest are dropped. */
const MOST_PLANS = 4096
/** How often a plan is recorded again, in case an administrator flushed the server. */
const HOLDS_FOR: Ms = 600_000
/** How long to wait after a failure, unless a server becomes ready before. */
const RETRIED_AFTER: Ms = 30_000

interface Told {
  readonly epoch: number
  until: Ms
}

const warned = new WeakSet<Connection>()

/** Records in Redis, per bot, which keys a plan uses, so that every process can reset them. */
export class Enrolment {
  private readonly told = new Map<number, Told>()

  /** @param kept Describes the keys of the plan; see {@link QuestionKeys.kept}. */
  constructor(
    private readonly connection: Connection,
    private readonly kept: string,
  ) {}

  /** Records the plan unless this was done recently. Not awaited. */
  renew(bot: number, { plans }: BotKeys): void {
    const { connection } = this
    const last = this.told.get(bot)
    const now = steadyClock()
    if (last !== undefined && last.epoch === connection.epoch && now < last.until) return
    const told = { epoch: connection.epoch, until: now + HOLDS_FOR }
    this.told.set(bot, told)
    connection.remember(plans, this.kept, MOST_PLANS).catch((error: unknown) => {
      told.until = steadyClock() + RETRIED_AFTER
      warn(connection, error)
    })
  }
}

/** Warns about missing rights. Other failures are reported by the call that is made alongside. */
function warn(connection: Connection, error: unknown): void {
  if (!(error instanceof SentinelError) || error.code !== 'storage.permission' || warned.has(connection))
    return
  warned.add(connection)
  process.emitWarning(
    `The slots of plans could not be registered, so guard.reset() in another process may miss some. ${error.message}`,
    { code: 'GRAMMY_SENTINEL_PLANS' },
  )
}
