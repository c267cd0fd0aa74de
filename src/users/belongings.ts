import { SentinelError } from '../core/errors.js'
import { checkNames } from '../core/option-names.js'
import { shown } from '../core/show.js'
import type { SubjectRef } from '../core/subject.js'
import { refuseAsync } from '../core/unawaited.js'
import { checkSpace } from '../storage/contract/values.js'
import type { ErasedSessions } from './erased-sessions.js'

/**
 * Tells which values of a space belong to a subject: by their keys, or by a function that checks every key of the space.
 *
 * @example
 * ```ts
 * import { type Ownership, sentinel } from 'grammy-sentinel'
 *
 * const drafts: Ownership = { keys: ({ id }) => [`draft:${id}`] }
 * const games: Ownership = { owns: (key, { id }) => key.split('/').includes(String(id)) }
 * const { users } = sentinel()
 * users.include('drafts', drafts)
 * users.include('games', games)
 * ```
 */
export type Ownership =
  | { readonly keys: (subject: SubjectRef) => readonly string[] }
  | { readonly owns: (key: string, subject: SubjectRef) => boolean }

/** grammY stores the session of a private chat under the chat's id, which equals the user's id. */
export const OF_PRIVATE_CHAT: Ownership = {
  keys: ({ kind, id }) => (kind === 'user' ? [String(id)] : []),
}

/** The spaces with values of users; export and erasure include them besides marks and records. */
export class Belongings {
  /** The spaces, with the ownership of their values. */
  readonly spaces = new Map<string, Ownership>()
  /** For spaces of sessions: those that were erased while handlers held them. */
  readonly erased = new Map<string, ErasedSessions>()

  include(space: string, ownership: Ownership): void {
    checkSpace(space)
    const { keys, owns } = (ownership ?? {}) as { keys?: unknown; owns?: unknown }
    if ((typeof keys === 'function') === (typeof owns === 'function')) {
      throw new SentinelError(
        'option.invalid',
        `users.include: ${shown(ownership)} does not say whom values belong to. Pass { keys: (subject) => […] }, or { owns: (key, subject) => true }.`,
      )
    }
    checkNames('users.include', ownership, ['keys', 'owns'])
    refuseAsync(keys, 'users.include.keys')
    refuseAsync(owns, 'users.include.owns')
    this.spaces.set(space, ownership)
  }
}
