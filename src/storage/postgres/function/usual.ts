import { depthOf } from '../../../core/limit.js'
import { variantsOf } from '../../contract/plan.js'
import { type Column, type Layout, lifeOf, type ScopeLayout } from '../layout.js'
import { isUsed, lockTables, rowWidth } from './general.js'
import {
  bucketsOf,
  mayBeOrdinary,
  missed,
  missing,
  ordinary,
  type Sight,
  type StateAfter,
  stateAfter,
} from './ordinary.js'

/*
 * A function of a plan for many ordinary asks, each of another subject: every cost 0 or 1, and records of only one scope. One
 * statement decides all of them together, because the overhead of PL/pgSQL per ask is several times that of the rows. Other asks
 * are handed over to the first function in the same transaction; all their rows are locked by then, so there can be no deadlock.
 */

/** What such a function can decide. */
export interface UsualForm {
  /** The scope whose records it writes. */
  readonly main: ScopeLayout
  /** Scopes whose subjects it is given: the main one, and those whose marks it reads. */
  readonly scopes: readonly ScopeLayout[]
  /** Claims whose tokens it is given. */
  readonly claims: readonly Column[]
  /** The only sequence, if there is one. */
  readonly sequence: Column | undefined
  /** By check: whether it may be asked. */
  readonly checks: readonly boolean[]
}

/** Returns what such a function of a plan can decide; undefined if it would be of no use. */
export function usualOf({ scopes, columns, sequences }: Layout): UsualForm | undefined {
  if (sequences.length > 1) return undefined
  const main = scopes.find(
    ({ space, columns: own }) =>
      space !== 0 && own.some((each) => each.cells.length > 0 && mayBeOrdinary(each)),
  )
  if (main === undefined) return undefined
  const told = scopes.filter((scope) => scope === main || (scope.space === 0 && scope.marks.length > 0))
  const isTold = (scope: number): boolean => told.some((each) => each.scope === scope)
  const checks = columns.map((column) => {
    const { check } = column
    if (!mayBeOrdinary(column)) return false
    // A sequence has its subject in its chunk: its scope may have no records.
    if (!isTold(column.scope) && (column.sequence < 0 || scopes[column.scope]?.space !== 0)) return false
    const others = [...(check.unless === undefined ? [] : [check.unless]), ...variantsOf(check)]
    return others.every(({ subject }) => isTold(subject))
  })
  const claims = columns.filter(({ claim, index }) => claim >= 0 && checks[index] === true)
  const sequence = claims.find((column) => column.sequence >= 0)
  if (!main.columns.some(({ cells, index }) => cells.length > 0 && checks[index] === true)) return undefined
  return { main, scopes: told, claims, sequence, checks }
}

/** The arguments of the function, and its body. */
interface UsualText {
  readonly args: string
  readonly body: string
}

const [BOT, OWN, CLOCK, OWNER, CHUNK] = ['p[1]', 'p[3]', 'p[4]', 'p[5]', 'p[6]']
const SERIAL = 'p[2]'
const subjectsOf = ({ scope }: ScopeLayout): string => `p_u${scope}`
const tokensOf = ({ index }: Column): string => `p_t${index}`
/** The variable that holds one column of the answer for all decided asks. */
const variable = (column: string): string => `all_${column}`
/** The variable that holds the subjects of a scope that are handed over. */
const distinct = ({ scope }: ScopeLayout): string => `d${scope}`
const subjectName = ({ scope }: ScopeLayout): string => `u${scope}`
const tokenName = ({ index }: Column): string => `t${index}`
const oldName = (cell: number): string => `k${cell}`
const askedAt = (column: Column, asked: string): string => `${asked} & ${2 ** column.index} <> 0`

/**
 * How the statement that judges all asks refers to one of them. Cells are taken out of the record's array only once, because
 * Postgres copies the whole array for each access.
 */
const sight: Sight = {
  asked: (column) => askedAt(column, 'asked'),
  cell: ({ cells }, nth) => oldName(cells[nth] as number),
  token: tokenName,
  held: (subject, mark) => `h${subject}_${mark} IS TRUE`,
  free: (subject, mark) => `h${subject}_${mark} IS NOT TRUE`,
  bits: () => '(SELECT bits FROM q)',
  lapses: () => '(SELECT lapses FROM q)',
}

/** @param handOver Name of the plan's first function. */
export function usualFunction(layout: Layout, form: UsualForm, s: string, handOver: string): UsualText {
  const { main, scopes, claims, sequence } = form
  const args = [
    ...['p int8[]', 'p_names text[]', 'p_texts text[]', 'p_asked int8[]'],
    ...scopes.map((scope) => `${subjectsOf(scope)} int8[]`),
    ...claims.map((column) => `${tokensOf(column)} int8[]`),
  ]
  const lefts = bucketsIn(layout, form).map(leftName)
  const cells = cellNames(main)
  const all = `cardinality(${subjectsOf(main)})`
  const body = [
    '',
    '-- Decides, in one statement, all asks of the usual form, each of another subject; hands the others over to the general function.',
    '--   p: bot, serial, the time to decide by (-1: that of the server), clock; owner (0: none) and chunk of the sequence',
    '--   p_names, p_texts: as for the general function',
    '--   p_asked: for each ask, the checks with a cost of one as bits',
    '--   p_u…: for each ask, its subject in that scope (0: none); in the scope whose records are written, sorted and distinct',
    '--   p_t…: for each ask, the token of that claim; for a sequence, the number in the chunk',
    '-- Result: the time of the decision, clock, how many asks were decided here; their numbers, from 1; for each bucket what is left to',
    '--   each (-1: not asked); then, if others were handed over, what the general function returned for them',
    '#variable_conflict use_column',
    'DECLARE',
    '  rows int8; moment int8; told int8; bitmap bytea; chunk tid; all_places tid[]; others int4[]; res int8[];',
    ...[...['done', ...lefts, ...cells].map(variable), ...scopes.map(distinct)].map(
      (name) => `  ${name} int8[];`,
    ),
    'BEGIN',
    lockTables(layout, s),
    'LOOP',
    ...judged(layout, form, s),
    `EXIT WHEN rows = ${all};`,
    `INSERT INTO ${s}.records (space, bot, subject, layout, expires, state)`,
    `  SELECT ${main.space}, ${BOT}, id, ${main.layout}, 0, array_fill(0::int8, ARRAY[${main.cells}])`,
    `  FROM unnest(${subjectsOf(main)}) id ORDER BY id ON CONFLICT DO NOTHING;`,
    'END LOOP;',
    // A separate statement, since the one above does not see what others wrote while it waited for the rows. One list is unnested
    // and the others are indexed by position, which is faster than unnesting them as well.
    `IF ${variable('places')} IS NOT NULL THEN`,
    `UPDATE ${s}.records r SET expires = greatest(r.expires, moment + ${lifeOf(layout.plan)}), state = ARRAY[${cells.map((name) => `${variable(name)}[nth]`).join(', ')}]`,
    `FROM unnest(${variable('places')}) WITH ORDINALITY AS w(place, nth) WHERE r.ctid = w.place;`,
    'END IF;',
    ...(sequence === undefined ? [] : take(sequence, s)),
    `res := ARRAY[moment, told, coalesce(cardinality(all_done), 0)] || ${['done', ...lefts].map(variable).join(' || ')};`,
    `IF cardinality(all_done) = ${all} THEN RETURN res; END IF;`,
    `others := ARRAY(SELECT a FROM generate_series(1, ${all}) a WHERE all_done IS NULL OR a <> ALL (all_done) ORDER BY a);`,
    ...scopes.map((scope) => {
      const subject = `${subjectsOf(scope)}[a]`
      return `${distinct(scope)} := ARRAY(SELECT DISTINCT ${subject} FROM unnest(others) a WHERE ${subject} <> 0 ORDER BY 1);`
    }),
    `RETURN res || ${handedOver(layout, form, `${s}.${handOver}`)};`,
    'END',
  ].join('\n')
  return { args: args.join(', '), body }
}

/** Returns the buckets that the function charges. */
function bucketsIn(layout: Layout, { checks }: UsualForm): Column[] {
  return bucketsOf(layout).filter(({ index }) => checks[index] === true)
}

const leftName = ({ index }: Column): string => `l${index}`
const cellNames = ({ cells }: ScopeLayout): string[] =>
  Array.from({ length: cells }, (_, nth) => `c${nth + 1}`)

/**
 * Locks all rows, checks whether each ask is ordinary, and computes the new cells of those that are. The subqueries are, in
 * order: l the records; c their count; q the chunk, if all records exist; t the time, read after everything is locked; v the
 * units missing from buckets; j the asks.
 */
function judged(layout: Layout, form: UsualForm, s: string): string[] {
  const { main, scopes, claims, sequence } = form
  const buckets = bucketsIn(layout, form)
  const usual = layout.columns.filter(({ index }) => form.checks[index] === true)
  const all = `cardinality(${subjectsOf(main)})`
  const conditions = [
    'punctual',
    `form = ${main.layout}`,
    `(beyond IS NULL OR ${s}.all_lapsed(beyond, now))`,
    // Most checks are asked and most are ordinary, so whether a check is not asked is tested last.
    ...usual.map((column) => `(${ordinary(column, layout, sight)} OR asked & ${2 ** column.index} = 0)`),
  ]
  // Always defined: without cells to charge, `usualOf()` returns no form.
  const after = stateAfter(
    main.columns.filter((column) => usual.includes(column)),
    main.cells,
    oldName,
    sight,
  ) as StateAfter
  const answer = new Map([
    ['done', 'a::int8'],
    ...buckets.map((column): [string, string] => [leftName(column), leftOf(column)]),
  ])
  const written = new Map([
    ['places', 'tid'],
    ...cellNames(main).map((name, nth): [string, string] => [name, after.cells[nth] as string]),
  ])
  const names = [...answer.keys(), ...written.keys()]
  const listed = [
    ...[...answer].map(([name, value]) => `array_agg(${value}) AS ${name}`),
    // Records that are not charged need not be written.
    ...[...written].map(([name, value]) => `array_agg(${value}) FILTER (WHERE writes) AS ${name}`),
  ]
  const chunk = sequence === undefined ? [] : ['(SELECT bits FROM q)', '(SELECT tid FROM q)']
  const cells = Array.from({ length: main.cells }, (_, nth) => oldName(nth + 1))
  const lists = [...scopes.map(subjectsOf), 'p_asked', ...claims.map(tokensOf)]
  const told = [...scopes.map(subjectName), 'asked', ...claims.map(tokenName)]
  return [
    'WITH l AS MATERIALIZED (',
    // One index look-up per subject, in order, regardless of the table's size when the statement was planned.
    `  SELECT * FROM unnest(${lists.join(', ')}) WITH ORDINALITY w(${told.join(', ')}, a), LATERAL (`,
    `    SELECT ${['layout AS form', 'ctid AS tid', ...cells.map((name, nth) => `state[${nth + 1}] AS ${name}`)].join(', ')},`,
    `      CASE WHEN cardinality(state) <> ${main.cells} THEN state[${main.cells + 1}:] END AS beyond`,
    `    FROM ${s}.records WHERE space = ${main.space} AND bot = ${BOT} AND subject = ${subjectName(main)} FOR UPDATE) r`,
    '), c AS MATERIALIZED (SELECT count(*) AS rows FROM l',
    ...(sequence === undefined
      ? []
      : [
          '), q AS MATERIALIZED (',
          `  SELECT bits, lapses, ctid AS tid FROM c, ${s}.chunks`,
          `  WHERE rows = ${all} AND slot = ${sequence.chunk} AND bot = ${BOT} AND subject = ${OWNER} AND number = ${CHUNK}`,
          '  FOR UPDATE OF chunks',
        ]),
    '), t AS MATERIALIZED (',
    `  SELECT rows, clock, CASE WHEN ${OWN} >= 0 THEN ${OWN} ELSE clock + skew END AS now,`,
    `    rows = ${all} AND (${OWN} >= 0 OR clock BETWEEN high AND high + 1000) AS punctual`,
    '  FROM (',
    `    SELECT rows, CASE WHEN ${OWN} >= 0 THEN ${CLOCK} ELSE floor(extract(epoch FROM clock_timestamp()) * 1000)::int8 END AS clock`,
    `    FROM c${sequence === undefined ? '' : ', (SELECT count(*) FROM q) locked'} OFFSET 0`,
    `  ) m LEFT JOIN ${s}.clocks ON bot = ${BOT}`,
    ')',
    `SELECT ${['t.rows', 't.now', 't.clock', ...names, ...chunk].join(', ')}`,
    `  INTO ${['rows', 'moment', 'told', ...names.map(variable), ...(sequence === undefined ? [] : ['bitmap', 'chunk'])].join(', ')}`,
    // OFFSET 0 prevents the planner from inlining the subquery, which would judge each ask again for every list.
    `FROM t, (SELECT ${listed.join(', ')} FROM (`,
    `  SELECT ${['a', 'tid', 'now', 'asked', ...claims.map(tokenName), ...cells, ...buckets.map(missed)].join(', ')},`,
    `    ${after.changing.join(' OR ')} AS writes, (${conditions.join('\n    AND ')}) IS TRUE AS fits`,
    `  FROM (SELECT ${['l.*', 'now', 'clock', 'punctual', ...buckets.map((column) => `${missing(column, sight)} AS ${missed(column)}`)].join(', ')} FROM l, t OFFSET 0) v`,
    ...scopes.filter(({ marks }) => marks.length > 0).map((scope) => `  ${marksOf(scope, s)}`),
    '  OFFSET 0) j WHERE fits) d;',
  ]
}

/** Returns what is left of a bucket for a decided ask, in units. */
function leftOf(column: Column): string {
  const { check } = column
  if (check.kind !== 'bucket') return ''
  return `CASE WHEN ${sight.asked(column)} THEN ${depthOf(check.limit)} - ${missed(column)} ELSE -1 END`
}

/** Joins the marks held by a scope's subject, by their numbers in the plan. */
function marksOf(scope: ScopeLayout, s: string): string {
  const subject = subjectName(scope)
  const held = scope.marks.map(
    (mark) =>
      `bool_or(name = p_names[${mark + 1}] AND coalesce(until > clock, true)) AS h${scope.scope}_${mark}`,
  )
  return `LEFT JOIN LATERAL (SELECT ${held.join(', ')} FROM ${s}.marks WHERE bot = ${BOT} AND subject = ${subject} AND (subject > 0 OR key = ANY (p_texts))) m${scope.scope} ON true`
}

/** Takes the tokens of the decided asks. */
function take(column: Column, s: string): string[] {
  const { check } = column
  if (check.kind !== 'claim') return []
  const token = `${tokensOf(column)}[a]`
  const at = `(${token} >> 2)::int4`
  return [
    'IF chunk IS NOT NULL AND all_done IS NOT NULL THEN',
    'DECLARE a int8; taken boolean; BEGIN',
    'FOREACH a IN ARRAY all_done LOOP',
    `  IF ${askedAt(column, 'p_asked[a]')} THEN`,
    `    bitmap := set_byte(bitmap, ${at}, get_byte(bitmap, ${at}) | (1 << ((${token} & 3) * 2)::int4)); taken := true;`,
    '  END IF;',
    'END LOOP;',
    'IF taken THEN',
    `  UPDATE ${s}.chunks SET lapses = moment + ${Math.ceil(check.holdFor)}, bits = bitmap WHERE ctid = chunk;`,
    'END IF;',
    'END;',
    'END IF;',
  ]
}

/** Returns the call of the first function for asks that were not decided here. */
function handedOver(layout: Layout, { scopes, claims, sequence }: UsualForm, name: string): string {
  const { columns, sequences } = layout
  const told = new Map(scopes.map((scope) => [scope.scope, scope]))
  const all = layout.scopes.filter(isUsed)
  const place = (scope: ScopeLayout | undefined): string => {
    if (scope === undefined) return '0'
    const subject = `${subjectsOf(scope)}[a]`
    return `CASE WHEN ${subject} = 0 THEN 0 ELSE width_bucket(${subject}, ${distinct(scope)}) END`
  }
  const row = [
    ...[OWN, CLOCK, 'nth', '0'],
    ...all.map(({ scope }) => place(told.get(scope))),
    ...columns
      .filter(({ claim }) => claim >= 0)
      .flatMap((column) => {
        const token = claims.includes(column) ? `${tokensOf(column)}[a]` : '0'
        if (column.sequence < 0) return [token]
        return [column === sequence ? `CASE WHEN ${OWNER} = 0 THEN 0 ELSE 1 END` : '0', token]
      }),
  ]
  if (row.length !== rowWidth(layout)) throw new Error('An ask has another width here.')
  const costs = columns.map((column) => `CASE WHEN ${askedAt(column, 'p_asked[a]')} THEN 1 ELSE 0 END`)
  const rows = (values: readonly string[], type: string): string =>
    `ARRAY(SELECT value FROM unnest(others) WITH ORDINALITY o(a, nth), unnest(ARRAY[${values.join(', ')}]::${type}[]) WITH ORDINALITY v(value, part) ORDER BY nth, part)`
  const owned = (value: string): string => `CASE WHEN ${OWNER} = 0 THEN '{}'::int8[] ELSE ARRAY[${value}] END`
  const list = [
    ...[BOT, 'true', SERIAL, 'p_names', 'p_texts', rows(costs, 'float8'), `'{}'`, rows(row, 'int8')],
    ...all.map(({ scope }) => {
      const own = told.get(scope)
      return own === undefined ? `'{}'::int8[]` : distinct(own)
    }),
    ...sequences.flatMap((column) =>
      column === sequence ? [owned(OWNER), owned(CHUNK)] : [`'{}'::int8[]`, `'{}'::int8[]`],
    ),
  ]
  return `${name}(${list.join(', ')})`
}
