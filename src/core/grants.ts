import { SentinelError } from './errors.js'
import { nearest } from './nearest.js'
import { MOST_PERMISSION, type Roles } from './roles.js'
import { shown } from './show.js'

/*
 * Which roles have which permissions. Separate from roles, which every sentinel loads, because not every bot uses permissions.
 */

/** Most permissions whose grants are cached: names may come from users' input. */
const MOST_ANSWERS = 1000
const PERMISSION = /^[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)*$/u

/** Roles that allow and roles that deny a permission, each with all roles that extend them. A denial wins. */
interface Grants {
  readonly allowedTo: readonly string[]
  readonly deniedTo: readonly string[]
}

const NOBODY: Grants = { allowedTo: [], deniedTo: [] }
const answers = new WeakMap<Roles, Map<string, Grants>>()

/** Returns which roles, including those that extend them, allow and deny a permission. */
export function grantsOf(roles: Roles, permission: string): Grants {
  let known = answers.get(roles)
  if (known === undefined) {
    known = new Map()
    answers.set(roles, known)
  }
  const remembered = known.get(permission)
  if (remembered !== undefined) return remembered
  // Invalid names, such as whole messages, are not cached.
  if (!isPermission(permission)) return NOBODY
  const grants = {
    allowedTo: matching(roles, 'allow', permission),
    deniedTo: matching(roles, 'deny', permission),
  }
  if (known.size >= MOST_ANSWERS) known.clear()
  known.set(permission, grants)
  return grants
}

/** Whether holders of these roles have a permission. A denial by any role wins. */
export function allows(roles: Roles, held: Iterable<string>, permission: string): boolean {
  const { allowedTo, deniedTo } = grantsOf(roles, permission)
  let allowed = false
  for (const name of held) {
    if (deniedTo.includes(name)) return false
    allowed ||= allowedTo.includes(name)
  }
  return allowed
}

/** Whether a text is a valid permission name. */
export function isPermission(text: unknown): text is string {
  return typeof text === 'string' && text.length <= MOST_PERMISSION && PERMISSION.test(text)
}

/**
 * Returns a valid permission name.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkedPermission(text: unknown, what: string): string {
  if (isPermission(text)) return text
  throw new SentinelError(
    'option.invalid',
    `${what}: ${shown(text)} is not a permission. Name it with parts of letters, digits, - and _, such as 'orders.refund'; patterns belong in roles.`,
  )
}

/** Returns the error for a permission that no role allows; undefined if some role allows it. */
export function unknownPermission(roles: Roles, permission: string, what: string): SentinelError | undefined {
  if (grantsOf(roles, permission).allowedTo.length > 0) return undefined
  const known = patternsOf(roles)
  const meant = meantBy(roles, permission)
  const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
  const list =
    known.length === 0 ? ' No role allows anything.' : ` Permissions: ${known.slice(0, 20).join(', ')}.`
  return new SentinelError(
    'permission.unknown',
    `${what}: no role allows ${shown(permission)}, so nobody has it.${hint}${list} Add it to a role: roles: { admin: { allow: [${shown(permission)}] } }.`,
  )
}

/** Returns the known permission or pattern closest to a name, if it differs only by a typing error. */
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
