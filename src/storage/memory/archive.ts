import type { Key } from '../../core/subject.js'
import {
  type Archive,
  type ArchiveContents,
  actsAsAny,
  type MarkedSubject,
  markedSubjects,
} from '../archive.js'
import type { UserRecord } from '../users.js'
import { canonicalKey, type MemoryMarks } from './marks.js'
import type { MemoryUsers } from './users.js'
import type { MemoryValues } from './values.js'

/** The archive of a memory storage. Records of members and commands are stored under digests and are left to expire. */
export class MemoryArchive implements Archive {
  constructor(
    private readonly marks: MemoryMarks,
    private readonly users: MemoryUsers,
    private readonly values: MemoryValues,
    private readonly reset: (bot: number, key: Key) => void,
  ) {}

  contents(): ArchiveContents {
    const marks = this.marks.names()
    const known = new Set(this.users.botIds())
    const ids = [...new Set([...marks.keys(), ...known])].sort((a, b) => a - b)
    return {
      bots: ids.map((id) => ({ id, marks: [...(marks.get(id) ?? [])].sort(), users: known.has(id) })),
      spaces: [...this.values.names()].sort(),
    }
  }

  restore(bot: number, users: readonly UserRecord[]): void {
    this.users.restore(bot, users)
  }

  marksOf(bot: number, keys: readonly Key[]): readonly MarkedSubject[] {
    return markedSubjects(this.marks.ofAll(bot, (other) => actsAsAny(other, keys)))
  }

  forget(bot: number, keys: readonly Key[]): void {
    const marked = this.marksOf(bot, keys).map(({ key }) => key)
    for (const key of new Set([...keys.map(canonicalKey), ...marked])) this.reset(bot, key)
  }
}
