import { SentinelError } from './errors.js'
import { nearest } from './nearest.js'
import { MOST_PERMISSION, type Roles } from './roles.js'
import { shown } from './show.js'

/*
 * Who may do what. Apart from roles, which every sentinel has: not every one asks for permissions.
 */

/** Permissions whose answer is remembered: names may come from anybody. */
const MOST_ANSWERS = 1000
const PERMISSION = /^[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)*$/u

/** Who may: holders of one of the first, and of none of the second. Each with all roles that count as it. */
export interface Grants {
  readonly allowedTo: readonly string[]
  readonly deniedTo: readonly string[]
}

const NOBODY: Grants = { allowedTo: [], deniedTo: [] }
const answers = new WeakMap<Roles, Map<string, Grants>>()

/** Which roles, and all that count as them, allow and deny something. */
export function grantsOf(roles: Roles, permission: string): Grants {
  let known = answers.get(roles)
  if (known === undefined) {
    known = new Map()
    answers.set(roles, known)
  }
  const remembered = known.get(permission)
  if (remembered !== undefined) return remembered
  // Whole messages are not remembered.
  if (!isPermission(permission)) return NOBODY
  const grants = {
    allowedTo: matching(roles, 'allow', permission),
    deniedTo: matching(roles, 'deny', permission),
  }
  if (known.size >= MOST_ANSWERS) known.clear()
  known.set(permission, grants)
  return grants
}

/** Whether holders of these roles may do something. What any of them denies is denied. */
export function allows(roles: Roles, held: Iterable<string>, permission: string): boolean {
  const { allowedTo, deniedTo } = grantsOf(roles, permission)
  let allowed = false
  for (const name of held) {
    if (deniedTo.includes(name)) return false
    allowed ||= allowedTo.includes(name)
  }
  return allowed
}

/** Whether a text may name a permission. */
export function isPermission(text: unknown): text is string {
  return typeof text === 'string' && text.length <= MOST_PERMISSION && PERMISSION.test(text)
}

/**
 * Refuses what is no name of a permission.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkedPermission(text: unknown, what: string): string {
  if (isPermission(text)) return text
  throw new SentinelError(
    'option.invalid',
    `${what}: ${shown(text)} is no permission. Name it with parts of letters, digits, - and _, such as 'orders.refund'; patterns belong into roles.`,
  )
}

/** What is wrong with the name of a permission that nobody has; undefined where somebody does. */
export function unknownPermission(roles: Roles, permission: string, what: string): SentinelError | undefined {
  if (grantsOf(roles, permission).allowedTo.length > 0) return undefined
  const known = patternsOf(roles)
  const meant = meantBy(roles, permission)
  const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
  const list =
    known.length === 0 ? ' No role allows anything.' : ` Permissions: ${known.slice(0, 20).join(', ')}.`
  return new SentinelError(
    'permission.unknown',
    `${what}: no role allows ${shown(permission)}, so nobody may.${hint}${list} Add it to a role: roles: { admin: { allow: [${shown(permission)}] } }.`,
  )
}

/** The one that was meant by a name that nobody has, if any is but a slip away. */
export function meantBy(roles: Roles, permission: string): string | undefined {
  return isPermission(permission) ? nearest(permission, patternsOf(roles)) : undefined
}

function matching(roles: Roles, of: 'allow' | 'deny', permission: string): readonly string[] {
  const names = roles.all
    .filter((role) => role[of].some(({ matches }) => matches.test(permission)))
    .flatMap(({ name }) => roles.countingAs(name))
  return [...new Set(names)]
}

function patternsOf(roles: Roles): readonly string[] {
  const all = roles.all.flatMap(({ allow, deny }) => [...allow, ...deny])
  return [...new Set(all.map(({ text }) => text))]
}
