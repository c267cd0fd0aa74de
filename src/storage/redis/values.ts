import { Digest } from '../../core/digest.js'
import type { Ms } from '../../core/duration.js'
import { jsonText } from '../contract/json.js'
import {
  checkSpace,
  checkValueKey,
  type ValueEntry,
  type ValuePage,
  type Values,
} from '../contract/values.js'
import { type Connection, scriptOf } from './connection.js'

const PAGE = 1000
/** Number of parts into which a space is divided, to spread it over a cluster. */
const PARTS = 64

const NOW = `
local now = tonumber(ARGV[1])
if now < 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local function live(v)
  if not v then return false end
  local lapses = struct.unpack('<d', v)
  return lapses == 0 or lapses > now
end
`

/*
 * A value is a field in the hash of its part: when it lapses (a double; 0: never), then JSON. A sorted set lists the keys, and
 * another one when their values lapse.
 */

const PUT = scriptOf(`-- Stores a value.
-- KEYS[1]  hash of the part    KEYS[2]  set of its keys    KEYS[3]  set of when they lapse
-- ARGV[1]  now, or -1    ARGV[2]  key    ARGV[3]  when it lapses (0: never)    ARGV[4]  the value
${NOW}
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
redis.call('ZADD', KEYS[2], 0, ARGV[2])
if tonumber(ARGV[3]) > 0 then redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
else redis.call('ZREM', KEYS[3], ARGV[2]) end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 32)) do
  redis.call('HDEL', KEYS[1], key)
  redis.call('ZREM', KEYS[2], key)
  redis.call('ZREM', KEYS[3], key)
end
return 0
`)

const GET =
  scriptOf(`-- KEYS[1]  hash of the part    ARGV[1]  now, or -1    ARGV[2]  key    result  the value, or nil
${NOW}
local value = redis.call('HGET', KEYS[1], ARGV[2])
return live(value) and value or false
`)

const TOUCH = scriptOf(`-- Moves the end of a value.
-- KEYS[1]  hash of the part    KEYS[2]  set of its keys    KEYS[3]  set of when they lapse
-- ARGV[1]  now, or -1    ARGV[2]  key    ARGV[3]  when it lapses (0: never)    ARGV[4]  the same as a double
-- result   whether it existed
${NOW}
local value = redis.call('HGET', KEYS[1], ARGV[2])
if not live(value) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4] .. string.sub(value, 9))
if tonumber(ARGV[3]) > 0 then redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
else redis.call('ZREM', KEYS[3], ARGV[2]) end
return 1
`)

const REMOVE = scriptOf(`-- Deletes a value.
-- KEYS[1]  hash of the part    KEYS[2]  set of its keys    KEYS[3]  set of when they lapse
-- ARGV[1]  now, or -1    ARGV[2]  key    result  whether it existed
${NOW}
local there = live(redis.call('HGET', KEYS[1], ARGV[2]))
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
return there and 1 or 0
`)

const SCAN = scriptOf(`-- Reads a page of the values of a part, in the order of their keys.
-- KEYS[1]  hash of the part    KEYS[2]  set of its keys
-- ARGV[1]  now, or -1    ARGV[2]  the last key of the previous page, or empty    ARGV[3]  size of the page
-- result   whether there are more, the last key examined, then keys and values, alternating
${NOW}
local most = tonumber(ARGV[3])
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'LIMIT', 0, most + 1)
local out = {#keys > most and 1 or 0, ''}
for i = 1, math.min(most, #keys) do
  out[2] = keys[i]
  local value = redis.call('HGET', KEYS[1], keys[i])
  if live(value) then
    out[#out + 1] = keys[i]
    out[#out + 1] = value
  end
end
return out
`)

const digest = Digest.keyed('values')

/** Values in hashes. A space is divided into parts, which a cluster can distribute. */
export class RedisValues implements Values {
  constructor(
    private readonly connection: Connection,
    private readonly prefix: string,
    /** The caller's time, or -1 for the server's clock. */
    private readonly now: () => number,
  ) {}

  async get(space: string, key: string): Promise<unknown> {
    checkValueKey(space, key)
    const found = await this.connection.run(GET, this.keysOf(space, partOf(key)).slice(0, 1), [
      this.now(),
      key,
    ])
    return found === null ? undefined : readValue(found as Buffer)
  }

  async put(space: string, key: string, value: unknown, until: Ms = 0): Promise<void> {
    checkValueKey(space, key)
    const json = Buffer.from(jsonText(value, `values.${space}`))
    const bytes = Buffer.concat([doubleOf(until), json])
    await this.connection.run(PUT, this.keysOf(space, partOf(key)), [this.now(), key, until, bytes])
  }

  async touch(space: string, key: string, until: Ms = 0): Promise<boolean> {
    checkValueKey(space, key)
    const args = [this.now(), key, until, doubleOf(until)]
    return Number(await this.connection.run(TOUCH, this.keysOf(space, partOf(key)), args)) === 1
  }

  async remove(space: string, key: string): Promise<boolean> {
    checkValueKey(space, key)
    const args = [this.now(), key]
    return Number(await this.connection.run(REMOVE, this.keysOf(space, partOf(key)), args)) === 1
  }

  /** `from` is the number of a part and the last key read there. */
  async scan(space: string, from = '0:', size = PAGE): Promise<ValuePage> {
    checkSpace(space)
    const most = Math.max(1, Math.min(PAGE, Math.floor(size)))
    const entries: ValueEntry[] = []
    const colon = from.indexOf(':')
    let part = Number(from.slice(0, colon))
    let after = from.slice(colon + 1)
    while (part < PARTS) {
      const [more, last, ...found] = (await this.connection.run(SCAN, this.keysOf(space, part).slice(0, 2), [
        this.now(),
        after,
        most - entries.length,
      ])) as [number, Buffer, ...Buffer[]]
      for (let i = 0; i + 1 < found.length; i += 2) {
        const bytes = found[i + 1] as Buffer
        const until = bytes.readDoubleLE(0)
        const entry = { key: String(found[i]), value: readValue(bytes) }
        entries.push(until === 0 || until === Number.POSITIVE_INFINITY ? entry : { ...entry, until })
      }
      if (Number(more) === 1) after = String(last)
      else {
        part++
        after = ''
      }
      if (entries.length === most && part < PARTS) return { entries, next: `${part}:${after}` }
    }
    return { entries }
  }

  private keysOf(space: string, part: number): string[] {
    // The length comes first, so that no two names of spaces can give the same key.
    const base = `${this.prefix}:{v${space.length}:${inBraces(space)}:${digest.hex(space)}:${part}}:`
    return [`${base}h`, `${base}k`, `${base}l`]
  }
}

/** Escapes braces, because they determine where a cluster places a key. */
function inBraces(space: string): string {
  return space.replace(/[{}%]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
}

/** Returns the space named in the braces of a key; undefined if there is none. */
export function spaceOf(tag: string): string | undefined {
  const [, length, written, hex] = /^v(\d+):(.*):([0-9a-f]+):\d+$/s.exec(tag) ?? []
  const space = written?.replace(/%(7b|7d|25)/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  )
  if (space === undefined || String(space.length) !== length || digest.hex(space) !== hex) return undefined
  return space
}

function partOf(key: string): number {
  return digest.number(key) % PARTS
}

function doubleOf(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return bytes
}

function readValue(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8', 8)) as unknown
}
