import { type Column, formOf, type Layout, lifeOf, type ScopeLayout } from '../layout.js'
import { INFINITE, judged, limited, settleLimits, type Writing } from './checks.js'
import { charged, left, noted, refused } from './outcomes.js'
import { chargedTogether, flagged, flagOf, judgedTogether, leftTogether, runsOf } from './runs.js'

/*
 * Writes the function that decides a plan. Its text contains only checked numbers and names made by this package; texts of
 * developers or users (names of marks, keys) are passed as arguments. One call decides a batch in order, so that asks of one
 * subject see each other's charges:
 *
 * - lock the records, in order, and read them into arrays, one per cell; likewise the chunks; look up marks;
 * - for each ask: judge in order; then charge, or apply the consequence of a refusal; report what is left;
 * - write the records that changed.
 */

/** Numbers at the start of each row of the batch: own time, clock, costs list, limits of the ask. */
const HEADER = 4

/** Returns how many numbers an ask takes in a batch. */
export function rowWidth({ scopes, columns, sequences }: Layout): number {
  return (
    HEADER +
    scopes.filter(isUsed).length +
    columns.filter(({ claim }) => claim >= 0).length +
    sequences.length
  )
}

/** Whether anything is read about the subjects of a scope. */
export function isUsed({ space, marks }: ScopeLayout): boolean {
  return space !== 0 || marks.length > 0
}

/**
 * Locks the tables that the functions of a plan write, before anything in them is read. Otherwise a REINDEX could get the table
 * between a function's first read, which holds the index, and its first write: each would wait for the other.
 */
export function lockTables({ scopes, sequences }: Layout, s: string): string {
  const tables = [
    ...(scopes.some(({ space }) => space !== 0) ? [`${s}.records`] : []),
    ...(sequences.length > 0 ? [`${s}.chunks`] : []),
    `${s}.clocks`,
  ]
  return `LOCK TABLE ${tables.join(', ')} IN ROW EXCLUSIVE MODE;`
}

/** The body of the function, and the list of its arguments. */
interface FunctionText {
  readonly args: string
  readonly body: string
}

export function functionOf(writing: Writing): FunctionText {
  const { layout, s } = writing
  const { sequences } = layout
  const scopes = layout.scopes.filter(isUsed)
  const runs = runsOf(writing)
  const args = [
    'p_bot int8',
    'p_commit boolean',
    'p_serial int8',
    'p_names text[]',
    'p_texts text[]',
    'p_costs float8[]',
    'p_limits int8[]',
    'p_asks int8[]',
    ...scopes.map(({ scope }) => `p_r${scope} int8[]`),
    ...sequences.flatMap(({ sequence }) => [`p_q${sequence}s int8[]`, `p_q${sequence}n int8[]`]),
  ]
  const body = [
    header(),
    '#variable_conflict use_column',
    'DECLARE',
    ...declarations(layout, s),
    ...runs.filter(isRun).map((run) => `${flagOf(run)} boolean;`),
    'BEGIN',
    `IF p_commit THEN ${lockTables(layout, s)} END IF;`,
    // The same order in every plan of the schema, which prevents deadlocks.
    ...[...scopes].sort((a, b) => a.space - b.space).flatMap((scope) => load(scope, s)),
    ...[...sequences].sort((a, b) => a.chunk - b.chunk).flatMap((column) => loadChunks(column, s)),
    'IF p_asks[1] < 0 THEN',
    `  v := ${s}.time_of(p_bot, p_commit);`,
    '  now := v[1]; clock := v[2];',
    'END IF;',
    'res := ARRAY[coalesce(now, 0), coalesce(clock, 0)];',
    `FOR a IN 1 .. cardinality(p_asks) / ${rowWidth(layout)} LOOP`,
    // Variables start as NULL rather than with a value, because every assignment is an expression and costs time.
    'DECLARE',
    '  refuser int4; told int4; cause int4; notice int4; waived int4; waives int4; wait int8; shadows int8; skipped int8;',
    'BEGIN',
    ...ask(writing),
    '<<judged>> BEGIN',
    ...runs.flatMap((run) => {
      const each = run.flatMap((column) => judged(column, writing))
      return run.length === 1 ? each : judgedTogether(run, writing, each)
    }),
    'END;',
    'IF refuser IS NULL THEN',
    ...runs.flatMap((run) =>
      run.length > 1 ? chargedTogether(run, writing) : charged(run[0] as Column, writing),
    ),
    ...scopes.flatMap(noted),
    '  res := res || (coalesce(waived << 9, 0) + CASE WHEN shadows > 0 THEN 1024 ELSE 0 END + coalesce(skipped << 12, 0))::int8;',
    'ELSE',
    ...refused(writing),
    '  res := res || (told + 1 + coalesce(cause << 6, 0) + coalesce(notice << 8, 0) + CASE WHEN shadows > 0 THEN 1024 ELSE 0 END)::int8 || wait;',
    'END IF;',
    'IF shadows > 0 THEN res := res || shadows; END IF;',
    ...runs.flatMap((run) => (run.length > 1 ? leftTogether(run, writing) : left(run[0] as Column, writing))),
    'END;',
    'END LOOP;',
    'IF p_commit THEN',
    ...scopes.filter(({ space }) => space !== 0).flatMap((scope) => store(scope, layout, s)),
    ...sequences.flatMap((column) => storeChunks(column, s)),
    'END IF;',
    'RETURN res;',
    'END',
  ].join('\n')
  return { args: args.join(', '), body }
}

function header(): string {
  return `
-- Decides a batch of asks over one plan, one after another.
--   p_bot, p_commit: the bot whose records these are; false: nothing is written
--   p_serial: the number that fences the claims of the first ask; the second ask has the next number, and so on
--   p_names, p_texts: names of the marks that the plan reads; keys of subjects that are texts
--   p_costs: lists of costs, one number for each check; p_limits: limits of single asks, each check with amount, per and depth
--   p_asks: a row for each ask: the time to decide by (-1: the server's), clock, the numbers of its costs and of its limits (0: none),
--     for each scope the number of a subject below (0: none), for each claim its token (for a sequence: the chunk and the number in it)
--   p_r…: for each scope, its subjects, sorted; p_q…: for each sequence, subjects and numbers of its chunks, sorted
-- Result: the time of the decision, clock; then for each ask
--   (told + 1) + cause << 6 + notice << 8 + waived << 9 + shadows? << 10 + checks left out << 12
--   if refused, how long to wait; if there are any, the shadows that would have refused; then what is left of each limit asked for
--   (-1: nothing counted), with amount, per and depth if the limit in force may differ from the plan's`
}

function isRun(run: readonly Column[]): boolean {
  return run.length > 1
}

function isLimited({ check }: Column): boolean {
  return check.kind === 'bucket' || check.kind === 'window'
}

function declarations(layout: Layout, s: string): string[] {
  const lines = [
    'res int8[]; v int8[]; now int8; clock int8; w int4; last int8 := 0; lim int4; p int4; st int4; b int4;',
    `ban int8; rows int4; fits boolean; d int8; k int8; life int8 := ${lifeOf(layout.plan)};`,
  ]
  for (const scope of layout.scopes.filter(isUsed)) {
    const n = scope.scope
    lines.push(`u${n} int4;`)
    for (const mark of scope.marks) lines.push(`m${n}_${mark} int8[];`)
    for (const mark of scope.stored)
      lines.push(`la${n}_${mark} int8[]; lp${n}_${mark} int8[]; ld${n}_${mark} int8[];`)
    if (scope.space === 0) continue
    for (let cell = 1; cell <= scope.cells; cell++) lines.push(`s${n}_${cell} int8[];`)
    lines.push(`s${n}_x ${s}.list[]; s${n}_n int4[]; s${n}_t tid[]; s${n}_d boolean[]; x${n} int8[];`)
  }
  for (const { sequence: q } of layout.sequences) {
    lines.push(
      `q${q}_b bytea[]; q${q}_l int8[]; q${q}_c int8[]; q${q}_x ${s}.list[]; q${q}_t tid[]; q${q}_d boolean[];`,
    )
  }
  for (const { index: i, check } of layout.columns) {
    lines.push(`c${i} float8;`)
    if (check.kind === 'claim') lines.push(`t${i} int8; h${i} int4;`)
    if (check.kind === 'claim' && check.tokens === 'sequence') lines.push(`i${i} int4;`)
    if (check.kind === 'bucket' || check.kind === 'window') {
      lines.push(`g${i} int8; o${i} int8; f${i} int8; e${i} int8; a${i} int8; r${i} int8; z${i} int8;`)
      if (formOf(check) === 'log') lines.push(`y${i} int8[];`)
    }
  }
  return lines
}

/** Locks the records of a scope, in order, and reads them, creating missing ones. */
function load(scope: ScopeLayout, s: string): string[] {
  const n = scope.scope
  const lines: string[] = []
  if (scope.space !== 0) {
    const cells = Array.from({ length: scope.cells }, (_, i) => i + 1)
    const picked = [
      ...cells.map((cell) => `array_agg(coalesce(st[${cell}], 0))`),
      `array_agg(CASE WHEN cardinality(st) > ${scope.cells} THEN ROW(st[${scope.cells + 1}:])::${s}.list END)`,
      `array_agg(cardinality(st) - ${scope.cells})`,
      'array_agg(tid)',
      'array_agg(false)',
    ].join(', ')
    const into = [...cells.map((cell) => `s${n}_${cell}`), ...'xntd'.split('').map((c) => `s${n}_${c}`)].join(
      ', ',
    )
    const state = `CASE WHEN layout = ${scope.layout} THEN state ELSE ${s}.moved(layout, state, expires, ${scope.layout}) END`
    // One index look-up per subject, regardless of the table's size when the statement was planned.
    const found = `SELECT ${state} AS st, ctid AS tid FROM ${s}.records WHERE space = ${scope.space} AND bot = p_bot AND subject = id`
    const blank = `array_fill(0::int8, ARRAY[${scope.cells}])`
    lines.push(
      `IF cardinality(p_r${n}) > 0 AND p_commit THEN LOOP`,
      `SELECT count(*), ${picked} INTO rows, ${into}`,
      `FROM unnest(p_r${n}) w(id), LATERAL (${found} FOR UPDATE) r;`,
      `EXIT WHEN rows = cardinality(p_r${n});`,
      `INSERT INTO ${s}.records (space, bot, subject, layout, expires, state)`,
      `  SELECT ${scope.space}, p_bot, id, ${scope.layout}, 0, ${blank}`,
      `  FROM unnest(p_r${n}) id ORDER BY id ON CONFLICT DO NOTHING;`,
      'END LOOP;',
      `ELSIF cardinality(p_r${n}) > 0 THEN`,
      `SELECT ${picked} INTO ${into} FROM (SELECT coalesce(r.st, ${blank}) AS st, tid`,
      `  FROM unnest(p_r${n}) w(id) LEFT JOIN LATERAL (${found} OFFSET 0) r ON true) r;`,
      'END IF;',
    )
  }
  if (scope.marks.length > 0) {
    const until = (mark: number): string =>
      `max(CASE WHEN name = p_names[${mark + 1}] THEN CASE WHEN until IS NULL THEN ${INFINITE} ELSE least(ceil(until), 9e15)::int8 END END) AS m${mark}`
    const part = (mark: number, column: string): string =>
      `max(CASE WHEN name = p_names[${mark + 1}] THEN ${column} END) AS ${column}${mark}`
    const found = [
      ...scope.marks.map(until),
      ...scope.stored.flatMap((mark) => ['amount', 'per', 'burst'].map((column) => part(mark, column))),
    ]
    const picked = [
      ...scope.marks.map((mark) => `array_agg(coalesce(m${mark}, 0))`),
      ...scope.stored.flatMap((mark) => [
        `array_agg(amount${mark})`,
        `array_agg(per${mark})`,
        `array_agg(burst${mark} * per${mark})`,
      ]),
    ]
    const into = [
      ...scope.marks.map((mark) => `m${n}_${mark}`),
      ...scope.stored.flatMap((mark) => [`la${n}_${mark}`, `lp${n}_${mark}`, `ld${n}_${mark}`]),
    ]
    lines.push(
      `IF cardinality(p_r${n}) > 0 THEN`,
      `SELECT ${picked.join(', ')} INTO ${into.join(', ')}`,
      `FROM unnest(p_r${n}) w(id), LATERAL (`,
      `  SELECT ${found.join(', ')} FROM ${s}.marks`,
      '  WHERE bot = p_bot AND subject = id AND (subject > 0 OR key = ANY (p_texts))) h;',
      'END IF;',
    )
  }
  return lines
}

function loadChunks({ sequence: q, chunk }: Column, s: string): string[] {
  const from = `unnest(p_q${q}s, p_q${q}n) AS w(wanted, nth)`
  const found = `SELECT bits, lapses, created, running, ctid AS tid FROM ${s}.chunks WHERE slot = ${chunk} AND bot = p_bot AND subject = wanted AND number = nth`
  const blank = `decode(repeat('00', 1024), 'hex')`
  const picked = [
    'array_agg(bits)',
    'array_agg(lapses)',
    'array_agg(created)',
    `array_agg(CASE WHEN running IS NOT NULL THEN ROW(running)::${s}.list END)`,
    'array_agg(tid)',
    'array_agg(false)',
  ].join(', ')
  const into = [...'blcxtd'].map((c) => `q${q}_${c}`).join(', ')
  return [
    `IF cardinality(p_q${q}s) > 0 AND p_commit THEN LOOP`,
    `SELECT count(*), ${picked} INTO rows, ${into} FROM ${from}, LATERAL (${found} FOR UPDATE) c;`,
    `EXIT WHEN rows = cardinality(p_q${q}s);`,
    `INSERT INTO ${s}.chunks (slot, bot, subject, number, lapses, created, bits)`,
    `  SELECT ${chunk}, p_bot, wanted, nth, 0, 0, ${blank} FROM ${from} ORDER BY wanted, nth ON CONFLICT DO NOTHING;`,
    'END LOOP;',
    `ELSIF cardinality(p_q${q}s) > 0 THEN`,
    `SELECT ${picked} INTO ${into} FROM (`,
    `  SELECT coalesce(bits, ${blank}) AS bits, coalesce(lapses, 0) AS lapses, coalesce(created, 0) AS created,`,
    `    running, tid FROM ${from} LEFT JOIN LATERAL (${found} OFFSET 0) c ON true) r;`,
    'END IF;',
  ]
}

/** Reads one ask from the batch. */
function ask(writing: Writing): string[] {
  const { layout } = writing
  const width = rowWidth(layout)
  const checks = layout.columns.length
  const lines = [
    `w := (a - 1) * ${width};`,
    'IF p_asks[w + 1] >= 0 THEN now := p_asks[w + 1]; clock := p_asks[w + 2]; END IF;',
    'IF p_asks[w + 3] <> last THEN',
    '  last := p_asks[w + 3];',
    ...layout.columns.map(({ index }) => `  c${index} := p_costs[(last - 1) * ${checks} + ${index + 1}];`),
    ...layout.columns.filter(isLimited).map((column) => `  ${limited(column, writing)}`),
    ...runsOf(writing).filter(isRun).map(flagged),
    'END IF;',
  ]
  let at = HEADER
  for (const { scope, space } of layout.scopes.filter(isUsed)) {
    lines.push(`u${scope} := p_asks[w + ${++at}];`)
    if (space === 0) continue
    lines.push(
      `IF s${scope}_n[u${scope}] > 0 THEN`,
      `  x${scope} := (s${scope}_x[u${scope}]).v;`,
      // Sections are roughly in order of age. Lapsed ones behind one that lasts longer are only removed when there are many.
      `  IF cardinality(x${scope}) > 100 THEN x${scope} := ${writing.s}.with_section(x${scope}, 0, 0, NULL, now); END IF;`,
      `  WHILE x${scope}[2] <= now AND x${scope}[3] >= 0 LOOP x${scope} := x${scope}[4 + x${scope}[3] :]; END LOOP;`,
      `  IF cardinality(x${scope}) IS DISTINCT FROM s${scope}_n[u${scope}] THEN`,
      `    s${scope}_x[u${scope}] := ROW(x${scope})::${writing.s}.list; s${scope}_n[u${scope}] := coalesce(cardinality(x${scope}), 0);`,
      '  END IF;',
      `ELSE x${scope} := NULL; END IF;`,
    )
  }
  for (const { index, claim, sequence } of layout.columns) {
    if (claim < 0) continue
    if (sequence >= 0) lines.push(`i${index} := p_asks[w + ${++at}];`)
    lines.push(`t${index} := p_asks[w + ${++at}];`)
  }
  lines.push(...settleLimits(writing))
  return lines
}

function store({ scope: n, layout, cells }: ScopeLayout, _: Layout, s: string): string[] {
  const names = Array.from({ length: cells }, (_, i) => `c${i + 1}`)
  const arrays = names.map((_, i) => `s${n}_${i + 1}`)
  const list = (items: string[], last: string): string => [...items, last].join(', ')
  return [
    `IF cardinality(p_r${n}) > 0 THEN`,
    `UPDATE ${s}.records r SET layout = ${layout}, expires = greatest(r.expires, now + life),`,
    `  state = ARRAY[${names.join(', ')}]::int8[] || x`,
    `FROM unnest(${list([`s${n}_t`, `s${n}_d`, ...arrays], `s${n}_x`)})`,
    `  AS w(${list(['tid', 'changed', ...names], 'x')})`,
    'WHERE w.changed AND r.ctid = w.tid;',
    'END IF;',
  ]
}

function storeChunks({ sequence: q }: Column, s: string): string[] {
  return [
    `IF cardinality(p_q${q}s) > 0 THEN`,
    `UPDATE ${s}.chunks c SET bits = w.bits, lapses = w.lapses, created = w.created, running = w.running`,
    `FROM unnest(q${q}_t, q${q}_d, q${q}_b, q${q}_l, q${q}_c, q${q}_x) AS w(tid, changed, bits, lapses, created, running)`,
    'WHERE w.changed AND c.ctid = w.tid;',
    'END IF;',
  ]
}
