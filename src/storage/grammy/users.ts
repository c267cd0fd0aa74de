import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { type Key, keyText, textKey } from '../../core/subject.js'
import { canonicalKey } from '../contract/keys.js'
import {
  addedCounts,
  checkActivity,
  patchedData,
  patchTexts,
  type UserActivity,
  type UserPage,
  type UserRecord,
  type Users,
} from '../contract/users.js'
import { type Documents, forEach, type Turns } from './documents.js'
import type { Indexes, IndexTree } from './index-tree.js'

type Kept = Omit<UserRecord, 'key'>

/** Users, one document each, with one index per bot. Every change takes the turn of that index. */
export class GrammyUsers implements Users {
  constructor(
    private readonly documents: Documents,
    private readonly indexes: Indexes,
    private readonly turns: Turns,
    private readonly clock: Clock,
  ) {}

  async get(bot: number, key: Key): Promise<UserRecord | undefined> {
    const text = keyText(canonicalKey(key))
    const kept = await this.read(bot, text)
    return kept === undefined ? undefined : { key: textKey(text), ...kept }
  }

  async note(bot: number, activity: readonly UserActivity[]): Promise<void> {
    checkActivity(activity)
    const byUser = new Map<string, UserActivity[]>()
    for (const each of activity) {
      const text = keyText(canonicalKey(each.key))
      byUser.set(text, [...(byUser.get(text) ?? []), each])
    }
    await this.alter(bot, byUser, (kept, noted) => noted.reduce(added, kept))
  }

  async patch(bot: number, key: Key, data: Readonly<Record<string, unknown>>): Promise<UserRecord> {
    const texts = patchTexts(data)
    const text = keyText(canonicalKey(key))
    const now = this.clock()
    let patched: Kept | undefined
    await this.alter(bot, new Map([[text, texts]]), (kept = newcomer(now)) => {
      patched = { ...kept, data: patchedData(kept.data, texts) }
      return patched
    })
    return { key: textKey(text), ...(patched as Kept) }
  }

  async scan(bot: number, from?: string, size?: number): Promise<UserPage> {
    const { keys, next } = await this.index(bot).page(from, size)
    const found = new Map<string, Kept>()
    await forEach(keys, async (text) => {
      const kept = await this.read(bot, text)
      if (kept !== undefined) found.set(text, kept)
    })
    const users = keys.flatMap((text): UserRecord[] => {
      const kept = found.get(text)
      return kept === undefined ? [] : [{ key: textKey(text), ...kept }]
    })
    return next === undefined ? { users } : { users, next }
  }

  async erase(bot: number, key: Key): Promise<boolean> {
    const text = keyText(canonicalKey(key))
    return this.turns.take(this.indexName(bot), async () => {
      const known = (await this.read(bot, text)) !== undefined
      await this.documents.remove(this.nameOf(bot, text))
      await this.index(bot).remove([text])
      return known
    })
  }

  private async alter<T>(
    bot: number,
    changes: ReadonlyMap<string, T>,
    change: (kept: Kept | undefined, by: T) => Kept | undefined,
  ): Promise<void> {
    await this.turns.take(this.indexName(bot), async () => {
      const known = new Map<string, Kept>()
      const newcomers: string[] = []
      await forEach([...changes.keys()], async (text) => {
        const kept = await this.read(bot, text)
        if (kept === undefined) newcomers.push(text)
        else known.set(text, kept)
      })
      // The index first: an index entry without a document is harmless, since listing skips it.
      await this.index(bot).add(newcomers)
      await forEach([...changes], async ([text, by]) => {
        const kept = change(known.get(text), by)
        if (kept !== undefined) await this.documents.write(this.nameOf(bot, text), kept)
      })
    })
  }

  private async read(bot: number, text: string): Promise<Kept | undefined> {
    return (await this.documents.read(this.nameOf(bot, text))) as Kept | undefined
  }

  private nameOf(bot: number, text: string): string {
    return this.documents.nameOf('user', bot, text)
  }

  private indexName(bot: number): string {
    return this.documents.nameOf('users', bot)
  }

  private index(bot: number): IndexTree {
    return this.indexes.named(this.indexName(bot))
  }
}

function newcomer(at: Ms): Kept {
  return { firstSeen: at, lastSeen: at, counts: {}, data: {} }
}

function added(kept: Kept | undefined, { at, counts = {} }: UserActivity): Kept {
  const { firstSeen, lastSeen, counts: totals, data } = kept ?? newcomer(at)
  return {
    firstSeen: Math.min(firstSeen, at),
    lastSeen: Math.max(lastSeen, at),
    counts: addedCounts(totals, counts),
    data,
  }
}
