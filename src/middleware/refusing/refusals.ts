import type { Context } from 'grammy'
import type { Decision, MaybePromise, RefusalCause } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { DenialReason, Denied } from '../../core/verdict.js'
import { type SentinelFlavor, stopsFirst } from '../chain/control.js'
import type { Tally } from '../chain/tally.js'
import type { Question, Vetoer } from '../guard.js'
import { vetoVerdict } from '../hooking/hook-points.js'
import type { HookVeto, Steps } from '../hooking/steps.js'
import type { Services } from '../services.js'
import type { Denial } from './denial.js'

/** Where it is not the question's own rule that refuses. */
const REASONS: Readonly<Partial<Record<RefusalCause, DenialReason>>> = {
  penalty: 'penalised',
  unavailable: 'unavailable',
}

/** What a refusal by a question is called. */
export function verdictOf<C extends Context>(question: Question<C>, decision: Decision): Denied {
  return {
    allowed: false,
    guard: question.check.guard,
    limit: question.name,
    reason: REASONS[decision.cause] ?? question.reason,
    cause: decision.cause,
    retryAfterMs: decision.retryAfterMs,
  }
}

/** An update that was refused before it was parsed. */
export interface UnreadUpdate {
  readonly facts: Facts
  readonly bot: { readonly id: number }
  /** Parsed once somebody looks at its update: whose bot it is it knows without. */
  readonly ctx: Context
}

/** What follows when an update is stopped: it is counted, told to listeners and answered. */
export class Refusals<C extends Context> {
  constructor(
    private readonly services: Services,
    private readonly tally: Tally,
    /** In front of one handler: a sentinel has let the update in and counted it. */
    private readonly inner = false,
    /** Of the same chain, for hooks after its guards. */
    private readonly steps?: Steps,
  ) {}

  /** Stopped by the plan. */
  stop(facts: Facts, ctx: C, question: Question<C>, decision: Decision): MaybePromise<void> {
    const verdict = verdictOf(question, decision)
    const { denial } = question
    // A block's reason is looked up only where somebody reads it: a flood from blocked users must not cost a lookup each.
    const read = typeof denial === 'function' || this.services.events.heard('denied')
    const note = read && decision.cause === 'check' ? this.noteOf(question, facts, ctx) : undefined
    return this.follow(
      facts,
      ctx,
      note === undefined ? verdict : { ...verdict, note },
      denial,
      decision.notice,
    )
  }

  /** Stopped by what no plan knows: a resolver, a handler, a storage that is away. */
  deny(
    facts: Facts,
    ctx: C,
    reason: DenialReason,
    guard: string,
    note?: string,
    denial: Denial<C> = 'notice',
    wasAllowed = false,
  ): MaybePromise<void> {
    const retryAfterMs = Number.POSITIVE_INFINITY
    const verdict: Denied = { allowed: false, guard, limit: '', reason, cause: 'check', retryAfterMs, note }
    return this.follow(facts, ctx, verdict, denial, true, false, wasAllowed)
  }

  /** Stopped by a limit that no plan knows. */
  veto(
    facts: Facts,
    ctx: C,
    reason: DenialReason,
    by: Vetoer,
    denial: Denial<C> = 'notice',
    /** The guards before have been heard. */
    late = false,
    wasAllowed = false,
  ): MaybePromise<void> {
    const { guard, limit, retryAfterMs, notice, note } = by
    const cause = reason === 'unavailable' ? 'unavailable' : 'check'
    const verdict: Denied = { allowed: false, guard, limit, reason, cause, retryAfterMs }
    return this.follow(
      facts,
      ctx,
      note === undefined ? verdict : { ...verdict, note },
      denial,
      notice,
      late,
      wasAllowed,
    )
  }

  /** Stopped by a hook. */
  hooked(facts: Facts, ctx: C, veto: HookVeto, wasAllowed = false): MaybePromise<void> {
    const notice = this.steps?.isNotice(veto, facts, ctx) === true
    return this.follow(facts, ctx, vetoVerdict(veto.hook, veto.note), 'notice', notice, false, wasAllowed)
  }

  /** Would have been stopped, were it not in shadow. */
  shadow(facts: Facts, ctx: C, guard: string, limit: string, reason: DenialReason): void {
    this.tally.shadow++
    this.services.events.tell('shadow', {
      facts,
      ctx,
      verdict: { guard, limit, reason },
      guard,
      limit,
      reason,
    })
  }

  private noteOf(question: Question<C>, facts: Facts, ctx: C): string | undefined {
    try {
      return question.note?.(facts, ctx)
    } catch (error) {
      this.services.events.tell('error', { error, during: 'storage.marks' })
      return undefined
    }
  }

  /**
   * Stops what is not parsed: counts it, and tells bystanders, who find the context made when they look. False, and nothing is
   * done, where more follows than that: somebody listens, something is said, a function of the developer's is called.
   */
  count(question: Question<C>, decision: Decision, unread: UnreadUpdate): boolean {
    const { check, denial, name } = question
    const { events, hooks, notices } = this.services
    const said =
      typeof denial === 'function' ||
      (denial === 'notice' &&
        (decision.notice || notices.owes(unread.bot.id, unread.facts, check.guard, name)))
    if (said || decision.shadowRefusals.length > 0 || events.heard('denied') || hooks.deciding) return false
    this.tallied(check.guard, REASONS[decision.cause] ?? question.reason)
    if (events.wanted('denied')) {
      const verdict = verdictOf(question, decision)
      events.tell('denied', {
        facts: unread.facts,
        verdict,
        wasAllowed: false,
        isFirst: true,
        get ctx() {
          return unread.ctx
        },
      })
    }
    return true
  }

  private tallied(guard: string, reason: DenialReason): void {
    const { denials } = this.tally
    const name = `${guard}.${reason}`
    this.tally.denied++
    denials.set(name, (denials.get(name) ?? 0) + 1)
  }

  private follow(
    facts: Facts,
    ctx: C,
    verdict: Denied,
    denial: Denial<C>,
    notice: boolean,
    late = false,
    wasAllowed = false,
  ): MaybePromise<void> {
    const before = wasAllowed || this.inner
    if (this.services.hooks.deciding)
      return this.followHooks(facts, ctx, verdict, denial, notice, late, before)
    this.told(facts, ctx, verdict, denial, notice, before)
  }

  private async followHooks(
    facts: Facts,
    ctx: C,
    verdict: Denied,
    denial: Denial<C>,
    notice: boolean,
    late: boolean,
    wasAllowed: boolean,
  ): Promise<void> {
    await this.steps?.refused(facts, ctx, verdict, late)
    this.told(facts, ctx, verdict, denial, notice, wasAllowed)
  }

  private told(
    facts: Facts,
    ctx: C,
    verdict: Denied,
    denial: Denial<C>,
    notice: boolean,
    wasAllowed: boolean,
  ): void {
    const isFirst = !wasAllowed || stopsFirst(ctx, this.tally)
    if (isFirst) this.tallied(verdict.guard, verdict.reason)
    if (isFirst && wasAllowed) this.tally.allowed--
    if (this.inner) {
      ;(ctx as C & Partial<SentinelFlavor>).sentinel?.decide(verdict)
    }
    this.services.events.tell('denied', { facts, ctx, verdict, wasAllowed, isFirst })
    this.services.notices.answer(ctx, facts, verdict, denial, notice)
  }
}
