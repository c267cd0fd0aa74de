import type { Ms } from '../../core/duration.js'

/** How long a failed request is remembered, so that a flood does not cause a request per message. */
export const FAILURE_FOR: Ms = 30_000

/** Telegram's answer about the administrators of a chat. */
export interface AdministratorAnswer {
  /** Roles by user id. */
  readonly roles: ReadonlyMap<number, readonly string[]>
  readonly until: Ms
}
