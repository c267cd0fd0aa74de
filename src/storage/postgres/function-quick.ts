import { isUsed } from './function.js'
import { type Column, depthOf, formOf, type Layout, lifeOf, type ScopeLayout, variantsOf } from './layout.js'

/*
 * A second function of a plan, for one ask out of the ordinary way of updates: every cost nought or one, nobody asked for
 * that was not seen before, no mark that changes anything, room everywhere. Whatever else comes up, it has written nothing
 * and hands over to the first. An expression of PL/pgSQL costs a microsecond a call to set up, however often it runs then:
 * with one ask a call that is most of the time, so there are few expressions here, and no arrays of cells.
 */

/** Where the numbers of an ask are in its row. */
interface Places {
  readonly scopes: ReadonlyMap<number, number>
  readonly claims: ReadonlyMap<number, { readonly chunk: number; readonly token: number }>
}

const cost = ({ index }: Column): string => `p_costs[${index + 1}]`

/** @param handOver Asks the plan's first function. */
export function quickBody(layout: Layout, s: string, handOver: string): string {
  const places = placesOf(layout)
  const scopes = layout.scopes.filter(isUsed)
  const { columns, sequences } = layout
  const loads = [
    ...[...scopes].sort((a, b) => a.space - b.space).map((scope) => load(scope, s)),
    ...[...sequences].sort((a, b) => a.chunk - b.chunk).map((column) => loadChunk(column, s)),
  ]
  const conditions = [
    '(p_asks[1] >= 0 OR clock BETWEEN k[1] AND k[1] + 1000)',
    ...scopes
      .filter(({ space }) => space !== 0)
      .map(({ scope, cells }) => `(${at(places.scopes, scope)} = 0 OR cardinality(s${scope}) = ${cells})`),
    ...columns.map((column) => `(${unasked(column, layout, places)} OR ${ordinary(column, layout, places)})`),
  ]
  return [
    '',
    '-- Decides one ask that is as most are, or hands over. Arguments and result as of the function it hands over to.',
    '#variable_conflict use_column',
    'DECLARE',
    '  k int8[]; now int8; clock int8;',
    ...scopes.map(declared),
    ...sequences.map(({ sequence: q }) => `  b${q} bytea; l${q} int8; v${q} tid;`),
    ...buckets(layout).map(({ index }) => `  o${index} int8;`),
    'BEGIN',
    ...loads,
    // First what others noted, then the clock: it is never behind them.
    `IF p_asks[1] >= 0 THEN now := p_asks[1]; clock := p_asks[2];`,
    `ELSE SELECT ARRAY[high, skew] INTO k FROM ${s}.clocks WHERE bot = p_bot;`,
    '  clock := floor(extract(epoch FROM clock_timestamp()) * 1000); now := clock + k[2];',
    'END IF;',
    ...buckets(layout).map(missing),
    `IF (${conditions.join('\n  AND ')}) IS NOT TRUE THEN`,
    `  RETURN ${handOver};`,
    'END IF;',
    ...scopes.filter(({ space }) => space !== 0).flatMap((scope) => store(scope, layout, s)),
    ...sequences.flatMap((column) => storeChunk(column, layout, places, s)),
    `RETURN ${answer(layout, places)};`,
    'END',
  ].join('\n')
}

function placesOf(layout: Layout): Places {
  let next = 4
  const scopes = new Map(layout.scopes.filter(isUsed).map(({ scope }) => [scope, ++next]))
  const claims = new Map<number, { chunk: number; token: number }>()
  for (const { index, claim, sequence } of layout.columns) {
    if (claim < 0) continue
    const chunk = sequence >= 0 ? ++next : 0
    claims.set(index, { chunk, token: ++next })
  }
  return { scopes, claims }
}

function at(places: ReadonlyMap<number, number>, scope: number): string {
  return `p_asks[${places.get(scope) ?? 0}]`
}

function buckets({ columns }: Layout): Column[] {
  return columns.filter(({ check }) => check.kind === 'bucket')
}

function declared({ scope, space, marks }: ScopeLayout): string {
  const held = marks.map((mark) => `m${scope}_${mark} float8;`)
  return `  ${space === 0 ? '' : `s${scope} int8[]; t${scope} tid;`} ${held.join(' ')}`
}

function load({ scope: n, space, layout, marks }: ScopeLayout, s: string): string {
  const subject = `p_r${n}[1]`
  const held = marks.map(
    (mark) =>
      `(SELECT coalesce(until, 'infinity') FROM ${s}.marks WHERE bot = p_bot AND subject = ${subject} AND name || '' = p_names[${mark + 1}] AND (subject > 0 OR key = ANY (p_texts)) LIMIT 1)`,
  )
  const into = marks.map((mark) => `m${n}_${mark}`)
  if (space === 0) return `SELECT ${held.join(', ')} INTO ${into.join(', ')};`
  return [
    `SELECT ${['state', 'ctid', ...held].join(', ')} INTO ${[`s${n}`, `t${n}`, ...into].join(', ')} FROM ${s}.records`,
    `  WHERE space = ${space} AND bot = p_bot AND subject = ${subject} AND layout = ${layout} FOR UPDATE;`,
  ].join('\n')
}

function loadChunk({ sequence: q, chunk }: Column, s: string): string {
  return [
    `SELECT bits, lapses, ctid INTO b${q}, l${q}, v${q} FROM ${s}.chunks`,
    `  WHERE slot = ${chunk} AND bot = p_bot AND subject = p_q${q}s[1] AND number = p_q${q}n[1] FOR UPDATE;`,
  ].join('\n')
}

/** What a bucket misses after a charge of one. */
function missing({ index, check, scope, cells }: Column): string {
  if (check.kind !== 'bucket') return ''
  const { amount, per } = check.limit
  const full = `s${scope}[${cells[0]}]`
  return `o${index} := ${per} + CASE WHEN ${full} > now << 19 THEN ((${full} - (now << 19)) >> 19) * ${amount} + ((((${full} - (now << 19)) & 524287) * ${amount} + 262144) >> 19) ELSE 0 END;`
}

/** Nothing is asked of this check. */
function unasked(column: Column, layout: Layout, places: Places): string {
  const chunk = places.claims.get(column.index)?.chunk ?? 0
  if (chunk > 0) return `${cost(column)} = 0 OR p_asks[${chunk}] = 0`
  const scope = layout.scopes[column.scope] as ScopeLayout
  return isUsed(scope) ? `${cost(column)} = 0 OR ${at(places.scopes, column.scope)} = 0` : 'true'
}

/** This check has nothing to say against it, and no mark changes what it says. */
function ordinary(column: Column, layout: Layout, places: Places): string {
  const { check, index: i, scope, cells, sequence: q } = column
  const until = (subject: number, name: string): string => `m${subject}_${layout.marks.indexOf(name)}`
  const free = (subject: number, name: string): string => `coalesce(${until(subject, name)} <= clock, true)`
  const conditions: string[] = []
  const { unless } = check
  if (unless !== undefined) conditions.push(...unless.anyOf.map((name) => free(unless.subject, name)))
  conditions.push(...variantsOf(check).map(({ mark, subject }) => free(subject, mark)))
  switch (formOf(check)) {
    case 'absent':
      if (check.kind === 'absent') conditions.push(...check.anyOf.map((name) => free(scope, name)))
      break
    case 'present': {
      const held =
        check.kind === 'present'
          ? check.anyOf.map((name) => `coalesce(${until(scope, name)} > clock, false)`)
          : []
      conditions.push(held.length === 0 ? 'false' : `(${held.join(' OR ')})`)
      break
    }
    case 'bucket':
      if (check.kind === 'bucket') conditions.push(`o${i} <= ${depthOf(check.limit)}`)
      break
    case 'sequence': {
      const token = `p_asks[${places.claims.get(i)?.token}]`
      const leased = check.kind === 'claim' && check.lease !== undefined
      const bits = `(get_byte(b${q}, (${token} >> 2)::int4) >> ((${token} & 3) * 2)::int4) & 3`
      conditions.push(leased ? 'false' : `l${q} > now AND (${bits}) = 0`)
      break
    }
    case 'claim': {
      const plain = check.kind === 'claim' && check.lease === undefined && check.retry !== true
      conditions.push(plain ? `s${scope}[${cells[1]}] <= now` : 'false')
      break
    }
    default:
      conditions.push('false')
  }
  return conditions.length === 0 ? 'true' : conditions.join(' AND ')
}

/** New values of a check's cells. */
function charged(column: Column, places: Places): string[] {
  const { check, index: i } = column
  if (check.kind === 'bucket') {
    const { amount } = check.limit
    return [
      `((now + o${i} / ${amount}) << 19) + (((o${i} % ${amount}) << 19) + ${Math.floor(amount / 2)}) / ${amount}`,
    ]
  }
  if (check.kind === 'claim' && column.cells.length === 2) {
    return [`p_asks[${places.claims.get(i)?.token}]`, `now + ${Math.ceil(check.holdFor)}`]
  }
  return []
}

function store({ scope: n, columns, cells }: ScopeLayout, layout: Layout, s: string): string[] {
  const places = placesOf(layout)
  const state = Array.from({ length: cells }, (_, i) => `s${n}[${i + 1}]`)
  const changing: string[] = []
  for (const column of columns) {
    const values = charged(column, places)
    if (values.length === 0) continue
    changing.push(`${cost(column)} > 0`)
    for (const [nth, value] of values.entries()) {
      const cell = column.cells[nth] as number
      state[cell - 1] = `CASE WHEN ${cost(column)} > 0 THEN ${value} ELSE s${n}[${cell}] END`
    }
  }
  if (changing.length === 0) return []
  return [
    `IF ${at(places.scopes, n)} > 0 AND (${changing.join(' OR ')}) THEN`,
    `UPDATE ${s}.records SET expires = greatest(expires, now + ${lifeOf(layout.plan)}), state = ARRAY[${state.join(', ')}]`,
    `  WHERE ctid = t${n};`,
    'END IF;',
  ]
}

function storeChunk(column: Column, _: Layout, places: Places, s: string): string[] {
  const { check, index, sequence: q } = column
  if (check.kind !== 'claim') return []
  const place = places.claims.get(index)
  const token = `p_asks[${place?.token}]`
  const at = `(${token} >> 2)::int4`
  return [
    `IF ${cost(column)} > 0 AND p_asks[${place?.chunk}] > 0 THEN`,
    `UPDATE ${s}.chunks SET lapses = now + ${Math.ceil(check.holdFor)},`,
    `  bits = set_byte(bits, ${at}, get_byte(bits, ${at}) | (1 << ((${token} & 3) * 2)::int4)) WHERE ctid = v${q};`,
    'END IF;',
  ]
}

function answer(layout: Layout, places: Places): string {
  const lefts = buckets(layout).map((column) => {
    const { check, index } = column
    if (check.kind !== 'bucket') return ''
    const depth = depthOf(check.limit)
    const told =
      variantsOf(check).length === 0
        ? `ARRAY[${depth} - o${index}]`
        : `ARRAY[${depth} - o${index}, ${check.limit.amount}, ${check.limit.per}, ${depth}]`
    return `CASE WHEN ${unasked(column, layout, places)} THEN '{}'::int8[] ELSE ${told} END`
  })
  return [`ARRAY[now, clock, 0]::int8[]`, ...lefts].join(' || ')
}
