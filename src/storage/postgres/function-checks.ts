import type { ClaimCheck } from '../../core/check.js'
import type { Limit } from '../../core/limit.js'
import { type Column, depthOf, formOf, type Layout, ringOf, variantsOf } from './layout.js'

/*
 * How the function judges one check. By check i: c its cost, g its charge in whole units, a r z the limit in force
 * (amount, per, depth or most), t the token of a claim and h whether it left something to clear away, o f e what a limit
 * was found to hold. By scope n: u which record, s its cells, x its sections, m until when marks are held.
 */

/** For ever, and further than any time; sums of it still fit. */
export const INFINITE = 4_000_000_000_000_000_000n

const bit = ({ index }: Column): number => 2 ** index
const cell = (column: Column, nth = 0): string => `s${column.scope}_${column.cells[nth]}[u${column.scope}]`

/** The limit of the plan, and the charge for the cost at hand. */
export function limited(column: Column): string {
  const { index: i, check } = column
  if (check.kind !== 'bucket' && check.kind !== 'window') return ''
  return `${inForce(column, check.limit)} ${charge(column)} o${i} := 0;`
}

/** What is compared with: units of a bucket from full to empty, thousandths of a window, units of an exact one. */
function mostOf(column: Column, limit: Limit): number {
  const form = formOf(column.check)
  if (form === 'bucket') return depthOf(limit)
  return form === 'log' ? limit.amount : limit.amount * 1000
}

function inForce(column: Column, limit: Limit): string {
  const { index: i } = column
  return `a${i} := ${limit.amount}; r${i} := ${limit.per}; z${i} := ${mostOf(column, limit)};`
}

function charge(column: Column): string {
  const { index: i, check } = column
  const form = formOf(check)
  if (form === 'log') return `g${i} := ceil(c${i});`
  return `g${i} := greatest(1, floor(c${i} * ${form === 'bucket' ? `r${i}` : 1000} + 0.5));`
}

/** Whether the limit in force of a check may be another than the plan's: its marks say so. */
export function isVaried({ check }: Column): boolean {
  return variantsOf(check).length > 0
}

/** The limits in force for the ask at hand, where they are not the plan's. */
export function settleLimits(layout: Layout): string[] {
  const lines: string[] = []
  const checks = layout.columns.length
  const told: string[] = []
  for (const column of layout.columns) {
    const { index: i, check } = column
    if (check.kind !== 'bucket' && check.kind !== 'window') continue
    const form = formOf(check)
    const reach = form === 'bucket' ? `z${i} / a${i} + 1` : `2 * r${i}`
    const dynamic = (amount: string, per: string, depth: string): string[] => [
      `a${i} := ${form === 'log' ? `least(${amount}, ${ringOf(check)})` : amount}; r${i} := ${per};`,
      `z${i} := ${form === 'bucket' ? depth : form === 'log' ? `a${i}` : `a${i} * 1000`};`,
      `life := greatest(life, ${reach});`,
    ]
    if (isVaried(column)) {
      const branches = variantsOf(check).flatMap(({ mark, subject, limit }, nth) => {
        const m = layout.marks.indexOf(mark)
        const head = nth === 0 ? 'IF' : 'ELSIF'
        if (limit !== 'stored') {
          return [`${head} m${subject}_${m}[u${subject}] > clock THEN ${inForce(column, limit)}`]
        }
        const at = `${subject}_${m}[u${subject}]`
        return [
          `${head} m${at} > clock AND la${at} IS NOT NULL THEN`,
          ...dynamic(`la${at}`, `lp${at}`, `ld${at}`),
        ]
      })
      lines.push(...branches, `ELSE ${inForce(column, check.limit)}`, 'END IF;', charge(column))
    }
    const own = `p_limits[lim + ${i * 3}`
    told.push(
      `IF ${own} + 1] > 0 THEN`,
      ...dynamic(`${own} + 1]`, `${own} + 2]`, `${own} + 3]`),
      charge(column),
      'END IF;',
    )
  }
  // The next ask reads its list of costs anew, and with it the plan's limits.
  if (told.length > 0)
    lines.push(`IF lim > 0 THEN lim := (lim - 1) * ${checks * 3}; last := 0;`, ...told, 'lim := 1; END IF;')
  return lines
}

/** Whether a check is left out for the ask at hand; undefined where it never is. */
export function excused({ check }: Column, { marks }: Layout): string | undefined {
  if (check.unless === undefined || check.unless.anyOf.length === 0) return undefined
  const { subject, anyOf } = check.unless
  const held = anyOf.map((name) => `m${subject}_${marks.indexOf(name)}[u${subject}] > clock`)
  return `(u${subject} > 0 AND (${held.join(' OR ')}))`
}

/** Until when a check is banned; undefined where it never is. */
export function ban(column: Column, s: string): string | undefined {
  if (column.check.onRefusal?.penalty === undefined) return undefined
  return `coalesce((${s}.section(x${column.scope}, ${column.penaltyTag}))[4], 0)`
}

/** Judges one check of the ask at hand, and ends the judging where it refuses. */
export function judged(column: Column, layout: Layout, s: string): string[] {
  const { index: i, check, scope } = column
  const shadow = check.shadow === true
  const earlierClaims = layout.columns.some((each) => each.index < i && each.check.kind === 'claim')
  const conditions = [`c${i} <> 0`, subjectIn(column, layout)]
  if (earlierClaims && check.kind !== 'absent' && check.kind !== 'present') {
    conditions.push(shadow ? 'waives = 0' : 'waives < 2')
  }
  const left = excused(column, layout)
  if (left !== undefined) conditions.push(`NOT ${left}`)
  const bannedUntil = ban(column, s)
  const banned =
    bannedUntil === undefined
      ? []
      : [
          `IF x${scope} IS NOT NULL THEN`,
          `  ban := ${bannedUntil} - now;`,
          `  IF ban > 0 THEN wait := greatest(wait, ban); told := ${i}; cause := 1; END IF;`,
          'END IF;',
        ]
  const refuses = shadow
    ? [
        `IF wait > 0 THEN shadows := shadows | ${bit(column)}; wait := 0; told := -1; cause := 0;`,
        ...taking(column, 'ELSE'),
        'END IF;',
      ]
    : [
        `IF wait > 0 THEN refuser := ${i}; IF told < 0 THEN told := ${i}; END IF; EXIT judged; END IF;`,
        ...taking(column),
      ]
  const body =
    check.kind === 'claim' ? claim(column, layout, check, s, banned) : [...own(column, layout, s), ...banned]
  return [`-- ${i}: ${formOf(check)}`, `IF ${conditions.join(' AND ')} THEN`, ...body, ...refuses, 'END IF;']
}

/** Notes that a limit is to be charged; claims note for themselves what they take. */
function taking(column: Column, before = ''): string[] {
  const { check } = column
  if (check.kind === 'absent' || check.kind === 'present') return []
  if (check.kind === 'claim')
    return [`${before} IF h${column.index} >= 0 THEN taken := taken | ${bit(column)}; END IF;`]
  return [`${before} taken := taken | ${bit(column)};`]
}

function subjectIn(column: Column, { scopes }: Layout): string {
  const scope = scopes[column.scope]
  // A scope that is asked for chunks only has no records: the chunk says whether there is a subject.
  if (column.sequence >= 0) return `i${column.index} > 0`
  return scope === undefined ? 'false' : `u${column.scope} > 0`
}

function own(column: Column, layout: Layout, s: string): string[] {
  const { check, scope, index: i } = column
  const until = (name: string): string => `m${scope}_${layout.marks.indexOf(name)}[u${scope}]`
  switch (check.kind) {
    case 'absent':
      return check.anyOf.map(
        (name) =>
          `IF ${until(name)} > clock THEN wait := greatest(wait, CASE WHEN ${until(name)} = ${INFINITE} THEN ${INFINITE} ELSE ${until(name)} - clock END); END IF;`,
      )
    case 'present': {
      const held = check.anyOf.map((name) => `${until(name)} > clock`)
      return [`IF NOT (${held.length === 0 ? 'false' : held.join(' OR ')}) THEN wait := ${INFINITE}; END IF;`]
    }
    case 'bucket':
      return [
        missing(column),
        `o${i} := o${i} + g${i};`,
        `IF o${i} > z${i} THEN`,
        `  wait := CASE WHEN g${i} > z${i} THEN ${INFINITE} ELSE (o${i} - z${i} + a${i} - 1) / a${i} END;`,
        'END IF;',
      ]
    case 'window':
      break
    default:
      return []
  }
  const nothing = `IF g${i} > z${i} THEN wait := ${INFINITE};`
  if (check.form === 'log') {
    return [
      `y${i} := ${s}.section(x${scope}, ${column.tag});`,
      nothing,
      `ELSE wait := greatest(0, coalesce(${s}.log_nth(y${i}, z${i} - g${i} + 1) + r${i} - now, 0));`,
      'END IF;',
    ]
  }
  if (check.form === 'fixed') {
    return [
      `o${i} := CASE WHEN ${cell(column)} + r${i} > now THEN ${cell(column, 1)} ELSE 0 END;`,
      nothing,
      `ELSIF o${i} + g${i} > z${i} THEN wait := ${cell(column)} + r${i} - now;`,
      'END IF;',
    ]
  }
  return [
    ...spans(column),
    nothing,
    `ELSIF e${i} * (f${i} + r${i} - now) + (o${i} + g${i}) * r${i} > z${i} * r${i} THEN`,
    `  wait := ${s}.counters_wait(o${i}, e${i}, z${i} - g${i}, r${i}, f${i} + r${i} - now);`,
    'END IF;',
  ]
}

/** Units missing from a bucket, of which the record keeps when it will be full, in 2^-19 ms. */
export function missing(column: Column): string {
  const { index: i } = column
  return [
    `d := ${cell(column)} - (now << 19);`,
    `IF d > 0 THEN o${i} := (d >> 19) * a${i} + (((d & 524287) * a${i} + 262144) >> 19); ELSE o${i} := 0; END IF;`,
  ].join('\n')
}

/** Of two counters: when the span began that it is now (f), used in it (o), used in the one before (e). */
export function spans(column: Column): string[] {
  const { index: i } = column
  const [start, used, before] = [cell(column, 0), cell(column, 1), cell(column, 2)]
  return [
    `IF ${start} + r${i} > now THEN f${i} := ${start}; o${i} := ${used}; e${i} := ${before};`,
    `ELSIF ${start} + 2 * r${i} > now THEN f${i} := ${start} + r${i}; o${i} := 0; e${i} := ${used};`,
    `ELSE f${i} := now; o${i} := 0; e${i} := 0; END IF;`,
  ]
}

/** h becomes -1 where it is not to be taken, 1 where something is to be cleared away first, else 0. */
function claim(column: Column, layout: Layout, check: ClaimCheck, s: string, banned: string[]): string[] {
  const { index: i, scope, listTag, sequence: q } = column
  const waive = check.shadow === true ? 'waives := greatest(waives, 1);' : 'waives := 2; waived := 1;'
  // A ban cancels what a claim would have waived.
  const unlessBanned = banned.length === 0 ? waive : `IF cause <> 1 THEN ${waive} END IF;`
  if (q >= 0) {
    return [
      `h${i} := 0; st := 0;`,
      `IF q${q}_l[i${i}] > now THEN`,
      `  st := (get_byte(q${q}_b[i${i}], (t${i} >> 2)::int4) >> ((t${i} & 3) * 2)::int4) & 3;`,
      '  IF st = 3 THEN',
      `    d := ${s}.running_until((q${q}_x[i${i}]).v, t${i});`,
      '    IF d <= now THEN st := 2; END IF;',
      '  END IF;',
      '  IF st = 1 OR st = 3 THEN',
      `    h${i} := -1; wait := CASE WHEN st = 1 THEN q${q}_l[i${i}] ELSE least(q${q}_l[i${i}], d) END - now;`,
      '  END IF;',
      'END IF;',
      ...banned,
      `IF st = 2 THEN ${unlessBanned} END IF;`,
    ]
  }
  const refusers = layout.columns
    .filter((each) => each.check.shadow !== true)
    .map(({ slot, index }) => `WHEN ${slot} THEN ${index}`)
  const refuser = refusers.length === 0 ? '-1' : `CASE b ${refusers.join(' ')} ELSE -1 END`
  const [token, until] = [cell(column, 0), cell(column, 1)]
  const waits = [`h${i} := -1; wait := k - now;`, 'IF st = 4 THEN told := b; cause := 2; END IF;']
  return [
    `h${i} := 0; st := 0;`,
    `IF ${until} > now AND ${token} = t${i} THEN st := 1; k := ${until};`,
    `ELSIF x${scope} IS NOT NULL THEN`,
    `  v := ${s}.section(x${scope}, ${listTag});`,
    `  p := ${s}.claim_at(v, t${i}, now);`,
    '  IF p > 0 THEN',
    `    h${i} := 1; st := v[p + 4] & 7; k := v[p + 1];`,
    '    IF st = 3 THEN',
    '      IF v[p + 2] <= now THEN st := 2; ELSE k := least(k, v[p + 2]); END IF;',
    '    ELSIF st = 4 THEN',
    // By slot, since the plan may have changed. If nobody refuses there any longer, nobody did.
    `      b := v[p + 4] >> 3; b := ${refuser};`,
    '      IF b < 0 THEN st := 0; END IF;',
    '    END IF;',
    '  END IF;',
    'END IF;',
    // What holds is decided after a ban is known: it cancels a waiver.
    ...(check.whenHeld === 'waive'
      ? [
          `IF st = 4 THEN ${waits.join(' ')} ELSIF st = 1 OR st = 3 THEN h${i} := -1; END IF;`,
          ...banned,
          ...(banned.length === 0
            ? [`IF st BETWEEN 1 AND 3 THEN ${waive} END IF;`]
            : [`IF st BETWEEN 1 AND 3 THEN IF cause <> 1 THEN ${waive} END IF; END IF;`]),
        ]
      : [
          `IF st = 1 OR st >= 3 THEN ${waits.join(' ')} END IF;`,
          ...banned,
          `IF st = 2 THEN ${unlessBanned} END IF;`,
        ]),
  ]
}
