import { Digest } from '../../core/digest.js'
import type { Key } from '../../core/subject.js'

/** Maps subjects to the numbers used in tables: a number key stays as it is, a text key becomes a negative keyed digest. */
export class Subjects {
  private readonly digest: Digest

  constructor(secret: string) {
    this.digest = Digest.keyed(secret)
  }

  numberOf(key: Key): number {
    return typeof key === 'number' ? key : -1 - this.digest.number(key)
  }
}
