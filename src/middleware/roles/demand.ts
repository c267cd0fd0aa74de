import type { Context } from 'grammy'
import { z } from 'zod'
import { type AbsentCheck, isPromise, type MaybePromise, type PresentCheck } from '../../core/check.js'
import { type Ms, parseDuration } from '../../core/duration.js'
import { ACTIVITIES, type Activity, type Facts } from '../../core/facts.js'
import { keyText, memberKey } from '../../core/subject.js'
import type { DenialReason } from '../../core/verdict.js'
import type { Admission, Excused, Question, Wired, Wiring } from '../guard.js'
import { activities, onFailure, option, refusal } from '../options/schema.js'
import { notifiedBy, type Recent } from '../recent.js'
import type { Denial } from '../refusing/denial.js'

/** Completed payments are never refused; everything else is closed to those who lack what is demanded. */
const USUAL: readonly Activity[] = ACTIVITIES.filter((activity) => activity !== 'payment')
/** A mark that nobody holds, since no role has an empty name. */
export const NOBODY = 'role:'

export const demandOptions = z.strictObject({
  on: option(activities, 'What it is for. Default: everything but payments that were made.'),
  ...refusal,
  onFailure: onFailure('closed'),
})

export type DemandSettings = z.output<typeof demandOptions>

/** What is demanded of whom, and how its refusals are named. */
interface Demanded {
  readonly guard: string
  /** The name of the demand's state; the same demand under other conditions has another. */
  readonly base: string
  readonly name: string
  readonly reason: DenialReason
  readonly excused: Excused
}

type MarkCheck = Omit<AbsentCheck, 'guard' | 'subject'> | Omit<PresentCheck, 'guard' | 'subject'>

/** A role, a permission or a registration that an actor must have, in one chain. */
export class Demand {
  readonly slot: string
  /** The scope of the actor. */
  readonly actor: number
  /** For checks whose refusals are answered: how often there is a notice. */
  readonly noticing: Pick<AbsentCheck, 'onRefusal'>
  private readonly on: readonly Activity[]
  private readonly deny: Denial
  private readonly shadow: boolean
  /** The actors who were notified recently; undefined if no notices are sent. */
  private readonly notified: Recent<true> | undefined

  constructor(
    private readonly wiring: Wiring<Context>,
    private readonly demanded: Demanded,
    private readonly settings: DemandSettings,
  ) {
    const { on = USUAL, deny = 'notice', shadow = false } = settings
    const noticeEvery: Ms = settings.noticeEvery ?? parseDuration('1m')
    this.slot = slotOf(demanded.base, settings)
    this.on = on
    this.deny = deny
    this.shadow = shadow
    this.noticing = { onRefusal: deny === 'silent' ? {} : { noticeEvery } }
    this.notified =
      deny === 'silent' ? undefined : notifiedBy(wiring.services, this.slot, noticeEvery, wiring.place)
    this.actor = wiring.scope('actor', (facts) => facts.actor)
  }

  /** The scope of the actor in the chat of the update, for roles that are held in that chat only. */
  get member(): number {
    return this.wiring.scope('member.roles', ({ actor, chatId }) =>
      actor === undefined || chatId === undefined ? undefined : memberKey(actor, chatId),
    )
  }

  /** Adds a check, of the actor unless it has another subject. */
  ask(check: MarkCheck & { readonly subject?: number }, probe = false): number {
    const { guard, name, reason, excused } = this.demanded
    const { onFailure: whenDown = 'closed' } = this.settings
    const common = { guard, subject: this.actor, whenDown, shadow: this.shadow }
    const question: Omit<Question<Context>, 'check'> = {
      on: this.on,
      excused,
      name,
      reason,
      denial: this.deny,
      probe,
    }
    return this.wiring.ask({ ...question, check: { ...common, ...check } })
  }

  /**
   * What the guard does besides its checks. These need an actor: without one, nobody can have what is demanded.
   *
   * @param asksTelegram Whether `admit` may ask Telegram.
   */
  wired(asksTelegram: boolean, admit: Required<Wired<Context>>['admit']): Wired<Context> {
    return {
      denial: this.deny,
      shadow: this.shadow,
      ...(asksTelegram && { needs: ['chat_member'], apart: true }),
      admit: (facts, ctx, probed) => {
        if (facts.actor !== undefined) return asksTelegram ? admit(facts, ctx, probed) : undefined
        return this.on.includes(facts.activity) ? this.veto(facts) : undefined
      },
    }
  }

  /** Decides by the roles that Telegram assigns to the actor. */
  byTelegram(
    facts: Facts,
    ctx: Context,
    suffices: (roles: readonly string[]) => boolean,
  ): MaybePromise<Admission | undefined> {
    const decide = (roles: readonly string[]): Admission | undefined =>
      suffices(roles) ? undefined : this.veto(facts)
    const given = this.wiring.services.chatRoles.rolesOf(facts, ctx)
    return isPromise(given) ? given.then(decide) : decide(given)
  }

  private veto({ actor }: Facts): Admission {
    const { guard, name, reason } = this.demanded
    // For the plan's own refusals the storage decides whether a notice is due; for this veto nobody else does.
    const notice =
      actor !== undefined && this.notified?.add(keyText(actor), true, this.wiring.services.steady()) === true
    return { veto: reason, by: { guard, limit: name, retryAfterMs: Number.POSITIVE_INFINITY, notice } }
  }
}

/**
 * Returns the slot of a demand. The same demand under other conditions has another slot: of two demands that are checked
 * together, the weaker one must never replace the other.
 */
function slotOf(base: string, { on = USUAL, shadow = false, onFailure = 'closed' }: DemandSettings): string {
  const where = ACTIVITIES.filter((activity) => on.includes(activity))
  const isUsual = where.length === USUAL.length && where.every((activity) => USUAL.includes(activity))
  const conditions = [
    ...(isUsual ? [] : [`on ${where.join(' ')}`]),
    ...(shadow ? ['shadow'] : []),
    ...(onFailure === 'closed' ? [] : [onFailure]),
  ]
  return [base, ...conditions].join(', ')
}
