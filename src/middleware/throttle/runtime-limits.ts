import type { Context } from 'grammy'
import type { Plan, Variant } from '../../core/check.js'
import { capacityOf, formatLimit, type Limit, limitWithin } from '../../core/limit.js'
import type { Roles } from '../../core/roles.js'
import { chatKey } from '../../core/subject.js'
import { isSoundLimit } from '../../storage/plan.js'
import type { Mark } from '../../storage/storage.js'
import type { GuardDefinition, Wiring } from '../guard.js'
import type { ScopeName } from '../options/scopes.js'

/** The durable mark of whoever has a limit of their own: `limit:throttle.user`. Its value is the limit. */
export const LIMIT_MARK = 'limit:'
/** The same, put on a chat by its administrators. */
export const SETTING_MARK = 'setting:'
/** The same, earned or lost by conduct. */
export const ADAPTED_MARK = 'adapted:'
export const ROLE_MARK = 'role:'

/** A limit that may be changed while the bot runs. */
export interface Changeable {
  /** Such as `throttle.user`. */
  readonly slot: string
  /** Its name within the guard, such as `user`. */
  readonly name: string
  /** What the plan says. */
  readonly limit: Limit
  /** What it says of the holders of roles. */
  readonly roles: readonly (readonly [role: string, limit: Limit])[]
  /** Whom it may be changed for. */
  readonly users: boolean
  readonly chats: boolean
  /** An exact window keeps so many time stamps and no more. */
  readonly most?: number | undefined
  /** What each update costs; absent where a function says it. */
  readonly cost?: number | undefined
}

/** Between what a stored limit is to be; both are per the same span. */
export type Bounds = NonNullable<Variant['within']>

/** Why a limit could not take the place of another; undefined where it could. */
export function misfit({ name, most, cost = 1 }: Changeable, limit: Limit): string | undefined {
  if (most !== undefined && limit.amount > most) {
    return `${name} keeps a time stamp of each of ${most} at most, so it cannot be ${formatLimit(limit)}. Use algorithm: 'bucket' or 'sliding-counters'.`
  }
  return cost > capacityOf(limit)
    ? `an update costs ${cost} of ${name}, so nothing would ever pass under ${formatLimit(limit)}. Raise it.`
    : undefined
}

/** Limits that are changed while the bot runs: kept as marks, which the plan reads in the step in which it decides. */
export interface RuntimeLimits {
  /** Notes a limit that is wired; whose marks its check is to read. */
  wire(limit: Changeable): { readonly limits: boolean; readonly settings: Bounds | undefined }
  /** A plan with the limits of roles that hold now. */
  planned(plan: Plan): Plan
  /** Runs when plans are to be prepared again; the returned function stops that. */
  onChange(listener: () => void): () => void
}

/** The limit that a mark carries, cut to the bounds. Undefined for anything else that was stored there. */
export function storedLimit(mark: Mark | undefined, within?: Bounds): Limit | undefined {
  const limit = mark?.value as Limit | null | undefined
  const isLimit = typeof limit === 'object' && limit !== null && isSoundLimit(limit)
  return isLimit ? limitWithin(limit, within) : undefined
}

/** Policies that a sentinel was given by name. */
export interface PolicyNames {
  readonly names: readonly string[]
  /**
   * What a policy is made of, with what a handler has of its own laid over.
   *
   * @throws SentinelError `policy.unknown`.
   */
  definitionsOf(name: string, own: object | undefined): readonly GuardDefinition[]
}

/** While guards are wired for nothing, to see whether they fit together: which policies there are is not known yet. */
export const POLICIES_TO_COME: PolicyNames = { names: [], definitionsOf: () => [] }

/**
 * What the check of a limit reads before its roles, in the order of precedence: what was set for the user, for the chat, and
 * by the administrators of the chat. None where the chain knows no limits that change.
 */
export function storedVariants(
  wiring: Pick<Wiring<Context>, 'services' | 'scope'>,
  limit: Omit<Changeable, 'users' | 'chats'>,
  scope: ScopeName | undefined,
): readonly Variant[] {
  const runtime = wiring.services.runtime
  if (runtime === undefined) return []
  // A limit that many users or chats share cannot be set for one of them.
  const users = scope === 'user' || scope === 'member' || scope === 'command'
  const chats = users || scope === 'chat'
  const { limits, settings } = runtime.wire({ ...limit, users, chats })
  const variants: Variant[] = []
  if (limits && users) {
    const actor = wiring.scope('actor', (facts) => facts.actor)
    variants.push({ mark: `${LIMIT_MARK}${limit.slot}`, subject: actor, limit: 'stored' })
  }
  if (!chats || !(limits || settings !== undefined)) return variants
  const chat = wiring.scope('chat', ({ chatId }) => (chatId === undefined ? undefined : chatKey(chatId)))
  if (limits) variants.push({ mark: `${LIMIT_MARK}${limit.slot}`, subject: chat, limit: 'stored' })
  if (settings !== undefined) {
    variants.push({ mark: `${SETTING_MARK}${limit.slot}`, subject: chat, limit: 'stored', within: settings })
  }
  return variants
}

/**
 * Limits of roles as a plan reads them: each by its own mark, then by those of the roles that count as it, so that a limit of
 * one's own goes before one that is inherited.
 */
export function roleVariants(
  limits: readonly (readonly [role: string, limit: Limit])[],
  roles: Roles,
  actor: number,
): readonly Variant[] {
  const variants = new Map<string, Variant>()
  const add = (mark: string, limit: Limit): void => {
    if (!variants.has(mark)) variants.set(mark, { mark, subject: actor, limit })
  }
  for (const [role, limit] of limits) add(`${ROLE_MARK}${role}`, limit)
  for (const [role, limit] of limits) for (const mark of roles.marksOf(role)) add(mark, limit)
  return [...variants.values()]
}
