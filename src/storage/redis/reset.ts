import { type Key, keyText } from '../../core/subject.js'
import { tellReset } from './changes.js'
import { type Connection, scriptOf } from './connection.js'
import type { RedisJudge } from './judge.js'
import type { Keys } from './keys.js'
import { TELL } from './mark-scripts.js'
import { tagBytes } from './script/lua.js'
import { PART, tagOf } from './script/tags.js'

const RESET =
  scriptOf(`-- Resets a subject: deletes its records, or the parts of one slot in them, and the bits of sequences.
-- KEYS[1]    set of what plans store    KEYS[2..]  records, then sets of sequences
-- ARGV[1]    how many of these keys are records    ARGV[2]  tags to delete, 4 bytes each; empty: all
-- ARGV[3]    channel    ARGV[4]  message to publish there
-- ARGV[5]    the subject; empty: there are no other keys    ARGV[6]    the slot, as JSON; empty: all
-- ARGV[7]    the slot    ARGV[8..]  what plans of this process store
${TELL}local sizes = {10, 18, 12, false, false, false, 18}
local records, tags = tonumber(ARGV[1]), {}
for pos = 1, #ARGV[2], 4 do tags[string.sub(ARGV[2], pos, pos + 3)] = true end

-- The record without the parts of these tags; nil if it cannot be read.
local function without(s)
  local count = string.byte(s, 1)
  local pos, head, cells, kept = 8 + count * 5, {}, {}, 0
  local until_ = string.sub(s, pos - 6, pos - 1)
  for i = 0, count - 1 do
    local entry = string.sub(s, 2 + i * 5, 6 + i * 5)
    local size = sizes[string.byte(entry, 5)]
    if not size then return nil end
    if not tags[string.sub(entry, 1, 4)] then
      kept = kept + 1
      head[kept] = entry
      cells[kept] = string.sub(s, pos, pos + size - 1)
    end
    pos = pos + size
  end
  local out = {string.char(kept), table.concat(head), until_, table.concat(cells)}
  while pos <= #s do
    local _, _, _, length = struct.unpack('<I4I1I6I3', s, pos)
    local whole = 14 + length
    if not tags[string.sub(s, pos, pos + 3)] then out[#out + 1] = string.sub(s, pos, pos + whole - 1) end
    pos = pos + whole
  end
  return table.concat(out)
end

-- The reply to a read. For a key of another type, this is an error without entries; any other error is raised.
local function checked(reply)
  local said = type(reply) == 'table' and reply.err
  if said and string.sub(said, 1, 9) ~= 'WRONGTYPE' then error(reply) end
  return reply
end
local function forgetSet(key)
  local numbers = checked(redis.pcall('ZRANGE', key, 0, -1))
  for _, number in ipairs(numbers) do
    redis.call('DEL', key .. ':' .. number, key .. ':' .. number .. ':r')
  end
  redis.call('DEL', key)
end
local function forgetRecord(key)
  if ARGV[2] == '' then
    redis.call('DEL', key)
    return
  end
  local s = checked(redis.pcall('GET', key))
  if s then
    local ok, rest = pcall(without, s)
    if ok and rest then redis.call('SET', key, rest, 'KEEPTTL') else redis.call('DEL', key) end
  end
end

for i = 2, #KEYS do
  if i > records + 1 then forgetSet(KEYS[i]) else forgetRecord(KEYS[i]) end
end
if ARGV[5] ~= '' then
  for i = 8, #ARGV do redis.call('ZADD', KEYS[1], 'NX', 0, ARGV[i]) end
  -- All keys share the beginning of this one, including a prefix that the client adds.
  local base, done = string.sub(KEYS[1], 1, -1 - #'plans'), {}
  local function once(forget, tag)
    if not done[tag] then forget(base .. tag .. ARGV[5]) end
    done[tag] = true
  end
  local kept = checked(redis.pcall('ZRANGE', KEYS[1], 0, -1))
  for _, text in ipairs(kept) do
    if ARGV[6] == '' or string.find(text, ARGV[6], 1, true) then
      local ok, plan = pcall(cjson.decode, text)
      if ok then
        for _, tag in ipairs(plan.records) do once(forgetRecord, tag) end
        for _, sequence in ipairs(plan.sequences) do
          if ARGV[6] == '' or sequence[1] == ARGV[7] then once(forgetSet, sequence[2]) end
        end
      end
    end
  end
end
return 0
`)

/** Forgets the state of a subject under the plans of all processes: in one slot, or in all. */
export async function reset(
  connection: Connection,
  keys: Keys,
  judges: Iterable<RedisJudge>,
  { bot, key, slot }: Forgotten,
): Promise<void> {
  const kept: string[] = []
  // The plans of this process. Redis should have a record of them too, but may have lost it.
  for (const { plan, kept: own } of judges) {
    if (slot === undefined || plan.checks.some((check) => check.slot === slot)) kept.push(own)
  }
  const where = [keyText(key), slot === undefined ? '' : JSON.stringify(slot), slot ?? '']
  await forget(connection, keys, { bot, key, slot }, [], [], [...where, ...kept])
}

/** Deletes the given records and sequences of a subject and publishes the reset. */
export async function forgetKeys(
  connection: Connection,
  keys: Keys,
  { bot, key }: Forgotten,
  records: Iterable<string>,
  sequences: Iterable<string>,
): Promise<void> {
  await forget(connection, keys, { bot, key }, [...records], [...sequences], ['', '', ''])
}

/** The subject to reset, and the slot if it is only one. */
interface Forgotten {
  readonly bot: number
  readonly key: Key
  readonly slot?: string | undefined
}

async function forget(
  connection: Connection,
  keys: Keys,
  { bot, key, slot }: Forgotten,
  records: readonly string[],
  sequences: readonly string[],
  where: readonly string[],
): Promise<void> {
  const tags = slot === undefined ? [] : Object.values(PART).flatMap((kind) => tagBytes(tagOf(kind, slot)))
  await connection.run(
    RESET,
    [keys.of(bot).plans, ...records, ...sequences],
    [records.length, Buffer.from(tags), keys.channel, tellReset(bot, key, slot), ...where],
  )
}
