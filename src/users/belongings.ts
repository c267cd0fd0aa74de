import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import type { SubjectRef } from '../core/subject.js'
import type { Storage } from '../storage/storage.js'
import { checkSpace, type ValuePage } from '../storage/values.js'

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

/** A value of somebody's, and where it is kept. */
export interface Belonging {
  readonly space: string
  readonly key: string
  readonly value: unknown
  readonly until?: number
}

/** grammY keeps the session of a private chat under the id of the chat, which is that of the user. */
export const OF_PRIVATE_CHAT: Ownership = {
  keys: ({ kind, id }) => (kind === 'user' ? [String(id)] : []),
}

/** Which values are whose: what an export and an erasure of somebody look at beside marks and records. */
export class Belongings {
  private readonly spaces = new Map<string, Ownership>()

  include(space: string, ownership: Ownership): void {
    checkSpace(space)
    const { keys, owns } = (ownership ?? {}) as { keys?: unknown; owns?: unknown }
    if ((typeof keys === 'function') === (typeof owns === 'function')) {
      throw new SentinelError(
        'option.invalid',
        `users.include: ${shown(ownership)} does not say whose values are. Pass { keys: (subject) => […] }, or { owns: (key, subject) => true }.`,
      )
    }
    this.spaces.set(space, ownership)
  }

  /** All values of somebody, a page of the storage at a time where they have to be looked for. */
  async *of(storage: Storage, subject: SubjectRef): AsyncGenerator<Belonging, void, undefined> {
    const { values } = storage
    for (const [space, ownership] of this.spaces) {
      if ('keys' in ownership) {
        for (const key of new Set(ownership.keys(subject))) {
          const value = await values.get(space, key)
          if (value !== undefined) yield { space, key, value }
        }
        continue
      }
      let from: string | undefined
      do {
        const page: ValuePage = await values.scan(space, from)
        for (const entry of page.entries) if (ownership.owns(entry.key, subject)) yield { space, ...entry }
        from = page.next
      } while (from !== undefined)
    }
  }

  /** Takes them away, lapsed ones too where their keys are known; which there were. */
  async erase(storage: Storage, subject: SubjectRef): Promise<readonly { space: string; key: string }[]> {
    const found: { space: string; key: string }[] = []
    for await (const { space, key } of this.of(storage, subject)) found.push({ space, key })
    for (const [space, ownership] of this.spaces) {
      const keys = 'keys' in ownership ? ownership.keys(subject) : []
      const own = found.flatMap((each) => (each.space === space ? [each.key] : []))
      for (const key of new Set([...keys, ...own])) await storage.values.remove(space, key)
    }
    return found
  }
}
