import type { Context } from 'grammy'
import { z } from 'zod'
import { type AbsentCheck, isPromise, type MaybePromise, type PresentCheck } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { ACTIVITIES, type Activity } from '../../core/kinds.js'
import { keyText, memberKey } from '../../core/subject.js'
import type { DenialReason } from '../../core/verdict.js'
import type { ExemptActors } from '../exempt/exemptions.js'
import type { Admission, Wired, Wiring } from '../guard.js'
import { activities, onFailure, option, refusal } from '../options/schema.js'
import { notifiedBy } from '../recent.js'

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
  readonly exempt: ExemptActors
}

type MarkCheck = Omit<AbsentCheck, 'guard' | 'subject'> | Omit<PresentCheck, 'guard' | 'subject'>

/** Makes a role, a permission or a registration that an actor must have, in one chain. */
export function demandOf(
  wiring: Wiring<Context>,
  { guard, base, name, reason, exempt }: Demanded,
  settings: DemandSettings,
) {
  const { on = USUAL, deny, noticeEvery, shadow, onFailure: whenDown } = settings
  const { services } = wiring
  const slot = slotOf(base, settings)
  const isSilent = deny === 'silent'
  /** The actors who were notified recently; undefined if no notices are sent. */
  const notified = isSilent ? undefined : notifiedBy(services, slot, noticeEvery, wiring.place)
  const subject = wiring.scope('actor', (facts) => facts.actor)
  const common = { guard, subject, whenDown, shadow }

  const veto = ({ actor }: Facts): Admission => {
    // For the plan's own refusals the storage decides whether a notice is due; for this veto nobody else does.
    const notice = actor !== undefined && notified?.add(keyText(actor), services.steady()) === true
    return { veto: reason, by: { guard, limit: name, retryAfterMs: Number.POSITIVE_INFINITY, notice } }
  }

  return {
    slot,
    /** For checks whose refusals are answered: how often there is a notice. */
    noticing: { onRefusal: isSilent ? {} : { noticeEvery } },

    /** Returns the scope of the actor in the chat of the update, for roles that are held in that chat only. */
    member: (): number =>
      wiring.scope('member.roles', ({ actor, chatId }) =>
        actor === undefined || chatId === undefined ? undefined : memberKey(actor, chatId),
      ),

    /** Adds a check, of the actor unless it has another subject. */
    ask: (check: MarkCheck & { readonly subject?: number }, probe = false): number =>
      wiring.ask({ on, exempt, name, reason, denial: deny, probe, check: { ...common, ...check } }),

    /**
     * What the guard does besides its checks. These need an actor: without one, nobody can have what is demanded.
     *
     * @param asksTelegram Whether `admit` may ask Telegram.
     */
    wired: (asksTelegram: boolean, admit: Required<Wired<Context>>['admit']): Wired<Context> => ({
      denial: deny,
      shadow,
      ...(asksTelegram && { needs: ['chat_member'], apart: true }),
      admit(facts, ctx, probed) {
        if (facts.actor !== undefined) return asksTelegram ? admit(facts, ctx, probed) : undefined
        return on.includes(facts.activity) ? veto(facts) : undefined
      },
    }),

    /** Decides by the roles that Telegram assigns to the actor. */
    byTelegram(
      facts: Facts,
      ctx: Context,
      suffices: (roles: readonly string[]) => boolean,
    ): MaybePromise<Admission | undefined> {
      const decide = (roles: readonly string[]): Admission | undefined =>
        suffices(roles) ? undefined : veto(facts)
      const given = services.chatRoles.rolesOf(facts, ctx)
      return isPromise(given) ? given.then(decide) : decide(given)
    },
  }
}

/**
 * Returns the slot of a demand. The same demand under other conditions has another slot: of two demands that are checked
 * together, the weaker one must never replace the other.
 */
function slotOf(base: string, { on = USUAL, shadow, onFailure }: DemandSettings): string {
  const where = ACTIVITIES.filter((activity) => on.includes(activity))
  const isUsual = where.length === USUAL.length && where.every((activity) => USUAL.includes(activity))
  const conditions = [
    ...(isUsual ? [] : [`on ${where.join(' ')}`]),
    ...(shadow ? ['shadow'] : []),
    ...(onFailure === 'closed' ? [] : [onFailure]),
  ]
  return [base, ...conditions].join(', ')
}
