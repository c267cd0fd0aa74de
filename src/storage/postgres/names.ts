import type { Names } from './layout.js'
import type { Link } from './link.js'

/** The numbers of names, kept once known: they never change. */
export class KnownNames implements Names {
  private readonly known = new Map<string, number>()

  constructor(private readonly link: Link) {}

  async ids(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    await this.read(names)
    if (names.some((name) => !this.known.has(name))) {
      const { s } = this.link
      await this.link.query(
        `INSERT INTO ${s}.names (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`,
        [names.filter((name) => !this.known.has(name))],
      )
      await this.read(names)
    }
    return this.known
  }

  async layout(tags: readonly number[], widths: readonly number[]): Promise<number> {
    const { s } = this.link
    const look = (): Promise<{ id: number }[]> =>
      this.link.query(`SELECT id FROM ${s}.layouts WHERE tags = $1::int8[] AND widths = $2::int4[]`, [
        tags,
        widths,
      ])
    let [found] = await look()
    if (found === undefined) {
      await this.link.query(
        `INSERT INTO ${s}.layouts (tags, widths) VALUES ($1::int8[], $2::int4[]) ON CONFLICT DO NOTHING`,
        [tags, widths],
      )
      ;[found] = await look()
    }
    return (found as { id: number }).id
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
}
