import type { Context } from 'grammy'
import { type Ask, type Decision, isPromise, type MaybePromise } from '../../../core/check.js'
import { later } from '../../../core/later.js'
import { getOrInsert } from '../../../core/maps.js'
import type { Services } from '../../services.js'
import type { ChainPlan } from '../chain-plan.js'
import { attemptsFor, type SentinelFlavor } from '../control.js'
import type { ChargedUpdates } from './charged-updates.js'
import type { Decider, Redeliveries } from './redeliveries.js'

type Attempted = Context & Partial<SentinelFlavor>

const charging = later('once', () => import('./charged-updates.js'))
const charged = new WeakMap<Follower, ChargedUpdates>()

/** A chain behind a guard that lets a failed update pass again. It charges such an update once. */
export interface Follower extends Decider {
  readonly name: string
  readonly services: Services
  readonly plan: ChainPlan
  readonly redeliveries: Redeliveries
}

/** Adapts the ask of guards to a redelivered update: what an earlier attempt has claimed and charged is not asked again. */
export function askedAgain(chain: Follower, asked: Ask, ctx: Attempted): MaybePromise<Ask | undefined> {
  if (ctx.sentinel?.isRepeated !== true) return asked
  const { plan, redeliveries } = chain
  if (redeliveries.chargeOf(ctx) !== undefined) return plan.demanded(asked)
  const attempts = attemptsFor(ctx)
  // With a lease, the process of an earlier attempt may have died, and left no trace of what it charged.
  const isUnknown = attempts?.plan.leased === true && attempts.redeliveries.failureOf(ctx) !== true
  return isUnknown ? plan.demanded(asked) : unlessCharged(chain, asked, ctx)
}

async function unlessCharged(chain: Follower, asked: Ask, { me, update }: Context): Promise<Ask | undefined> {
  const updates = await chargedBy(chain)
  return (await updates?.has(me.id, update.update_id)) ? chain.plan.demanded(asked) : asked
}

/** Records that a failed update was charged. Never rejects. */
export function noteCharge(chain: Follower, decision: Decision, ctx: Context): MaybePromise<void> {
  if (chain.redeliveries.chargeOf(ctx) === decision) return
  chain.redeliveries.charged(ctx, decision, chain)
  return chargedBy(chain).then((updates) => updates?.add(ctx.me.id, ctx.update.update_id))
}

/** Returns the decision that charged an update: of this attempt, or of an earlier one that failed here, since later ones are free. */
export function chargeFor(
  { redeliveries }: Pick<Follower, 'redeliveries'>,
  decision: Decision | undefined,
  ctx: Attempted,
): Decision | undefined {
  const isFree = decision === undefined || decision.waived || ctx.sentinel?.isRepeated === true
  return (isFree ? redeliveries.chargeOf(ctx) : undefined) ?? decision
}

/** Notes the charge of an update that is being admitted if handlers of another branch have failed by now: nobody else does. */
export function noteLateCharge(chain: Follower, decision: Decision | undefined, ctx: Attempted): void {
  if (decision === undefined || attemptsFor(ctx)?.redeliveries.failureOf(ctx) === undefined) return
  const noted = noteCharge(chain, decision, ctx)
  if (isPromise(noted)) chain.services.background.run('once', () => noted)
}

/** Resolves to undefined if the part cannot be loaded, which is reported. */
async function chargedBy(chain: Follower): Promise<ChargedUpdates | undefined> {
  const { name, services } = chain
  try {
    const { ChargedUpdates } = charging.now ?? (await charging.load())
    return getOrInsert(charged, chain, () => new ChargedUpdates(services, name))
  } catch (error) {
    services.failed(error, 'once')
    return undefined
  }
}
