import type { Key } from '../../core/subject.js'
import { actsAsAny, type MarkedSubject, markedSubjects } from '../../storage/contract/archive.js'
import type { PendingMarks } from './pending-marks.js'

/** Returns the marks that wait for a bot, of these subjects and of all subjects in which they act. */
export function stagedOf({ staged: all }: PendingMarks, keys: readonly Key[]): readonly MarkedSubject[] {
  const found: [Key, string][] = []
  for (const [name, staged] of all) {
    for (const [key, mark] of staged) if (mark !== undefined && actsAsAny(key, keys)) found.push([key, name])
  }
  return markedSubjects(found)
}

/** Returns the names of a subject's marks that wait for a bot. */
export function stagedMarks(pending: PendingMarks, key: Key): readonly string[] {
  return [...pending.staged.keys()].filter((name) => pending.stagedMark(name, key) !== undefined)
}

/** Prevents large batches in progress from writing marks that these subjects hold anywhere, except marks of the name `kept`. */
export function forgetPending({ running }: PendingMarks, forgotten: readonly Key[], kept?: string): void {
  for (const { name, keys, changed } of running) {
    if (name === kept) continue
    for (const key of forgotten) changed.add(key)
    for (const key of keys) if (actsAsAny(key, forgotten)) changed.add(key)
  }
}
