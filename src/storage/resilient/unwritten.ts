import type { Ask, Check, Plan } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import { variantsOf } from '../contract/plan.js'
import { WithoutChecks } from '../shared/without-checks.js'
import { markLeftBy, type QueuedMarks } from './queued-marks.js'

/** What the queued writes say about some marks of a subject: one of them is put; all or some of them are removed. */
type Said = 'put' | 'all gone' | 'some gone' | undefined

/**
 * Puts queued writes of marks into force while the storage answers: it does not have them yet, but the caller of `block()` was told
 * that they hold.
 */
export class Unwritten {
  private readonly without = new WithoutChecks()

  constructor(
    private readonly plan: Plan,
    private readonly queued: QueuedMarks,
    private readonly clock: Clock,
  ) {}

  /**
   * Returns what to ask the storage: the ask without the checks that queued writes satisfy. Undefined if the fallback must decide,
   * which has the queued writes in its copy of the marks.
   */
  left(ask: Ask): Ask | undefined {
    if (!this.queued.any) return ask
    let skipped = 0
    let refuses = false
    let differs = false
    let partly = false
    for (const [index, check] of this.plan.checks.entries()) {
      if (ask.costs[index] === 0 || check.shadow === true) continue
      const { unless, whenDown = 'local' } = check
      const exempt = unless && this.said(ask, unless.subject, unless.anyOf)
      if (exempt === 'put' || this.satisfies(ask, check)) {
        skipped |= 1 << index
        continue
      }
      // The fallback skips open checks, so it would not refuse either.
      refuses ||= whenDown !== 'open' && this.refuses(ask, check)
      differs ||= exempt !== undefined || this.says(ask, check)
      partly ||= whenDown !== 'local'
    }
    // The fallback refuses at closed checks and skips open ones. So where queued writes refuse nobody, the storage decides if there
    // are such checks.
    if (refuses || (differs && !partly)) return undefined
    return skipped === 0 ? ask : this.without.of(ask, skipped)
  }

  private satisfies(ask: Ask, check: Check): boolean {
    if (check.kind === 'present') return this.said(ask, check.subject, check.anyOf) === 'put'
    return check.kind === 'absent' && this.said(ask, check.subject, check.anyOf) === 'all gone'
  }

  private refuses(ask: Ask, check: Check): boolean {
    if (check.kind === 'absent') return this.said(ask, check.subject, check.anyOf) === 'put'
    // Whether the subject holds another of the marks is known to the copy; where it is not, refusing is safe.
    return check.kind === 'present' && this.said(ask, check.subject, check.anyOf) !== undefined
  }

  /** Whether the check may be decided otherwise, because of a mark that gives another limit, or one of several that are gone. */
  private says(ask: Ask, check: Check): boolean {
    if (check.kind === 'absent') return this.said(ask, check.subject, check.anyOf) !== undefined
    return variantsOf(check).some(({ mark, subject }) => this.said(ask, subject, [mark]) !== undefined)
  }

  private said({ bot, subjects }: Ask, scope: number, names: readonly string[]): Said {
    const key = subjects[scope]
    if (key === undefined) return undefined
    let gone = 0
    for (const name of names) {
      const write = this.queued.get(bot, name, key)
      if (write === undefined) continue
      if (markLeftBy(write, this.clock()) !== undefined) return 'put'
      gone++
    }
    return gone === 0 ? undefined : gone === names.length ? 'all gone' : 'some gone'
  }
}
