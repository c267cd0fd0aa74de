import { SentinelError } from './errors.js'
import { nearest } from './nearest.js'
import { isPermission, type Roles } from './roles.js'
import { shown } from './show.js'

/** What is wrong with the name of a permission that nobody has; undefined where somebody does. */
export function unknownPermission(roles: Roles, permission: string, what: string): SentinelError | undefined {
  if (roles.grantsOf(permission).allowedTo.length > 0) return undefined
  const known = roles.patterns()
  const meant = meantBy(roles, permission)
  const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
  const list =
    known.length === 0 ? ' No role allows anything.' : ` There are ${known.slice(0, 20).join(', ')}.`
  return new SentinelError(
    'permission.unknown',
    `${what}: no role allows ${shown(permission)}, so nobody may.${hint}${list} Add it to a role: roles: { admin: { allow: [${shown(permission)}] } }.`,
  )
}

/** The one that was meant by a name that nobody has, if any is but a slip away. */
export function meantBy(roles: Roles, permission: string): string | undefined {
  return isPermission(permission) ? nearest(permission, roles.patterns()) : undefined
}
