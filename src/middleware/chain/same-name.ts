import type { Context } from 'grammy'
import type { Services } from '../services.js'
import { forEachRoot, type SentinelFlavor } from './control.js'

/** Warns if an update already passed another sentinel that keeps its state under the same name in the same storage. */
export function warnOfSameName(
  ctx: Context & Partial<SentinelFlavor>,
  name: string,
  services: Services,
): void {
  if (ctx.sentinel === undefined) return
  forEachRoot(ctx, (root) => {
    if (root === undefined || root.name !== name || root.services.storage !== services.storage) return
    services.warn(
      'sentinel.twin',
      `Two sentinels on one bot are both named ${JSON.stringify(name)} and share one storage, so the second takes each update for a duplicate, and limits are charged twice. Give each its own name: sentinel({ name: 'second' }), or use one sentinel.`,
    )
  })
}
