import type { Ask } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { depthOf } from '../../core/limit.js'
import { SequenceClaims } from './claims.js'
import { MemoryAdmission, NO_SHADOWS } from './decision.js'
import type { JudgedState, Judging } from './judging.js'
import { ABSENT, BUCKET, CLAIM } from './layout.js'
import type { Holders } from './marks.js'
import type { Moment } from './moment.js'
import type { RecordTable } from './records.js'

/** Maximum number of costs lists whose steps are cached; a chain has about one list per kind of update. */
const MOST_LISTS = 64

/** A mark that the subject must not hold. */
interface Absence {
  readonly scope: number
  readonly held: Holders['held']
}

/** The claim on update ids. */
interface Claiming {
  readonly scope: number
  readonly bit: number
  readonly book: SequenceClaims
}

/** A bucket, with the findings for the current ask. */
class Bucket {
  cells: Float64Array | undefined
  at = 0
  /** Units missing after the charge; 0 if the ask names no subject for this scope. */
  missing = 0

  constructor(
    readonly scope: number,
    readonly bit: number,
    readonly table: RecordTable,
    readonly offset: number,
    readonly amount: number,
    readonly per: Ms,
    readonly depth: number,
  ) {}
}

/** The steps for one costs list, bound to one bot's state. */
interface Steps {
  readonly absences: readonly Absence[]
  readonly claim: Claiming | undefined
  readonly buckets: readonly Bucket[]
}

/**
 * The fast path for nearly all updates of a bot: no mark is held, the update id is new, the buckets have room. It decides exactly
 * like the judge's general path, in a function small enough for V8 to optimise as a whole. In any other case it returns
 * undefined, having written nothing, and the general path decides.
 */
export class QuickWay {
  /** By costs list; undefined if the list needs the general path. */
  private readonly known = new Map<readonly number[], Steps | undefined>()
  private costs: readonly number[] | undefined
  private steps: Steps | undefined
  private readonly moment: Moment

  constructor(
    private readonly judge: Judging,
    private readonly state: JudgedState,
  ) {
    this.moment = judge.moment
  }

  admit(ask: Ask, at: Ms): MemoryAdmission | undefined {
    if (ask.costs !== this.costs) this.turnTo(ask.costs)
    const { steps } = this
    if (steps === undefined || ask.limits !== undefined) return undefined
    const { now, serial } = this.moment
    const { subjects } = ask
    const { absences, claim, buckets } = steps
    for (let i = 0; i < absences.length; i++) {
      const { held, scope } = absences[i] as Absence
      if (held.size === 0) continue
      const key = subjects[scope]
      if (key !== undefined && held.has(key)) return undefined
    }
    for (let i = 0; i < buckets.length; i++) {
      const bucket = buckets[i] as Bucket
      bucket.missing = 0
      const key = subjects[bucket.scope]
      if (key === undefined) continue
      const { table } = bucket
      // Text keys, and keys that may still be in an earlier plan's table, need the general path.
      if (typeof key !== 'number') return undefined
      let missing = 0
      if (table.has(key)) {
        const cells = table.foundCells as Float64Array
        const cell = table.foundAt + bucket.offset
        bucket.cells = cells
        bucket.at = cell
        // Same as bucketMissing(), inlined because a call would box its numbers.
        missing = Math.round(((cells[cell] as number) - now) * bucket.amount)
        if (missing < 0) missing = 0
      } else {
        if (this.judge.isContinued) return undefined
        bucket.cells = undefined
      }
      missing += bucket.per
      if (missing > bucket.depth) return undefined
      bucket.missing = missing
    }
    let charged = 0
    if (claim !== undefined) {
      const key = subjects[claim.scope]
      if (key !== undefined) {
        if (!claim.book.takeFree(key, ask.tokens[0] as number, serial + 1)) return undefined
        charged = claim.bit
      }
    }
    this.moment.serial = serial + 1
    for (let i = 0; i < buckets.length; i++) {
      const bucket = buckets[i] as Bucket
      const { missing } = bucket
      if (missing === 0 || (bucket.cells === undefined && !this.isMade(bucket, subjects))) continue
      ;(bucket.cells as Float64Array)[bucket.at] = now + missing / bucket.amount
      charged |= bucket.bit
    }
    return new MemoryAdmission(this.judge, ask, at, now, serial + 1, charged, undefined, NO_SHADOWS, false)
  }

  /** Creates a record for a subject that has none. Returns false if the table has no room. */
  private isMade(bucket: Bucket, subjects: Ask['subjects']): boolean {
    const { table } = bucket
    const key = subjects[bucket.scope] as number
    // Another bucket of the same subject may already have created it.
    if (!table.has(key) && !table.add(key, this.moment.now)) return false
    bucket.cells = table.foundCells as Float64Array
    bucket.at = table.foundAt + bucket.offset
    return true
  }

  private turnTo(costs: readonly number[]): void {
    this.costs = costs
    if (!this.known.has(costs)) {
      if (this.known.size >= MOST_LISTS) this.known.clear()
      this.known.set(costs, this.stepsOf(costs))
    }
    this.steps = this.known.get(costs)
  }

  private stepsOf(costs: readonly number[]): Steps | undefined {
    const absences: Absence[] = []
    const buckets: Bucket[] = []
    let claim: Claiming | undefined
    for (const column of this.judge.columns) {
      const { index, scope, code } = column
      const cost = costs[index]
      if (cost === 0 || cost === undefined) continue
      if (cost !== 1 || column.traits !== 0) return undefined
      if (code === ABSENT) {
        const held = this.state.soleHolders[index]
        if (held === undefined) return undefined
        absences.push({ scope, held })
      } else if (code === CLAIM) {
        const book = this.state.claims[index]
        if (column.claim !== 0 || !(book instanceof SequenceClaims)) return undefined
        claim = { scope, bit: 1 << index, book }
      } else {
        if (code !== BUCKET) return undefined
        const { amount, per } = column.limit
        const table = this.state.tables[scope] as RecordTable
        buckets.push(new Bucket(scope, 1 << index, table, column.offset, amount, per, depthOf(column.limit)))
      }
    }
    return { absences, claim, buckets }
  }
}
