import type { Context } from 'grammy'
import type { Check, Decision, Judge } from '../../../core/check.js'
import type { Clock } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { setNewest } from '../../../core/maps.js'
import { Recent } from '../../recent.js'

/** Telegram redelivers unconfirmed updates for this long (https://core.telegram.org/bots/api#getting-updates). */
export const REDELIVERED_WITHIN: Ms = 86_400_000

/** As many as failures are kept, so that those of bots beyond it are forgotten, too. */
const MOST_BOTS = 20_000
/** Fewer than of other updates, since decisions are larger. Of older ones, only the storage knows that they were charged. */
const MOST_CHARGES = 4000
/** Most chains whose decisions are kept: each keeps the state of its storage in memory. They are forgotten by halves. */
const MOST_CHAINS = 8

/** A chain, as far as its decisions are settled and its limits are shown. */
export interface Decider {
  readonly prepared: { readonly judge: Judge | undefined }
  readonly plan: { readonly questions: readonly { readonly check: Check; readonly name: string }[] }
}

/** By decision that charged a failed update, the chain that made it. */
const deciders = new WeakMap<Decision, Decider>()

/**
 * Returns the chain that made a decision: `own`, unless the decision charged a failed update and reconfigure() has replaced that
 * chain since then. The limits of the replacement may be others.
 */
export function decidedBy<Own extends object>(decision: Decision, own: Own): Own | Decider {
  return deciders.get(decision) ?? own
}

/** What a chain knows of updates that failed in this process, as long as they may be redelivered. */
export class Redeliveries {
  /** Updates whose handlers behind this chain threw, and whether all attempts so far were made, and failed, in this process. */
  private readonly failures = new Recent<boolean>(REDELIVERED_WITHIN)
  /** By bot, their greatest id, until all are forgotten. New updates have greater ids, so the comparison saves looking them up. */
  private readonly greatest = new Map<number, { readonly id: number; readonly until: Ms }>()
  /** Decisions of this chain about failed updates that it has admitted, and so may have charged. */
  private readonly charges = new Recent<Decision>(REDELIVERED_WITHIN, MOST_CHARGES)
  /** The chains that made the newer half of these decisions. */
  private readonly chains = new Set<Decider>()

  constructor(private readonly clock: Clock) {}

  /** Records that handlers threw. */
  failed(
    ctx: Context & { readonly sentinel?: { readonly isRepeated: boolean } },
    decision: Decision,
    by: Decider,
  ): void {
    const { update_id: id } = ctx.update
    if (!isUpdateId(id)) return
    const isFirst = ctx.sentinel?.isRepeated !== true
    const now = this.clock()
    this.failures.set(nameOf(ctx), this.failureOf(ctx) ?? isFirst, now)
    const bot = ctx.me.id
    const greatest = Math.max(id, this.greatest.get(bot)?.id ?? id)
    setNewest(this.greatest, bot, { id: greatest, until: now + REDELIVERED_WITHIN }, MOST_BOTS)
    // Later attempts are free, so the first one must be refunded.
    if (!decision.waived) this.charged(ctx, decision, by)
  }

  /** Undefined if no attempt has failed in this process; true if all attempts so far have. */
  failureOf(ctx: Context): boolean | undefined {
    const { update_id: id } = ctx.update
    // Not every body is an update: comparing an object calls functions of it, or throws.
    const bot = ctx.me.id
    const greatest = this.greatest.get(bot)
    if (greatest === undefined || !isUpdateId(id) || id > greatest.id) return undefined
    const now = this.clock()
    // After a week without updates, Telegram numbers them anew, and perhaps with lesser ids than those of old failures.
    if (now >= greatest.until) this.greatest.delete(bot)
    return this.failures.get(nameOf(ctx), now)
  }

  charged(ctx: Context, decision: Decision, by: Decider): void {
    if (!isUpdateId(ctx.update.update_id)) return
    const { chains, charges } = this
    const decider = decidedBy(decision, by)
    if (chains.size >= MOST_CHAINS / 2 && !chains.has(decider)) {
      chains.clear()
      charges.turn(this.clock())
    }
    chains.add(decider)
    deciders.set(decision, decider)
    charges.set(nameOf(ctx), decision, this.clock())
  }

  chargeOf(ctx: Context): Decision | undefined {
    return this.charges.size === 0 ? undefined : this.charges.get(nameOf(ctx), this.clock())
  }
}

/** Whether an id is a proper one. All updates without a proper id would look like redeliveries of the same one. */
export function isUpdateId(id: number): boolean {
  return Number.isSafeInteger(id) && id >= 0
}

/** Identifies an update; update ids are unique per bot only. */
function nameOf({ me, update }: Context): string {
  return `${me.id} ${update.update_id}`
}
