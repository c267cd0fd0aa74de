import type { Context } from 'grammy'
import type { Question } from '../guard.js'
import type { Excuse } from './excuse.js'
import { NOT_EXEMPT, spares } from './exemptions.js'

/** Returns the question so that it is not asked about actors whom the excuse exempts. */
export function excused(question: Question<Context>, excuse: Excuse, actor: number): Question<Context> {
  const { excused: whom, when } = question
  if (whom === 'nobody') return question
  const { rescues } = excuse
  return {
    ...withMarks(question, whom === 'trusted' ? [] : excuse.marks, actor),
    when: (facts, ctx) => {
      const level = excuse.levelOf(facts, ctx)
      if (level !== NOT_EXEMPT && spares(level, whom)) return false
      return when === undefined || when(facts, ctx)
    },
    ...(whom === 'everybody' && rescues !== undefined && { rescues }),
  }
}

/** Returns the question so that it skips holders of some marks. */
export function withMarks(
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

/** Contexts that are exempt from the guards that follow, with their level. */
const letOff = new WeakMap<Context, number>()
/** Whether any context was ever exempted; if not, lookups are skipped. */
let inUse = false

/** Exempts an update from all guards that it reaches from now on. */
export function letOffFrom(ctx: Context, level: number): void {
  inUse = true
  if (level > levelIn(ctx)) letOff.set(ctx, level)
}

/** Whether any guard has exempted an update this way. For a single update that is known only once it arrives. */
export function isLettingOff(): boolean {
  return inUse
}

/** Returns the exemption level that guards further up gave an update. */
export function levelIn(ctx: Context): number {
  return inUse ? (letOff.get(ctx) ?? NOT_EXEMPT) : NOT_EXEMPT
}
