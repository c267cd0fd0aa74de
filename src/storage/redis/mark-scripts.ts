import { scriptOf } from './connection.js'

/*
 * Scripts over durable marks. A mark is a field of its subject's hash: when it lapses (a double; 0: never), whether its
 * value is a limit (a byte; then amount, span and burst as doubles), then JSON. Of each name a sorted set lists the
 * holders, and another when they lapse.
 */

/** Milliseconds since 1970: the caller's, or below 0 the server's. */
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

/** So many lapsed marks of the same name are swept with each write. */
const SWEEP = 32

export const PUT = scriptOf(`-- Puts one mark on subjects.
-- KEYS[1]    set of the holders    KEYS[2]  set of when they lapse    KEYS[3]  what the names of hashes begin with
-- KEYS[4..]  hashes of the subjects
-- ARGV[1]    now, or -1    ARGV[2]  name    ARGV[3]  channel    ARGV[4]  what to tell there
-- ARGV[5..]  for each subject: its text, when the mark lapses (0: never), the mark
${NOW}
local name = ARGV[2]
for i = 4, #KEYS do
  local at = 5 + (i - 4) * 3
  local subject, lapses = ARGV[at], tonumber(ARGV[at + 1])
  redis.call('HSET', KEYS[i], name, ARGV[at + 2])
  redis.call('ZADD', KEYS[1], 0, subject)
  if lapses > 0 then redis.call('ZADD', KEYS[2], lapses, subject)
  else redis.call('ZREM', KEYS[2], subject) end
end
for _, subject in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ${SWEEP})) do
  redis.call('HDEL', KEYS[3] .. subject, name)
  redis.call('ZREM', KEYS[1], subject)
  redis.call('ZREM', KEYS[2], subject)
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 0
`)

export const REMOVE = scriptOf(`-- Takes one mark from subjects.
-- KEYS[1]    set of the holders    KEYS[2]  set of when they lapse    KEYS[3..]  hashes of the subjects
-- ARGV[1]    now, or -1    ARGV[2]  name    ARGV[3]  channel    ARGV[4]  what to tell there    ARGV[5..]  subjects
-- result     how many held it
${NOW}
local count = 0
for i = 3, #KEYS do
  local subject = ARGV[i + 2]
  if live(redis.call('HGET', KEYS[i], ARGV[2])) then count = count + 1 end
  redis.call('HDEL', KEYS[i], ARGV[2])
  redis.call('ZREM', KEYS[1], subject)
  redis.call('ZREM', KEYS[2], subject)
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return count
`)

export const GET = scriptOf(`-- One mark of one subject.
-- KEYS[1]  hash of the subject    ARGV[1]  now, or -1    ARGV[2]  name    result  the mark, or nil
${NOW}
local mark = redis.call('HGET', KEYS[1], ARGV[2])
return live(mark) and mark or false
`)

export const ALL = scriptOf(`-- All marks of one subject.
-- KEYS[1]  hash of the subject    ARGV[1]  now, or -1    result  names and marks, in turn
${NOW}
local all, out = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  if live(all[i + 1]) then
    out[#out + 1] = all[i]
    out[#out + 1] = all[i + 1]
  end
end
return out
`)

export const SCAN = scriptOf(`-- A page of those who hold a mark, in the order of their texts.
-- KEYS[1]  set of the holders    KEYS[2]  what the names of hashes begin with
-- ARGV[1]  now, or -1    ARGV[2]  name    ARGV[3]  the last subject of the page before, or nothing    ARGV[4]  how many
-- result   where the next page begins (nothing: this is the last), then subjects and marks, in turn
${NOW}
local most, from = tonumber(ARGV[4]), ARGV[3] == '' and '-' or '(' .. ARGV[3]
local out, n = {''}, 0
while true do
  local subjects = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, most + 1)
  for i, subject in ipairs(subjects) do
    if n == most then return out end
    local mark = redis.call('HGET', KEYS[2] .. subject, ARGV[2])
    if live(mark) then
      n = n + 1
      out[#out + 1] = subject
      out[#out + 1] = mark
    end
    from = '(' .. subject
    if n == most then out[1] = subject end
  end
  if #subjects <= most then
    out[1] = ''
    return out
  end
end
`)
