/*
 * The beginning of every generated script, in Lua. A script creates its functions anew with every call, so a plan's script
 * contains only the parts it uses.
 *
 * A record is a text: a byte with the number of parts in cells, for each of them a tag (4 bytes) and a kind (1 byte); until when
 * the text is kept (6); the cells; then parts of variable length, each a tag (4), a kind (1), when it lapses (6), its length (3)
 * and its bytes. Whole numbers are little-endian. In a script it is a table without named fields, which would cost twice as much
 * to create: [1] the parts of variable length by tag, or false; [2] whether it must be written; [3] when charges by limits that
 * are not the plan's lapse; [4] until when the text is kept; then the cells.
 *
 * Redis converts numbers in a command's arguments to text at half a microsecond each, so such texts are cached.
 */

export const PRELUDE = `
local call, try, read, pack = redis.call, redis.pcall, struct.unpack, struct.pack
local floor, sub, format, NAN = math.floor, string.sub, string.format, 0 / 0
local KEYS, ARGV, ENTRIES = KEYS, ARGV, ARGV[1]
local GRACE, COUNT, LONG, FIRST = read('<I4I4B', ENTRIES)
LONG = LONG == 1
-- Records and marks as texts, by the number of their key; then records as tables, and bits of sequences; lists of costs and
-- limits by number, and under negative numbers cached texts of numbers; keys and scopes of records to be written, alternating.
local S, R, Q, LISTS, DIRTY = nil, {}, {}, {}, {}
local dirty, corrupt, LATEST, LONGWAY = 0, 0, 0, nil
if COUNT < 1000 then S = call('MGET', unpack(KEYS, 1, 1 + COUNT))
else
  S = {}
  for from = 1, 1 + COUNT, 1000 do
    local some = call('MGET', unpack(KEYS, from, from + 999 < 1 + COUNT and from + 999 or 1 + COUNT))
    for i, s in ipairs(some) do S[from + i - 1] = s end
  end
end
-- The time of a bot never goes back: if the clock is put back by more than a second, the difference is added from then on.
local t = call('TIME')
local AT, high, offset = t[1] * 1000 + floor(t[2] / 1000), 0, 0
if S[1] then
  if #S[1] == 16 then high, offset = read('<dd', S[1]) end
  -- Invalid values: starts over.
  if not (high >= 0 and high < 281474976710656 and offset >= 0 and offset < 281474976710656) then
    high, offset, corrupt = 0, 0, 1
  end
end
if AT > high + 1000 then call('SET', KEYS[1], pack('<dd', AT, offset))
elseif AT < high - 1000 then
  offset = offset + high - AT
  call('SET', KEYS[1], pack('<dd', AT, offset))
end
local NOW = AT + offset
if not LONG then LATEST = NOW end
`

/**
 * For plans that read marks. MGET reports keys of other types as missing. If such a key should hold marks, a block could be
 * overlooked, so it is treated as an unreadable text.
 */
export const OTHER_TYPES = `
do
  local absent, n = {}, 0
  for i = 2, 1 + COUNT do
    if not S[i] then
      n = n + 1
      absent[n] = KEYS[i]
    end
  end
  for from = 1, n, 1000 do
    if call('EXISTS', unpack(absent, from, from + 999 < n and from + 999 or n)) > 0 then
      for i = 2, 1 + COUNT do
        if not S[i] and call('EXISTS', KEYS[i]) == 1 then S[i] = '\\1' end
      end
      break
    end
  end
end
`

/** The beginning of the general path. Created when first needed, since most calls do without it. */
export const LONG_WAY = `
local ceil, max, min, huge = math.ceil, math.max, math.min, math.huge
local byte, rep, concat = string.byte, string.rep, table.concat
local pcall, pairs, type, next = pcall, pairs, type, next
local SIZES = {10, 18, 12, false, false, false, 18}

-- Without its marks it is unknown whether a subject is blocked, so nothing is decided about it.
local function unreadable(k)
  corrupt = corrupt + 1
  error('UNREADABLE ' .. KEYS[k], 0)
end

local function text(n)
  local t = LISTS[-n]
  if not t then
    t = format('%.0f', n)
    LISTS[-n] = t
  end
  return t
end

local function touch(k, r, scope)
  if r[2] then return end
  r[2] = true
  dirty = dirty + 2
  DIRTY[dirty - 1], DIRTY[dirty] = k, scope
end

-- How long to keep a record that lapses in so many milliseconds: half a minute or a quarter longer, so that the expiry of
-- a record written often need not be set each time; in whole seconds or minutes, so that many records share one value.
local function life(ms)
  local step = ms < 600000 and 1000 or 60000
  return floor((ms + max(30000, ms / 4)) / step + 1) * step
end

local function extras(s, pos)
  local x, n = {}, #s
  while pos <= n do
    local tag, kind, lapses, length
    tag, kind, lapses, length, pos = read('<I4I1I6I3', s, pos)
    if pos + length - 1 > n then error('cut off') end
    x[tag] = {kind, lapses, sub(s, pos, pos + length - 1)}
    pos = pos + length
  end
  return x
end

-- All parts of a record that another plan wrote. Parts with cells lapse with the record.
local function parts(s, k, now)
  local count, x = byte(s, 1), {}
  local pos = 8 + count * 5
  local left = call('PTTL', KEYS[k])
  if left < 0 then left = 86400000 end
  for i = 0, count - 1 do
    local tag, kind = read('<I4I1', s, 2 + i * 5)
    local size = SIZES[kind]
    if not size or pos + size - 1 > #s then error('cut off') end
    x[tag] = {kind, now + left, sub(s, pos, pos + size - 1)}
    pos = pos + size
  end
  for tag, part in pairs(extras(s, pos)) do x[tag] = part end
  return x
end

-- Writes a record that has more than cells; lapses is when the cells lapse.
local function saveAll(k, r, head, cells, lapses, now)
  local out, n = {head, '', cells}, 3
  if r[1] then
    for tag, part in pairs(r[1]) do
      if part[2] > now then
        n = n + 1
        out[n] = pack('<I4I1I6I3', tag, part[1], part[2], #part[3]) .. part[3]
        if part[2] > lapses then lapses = part[2] end
      end
    end
  end
  if r[3] > lapses then lapses = r[3] end
  if lapses <= now then
    S[k] = false
    return call('DEL', KEYS[k])
  end
  local lives = life(lapses - now)
  r[4] = now + lives
  out[2] = pack('<I6', r[4])
  S[k] = concat(out)
  call('PSETEX', KEYS[k], text(lives + GRACE), S[k])
end
`
