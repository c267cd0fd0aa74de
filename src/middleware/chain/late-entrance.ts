import type { Context, NextFunction } from 'grammy'
import type { Decision, MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { Place } from '../concurrency/places.js'
import { isUnseated, type Seating, seated, type Taken } from '../concurrency/seating.js'
import type { Admission, Onward } from '../guard.js'
import type { HookVeto } from '../hooking/steps.js'
import type { Stop } from '../refusing/refusals.js'
import type { Services } from '../services.js'
import { gatheredWith, type SentinelControl, type SentinelFlavor } from './control.js'
import type { FirstUses } from './first-uses.js'
import { Held } from './held.js'
import type { Settling } from './settling.js'

/** What admitting an update late needs of its entrance. */
export interface LateEntrance {
  readonly services: Pick<Services, 'hooks'>
  readonly chain: { readonly uses: FirstUses | undefined }
  readonly settling: Settling
  /** Undefined if no guard counts running handlers. */
  readonly seating: Seating | undefined
  /** Takes places for an update that no guard holds back. */
  take(facts: Facts, ctx: Context): MaybePromise<Taken>
  /** Lets probes see a wait for places. */
  stepped(ctx: Context, run: () => Promise<Taken>): MaybePromise<Taken>
  /** Runs the hooks that come after the wait for a place. */
  hooksAfterSeating(facts: Facts, ctx: Context): Promise<HookVeto | undefined>
  /** Whether a hook has stopped the update. */
  isStopped(facts: Facts, ctx: Context, veto: HookVeto | undefined): veto is HookVeto
  /** Offers the update to guards that may hold it back; returns whether one does. `onward` takes it to its handlers when the time has come. */
  divert(
    held: Held,
    onward: Onward,
    control: SentinelControl,
    decision: Decision | undefined,
    seated: boolean,
  ): boolean
  /** Counts an admitted update. */
  count(facts: Facts, ctx: Context): void
  /** Refuses an update for which there is no place. */
  veto(
    refusal: Admission,
    facts: Facts,
    ctx: Context,
    decision: Decision | undefined,
    how: Omit<Stop, 'verdict' | 'notice'>,
  ): MaybePromise<void>
  /** Refuses an update that a hook has stopped. */
  stopped(
    place: Place | undefined,
    facts: Facts,
    ctx: Context,
    decision: Decision | undefined,
    veto: HookVeto,
    wasAllowed: boolean,
  ): MaybePromise<void>
}

/** Admits an update that may be held back: if it is, it takes its place when it is handled, otherwise now. */
export async function letInLate(
  entrance: LateEntrance,
  control: SentinelControl,
  next: NextFunction,
  decision: Decision | undefined,
): Promise<void> {
  const { facts, ctx } = control
  const { settling } = entrance
  const { uses } = entrance.chain
  const held = new Held(next)
  const onward: Onward = async (begun) => {
    const taken = await entrance.stepped(ctx, () => placeFor(entrance, facts, ctx, decision, control))
    if (isUnseated(taken)) return
    begun?.()
    return seated(taken, settling, held.run, undefined, ctx)
  }
  if (entrance.divert(held, onward, control, decision, true)) return entrance.count(facts, ctx)
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
  entrance: LateEntrance,
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
      await entrance.veto(taken.refusal, each.facts, each.ctx, each.decision, {
        denial: 'silent',
        hooksRan: true,
        wasAllowed: true,
      })
      outOfReach(each.ctx)
    }
    outOfReach(ctx)
    const { denial } = taken.by
    await entrance.veto(taken.refusal, facts, ctx, decision, { denial, hooksRan: true, wasAllowed })
    return taken
  }
  const veto = entrance.services.hooks.deciding ? await entrance.hooksAfterSeating(facts, ctx) : undefined
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
