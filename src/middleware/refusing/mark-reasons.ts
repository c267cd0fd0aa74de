import { isPromise } from '../../core/check.js'
import type { Key } from '../../core/subject.js'
import type { Services } from '../services.js'

/** Reads the reasons of one mark from storages that answer synchronously; updates never wait for a reason. */
export class MarkReasons {
  private isAsync = false

  constructor(
    private readonly services: Services,
    private readonly name: string,
  ) {}

  of(bot: number, key: Key | undefined): string | undefined {
    if (this.isAsync || key === undefined) return undefined
    const mark = this.services.storage.marks.get(bot, key, this.name)
    if (!isPromise(mark)) return mark?.reason
    // This storage answers asynchronously, too late for the verdict, so it is not asked again for each update of a flood.
    this.isAsync = true
    mark.catch(() => undefined)
    return undefined
  }
}
