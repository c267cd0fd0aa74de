import type { Ask, Plan } from '../../core/check.js'
import { type Limit, MOST_AMOUNT } from '../../core/limit.js'
import { isLimited } from '../contract/plan.js'

/**
 * Returns an ask about one limit that only a ban can refuse: the bucket is deep enough for any charge, the window too short to
 * contain any. The answer tells when the ban ends. Returns undefined for checks other than limits.
 */
export function banQuestion({ scopes, checks }: Plan, { bot, subjects }: Ask, by: number): Ask | undefined {
  const check = checks[by]
  if (check === undefined || !isLimited(check)) return undefined
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
