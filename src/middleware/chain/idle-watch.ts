import type { Ask } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { NOT_EXEMPT } from '../exempt/exemptions.js'
import type { GuardStep } from '../hooking/steps.js'
import type { Services } from '../services.js'

/** Number of updates in a row, from actors who are not exempt, that guards may ask nothing about before a warning. */
const MANY = 20

/**
 * Warns about guards in front of a handler whose updates they do not count, such as a limit on messages in front of
 * a handler for joins: they have no effect, which nobody would notice.
 */
export class IdleWatch {
  private idle = 0

  constructor(
    private readonly services: Services,
    private readonly guards: readonly GuardStep[],
  ) {}

  /** Reads what an update asks. Returns itself as long as it keeps watching, then undefined. */
  see(ask: Ask | undefined, { activity }: Facts, level: number): IdleWatch | undefined {
    if (ask !== undefined) return undefined
    if (level !== NOT_EXEMPT || ++this.idle < MANY) return this
    const names = this.guards.map(({ name }) => name).join(' and ')
    this.services.warn(
      'guard.idle',
      `${names}: ${MANY} updates came here, the last of them "${activity}", and it counts none of their activities. Name those to count, as in throttle('5/1m', { on: ['${activity}'] }).`,
    )
    return undefined
  }
}
