import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { jsonText } from '../contract/json.js'
import { endOf, isLapsed } from '../contract/lapse.js'
import {
  checkSpace,
  checkValueKey,
  type ValueEntry,
  type ValuePage,
  type Values,
} from '../contract/values.js'
import { type Documents, forEach, type Turns } from './documents.js'
import type { Indexes, IndexTree } from './index-tree.js'

interface Kept {
  readonly value: unknown
  readonly until?: Ms
}

/**
 * Values, one document each, with one index per space. A change takes the turn of the value and then, if needed, that of the
 * index, so sessions of different chats do not wait for each other.
 */
export class GrammyValues implements Values {
  constructor(
    private readonly documents: Documents,
    private readonly indexes: Indexes,
    private readonly turns: Turns,
    private readonly clock: Clock,
  ) {}

  async get(space: string, key: string): Promise<unknown> {
    checkValueKey(space, key)
    return (await this.live(this.nameOf(space, key)))?.value
  }

  async put(space: string, key: string, value: unknown, until?: Ms): Promise<void> {
    checkValueKey(space, key)
    jsonText(value, `values.${space}`)
    const name = this.nameOf(space, key)
    await this.turns.take(name, async () => {
      // A value that has a document is already in the index.
      if ((await this.documents.read(name)) === undefined)
        await this.inIndex(space, (index) => index.add([key]))
      await this.documents.write(name, keptOf(value, until))
    })
  }

  async touch(space: string, key: string, until?: Ms): Promise<boolean> {
    checkValueKey(space, key)
    const name = this.nameOf(space, key)
    return this.turns.take(name, async () => {
      const live = await this.live(name)
      if (live === undefined) return false
      const { value } = live
      await this.documents.write(name, keptOf(value, until))
      return true
    })
  }

  async remove(space: string, key: string): Promise<boolean> {
    checkValueKey(space, key)
    const name = this.nameOf(space, key)
    return this.turns.take(name, async () => {
      const live = await this.live(name)
      await this.forget(space, key)
      return live !== undefined
    })
  }

  async scan(space: string, from?: string, size?: number): Promise<ValuePage> {
    checkSpace(space)
    const { keys, next } = await this.indexOf(space).page(from, size)
    const found = new Map<string, Kept>()
    await forEach(keys, async (key) => {
      const live = await this.live(this.nameOf(space, key))
      if (live !== undefined) found.set(key, live)
      else await this.sweep(space, key)
    })
    const entries = keys.flatMap((key): ValueEntry[] => {
      const live = found.get(key)
      return live === undefined ? [] : [{ key, ...live }]
    })
    return next === undefined ? { entries } : { entries, next }
  }

  private async sweep(space: string, key: string): Promise<void> {
    const name = this.nameOf(space, key)
    await this.turns.take(name, async () => {
      // Unless it was put again meanwhile.
      if ((await this.live(name)) === undefined) await this.forget(space, key)
    })
  }

  private async forget(space: string, key: string): Promise<void> {
    await this.documents.remove(this.nameOf(space, key))
    await this.inIndex(space, (index) => index.remove([key]))
  }

  private async live(name: string): Promise<Kept | undefined> {
    const kept = (await this.documents.read(name)) as Kept | undefined
    return kept === undefined || isLapsed(kept, this.clock()) ? undefined : kept
  }

  private inIndex(space: string, change: (index: IndexTree) => Promise<void>): Promise<void> {
    return this.turns.take(this.documents.nameOf('space', space), () => change(this.indexOf(space)))
  }

  private indexOf(space: string): IndexTree {
    return this.indexes.named(this.documents.nameOf('space', space))
  }

  private nameOf(space: string, key: string): string {
    return this.documents.nameOf('value', space, key)
  }
}

function keptOf(value: unknown, given: Ms | undefined): Kept {
  const until = endOf(given)
  return until === undefined ? { value } : { value, until }
}
