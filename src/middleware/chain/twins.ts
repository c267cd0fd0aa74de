import type { Context } from 'grammy'
import type { House } from '../house.js'
import type { Chain } from '../pipeline.js'

/** Warns where an update comes from a sentinel that keeps its state where this one does: to each, the other's updates are its own. */
export function warnOfTwin(root: Chain<Context> | undefined, name: string, house: House): void {
  if (root === undefined || root.name !== name || root.house.storage !== house.storage) return
  house.warn(
    'sentinel.twin',
    `Two sentinels on one bot are both named ${JSON.stringify(name)} and have one storage, so that the second takes each update for a duplicate, and limits are charged twice. Give each a name of its own: sentinel({ name: 'second' }), or use one for both.`,
  )
}
