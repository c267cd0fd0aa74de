import { type Ask, type Check, isMarkCheck, isPromise, type Judge, type Plan } from '../../core/check.js'
import { systemClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { StorageChange } from '../contract/changes.js'
import type { Marks, Storage } from '../contract/storage.js'
import { MarkCache } from '../shared/mark-cache.js'
import type { HybridShared } from './shared.js'

/** Maximum number of subjects whose marks are copied. */
const MOST_SUBJECTS = 100_000

/** Decides asks that depend only on marks, by a copy of the marks. */
export class LocalMarks {
  private readonly copy: MarkCache
  private readonly judge: Judge | undefined
  /** By check of the plan: whether it is a check on marks. */
  private readonly isMark: readonly boolean[]
  private readonly costs = new WeakMap<readonly number[], readonly number[]>()

  constructor(
    private readonly plan: Plan,
    local: Storage,
    marks: Marks,
    private readonly shared: HybridShared,
  ) {
    this.copy = new MarkCache(marks, local.marks, shared.clock ?? systemClock, shared.longest, MOST_SUBJECTS)
    this.isMark = plan.checks.map(isMarkCheck)
    const checks = plan.checks.filter(isMarkCheck)
    if (checks.length === 0) return
    const judge = local.prepare({ ...plan, name: `${plan.name} marks`, checks })
    if (isPromise(judge)) {
      throw new SentinelError(
        'option.invalid',
        'hybrid.local: it answers with promises, so it is not local. Pass memory().',
      )
    }
    this.judge = judge
  }

  /** Whether an ask passes all checks other than those already paid. False if this cannot be decided here. */
  passes(ask: Ask, paid: number, at: Ms | undefined): boolean {
    const { checks } = this.plan
    let marked = false
    for (let i = 0; i < checks.length; i++) {
      const { subject } = checks[i] as Check
      if (!((ask.costs[i] as number) > 0) || ask.subjects[subject] === undefined || (paid & (1 << i)) !== 0)
        continue
      if (this.isMark[i] !== true) return false
      marked = true
    }
    if (!marked) return true
    if (this.judge === undefined || !this.shared.isWatching || !this.knows(ask)) return false
    const decision = this.judge.evaluate({ ...ask, costs: this.costsOf(ask.costs), tokens: [] }, at)
    if (isPromise(decision)) return false
    // If a shadow check would have refused, the storage decides and reports that.
    return decision.refusedBy === -1 && decision.shadowRefusals.length === 0
  }

  changed(change: StorageChange): void {
    this.copy.changed(change)
  }

  clear(): void {
    this.copy.clear()
  }

  /** Whether the marks for an ask are known. Reads missing ones in the background. */
  private knows({ bot, subjects, costs }: Ask): boolean {
    let known = true
    for (const [index, check] of this.plan.checks.entries()) {
      if (this.isMark[index] !== true || !((costs[index] as number) > 0)) continue
      for (const scope of [check.subject, check.unless?.subject]) {
        const key = scope === undefined ? undefined : subjects[scope]
        if (key === undefined) continue
        const reading = this.copy.know(bot, key)
        if (reading === undefined) continue
        known = false
        this.shared.aside('hybrid.marks', () => reading)
      }
    }
    return known
  }

  private costsOf(costs: readonly number[]): readonly number[] {
    let own = this.costs.get(costs)
    if (own === undefined) {
      own = costs.filter((_, index) => this.isMark[index] === true)
      this.costs.set(costs, own)
    }
    return own
  }
}
