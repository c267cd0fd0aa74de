import type { Check, Consequence } from '../../../core/check.js'
import {
  chargeLimited,
  holdsAny,
  judgeClaim,
  judgeLimited,
  leftOf,
  Names,
  notExempt,
  presenceOf,
  takeClaim,
} from './checks.js'
import { layOut, type PlanLayout } from './layout.js'
import { LONG_WAY, OTHER_TYPES, PRELUDE } from './library.js'
import { fitsQuickWay, heads, quickWay, SAVE_SEQUENCES, saveLoop } from './loop.js'
import { lines, num } from './lua.js'
import { CLAIMS, COUNTERS, LOG, PENALTIES, SEQUENCES } from './parts.js'
import { markFunction, recordFunctions } from './records.js'
import { settlement } from './settlement.js'
import { PART, tagOf } from './tags.js'

/** The script of a plan, and what callers need to know about it. */
export interface PlanScript {
  readonly layout: PlanLayout
  readonly text: string
  /** Length of a question in ARGV[1], without its head. */
  readonly bodyBytes: number
  /** Length of an answer, except for short ones. */
  readonly answerBytes: number
}

/** Lengths of the heads of short and long questions; see `decision` below. */
export const SHORT_HEAD = 11
export const LONG_HEAD = 41
/** Length of an answer's head, and of the short answer for ordinary admissions; see `answers` below. */
export const ANSWER_HEAD = 34
export const SHORT_ANSWER = 5
/** The first byte of a short answer. */
export const SHORT = -3

/**
 * Compiles a plan into the script that decides it. A script that interprets checks would take five times as long on the server as
 * one generated for its plan, in which all numbers and positions in records are constants.
 */
export function compile(plan: PlanLayout['plan']): PlanScript {
  const layout = layOut(plan)
  const { claims, limited } = layout
  const fields = fieldsOf(layout)
  const size = fields.reduce((sum, { bytes }) => sum + bytes, 0)
  const answerBytes = ANSWER_HEAD + limited.length * 8 + layout.varied * 16
  const names = new Names(fields.length + limited.length * 5 + claims.length > 140)
  const list = fields.map(({ name }) => `, ${name}`).join('')
  const body = fields.map(({ format }) => format).join('')
  const text = lines(
    header(layout),
    PRELUDE,
    layout.scopes.some(({ marks }) => marks.length > 0) && OTHER_TYPES,
    heads(layout),
    main(layout, fields.length, list, body, size, longWay(layout, names, list, body, answerBytes)),
  )
  return {
    layout,
    text,
    bodyBytes: size,
    answerBytes,
  }
}

interface Field {
  readonly name: string
  readonly format: string
  readonly bytes: number
}

/** The fields of a question after its head: key numbers and tokens. */
function fieldsOf({ scopes, claims }: PlanLayout): Field[] {
  const key = (name: string): Field => ({ name, format: 'H', bytes: 2 })
  return [
    ...scopes.flatMap(({ index, recorded, marks }) => [
      ...(recorded ? [key(`k${index}`)] : []),
      ...(marks.length > 0 ? [key(`m${index}`)] : []),
    ]),
    ...claims.flatMap(({ check, ordinal }) =>
      check.tokens === 'sequence'
        ? [key(`q${ordinal}`), key(`b${ordinal}`)]
        : [{ name: `t${ordinal}`, format: 'd', bytes: 8 }],
    ),
  ]
}

function header({ plan, scopes }: PlanLayout): string {
  return `-- Decides a chain of ${plan.checks.length} checks over ${scopes.length} scopes for a batch of questions, each by itself and in turn.
-- KEYS[1]      the bot's clock: the highest time seen, and what to add to the server's time
-- KEYS[2..]    records and marks, to which questions refer by their index here; then bits of sequences, numbered from 1
-- ARGV[1]      milliseconds that a record outlives its content (4), the number of records and marks (4), 1 if
--              questions are long because they contain the time or their own limits, or settle (1); then the
--              questions, each of the same length: see decide()
-- ARGV[2..]    lists of costs and of limits, to which questions refer by number
-- result       the bot's time and the clock's (8 each), how many records could not be read (4), then the answers: see
--              answer() and the loop; if some failed, a list of that and of errors, each with the number of its question`
}

/** Everything that the fast path leaves out, in one function that creates the others when they are first needed. */
function longWay(layout: PlanLayout, names: Names, list: string, body: string, answerBytes: number): string {
  const { plan, scopes, claims, limited } = layout
  const sequences = claims.some(({ check }) => check.tokens === 'sequence')
  return lines(
    'LONGWAY = (function()',
    LONG_WAY,
    limited.some(({ part }) => part === PART.log) && LOG,
    limited.some(({ part }) => part === PART.counters) && COUNTERS,
    claims.some(({ check }) => check.tokens === 'digest') && CLAIMS,
    sequences && SEQUENCES,
    plan.checks.some(({ onRefusal }) => onRefusal !== undefined) && PENALTIES,
    'local LOAD, SAVE, MARKS = {}, {}, {}',
    scopes.map((scope) => lines(scope.recorded && recordFunctions(scope), markFunction(scope))),
    constants(layout, answerBytes),
    answers(layout, names),
    decision(layout, names, list, body),
    `local function flush()
  for i = 2, dirty, 2 do
    local r = R[DIRTY[i - 1]]
    r[2] = false
    SAVE[DIRTY[i] + 1](DIRTY[i - 1], r, LATEST)
  end
  dirty = 0
end
local function answerTo(pos)
  local peek, records = LONG and byte(ENTRIES, pos) == 1, R
  -- A peek writes to a copy.
  if peek then
    flush()
    R = {}
  end
  local ok, answered = pcall(decide, pos)
  if peek then R, dirty = records, 0 end
  if ok then return answered end
  return '\\254' .. rep('\\0', ${answerBytes - 1}), type(answered) == 'table' and answered.err or tostring(answered)
end
return {answerTo = answerTo, save = function(scope, k, r, now) SAVE[scope + 1](k, r, now) end}
end)()`,
  )
}

function constants({ plan }: PlanLayout, answerBytes: number): string {
  const refusers = plan.checks.flatMap((check, index) =>
    check.shadow === true ? [] : [`[${num(tagOf('slot', check.slot))}] = ${index}`],
  )
  const bans = plan.checks.map(({ onRefusal }) =>
    onRefusal?.penalty === undefined ? 'false' : `{${onRefusal.penalty.bans.map(num).join(', ')}}`,
  )
  return lines(
    `local BLANK = rep('\\0', ${answerBytes})`,
    plan.checks.some(({ kind }) => kind === 'claim') && `local REFUSERS = {${refusers.join(', ')}}`,
    `local BANS = {${bans.join(', ')}}`,
  )
}

/** The part of an answer about limits: what is left of each, then the limits in force for varied ones. */
function told({ limited }: PlanLayout, names: Names): { format: string; values: string } {
  const varied = limited.filter(({ variedIndex }) => variedIndex >= 0)
  const values = [
    ...limited.map(({ index }) => names.left(index)),
    ...varied.flatMap(({ index }) => [names.amount(index), names.per(index)]),
  ]
  return { format: 'd'.repeat(values.length), values: values.map((value) => `, ${value}`).join('') }
}

/** Declares the variables of the checks for one question. */
function declarations({ limited, claims }: PlanLayout, names: Names, pending: boolean): string {
  const pendings = pending ? [...limited, ...claims].map(({ index }) => names.pending(index)).sort() : []
  const rest = limited.flatMap(({ index }) => [
    names.left(index),
    names.amount(index),
    names.per(index),
    names.depth(index),
  ])
  // An answer contains the limits in force of all varied checks, judged or not.
  const inForce = limited
    .filter(({ variedIndex }) => variedIndex >= 0)
    .map(
      ({ index, check: { limit } }) =>
        `${names.amount(index)}, ${names.per(index)} = ${num(limit.amount)}, ${num(limit.per)}`,
    )
  if (names.many) {
    return lines(
      'local V = {}',
      pendings.map((name) => `${name} = 0`),
      limited.map(({ index }) => `${names.left(index)} = NAN`),
      inForce,
    )
  }
  const zeros = pendings.map(() => '0').join(', ')
  const lefts = limited.map(({ index }) => names.left(index))
  return lines(
    pendings.length > 0 && `local ${pendings.join(', ')} = ${zeros}`,
    lefts.length > 0 && `local ${lefts.join(', ')} = ${lefts.map(() => 'NAN').join(', ')}`,
    rest.length > lefts.length && `local ${rest.filter((name) => !lefts.includes(name)).join(', ')}`,
    inForce,
  )
}

function keysOf({ scopes }: PlanLayout): string {
  return scopes
    .flatMap(({ index, recorded, marks }) => [
      ...(recorded ? [`, k${index}`] : []),
      ...(marks.length > 0 ? [`, m${index}`] : []),
    ])
    .join('')
}

/** `answer` computes all limits anew; for refusals, and for asks that some checks were skipped for. */
function answers(layout: PlanLayout, names: Names): string {
  const { format, values } = told(layout, names)
  return `-- by (1, signed; -1: admitted), cause and flags (1), refusals in shadow (4), claims taken and limits charged (4), wait,
-- the bot's time, the clock's (8 each); then what is left of each limit (8), and limits in force (16).
local function answer(by, flags, shadows, charged, wait, now, at, C, L${keysOf(layout)})
${declarations(layout, names, false)}
${lines(layout.limited.map((column) => leftOf(layout, column, names)))}
return pack('<bBI4I4ddd${format}', by, flags, shadows, charged, ceil(wait), now, at${values})
end`
}

function decision(layout: PlanLayout, names: Names, list: string, body: string): string {
  const { plan, limited, claims } = layout
  const { format, values } = told(layout, names)
  const size = plan.checks.length
  return `-- A question: what to do (1), its costs (2), its serial (8); a long one: what to do (1), its costs and limits (2 each), its
-- serial, the time to decide by (negative: the server's), the clock's (8 each), checks to settle (4), when they were charged
-- (8). Then numbers of keys (2) and tokens (8).
local function listOf(number)
  local list = {read('<${'d'.repeat(size)}', ARGV[number])}
  LISTS[number] = list
  return list
end
local function decide(pos)
local op, costs, serial, limits, now, at, mask, taken${list}
if LONG then
  op, costs, limits, serial, now, at, mask, taken${list} = read('<BHHdddI4d${body}', ENTRIES, pos)
else
  op, costs, serial${list} = read('<BHd${body}', ENTRIES, pos)
  limits, now = 0, -1
end
local C, L = LISTS[costs] or listOf(costs), nil
if limits > 0 then
  L = LISTS[limits]
  if not L then
    L = {read('<${'d'.repeat(size * 3)}', ARGV[limits])}
    LISTS[limits] = L
  end
end
if now < 0 then now, at = NOW, AT end
if now > LATEST then LATEST = now end
if op > 1 then
${settlement(layout)}
return BLANK
end
local waives, shadows, charged = 0, 0, 0
${declarations(layout, names, true)}
local c, wait, by, cause, banned
${lines(plan.checks.map((_, index) => judge(layout, index, names)))}
${lines(
  claims.map((column) =>
    column.check.tokens === 'sequence'
      ? lines('if op == 0 then', takeClaim(column, names), 'end')
      : takeClaim(column, names),
  ),
)}
${lines(limited.map((column) => chargeLimited(column, names)))}
if waives ~= 0 or shadows ~= 0 then
  return answer(-1, waives == 2 and 8 or 0, shadows, charged, 0, now, at, C, L${keysOf(layout)})
end
return pack('<bBI4I4ddd${format}', -1, 0, 0, charged, 0, now, at${values})
end`
}

/** Lua for one check: skip it, pass it, record a refusal in shadow, or refuse. */
function judge(layout: PlanLayout, index: number, names: Names): string {
  const check = layout.plan.checks[index] as Check
  const { shadow = false, onRefusal } = check
  const counted = check.kind !== 'absent' && check.kind !== 'present'
  const earlierClaims = layout.claims.some((claim) => claim.index < index)
  const waived = counted && earlierClaims ? ` and waives ${shadow ? '== 0' : '~= 2'}` : ''
  const penal = onRefusal?.penalty !== undefined
  const claim = layout.claims.find((each) => each.index === index)
  const limit = layout.limited.find((each) => each.index === index)
  const pending = claim ?? limit
  return lines(
    `c = C[${index + 1}]`,
    `if c ~= 0 and ${presenceOf(check, layout)} ~= 0${waived}${notExempt(layout, check)} then`,
    `wait, by, cause = 0, ${index}, 0`,
    penal &&
      `banned = bannedUntil(LOAD[${check.subject + 1}](k${check.subject}, now), ${num(tagOf(PART.penalty, check.slot))})`,
    claim !== undefined && judgeClaim(claim, names),
    limit !== undefined && judgeLimited(layout, limit, names),
    !counted && judgeMarks(layout, check),
    // When the ban ends, the check itself must have room as well.
    penal && `if banned > now then wait, cause, by = max(wait, banned - now), 1, ${index} end`,
    'if wait > 0 then',
    pending !== undefined && `${names.pending(index)} = 0`,
    shadow ? `shadows = shadows + ${2 ** index}` : refusal(layout, check, index, names),
    'end',
    'end',
  )
}

function judgeMarks(layout: PlanLayout, check: Check): string {
  if (check.kind === 'present') {
    return `if not ${holdsAny(layout, check.subject, check.anyOf)} then wait = huge end`
  }
  if (check.kind !== 'absent') return ''
  const { marks } = layout.scopes[check.subject] as PlanLayout['scopes'][number]
  return lines(
    `local m = MARKS[${check.subject + 1}](m${check.subject})`,
    check.anyOf.map((name) => {
      const place = marks.indexOf(name) + 1
      return `if m[${place}] and m[${place}] > at then wait = max(wait, m[${place}] - at) end`
    }),
  )
}

/** Lua for a refusal: its consequence, its effect on the other parts of an album, and the answer. */
function refusal(
  layout: PlanLayout,
  { slot, subject, onRefusal }: Check,
  index: number,
  names: Names,
): string {
  const albums = layout.claims.filter(
    ({ check, index: earlier }) => earlier < index && check.whenHeld === 'waive' && check.shadow !== true,
  )
  const fates = albums.map(({ check, index: earlier, ordinal, tag, cell }) =>
    lines(
      `if ${names.pending(earlier)} > 0 then`,
      `local r = R[k${check.subject}]`,
      `claimPut(r, ${cell}, ${num(tag)}, t${ordinal}, now + ${num(check.holdFor)}, 4, 0, 0, ${num(tagOf('slot', slot))}, now)`,
      `touch(k${check.subject}, r, ${check.subject})`,
      'end',
    ),
  )
  const punished = onRefusal === undefined ? undefined : punishment(onRefusal, slot, subject, index)
  return lines(
    'local notice = false',
    (fates.length > 0 || punished !== undefined) && lines('if cause ~= 2 then', fates, punished, 'end'),
    `return answer(by, cause + (notice and 4 or 0), shadows, 0, wait, now, at, C, L${keysOf(layout)})`,
  )
}

function punishment(
  { penalty, noticeEvery = 0 }: Consequence,
  slot: string,
  scope: number,
  index: number,
): string {
  const tag = num(tagOf(PART.penalty, slot))
  const rule =
    penalty === undefined
      ? `false, 0, 0, nil, 0`
      : `cause == 0, ${num(penalty.after)}, ${num(penalty.within)}, BANS[${index + 1}], ${num(Math.max(...penalty.bans))}`
  return `local until_
local r = LOAD[${scope + 1}](k${scope}, now)
notice, until_ = punish(r, ${tag}, ${rule}, ${num(noticeEvery)}, now)
touch(k${scope}, r, ${scope})
if until_ > now then wait = max(wait, until_ - now) end`
}

function main(
  layout: PlanLayout,
  fields: number,
  list: string,
  body: string,
  size: number,
  longWay: string,
): string {
  const { claims, limited, varied } = layout
  const sequences = claims.some(({ check }) => check.tokens === 'sequence')
  const quick = fitsQuickWay(layout, fields)
    ? quickWay(layout, list, body, 'd'.repeat(limited.length + varied * 2))
    : 'break'
  return `local out, errors = {}, nil
local stride = ${size} + (LONG and ${LONG_HEAD} or ${SHORT_HEAD})
for i = 1, (#ENTRIES - FIRST + 1) / stride do
  local pos = FIRST + (i - 1) * stride
  local answered
  repeat
${quick}
  until true
  if not answered then
    if not LONGWAY then
${longWay}
    end
    local failure
    answered, failure = LONGWAY.answerTo(pos)
    if failure then
      errors = errors or {}
      errors[#errors + 1] = (i - 1) .. ' ' .. failure
    end
  end
  out[i] = answered
end
${saveLoop(layout)}
${sequences ? SAVE_SEQUENCES : ''}
local reply = pack('<ddI4', NOW, AT, corrupt) .. table.concat(out)
return errors and {reply, unpack(errors)} or reply`
}
