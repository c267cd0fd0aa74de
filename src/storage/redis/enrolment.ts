import { steadyClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Connection } from './connection.js'
import type { BotKeys } from './keys.js'

/** Plans that Redis knows of under one bot: of more, those are forgotten that no process has told of for longest. */
const MOST_PLANS = 4096
/** Told again after so long: what an administrator flushed nobody hears of. */
const HOLDS_FOR: Ms = 600_000
/** After a failure it is told again so much later, or when a server is met anew. */
const RETRIED_AFTER: Ms = 30_000

interface Told {
  readonly epoch: number
  until: Ms
}

const warned = new WeakSet<Connection>()

/** Notes in Redis what a plan keeps, under each bot, so that every process can forget it. */
export class Enrolment {
  private readonly told = new Map<number, Told>()

  /** @param kept What the plan keeps, as Redis knows of it. */
  constructor(
    private readonly connection: Connection,
    private readonly kept: string,
  ) {}

  /** Notes it, unless Redis knows. Nobody waits for it. */
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

/** Why anything else failed the call beside it tells. */
function warn(connection: Connection, error: unknown): void {
  if (!(error instanceof SentinelError) || error.code !== 'storage.permission' || warned.has(connection))
    return
  warned.add(connection)
  process.emitWarning(
    `What plans keep cannot be noted as it should, so guard.reset() in another process may miss some of it. ${error.message}`,
    { code: 'GRAMMY_SENTINEL_PLANS' },
  )
}
