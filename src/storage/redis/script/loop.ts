import type { Check } from '../../../core/check.js'
import { depthOf } from '../../../core/limit.js'
import { variantsOf } from '../../contract/plan.js'
import { presenceOf } from './checks.js'
import {
  type ClaimColumn,
  FIRST_CELL,
  type LimitedColumn,
  type PlanLayout,
  type ScopeLayout,
} from './layout.js'
import { bytes, lines, num } from './lua.js'
import { countOf, formatOf, headOf, lapseOf, sizeOf } from './records.js'
import { markTag, PART } from './tags.js'

/*
 * The fast path for nearly all updates, in Lua: nothing is refused, nothing was claimed before, no mark and no limit of the ask
 * changes anything. It writes nothing before it knows this, and leaves all other questions to the general path.
 *
 * Lua is interpreted, and a script starts afresh with each call. So this path is one loop without functions of its own: creating
 * one costs as much as judging a check, and upvalues are slower than locals. Nothing in it can fail, so an unreadable record does
 * not affect other questions.
 */

/** Lua allows 200 locals per function. The script and the loop have fewer than 60 besides those that depend on the plan. */
const MOST_LOCALS = 140

/**
 * Whether the fast path has few enough locals for Lua. A plan with very many claims or marks only uses the general path, which
 * keeps them in tables.
 */
export function fitsQuickWay({ scopes, claims, limited }: PlanLayout, fields: number): boolean {
  const own = scopes.reduce((sum, { marks, recorded }) => sum + marks.length + (recorded ? 2 : 0), 0)
  const cells = Math.max(0, ...scopes.map((scope) => countOf(scope.cells)))
  return fields + own + cells + claims.length * 4 + limited.length <= MOST_LOCALS
}

/** The body of the loop over the questions of a call: sets `answered`, or breaks to use the general path. */
export function quickWay(layout: PlanLayout, list: string, body: string, told: string): string {
  const { plan, scopes, limited, claims } = layout
  const buckets = limited.filter(({ part }) => part === PART.bucket)
  const lefts = limited.map((column) =>
    column.part === PART.bucket
      ? `, p${column.index} > 0 and (${num(depthOf(column.check.limit))} - p${column.index}) / ${num(column.check.limit.per)} or NAN`
      : ', NAN',
  )
  const varied = limited.filter(({ variedIndex }) => variedIndex >= 0)
  const inForce = varied.map(({ check: { limit } }) => `, ${num(limit.amount)}, ${num(limit.per)}`).join('')
  return lines(
    `local op, costs, serial, now, at${list}`,
    'if LONG then',
    '  local limits, mask, taken',
    `  op, costs, limits, serial, now, at, mask, taken${list} = read('<BHHdddI4d${body}', ENTRIES, pos)`,
    '  if op ~= 0 or limits > 0 or now < 0 then break end',
    '  if now > LATEST then LATEST = now end',
    'else',
    `  op, costs, serial${list} = read('<BHd${body}', ENTRIES, pos)`,
    '  now, at = NOW, AT',
    'end',
    'local C = LISTS[costs]',
    'if not C then',
    `  C = {read('<${'d'.repeat(plan.checks.length)}', ARGV[costs])}`,
    '  LISTS[costs] = C',
    'end',
    scopes.map(look),
    scopes.map(load),
    claims.map(loadSequence),
    buckets.length > 0 &&
      `local ${buckets.map(({ index }) => `p${index}`).join(', ')} = ${buckets.map(() => '0').join(', ')}`,
    claims.length > 0 && `local ${claims.map(({ ordinal }) => `g${ordinal}`).join(', ')}`,
    plan.checks.map((check, index) => judge(layout, check, index)),
    'local charged = 0',
    claims.map(take),
    buckets.map(charge),
    scopes.map(({ index, recorded }) =>
      recorded
        ? `if r${index} and not r${index}[2] then
  r${index}[2] = true
  dirty = dirty + 2
  DIRTY[dirty - 1], DIRTY[dirty] = k${index}, ${index}
end`
        : '',
    ),
    `if LONG then answered = pack('<bBI4I4ddd${told}', -1, 0, 0, charged, 0, now, at${lefts.join('')}${inForce})`,
    `else answered = pack('<bI4${'d'.repeat(limited.length)}', -3, charged${lefts.join('')}) end`,
  )
}

/** Sets when each mark of a scope's subject lapses; 0 if it is absent. */
function look({ index, marks }: ScopeLayout): string {
  if (marks.length === 0) return ''
  const names = marks.map((_, place) => `h${index}_${place}`)
  const chosen = marks.map(
    (name, place) =>
      `${place === 0 ? 'if' : 'elseif'} tag == ${num(markTag(name))} then ${names[place]} = lapses`,
  )
  return `local ${names.join(', ')} = ${names.map(() => '0').join(', ')}
local s = m${index} ~= 0 and S[m${index}]
if s then
  local pos, n = 1, #s
  while pos + 16 <= n do
    local tag, lapses, length, from = read('<I6dI3', s, pos)
    ${chosen.join('\n    ')} end
    pos = from + length
  end
  if pos ~= n + 1 then break end
end`
}

/** Loads the record of a scope's subject. Records written by another plan, or with more than cells, need the general path. */
function load({ index, recorded, cells }: ScopeLayout): string {
  if (!recorded) return ''
  const head = headOf(cells)
  const names = Array.from({ length: countOf(cells) }, (_, i) => `, c${i + 1}`).join('')
  return `local r${index}
if k${index} ~= 0 then
  r${index} = R[k${index}]
  if not r${index} then
    local s = S[k${index}]
    if not s then r${index} = {false, false, 0, 0${names.replaceAll(/c\d+/g, '0')}}
    elseif #s == ${sizeOf(cells)} and sub(s, 1, ${head.length}) == HEAD${index} then
      local kept${names} = read('<I6${formatOf(cells)}', s, ${head.length + 1})
      r${index} = {false, false, 0, kept${names}}
    else break end
    R[k${index}] = r${index}
  end
end`
}

/** Loads the bits of a sequence. The general path creates them. */
function loadSequence({ check, ordinal }: ClaimColumn): string {
  if (check.tokens !== 'sequence') return ''
  return `local s${ordinal}, w${ordinal}, v${ordinal}
if q${ordinal} ~= 0 then
  s${ordinal} = Q[q${ordinal}]
  if not s${ordinal} then
    local key = KEYS[1 + COUNT + q${ordinal}]
    local bits = try('GETRANGE', key, '0', '1039')
    if #bits < 16 then break end
    local lapses, begun = read('<dd', bits)
    if not (begun > 0 and begun <= lapses and lapses < 281474976710656) then break end
    s${ordinal} = {lapses, begun, {}, {}, false, false, false, lapses, key, bits}
    Q[q${ordinal}] = s${ordinal}
  end
  if s${ordinal}[1] <= now then break end
  w${ordinal} = (b${ordinal} - b${ordinal} % 16) / 16
  v${ordinal} = s${ordinal}[3][w${ordinal}]
  if not v${ordinal} then
    v${ordinal} = #s${ordinal}[10] >= 20 + w${ordinal} * 4 and read('<I4', s${ordinal}[10], 17 + w${ordinal} * 4) or 0
    s${ordinal}[3][w${ordinal}] = v${ordinal}
  end
end`
}

/** Returns the Lua condition that one of the marks is held. */
function holdsAny({ scopes }: PlanLayout, scope: number, names: readonly string[]): string {
  const { marks } = scopes[scope] as ScopeLayout
  return names.map((name) => `h${scope}_${marks.indexOf(name)} > at`).join(' or ')
}

function judge(layout: PlanLayout, check: Check, index: number): string {
  const exceptions = [
    ...(check.unless === undefined ? [] : [holdsAny(layout, check.unless.subject, check.unless.anyOf)]),
    ...variantsOf(check).map(({ mark, subject }) => holdsAny(layout, subject, [mark])),
  ]
  return lines(
    `if C[${index + 1}] ~= 0 and ${presenceOf(check, layout)} ~= 0 then`,
    exceptions.length > 0 && `if ${exceptions.join(' or ')} then break end`,
    judged(layout, check, index),
    'end',
  )
}

function judged(layout: PlanLayout, check: Check, index: number): string {
  const scope = check.subject
  if (check.kind === 'absent') return `if ${holdsAny(layout, scope, check.anyOf)} then break end`
  if (check.kind === 'present') return `if not (${holdsAny(layout, scope, check.anyOf)}) then break end`
  const r = `r${scope}`
  if (check.kind === 'claim') {
    const { ordinal, cell } = layout.claims.find((each) => each.index === index) as ClaimColumn
    if (isPlainSequence(check)) {
      return `g${ordinal} = 4 ^ (b${ordinal} % 16)
if floor(v${ordinal} / g${ordinal}) % 4 ~= 0 then break end`
    }
    // Penalties, and all claims but the latest, are stored after the cells.
    return cell === 0 ? 'break' : `if ${r}[1] or ${r}[${cell + 1}] > now then break end\ng${ordinal} = true`
  }
  const { part, cell } = layout.limited.find((each) => each.index === index) as LimitedColumn
  if (part !== PART.bucket) return 'break'
  const { amount, per } = (check as LimitedColumn['check']).limit
  const beside = check.onRefusal?.penalty === undefined ? '' : ` or ${r}[1]`
  return `if C[${index + 1}] ~= 1${beside} then break end
local left = ${r}[${cell}] - now
if left < 0 then p${index} = ${num(per)}
else
  p${index} = left * ${num(amount)} + floor(${r}[${cell + 1}] * ${num(amount)} / 4294967296 + 0.5) + ${num(per)}
  if p${index} > ${num(depthOf((check as LimitedColumn['check']).limit))} then break end
end`
}

function isPlainSequence(check: ClaimColumn['check']): boolean {
  return check.tokens === 'sequence' && check.lease === undefined && check.onRefusal === undefined
}

function take({ check, index, ordinal, cell }: ClaimColumn): string {
  const r = `r${check.subject}`
  const taken = isPlainSequence(check)
    ? `s${ordinal}[1], s${ordinal}[5] = now + ${num(check.holdFor)}, true
s${ordinal}[3][w${ordinal}], s${ordinal}[4][w${ordinal}] = v${ordinal} + g${ordinal}, true`
    : `${r}[${cell}], ${r}[${cell + 1}], ${r}[${cell + 2}] = t${ordinal}, now + ${num(check.holdFor)}, 0`
  if (!isPlainSequence(check) && cell === 0) return ''
  return lines(`if g${ordinal} then`, taken, `charged = charged + ${2 ** index}`, 'end')
}

function charge({ index, cell, check }: LimitedColumn): string {
  const { amount } = check.limit
  const r = `r${check.subject}`
  return `if p${index} > 0 then
local rest = p${index} % ${num(amount)}
${r}[${cell}] = now + (p${index} - rest) / ${num(amount)}
${r}[${cell + 1}] = rest == 0 and 0 or floor(rest / ${num(amount)} * 4294967296 + 0.5)
charged = charged + ${2 ** index}
end`
}

/** Writes the charged records: over the existing text if it is kept for long enough, else with a new expiry. */
export function saveLoop({ scopes }: PlanLayout): string {
  const recorded = scopes.filter(({ recorded }) => recorded)
  if (recorded.length === 0) return ''
  const branches = recorded.map(({ index, cells }, nth) => {
    const head = headOf(cells)
    const values = Array.from({ length: countOf(cells) }, (_, i) => `, r[${FIRST_CELL + i}]`).join('')
    const packed = `pack('<c${head.length}I6${formatOf(cells)}', HEAD${index}, r[4]${values})`
    return lines(
      `${nth === 0 ? 'if' : 'elseif'} scope == ${index} then`,
      'local lapses = 0',
      cells.map((column) => lapseOf(column)),
      `if LONGWAY and (r[1] or r[3] > 0 or lapses <= LATEST) then LONGWAY.save(${index}, k, r, LATEST)
elseif lapses > LATEST then
  local was = S[k]
  if r[4] >= lapses and was and #was == ${sizeOf(cells)} then
    call('SETRANGE', KEYS[k], '0', ${packed})
  else
    local lives = lapses - LATEST
    local step = lives < 600000 and 1000 or 60000
    lives = floor((lives + (lives > 120000 and lives / 4 or 30000)) / step + 1) * step
    r[4] = LATEST + lives
    lives = lives + GRACE
    local text = LISTS[-lives]
    if not text then
      text = format('%.0f', lives)
      LISTS[-lives] = text
    end
    call('PSETEX', KEYS[k], text, ${packed})
  end
end`,
    )
  })
  return lines(
    'for i = 2, dirty, 2 do',
    'local k, scope = DIRTY[i - 1], DIRTY[i]',
    'local r = R[k]',
    branches,
    'end',
    'end',
  )
}

/**
 * Writes the bits of sequences that changed. Expiry and list entry of a text are renewed once a minute; beyond the maximum, the
 * oldest text is deleted.
 */
export const SAVE_SEQUENCES = `for _, q in pairs(Q) do
  if q[5] then
    local key = q[9]
    for w in pairs(q[4]) do call('SETRANGE', key, format('%.0f', 16 + w * 4), pack('<I4', q[3][w])) end
    call('SETRANGE', key, '0', pack('<dd', q[1], q[2]))
    if q[6] or q[7] or floor(q[8] / 60000) ~= floor(q[1] / 60000) then
      local lives = format('%.0f', q[1] - LATEST + 120001 + GRACE)
      local index, number = key:match('^(.*):([^:]*)$')
      call('PEXPIRE', key, lives)
      call('PEXPIRE', key .. ':r', lives)
      if type(try('ZADD', index, q[1], number)) == 'table' then
        -- The key holds another type.
        corrupt = corrupt + 1
        call('DEL', index)
        call('ZADD', index, q[1], number)
      end
      call('PEXPIRE', index, lives)
      if q[6] and call('ZCARD', index) > 2048 then
        local oldest = call('ZRANGE', index, 0, 0)[1]
        call('DEL', index .. ':' .. oldest, index .. ':' .. oldest .. ':r')
        call('ZREM', index, oldest)
      end
    end
  end
end`

/** The heads of records, which describe their cells. */
export function heads({ scopes }: PlanLayout): string[] {
  return scopes.flatMap(({ index, recorded, cells }) =>
    recorded ? [`local HEAD${index} = ${bytes(headOf(cells))}`] : [],
  )
}
