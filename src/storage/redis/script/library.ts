/*
 * What every generated script begins with, in Lua. A script runs anew with each call and makes its functions
 * anew, so a plan is given only the parts it uses.
 *
 * A record is a text: a byte with the number of its cells' parts, for each a tag (4 bytes) and a kind (1 byte); until when
 * the text is kept (6); their cells; then parts of any length, each a tag (4), a kind (1), when it lapses (6), its length (3) and its
 * bytes. Whole numbers are little-endian. In a script it is a table without named fields, which cost twice as much to
 * make: [1] the other parts by tag, or false; [2] whether it is to be written; [3] when what limits of the moment
 * charged lapses; [4] until when the text is kept; then its cells.
 *
 * Redis turns numbers among the arguments of a command to text at a price of half a microsecond each, so texts are kept.
 */

export const PRELUDE = `
local call, try, read, pack = redis.call, redis.pcall, struct.unpack, struct.pack
local floor, sub, format = math.floor, string.sub, string.format
local KEYS, ARGV, ENTRIES, GRACE, COUNT, LONG = KEYS, ARGV, ARGV[2], tonumber(ARGV[1]), tonumber(ARGV[3]), ARGV[4] == '1'
-- Records and marks as texts, had at once; then records as tables, and bits of sequences, by the number of their key; lists of
-- costs and limits; the keys and scopes of records to be written; numbers as texts.
local S, R, Q, LISTS, DIRTY, SCOPES, TEXTS, NAN = {}, {}, {}, {}, {}, {}, {}, 0 / 0
-- The chain's own time, the clock's, the latest of the first; how many records could not be read, and how many are to be written.
local T = {0, 0, 0, 0, 0}
local LONGWAY
for from = 1, COUNT, 1000 do
  local some = call('MGET', unpack(KEYS, from + 1, from < COUNT - 999 and from + 1000 or COUNT + 1))
  if from == 1 then S = some else for i, s in ipairs(some) do S[from + i - 1] = s end end
end
-- MGET tells of what is no text as if it were not there. Were these marks, nobody would be blocked: so it counts as a text
-- that cannot be read.
do
  local absent, n = {}, 0
  for i = 1, COUNT do
    if not S[i] then
      n = n + 1
      absent[n] = KEYS[i + 1]
    end
  end
  for from = 1, n, 1000 do
    if call('EXISTS', unpack(absent, from, from < n - 999 and from + 999 or n)) > 0 then
      for i = 1, COUNT do
        if not S[i] and call('EXISTS', KEYS[i + 1]) == 1 then S[i] = '\\1' end
      end
      break
    end
  end
end
-- The time of a bot never goes back: what a step back of more than a second takes away is added to all that follows.
do
  local t, kept = call('TIME'), try('GET', KEYS[1])
  local at, high, offset = t[1] * 1000 + floor(t[2] / 1000), 0, 0
  if kept and #kept == 16 then high, offset = read('<dd', kept) end
  -- Of no sense: begun anew.
  if not (high >= 0 and high < 281474976710656 and offset >= 0 and offset < 281474976710656) then
    high, offset = 0, 0
    T[4] = 1
  end
  if at > high + 1000 then call('SET', KEYS[1], pack('<dd', at, offset))
  elseif at < high - 1000 then
    offset = offset + high - at
    call('SET', KEYS[1], pack('<dd', at, offset))
  end
  T[1], T[2] = at + offset, at
  if not LONG then T[3] = T[1] end
end
`

/** What the long way begins with. It is made where it is needed first: most calls do without. */
export const LONG_WAY = `
local ceil, max, min, huge = math.ceil, math.max, math.min, math.huge
local byte, rep, concat = string.byte, string.rep, table.concat
local pcall, pairs, type, next = pcall, pairs, type, next
local SIZES = {10, 18, 12, false, false, false, 18}

-- Without its marks nobody knows whether a subject is blocked, so nothing is decided about it.
local function unreadable(k)
  T[4] = T[4] + 1
  error('UNREADABLE ' .. KEYS[k + 1], 0)
end

local function text(n)
  local t = TEXTS[n]
  if not t then
    t = format('%.0f', n)
    TEXTS[n] = t
  end
  return t
end

local function touch(k, r, scope)
  if r[2] then return end
  r[2] = true
  T[5] = T[5] + 1
  DIRTY[T[5]], SCOPES[T[5]] = k, scope
end

-- For how long a record is kept that lapses in so many milliseconds: half a minute or a quarter longer, so that those
-- written often need not be told anew each time; in whole seconds or minutes, so that many have the same.
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

-- All parts of a record that another plan wrote. Whatever has cells lapses with the record.
local function parts(s, k, now)
  local count, x = byte(s, 1), {}
  local pos = 8 + count * 5
  local left = call('PTTL', KEYS[k + 1])
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

-- Writes a record that has more than cells; lapses is when its cells do.
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
    return call('DEL', KEYS[k + 1])
  end
  local lives = life(lapses - now)
  r[4] = now + lives
  out[2] = pack('<I6', r[4])
  S[k] = concat(out)
  call('PSETEX', KEYS[k + 1], text(lives + GRACE), S[k])
end
`

/** Exact windows: time stamps of 6 bytes, oldest first. */
export const LOG = `
local function logWait(r, tag, amount, per, units, now)
  if units > amount then return huge end
  local part = r[1] and r[1][tag]
  if not part then return 0 end
  local from = #part[3] - 6 * (amount - units + 1) + 1
  if from < 1 then return 0 end
  return max(0, read('<I6', part[3], from) + per - now)
end

local function logUsed(r, tag, per, now)
  local part = r[1] and r[1][tag]
  if not part then return 0 end
  local stamps = part[3]
  local gone, count = 0, #stamps / 6
  local most = count
  while gone < most do
    local middle = floor((gone + most) / 2)
    if read('<I6', stamps, middle * 6 + 1) + per > now then most = middle else gone = middle + 1 end
  end
  return count - gone
end

local function logAdd(r, tag, units, reach, now)
  local x = r[1]
  if not x then x = {} r[1] = x end
  local stamps = x[tag] and x[tag][3] or ''
  local from, n = 1, #stamps
  while from <= n and read('<I6', stamps, from) + reach <= now do from = from + 6 end
  x[tag] = {4, now + reach, sub(stamps, from) .. rep(pack('<I6', now), units)}
end

local function logRemove(r, tag, units, added)
  local part = r[1] and r[1][tag]
  if not part then return end
  local stamps, kept = part[3], {}
  for from = #stamps - 5, 1, -6 do
    local stamp = sub(stamps, from, from + 5)
    if units > 0 and read('<I6', stamp) == added then units = units - 1 else kept[#kept + 1] = stamp end
  end
  local back = {}
  for i = #kept, 1, -1 do back[#back + 1] = kept[i] end
  part[3] = concat(back)
end
`

/** Two counters: when the span began, used in it, used in the span before; in thousandths. */
export const COUNTERS = `
local function countersAt(r, o, per, now)
  local start = r[o]
  if start + per > now then return start, r[o + 1], r[o + 2] end
  if start + per * 2 > now then return start + per, 0, r[o + 1] end
  return now, 0, 0
end

local function countersFit(used, before, room, per, covered, after)
  if after < covered then return before * (covered - after) + used * per <= room * per end
  local into = after - covered
  return into >= per or used * (per - into) <= room * per
end

local function countersWait(used, before, most, per, charge, covered)
  if charge > most then return huge end
  local room = most - charge
  if before * covered + used * per <= room * per then return 0 end
  local wait
  if used <= room then wait = covered - ((room - used) * per) / before
  else wait = covered + max(0, per - (room * per) / used) end
  wait = ceil(wait)
  while wait > 1 and countersFit(used, before, room, per, covered, wait - 1) do wait = wait - 1 end
  while not countersFit(used, before, room, per, covered, wait) do wait = wait + 1 end
  return wait
end

local function countersRemove(r, o, per, charge, added)
  local start = r[o]
  if added >= start + per or added < start - per then return end
  local cell = added >= start and o + 1 or o + 2
  r[cell] = max(0, r[cell] - charge)
end
`

/**
 * Claims on digests. The last one of a check that neither leases nor retries lies in the cells of its record: the
 * token, when it lapses, who refused it (0: nobody). All others lie beside, 33 bytes each: the token, when it lapses, how
 * it stands, when its lease ends, who took it, who refused.
 */
export const CLAIMS = `
local CLAIM = '<dI6I1I6dI4'

local function claimOf(r, tag, token)
  local part = r[1] and r[1][tag]
  if not part then return nil end
  local claims = part[3]
  for from = 1, #claims, 33 do
    if read('<d', claims, from) == token then return from, read(CLAIM, claims, from) end
  end
  return nil
end

-- 0 free, 1 held, 2 paid, 3 running, 4 refused; then until when, and by whom.
local function claimStanding(r, cell, tag, token, now)
  if cell > 0 and r[cell] == token and r[cell + 1] > now then
    local refuser = r[cell + 2]
    return refuser == 0 and 1 or 4, r[cell + 1], refuser
  end
  if not r[1] then return 0, 0, 0 end
  local from, _, lapses, state, lease, _, refuser = claimOf(r, tag, token)
  if not from or lapses <= now then return 0, 0, 0 end
  if state ~= 3 then return state, lapses, refuser end
  if lease <= now then return 2, lapses, 0 end
  return 3, min(lapses, lease), 0
end

local function claimBeside(r, tag, token, lapses, state, lease, serial, refuser, now)
  local x = r[1]
  if not x then x = {} r[1] = x end
  local part = x[tag] or {5, 0, ''}
  local claims, kept = part[3], {}
  for from = 1, #claims, 33 do
    local other, until_ = read('<dI6', claims, from)
    if other ~= token and until_ > now then kept[#kept + 1] = sub(claims, from, from + 32) end
  end
  -- Those taken first are given up.
  if #kept >= 1000 then table.remove(kept, 1) end
  kept[#kept + 1] = pack(CLAIM, token, lapses, state, lease, serial, refuser)
  x[tag] = {5, max(part[2], lapses), concat(kept)}
end

local function claimPut(r, cell, tag, token, lapses, state, lease, serial, refuser, now)
  if cell == 0 then return claimBeside(r, tag, token, lapses, state, lease, serial, refuser, now) end
  if r[cell + 1] > now and r[cell] ~= token then
    claimBeside(r, tag, r[cell], r[cell + 1], r[cell + 2] == 0 and 1 or 4, 0, 0, r[cell + 2], now)
  end
  r[cell], r[cell + 1], r[cell + 2] = token, lapses, refuser
end

local function claimSettle(r, tag, token, serial, to, now)
  local from, _, lapses, state, lease, owner, refuser = claimOf(r, tag, token)
  if not from or lapses <= now or state == 4 or state == 2 then return false end
  -- A completion that comes late counts, unless somebody else is at it by then.
  if state == 3 and lease <= now then
    if to ~= 1 then return false end
  elseif owner ~= serial then return false end
  local part = r[1][tag]
  part[3] = sub(part[3], 1, from - 1) .. pack(CLAIM, token, lapses, to, lease, owner, refuser) .. sub(part[3], from + 33)
  return true
end
`

/**
 * Claims on numbers that rise: 4,096 of them in a text of two bits each (taken; paid or running), behind when all of
 * them lapse and when the first was taken. Beside it who is at it now, and of all such texts of a subject a sorted set.
 */
export const SEQUENCES = `
-- [1] when it lapses, [2] when it was begun, [3] its words, [4] which of them changed, [5] whether it is to be
-- written, [6] whether it is new, [7] whether it has leases, [8] when it was to lapse before, [9] its key,
-- [10] its text.
local function chunk(number)
  local key = KEYS[1 + COUNT + number]
  local head = try('GETRANGE', key, '0', '1039')
  local lapses, begun = 0, 0
  if type(head) ~= 'table' and #head >= 16 then lapses, begun = read('<dd', head) end
  if head ~= '' and not (begun > 0 and begun <= lapses and lapses < 2 ^ 48) then
    lapses, begun, head = 0, 0, ''
    T[4] = T[4] + 1
  end
  local q = {lapses, begun, {}, {}, false, false, false, lapses, key, head}
  Q[number] = q
  return q
end

-- A word holds 16 tokens, two bits each: 0 free, 1 held, 3 paid or running.
local function stateOf(q, i)
  local w = floor(i / 16)
  local bits = q[3][w]
  if not bits then
    bits = #q[10] >= 20 + w * 4 and read('<I4', q[10], 17 + w * 4) or 0
    q[3][w] = bits
  end
  return floor(bits / 4 ^ (i % 16)) % 4
end

local function setState(q, i, state)
  local w = floor(i / 16)
  local was = stateOf(q, i)
  q[3][w] = q[3][w] + (state - was) * 4 ^ (i % 16)
  q[4][w] = true
  q[5] = true
end

-- 0 free, 1 held, 2 paid, 3 running; then until when.
local function chunkStanding(number, i, now)
  local q = Q[number] or chunk(number)
  if q[1] <= now then return 0, 0 end
  local state = stateOf(q, i)
  if state < 2 then return state, q[1] end
  local running = try('HGET', q[9] .. ':r', i)
  if running and #running == 16 then
    local lease = read('<d', running)
    if lease > now then return 3, min(q[1], lease) end
  end
  return 2, q[1]
end

-- Writes to a key; in place of what is there if that is something else.
local function surely(key, command, ...)
  local failure = try(command, key, ...)
  if type(failure) ~= 'table' then return end
  if sub(failure.err, 1, 9) ~= 'WRONGTYPE' then error(failure) end
  T[4] = T[4] + 1
  call('DEL', key)
  call(command, key, ...)
end

local function chunkTake(number, i, hold, lease, serial, now)
  local q = Q[number] or chunk(number)
  if q[1] <= now then
    call('DEL', q[9], q[9] .. ':r')
    q[2], q[3], q[4], q[6], q[10] = now, {}, {}, true, ''
  end
  q[1] = now + hold
  if lease > 0 then
    setState(q, i, 3)
    surely(q[9] .. ':r', 'HSET', i, pack('<dd', now + lease, serial))
    q[7] = true
  else setState(q, i, 1) end
end

local function chunkSettle(number, i, leased, serial, to, taken, now)
  local q = Q[number] or chunk(number)
  if q[1] <= now then return end
  local state = stateOf(q, i)
  if state == 1 then
    -- Who took from a chunk that is gone has no say over this one.
    if not leased and q[2] <= taken and to == 2 then setState(q, i, 3) end
    return
  end
  local running = state == 3 and try('HGET', q[9] .. ':r', i)
  -- Released before.
  if not running or #running ~= 16 then return end
  local lease, owner = read('<dd', running)
  if lease <= now then
    if to == 2 then return end
  elseif owner ~= serial then return end
  call('HDEL', q[9] .. ':r', i)
  if to == 1 then setState(q, i, 1) end
end

-- Keeps a chunk for as long as it matters, and lists it; of too many, that begun first goes.
local function renew(q, now)
  local lives = text(ceil(q[1] - now) + 120000 + GRACE)
  local index, number = q[9]:match('^(.*):([^:]*)$')
  call('PEXPIRE', q[9], lives)
  call('PEXPIRE', q[9] .. ':r', lives)
  surely(index, 'ZADD', q[1], number)
  call('PEXPIRE', index, lives)
  if q[6] and call('ZCARD', index) > 2048 then
    local oldest = call('ZRANGE', index, 0, 0)[1]
    call('DEL', index .. ':' .. oldest, index .. ':' .. oldest .. ':r')
    call('ZREM', index, oldest)
  end
end
`

/** Penalties: refusals counted, until when; bans so far, until when, forgotten when; until when a notice was said. */
export const PENALTIES = `
local PENALTY = '<I4I6I4I6I6I6'

local function bannedUntil(r, tag)
  local part = r[1] and r[1][tag]
  if not part then return 0 end
  local _, _, _, until_ = read(PENALTY, part[3])
  return until_
end

-- Applies what follows a refusal: whether to say so, and until when the subject is banned.
local function punish(r, tag, counts, after, within, bans, longest, every, now)
  local part = r[1] and r[1][tag]
  local violations, counted, level, banned, forget, noticed = 0, 0, 0, 0, 0, 0
  if part then violations, counted, level, banned, forget, noticed = read(PENALTY, part[3]) end
  if counts then
    if forget <= now then level = 0 end
    if counted <= now then violations = 0 counted = now + within end
    violations = violations + 1
    if violations >= after then
      banned = now + (bans[level + 1] or bans[#bans])
      level = level + 1
      violations = 0
      counted = 0
      forget = banned + longest
    end
  end
  local notice = every > 0 and noticed <= now
  if notice then noticed = now + every end
  local x = r[1]
  if not x then x = {} r[1] = x end
  x[tag] = {6, max(noticed, counted, forget), pack(PENALTY, violations, counted, level, banned, forget, noticed)}
  return notice, after > 0 and banned or 0
end
`
