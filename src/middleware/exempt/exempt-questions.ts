import type { Context } from 'grammy'
import type { Question } from '../guard.js'
import { isExempt, NOT_EXEMPT } from './exemptions.js'
import type { PlanExemption } from './plan-exemption.js'

/** Returns the question so that it is not asked about actors whom the exemption covers. */
export function withExemption(
  question: Question<Context>,
  exemption: PlanExemption,
  actor: number,
): Question<Context> {
  const { exempt: whom, when } = question
  if (whom === 'nobody') return question
  const { rescues } = exemption
  return {
    ...withExemptMarks(question, whom === 'trusted' ? [] : exemption.marks, actor),
    when: (facts, ctx) => {
      const level = exemption.levelOf(facts, ctx)
      if (level !== NOT_EXEMPT && isExempt(level, whom)) return false
      return when === undefined || when(facts, ctx)
    },
    ...(whom === 'everybody' && rescues !== undefined && { rescues }),
  }
}

/** Returns the question so that it skips holders of some marks. */
export function withExemptMarks(
  question: Question<Context>,
  marks: readonly string[],
  actor: number,
): Question<Context> {
  const { check } = question
  if (marks.length === 0) return question
  if (check.unless === undefined) {
    return { ...question, check: { ...check, unless: { subject: actor, anyOf: marks } } }
  }
  if (check.unless.subject === actor) {
    const anyOf = [...new Set([...check.unless.anyOf, ...marks])]
    return { ...question, check: { ...check, unless: { subject: actor, anyOf } } }
  }
  // A check has one `unless`, and this one already uses it for other subjects, such as holders of a role in one chat. But a check
  // that requires marks of the actor can accept the exempt marks as well.
  if (check.kind !== 'present' || check.subject !== actor) return question
  return { ...question, check: { ...check, anyOf: [...new Set([...check.anyOf, ...marks])] } }
}
