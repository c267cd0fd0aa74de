import type { Ask } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import type { BotState } from './bot-state.js'
import { FREE, SequenceClaims } from './claims.js'
import { MemoryAdmission, NO_SHADOWS } from './decision.js'
import type { FlatPlan } from './flat.js'
import type { MemoryJudge } from './judge.js'
import { ABSENT, BUCKET, CLAIM, type Column } from './layout.js'
import type { Moment } from './moment.js'

/**
 * The way of nearly all updates: nobody holds the mark, the update id is new, the buckets have room. It decides as
 * the long way does, in a function small enough that V8 makes one piece of it. In any other case it answers nothing
 * and has written nothing, and the long way decides.
 */
export class QuickWay {
  /** Whether the costs at hand ask for nothing out of the ordinary. */
  private open = false
  private costs: readonly number[] | undefined

  constructor(
    private readonly judge: MemoryJudge,
    private readonly columns: readonly Column[],
    private readonly flat: FlatPlan,
    private readonly moment: Moment,
  ) {}

  admit(ask: Ask, state: BotState, at: Ms): MemoryAdmission | undefined {
    // Both, since the long way (a peek, too) reads costs of its own into the flat plan.
    if (ask.costs !== this.costs || ask.costs !== this.flat.askedCosts) this.look(ask.costs)
    if (!this.open || ask.limits !== undefined) return undefined
    const { now } = this.moment
    const { asked, askedCount, codes, scopes, offsets, amounts, pending } = this.flat
    const { subjects } = ask
    for (let j = 0; j < askedCount; j++) {
      const i = asked[j] as number
      const scope = scopes[i] as number
      const key = subjects[scope]
      pending[i] = 0
      if (key === undefined) continue
      const code = codes[i] as number
      if (code === BUCKET) {
        const table = state.tables[scope]
        if (typeof key !== 'number' || table === undefined || !table.has(key)) return undefined
        const fullAt = (table.foundCells as Float64Array)[table.foundAt + (offsets[i] as number)] as number
        // As bucketMissing() says; spelled out, since a call boxes its numbers.
        let missing = Math.round((fullAt - now) * (amounts[i] as number))
        if (missing < 0) missing = 0
        missing += this.flat.pers[i] as number
        if (missing > (this.flat.depths[i] as number)) return undefined
        pending[i] = missing
      } else if (code === ABSENT) {
        const held = state.soleHolders[i]
        if (held !== undefined && held.size !== 0 && held.has(key)) return undefined
      } else {
        const claims = state.claims[i]
        if (!(claims instanceof SequenceClaims) || claims.stateOf(key, ask.tokens[0] as number) !== FREE) {
          return undefined
        }
        pending[i] = 1
      }
    }
    const serial = ++this.moment.serial
    let charged = 0
    for (let j = 0; j < askedCount; j++) {
      const i = asked[j] as number
      const amount = pending[i] as number
      if (amount === 0) continue
      const scope = scopes[i] as number
      if (codes[i] === BUCKET) {
        const table = state.tables[scope]
        const cells = table?.foundCells as Float64Array
        cells[(table?.foundAt as number) + (offsets[i] as number)] = now + amount / (amounts[i] as number)
      } else state.claims[i]?.take(subjects[scope] as Key, ask.tokens[0] as number, serial)
      charged |= 1 << i
    }
    return new MemoryAdmission(this.judge, ask, at, now, serial, charged, undefined, NO_SHADOWS, false)
  }

  private look(costs: readonly number[]): void {
    this.costs = costs
    this.flat.read(costs)
    this.open = this.columns.every(({ check, code, claim }, index) => {
      const cost = costs[index]
      if (cost === 0 || cost === undefined) return true
      if (cost !== 1 || this.flat.traits[index] !== 0) return false
      if (code === ABSENT && check.kind === 'absent') return check.anyOf.length === 1
      if (code !== CLAIM) return code === BUCKET
      return check.kind === 'claim' && claim === 0 && check.tokens === 'sequence'
    })
  }
}
