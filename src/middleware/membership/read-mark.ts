import type { Key } from '../../core/subject.js'
import type { Mark, Marks } from '../../storage/contract/storage.js'

/** Returns a mark; undefined also if it cannot be read. */
export async function readMark(marks: Marks, bot: number, key: Key, name: string): Promise<Mark | undefined> {
  try {
    return await marks.get(bot, key, name)
  } catch {
    return undefined
  }
}
