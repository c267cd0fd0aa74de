import type { Key } from '../../core/subject.js'
import type { Mark } from '../../storage/contract/storage.js'
import type { Services } from '../services.js'

/** The write of a large batch in progress. */
export interface LargeWrite {
  readonly name: string
  /** The subjects of the batch; empty for imports, which read them only when they start to write. */
  readonly keys: readonly Key[]
  /** Subjects for which something else has been requested since; that request wins. */
  readonly changed: Set<Key>
  /** Absent while marks are written for a bot that was just met; see {@link PendingMarks.catchingUp}. */
  readonly done?: Promise<unknown>
}

/** Marks that were requested and that the storage does not have yet. */
export interface PendingMarks {
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
