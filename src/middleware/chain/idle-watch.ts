import type { Ask } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { NOT_EXEMPT } from '../exempt/exemptions.js'
import type { GuardStep } from '../hooking/steps.js'
import type { Services } from '../services.js'

/** So many updates in a row, of people who are let off nothing, that guards asked nothing about. */
const MANY = 20

/**
 * Notices guards that stand in front of a handler whose updates they do not count, such as a limit on messages in front of
 * a handler of those who join: they do nothing, and nobody would know.
 */
export class IdleWatch {
  private idle = 0

  constructor(
    private readonly services: Services,
    private readonly guards: readonly GuardStep[],
  ) {}

  /** Sees what an update asks. Itself, as long as it watches. */
  see(ask: Ask | undefined, { activity }: Facts, level: number): IdleWatch | undefined {
    if (ask !== undefined) return undefined
    if (level !== NOT_EXEMPT || ++this.idle < MANY) return this
    const names = this.guards.map(({ name }) => name).join(' and ')
    this.services.warn(
      'guard.idle',
      `${names}: ${MANY} updates came here, the last of them "${activity}", and none was one that is counted. Say which are, as in throttle('5/1m', { on: ['${activity}'] }).`,
    )
    return undefined
  }
}
