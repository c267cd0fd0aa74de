import type { Context } from 'grammy'
import type { Decision, MaybePromise, RefusalCause } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { DenialReason, Denied } from '../../core/verdict.js'
import { recordDenial, type SentinelFlavor } from '../chain/control.js'
import type { Tally } from '../chain/tally.js'
import type { Question, Vetoer } from '../guard.js'
import { vetoVerdict } from '../hooking/hook-points.js'
import type { HookVeto, Steps } from '../hooking/steps.js'
import type { Services } from '../services.js'
import type { Denial } from './denial.js'

/** Denial reasons for causes other than the question's own rule. */
const REASONS: Readonly<Partial<Record<RefusalCause, DenialReason>>> = {
  penalty: 'penalised',
  unavailable: 'unavailable',
}

/** Returns the verdict for a refusal by a question. */
export function verdictOf(question: Question<Context>, decision: Decision): Denied {
  return {
    allowed: false,
    guard: question.check.guard,
    limit: question.name,
    reason: REASONS[decision.cause] ?? question.reason,
    cause: decision.cause,
    retryAfterMs: decision.retryAfterMs,
  }
}

/** Returns the verdict for a denial from outside the plan: by a resolver, a handler, or because the storage is down. */
export function denied(reason: DenialReason, guard: string, note?: string): Denied {
  const retryAfterMs = Number.POSITIVE_INFINITY
  return { allowed: false, guard, limit: '', reason, cause: 'check', retryAfterMs, note }
}

/** Returns the verdict for a refusal by a limit that is not part of the plan. */
export function vetoedBy({ guard, limit, retryAfterMs, note }: Vetoer, reason: DenialReason): Denied {
  const cause = reason === 'unavailable' ? 'unavailable' : 'check'
  const verdict: Denied = { allowed: false, guard, limit, reason, cause, retryAfterMs }
  return note === undefined ? verdict : { ...verdict, note }
}

/** A refusal, and how it is carried out. */
export interface Stop {
  readonly verdict: Denied
  /** How the update is answered, by default with a notice. */
  readonly denial?: Denial | undefined
  /** Whether a notice is due, by default true. */
  readonly notice?: boolean
  /** Whether the hooks of the other guards have already run. */
  readonly hooksRan?: boolean | undefined
  /** Whether the update was counted as allowed before. */
  readonly wasAllowed?: boolean | undefined
}

/** An update that was refused before it was parsed. */
export interface UnreadUpdate {
  readonly facts: Facts
  readonly bot: { readonly id: number }
  /** A context whose update is parsed when it is first read; the bot is known without parsing. */
  readonly ctx: Context
}

/** Handles stopped updates: counts them, tells listeners and sends answers. */
export class Refusals {
  constructor(
    private readonly services: Services,
    private readonly tally: Tally,
    /** True for guards in front of a handler: the sentinel has already admitted and counted the update. */
    private readonly inner: boolean,
    /** The hook steps of the same chain, for hooks after its guards. */
    private readonly steps?: Steps,
  ) {}

  /** Handles a refusal by the plan. */
  stop(facts: Facts, ctx: Context, question: Question<Context>, decision: Decision): MaybePromise<void> {
    const verdict = verdictOf(question, decision)
    const { denial } = question
    // The reason of a block is looked up only if somebody reads it: a flood from blocked users must not cost a lookup each.
    const read = typeof denial === 'function' || this.services.events.heard('denied')
    const note = read && decision.cause === 'check' ? this.noteOf(question, facts, ctx) : undefined
    const { notice } = decision
    const noted = note === undefined ? verdict : { ...verdict, note }
    if (this.services.hooks.deciding)
      return this.denyAfterHooks(facts, ctx, { verdict: noted, denial, notice })
    // In a flood nearly all updates end here, so no `Stop` is created for them.
    this.carryOut(facts, ctx, noted, denial, notice)
  }

  /** Handles any other refusal. */
  deny(facts: Facts, ctx: Context, stop: Stop): MaybePromise<void> {
    if (this.services.hooks.deciding) return this.denyAfterHooks(facts, ctx, stop)
    this.carryOut(facts, ctx, stop.verdict, stop.denial, stop.notice, stop.wasAllowed)
  }

  /** Handles a veto by a hook. */
  hooked(facts: Facts, ctx: Context, veto: HookVeto, wasAllowed = false): MaybePromise<void> {
    const notice = this.steps?.takeNotice(veto, facts, ctx) === true
    return this.deny(facts, ctx, { verdict: vetoVerdict(veto.hook, veto.note), notice, wasAllowed })
  }

  /** Reports an update that would have been stopped without shadow mode. */
  shadow(facts: Facts, ctx: Context, guard: string, limit: string, reason: DenialReason): void {
    this.tally.shadow++
    this.services.events.tell('shadow', { facts, ctx, verdict: { guard, limit, reason } })
  }

  private noteOf(question: Question<Context>, facts: Facts, ctx: Context): string | undefined {
    try {
      return question.note?.(facts, ctx)
    } catch (error) {
      this.services.failed(error, 'storage.marks')
      return undefined
    }
  }

  /**
   * Counts a refused update without parsing it. Passive listeners get a context that is created only when they read it. Returns
   * false and does nothing if more has to follow: a listener, a hook, a notice, or a `deny` function.
   */
  count(question: Question<Context>, decision: Decision, unread: UnreadUpdate): boolean {
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

  private async denyAfterHooks(facts: Facts, ctx: Context, stop: Stop): Promise<void> {
    await this.steps?.refused(facts, ctx, stop.verdict, stop.hooksRan === true)
    this.carryOut(facts, ctx, stop.verdict, stop.denial, stop.notice, stop.wasAllowed)
  }

  private carryOut(
    facts: Facts,
    ctx: Context,
    verdict: Denied,
    denial: Denial = 'notice',
    notice = true,
    wasCounted = false,
  ): void {
    const wasAdmitted = wasCounted || this.inner
    const isFirst = !wasAdmitted || recordDenial(ctx, this.tally)
    // Updates of unknown kinds were admitted, too, but counted as unknown.
    const wasAllowed = wasAdmitted && facts.kind !== undefined
    if (isFirst) this.tallied(verdict.guard, verdict.reason)
    if (isFirst && wasAllowed) this.tally.allowed--
    if (this.inner) {
      ;(ctx as Context & Partial<SentinelFlavor>).sentinel?.decide(verdict)
    }
    this.services.events.tell('denied', { facts, ctx, verdict, wasAllowed, isFirst })
    this.services.notices.answer(ctx, facts, verdict, denial, notice)
  }
}
