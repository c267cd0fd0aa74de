import type { SubjectRef } from '../core/subject.js'
import type { Storage } from '../storage/storage.js'
import type { ValuePage } from '../storage/values.js'
import type { Belongings } from './belongings.js'

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

/** Removes all values of a subject, including expired ones whose keys are known. Returns the values that were found. */
export async function eraseBelongings(
  belongings: Belongings,
  storage: Storage,
  subject: SubjectRef,
): Promise<readonly { space: string; key: string }[]> {
  const found: { space: string; key: string }[] = []
  for await (const { space, key } of belongingsOf(belongings, storage, subject)) found.push({ space, key })
  for (const [space, ownership] of belongings.spaces) {
    const keys = 'keys' in ownership ? ownership.keys(subject) : []
    const own = found.flatMap((each) => (each.space === space ? [each.key] : []))
    for (const key of new Set([...keys, ...own])) await storage.values.remove(space, key)
  }
  return found
}
