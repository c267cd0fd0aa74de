import type { WhenDown } from '../../core/check.js'
import { ACTIVITIES, type Activity } from '../../core/kinds.js'

/** How much somebody asks who asks for a role or a permission. */
export interface Demanded {
  readonly on?: readonly Activity[] | undefined
  readonly shadow?: boolean | undefined
  readonly onFailure?: WhenDown | undefined
}

/**
 * The slot of a demand. What asks for the same under other conditions has another: of two that are asked together the weaker
 * must never stand for the other.
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
