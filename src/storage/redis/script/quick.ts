import type { Check } from '../../../core/check.js'
import { depthOf, presenceOf } from './checks.js'
import { type ClaimColumn, isLimited, type LimitedColumn, type PlanLayout } from './layout.js'
import { lines, num } from './lua.js'
import { PART } from './tags.js'

/*
 * The way of nearly all updates, in Lua: nobody is refused, nothing was claimed before, no mark and no limit of the moment
 * changes anything. It writes nothing before it knows so, and leaves all else to `decide`. It takes a third of its time:
 * a script is interpreted, so what counts is how few steps there are.
 */

/** `quick(pos)`: the answer to the question there. */
export function quickWay(layout: PlanLayout, list: string, body: string, told: string): string {
  const { plan, scopes, limited } = layout
  const buckets = limited.filter(({ part }) => part === PART.bucket)
  const format = 'd'.repeat(limited.length)
  const lefts = limited.map((column) =>
    column.part === PART.bucket
      ? `, p${column.index} > 0 and (${num(depthOf(column.check.limit))} - p${column.index}) / ${num(column.check.limit.per)} or NAN`
      : ', NAN',
  )
  const varied = limited.filter(({ variedIndex }) => variedIndex >= 0)
  const inForce = varied.map(({ check: { limit } }) => `, ${num(limit.amount)}, ${num(limit.per)}`).join('')
  return lines(
    scopes.map((scope) => lookFunction(layout, scope.index)),
    'local function quick(pos)',
    `local op, costs, serial, now, at${list}`,
    'if LONG then',
    '  local limits, mask, taken',
    `  op, costs, limits, serial, now, at, mask, taken${list} = read('<BHHdddI4d${body}', ARGV[2], pos)`,
    '  if op ~= 0 or limits > 0 or now < 0 then return decide(pos) end',
    '  if now > LAST then LAST = now end',
    'else',
    `  op, costs, serial${list} = read('<BHd${body}', ARGV[2], pos)`,
    '  if op ~= 0 then return decide(pos) end',
    '  now, at = NOW, AT',
    'end',
    'local C = LISTS[costs] or listOf(costs)',
    scopes.map(({ index, marks }) => lookAt(index, marks.length)),
    scopes.some(({ recorded }) => recorded) &&
      `local ${scopes
        .filter(({ recorded }) => recorded)
        .map(({ index }) => `r${index}`)
        .join(', ')}`,
    buckets.length > 0 &&
      `local ${buckets.map(({ index }) => `p${index}`).join(', ')} = ${buckets.map(() => '0').join(', ')}`,
    layout.claims.length > 0 && `local ${layout.claims.map(({ ordinal }) => `g${ordinal}`).join(', ')}`,
    plan.checks.map((check, index) => judge(layout, check, index)),
    'local charged = 0',
    layout.claims.map(take),
    buckets.map(charge),
    scopes.map(({ index, recorded }) =>
      recorded ? `if r${index} and not r${index}[2] then touch(k${index}, r${index}, ${index + 1}) end` : '',
    ),
    `if LONG then return pack('<bBI4I4ddd${told}', -1, 0, 0, charged, 0, now, at${lefts.join('')}${inForce}) end`,
    `return pack('<bI4${format}', -3, charged${lefts.join('')})`,
    'end',
  )
}

/** When marks of a scope's subject lapse, in their order; 0 where there is none. */
function lookFunction({ scopes }: PlanLayout, index: number): string {
  const { marks } = scopes[index] as PlanLayout['scopes'][number]
  if (marks.length === 0) return ''
  const names = marks.map((_, place) => `h${place}`)
  return `local function look${index}(s)
  local ${names.join(', ')} = ${names.map(() => '0').join(', ')}
  local pos, n = 1, #s
  repeat
    local tag, lapses, length, from = read('<I6dI3', s, pos)
    local place = PLACES${index}[tag]
    ${names.map((name, place) => `${place === 0 ? 'if' : 'elseif'} place == ${place + 1} then ${name} = lapses`).join('\n    ')} end
    pos = from + length
  until pos > n
  return ${names.join(', ')}
end`
}

function lookAt(scope: number, count: number): string {
  if (count === 0) return ''
  const names = Array.from({ length: count }, (_, place) => `h${scope}_${place}`)
  return `local ${names.join(', ')} = ${names.map(() => '0').join(', ')}
if m${scope} ~= 0 and S[m${scope}] then ${names.join(', ')} = look${scope}(S[m${scope}]) end`
}

/** Whether one of the marks is held, as a Lua condition. */
function holdsAny({ scopes }: PlanLayout, scope: number, names: readonly string[]): string {
  const { marks } = scopes[scope] as PlanLayout['scopes'][number]
  return names.map((name) => `h${scope}_${marks.indexOf(name)} > at`).join(' or ')
}

const SLOW = 'return decide(pos)'

function judge(layout: PlanLayout, check: Check, index: number): string {
  const exceptions = [
    ...(check.unless === undefined ? [] : [holdsAny(layout, check.unless.subject, check.unless.anyOf)]),
    ...(isLimited(check)
      ? (check.variants ?? []).map(({ mark, subject }) => holdsAny(layout, subject, [mark]))
      : []),
  ]
  const scope = check.subject
  return lines(
    `if C[${index + 1}] ~= 0 and ${presenceOf(check, layout)} ~= 0 then`,
    exceptions.length > 0 && `if ${exceptions.join(' or ')} then ${SLOW} end`,
    judged(layout, check, index, scope),
    'end',
  )
}

function judged(layout: PlanLayout, check: Check, index: number, scope: number): string {
  if (check.kind === 'absent') return `if ${holdsAny(layout, scope, check.anyOf)} then ${SLOW} end`
  if (check.kind === 'present') return `if not (${holdsAny(layout, scope, check.anyOf)}) then ${SLOW} end`
  const record = `r${scope} = r${scope} or R[k${scope}] or load${scope}(k${scope}, now)`
  // Penalties lie beside the cells, as do all claims but the last.
  const beside = `if r${scope}[1] then ${SLOW} end`
  if (check.kind === 'claim') {
    const { ordinal, cell } = layout.claims.find((each) => each.index === index) as ClaimColumn
    if (check.tokens === 'sequence' && check.lease === undefined && check.onRefusal === undefined) {
      return `g${ordinal} = Q[q${ordinal}] or chunk(q${ordinal})
if g${ordinal}[1] <= now or (g${ordinal}[3][b${ordinal}] or stateOf(g${ordinal}, b${ordinal})) ~= 0 then ${SLOW} end`
    }
    if (cell === 0) return SLOW
    return lines(
      record,
      `if r${scope}[1] or r${scope}[${cell + 1}] > now then ${SLOW} end`,
      `g${ordinal} = true`,
    )
  }
  const column = layout.limited.find((each) => each.index === index) as LimitedColumn
  if (column.part !== PART.bucket) return SLOW
  const { amount, per } = column.check.limit
  const { cell } = column
  return lines(
    `if C[${index + 1}] ~= 1 then ${SLOW} end`,
    record,
    check.onRefusal?.penalty !== undefined && beside,
    `local left = r${scope}[${cell}] - now
if left < 0 then p${index} = ${num(per)}
else
  p${index} = left * ${num(amount)} + floor(r${scope}[${cell + 1}] * ${num(amount)} / 4294967296 + 0.5) + ${num(per)}
  if p${index} > ${num(depthOf(column.check.limit))} then ${SLOW} end
end`,
  )
}

function take({ check, index, ordinal, cell }: ClaimColumn): string {
  const charged = `charged = charged + ${2 ** index}`
  if (check.tokens === 'sequence') {
    if (check.lease !== undefined || check.onRefusal !== undefined) return ''
    return `if g${ordinal} then
local q = g${ordinal}
q[1], q[5], q[3][b${ordinal}] = now + ${num(check.holdFor)}, true, 1
q[4][(b${ordinal} - b${ordinal} % 16) / 16] = true
${charged}
end`
  }
  if (cell === 0) return ''
  const r = `r${check.subject}`
  return `if g${ordinal} then
${r}[${cell}], ${r}[${cell + 1}], ${r}[${cell + 2}] = t${ordinal}, now + ${num(check.holdFor)}, 0
${charged}
end`
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
