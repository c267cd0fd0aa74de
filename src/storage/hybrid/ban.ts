import type { Ask, Plan } from '../../core/check.js'
import { type Limit, MOST_AMOUNT } from '../../core/limit.js'

/**
 * Asks about one limit so that nothing but a ban refuses: a bucket that is deep enough for whatever is missing, a window too
 * short for anything to be in it. What it tells is when the ban ends. Undefined of what is no limit.
 */
export function banQuestion({ scopes, checks }: Plan, { bot, subjects }: Ask, by: number): Ask | undefined {
  const check = checks[by]
  if (check === undefined || (check.kind !== 'bucket' && check.kind !== 'window')) return undefined
  const { amount, per } = check.limit
  const open: Limit = check.kind === 'bucket' ? { amount, per, burst: MOST_AMOUNT } : { amount, per: 1 }
  return {
    bot,
    subjects: scopes.map((_, scope) => (scope === check.subject ? subjects[scope] : undefined)),
    costs: checks.map((_, index) => (index === by ? 1 : 0)),
    tokens: [],
    limits: checks.map((_, index) => (index === by ? open : undefined)),
  }
}
