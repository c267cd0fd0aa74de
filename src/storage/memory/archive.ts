import type { Key } from '../../core/subject.js'
import {
  type Archive,
  type ArchiveContents,
  actsAsAny,
  contentsOf,
  type MarkedSubject,
  markedSubjects,
} from '../contract/archive.js'
import { canonicalKey } from '../contract/keys.js'
import type { UserRecord } from '../contract/users.js'
import type { MemoryMarks } from './marks.js'
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
    return contentsOf(this.marks.names(), this.users.botIds(), this.values.names())
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
