import type { Key } from '../../core/subject.js'
import { tellReset } from './changes.js'
import { type Connection, scriptOf } from './connection.js'
import type { RedisJudge } from './judge.js'
import type { Keys } from './keys.js'
import { tagBytes } from './script/lua.js'
import { PART, tagOf } from './script/tags.js'

const RESET =
  scriptOf(`-- Forgets what a subject has used: its records as a whole, or the parts of one slot; and bits of sequences.
-- KEYS       records, then sets of sequences
-- ARGV[1]    how many of the keys are records    ARGV[2]  tags to forget, 4 bytes each; nothing: all
-- ARGV[3]    channel    ARGV[4]  what to tell there
local sizes = {10, 18, 12, false, false, false, 18}
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

for i, key in ipairs(KEYS) do
  if i > records then
    local numbers = redis.pcall('ZRANGE', key, 0, -1)
    -- What is no set names none.
    for _, number in ipairs(numbers) do
      redis.call('DEL', key .. ':' .. number, key .. ':' .. number .. ':r')
    end
    redis.call('DEL', key)
  elseif ARGV[2] == '' then redis.call('DEL', key)
  else
    local s = redis.pcall('GET', key)
    if s then
      local ok, rest = pcall(without, s)
      if ok and rest then redis.call('SET', key, rest, 'KEEPTTL') else redis.call('DEL', key) end
    end
  end
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 0
`)

/** Forgets what a subject has used under the plans given: of one slot, or all of it. */
export async function reset(
  connection: Connection,
  keys: Keys,
  judges: Iterable<RedisJudge>,
  bot: number,
  key: Key,
  slot: string | undefined,
): Promise<void> {
  const records: string[] = []
  const sequences: string[] = []
  for (const judge of judges) {
    const found = judge.keysOf(bot, key)
    records.push(...found.records)
    for (const sequence of found.sequences) {
      if (slot === undefined || sequence.slot === slot) sequences.push(sequence.name)
    }
  }
  await forgetKeys(connection, keys, bot, key, [...new Set(records)], [...new Set(sequences)], slot)
}

/** Forgets these records and sequences of a subject, as a whole or the parts of one slot, and tells so. */
export async function forgetKeys(
  connection: Connection,
  keys: Keys,
  bot: number,
  key: Key,
  records: readonly string[],
  sequences: readonly string[],
  slot?: string,
): Promise<void> {
  const tags = slot === undefined ? [] : Object.values(PART).flatMap((kind) => tagBytes(tagOf(kind, slot)))
  await connection.run(
    RESET,
    [...records, ...sequences],
    [records.length, Buffer.from(tags), keys.channel, tellReset(bot, key, slot)],
  )
}
