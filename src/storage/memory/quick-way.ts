import type { Ask } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import type { BotState } from './bot-state.js'
import { FREE, SequenceClaims } from './claims.js'
import { MemoryAdmission, NO_SHADOWS } from './decision.js'
import type { MemoryJudge } from './judge.js'
import { ABSENT, BUCKET, CLAIM, type Column, depthOf } from './layout.js'
import type { Moment } from './moment.js'

/*
 * Cells of a step, one cache line: what to do for one check, and what it came to. Steps lie side by side, so that
 * the whole of an ordinary decision is read from a few lines of memory.
 */
const STEP = 8
const CODE = 0
const INDEX = 1
const SCOPE = 2
const OFFSET = 3
const AMOUNT = 4
const PER = 5
const DEPTH = 6
/** What is missing from the bucket after the charge; 1 for a claim that is free; 0 where nothing is written. */
const CHARGE = 7

/** Lists of costs whose steps are remembered: as many as a chain has kinds of update, and some. */
const MOST_LISTS = 64

/**
 * The way of nearly all updates: nobody holds the mark, the update id is new, the buckets have room. It decides as
 * the long way does, in a function small enough that V8 makes one piece of it. In any other case it answers nothing
 * and has written nothing, and the long way decides.
 */
export class QuickWay {
  /** The steps for a list of costs; undefined where it asks for something out of the ordinary. */
  private readonly known = new Map<readonly number[], Float64Array | undefined>()
  private costs: readonly number[] | undefined
  private steps: Float64Array | undefined

  constructor(
    private readonly judge: MemoryJudge,
    private readonly columns: readonly Column[],
    private readonly moment: Moment,
  ) {}

  admit(ask: Ask, state: BotState, at: Ms): MemoryAdmission | undefined {
    if (ask.costs !== this.costs) this.turnTo(ask.costs)
    const { steps } = this
    if (steps === undefined || ask.limits !== undefined) return undefined
    const { now } = this.moment
    const { subjects } = ask
    for (let step = 0; step < steps.length; step += STEP) {
      steps[step + CHARGE] = 0
      const scope = steps[step + SCOPE] as number
      const key = subjects[scope]
      if (key === undefined) continue
      const code = steps[step + CODE] as number
      if (code === BUCKET) {
        const table = state.tables[scope]
        if (typeof key !== 'number' || table === undefined || !table.has(key)) return undefined
        const fullAt = (table.foundCells as Float64Array)[table.foundAt + (steps[step + OFFSET] as number)]
        // As bucketMissing() says; spelled out, since a call boxes its numbers.
        let missing = Math.round(((fullAt as number) - now) * (steps[step + AMOUNT] as number))
        if (missing < 0) missing = 0
        missing += steps[step + PER] as number
        if (missing > (steps[step + DEPTH] as number)) return undefined
        steps[step + CHARGE] = missing
      } else if (code === ABSENT) {
        const held = state.soleHolders[steps[step + INDEX] as number]
        if (held !== undefined && held.size !== 0 && held.has(key)) return undefined
      } else {
        const claims = state.claims[steps[step + INDEX] as number]
        if (!(claims instanceof SequenceClaims) || claims.stateOf(key, ask.tokens[0] as number) !== FREE) {
          return undefined
        }
        steps[step + CHARGE] = 1
      }
    }
    const serial = ++this.moment.serial
    let charged = 0
    for (let step = 0; step < steps.length; step += STEP) {
      const charge = steps[step + CHARGE] as number
      if (charge === 0) continue
      const scope = steps[step + SCOPE] as number
      const index = steps[step + INDEX] as number
      if (steps[step + CODE] === BUCKET) {
        const table = state.tables[scope]
        const cells = table?.foundCells as Float64Array
        const cell = (table?.foundAt as number) + (steps[step + OFFSET] as number)
        cells[cell] = now + charge / (steps[step + AMOUNT] as number)
      } else state.claims[index]?.take(subjects[scope] as Key, ask.tokens[0] as number, serial)
      charged |= 1 << index
    }
    return new MemoryAdmission(this.judge, ask, at, now, serial, charged, undefined, NO_SHADOWS, false)
  }

  private turnTo(costs: readonly number[]): void {
    this.costs = costs
    if (!this.known.has(costs)) {
      if (this.known.size >= MOST_LISTS) this.known.clear()
      this.known.set(costs, this.stepsOf(costs))
    }
    this.steps = this.known.get(costs)
  }

  private stepsOf(costs: readonly number[]): Float64Array | undefined {
    const steps: number[] = []
    for (const column of this.columns) {
      const cost = costs[column.index]
      if (cost === 0 || cost === undefined) continue
      if (cost !== 1 || !isOrdinary(column)) return undefined
      const { code, index, scope, offset, limit } = column
      steps.push(code, index, scope, offset, limit.amount, limit.per, depthOf(limit), 0)
    }
    return Float64Array.from(steps)
  }
}

function isOrdinary({ check, code, claim, excused, penal, varied, shadow }: Column): boolean {
  if (excused || penal || varied || shadow) return false
  if (check.kind === 'absent') return check.anyOf.length === 1
  if (code === CLAIM) return check.kind === 'claim' && claim === 0 && check.tokens === 'sequence'
  return code === BUCKET
}
