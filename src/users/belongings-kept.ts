import { SentinelError } from '../core/errors.js'
import type { SubjectRef } from '../core/subject.js'
import { shownAnswer } from '../core/unawaited.js'
import { pagesOf } from '../storage/contract/pages.js'
import type { Storage } from '../storage/contract/storage.js'
import type { Belongings, Ownership } from './belongings.js'

/** A value that belongs to a subject. */
export interface Belonging {
  readonly space: string
  readonly key: string
  readonly value: unknown
  readonly until?: number
}

/** Yields all values of a subject. */
export async function* belongingsOf(
  { spaces }: Belongings,
  storage: Storage,
  subject: SubjectRef,
): AsyncGenerator<Belonging, void, undefined> {
  for (const [space, ownership] of spaces) yield* valuesIn(space, ownership, storage, subject)
}

/** Yields the values of a subject in one space, which is scanned page by page if the keys are not known. */
async function* valuesIn(
  space: string,
  ownership: Ownership,
  { values }: Storage,
  subject: SubjectRef,
): AsyncGenerator<Belonging, void, undefined> {
  if ('keys' in ownership) {
    for (const key of new Set(keysIn(space, ownership, subject))) {
      const value = await values.get(space, key)
      if (value !== undefined) yield { space, key, value }
    }
    return
  }
  for await (const { entries } of pagesOf((from) => values.scan(space, from))) {
    for (const entry of entries) {
      const isOwn: unknown = ownership.owns(entry.key, subject) ?? false
      // A promise, or the position of a text, would count as true: then the values of others would be included.
      if (typeof isOwn !== 'boolean') throw wrong(space, 'owns', isOwn, 'true or false')
      if (isOwn) yield { space, ...entry }
    }
  }
}

/** Returns the keys that an ownership names. */
function keysIn(
  space: string,
  { keys }: Extract<Ownership, { readonly keys: unknown }>,
  subject: SubjectRef,
): readonly string[] {
  const own: unknown = keys(subject) ?? []
  if (Array.isArray(own) && own.every((key) => typeof key === 'string')) return own
  throw wrong(space, 'keys', own, 'a list of texts')
}

function wrong(space: string, what: 'keys' | 'owns', given: unknown, right: string): SentinelError {
  return new SentinelError(
    'option.invalid',
    `users.include: ownership of "${space}": ${what}() returned ${shownAnswer(given)}, not ${right}.`,
  )
}

/**
 * Removes all values of a subject, including expired ones whose keys are known. Returns the values that were found. If one space
 * fails, such as by a wrong ownership, the others are erased before the error is thrown.
 */
export async function eraseBelongings(
  belongings: Belongings,
  storage: Storage,
  subject: SubjectRef,
): Promise<readonly { space: string; key: string }[]> {
  const found: { space: string; key: string }[] = []
  const failures: unknown[] = []
  const keysOf = new Map<string, Set<string>>()
  for (const [space, ownership] of belongings.spaces) {
    try {
      const keys = new Set('keys' in ownership ? keysIn(space, ownership, subject) : [])
      for await (const { key } of valuesIn(space, ownership, storage, subject)) {
        found.push({ space, key })
        keys.add(key)
      }
      keysOf.set(space, keys)
    } catch (error) {
      failures.push(error)
    }
  }
  for (const [space, keys] of keysOf) {
    const erased = belongings.erased.get(space)
    try {
      for (const key of keys) {
        erased?.note(key)
        await storage.values.remove(space, key)
        // Another handler may have read the session in the meantime.
        erased?.note(key)
      }
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return found
}
