import type { Context } from 'grammy'
import { NOT_EXEMPT } from './exemptions.js'

/** Contexts that are exempt from the guards that follow, with their level. */
const levels = new WeakMap<Context, number>()
/** Whether any context was ever exempted; if not, lookups are skipped. */
let inUse = false

/** Exempts an update from all guards that it reaches from now on. */
export function exemptFromNowOn(ctx: Context, level: number): void {
  inUse = true
  if (level > levelIn(ctx)) levels.set(ctx, level)
}

/** Whether any guard has exempted an update this way. For a single update that is known only once it arrives. */
export function hasExemptContexts(): boolean {
  return inUse
}

/** Returns the exemption level that guards further up gave an update. */
export function levelIn(ctx: Context): number {
  return inUse ? (levels.get(ctx) ?? NOT_EXEMPT) : NOT_EXEMPT
}
