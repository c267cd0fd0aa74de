import type { Clock } from '../../core/clock.js'
import { type Key, keyText, textKey } from '../../core/subject.js'
import type { StorageChange } from '../contract/changes.js'
import { jsonText } from '../contract/json.js'
import { canonicalKey } from '../contract/keys.js'
import { isLapsed, withEnd } from '../contract/lapse.js'
import type { Listeners } from '../contract/listeners.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../contract/storage.js'
import { type Documents, forEach, type Turns } from './documents.js'
import type { Indexes, IndexTree } from './index-tree.js'

type Held = Readonly<Record<string, Mark>>

/**
 * Marks in documents: one document per subject with all its marks, and one index per mark name. A change takes the turn of the
 * index, then that of each subject.
 */
export class GrammyMarks implements Marks {
  constructor(
    private readonly documents: Documents,
    private readonly indexes: Indexes,
    private readonly turns: Turns,
    private readonly changes: Listeners<StorageChange>,
    private readonly clock: Clock,
  ) {}

  async get(bot: number, key: Key, name: string): Promise<Mark | undefined> {
    return (await this.of(bot, key)).get(name)
  }

  async of(bot: number, key: Key): Promise<ReadonlyMap<string, Mark>> {
    const now = this.clock()
    const held = Object.entries(await this.heldBy(this.subjectName(bot, key)))
    return new Map(held.filter(([, mark]) => !isLapsed(mark, now)))
  }

  async put(bot: number, name: string, entries: readonly MarkEntry[]): Promise<void> {
    if (entries.length === 0) return
    const marks = new Map(entries.map(({ key, mark }) => [keyText(canonicalKey(key)), withEnd(mark)]))
    for (const mark of marks.values()) jsonText(mark, `marks.${name}`)
    await this.turns.take(this.indexName(bot, name), async () => {
      // The index first: an index entry without a mark is skipped, but a mark without an index entry would never be found.
      await this.index(bot, name).add([...marks.keys()])
      await forEach([...marks], ([text, mark]) =>
        this.alter(bot, text, (held) => new Map([...held, [name, mark]])),
      )
    })
    this.tell(bot, name, [...marks.keys()])
  }

  async remove(bot: number, name: string, keys: readonly Key[]): Promise<number> {
    if (keys.length === 0) return 0
    const texts = [...new Set(keys.map((key) => keyText(canonicalKey(key))))]
    const now = this.clock()
    let count = 0
    await this.turns.take(this.indexName(bot, name), async () => {
      await forEach(texts, (text) =>
        this.alter(bot, text, (held) => {
          const mark = held.get(name)
          if (mark === undefined) return undefined
          if (!isLapsed(mark, now)) count++
          return new Map([...held].filter(([other]) => other !== name))
        }),
      )
      await this.index(bot, name).remove(texts)
    })
    this.tell(bot, name, texts)
    return count
  }

  async scan(bot: number, name: string, from?: string, size?: number): Promise<MarkPage> {
    const { keys, next } = await this.index(bot, name).page(from, size)
    const found = new Map<string, Mark>()
    await forEach(keys, async (text) => {
      const mark = (await this.of(bot, text)).get(name)
      if (mark !== undefined) found.set(text, mark)
    })
    const gone = keys.filter((text) => !found.has(text))
    if (gone.length > 0) await this.sweep(bot, name, gone)
    const entries = keys.flatMap((text) => {
      const mark = found.get(text)
      return mark === undefined ? [] : [{ key: textKey(text), mark }]
    })
    return next === undefined ? { entries } : { entries, next }
  }

  /** Removes marks that have lapsed, or were never written, from documents and index. */
  private async sweep(bot: number, name: string, texts: readonly string[]): Promise<void> {
    await this.turns.take(this.indexName(bot, name), async () => {
      const gone: string[] = []
      const now = this.clock()
      await forEach(texts, (text) =>
        this.alter(bot, text, (held) => {
          const mark = held.get(name)
          // It was put again meanwhile.
          if (mark !== undefined && !isLapsed(mark, now)) return undefined
          gone.push(text)
          return mark === undefined ? undefined : new Map([...held].filter(([other]) => other !== name))
        }),
      )
      await this.index(bot, name).remove(gone)
    })
  }

  /** Changes the marks of a subject. Returning undefined leaves them unchanged. */
  private async alter(
    bot: number,
    text: string,
    change: (held: ReadonlyMap<string, Mark>) => ReadonlyMap<string, Mark> | undefined,
  ): Promise<void> {
    const name = this.subjectName(bot, text)
    await this.turns.take(name, async () => {
      const held = change(new Map(Object.entries(await this.heldBy(name))))
      if (held === undefined) return
      if (held.size === 0) await this.documents.remove(name)
      else await this.documents.write(name, { marks: Object.fromEntries(held) })
    })
  }

  private async heldBy(name: string): Promise<Held> {
    const document = (await this.documents.read(name)) as { marks?: Held } | undefined
    return document?.marks ?? {}
  }

  private tell(bot: number, name: string, texts: readonly string[]): void {
    if (this.changes.any) this.changes.tell({ kind: 'marks', bot, name, keys: texts.map(textKey) })
  }

  private subjectName(bot: number, key: Key): string {
    return this.documents.nameOf('marks', bot, keyText(canonicalKey(key)))
  }

  private indexName(bot: number, name: string): string {
    return this.documents.nameOf('marked', bot, name)
  }

  private index(bot: number, name: string): IndexTree {
    return this.indexes.named(this.indexName(bot, name))
  }
}
