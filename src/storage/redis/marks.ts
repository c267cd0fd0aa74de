import { type Key, keyText, textKey } from '../../core/subject.js'
import { jsonText } from '../contract/json.js'
import { isSoundLimit } from '../contract/plan.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../contract/storage.js'
import { tellMarks } from './changes.js'
import type { Connection } from './connection.js'
import { unreadable } from './failures.js'
import type { Keys } from './keys.js'
import { ALL, GET, PUT, REMOVE, SCAN, SWEEP } from './mark-scripts.js'
import { markTag } from './script/tags.js'

const PAGE = 1000
/** Maximum number of subjects per call. */
const AT_ONCE = 500
/**
 * Offsets in a mark as scripts return it: it begins with the lapse time, then the length of the rest and whether its value is a
 * limit.
 */
const LENGTH_AT = 8
const FLAG_AT = 11
const JSON_AT = 12
const JSON_AFTER_LIMIT = 36
const TAG_BYTES = 6

/** Durable marks, stored as one text per subject and listed by name. */
export class RedisMarks implements Marks {
  constructor(
    private readonly connection: Connection,
    private readonly keys: Keys,
    /** The caller's time, or -1 for the server's clock. */
    private readonly now: () => number,
  ) {}

  async get(bot: number, key: Key, name: string): Promise<Mark | undefined> {
    const found = await this.connection.run(
      GET,
      [this.keys.of(bot).marksOf(key)],
      [this.now(), markTag(name)],
    )
    return found === null ? undefined : readMark(found as Buffer)
  }

  async of(bot: number, key: Key): Promise<ReadonlyMap<string, Mark>> {
    const found = (await this.connection.run(ALL, [this.keys.of(bot).marksOf(key)], [this.now()])) as Buffer[]
    const marks = new Map<string, Mark>()
    for (const bytes of found) marks.set(nameOf(bytes), readMark(bytes))
    return marks
  }

  async put(bot: number, name: string, entries: readonly MarkEntry[]): Promise<void> {
    const keys = this.keys.of(bot)
    const written = entries.map(({ key, mark }) => ({
      key,
      text: keyText(key),
      mark,
      bytes: writeMark(name, mark),
    }))
    const broken: string[] = []
    for (let from = 0; from < written.length; from += AT_ONCE) {
      const some = written.slice(from, from + AT_ONCE)
      const unread = (await this.connection.run(
        PUT,
        [keys.holders + name, keys.lapsing + name, keys.marks, ...some.map(({ key }) => keys.marksOf(key))],
        [
          this.now(),
          markTag(name),
          this.keys.channel,
          tellMarks(bot, name, some),
          ...some.flatMap(({ text, mark, bytes }) => [text, mark.until ?? 0, bytes]),
        ],
      )) as Buffer[]
      broken.push(...unread.map(String))
    }
    refuseUnreadable(broken)
  }

  async remove(bot: number, name: string, given: readonly Key[]): Promise<number> {
    const keys = this.keys.of(bot)
    // Duplicates are removed, so that a subject is counted once.
    const texts = [...new Set(given.map((key) => keyText(key)))]
    let count = 0
    const broken: string[] = []
    for (let from = 0; from < texts.length; from += AT_ONCE) {
      const some = texts.slice(from, from + AT_ONCE)
      const told = tellMarks(
        bot,
        name,
        some.map((text) => ({ text })),
      )
      const [held, ...unread] = (await this.connection.run(
        REMOVE,
        [keys.holders + name, keys.lapsing + name, ...some.map((text) => keys.marks + text)],
        [this.now(), markTag(name), this.keys.channel, told, ...some],
      )) as [number, ...Buffer[]]
      count += Number(held)
      broken.push(...unread.map(String))
    }
    refuseUnreadable(broken)
    return count
  }

  async scan(bot: number, name: string, from = '', size = PAGE): Promise<MarkPage> {
    const keys = this.keys.of(bot)
    const [holders, lapsing, tag] = [keys.holders + name, keys.lapsing + name, markTag(name)]
    const [next, lapsed, ...found] = (await this.connection.run(
      SCAN,
      [holders, keys.marks, lapsing],
      [this.now(), tag, from, Math.max(1, Math.min(PAGE, Math.floor(size)))],
    )) as [Buffer, number, ...Buffer[]]
    if (Number(lapsed) > 0) {
      // Otherwise every later scan would look at them again. Marks can be read also while the server refuses writes.
      await this.connection
        .run(SWEEP, [holders, lapsing, keys.marks], [this.now(), tag, Number(lapsed)])
        .catch(() => undefined)
    }
    const entries: MarkEntry[] = []
    for (let i = 0; i + 1 < found.length; i += 2) {
      entries.push({ key: textKey(String(found[i])), mark: readMark(found[i + 1] as Buffer) })
    }
    return next.length === 0 ? { entries } : { entries, next: String(next) }
  }
}

/** Returns the names of all marks in the text of a subject, including lapsed ones; none if it cannot be read. */
export function namesOfMarks(text: Buffer): readonly string[] {
  const names: string[] = []
  for (let at = TAG_BYTES; at + JSON_AT <= text.length; ) {
    const end = at + JSON_AT - 1 + text.readUIntLE(at + LENGTH_AT, 3)
    if (end > text.length) return names
    names.push(nameOf(text.subarray(at, end)))
    at = end + TAG_BYTES
  }
  return names
}

/**
 * Throws if some marks could not be read. Those were not overwritten, since they may contain a block; all others were written.
 */
function refuseUnreadable(keys: readonly string[]): void {
  if (keys.length > 0) throw unreadable(keys)
}

/** Returns a mark in the format described in mark-scripts.ts. */
function writeMark(name: string, { since, until = Number.POSITIVE_INFINITY, reason, value }: Mark): Buffer {
  const json = jsonText({ name, since, reason, value }, 'mark')
  // Variants with `limit: 'stored'` use it.
  const limit = isSoundLimit(value) ? value : undefined
  const at = TAG_BYTES + (limit === undefined ? JSON_AT : JSON_AFTER_LIMIT)
  const bytes = Buffer.alloc(at + Buffer.byteLength(json))
  bytes.writeUIntLE(markTag(name), 0, TAG_BYTES)
  bytes.writeDoubleLE(until, TAG_BYTES)
  bytes.writeUIntLE(bytes.length - TAG_BYTES - FLAG_AT, TAG_BYTES + LENGTH_AT, 3)
  if (limit !== undefined) {
    bytes[TAG_BYTES + FLAG_AT] = 1
    bytes.writeDoubleLE(limit.amount, TAG_BYTES + JSON_AT)
    bytes.writeDoubleLE(limit.per, TAG_BYTES + JSON_AT + 8)
    bytes.writeDoubleLE(limit.burst ?? limit.amount, TAG_BYTES + JSON_AT + 16)
  }
  bytes.write(json, at)
  return bytes
}

function jsonOf(bytes: Buffer): Mark & { readonly name: string } {
  const from = bytes[FLAG_AT] === 1 ? JSON_AFTER_LIMIT : JSON_AT
  return JSON.parse(bytes.toString('utf8', from)) as Mark & { readonly name: string }
}

function nameOf(bytes: Buffer): string {
  return jsonOf(bytes).name
}

function readMark(bytes: Buffer): Mark {
  const until = bytes.readDoubleLE(0)
  const { since, reason, value } = jsonOf(bytes)
  return {
    since,
    ...(until === Number.POSITIVE_INFINITY ? {} : { until }),
    ...(reason === undefined ? {} : { reason }),
    ...(value === undefined ? {} : { value }),
  }
}
