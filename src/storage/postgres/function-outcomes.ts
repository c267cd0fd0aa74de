import type { Consequence } from '../../core/check.js'
import { ban, excused, isVaried, missing, spans } from './function-checks.js'
import { type Column, formOf, type Layout, ringOf } from './layout.js'

/* What the function does once it has judged: charges, or what follows a refusal; and what is left. */

/** Refills that take longer than 475 years count as that long, so that times fit their cell. */
const LONGEST_REFILL = 15_000_000_000_000

const bit = ({ index }: Column): number => 2 ** index
const cell = (column: Column, nth = 0): string => `s${column.scope}_${column.cells[nth]}[u${column.scope}]`

/** Keeps the sections of a record, and notes that it changed. */
function keep(scope: number, s: string): string {
  return `s${scope}_x[u${scope}] := ROW(x${scope})::${s}.list; s${scope}_n[u${scope}] := coalesce(cardinality(x${scope}), 0); s${scope}_d[u${scope}] := true;`
}

/** Charges one check, or takes its claim, where the judging noted so. */
export function charged(column: Column, s: string): string[] {
  const { check } = column
  if (check.kind === 'absent' || check.kind === 'present') return []
  return [`IF taken & ${bit(column)} <> 0 THEN`, ...charge(column, s), 'END IF;']
}

function charge(column: Column, s: string): string[] {
  const { index: i, check, scope } = column
  const changed = `s${scope}_d[u${scope}] := true;`
  if (check.kind === 'claim') return column.sequence >= 0 ? takeNumber(column, s) : takeClaim(column, s)
  if (check.kind === 'bucket') {
    return [
      `${cell(column)} := ((now + least(o${i} / a${i}, ${LONGEST_REFILL})) << 19) + (((o${i} % a${i}) << 19) + a${i} / 2) / a${i};`,
      changed,
    ]
  }
  if (check.kind !== 'window') return []
  if (check.form === 'log') {
    return [
      `y${i} := ${s}.log_add(y${i}, g${i}, now, ${ringOf(check)});`,
      // Under a longer limit of the moment they would matter longer; the record knows for how long.
      `x${scope} := ${s}.with_section(x${scope}, ${column.tag}, now + life, y${i}, now);`,
      keep(scope, s),
    ]
  }
  if (check.form === 'fixed') {
    return [
      `IF ${cell(column)} + r${i} <= now THEN ${cell(column)} := now; END IF;`,
      `${cell(column, 1)} := o${i} + g${i};`,
      changed,
    ]
  }
  return [
    `${cell(column, 0)} := f${i}; ${cell(column, 1)} := o${i} + g${i}; ${cell(column, 2)} := e${i};`,
    changed,
  ]
}

/** A claim on a number: two bits of a chunk. */
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

/** A claim on a digest: held for a time and no more, it lies in two cells; any other, and a second, in a list. */
function takeClaim(column: Column, s: string): string[] {
  const { index: i, check, scope, listTag } = column
  if (check.kind !== 'claim') return []
  const [token, until] = [cell(column, 0), cell(column, 1)]
  const hold = Math.ceil(check.holdFor)
  const rest = `${s}.claims_less(${s}.section(x${scope}, ${listTag}), t${i}, now)`
  const save = `x${scope} := ${s}.with_section(x${scope}, ${listTag}, ${s}.claims_until(v), v, now);`
  if (check.lease === undefined && check.retry !== true) {
    return [
      `IF h${i} = 1 OR (${until} > now AND ${token} <> t${i}) THEN`,
      `  v := ${rest};`,
      `  IF ${until} > now AND ${token} <> t${i} THEN v := v || ARRAY[${token}, ${until}, 0, 0, 1]; END IF;`,
      `  ${save} ${keep(scope, s)}`,
      'END IF;',
      `${token} := t${i}; ${until} := now + ${hold}; s${scope}_d[u${scope}] := true;`,
    ]
  }
  const lease = check.lease === undefined ? '0' : `now + ${Math.ceil(check.lease)}`
  return [
    `v := ${rest} || ARRAY[t${i}, now + ${hold}, ${lease}, p_serial + a - 1, ${check.lease === undefined ? 1 : 3}];`,
    save,
    keep(scope, s),
  ]
}

/** What follows a refusal: the fate of the album it came with, and what its check says. */
export function refused(layout: Layout, s: string): string[] {
  const lines: string[] = ['waived := 0;']
  const slots = layout.columns.map(({ slot }) => slot)
  const waiving = layout.columns.filter(
    ({ check }) => check.kind === 'claim' && check.whenHeld === 'waive' && check.shadow !== true,
  )
  if (waiving.length > 0) {
    lines.push('IF cause <> 2 THEN', `k := (ARRAY[${slots.join(', ')}])[refuser + 1];`)
    for (const column of waiving) {
      const { index: i, scope, listTag, check } = column
      if (check.kind !== 'claim') continue
      lines.push(
        `IF taken & ${bit(column)} <> 0 THEN`,
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
    lines.push('IF cause <> 2 THEN CASE refuser')
    for (const column of consequent) {
      lines.push(`WHEN ${column.index} THEN`, ...punish(column, column.check.onRefusal as Consequence, s))
    }
    lines.push('ELSE NULL; END CASE; END IF;')
  }
  // Nothing was charged, and so nothing is to be settled.
  lines.push('taken := 0;')
  return lines
}

function punish(column: Column, { penalty, noticeEvery = 0 }: Consequence, s: string): string[] {
  const { scope, penaltyTag } = column
  const rule =
    penalty === undefined
      ? '0, 0, NULL'
      : `${Math.ceil(penalty.after)}, ${Math.ceil(penalty.within)}, ARRAY[${penalty.bans.map(Math.ceil).join(', ')}]::int8[]`
  return [
    `v := ${s}.punished(${s}.section(x${scope}, ${penaltyTag}), ${rule}, ${Math.ceil(noticeEvery)}, cause = 0, now);`,
    'notice := v[7];',
    ...(penalty === undefined ? [] : ['IF v[4] > now THEN wait := greatest(wait, v[4] - now); END IF;']),
    `x${scope} := ${s}.with_section(x${scope}, ${penaltyTag}, greatest(v[2], v[4], v[5], v[6]), v[1:6], now);`,
    keep(scope, s),
  ]
}

/** Says what is left of a limit that was asked for. */
export function left(column: Column, layout: Layout, s: string): string[] {
  const { index: i, check, scope } = column
  if (check.kind !== 'bucket' && check.kind !== 'window') return []
  const form = formOf(check)
  const lines: string[] = []
  if (form === 'bucket') {
    lines.push(
      `IF taken & ${bit(column)} = 0 THEN ${missing(column)} END IF;`,
      `k := greatest(0, z${i} - o${i});`,
    )
  } else if (form === 'log') {
    lines.push(
      `k := greatest(0, z${i} - ${s}.log_used(${s}.section(x${scope}, ${column.tag}), ${ringOf(check)}, now - r${i}));`,
    )
  } else if (form === 'fixed') {
    lines.push(
      `k := greatest(0, z${i} - CASE WHEN ${cell(column)} + r${i} > now THEN ${cell(column, 1)} ELSE 0 END);`,
    )
  } else {
    lines.push(
      ...spans(column),
      `k := greatest(0, z${i} * r${i} - o${i} * r${i} - e${i} * (f${i} + r${i} - now));`,
    )
  }
  const banned = ban(column, s)
  if (banned !== undefined) {
    lines.push(`IF x${scope} IS NOT NULL THEN IF ${banned} > now THEN k := 0; END IF; END IF;`)
  }
  const out = excused(column, layout)
  if (out !== undefined) lines.push(`IF ${out} THEN k := -1; END IF;`)
  lines.push('res := res || k;')
  const always = isVaried(column)
  const told = `res := res || ARRAY[a${i}, r${i}, z${i}];`
  lines.push(always ? told : `IF lim > 0 THEN ${told} END IF;`)
  return [`IF c${i} <> 0 AND u${scope} > 0 THEN`, ...lines, 'END IF;']
}
