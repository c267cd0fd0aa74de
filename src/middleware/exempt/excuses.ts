import type { Context } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { Question } from '../guard.js'
import { NOT_EXEMPT, spares } from './exemptions.js'

/** Lets some off what is asked after it, in one plan. */
export interface Excuse<C extends Context> {
  /** How far an actor is let off, as far as it is known without asking anybody. */
  levelOf(facts: Facts, ctx: C): number
  /** Whoever holds one of these is let off; the plan reads them. */
  readonly marks: readonly string[]
  /** Whether whoever was refused is let off after all; from then on {@link levelOf} knows. */
  rescues?(facts: Facts, ctx: C): MaybePromise<boolean>
}

/** A question that is not asked of those whom an excuse lets off it. */
export function excused<C extends Context>(
  question: Question<C>,
  excuse: Excuse<C>,
  actor: number,
): Question<C> {
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

/** The same question, left out for the holders of some marks. */
export function withMarks<C extends Context>(
  question: Question<C>,
  marks: readonly string[],
  actor: number,
): Question<C> {
  const { check } = question
  if (marks.length === 0) return question
  if (check.unless === undefined) {
    return { ...question, check: { ...check, unless: { subject: actor, anyOf: marks } } }
  }
  if (check.unless.subject === actor) {
    const anyOf = [...new Set([...check.unless.anyOf, ...marks])]
    return { ...question, check: { ...check, unless: { subject: actor, anyOf } } }
  }
  // A check has one `unless`, and this one needs it for others, such as the holders of a role in one chat. But a check that asks for
  // marks of the actor can accept those of the exempt as well.
  if (check.kind !== 'present' || check.subject !== actor) return question
  return { ...question, check: { ...check, anyOf: [...new Set([...check.anyOf, ...marks])] } }
}

/** Contexts that were let off what comes after. */
const letOff = new WeakMap<Context, number>()
/** Nobody looks them up where nobody is ever let off like that. */
let inUse = false

/** Lets an update off all guards that it comes to from now on. */
export function letOffFrom(ctx: Context, level: number): void {
  inUse = true
  if (level > levelIn(ctx)) letOff.set(ctx, level)
}

/** Whether guards further up let anybody off, which is known of an update only when it gets here. */
export function isLettingOff(): boolean {
  return inUse
}

/** How far an update was let off by guards further up. */
export function levelIn(ctx: Context): number {
  return inUse ? (letOff.get(ctx) ?? NOT_EXEMPT) : NOT_EXEMPT
}
