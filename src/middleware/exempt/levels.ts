/**
 * Who is exempt from a check: `nobody`; the `trusted` (owner, listed users); the trusted and holders of exempt `roles`; or
 * `everybody` who is exempt in any way, including administrators of the chat.
 */
export type Excused = 'nobody' | 'trusted' | 'roles' | 'everybody'

/** Exemption levels of an actor: see `Excused`. */
export const NOT_EXEMPT = 0
export const ADMINISTRATOR = 1
/** Holds an exempt role; used where no plan reads the role's mark. */
export const HOLDER = 2
export const TRUSTED = 3
export const LEVELS = [NOT_EXEMPT, ADMINISTRATOR, HOLDER, TRUSTED] as const

/** Whether an actor of a level is exempt from a question. */
export function spares(level: number, whom: Excused): boolean {
  switch (whom) {
    case 'nobody':
      return false
    case 'trusted':
      return level >= TRUSTED
    case 'roles':
      return level >= HOLDER
    case 'everybody':
      return level >= ADMINISTRATOR
  }
}
