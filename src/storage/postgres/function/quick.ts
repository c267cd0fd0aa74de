import { depthOf } from '../../../core/limit.js'
import { variantsOf } from '../../contract/plan.js'
import { type Column, type Layout, lifeOf, type ScopeLayout } from '../layout.js'
import { isUsed, lockTables } from './general.js'
import { bucketsOf, missed, missing, ordinary, type Sight, stateAfter } from './ordinary.js'

/*
 * A second function of a plan, for a single ordinary ask: every cost 0 or 1, no subject without a record, no mark that changes
 * anything, enough room. In any other case it has written nothing and hands over to the first function. An expression of PL/pgSQL
 * costs a microsecond to set up per call, however often it then runs. With one ask per call that is most of the time, so this
 * function has few expressions and no arrays of cells.
 */

/** The arguments of the function, and its body. */
interface QuickText {
  readonly args: string
  readonly body: string
}

/** Positions in the array of numbers of an ask: bot, serial, own time, clock, checks that are asked; then what the plan needs. */
class Places {
  static readonly BOT = 'p[1]'
  static readonly SERIAL = 'p[2]'
  static readonly OWN = 'p[3]'
  static readonly CLOCK = 'p[4]'
  static readonly ASKED = 'p[5]'
  private readonly scopes = new Map<number, number>()
  private readonly claims = new Map<number, number>()

  constructor({ scopes, columns }: Layout) {
    let next = 6
    for (const { scope } of scopes.filter(isUsed)) this.scopes.set(scope, next++)
    for (const { index, claim, sequence } of columns) {
      if (claim < 0) continue
      this.claims.set(index, next)
      next += sequence < 0 ? 1 : 3
    }
  }

  /** The subject of a scope; 0 if there is none, or no asked check reads it. */
  subject(scope: number): string {
    return `p[${this.scopes.get(scope)}]`
  }

  /** For sequences: the subject, and below the number of the chunk. */
  owner({ index }: Column): string {
    return `p[${this.claims.get(index)}]`
  }

  chunk({ index }: Column): string {
    return `p[${(this.claims.get(index) as number) + 1}]`
  }

  token({ index, sequence }: Column): string {
    return `p[${(this.claims.get(index) as number) + (sequence < 0 ? 0 : 2)}]`
  }
}

const isAsked = ({ index }: Column): string => `${Places.ASKED} & ${2 ** index} <> 0`
const isNotAsked = ({ index }: Column): string => `${Places.ASKED} & ${2 ** index} = 0`

/** @param handOver Name of the plan's first function. */
export function quickFunction(layout: Layout, s: string, handOver: string): QuickText {
  const scopes = layout.scopes.filter(isUsed)
  const { columns, sequences } = layout
  const places = new Places(layout)
  const sole = sequences.length === 1 ? sequences[0] : undefined
  const sight = sightOf(places)
  const loads: Load[] = [
    ...[...scopes].sort((a, b) => a.space - b.space).map((scope) => load(scope, places, s)),
    // A single chunk is read and written by one statement, below. With several, all must be read before any is written.
    ...(sole === undefined ? [...sequences].sort((a, b) => a.chunk - b.chunk) : []).map((column) =>
      loadChunk(column, places, s),
    ),
  ]
  if (loads.length === 0) loads.push({ picked: [], into: [], from: '' })
  const conditions = [
    `(${Places.OWN} >= 0 OR clock BETWEEN k[1] AND k[1] + 1000)`,
    ...scopes
      .filter(({ space }) => space !== 0)
      .map(
        ({ scope, cells }) =>
          `(${places.subject(scope)} = 0 OR cardinality(s${scope}) = ${cells} OR cardinality(s${scope}) > ${cells} AND ${s}.all_lapsed(s${scope}[${cells + 1}:], now))`,
      ),
    ...columns
      .filter((column) => column !== sole)
      .map((column) => `(${unasked(column, places)} OR ${ordinary(column, layout, sight)})`),
  ]
  const body = [
    '',
    '-- Decides one ask of the usual form; hands any other ask over to the general function.',
    '--   p: bot, serial, the time to decide by (-1: that of the server), clock, checks that cost one, as bits; then for each scope',
    '--   its subject (0: none); then for each claim its token or, for a sequence, its owner (0: none), its chunk, and the number in it',
    '--   p_names, p_texts: as for the general function',
    '-- Result: as of the general function.',
    '#variable_conflict use_column',
    'DECLARE',
    '  k int8[]; now int8; clock int8;',
    ...scopes.map(declared),
    ...sequences.map(({ sequence: q }) => `  b${q} bytea; l${q} int8; v${q} tid;`),
    ...bucketsOf(layout).map((column) => `  ${missed(column)} int8;`),
    'BEGIN',
    lockTables(layout, s),
    ...loads.map(({ picked, into, from }, nth) => {
      const last = nth === loads.length - 1
      const clocks = last ? [`(SELECT ARRAY[high, skew] FROM ${s}.clocks WHERE bot = ${Places.BOT})`] : []
      return `SELECT ${[...picked, ...clocks].join(', ')} INTO ${[...into, ...(last ? ['k'] : [])].join(', ')} ${from};`
    }),
    // Read the clock after the rows are locked, so that it is not behind times that others have stored.
    `clock := CASE WHEN ${Places.OWN} >= 0 THEN ${Places.CLOCK} ELSE floor(extract(epoch FROM clock_timestamp()) * 1000)::int8 END;`,
    `now := CASE WHEN ${Places.OWN} >= 0 THEN ${Places.OWN} ELSE clock + k[2] END;`,
    ...bucketsOf(layout).map((column) => `${missed(column)} := ${missing(column, sight)};`),
    `IF (${conditions.join('\n  AND ')}) IS NOT TRUE THEN`,
    `  RETURN ${handedOver(layout, places, `${s}.${handOver}`)};`,
    'END IF;',
    ...(sole === undefined
      ? []
      : takeSole(sole, layout, places, s, handedOver(layout, places, `${s}.${handOver}`))),
    ...scopes.filter(({ space }) => space !== 0).flatMap((scope) => store(scope, layout, places, s)),
    ...(sole === undefined ? sequences : []).flatMap((column) => storeChunk(column, places, s)),
    `RETURN ${answer(layout, places)};`,
    'END',
  ].join('\n')
  return { args: 'p int8[], p_names text[], p_texts text[]', body }
}

/** Returns the call of the first function, with the same ask as a batch of one. */
function handedOver(layout: Layout, places: Places, name: string): string {
  const scopes = layout.scopes.filter(isUsed)
  const place = (number: string): string => `CASE WHEN ${number} = 0 THEN 0 ELSE 1 END`
  const list = (number: string, of = number): string =>
    `CASE WHEN ${number} = 0 THEN '{}'::int8[] ELSE ARRAY[${of}] END`
  const costs = layout.columns.map((column) => `CASE WHEN ${isAsked(column)} THEN 1 ELSE 0 END`)
  const row = [
    ...[Places.OWN, Places.CLOCK, '1', '0'],
    ...scopes.map(({ scope }) => place(places.subject(scope))),
    ...layout.columns
      .filter(({ claim }) => claim >= 0)
      .flatMap((column) =>
        column.sequence < 0 ? [places.token(column)] : [place(places.owner(column)), places.token(column)],
      ),
  ]
  const all = [
    ...[Places.BOT, 'true', Places.SERIAL, 'p_names', 'p_texts'],
    `ARRAY[${costs.join(', ')}]::float8[]`,
    `'{}'`,
    `ARRAY[${row.join(', ')}]::int8[]`,
    ...scopes.map(({ scope }) => list(places.subject(scope))),
    ...layout.sequences.flatMap((column) => [
      list(places.owner(column)),
      list(places.owner(column), places.chunk(column)),
    ]),
  ]
  return `${name}(${all.join(', ')})`
}

function declared({ scope, space, marks }: ScopeLayout): string {
  const held = marks.map((mark) => `m${scope}_${mark} float8;`)
  return `  ${space === 0 ? '' : `s${scope} int8[]; t${scope} tid;`} ${held.join(' ')}`
}

interface Load {
  readonly picked: string[]
  readonly into: string[]
  readonly from: string
}

function load({ scope: n, space, layout, marks }: ScopeLayout, places: Places, s: string): Load {
  const subject = places.subject(n)
  // `name || ''` keeps the planner from using the index by name, which is slow because many subjects hold the same mark.
  const held = marks.map(
    (mark) =>
      `(SELECT coalesce(until, 'infinity') FROM ${s}.marks WHERE bot = ${Places.BOT} AND subject = ${subject} AND name || '' = p_names[${mark + 1}] AND (subject > 0 OR key = ANY (p_texts)) LIMIT 1)`,
  )
  const into = marks.map((mark) => `m${n}_${mark}`)
  if (space === 0) return { picked: held, into, from: '' }
  return {
    picked: ['state', 'ctid', ...held],
    into: [`s${n}`, `t${n}`, ...into],
    from: `FROM ${s}.records\n  WHERE space = ${space} AND bot = ${Places.BOT} AND subject = ${subject} AND layout = ${layout} FOR UPDATE`,
  }
}

function loadChunk(column: Column, places: Places, s: string): Load {
  const { sequence: q, chunk } = column
  return {
    picked: ['bits', 'lapses', 'ctid'],
    into: [`b${q}`, `l${q}`, `v${q}`],
    from: `FROM ${s}.chunks\n  WHERE slot = ${chunk} AND bot = ${Places.BOT} AND subject = ${places.owner(column)} AND number = ${places.chunk(column)} FOR UPDATE`,
  }
}

/** Returns the condition that this check is not asked. */
function unasked(column: Column, places: Places): string {
  const subject = column.sequence >= 0 ? places.owner(column) : places.subject(column.scope)
  return `${isNotAsked(column)} OR ${subject} = 0`
}

/** How this function refers to the ask: records and chunks are variables, or columns while a chunk is being updated. */
function sightOf(places: Places, chunk: 'variables' | 'columns' = 'variables'): Sight {
  const until = (subject: number, mark: number): string => `m${subject}_${mark}`
  const of = ({ sequence }: Column, variable: string, column: string): string =>
    chunk === 'columns' ? column : `${variable}${sequence}`
  return {
    asked: isAsked,
    cell: ({ scope, cells }, nth) => `s${scope}[${cells[nth]}]`,
    token: (column) => places.token(column),
    held: (subject, mark) => `coalesce(${until(subject, mark)} > clock, false)`,
    free: (subject, mark) => `coalesce(${until(subject, mark)} <= clock, true)`,
    bits: (column) => of(column, 'b', 'bits'),
    lapses: (column) => of(column, 'l', 'lapses'),
  }
}

function store(
  { scope: n, columns, cells }: ScopeLayout,
  layout: Layout,
  places: Places,
  s: string,
): string[] {
  const after = stateAfter(columns, cells, (cell) => `s${n}[${cell}]`, sightOf(places))
  if (after === undefined) return []
  return [
    `IF ${places.subject(n)} <> 0 AND (${after.changing.join(' OR ')}) THEN`,
    `UPDATE ${s}.records SET expires = greatest(expires, now + ${lifeOf(layout.plan)}), state = ARRAY[${after.cells.join(', ')}]`,
    `  WHERE ctid = t${n};`,
    'END IF;',
  ]
}

/** Takes a token of the only sequence if it is free: one statement finds, locks and writes the row. */
function takeSole(column: Column, layout: Layout, places: Places, s: string, handOver: string): string[] {
  const { check, chunk } = column
  if (check.kind !== 'claim') return []
  const token = places.token(column)
  const at = `(${token} >> 2)::int4`
  return [
    `IF NOT (${unasked(column, places)}) THEN`,
    `UPDATE ${s}.chunks SET lapses = now + ${Math.ceil(check.holdFor)},`,
    `  bits = set_byte(bits, ${at}, get_byte(bits, ${at}) | (1 << ((${token} & 3) * 2)::int4))`,
    `  WHERE slot = ${chunk} AND bot = ${Places.BOT} AND subject = ${places.owner(column)} AND number = ${places.chunk(column)}`,
    `    AND (${ordinary(column, layout, sightOf(places, 'columns'))});`,
    `IF NOT FOUND THEN RETURN ${handOver}; END IF;`,
    'END IF;',
  ]
}

function storeChunk(column: Column, places: Places, s: string): string[] {
  const { check, sequence: q } = column
  if (check.kind !== 'claim') return []
  const token = places.token(column)
  const at = `(${token} >> 2)::int4`
  return [
    `IF ${isAsked(column)} AND ${places.owner(column)} <> 0 THEN`,
    `UPDATE ${s}.chunks SET lapses = now + ${Math.ceil(check.holdFor)},`,
    `  bits = set_byte(bits, ${at}, get_byte(bits, ${at}) | (1 << ((${token} & 3) * 2)::int4)) WHERE ctid = v${q};`,
    'END IF;',
  ]
}

function answer(layout: Layout, places: Places): string {
  const lefts = bucketsOf(layout).map((column) => {
    const { check, index } = column
    if (check.kind !== 'bucket') return ''
    const depth = depthOf(check.limit)
    const told =
      variantsOf(check).length === 0
        ? `ARRAY[${depth} - o${index}]`
        : `ARRAY[${depth} - o${index}, ${check.limit.amount}, ${check.limit.per}, ${depth}]`
    return `CASE WHEN ${unasked(column, places)} THEN '{}'::int8[] ELSE ${told} END`
  })
  return [`ARRAY[now, clock, 0]::int8[]`, ...lefts].join(' || ')
}
