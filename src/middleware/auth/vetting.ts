import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Facts } from '../../core/facts.js'
import type { Key } from '../../core/subject.js'
import type { Admission, Question, Wiring } from '../guard.js'
import type { Services } from '../services.js'
import type { DossierSource } from './dossier-source.js'
import type { Dossiers, VettingRules } from './dossiers.js'
import { SUSPECT, VETTED } from './marks.js'

/** The rules as given in the options. */
export interface VettingOptions {
  readonly dossier?: DossierSource | undefined
  readonly minAccountAge?: Ms | undefined
  readonly denyScam?: boolean | undefined
  readonly denyFake?: boolean | undefined
  readonly dossierFor?: Ms | undefined
  readonly dossierWait?: Ms | undefined
  readonly timeout?: Ms | undefined
}

const DAY: Ms = 86_400_000

/** Returns the rules; undefined if the options ask for no dossiers. */
function rulesOf(options: VettingOptions): VettingRules | undefined {
  const { dossier, minAccountAge, denyScam = false, denyFake = false } = options
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
  const { dossierFor = DAY, timeout = 5000 } = options
  return { dossier, minAccountAge, denyScam, denyFake, dossierFor, timeout }
}

/** The fields that all questions of `auth` share. */
type Common = Omit<Question<Context>, 'check' | 'name' | 'reason'>
type Refusing = Pick<Question<Context>['check'], 'guard' | 'subject'> &
  Partial<Pick<Question<Context>['check'], 'shadow' | 'onRefusal' | 'whenDown'>>

/**
 * Looks up the dossiers of admitted users. The result is stored as a mark, which the plan reads together with everything else. An
 * update that finds no such mark requests the dossier and continues, at once or after a bounded wait.
 */
export class Vetting {
  readonly #wait: Ms
  readonly #probe: number
  #desk: Dossiers | Promise<Dossiers> | undefined
  #ended = false

  private constructor(
    private readonly services: Services,
    private readonly rules: VettingRules,
    private readonly quiet: boolean,
    { dossierWait = 0 }: VettingOptions,
    wiring: Wiring<Context>,
    common: Common,
    refusing: Refusing,
  ) {
    this.#wait = dossierWait
    // While the storage is down, suspects are unknown, which denies nobody.
    const check = { ...refusing, whenDown: 'open', anyOf: [SUSPECT] } as const
    wiring.ask({
      ...common,
      name: 'dossier',
      reason: 'suspect',
      check: { ...check, kind: 'absent', slot: 'auth.dossier' },
      note: ({ actor }, ctx) => this.#noteOf(ctx.me.id, actor),
    })
    this.#probe = wiring.ask({
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
  }

  /** Creates the lookup; undefined if the options ask for no dossiers. */
  static of(
    options: VettingOptions,
    wiring: Wiring<Context>,
    common: Common,
    refusing: Refusing,
  ): Vetting | undefined {
    const rules = rulesOf(options)
    if (rules === undefined) return undefined
    return new Vetting(wiring.services, rules, common.denial === 'silent', options, wiring, common, refusing)
  }

  /** Requests the dossier of a user who has not been looked up yet. */
  admit(facts: Facts, ctx: Context, probed: readonly number[]): MaybePromise<Admission | undefined> {
    const { actor, actorId, actorKind } = facts
    if (!probed.includes(this.#probe) || actor === undefined || actorId === undefined) return undefined
    if (actorKind !== 'user') return undefined
    const asking = this.#ask(ctx.me.id, actor, actorId)
    return asking === undefined || this.#wait === 0 ? undefined : this.#within(asking)
  }

  end(): void {
    this.#ended = true
    const desk = this.#desk
    if (desk !== undefined && !isPromise(desk)) desk.end()
  }

  #ask(bot: number, key: Key, user: number): Promise<string | undefined> | undefined {
    if (this.#ended) return undefined
    this.#desk ??= this.#open()
    const desk = this.#desk
    return isPromise(desk)
      ? desk.then(
          (opened) => opened.ask(bot, key, user),
          () => undefined,
        )
      : desk.ask(bot, key, user)
  }

  /** Loads the module with the first unknown user, since most bots never need it. */
  #open(): Promise<Dossiers> {
    const opening = import('./dossiers.js').then(({ Dossiers }) => {
      const desk = new Dossiers(this.services, this.rules)
      this.#desk = desk
      if (this.#ended) desk.end()
      return desk
    })
    opening.catch((error: unknown) => {
      this.#desk = undefined
      this.services.failed(error, 'auth.dossier')
    })
    return opening
  }

  async #within(asking: Promise<string | undefined>): Promise<Admission | undefined> {
    let callOff: () => void = () => undefined
    const late = new Promise<undefined>((resolve) => {
      callOff = this.services.timers.after(this.#wait, () => resolve(undefined))
    })
    const why = await Promise.race([asking, late])
    callOff()
    if (why === undefined) return undefined
    const by = {
      guard: 'auth',
      limit: 'dossier',
      retryAfterMs: Number.POSITIVE_INFINITY,
      notice: !this.quiet,
      note: why,
    }
    return { veto: 'suspect', by }
  }

  /** Returns the reason if the storage is synchronous, as memory is. */
  #noteOf(bot: number, key: Key | undefined): string | undefined {
    const mark = key === undefined ? undefined : this.services.storage.marks.get(bot, key, SUSPECT)
    if (!isPromise(mark)) return mark?.reason
    mark.catch(() => undefined)
    return undefined
  }
}
