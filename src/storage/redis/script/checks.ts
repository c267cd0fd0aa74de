import type { Asked, Check } from '../../../core/check.js'
import { capacityOf, depthOf, type Limit } from '../../../core/limit.js'
import type { ClaimColumn, LimitedColumn, PlanLayout } from './layout.js'
import { lines, num } from './lua.js'
import { PART, tagOf } from './tags.js'

/*
 * Lua for one check of a plan: whether it refuses, and what it would charge. Within the deciding function, `now` is the chain's
 * own time, `at` the clock's, `C` the costs, `L` the limits of this ask alone, `k<n>` and `m<n>` the key numbers of scope n's
 * record and marks (0: no subject), and `p<i>` what check i would charge.
 */

/** Names of Lua variables. They are kept in a table if the function would otherwise have too many locals. */
export class Names {
  constructor(readonly many: boolean) {}

  pending(index: number): string {
    return this.many ? `V[${index * 8 + 1}]` : `p${index}`
  }
  left(index: number): string {
    return this.many ? `V[${index * 8 + 2}]` : `l${index}`
  }
  amount(index: number): string {
    return this.many ? `V[${index * 8 + 3}]` : `a${index}`
  }
  per(index: number): string {
    return this.many ? `V[${index * 8 + 4}]` : `e${index}`
  }
  depth(index: number): string {
    return this.many ? `V[${index * 8 + 5}]` : `d${index}`
  }
}

/** Returns the variable that is not 0 if a check has a subject. */
export function presenceOf(check: Check, { claims }: PlanLayout): string {
  if (check.kind === 'absent' || check.kind === 'present') return `m${check.subject}`
  if (check.kind === 'claim' && check.tokens === 'sequence') {
    return `q${claims.find((each) => each.check === check)?.ordinal}`
  }
  return `k${check.subject}`
}

/** Returns the Lua condition that a subject holds one of the marks. */
export function holdsAny(layout: PlanLayout, scope: number, names: readonly string[]): string {
  const key = `m${scope}`
  const { marks } = layout.scopes[scope] as PlanLayout['scopes'][number]
  const each = names.map((name) => `(MARKS[${scope + 1}](${key})[${marks.indexOf(name) + 1}] or 0) > at`)
  return `(${key} ~= 0 and (${each.join(' or ')}))`
}

/** Sets the amount, span and depth in force, if they may differ from the plan's. */
function limitInForce(layout: PlanLayout, column: LimitedColumn, names: Names): string {
  const { index, check } = column
  const [a, e, d] = [names.amount(index), names.per(index), names.depth(index)]
  const { amount, per, burst = amount } = check.limit
  const own = `if L and L[${index * 3 + 1}] > 0 then ${a}, ${e}, ${d} = L[${index * 3 + 1}], L[${index * 3 + 2}], L[${index * 3 + 3}] * L[${index * 3 + 2}]`
  const variants = (check.variants ?? []).map(({ mark, subject, limit, within }) => {
    if (limit === 'stored') {
      const { marks, stored } = layout.scopes[subject] as PlanLayout['scopes'][number]
      const first = marks.length + stored.indexOf(mark) * 3 + 1
      const [own, per, burst] = [`m[${first}]`, `m[${first + 1}]`, `m[${first + 2}]`]
      const held = within === undefined ? `${own} > 0` : `${own} > 0 and ${per} == ${num(within.min.per)}`
      const brought = (value: string, of: (limit: Limit) => number): string =>
        within === undefined ? value : `min(max(${value}, ${num(of(within.min))}), ${num(of(within.max))})`
      return `if not found and ${holdsAny(layout, subject, [mark])} then
  local m = MARKS[${subject + 1}](m${subject})
  if ${held} then ${a}, ${e}, ${d}, found = ${brought(own, ({ amount }) => amount)}, ${per}, ${brought(burst, capacityOf)} * ${per}, true end
end`
    }
    return `if not found and ${holdsAny(layout, subject, [mark])} then ${a}, ${e}, ${d}, found = ${num(limit.amount)}, ${num(limit.per)}, ${num(depthOf(limit))}, true end`
  })
  return lines(
    `${a}, ${e}, ${d} = ${num(amount)}, ${num(per)}, ${num(burst * per)}`,
    own,
    variants.length > 0 && lines('else', '  local found', variants),
    'end',
  )
}

/** Returns the variables of the limit in force. */
function inForce(column: LimitedColumn, names: Names): [amount: string, per: string, depth: string] {
  const { index } = column
  return [names.amount(index), names.per(index), names.depth(index)]
}

/** Judges a check that counts: sets `wait`, or what it would charge. */
export function judgeLimited(layout: PlanLayout, column: LimitedColumn, names: Names): string {
  const { index, part, cell, tag, most, check } = column
  const [a, e, d] = inForce(column, names)
  const p = names.pending(index)
  const scope = check.subject
  const head = lines(limitInForce(layout, column, names), `local r = LOAD[${scope + 1}](k${scope}, now)`)
  switch (part) {
    case PART.bucket:
      return lines(
        head,
        `local missing = (r[${cell}] - now) * ${a} + floor(r[${cell + 1}] * ${a} / 4294967296 + 0.5)
if missing < 0 then missing = 0 end
local charge = c == 1 and ${e} or max(1, floor(c * ${e} + 0.5))
if missing + charge <= ${d} then ${p} = missing + charge
elseif charge > ${d} then wait = huge
else wait = ceil((missing + charge - ${d}) / ${a}) end`,
      )
    case PART.log:
      return lines(
        head,
        `wait = logWait(r, ${num(tag)}, min(${a}, ${num(most)}), ${e}, ceil(c), now)
if wait == 0 then ${p} = c end`,
      )
    case PART.counters:
      return lines(
        head,
        `local start, used, before = countersAt(r, ${cell}, ${e}, now)
wait = countersWait(used, before, ${a} * 1000, ${e}, max(1, floor(c * 1000 + 0.5)), start + ${e} - now)
if wait == 0 then ${p} = c end`,
      )
    case PART.fixed:
      return lines(
        head,
        `local charge = max(1, floor(c * 1000 + 0.5))
local used = r[${cell}] + ${e} > now and r[${cell + 1}] or 0
if charge > ${a} * 1000 then wait = huge
elseif used + charge <= ${a} * 1000 then ${p} = c
else wait = r[${cell}] + ${e} - now end`,
      )
  }
}

/** Applies a charge that was found to fit, and sets what is left. */
export function chargeLimited(column: LimitedColumn, names: Names): string {
  const { index, part, cell, tag, most, reach, check } = column
  const [a, e, d] = inForce(column, names)
  const p = names.pending(index)
  const left = names.left(index)
  const far = part === PART.counters ? `${e} * 2` : e
  const keep =
    part === PART.bucket ? '' : `if ${e} > ${num(reach)} and now + ${far} > r[3] then r[3] = now + ${far} end`
  const body = {
    [PART.bucket]: `local whole = floor(${p} / ${a})
r[${cell}], r[${cell + 1}] = now + whole, floor((${p} - whole * ${a}) / ${a} * 4294967296 + 0.5)
${left} = (${d} - ${p}) / ${e}`,
    [PART.log]: `logAdd(r, ${num(tag)}, ceil(${p}), max(${num(reach)}, ${e}), now)
${left} = max(0, min(${a}, ${num(most)}) - logUsed(r, ${num(tag)}, ${e}, now))`,
    [PART.counters]: `local start, used, before = countersAt(r, ${cell}, ${e}, now)
used = used + max(1, floor(${p} * 1000 + 0.5))
r[${cell}], r[${cell + 1}], r[${cell + 2}] = start, used, before
${left} = max(0, ${a} - (used + before * (start + ${e} - now) / ${e}) / 1000)`,
    [PART.fixed]: `if r[${cell}] + ${e} <= now then r[${cell}], r[${cell + 1}] = now, 0 end
r[${cell + 1}] = r[${cell + 1}] + max(1, floor(${p} * 1000 + 0.5))
${left} = max(0, ${a} - r[${cell + 1}] / 1000)`,
  }[part]
  return lines(
    `if ${p} > 0 then`,
    `local r = R[k${check.subject}]`,
    `touch(k${check.subject}, r, ${check.subject})`,
    keep,
    body,
    `charged = charged + ${2 ** index}`,
    'end',
  )
}

/** Sets what is left of a limit, and its limit in force, without charging. */
export function leftOf(layout: PlanLayout, column: LimitedColumn, names: Names): string {
  const { index, part, cell, tag, most, check } = column
  const [a, e, d] = inForce(column, names)
  const left = names.left(index)
  const scope = check.subject
  const used = {
    [PART.bucket]: `${left} = max(0, ${d} - max(0, (r[${cell}] - now) * ${a} + floor(r[${cell + 1}] * ${a} / 4294967296 + 0.5))) / ${e}`,
    [PART.log]: `${left} = max(0, min(${a}, ${num(most)}) - logUsed(r, ${num(tag)}, ${e}, now))`,
    [PART.counters]: `local start, used, before = countersAt(r, ${cell}, ${e}, now)
${left} = max(0, ${a} - (used + before * (start + ${e} - now) / ${e}) / 1000)`,
    [PART.fixed]: `${left} = max(0, ${a} - (r[${cell}] + ${e} > now and r[${cell + 1}] or 0) / 1000)`,
  }[part]
  const penal = check.onRefusal?.penalty !== undefined
  return lines(
    `${left} = NAN`,
    `if C[${index + 1}] ~= 0 and k${scope} ~= 0${notExempt(layout, check)} then`,
    limitInForce(layout, column, names),
    `local r = LOAD[${scope + 1}](k${scope}, now)`,
    penal && `if bannedUntil(r, ${num(tagOf(PART.penalty, check.slot))}) > now then ${left} = 0 else`,
    used,
    penal && 'end',
    'end',
  )
}

export function notExempt(layout: PlanLayout, { unless }: Asked): string {
  return unless === undefined ? '' : ` and not ${holdsAny(layout, unless.subject, unless.anyOf)}`
}

/** Judges a claim: sets `wait`, `by` and `cause`, or that it would be taken; may set `waives`. */
export function judgeClaim(column: ClaimColumn, names: Names): string {
  const { check, index, ordinal, tag, cell } = column
  const p = names.pending(index)
  const penal = check.onRefusal?.penalty !== undefined
  const free = penal ? 'banned <= now and ' : ''
  const waives = check.shadow === true ? 1 : 2
  if (check.tokens === 'sequence') {
    return `local state, until_ = chunkStanding(q${ordinal}, b${ordinal}, now)
if state == 0 then ${p} = 1 elseif state == 2 then ${p} = 2 end
if ${free}state == 2 then waives = ${waives}
elseif state == 1 or state == 3 then wait = until_ - now end`
  }
  // Looked up by slot, since the plan may have changed. If no check of that slot can refuse any longer, the claim is free.
  return `local r = LOAD[${check.subject + 1}](k${check.subject}, now)
local state, until_, refuser = claimStanding(r, ${cell}, ${num(tag)}, t${ordinal}, now)
local refused = -1
if state == 4 then
  refused = REFUSERS[refuser] or -1
  if refused < 0 then state = 0 end
end
if state == 0 then ${p} = 1 elseif state == 2 then ${p} = 2 end
if ${free}(state == 2${check.whenHeld === 'waive' ? ' or (refused < 0 and state ~= 0)' : ''}) then waives = ${waives}
elseif state ~= 0 and state ~= 2 then
  wait = until_ - now
  if refused >= 0 then by = refused cause = 2 end
end`.replaceAll('\n\n', '\n')
}

/** Takes a claim that was found to be free. */
export function takeClaim({ check, index, ordinal, tag, cell }: ClaimColumn, names: Names): string {
  const p = names.pending(index)
  const lease = check.lease ?? 0
  const scope = check.subject
  const stands = lease > 0 ? `3, now + ${num(lease)}` : '1, 0'
  const take =
    check.tokens === 'sequence'
      ? `chunkTake(q${ordinal}, b${ordinal}, ${num(check.holdFor)}, ${num(lease)}, serial, now)`
      : `local r = R[k${scope}]
claimPut(r, ${cell}, ${num(tag)}, t${ordinal}, now + ${num(check.holdFor)}, ${stands}, serial, 0, now)
touch(k${scope}, r, ${scope})`
  return lines(`if ${p} > 0 then`, take, `charged = charged + ${2 ** index}`, 'end')
}
