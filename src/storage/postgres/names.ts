import { SentinelError } from '../../core/errors.js'
import { BatchedLookUp } from './batched-look-up.js'
import type { Names } from './layout.js'
import { asked, type Link } from './link.js'

interface Widths {
  readonly tags: readonly number[]
  readonly widths: readonly number[]
}

/** The rows that a table lacks. */
interface Missing {
  /** Returns parameters for the rows that are still missing; undefined if there are none. */
  readonly missing: () => readonly unknown[] | undefined
  /** Reads the numbers of rows that exist. */
  readonly read: () => Promise<void>
}

/** The numbers of names and layouts. Cached, since they change only with the server: see {@link KnownNames.areStored}. */
export class KnownNames implements Names {
  private readonly known = new Map<string, number>()
  private readonly layouts = new Map<string, number>()
  private readonly naming = new BatchedLookUp<readonly string[], void>(async (lists) => {
    // Sorted, so that no two workers wait for each other's rows.
    await this.learn([...new Set(lists.flat())].sort())
    return []
  })
  private readonly laying = new BatchedLookUp<Widths, number>((layouts) => this.learnLayouts(layouts))

  constructor(private readonly link: Link) {}

  async ids(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (names.some((name) => !this.known.has(name))) await this.naming.ask(names)
    return this.known
  }

  async layout(tags: readonly number[], widths: readonly number[]): Promise<number> {
    return this.layouts.get(layoutText({ tags, widths })) ?? this.laying.ask({ tags, widths })
  }

  /** Whether all numbers that are cached here still mean the same in the tables. */
  async areStored(): Promise<boolean> {
    const { known, layouts } = this
    const layout = `array_to_string(tags, ',') || ' ' || array_to_string(widths, ',')`
    return (await this.areIn('names', 'name', known)) && (await this.areIn('layouts', layout, layouts))
  }

  private async areIn(table: string, text: string, numbers: ReadonlyMap<string, number>): Promise<boolean> {
    const cached = [...numbers]
    const rows = await this.link.query<{ id: number; text: string }>(
      `SELECT id, ${text} AS text FROM ${this.link.s}.${table} WHERE id = ANY ($1::int4[])`,
      [cached.map(([, id]) => id)],
    )
    const stored = new Map(rows.map((row) => [row.text, row.id]))
    return cached.every(([name, id]) => stored.get(name) === id)
  }

  private async learn(names: readonly string[]): Promise<void> {
    await this.read(names)
    const unknown = () => names.filter((name) => !this.known.has(name))
    await this.insert('names', 'name', 'unnest($1::text[]) WITH ORDINALITY AS w(name, nth)', {
      missing: () => (unknown().length === 0 ? undefined : [unknown()]),
      read: () => this.read(names),
    })
  }

  /**
   * Inserts the missing rows of a table. The sequence that numbers them may be behind the rows, since replication copies the rows of
   * a table and not its sequence: nothing is inserted then, and the rows are numbered here, one worker at a time.
   */
  private async insert(
    table: string,
    columns: string,
    rows: string,
    { missing, read }: Missing,
  ): Promise<void> {
    const { link } = this
    const into = `${link.s}.${table}`
    const values = missing()
    if (values === undefined) return
    await link.query(
      `INSERT INTO ${into} (${columns}) SELECT ${columns} FROM ${rows} ON CONFLICT DO NOTHING`,
      values,
    )
    await read()
    const left = missing()
    if (left === undefined) return
    const numbered = `INSERT INTO ${into} (id, ${columns}) OVERRIDING SYSTEM VALUE
      SELECT (SELECT coalesce(max(id), 0) FROM ${into}) + nth, ${columns} FROM ${rows} ON CONFLICT DO NOTHING`
    await link.alone(async (client) => {
      // Workers that insert without numbers do not hold the lock of the schema.
      await client.query(`LOCK TABLE ${into} IN SHARE ROW EXCLUSIVE MODE`)
      await client.query(asked(numbered, left))
    })
    await read()
    if (missing() === undefined) return
    throw new SentinelError(
      'storage.failed',
      `postgres: rows that were inserted into ${into} cannot be read. Is there a trigger or a rule on this table?`,
    )
  }

  private async read(names: readonly string[]): Promise<void> {
    const unknown = names.filter((name) => !this.known.has(name))
    if (unknown.length === 0) return
    const rows = await this.link.query<{ id: number; name: string }>(
      `SELECT id, name FROM ${this.link.s}.names WHERE name = ANY ($1::text[])`,
      [unknown],
    )
    for (const { id, name } of rows) this.known.set(name, id)
  }

  private async learnLayouts(layouts: readonly Widths[]): Promise<number[]> {
    const texts = layouts.map((layout) => [layoutText(layout), layout] as const)
    const wanted = new Map(texts.sort(([a], [b]) => (a < b ? -1 : 1)))
    const read = () => this.readLayouts(wanted)
    await read()
    const source =
      'unnest($1::text[], $2::text[]) WITH ORDINALITY AS t(t, w, nth), LATERAL (SELECT t::int8[], w::int4[]) AS l(tags, widths)'
    await this.insert('layouts', 'tags, widths', source, {
      missing: () => {
        const unknown = [...wanted].filter(([text]) => !this.layouts.has(text)).map(([, layout]) => layout)
        return unknown.length === 0 ? undefined : columns(unknown)
      },
      read,
    })
    return layouts.map((layout) => this.layouts.get(layoutText(layout)) as number)
  }

  private async readLayouts(wanted: ReadonlyMap<string, Widths>): Promise<void> {
    const rows = await this.link.query<{ id: number; nth: string }>(
      `SELECT l.id, w.nth FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(tags, widths, nth)
        JOIN ${this.link.s}.layouts l ON l.tags = w.tags::int8[] AND l.widths = w.widths::int4[]`,
      columns([...wanted.values()]),
    )
    const texts = [...wanted.keys()]
    for (const { id, nth } of rows) this.layouts.set(texts[Number(nth) - 1] as string, id)
  }
}

function layoutText({ tags, widths }: Widths): string {
  return `${tags.join()} ${widths.join()}`
}

/** Passed as texts, because a two-dimensional array requires rows of equal length. */
function columns(layouts: readonly Widths[]): [tags: string[], widths: string[]] {
  return [layouts.map(({ tags }) => `{${tags.join()}}`), layouts.map(({ widths }) => `{${widths.join()}}`)]
}
