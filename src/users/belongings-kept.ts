import { SentinelError } from '../core/errors.js'
import type { SubjectRef } from '../core/subject.js'
import { shownAnswer } from '../core/unawaited.js'
import type { Storage } from '../storage/storage.js'
import type { ValuePage } from '../storage/values.js'
import type { Belongings, Ownership } from './belongings.js'

/** A value that belongs to a subject. */
export interface Belonging {
  readonly space: string
  readonly key: string
  readonly value: unknown
  readonly until?: number
}

/** Yields all values of a subject; spaces without known keys are scanned page by page. */
export async function* belongingsOf(
  { spaces }: Belongings,
  storage: Storage,
  subject: SubjectRef,
): AsyncGenerator<Belonging, void, undefined> {
  const { values } = storage
  for (const [space, ownership] of spaces) {
    if ('keys' in ownership) {
      for (const key of new Set(keysIn(space, ownership, subject))) {
        const value = await values.get(space, key)
        if (value !== undefined) yield { space, key, value }
      }
      continue
    }
    let from: string | undefined
    do {
      const page: ValuePage = await values.scan(space, from)
      for (const entry of page.entries) {
        const isOwn: unknown = ownership.owns(entry.key, subject)
        // A promise, or the position of a text, would count as true: then the values of others would be included.
        if (typeof isOwn !== 'boolean') throw wrong(space, 'owns', isOwn, 'true or false')
        if (isOwn) yield { space, ...entry }
      }
      from = page.next
    } while (from !== undefined)
  }
}

/** Returns the keys that an ownership names. */
function keysIn(
  space: string,
  { keys }: Extract<Ownership, { readonly keys: unknown }>,
  subject: SubjectRef,
): readonly string[] {
  const own: unknown = keys(subject)
  if (Array.isArray(own) && own.every((key) => typeof key === 'string')) return own
  throw wrong(space, 'keys', own, 'a list of texts')
}

function wrong(space: string, what: 'keys' | 'owns', given: unknown, right: string): SentinelError {
  return new SentinelError(
    'option.invalid',
    `users.include: ownership of "${space}": ${what}() returned ${shownAnswer(given)}, not ${right}.`,
  )
}

/** Removes all values of a subject, including expired ones whose keys are known. Returns the values that were found. */
export async function eraseBelongings(
  belongings: Belongings,
  storage: Storage,
  subject: SubjectRef,
): Promise<readonly { space: string; key: string }[]> {
  const found: { space: string; key: string }[] = []
  for await (const { space, key } of belongingsOf(belongings, storage, subject)) found.push({ space, key })
  for (const [space, ownership] of belongings.spaces) {
    const keys = 'keys' in ownership ? keysIn(space, ownership, subject) : []
    const own = found.flatMap((each) => (each.space === space ? [each.key] : []))
    for (const key of new Set([...keys, ...own])) {
      belongings.erased.get(space)?.note(key)
      await storage.values.remove(space, key)
    }
  }
  return found
}
