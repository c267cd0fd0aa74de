import type { ClaimColumn, LimitedColumn, PlanLayout } from './layout.js'
import { lines, num } from './lua.js'
import { PART } from './tags.js'

/*
 * Lua that settles admissions, in the same call as questions: op 2 completes, 3 releases, 4 refunds. The mask names the charged
 * checks, `taken` is when they were charged, and L the limits by which they were.
 */

export function settlement({ claims, limited }: PlanLayout): string {
  return lines('if op < 4 then', claims.map(settleClaim), 'else', limited.map(giveBack), 'end')
}

function settleClaim({ check, index, ordinal, tag }: ClaimColumn): string {
  // Without `retry` a claim stays held even if the handler failed.
  const to = check.retry === true ? '(op == 3 and 2 or 1)' : '1'
  const scope = check.subject
  const body =
    check.tokens === 'sequence'
      ? `if q${ordinal} ~= 0 then chunkSettle(q${ordinal}, b${ordinal}, ${check.lease !== undefined}, serial, ${to}, taken, now) end`
      : `local r = k${scope} ~= 0 and LOAD[${scope + 1}](k${scope}, now)
if r and claimSettle(r, ${num(tag)}, t${ordinal}, serial, ${to}, now) then touch(k${scope}, r, ${scope}) end`
  return lines(`if bit.band(mask, ${num(2 ** index)}) ~= 0 then`, body, 'end')
}

function giveBack({ check, index, part, cell, tag }: LimitedColumn): string {
  const scope = check.subject
  const body = {
    [PART.bucket]: `if r[${cell}] > 0 then
  local units = max(1, floor(c * per + 0.5))
  local whole = floor(units / amount)
  local at, part = r[${cell}] - whole, r[${cell + 1}] - floor((units - whole * amount) / amount * 4294967296 + 0.5)
  if part < 0 then at, part = at - 1, part + 4294967296 end
  r[${cell}], r[${cell + 1}] = max(0, at), part
end`,
    [PART.log]: `logRemove(r, ${num(tag)}, ceil(c), taken)`,
    [PART.counters]: `countersRemove(r, ${cell}, per, max(1, floor(c * 1000 + 0.5)), taken)`,
    [PART.fixed]: `if taken >= r[${cell}] and taken < r[${cell}] + per then r[${cell + 1}] = max(0, r[${cell + 1}] - max(1, floor(c * 1000 + 0.5))) end`,
  }[part]
  return lines(
    `if k${scope} ~= 0 and bit.band(mask, ${num(2 ** index)}) ~= 0 then`,
    `local c, amount, per, r = C[${index + 1}], L[${index * 3 + 1}], L[${index * 3 + 2}], LOAD[${scope + 1}](k${scope}, now)`,
    body,
    `touch(k${scope}, r, ${scope})`,
    'end',
  )
}
