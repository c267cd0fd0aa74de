import { scriptOf } from './connection.js'

/*
 * Scripts for durable marks. All marks of a subject are in one text, since a chain reads them with every update. Each mark is: a
 * digest of its name (6 bytes), when it lapses (a double; infinite: never), the length of the rest (3); the rest: whether its
 * value is a limit (a byte; if so, amount, span and burst as doubles), and JSON. For each mark name, a sorted set lists the
 * holders and another one when their marks lapse.
 */

const LIBRARY = `
local now = tonumber(ARGV[1])
if now < 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end

-- The marks of a subject: empty if there are none, nil if they cannot be read.
local function marksAt(key)
  local s = redis.pcall('GET', key)
  if not s then return '' end
  if type(s) == 'table' then
    if string.sub(s.err, 1, 9) ~= 'WRONGTYPE' then error(s) end
    return nil
  end
  local pos, n = 1, #s
  while pos + 16 <= n do
    local _, _, length, from = struct.unpack('<I6dI3', s, pos)
    pos = from + length
  end
  return pos == n + 1 and s or nil
end

local function unreadable(key)
  return redis.error_reply('UNREADABLE ' .. key)
end

-- The text without that mark, and the mark if it has not lapsed.
local function without(s, tag)
  local pos, n, kept, found = 1, #s, {}, false
  while pos <= n do
    local own, lapses, length, from = struct.unpack('<I6dI3', s, pos)
    if own ~= tag then kept[#kept + 1] = string.sub(s, pos, from + length - 1)
    elseif lapses > now then found = string.sub(s, pos + 6, from + length - 1) end
    pos = from + length
  end
  return table.concat(kept), found
end

local function find(s, tag)
  local pos, n = 1, #s
  while pos <= n do
    local own, lapses, length, from = struct.unpack('<I6dI3', s, pos)
    if own == tag then return lapses > now and string.sub(s, pos + 6, from + length - 1) end
    pos = from + length
  end
  return false
end

local function keep(key, s)
  if s == '' then redis.call('DEL', key) else redis.call('SET', key, s) end
end
`

/** First of all, so that nothing is written by a user who may not publish. Nobody can read between this and the end of a script. */
export const TELL = "redis.call('PUBLISH', ARGV[3], ARGV[4])\n"

/** Number of lapsed marks of the same name that each write sweeps: more if it writes more, so that they do not accumulate. */
const SWEPT = 32
/** Number of holders that one call looks at, so that other clients are not held up when most of their marks have lapsed. */
const EXAMINED = 1000

/** Sweeps lapsed marks. KEYS[1] and KEYS[2] list the holders and when they lapse; KEYS[3] is the prefix of the keys of marks. */
const sweeping = (tag: string, most: string): string => `
for _, subject in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ${most})) do
  local key = KEYS[3] .. subject
  local s = marksAt(key)
  if s then keep(key, (without(s, ${tag}))) end
  redis.call('ZREM', KEYS[1], subject)
  redis.call('ZREM', KEYS[2], subject)
end`

export const PUT = scriptOf(`-- Puts a mark on subjects.
-- KEYS[1]    set of the holders    KEYS[2]  set of when they lapse    KEYS[3]  prefix of the keys of marks
-- KEYS[4..]  marks of the subjects
-- ARGV[1]    now, or -1    ARGV[2]  digest of the name    ARGV[3]  channel    ARGV[4]  message to publish there
-- ARGV[5..]  for each subject: its text, when the mark lapses (0: never), the mark
-- result     keys of marks that cannot be read: these are left unchanged
${LIBRARY}
${TELL}local tag, broken = tonumber(ARGV[2]), {}
for i = 4, #KEYS do
  local at = 5 + (i - 4) * 3
  local subject, lapses, s = ARGV[at], tonumber(ARGV[at + 1]), marksAt(KEYS[i])
  if s then
    redis.call('SET', KEYS[i], without(s, tag) .. ARGV[at + 2])
    redis.call('ZADD', KEYS[1], 0, subject)
    if lapses > 0 then redis.call('ZADD', KEYS[2], lapses, subject)
    else redis.call('ZREM', KEYS[2], subject) end
  else broken[#broken + 1] = KEYS[i] end
end${sweeping('tag', `math.max(${SWEPT}, #KEYS - 3)`)}
return broken
`)

export const REMOVE = scriptOf(`-- Removes a mark from subjects.
-- KEYS[1]    set of the holders    KEYS[2]  set of when they lapse    KEYS[3..]  marks of the subjects
-- ARGV[1]    now, or -1    ARGV[2]  digest of the name    ARGV[3]  channel    ARGV[4]  message to publish there
-- ARGV[5..]  subjects
-- result     how many held it, then keys of marks that cannot be read: these are left unchanged
${LIBRARY}
${TELL}local out = {0}
for i = 3, #KEYS do
  local subject, s = ARGV[i + 2], marksAt(KEYS[i])
  if s then
    local rest, found = without(s, tonumber(ARGV[2]))
    if found then out[1] = out[1] + 1 end
    keep(KEYS[i], rest)
    redis.call('ZREM', KEYS[1], subject)
    redis.call('ZREM', KEYS[2], subject)
  else out[#out + 1] = KEYS[i] end
end
return out
`)

export const GET = scriptOf(`-- Reads one mark of a subject.
-- KEYS[1]  marks of the subject    ARGV[1]  now, or -1    ARGV[2]  digest of the name    result  the mark, or nil
${LIBRARY}
local s = marksAt(KEYS[1])
if not s then return unreadable(KEYS[1]) end
return find(s, tonumber(ARGV[2]))
`)

export const ALL = scriptOf(`-- Reads all marks of a subject.
-- KEYS[1]  marks of the subject    ARGV[1]  now, or -1    result  the marks
${LIBRARY}
local s, out, pos = marksAt(KEYS[1]), {}, 1
if not s then return unreadable(KEYS[1]) end
while pos <= #s do
  local _, lapses, length, from = struct.unpack('<I6dI3', s, pos)
  if lapses > now then out[#out + 1] = string.sub(s, pos + 6, from + length - 1) end
  pos = from + length
end
return out
`)

export const SCAN = scriptOf(`-- Reads a page of the holders of a mark, in the order of their texts.
-- KEYS[1]  set of the holders    KEYS[2]  prefix of the keys of marks    KEYS[3]  set of when they lapse
-- ARGV[1]  now, or -1    ARGV[2]  digest of the name    ARGV[3]  the last subject of the previous page, or empty
-- ARGV[4]  size of the page
-- result   where the next page begins (empty: this is the last), how many marks were found to have lapsed, then subjects and
--          marks, alternating
${LIBRARY}
local tag, most, from = tonumber(ARGV[2]), tonumber(ARGV[4]), ARGV[3] == '' and '-' or '(' .. ARGV[3]
local out, n, examined = {'', 0}, 0, 0

-- A mark that cannot be read, as the sets list it.
local function listed(subject)
  local score = redis.call('ZSCORE', KEYS[3], subject)
  local lapses = score and tonumber(score) or math.huge
  if lapses <= now then return false end
  return struct.pack('<dI3B', lapses, 0, 0) .. '{"since":0,"reason":"unreadable in Redis"}'
end

while true do
  local subjects = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, most + 1)
  for i, subject in ipairs(subjects) do
    if n == most then return out end
    local s = marksAt(KEYS[2] .. subject)
    local mark
    if s then mark = find(s, tag) else mark = listed(subject) end
    if mark then
      n = n + 1
      out[#out + 1] = subject
      out[#out + 1] = mark
    else out[2] = out[2] + 1 end
    from = '(' .. subject
    if n == most then out[1] = subject end
  end
  if #subjects <= most then
    out[1] = ''
    return out
  end
  examined = examined + #subjects
  if examined >= ${EXAMINED} then
    out[1] = subjects[#subjects]
    return out
  end
end
`)

export const SWEEP = scriptOf(`-- Sweeps marks that have lapsed.
-- KEYS[1]  set of the holders    KEYS[2]  set of when they lapse    KEYS[3]  prefix of the keys of marks
-- ARGV[1]  now, or -1    ARGV[2]  digest of the name    ARGV[3]  how many
${LIBRARY}${sweeping('tonumber(ARGV[2])', 'ARGV[3]')}
`)
