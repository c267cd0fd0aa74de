import type { ClaimCheck } from '../../../core/check.js'
import { depthOf, type Limit } from '../../../core/limit.js'
import { variantsOf } from '../../contract/plan.js'
import { type Column, formOf, type Layout, ringOf } from '../layout.js'

/** How a function is to be written. */
export interface Writing {
  readonly layout: Layout
  /** The schema, quoted. */
  readonly s: string
  /** Whether asks may have limits of their own. */
  readonly ownLimits: boolean
}

/*
 * How the function judges one check. Variables of check i: c its cost, g its charge in whole units, a r z the limit in force
 * (amount, per, depth or maximum), t the token of a claim, h whether the claim leaves an old entry to remove, o f e the state
 * found for a limit. Variables of scope n: u the position of the record, s its cells, x its sections, m until when marks are
 * held.
 */

/** Stands for "forever": later than any time, yet small enough that sums do not overflow. */
export const INFINITE = 4_000_000_000_000_000_000n

const bit = ({ index }: Column): number => 2 ** index
const cell = (column: Column, nth = 0): string => `s${column.scope}_${column.cells[nth]}[u${column.scope}]`

/** Returns the limit in force: literals if it is always the plan's, else variables. */
export function limitIn(
  column: Column,
  { ownLimits }: Writing,
): { amount: string; per: string; most: string } {
  const { index: i, check } = column
  const fixed = !ownLimits && !isVaried(column) && (check.kind === 'bucket' || check.kind === 'window')
  if (!fixed) return { amount: `a${i}`, per: `r${i}`, most: `z${i}` }
  const { limit } = check
  return { amount: `${limit.amount}`, per: `${limit.per}`, most: `${mostOf(column, limit)}` }
}

/** Sets the variables of a limit that depend on the costs list: the plan's limit and the charge. */
export function limited(column: Column, writing: Writing): string {
  const { check } = column
  if (check.kind !== 'bucket' && check.kind !== 'window') return ''
  const known = limitIn(column, writing).amount !== `a${column.index}`
  return `${known ? '' : inForce(column, check.limit)} ${charge(column, writing)}`
}

/** Returns the number that usage is compared with: units of a full bucket, thousandths of a window, units of an exact window. */
function mostOf(column: Column, limit: Limit): number {
  const form = formOf(column.check)
  if (form === 'bucket') return depthOf(limit)
  return form === 'log' ? limit.amount : limit.amount * 1000
}

function inForce(column: Column, limit: Limit): string {
  const { index: i } = column
  return `a${i} := ${limit.amount}; r${i} := ${limit.per}; z${i} := ${mostOf(column, limit)};`
}

function charge(column: Column, writing: Writing): string {
  const { index: i, check } = column
  const form = formOf(check)
  if (form === 'log') return `g${i} := ceil(c${i});`
  return `g${i} := greatest(1, floor(c${i} * ${form === 'bucket' ? limitIn(column, writing).per : 1000} + 0.5));`
}

/** Whether the limit in force may differ from the plan's because of marks. */
export function isVaried({ check }: Column): boolean {
  return variantsOf(check).length > 0
}

/** Sets the limits in force for the current ask, if they differ from the plan's. */
export function settleLimits(writing: Writing): string[] {
  const { layout, ownLimits } = writing
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
      const branches = variantsOf(check).flatMap(({ mark, subject, limit, within }, nth) => {
        const m = layout.marks.indexOf(mark)
        const head = nth === 0 ? 'IF' : 'ELSIF'
        if (limit !== 'stored') {
          return [`${head} m${subject}_${m}[u${subject}] > clock THEN ${inForce(column, limit)}`]
        }
        const at = `${subject}_${m}[u${subject}]`
        const held = `${head} m${at} > clock AND la${at} IS NOT NULL`
        if (within === undefined) return [`${held} THEN`, ...dynamic(`la${at}`, `lp${at}`, `ld${at}`)]
        const { min, max } = within
        return [
          `${held} AND lp${at} = ${min.per} THEN`,
          ...dynamic(
            `least(greatest(la${at}, ${min.amount}), ${max.amount})`,
            `lp${at}`,
            `least(greatest(ld${at}, ${depthOf(min)}), ${depthOf(max)})`,
          ),
        ]
      })
      lines.push(...branches, `ELSE ${inForce(column, check.limit)}`, 'END IF;', charge(column, writing))
    }
    const own = `p_limits[lim + ${i * 3}`
    told.push(
      `IF ${own} + 1] > 0 THEN`,
      ...dynamic(`${own} + 1]`, `${own} + 2]`, `${own} + 3]`),
      charge(column, writing),
      'END IF;',
    )
  }
  if (!ownLimits || told.length === 0) return lines
  return [
    ...lines,
    'lim := p_asks[w + 4];',
    // Setting `last` makes the next ask read its costs list, and thus the plan's limits, again.
    `IF lim > 0 THEN lim := (lim - 1) * ${checks * 3}; last := 0;`,
    ...told,
    'lim := 1; END IF;',
  ]
}

/** Returns the condition that a check is skipped for the current ask; undefined if it never is. */
export function exemption({ check }: Column, { marks }: Layout): string | undefined {
  if (check.unless === undefined || check.unless.anyOf.length === 0) return undefined
  const { subject, anyOf } = check.unless
  const held = anyOf.map((name) => `m${subject}_${marks.indexOf(name)}[u${subject}] > clock`)
  return `(u${subject} > 0 AND (${held.join(' OR ')}))`
}

/** Returns until when a check is banned; undefined if it has no penalty. */
export function ban(column: Column, s: string): string | undefined {
  if (column.check.onRefusal?.penalty === undefined) return undefined
  return `coalesce((${s}.section(x${column.scope}, ${column.penaltyTag}))[4], 0)`
}

/** Returns the condition that a check is asked and was not skipped. */
export function isCharged(column: Column, { layout }: Writing): string {
  const { index: i } = column
  const asked = `c${i} <> 0 AND ${subjectIn(column)}`
  return mayBeLeftOut(column, layout)
    ? `${asked} AND (skipped IS NULL OR skipped & ${bit(column)} = 0)`
    : asked
}

function mayBeLeftOut(column: Column, layout: Layout): boolean {
  const { check, index } = column
  const waived = layout.columns.some((each) => each.index < index && each.check.kind === 'claim')
  return waived || check.shadow === true || check.unless !== undefined || check.kind === 'claim'
}

/** Judges one check of the current ask; a refusal ends the judging. */
export function judged(column: Column, writing: Writing): string[] {
  const { layout, s } = writing
  const { index: i, check, scope } = column
  const shadow = check.shadow === true
  const limits = check.kind !== 'absent' && check.kind !== 'present'
  const skip = limits ? `skipped := coalesce(skipped, 0) | ${bit(column)};` : ''
  const reasons: string[] = []
  if (limits && layout.columns.some((each) => each.index < i && each.check.kind === 'claim')) {
    reasons.push(shadow ? 'waives > 0' : 'waives > 1')
  }
  const out = exemption(column, layout)
  if (out !== undefined) reasons.push(out)
  const bannedUntil = ban(column, s)
  const banned =
    bannedUntil === undefined
      ? []
      : [
          `IF array_position(x${scope}, ${column.penaltyTag}) > 0 THEN`,
          `  ban := ${bannedUntil} - now;`,
          `  IF ban > 0 THEN wait := greatest(wait, ban); told := ${i}; cause := 1; END IF;`,
          'END IF;',
        ]
  const refuses = shadow
    ? `IF wait > 0 THEN shadows := coalesce(shadows, 0) | ${bit(column)}; wait := NULL; told := NULL; cause := NULL; ${skip} END IF;`
    : `IF wait > 0 THEN refuser := ${i}; told := coalesce(told, ${i}); EXIT judged; END IF;`
  const body =
    check.kind === 'claim'
      ? [...claim(column, writing, check, banned), refuses]
      : banned.length === 0
        ? own(column, writing, refuses)
        : [...own(column, writing, ''), ...banned, refuses]
  return [
    `-- ${i}: ${formOf(check)}`,
    `IF c${i} <> 0 AND ${subjectIn(column)} THEN`,
    ...(reasons.length === 0 ? [] : [`IF ${reasons.join(' OR ')} THEN ${skip === '' ? 'NULL;' : skip} ELSE`]),
    ...body,
    ...(reasons.length === 0 ? [] : ['END IF;']),
    'END IF;',
  ]
}

/** A sequence has its subject in its chunk: its scope may have no records. */
function subjectIn(column: Column): string {
  return column.sequence >= 0 ? `i${column.index} > 0` : `u${column.scope} > 0`
}

/** @param refuses Statements to run right after the check has set how long to wait. */
function own(column: Column, writing: Writing, refuses: string): string[] {
  const { layout, s } = writing
  const { check, scope, index: i } = column
  const until = (name: string): string => `m${scope}_${layout.marks.indexOf(name)}[u${scope}]`
  const { amount, per, most } = limitIn(column, writing)
  switch (check.kind) {
    case 'absent':
      return check.anyOf.length === 0
        ? []
        : [
            `IF ${check.anyOf.map((name) => `${until(name)} > clock`).join(' OR ')} THEN`,
            `  wait := greatest(${check.anyOf.map((name) => `CASE WHEN ${until(name)} = ${INFINITE} THEN ${INFINITE} ELSE ${until(name)} - clock END`).join(', ')});`,
            `  ${refuses}`,
            'END IF;',
          ]
    case 'present': {
      const held = check.anyOf.map((name) => `${until(name)} > clock`)
      return [
        `IF NOT (${held.length === 0 ? 'false' : held.join(' OR ')}) THEN wait := ${INFINITE}; ${refuses} END IF;`,
      ]
    }
    case 'bucket':
      return [
        `o${i} := g${i} + ${missing(column, writing)};`,
        `IF o${i} > ${most} THEN`,
        `  wait := CASE WHEN g${i} > ${most} THEN ${INFINITE} ELSE (o${i} - ${most} + ${amount} - 1) / ${amount} END;`,
        `  ${refuses}`,
        'END IF;',
      ]
    case 'window':
      break
    default:
      return []
  }
  const nothing = `IF g${i} > ${most} THEN wait := ${INFINITE};`
  if (check.form === 'log') {
    return [
      `y${i} := ${s}.section(x${scope}, ${column.tag});`,
      nothing,
      `ELSE wait := greatest(0, coalesce(${s}.log_nth(y${i}, ${most} - g${i} + 1) + ${per} - now, 0));`,
      'END IF;',
      refuses,
    ]
  }
  if (check.form === 'fixed') {
    return [
      `o${i} := CASE WHEN ${cell(column)} + ${per} > now THEN ${cell(column, 1)} ELSE 0 END;`,
      nothing,
      `ELSIF o${i} + g${i} > ${most} THEN wait := ${cell(column)} + ${per} - now;`,
      'END IF;',
      refuses,
    ]
  }
  return [
    ...spans(column, writing),
    nothing,
    `ELSIF e${i} * (f${i} + ${per} - now) + (o${i} + g${i}) * ${per} > ${most}::int8 * ${per} THEN`,
    `  wait := ${s}.counters_wait(o${i}, e${i}, ${most} - g${i}, ${per}, f${i} + ${per} - now);`,
    'END IF;',
    refuses,
  ]
}

/** Units missing from a bucket. Its record stores when it will be full, in 2^-19 ms. */
export function missing(column: Column, writing: Writing): string {
  const { amount } = limitIn(column, writing)
  const left = `(${cell(column)} - (now << 19))`
  return `CASE WHEN ${cell(column)} > now << 19 THEN (${left} >> 19) * ${amount} + (((${left} & 524287) * ${amount} + 262144) >> 19) ELSE 0 END`
}

/** Sets, for two counters: start of the current span (f), usage in it (o), usage in the span before (e). */
export function spans(column: Column, writing: Writing): string[] {
  const { index: i } = column
  const { per } = limitIn(column, writing)
  const [start, used, before] = [cell(column, 0), cell(column, 1), cell(column, 2)]
  return [
    `IF ${start} + ${per} > now THEN f${i} := ${start}; o${i} := ${used}; e${i} := ${before};`,
    `ELSIF ${start} + 2 * ${per}::int8 > now THEN f${i} := ${start} + ${per}; o${i} := 0; e${i} := ${used};`,
    `ELSE f${i} := now; o${i} := 0; e${i} := 0; END IF;`,
  ]
}

/**
 * Finds the state of a claim and its effects. A claim that is held, or that waives what an earlier taker paid for, is not taken.
 */
function claim(column: Column, { layout, s }: Writing, check: ClaimCheck, banned: string[]): string[] {
  const { index: i, scope, heldTag, listTag, sequence: q } = column
  const waive = check.shadow === true ? 'waives := greatest(waives, 1);' : 'waives := 2; waived := 1;'
  // A ban cancels what a claim would have waived.
  const waiveUnlessBanned = banned.length === 0 ? waive : `IF cause IS DISTINCT FROM 1 THEN ${waive} END IF;`
  const skip = `skipped := coalesce(skipped, 0) | ${bit(column)};`
  if (q >= 0) {
    return [
      `IF q${q}_l[i${i}] > now THEN`,
      `  st := (get_byte(q${q}_b[i${i}], (t${i} >> 2)::int4) >> ((t${i} & 3) * 2)::int4) & 3;`,
      '  IF st <> 0 THEN',
      '    IF st = 3 THEN',
      `      d := ${s}.running_until((q${q}_x[i${i}]).v, t${i});`,
      '      IF d <= now THEN st := 2; END IF;',
      '    END IF;',
      `    IF st <> 2 THEN wait := CASE WHEN st = 1 THEN q${q}_l[i${i}] ELSE least(q${q}_l[i${i}], d) END - now; END IF;`,
      '  END IF;',
      'ELSE st := 0; END IF;',
      ...banned,
      `IF st = 2 THEN ${waiveUnlessBanned} END IF;`,
    ]
  }
  const refusers = layout.columns
    .filter((each) => each.check.shadow !== true)
    .map(({ slot, index }) => `WHEN ${slot} THEN ${index}`)
  const refuser = refusers.length === 0 ? 'NULL' : `CASE b ${refusers.join(' ')} END`
  const [token, until] = [cell(column, 0), cell(column, 1)]
  const waits = 'wait := k - now; IF st = 4 THEN told := b; cause := 2; END IF;'
  return [
    `h${i} := 0; st := 0;`,
    `IF ${until} > now AND ${token} = t${i} THEN st := 1; k := ${until};`,
    `ELSIF array_position(x${scope}, t${i}) > 0 THEN`,
    `  v := ${s}.claim_in(x${scope}, ${heldTag}, ${listTag}, t${i}, now);`,
    '  IF v IS NOT NULL THEN',
    `    st := v[4] & 7; k := v[1]; h${i} := v[5];`,
    '    IF st = 3 THEN',
    '      IF v[2] <= now THEN st := 2; ELSE k := least(k, v[2]); END IF;',
    '    ELSIF st = 4 THEN',
    // Looked up by slot, since the plan may have changed. If no check of that slot can refuse any longer, the claim is free.
    `      b := v[4] >> 3; b := ${refuser};`,
    '      IF b IS NULL THEN st := 0; END IF;',
    '    END IF;',
    '  END IF;',
    'END IF;',
    ...(check.whenHeld === 'waive'
      ? [
          `IF st = 4 THEN ${waits} ELSIF st = 1 OR st = 3 THEN ${skip} END IF;`,
          ...banned,
          `IF st BETWEEN 1 AND 3 THEN ${waiveUnlessBanned} END IF;`,
        ]
      : [
          `IF st = 1 OR st >= 3 THEN ${waits} END IF;`,
          ...banned,
          `IF st = 2 THEN ${waiveUnlessBanned} END IF;`,
        ]),
  ]
}
