import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import type { SubjectRef } from '../core/subject.js'
import { checkSpace } from '../storage/values.js'

/**
 * Whose a value is: by keys that are known beforehand, or by looking at every key of the space.
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

/** grammY keeps the session of a private chat under the id of the chat, which is that of the user. */
export const OF_PRIVATE_CHAT: Ownership = {
  keys: ({ kind, id }) => (kind === 'user' ? [String(id)] : []),
}

/** Which values are whose: what an export and an erasure of somebody look at beside marks and records. */
export class Belongings {
  private readonly kept = new Map<string, Ownership>()

  /** Which spaces hold such values, and whose they are there. */
  get spaces(): ReadonlyMap<string, Ownership> {
    return this.kept
  }

  include(space: string, ownership: Ownership): void {
    checkSpace(space)
    const { keys, owns } = (ownership ?? {}) as { keys?: unknown; owns?: unknown }
    if ((typeof keys === 'function') === (typeof owns === 'function')) {
      throw new SentinelError(
        'option.invalid',
        `users.include: ${shown(ownership)} does not say whose values are. Pass { keys: (subject) => […] }, or { owns: (key, subject) => true }.`,
      )
    }
    this.kept.set(space, ownership)
  }
}
