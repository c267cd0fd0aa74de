/*
 * Lua functions of the general path for each kind of state; a plan's script contains only those it uses. The parts of a record
 * after its cells are in `r[1]`, by tag: kind, when it lapses, bytes.
 */

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

/** Two counters: start of the span, usage in it, usage in the span before; usage in thousandths. */
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
 * Claims on digests. The latest claim of a check without lease and retry is in the cells of its record: token, when it lapses,
 * slot that refused it (0: none). All others are stored after the cells, 33 bytes each: token, when it lapses, state, end of the
 * lease, serial of the taker, slot that refused it.
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

-- 0 free, 1 held, 2 paid, 3 running, 4 refused; then until when, and which check refused.
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
  -- The oldest claim is dropped.
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
  -- A late completion counts, unless another worker has taken the claim over.
  if state == 3 and lease <= now then
    if to ~= 1 then return false end
  elseif owner ~= serial then return false end
  local part = r[1][tag]
  part[3] = sub(part[3], 1, from - 1) .. pack(CLAIM, token, lapses, to, lease, owner, refuser) .. sub(part[3], from + 33)
  return true
end
`

/**
 * Claims on numbers that rise. A text holds 4,096 of them, two bits each (taken; paid or running), after the time when all of
 * them lapse and the time of the first taking. Beside it are a hash of the running claims, and a sorted set of all such texts of
 * a subject.
 */
export const SEQUENCES = `
-- The reply to a read. A key of another type counts as damaged; any other error, such as a missing right, is raised.
local function checked(reply)
  if type(reply) == 'table' and sub(reply.err, 1, 9) ~= 'WRONGTYPE' then error(reply) end
  return reply
end

-- [1] when it lapses, [2] when it was created, [3] its words, [4] which of them changed, [5] whether it is to be
-- written, [6] whether it is new, [7] whether it has leases, [8] when it lapsed before this call, [9] its key,
-- [10] its text.
local function chunk(number)
  local key = KEYS[1 + COUNT + number]
  local head = checked(try('GETRANGE', key, '0', '1039'))
  local lapses, begun = 0, 0
  if type(head) ~= 'table' and #head >= 16 then lapses, begun = read('<dd', head) end
  if head ~= '' and not (begun > 0 and begun <= lapses and lapses < 2 ^ 48) then
    lapses, begun, head = 0, 0, ''
    corrupt = corrupt + 1
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
  local running = checked(try('HGET', q[9] .. ':r', i))
  if running and #running == 16 then
    local lease = read('<d', running)
    if lease > now then return 3, min(q[1], lease) end
  end
  return 2, q[1]
end

-- Writes to a key, replacing it if it holds another type.
local function surely(key, command, ...)
  if type(checked(try(command, key, ...))) ~= 'table' then return end
  corrupt = corrupt + 1
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
    -- A claim taken from a previous chunk, which has lapsed, does not settle this one.
    if not leased and q[2] <= taken and to == 2 then setState(q, i, 3) end
    return
  end
  local running = state == 3 and checked(try('HGET', q[9] .. ':r', i))
  -- Already released.
  if not running or #running ~= 16 then return end
  local lease, owner = read('<dd', running)
  if lease <= now then
    if to == 2 then return end
  elseif owner ~= serial then return end
  call('HDEL', q[9] .. ':r', i)
  if to == 1 then setState(q, i, 1) end
end
`

/**
 * Penalties: count of refusals and its end; number of bans and the end of the current one; when the ladder is forgotten; when the
 * next notice is due.
 */
export const PENALTIES = `
local PENALTY = '<I4I6I4I6I6I6'

local function bannedUntil(r, tag)
  local part = r[1] and r[1][tag]
  if not part then return 0 end
  local _, _, _, until_ = read(PENALTY, part[3])
  return until_
end

-- Updates the penalty after a refusal; returns whether to send a notice, and until when the subject is banned. A new ban is
-- announced, unless it is shorter than the time between notices.
local function punish(r, tag, counts, after, within, bans, longest, every, now)
  local part = r[1] and r[1][tag]
  local violations, counted, level, banned, forget, noticed = 0, 0, 0, 0, 0, 0
  if part then violations, counted, level, banned, forget, noticed = read(PENALTY, part[3]) end
  if counts then
    if forget <= now then level = 0 end
    if counted <= now then violations = 0 counted = now + within end
    violations = violations + 1
    if violations >= after then
      local ban = bans[level + 1] or bans[#bans]
      banned = now + ban
      if ban >= every then noticed = 0 end
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
