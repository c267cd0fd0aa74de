import { type Key, keyText, textKey } from '../../core/subject.js'
import {
  checkActivity,
  patchTexts,
  type UserActivity,
  type UserPage,
  type UserRecord,
  type Users,
} from '../contract/users.js'
import { type Connection, scriptOf } from './connection.js'
import type { Keys } from './keys.js'

const PAGE = 1000
const AT_ONCE = 500

/*
 * A user is a hash: `f` and `l` for first and last seen, `c` followed by a name for each counter, `d` followed by a name for each
 * field of data, as JSON. A sorted set lists all users of a bot.
 */

const NOTE = scriptOf(`-- Adds to the counters of users.
-- KEYS[1]    set of the users    KEYS[2..]  their hashes
-- ARGV       for each user: its text, when it was seen, the number of counters; then the name and the amount of each
local at = 1
for i = 2, #KEYS do
  local subject, seen, counters = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  local first, last = unpack(redis.call('HMGET', KEYS[i], 'f', 'l'))
  if not first then redis.call('ZADD', KEYS[1], 0, subject) end
  if not first or seen < tonumber(first) then redis.call('HSET', KEYS[i], 'f', seen) end
  if not last or seen > tonumber(last) then redis.call('HSET', KEYS[i], 'l', seen) end
  for _ = 1, counters do
    redis.call('HINCRBYFLOAT', KEYS[i], 'c' .. ARGV[at], ARGV[at + 1])
    at = at + 2
  end
end
return 0
`)

const PATCH = scriptOf(`-- Merges into the data of a user.
-- KEYS[1]    set of the users    KEYS[2]  hash of the user
-- ARGV[1]    its text    ARGV[2]  now, or -1    ARGV[3..]  for each field: its name, then '=' and JSON, or '-' to delete it
-- result     the hash afterwards
local now = tonumber(ARGV[2])
if now < 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
if redis.call('HSETNX', KEYS[2], 'f', now) == 1 then
  redis.call('HSET', KEYS[2], 'l', now)
  redis.call('ZADD', KEYS[1], 0, ARGV[1])
end
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '-' then redis.call('HDEL', KEYS[2], 'd' .. ARGV[i])
  else redis.call('HSET', KEYS[2], 'd' .. ARGV[i], string.sub(ARGV[i + 1], 2)) end
end
return redis.call('HGETALL', KEYS[2])
`)

const READ = scriptOf(`-- KEYS[1]  hash of a user    result  the hash
return redis.call('HGETALL', KEYS[1])
`)

const SCAN = scriptOf(`-- Reads a page of users, in the order of their texts.
-- KEYS[1]  set of the users    KEYS[2]  prefix of the keys of hashes
-- ARGV[1]  the last user of the previous page, or empty    ARGV[2]  size of the page
-- result   whether there are more, then users and their hashes, alternating
local most = tonumber(ARGV[2])
local users = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1] == '' and '-' or '(' .. ARGV[1], '+', 'LIMIT', 0, most + 1)
local out = {#users > most and 1 or 0}
for i = 1, math.min(most, #users) do
  out[#out + 1] = users[i]
  out[#out + 1] = redis.call('HGETALL', KEYS[2] .. users[i])
end
return out
`)

const ERASE = scriptOf(`-- Deletes a user.
-- KEYS[1]  set of the users    KEYS[2]  hash of the user    ARGV[1]  its text    result  whether it existed
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2])
`)

/** Users in hashes, listed by bot. */
export class RedisUsers implements Users {
  constructor(
    private readonly connection: Connection,
    private readonly keys: Keys,
    /** The caller's time, or -1 for the server's clock. */
    private readonly now: () => number,
  ) {}

  async get(bot: number, key: Key): Promise<UserRecord | undefined> {
    const text = keyText(key)
    const found = (await this.connection.run(READ, [this.keys.of(bot).user + text], [])) as Buffer[]
    return found.length === 0 ? undefined : readUser(text, found)
  }

  async note(bot: number, activity: readonly UserActivity[]): Promise<void> {
    checkActivity(activity)
    const { user, users } = this.keys.of(bot)
    for (let from = 0; from < activity.length; from += AT_ONCE) {
      const some = activity.slice(from, from + AT_ONCE)
      await this.connection.run(
        NOTE,
        [users, ...some.map(({ key }) => user + keyText(key))],
        some.flatMap(({ key, at, counts = {} }) => {
          const named = Object.entries(counts)
          return [keyText(key), at, named.length, ...named.flat()]
        }),
      )
    }
  }

  async patch(bot: number, key: Key, data: Readonly<Record<string, unknown>>): Promise<UserRecord> {
    const texts = [...patchTexts(data)]
    const text = keyText(key)
    const { user, users } = this.keys.of(bot)
    const found = await this.connection.run(
      PATCH,
      [users, user + text],
      [text, this.now(), ...texts.flatMap(([name, value]) => [name, value === null ? '-' : `=${value}`])],
    )
    return readUser(text, found as Buffer[])
  }

  async scan(bot: number, from = '', size = PAGE): Promise<UserPage> {
    const { user, users } = this.keys.of(bot)
    const most = Math.max(1, Math.min(PAGE, Math.floor(size)))
    const [more, ...found] = (await this.connection.run(SCAN, [users, user], [from, most])) as [
      number,
      ...(Buffer | Buffer[])[],
    ]
    const page: UserRecord[] = []
    let last = ''
    for (let i = 0; i + 1 < found.length; i += 2) {
      last = String(found[i])
      // A user erased after the list was read has no hash.
      const hash = found[i + 1] as Buffer[]
      if (hash.length > 0) page.push(readUser(last, hash))
    }
    return Number(more) === 1 ? { users: page, next: last } : { users: page }
  }

  async erase(bot: number, key: Key): Promise<boolean> {
    const text = keyText(key)
    const { user, users } = this.keys.of(bot)
    return Number(await this.connection.run(ERASE, [users, user + text], [text])) === 1
  }
}

function readUser(text: string, hash: readonly Buffer[]): UserRecord {
  const counts: [string, number][] = []
  const data: [string, unknown][] = []
  let firstSeen = 0
  let lastSeen = 0
  for (let i = 0; i + 1 < hash.length; i += 2) {
    const field = String(hash[i])
    const value = String(hash[i + 1])
    if (field === 'f') firstSeen = Number(value)
    else if (field === 'l') lastSeen = Number(value)
    else if (field.startsWith('c')) counts.push([field.slice(1), Number(value)])
    else data.push([field.slice(1), JSON.parse(value) as unknown])
  }
  return {
    key: textKey(text),
    firstSeen,
    lastSeen,
    counts: Object.fromEntries(counts),
    data: Object.fromEntries(data),
  }
}
