import type { Context, NextFunction } from 'grammy'
import type { Decision } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { isUnseated, seated, type Taken } from '../concurrency/seating.js'
import type { Onward } from '../guard.js'
import { gatheredWith, type SentinelControl, type SentinelFlavor } from './control.js'
import type { Entrance } from './entrance.js'
import { Held } from './held.js'

/** Admits an update of a chain with late places: if it is held back, it takes its place when it is handled, otherwise now. */
export async function letInLate(
  entrance: Entrance,
  control: SentinelControl,
  next: NextFunction,
  decision: Decision | undefined,
): Promise<void> {
  const { facts, ctx } = control
  const { settling } = entrance
  const { uses } = entrance.chain
  const held = new Held(next)
  const later: Onward = async (begun) => {
    const taken = await entrance.stepped(ctx, () => placeFor(entrance, facts, ctx, decision, control))
    if (isUnseated(taken)) return
    begun?.()
    return seated(taken, settling, held.run, undefined, ctx)
  }
  if (entrance.isHeld(held, later, control, decision, true)) return entrance.count(facts, ctx)
  const taken = await placeFor(entrance, facts, ctx, decision, undefined)
  uses?.note(ctx, isUnseated(taken) ? 'stopped' : 'passed')
  if (isUnseated(taken)) return
  entrance.count(facts, ctx)
  return seated(taken, settling, next, decision, ctx)
}

/**
 * Takes a place for an update that is about to be handled. If there is none, or a hook vetoes, the update is refused, and so
 * are those that were gathered with it; these get no notice, since this update gets one.
 *
 * @param held The control of an update that was held back, and so was counted as allowed.
 */
async function placeFor(
  entrance: Entrance,
  facts: Facts,
  ctx: Context,
  decision: Decision | undefined,
  held: SentinelControl | undefined,
): Promise<Taken> {
  const wasAllowed = held !== undefined
  const others = wasAllowed ? gatheredWith(held) : []
  const taken = await (wasAllowed ? entrance.seating?.take(facts, ctx) : entrance.take(facts, ctx))
  if (isUnseated(taken)) {
    for (const each of others) {
      await entrance.veto(taken.refusal, each.facts, each.ctx, each.decision, 'silent', true, true)
      outOfReach(each.ctx)
    }
    outOfReach(ctx)
    await entrance.veto(taken.refusal, facts, ctx, decision, taken.by.denial, true, wasAllowed)
    return taken
  }
  const veto = entrance.services.hooks.deciding ? await entrance.lateHooks(facts, ctx) : undefined
  if (!entrance.isStopped(facts, ctx, veto)) return taken
  for (const each of others) {
    await entrance.stopped(undefined, each.facts, each.ctx, each.decision, veto, true)
    outOfReach(each.ctx)
  }
  outOfReach(ctx)
  await entrance.stopped(taken, facts, ctx, decision, veto, wasAllowed)
  return { refusal: { veto: 'vetoed' }, by: {} }
}

/** Restores the outer control, or none, for an update that does not reach the handlers behind this guard. */
function outOfReach(ctx: Context & Partial<SentinelFlavor>): void {
  const outer = ctx.sentinel?.outer
  if (outer === undefined) delete ctx.sentinel
  else ctx.sentinel = outer
}
