import type { WhenDown } from '../../core/check.js'
import { ACTIVITIES, type Activity } from '../../core/kinds.js'

/** The conditions under which a role or a permission is required. */
export interface Demanded {
  readonly on?: readonly Activity[] | undefined
  readonly shadow?: boolean | undefined
  readonly onFailure?: WhenDown | undefined
}

/**
 * Returns the slot of a demand. The same demand under other conditions has another slot: of two demands that are checked
 * together, the weaker one must never replace the other.
 */
export function demandSlot(
  base: string,
  { on, shadow = false, onFailure = 'closed' }: Demanded,
  usual: readonly Activity[],
): string {
  const asked = on ?? usual
  const where = ACTIVITIES.filter((activity) => asked.includes(activity))
  const isUsual = where.length === usual.length && where.every((activity) => usual.includes(activity))
  const conditions = [
    ...(isUsual ? [] : [`on ${where.join(' ')}`]),
    ...(shadow ? ['shadow'] : []),
    ...(onFailure === 'closed' ? [] : [onFailure]),
  ]
  return [base, ...conditions].join(', ')
}
