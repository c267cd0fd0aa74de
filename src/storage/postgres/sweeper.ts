import type { Clock } from '../../core/clock.js'
import type { Link } from './link.js'

/** Number of 8 kB pages of each table per sweep: some milliseconds of the server's time. */
const PAGES = 512
const EVERY_MS = 5_000
/** How often functions in use are marked as such, and after how many days without use they are dropped. */
const TOUCH_EVERY_MS = 3_600_000
const KEPT_DAYS = 7

/**
 * Deletes lapsed rows, a part of each table at a time, and drops unused functions of plans. Its timer does not keep the process
 * alive.
 */
export class Sweeper {
  private timer: ReturnType<typeof setInterval> | undefined
  private page = 0
  private touchedAt = 0
  private busy = false

  constructor(
    private readonly link: Link,
    private readonly clock: Clock | undefined,
    /** Whether functions may be dropped. */
    private readonly drops: boolean,
    private readonly functions: () => readonly string[],
    private readonly onError: (error: unknown) => void,
    /** Called before each sweep. Rejects if there is nothing to sweep. */
    private readonly check?: () => Promise<void>,
  ) {}

  start(): void {
    if (this.timer !== undefined) return
    this.touchedAt = performance.now()
    this.timer = setInterval(() => this.tick(), EVERY_MS)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }

  /** Sweeps the next part. Returns how many rows were deleted. */
  async sweep(): Promise<number> {
    const text = await this.link.value(
      `sweep_${this.link.schema}`,
      `SELECT ${this.link.s}.sweep($1, $2, ${PAGES})`,
      [this.clock?.() ?? null, String(this.page)],
    )
    // Another worker is sweeping.
    if (text === null) return 0
    const [records = 0, chunks = 0, marks = 0, values = 0, pages = 0] = text
      .slice(1, -1)
      .split(',')
      .map(Number)
    const { page } = this
    this.page = page + PAGES >= pages ? 0 : page + PAGES
    const ahead = this.clock === undefined ? await this.sweepAhead(page) : 0
    return records + chunks + marks + values + ahead
  }

  /**
   * Sweeps the same part for bots whose time is ahead of the server's clock, because that clock was put back. Their records end by
   * their own time.
   */
  private async sweepAhead(page: number): Promise<number> {
    const { s } = this.link
    const skewed = await this.link.query(`SELECT FROM ${s}.clocks WHERE skew > 0 LIMIT 1`)
    if (skewed.length === 0) return 0
    let gone = 0
    for (const [table, end] of [
      ['records', 'expires'],
      ['chunks', 'lapses'],
    ]) {
      const rows = await this.link.query(
        `DELETE FROM ${s}.${table} WHERE ctid = ANY (ARRAY(
           SELECT t.ctid FROM ${s}.${table} t JOIN ${s}.clocks USING (bot)
           WHERE t.ctid >= $1::text::tid AND t.ctid < $2::text::tid AND ${end} <= extract(epoch FROM statement_timestamp()) * 1000 + skew
           FOR UPDATE OF t SKIP LOCKED)) RETURNING 1 AS gone`,
        [`(${page},0)`, `(${page + PAGES},0)`],
      )
      gone += rows.length
    }
    return gone
  }

  /** Marks functions as in use, and drops those that no worker has used for a week. */
  async touch(): Promise<void> {
    const { link } = this
    await link.query(`UPDATE ${link.s}.plans SET used_at = now() WHERE function = ANY ($1::text[])`, [
      this.functions(),
    ])
    if (!this.drops) return
    await link.alone(async (client) => {
      const { rows } = await client.query<{ function: string }>(
        // Functions that this role may not drop, as neither they nor the schema are its own, are left to other workers.
        `DELETE FROM ${link.s}.plans WHERE used_at < now() - interval '${KEPT_DAYS} days' AND NOT EXISTS (
           SELECT FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
           WHERE proname = function AND n.oid = $1::regnamespace
             AND NOT (pg_has_role(proowner, 'USAGE') OR pg_has_role(nspowner, 'USAGE'))
         ) RETURNING function`,
        [link.s],
      )
      for (const { function: name } of rows) {
        // Only names made by this package: a kind and hexadecimal digits.
        if (/^[a-z]+_[0-9a-f]+$/.test(name)) await client.query(`DROP FUNCTION IF EXISTS ${link.s}.${name}`)
      }
    })
  }

  private async work(touches: boolean): Promise<void> {
    await this.check?.()
    if (touches) await this.touch()
    await this.sweep()
  }

  private tick(): void {
    if (this.busy || this.link.closed) return
    this.busy = true
    const due = performance.now() - this.touchedAt >= TOUCH_EVERY_MS
    if (due) this.touchedAt = performance.now()
    this.work(due)
      .catch((error: unknown) => {
        if (!this.link.closed) this.onError(error)
      })
      .finally(() => {
        this.busy = false
      })
  }
}
