import type { Key } from '../../core/subject.js'
import { actsAsAny, type MarkedSubject, markedSubjects } from '../../storage/contract/archive.js'
import type { Mark } from '../../storage/contract/storage.js'
import type { Services } from '../services.js'

/** The write of a large batch in progress. */
export interface LargeWrite {
  readonly name: string
  /** The subjects of the batch; empty for imports, which read them only when they start to write. */
  readonly keys: readonly Key[]
  /** Subjects for which something else has been requested since; that request wins. */
  readonly changed: Set<Key>
  /** Absent while marks are written for a bot that was just met; see {@link StagedMarks.catchingUp}. */
  readonly done?: Promise<unknown>
}

/** Marks that were requested and that the storage does not have yet. */
export interface StagedMarks {
  readonly services: Services
  /**
   * Marks that were requested before any bot was met, by name; undefined stands for a removed mark. They take effect at once and
   * are written for every bot when it is met.
   */
  readonly staged: Map<string, Map<Key, Mark | undefined>>
  /** Writes of large batches that are in progress. */
  readonly running: Set<LargeWrite>
  /** For each bot that was just met, the write of the staged marks that is in progress. */
  readonly catchingUp: ReadonlyMap<number, Promise<void>>
  /** Whether no bot has been met, so that all marks wait. */
  readonly waits: boolean
  /** Returns a staged mark that has not expired. */
  stagedMark(name: string, key: Key): Mark | undefined
  /** Stages a mark, or undefined for a removed one. */
  keep(name: string, key: Key, mark: Mark | undefined): void
}

/** Returns the marks that wait for a bot, of these subjects and of all subjects in which they act. */
export function stagedOf({ staged: all }: StagedMarks, keys: readonly Key[]): readonly MarkedSubject[] {
  const found: [Key, string][] = []
  for (const [name, staged] of all) {
    for (const [key, mark] of staged) if (mark !== undefined && actsAsAny(key, keys)) found.push([key, name])
  }
  return markedSubjects(found)
}

/** Returns the names of a subject's marks that wait for a bot. */
export function stagedNames(pending: StagedMarks, key: Key): readonly string[] {
  return [...pending.staged.keys()].filter((name) => pending.stagedMark(name, key) !== undefined)
}

/** Prevents large batches in progress from writing marks that these subjects hold anywhere, except marks of the name `kept`. */
export function forgetPending({ running }: StagedMarks, forgotten: readonly Key[], kept?: string): void {
  for (const { name, keys, changed } of running) {
    if (name === kept) continue
    for (const key of forgotten) changed.add(key)
    for (const key of keys) if (actsAsAny(key, forgotten)) changed.add(key)
  }
}
