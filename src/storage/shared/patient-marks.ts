import type { MaybePromise } from '../../core/check.js'
import type { Key } from '../../core/subject.js'
import type { Mark, Marks } from '../contract/storage.js'

/**
 * Marks of which many can be read when no update waits for them. Storages that limit the time of calls then allow a read as much
 * time as a write; other storages ignore the argument.
 */
export interface PatientMarks extends Marks {
  get(bot: number, key: Key, name: string, patient?: boolean): MaybePromise<Mark | undefined>
}
