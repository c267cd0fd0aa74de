import type { Plan, Variant } from '../../core/check.js'
import { capacityOf, formatLimit, type Limit, limitWithin } from '../../core/limit.js'
import type { Roles } from '../../core/roles.js'
import { isSoundLimit } from '../../storage/contract/plan.js'
import type { Mark } from '../../storage/contract/storage.js'

/** Prefix of the durable mark for a subject's own limit, such as `limit:throttle.user`. The mark's value is the limit. */
export const LIMIT_MARK = 'limit:'
/** Prefix of the mark for a limit that a chat's administrators set. */
export const SETTING_MARK = 'setting:'
/** Prefix of the mark for a limit that was earned or lost by conduct. */
export const ADAPTED_MARK = 'adapted:'
export const ROLE_MARK = 'role:'

/** A limit that may be changed at run time. */
export interface Changeable {
  /** The slot, such as `throttle.user`. */
  readonly slot: string
  /** The limit's name within the guard, such as `user`. */
  readonly name: string
  /** The limit in the plan. */
  readonly limit: Limit
  /** The plan's limits for holders of roles. */
  readonly roles: readonly (readonly [role: string, limit: Limit])[]
  /** Whether it may be changed for users, and for chats. */
  readonly users: boolean
  readonly chats: boolean
  /** Most time stamps of an exact window, and so its largest amount. */
  readonly most?: number | undefined
  /** The cost of each update; absent if a function computes it. */
  readonly cost?: number | undefined
  /** Whether a function computes the limit, so that stored limits would never be read. */
  readonly computed: boolean
}

/** The bounds of a stored limit; both have the same span. */
export type Bounds = NonNullable<Variant['within']>

/** Returns why a limit cannot replace another; undefined if it can. */
export function misfit({ name, most, cost = 1, computed }: Changeable, limit: Limit): string | undefined {
  if (computed) return `${name} is a function of the update, which decides alone. Give it a fixed limit.`
  if (most !== undefined && limit.amount > most) {
    return `${name} stores at most ${most} timestamps, so it cannot be ${formatLimit(limit)}. Use algorithm: 'bucket' or 'sliding-counters'.`
  }
  return cost > capacityOf(limit)
    ? `an update costs ${cost} of ${name}, so nothing would ever pass under ${formatLimit(limit)}. Raise it.`
    : undefined
}

/** Limits that are changed at run time. They are stored as marks, which the plan reads in the same call in which it decides. */
export interface RuntimeLimits {
  /** Registers a wired limit. Returns which marks its check has to read. */
  wire(limit: Changeable): { readonly limits: boolean; readonly settings: Bounds | undefined }
  /** Returns the plan with the present limits of roles. */
  planned(plan: Plan): Plan
  /** Adds a listener for changes after which plans must be prepared again; the returned function removes it. */
  onChange(listener: () => void): () => void
}

/** Returns the limit that a mark carries, clamped to the bounds; undefined if the mark holds anything else. */
export function storedLimit(mark: Mark | undefined, within?: Bounds): Limit | undefined {
  const limit = mark?.value as Limit | null | undefined
  const isLimit = typeof limit === 'object' && limit !== null && isSoundLimit(limit)
  return isLimit ? limitWithin(limit, within) : undefined
}

/**
 * Returns the limits of roles as a plan reads them: first by each role's own mark, then by the marks of roles that extend it, so
 * that a role's own limit wins over an inherited one.
 */
export function roleVariants(
  limits: readonly (readonly [role: string, limit: Limit])[],
  roles: Roles,
  actor: number,
): readonly Variant[] {
  return roles.byMark(limits).map(([mark, limit]) => ({ mark, subject: actor, limit }))
}
