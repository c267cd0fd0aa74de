import type { Context } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Facts } from '../../core/facts.js'
import { later, madeLater } from '../../core/later.js'
import type { Admission, Question, Wiring } from '../guard.js'
import { MarkReasons } from '../refusing/mark-reasons.js'
import type { DossierSource } from './dossier-source.js'
import type { VettingRules } from './dossiers.js'
import { SUSPECT, VETTED } from './marks.js'

/** The options of `auth` that concern dossiers. */
interface VettingOptions {
  readonly dossier?: DossierSource | undefined
  readonly minAccountAge?: Ms | undefined
  readonly denyScam: boolean
  readonly denyFake: boolean
  readonly dossierFor: Ms
  readonly dossierWait: Ms
  readonly timeout: Ms
}

/** Returns the rules; undefined if the options ask for no dossiers. */
function rulesOf(options: VettingOptions): Omit<VettingRules, 'quiet'> | undefined {
  const { dossier, minAccountAge, denyScam, denyFake, dossierFor, dossierWait, timeout } = options
  const asks = minAccountAge !== undefined || denyScam || denyFake
  if (dossier === undefined) {
    if (!asks) return undefined
    throw new SentinelError(
      'option.invalid',
      'auth.dossier: is missing; minAccountAge, denyScam and denyFake need facts that the Bot API does not give. Pass a client: auth({ dossier: mtproto({ … }) }).',
    )
  }
  if (!asks) {
    throw new SentinelError(
      'option.invalid',
      'auth.dossier: nothing uses it. Add minAccountAge, denyScam or denyFake.',
    )
  }
  return { dossier, minAccountAge, denyScam, denyFake, dossierFor, dossierWait, timeout }
}

/** The fields that all questions of `auth` share. */
type Common = Omit<Question<Context>, 'check' | 'name' | 'reason'>
type Refusing = Pick<Question<Context>['check'], 'guard' | 'subject'> &
  Partial<Pick<Question<Context>['check'], 'shadow' | 'onRefusal' | 'whenDown'>>

/**
 * Looks up the dossiers of admitted users. The result is stored as a mark, which the plan reads together with everything else. An
 * update that finds no such mark requests the dossier and continues, at once or after a bounded wait.
 */
export interface Vetting {
  /** Requests the dossier of a user who has not been looked up yet. */
  admit(facts: Facts, ctx: Context, probed: readonly number[]): MaybePromise<Admission | undefined>
  end(): void
}

// Loaded with the first unknown user, since most bots never need it. If this fails, each update that waits for it reports that.
const looking = later('auth.dossier', () => import('./dossiers.js'))

/** Creates the lookup; undefined if the options ask for no dossiers. */
export function vettingOf(
  options: VettingOptions,
  wiring: Wiring<Context>,
  common: Common,
  refusing: Refusing,
): Vetting | undefined {
  const rules = rulesOf(options)
  if (rules === undefined) return undefined
  const { services } = wiring
  const reasons = new MarkReasons(services, SUSPECT)
  // While the storage is down, suspects are unknown, which denies nobody.
  const check = { ...refusing, whenDown: 'open', anyOf: [SUSPECT] } as const
  wiring.ask({
    ...common,
    name: 'dossier',
    reason: 'suspect',
    check: { ...check, kind: 'absent', slot: 'auth.dossier' },
    note: ({ actor }, ctx) => reasons.of(ctx.me.id, actor),
  })
  const probe = wiring.ask({
    ...common,
    name: VETTED,
    reason: 'suspect',
    probe: true,
    check: {
      guard: refusing.guard,
      subject: refusing.subject,
      kind: 'present',
      whenDown: 'open',
      slot: 'auth.vetted?',
      anyOf: [VETTED],
      shadow: true,
    },
  })
  const desk = madeLater(
    looking,
    ({ Dossiers }) => new Dossiers(services, { ...rules, quiet: common.denial === 'silent' }),
  )
  let ended = false
  return {
    admit({ actor, actorId, actorKind }, ctx, probed) {
      if (ended || !probed.includes(probe) || actor === undefined || actorId === undefined) return undefined
      if (actorKind !== 'user') return undefined
      const { now } = desk
      if (now !== undefined) return now.admit(ctx.me.id, actor, actorId)
      const admitted = desk.load().then(
        (loaded) => (ended ? undefined : loaded.admit(ctx.me.id, actor, actorId)),
        (error: unknown) => {
          services.failed(error, 'auth.dossier')
          return undefined
        },
      )
      return rules.dossierWait === 0 ? undefined : admitted
    },
    end() {
      ended = true
      desk.now?.end()
    },
  }
}
