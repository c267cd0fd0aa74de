import { BatchedLookUp } from './batched-look-up.js'
import type { Names } from './layout.js'
import type { Link } from './link.js'

interface Widths {
  readonly tags: readonly number[]
  readonly widths: readonly number[]
}

/** The numbers of names and layouts. Cached, since they never change. */
export class KnownNames implements Names {
  private readonly known = new Map<string, number>()
  private readonly layouts = new Map<string, number>()
  private readonly naming = new BatchedLookUp<readonly string[], void>(async (lists) => {
    await this.learn([...new Set(lists.flat())])
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

  private async learn(names: readonly string[]): Promise<void> {
    await this.read(names)
    const unknown = names.filter((name) => !this.known.has(name))
    if (unknown.length === 0) return
    await this.link.query(
      `INSERT INTO ${this.link.s}.names (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`,
      [unknown],
    )
    await this.read(unknown)
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
    const wanted = new Map(layouts.map((layout) => [layoutText(layout), layout]))
    await this.readLayouts(wanted)
    const unknown = [...wanted].filter(([text]) => !this.layouts.has(text)).map(([, layout]) => layout)
    if (unknown.length > 0) {
      await this.link.query(
        `INSERT INTO ${this.link.s}.layouts (tags, widths)
          SELECT tags::int8[], widths::int4[] FROM unnest($1::text[], $2::text[]) AS w(tags, widths)
          ON CONFLICT DO NOTHING`,
        columns(unknown),
      )
      await this.readLayouts(wanted)
    }
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
