import type { Redis } from 'ioredis'
import { type Key, keyText, textKey } from '../../core/subject.js'
import {
  type Archive,
  type ArchiveContents,
  actsAsAny,
  contentsOf,
  type MarkedSubject,
  markedSubjects,
} from '../contract/archive.js'
import { jsonText } from '../contract/json.js'
import { canonicalKey } from '../contract/keys.js'
import { checkRecord, type UserRecord } from '../contract/users.js'
import { ofNode } from './cluster-masters.js'
import { type Connection, scriptOf } from './connection.js'
import { BotKeys, type Keys } from './keys.js'
import { namesOfMarks } from './marks.js'
import { forgetKeys } from './reset.js'
import { spaceOf } from './values.js'

/** Number of keys per SCAN call: about a millisecond of the server's time. */
const STEP = 1000
/** Number of records restored per call. */
const AT_ONCE = 500

const RESTORE = scriptOf(`-- Stores complete users, replacing what was stored.
-- KEYS[1]    set of the users    KEYS[2..]  their hashes
-- ARGV       for each user: its text, the number of fields; then the name and the value of each
local at = 1
for i = 2, #KEYS do
  local fields = tonumber(ARGV[at + 1])
  redis.call('ZADD', KEYS[1], 0, ARGV[at])
  redis.call('DEL', KEYS[i])
  at = at + 2
  for _ = 1, fields do
    redis.call('HSET', KEYS[i], ARGV[at], ARGV[at + 1])
    at = at + 2
  end
end
return 0
`)

const READ = scriptOf(`-- KEYS  marks of subjects    result  the marks as they are stored
local out = {}
for i, key in ipairs(KEYS) do
  local s = redis.pcall('GET', key)
  out[i] = type(s) == 'string' and s or ''
end
return out
`)

/** The archive of a Redis storage. Reads all keys with SCAN, a few at a time, so that other clients are not held up. */
export class RedisArchive implements Archive {
  constructor(
    private readonly connection: Connection,
    private readonly keys: Keys,
  ) {}

  async contents(): Promise<ArchiveContents> {
    const marks: [bot: number, name: string][] = []
    const users = new Set<number>()
    const spaces = new Set<string>()
    const { prefix } = this.keys
    for await (const name of this.scan(`${prefix}:{*`)) {
      const rest = name.slice(prefix.length + 2)
      const end = rest.indexOf('}:')
      if (end < 0) continue
      const tag = rest.slice(0, end)
      const part = rest.slice(end + 2)
      if (tag.startsWith('v')) {
        const space = part === 'k' ? spaceOf(tag) : undefined
        if (space !== undefined) spaces.add(space)
        continue
      }
      const bot = Number(tag)
      if (!Number.isSafeInteger(bot)) continue
      if (part === 'users') users.add(bot)
      else if (part.startsWith('h:')) marks.push([bot, part.slice(2)])
    }
    return contentsOf(marks, users, spaces)
  }

  async restore(bot: number, given: readonly UserRecord[]): Promise<void> {
    const { user, users } = this.keys.of(bot)
    for (let from = 0; from < given.length; from += AT_ONCE) {
      const some = given.slice(from, from + AT_ONCE).map((record) => ({
        text: keyText(record.key),
        fields: fieldsOf(record),
      }))
      await this.connection.run(
        RESTORE,
        [users, ...some.map(({ text }) => user + text)],
        some.flatMap(({ text, fields }) => [text, fields.length, ...fields.flat()]),
      )
    }
  }

  async marksOf(bot: number, keys: readonly Key[]): Promise<readonly MarkedSubject[]> {
    const subjects = new Map<string, Key>()
    for await (const { name, kind, subject } of this.keysOf(bot, keys)) {
      if (kind === 'm:') subjects.set(name, subject)
    }
    if (subjects.size === 0) return []
    const texts = (await this.connection.run(READ, [...subjects.keys()], [])) as Buffer[]
    const found = [...subjects.values()].flatMap((key, index) =>
      namesOfMarks(texts[index] as Buffer).map((name): [Key, string] => [key, name]),
    )
    return markedSubjects(found)
  }

  async forget(bot: number, keys: readonly Key[]): Promise<void> {
    const state = new Map<Key, { records: Set<string>; sequences: Set<string> }>()
    for await (const { name, kind, subject } of this.keysOf(bot, keys)) {
      const held = state.get(subject) ?? { records: new Set(), sequences: new Set() }
      state.set(subject, held)
      if (kind.startsWith('r')) held.records.add(name)
      else if (kind.startsWith('s')) held.sequences.add(name)
    }
    for (const [subject, { records, sequences }] of state) {
      await forgetKeys(this.connection, this.keys, { bot, key: subject }, records, sequences)
    }
  }

  /** Yields records, sequences and marks of the subjects and of keys derived from them. May yield a key twice. */
  private async *keysOf(
    bot: number,
    keys: readonly Key[],
  ): AsyncGenerator<{ name: string; kind: string; subject: Key }, void, undefined> {
    const base = new BotKeys(this.keys.prefix, bot).marks.slice(0, -'m:'.length)
    const texts = keys.map((key) => keyText(canonicalKey(key)))
    for await (const name of this.scan(`${base}*${escaped(commonEnd(texts))}`)) {
      // The subject of a record or sequence follows a tag of eight hexadecimal digits.
      const [, kind, text] = /^(m:|[rs][0-9a-f]{8}:)(.*)$/s.exec(name.slice(base.length)) ?? []
      const subject = kind === undefined || text === undefined ? undefined : subjectOf(text)
      if (subject !== undefined && actsAsAny(subject, keys)) yield { name, kind: kind as string, subject }
    }
  }

  /** Yields the names of keys on every node, possibly twice. Clients add their own prefix to keys, but not to patterns. */
  private async *scan(pattern: string): AsyncGenerator<string, void, undefined> {
    for (const node of await this.connection.masters()) {
      const { keyPrefix } = this.connection
      let cursor = '0'
      do {
        const [next, names] = await this.step(node, cursor, escaped(keyPrefix) + pattern)
        for (const name of names) yield name.slice(keyPrefix.length)
        cursor = next
      } while (cursor !== '0')
    }
  }

  private async step(node: Redis, cursor: string, pattern: string): Promise<[string, string[]]> {
    try {
      return await node.scan(cursor, 'MATCH', pattern, 'COUNT', STEP)
    } catch (error) {
      const explained = this.connection.explained(error)
      throw this.connection.kind === 'redis' ? explained : ofNode(node, explained)
    }
  }
}

function fieldsOf(record: UserRecord): [string, string | number][] {
  checkRecord(record)
  const { firstSeen, lastSeen, counts, data } = record
  return [
    ['f', firstSeen],
    ['l', lastSeen],
    ...Object.entries(counts).map(([name, count]): [string, number] => [`c${name}`, count]),
    ...Object.entries(data).map(([name, value]): [string, string] => [
      `d${name}`,
      jsonText(value, `users.data.${name}`),
    ]),
  ]
}

/** Returns undefined for a text that is not a subject; such a key is not ours. */
function subjectOf(text: string): Key | undefined {
  try {
    return textKey(text)
  } catch {
    return undefined
  }
}

/** Returns the common end of texts: a user and the private chat with them end with the same id. */
function commonEnd([first = '', ...others]: readonly string[]): string {
  let length = first.length
  for (const other of others) while (!other.endsWith(first.slice(first.length - length))) length--
  return first.slice(first.length - length)
}

/** Escapes the special characters of a key pattern. */
function escaped(text: string): string {
  return text.replace(/[\\*?[\]^]/g, '\\$&')
}
