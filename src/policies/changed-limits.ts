import { isPromise, type MaybePromise } from '../core/check.js'
import { keySubject, ownKey } from '../core/subject.js'
import { pagesOf } from '../storage/contract/pages.js'
import type { Mark, Marks } from '../storage/contract/storage.js'

/**
 * Marks each limit that was ever changed, under a key made of its slot. It tells a process about limits of handlers that the
 * process has not used yet. Limits are named in code, so there are few, and the marks are never removed.
 */
const CHANGED_LIMIT_MARK = 'limit-changed'

/** Records that a limit was changed. */
export function noteChanged(marks: Marks, bot: number, slot: string, since: number): MaybePromise<void> {
  const key = ownKey(slot)
  const note = (known: Mark | undefined): MaybePromise<void> =>
    known === undefined ? marks.put(bot, CHANGED_LIMIT_MARK, [{ key, mark: { since } }]) : undefined
  const known = marks.get(bot, key, CHANGED_LIMIT_MARK)
  return isPromise(known) ? known.then(note) : note(known)
}

/** Returns the slots of all limits that were ever changed. */
export async function changedSlots(marks: Marks, bot: number): Promise<readonly string[]> {
  const slots: string[] = []
  for await (const { entries } of pagesOf((from) => marks.scan(bot, CHANGED_LIMIT_MARK, from))) {
    for (const { key } of entries) slots.push(keySubject(key).name)
  }
  return slots
}

/** Whether a limit was ever changed. */
export async function wasChanged(marks: Marks, bot: number, slot: string): Promise<boolean> {
  return (await marks.get(bot, ownKey(slot), CHANGED_LIMIT_MARK)) !== undefined
}
