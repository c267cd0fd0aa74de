import type { Consequence } from '../../../core/check.js'
import { type Column, formOf, ringOf, type ScopeLayout } from '../layout.js'
import { ban, exemption, isCharged, isVaried, limitIn, missing, spans, type Writing } from './checks.js'

/* What the function does after judging: charge, or apply the consequence of a refusal; then report what is left. */

/** Refills that take longer than 475 years are cut to that, so that times fit their cell. */
const LONGEST_REFILL = 15_000_000_000_000

const cell = (column: Column, nth = 0): string => `s${column.scope}_${column.cells[nth]}[u${column.scope}]`

/** Stores the sections of a record and marks it as changed. */
function keep(scope: number, s: string): string {
  return `s${scope}_x[u${scope}] := ROW(x${scope})::${s}.list; s${scope}_n[u${scope}] := coalesce(cardinality(x${scope}), 0); s${scope}_d[u${scope}] := true;`
}

/** Charges one check, or takes its claim, if it was asked and not skipped. */
export function charged(column: Column, writing: Writing): string[] {
  const { check } = column
  if (check.kind === 'absent' || check.kind === 'present') return []
  return [`IF ${isCharged(column, writing)} THEN`, ...charge(column, writing), 'END IF;']
}

/** Marks records as changed after charging: those with cells of a check that was asked. */
export function noted({ scope, space, columns }: ScopeLayout): string[] {
  const changing = columns.filter((column) => column.cells.length > 0).map(({ index }) => `c${index} <> 0`)
  if (space === 0 || changing.length === 0) return []
  return [`IF u${scope} > 0 AND (${changing.join(' OR ')}) THEN s${scope}_d[u${scope}] := true; END IF;`]
}

/** Sets when a bucket will be full, after its charge. */
export function chargedBucket(column: Column, writing: Writing): string {
  const { index: i } = column
  const { amount } = limitIn(column, writing)
  return `${cell(column)} := ((now + least(o${i} / ${amount}, ${LONGEST_REFILL})) << 19) + (((o${i} % ${amount}) << 19) + ${amount} / 2) / ${amount};`
}

function charge(column: Column, writing: Writing): string[] {
  const { s } = writing
  const { index: i, check, scope } = column
  const { per } = limitIn(column, writing)
  if (check.kind === 'claim') return column.sequence >= 0 ? takeNumber(column, s) : takeClaim(column, s)
  if (check.kind === 'bucket') return [chargedBucket(column, writing)]
  if (check.kind !== 'window') return []
  if (check.form === 'log') {
    return [
      `y${i} := ${s}.log_add(y${i}, g${i}, now, ${ringOf(check)});`,
      // A longer limit of the ask makes the stamps matter longer; `life` covers that.
      `x${scope} := ${s}.with_section(x${scope}, ${column.tag}, now + life, y${i}, now);`,
      keep(scope, s),
    ]
  }
  if (check.form === 'fixed') {
    return [
      `IF ${cell(column)} + ${per} <= now THEN ${cell(column)} := now; END IF;`,
      `${cell(column, 1)} := o${i} + g${i};`,
    ]
  }
  return [`${cell(column, 0)} := f${i}; ${cell(column, 1)} := o${i} + g${i}; ${cell(column, 2)} := e${i};`]
}

/** Takes a claim on a number: two bits of a chunk. */
function takeNumber(column: Column, s: string): string[] {
  const { index: i, check, sequence: q } = column
  if (check.kind !== 'claim') return []
  const at = `i${i}`
  const state = check.lease === undefined ? 1 : 3
  return [
    `IF q${q}_l[${at}] <= now THEN`,
    `  q${q}_b[${at}] := decode(repeat('00', 1024), 'hex'); q${q}_c[${at}] := now; q${q}_x[${at}] := NULL;`,
    'END IF;',
    `p := (t${i} >> 2)::int4; b := ((t${i} & 3) * 2)::int4;`,
    `q${q}_b[${at}] := set_byte(q${q}_b[${at}], p, (get_byte(q${q}_b[${at}], p) & ~(3 << b)) | (${state} << b));`,
    `q${q}_l[${at}] := now + ${Math.ceil(check.holdFor)}; q${q}_d[${at}] := true;`,
    ...(check.lease === undefined
      ? []
      : [
          `v := ${s}.running_less((q${q}_x[${at}]).v, t${i}, now) || ARRAY[t${i}, now + ${Math.ceil(check.lease)}, p_serial + a - 1];`,
          `q${q}_x[${at}] := ROW(v)::${s}.list;`,
        ]),
  ]
}

/**
 * Takes a claim on a digest. A claim without lease and retry is stored in two cells; if another one comes meanwhile, the earlier
 * one moves to a section of its own. Other claims are entries of a list.
 */
function takeClaim(column: Column, s: string): string[] {
  const { index: i, check, scope, heldTag, listTag } = column
  if (check.kind !== 'claim') return []
  const [token, until] = [cell(column, 0), cell(column, 1)]
  const hold = Math.ceil(check.holdFor)
  const rest = `${s}.claims_less(${s}.section(x${scope}, ${listTag}), t${i}, now)`
  const save = `x${scope} := ${s}.with_section(x${scope}, ${listTag}, ${s}.claims_until(v), v, now);`
  if (check.lease === undefined && check.retry !== true) {
    return [
      `IF h${i} = 1 THEN v := ${rest}; ${save} ${keep(scope, s)} END IF;`,
      `IF ${until} > now THEN`,
      `  x${scope} := x${scope} || ARRAY[${heldTag}, ${until}, 1, ${token}]; ${keep(scope, s)}`,
      'END IF;',
      `${token} := t${i}; ${until} := now + ${hold};`,
    ]
  }
  const lease = check.lease === undefined ? '0' : `now + ${Math.ceil(check.lease)}`
  return [
    `v := ${rest} || ARRAY[t${i}, now + ${hold}, ${lease}, p_serial + a - 1, ${check.lease === undefined ? 1 : 3}];`,
    save,
    keep(scope, s),
  ]
}

/** Applies the effects of a refusal: on the other parts of an album, and the consequence of the check. */
export function refused(writing: Writing): string[] {
  const { layout, s } = writing
  const lines: string[] = ['waived := NULL;']
  const slots = layout.columns.map(({ slot }) => slot)
  const waiving = layout.columns.filter(
    ({ check }) => check.kind === 'claim' && check.whenHeld === 'waive' && check.shadow !== true,
  )
  if (waiving.length > 0) {
    lines.push('IF cause IS DISTINCT FROM 2 THEN', `k := (ARRAY[${slots.join(', ')}])[refuser + 1];`)
    for (const column of waiving) {
      const { index: i, scope, listTag, check } = column
      if (check.kind !== 'claim') continue
      lines.push(
        `IF refuser > ${i} AND ${isCharged(column, writing)} THEN`,
        `  v := ${s}.claims_less(${s}.section(x${scope}, ${listTag}), t${i}, now) || ARRAY[t${i}, now + ${Math.ceil(check.holdFor)}, 0, 0, 4 | (k << 3)];`,
        `  x${scope} := ${s}.with_section(x${scope}, ${listTag}, ${s}.claims_until(v), v, now);`,
        `  ${keep(scope, s)}`,
        'END IF;',
      )
    }
    lines.push('END IF;')
  }
  const consequent = layout.columns.filter(
    ({ check }) => check.onRefusal !== undefined && check.shadow !== true,
  )
  if (consequent.length > 0) {
    lines.push('IF cause IS DISTINCT FROM 2 THEN CASE refuser')
    for (const column of consequent) {
      lines.push(`WHEN ${column.index} THEN`, ...punish(column, column.check.onRefusal as Consequence, s))
    }
    lines.push('ELSE NULL; END CASE; END IF;')
  }
  return lines
}

function punish(column: Column, { penalty, noticeEvery = 0 }: Consequence, s: string): string[] {
  const { scope, penaltyTag } = column
  const every = Math.ceil(noticeEvery)
  const rule =
    penalty === undefined
      ? '0, 0, NULL'
      : `${Math.ceil(penalty.after)}, ${Math.ceil(penalty.within)}, ARRAY[${penalty.bans.map(Math.ceil).join(', ')}]::int8[]`
  return [
    `v := ${s}.punished(${s}.section(x${scope}, ${penaltyTag}), ${rule}, ${every}, cause IS NULL, now);`,
    // A new ban makes a notice due, unless it is shorter than `noticeEvery`.
    ...(penalty === undefined || !(noticeEvery > 0)
      ? []
      : [
          `IF cause IS NULL AND v[4] > now AND v[4] >= now + ${every} THEN v[6] := now + ${every}; v[7] := 1; END IF;`,
        ]),
    'notice := v[7];',
    ...(penalty === undefined ? [] : ['IF v[4] > now THEN wait := greatest(wait, v[4] - now); END IF;']),
    `x${scope} := ${s}.with_section(x${scope}, ${penaltyTag}, greatest(v[2], v[4], v[5], v[6]), v[1:6], now);`,
    keep(scope, s),
  ]
}

/** Reports what is left of a limit that was asked for. */
export function left(column: Column, writing: Writing): string[] {
  const { layout, s, ownLimits } = writing
  const { index: i, check, scope } = column
  if (check.kind !== 'bucket' && check.kind !== 'window') return []
  const form = formOf(check)
  const { per, most } = limitIn(column, writing)
  const lines: string[] = []
  let found: string
  if (form === 'bucket') {
    // If the bucket was charged, the missing units are already known.
    found = `greatest(0, ${most} - CASE WHEN refuser IS NULL AND ${isCharged(column, writing)} THEN o${i} ELSE ${missing(column, writing)} END)`
  } else if (form === 'log') {
    found = `greatest(0, ${most} - ${s}.log_used(${s}.section(x${scope}, ${column.tag}), ${ringOf(check)}, now - ${per}))`
  } else if (form === 'fixed') {
    found = `greatest(0, ${most} - CASE WHEN ${cell(column)} + ${per} > now THEN ${cell(column, 1)} ELSE 0 END)`
  } else {
    lines.push(...spans(column, writing))
    found = `greatest(0, ${most}::int8 * ${per} - o${i} * ${per} - e${i} * (f${i} + ${per} - now))`
  }
  const banned = ban(column, s)
  if (banned !== undefined) {
    found = `CASE WHEN array_position(x${scope}, ${column.penaltyTag}) > 0 AND ${banned} > now THEN 0 ELSE ${found} END`
  }
  const out = exemption(column, layout)
  if (out !== undefined) found = `CASE WHEN ${out} THEN -1 ELSE ${found} END`
  lines.push(`res := res || (${found})::int8;`)
  const told = `res := res || ARRAY[a${i}, r${i}, z${i}];`
  if (isVaried(column)) lines.push(told)
  else if (ownLimits) lines.push(`IF lim > 0 THEN ${told} END IF;`)
  return [`IF c${i} <> 0 AND u${scope} > 0 THEN`, ...lines, 'END IF;']
}
