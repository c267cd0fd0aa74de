import type { Ask } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { BotState } from './bot-state.js'
import { SequenceClaims } from './claims.js'
import { MemoryAdmission, NO_SHADOWS } from './decision.js'
import type { MemoryJudge } from './judge.js'
import { ABSENT, BUCKET, CLAIM, type Column, depthOf } from './layout.js'
import type { Holders } from './marks.js'
import type { Moment } from './moment.js'
import type { RecordTable } from './records.js'

/** Lists of costs whose steps are remembered: as many as a chain has kinds of update, and some. */
const MOST_LISTS = 64

/** A mark that nobody may hold who is asked about. */
interface Absence {
  readonly scope: number
  readonly held: Holders['held']
}

/** The claim of update ids. */
interface Claiming {
  readonly scope: number
  readonly bit: number
  readonly book: SequenceClaims
}

/** A bucket, and what was found in the record of the ask at hand. */
class Bucket {
  cells: Float64Array | undefined
  at = 0
  /** What is missing after the charge; 0 where nobody is asked about. */
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

/** What a list of costs asks of one bot's state, each bound to where it lies. */
interface Steps {
  readonly absences: readonly Absence[]
  readonly claim: Claiming | undefined
  readonly buckets: readonly Bucket[]
}

/**
 * The way of nearly all updates of a bot: nobody holds the mark, the update id is new, the buckets have room. It decides as
 * the long way does, in a function small enough that V8 makes one piece of it. In any other case it answers nothing
 * and has written nothing, and the long way decides.
 */
export class QuickWay {
  /** The steps for a list of costs; undefined where it asks for something out of the ordinary. */
  private readonly known = new Map<readonly number[], Steps | undefined>()
  private costs: readonly number[] | undefined
  private steps: Steps | undefined

  constructor(
    private readonly judge: MemoryJudge,
    private readonly columns: readonly Column[],
    private readonly moment: Moment,
    private readonly state: BotState,
  ) {}

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
      // Whoever is not there may be under an earlier plan.
      if (typeof key !== 'number') return undefined
      let missing = 0
      if (table.has(key)) {
        const cells = table.foundCells as Float64Array
        const cell = table.foundAt + bucket.offset
        bucket.cells = cells
        bucket.at = cell
        // As bucketMissing() says; spelled out, since a call boxes its numbers.
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

  /** A record for a subject that has none; false if the table has no room. */
  private isMade(bucket: Bucket, subjects: Ask['subjects']): boolean {
    const { table } = bucket
    const key = subjects[bucket.scope] as number
    // Another bucket of the same subject may have made it.
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
    for (const column of this.columns) {
      const { index, scope, code } = column
      const cost = costs[index]
      if (cost === 0 || cost === undefined) continue
      if (cost !== 1 || !isOrdinary(column)) return undefined
      if (code === ABSENT) {
        const held = this.state.soleHolders[index]
        if (held === undefined) return undefined
        absences.push({ scope, held })
      } else if (code === CLAIM) {
        const book = this.state.claims[index]
        if (!(book instanceof SequenceClaims)) return undefined
        claim = { scope, bit: 1 << index, book }
      } else {
        const { amount, per } = column.limit
        const table = this.state.tables[scope] as RecordTable
        buckets.push(new Bucket(scope, 1 << index, table, column.offset, amount, per, depthOf(column.limit)))
      }
    }
    return { absences, claim, buckets }
  }
}

function isOrdinary({ check, code, claim, excused, penal, varied, shadow }: Column): boolean {
  if (excused || penal || varied || shadow) return false
  if (check.kind === 'absent') return check.anyOf.length === 1
  if (code === CLAIM) return check.kind === 'claim' && claim === 0 && check.tokens === 'sequence'
  return code === BUCKET
}
