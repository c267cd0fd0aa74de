import type { Context } from 'grammy'
import { isPromise, type MaybePromise, type WhenDown } from '../../core/check.js'
import { type Ms, parseDuration } from '../../core/duration.js'
import { isUnavailable } from '../../core/errors.js'
import type { Facts } from '../../core/facts.js'
import { inTime } from '../../core/in-time.js'
import { type Key, keyText } from '../../core/subject.js'
import type { Admission } from '../guard.js'
import type { Services } from '../services.js'
import { RESOLVED, VETOED } from './marks.js'
import type { Resolution, Resolve } from './resolution.js'

/** The options of `auth` that concern its resolver. */
interface ResolverSettings {
  readonly resolveFor: Ms
  readonly timeout: Ms
  readonly onFailure: WhenDown
}

/** Calls a developer's resolver, once for all updates of an actor that come meanwhile. */
export class Resolver {
  private readonly asking = new Map<string, Promise<Admission>>()
  private readonly holdsFor: Ms
  private readonly timeout: Ms
  private readonly open: boolean

  constructor(
    private readonly services: Services,
    private readonly resolve: Resolve<Context>,
    { resolveFor, timeout, onFailure }: ResolverSettings,
  ) {
    this.holdsFor = resolveFor
    this.timeout = timeout
    this.open = onFailure === 'open'
  }

  /** Returns the identity from an earlier yes. */
  remembered(bot: number, key: Key): MaybePromise<Admission | undefined> {
    try {
      const mark = this.services.storage.marks.get(bot, key, RESOLVED)
      if (isPromise(mark)) {
        return mark.then(
          (held) => ({ identity: held?.value }),
          (error) => this.forgotten(error),
        )
      }
      return mark?.value === undefined ? undefined : { identity: mark.value }
    } catch (error) {
      return this.forgotten(error)
    }
  }

  /** Handles a failed storage: with `open`, actors are admitted without the value of an earlier yes. */
  private forgotten(error: unknown): undefined {
    if (!this.open) throw error
    // A storage that is down has already been reported.
    if (!isUnavailable(error)) this.services.failed(error, 'auth.resolve')
  }

  ask(facts: Facts, ctx: Context, key: Key): MaybePromise<Admission> {
    const name = `${ctx.me.id} ${keyText(key)}`
    let asking = this.asking.get(name)
    if (asking === undefined) {
      asking = this.answer(facts, ctx, key).finally(() => this.asking.delete(name))
      this.asking.set(name, asking)
    }
    return asking
  }

  private async answer(facts: Facts, ctx: Context, key: Key): Promise<Admission> {
    const { services } = this
    let resolution: Resolution
    try {
      // Wrapped, since the resolver may also throw synchronously.
      const asked = (async () => this.resolve(facts, ctx))()
      const late = (): Error => new Error(`the resolver took longer than ${this.timeout} ms`)
      resolution = await inTime(asked, this.timeout, services.timers, late)
    } catch (error) {
      services.failed(error, 'auth.resolve')
      return { veto: 'unavailable' }
    }
    const {
      allow,
      value,
      note,
      for: own,
    } = typeof resolution === 'boolean' ? { allow: resolution } : answerOf(resolution)
    const since = services.clock()
    const until = since + (own === undefined ? this.holdsFor : parseDuration(own, 'auth.resolve().for'))
    const mark = {
      since,
      until,
      ...(note === undefined ? {} : { reason: note }),
      ...(value === undefined ? {} : { value }),
    }
    try {
      await services.storage.marks.put(ctx.me.id, allow ? RESOLVED : VETOED, [{ key, mark }])
    } catch (error) {
      // Without the mark, the resolver is asked again.
      services.failed(error, 'auth.resolve')
    }
    return allow ? { identity: value } : { veto: 'vetoed', note }
  }
}

function answerOf(resolution: Exclude<Resolution, boolean>): Exclude<Resolution, boolean> {
  // Untyped code may return nothing, which counts as a no.
  return resolution ?? { allow: false }
}
