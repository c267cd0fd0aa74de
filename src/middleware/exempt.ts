import type { Context } from 'grammy'
import { isPromise } from '../core/check.js'
import type { Facts } from '../core/facts.js'
import { ACTIVITIES } from '../core/kinds.js'
import type { SentinelFlavor } from './chain/control.js'
import { guardOf } from './compose.js'
import { exemptFromNowOn } from './exempt/exempt-contexts.js'
import {
  ADMINISTRATOR,
  Exemptions,
  type ExemptOptions,
  exemptOptions,
  HOLDER,
  NOT_EXEMPT,
} from './exempt/exemptions.js'
import type { Admission, Guard, Wired, Wiring } from './guard.js'
import { parseOptions } from './options/schema.js'
import type { Services } from './services.js'

/**
 * Exempts actors from the guards that follow: those further in on the same handler (below it among decorators, inside it when
 * wrapping a handler, later in `compose()`), and every guard that the update reaches afterwards, including a sentinel. Earlier
 * guards have already decided: their refusals stand, but the charges of earlier limits are given back, so that handlers behind
 * `exempt()` use nothing up. That costs one more call to the storage, which the update does not wait for.
 *
 * - `exempt()` exempts everybody from limits and debounces, but not from `block`, `once`, registration and roles.
 * - With options it exempts the actors they name, to the same extent as the option `exempt` of `sentinel()`:
 *   {@link ExemptOptions}.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `subject.invalid`; when it is wired, `role.unknown`.
 *
 * @example
 * ```ts
 * import { Bot, type Context } from 'grammy'
 * import { exempt, sentinel, throttle } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(sentinel())
 * bot.command('help', exempt(), (ctx) => ctx.reply('Ask as often as you like.'))
 *
 * class Reports {
 *   @exempt({ roles: ['moderator'], chatAdmins: true })
 *   @throttle('3/1h')
 *   async report(ctx: Context): Promise<void> {
 *     await ctx.reply('Thank you.')
 *   }
 * }
 * ```
 */
export function exempt<C extends Context = Context>(options?: ExemptOptions): Guard<C> {
  // Only checked here; `Exemptions` reads the named users when the guard is wired.
  if (options !== undefined) parseOptions('exempt', exemptOptions, options)
  const label = options?.roles?.join('|')
  return guardOf({
    name: 'exempt',
    ...(label !== undefined && { label }),
    wire: (wiring) => wire(wiring, options),
  })
}

function wire(wiring: Wiring<Context>, options: ExemptOptions | undefined): Wired<Context> {
  const { services } = wiring
  const roles = options?.roles ?? []
  for (const role of roles) services.roles.check(role, 'exempt.roles')
  const marks = [...new Set(roles.flatMap((role) => services.roles.marksOf(role)))]
  const administrators = options?.chatAdmins === true ? services.chatRoles : undefined
  const listed = new Exemptions(options ?? {}, administrators)
  const levelOf = (facts: Facts, ctx: Context): number =>
    options === undefined ? ADMINISTRATOR : listed.levelOf(facts, ctx.me.id)
  const probe = marks.length === 0 ? undefined : askRoles(wiring, marks)
  wiring.exempt({
    levelOf,
    marks,
    ...(administrators !== undefined && { rescues: (facts, ctx) => listed.rescues(facts, ctx) }),
  })
  return {
    ...(administrators !== undefined && { needs: ['chat_member'] }),
    admit(facts, ctx, probed) {
      let level = levelOf(facts, ctx)
      if (level < HOLDER && probe !== undefined && facts.actor !== undefined && !probed.includes(probe)) {
        level = HOLDER
      }
      // Guards further on have plans of their own and cannot ask Telegram, so Telegram is asked here.
      const rescued = level === NOT_EXEMPT && administrators !== undefined && listed.rescues(facts, ctx)
      if (!isPromise(rescued)) return admitExempt(rescued ? ADMINISTRATOR : level, services, ctx)
      return rescued.then((yes) => admitExempt(yes ? ADMINISTRATOR : NOT_EXEMPT, services, ctx))
    },
  }
}

function admitExempt(level: number, services: Services, ctx: Context): Admission | undefined {
  if (level === NOT_EXEMPT) return undefined
  exemptFromNowOn(ctx, level)
  giveBack(services, ctx)
  return SPENDS_NOTHING
}

/** Adds a probe for the roles. Its result is needed for the guards that the update reaches later. */
function askRoles(wiring: Wiring<Context>, marks: readonly string[]): number {
  // Several exempt() may name the same roles, and two questions of one chain cannot share a slot. The check keeps no state, so a
  // number makes them different.
  const base = `exempt.${marks.join('|')}`
  let slot = `${base}?`
  for (let i = 2; wiring.asks(slot); i++) slot = `${base}~${i}?`
  return wiring.ask({
    check: {
      kind: 'present',
      guard: 'exempt',
      slot,
      subject: wiring.scope('actor', (facts) => facts.actor),
      anyOf: marks,
      shadow: true,
      whenDown: 'closed',
    },
    on: ACTIVITIES,
    exempt: 'nobody',
    probe: true,
    name: 'exempt',
    reason: 'unregistered',
    denial: 'silent',
  })
}

const SPENDS_NOTHING: Admission = { refund: true }

/** Refunds in the background what guards further up charged; the update does not wait for it. */
function giveBack(services: Services, ctx: Context & Partial<SentinelFlavor>): void {
  const { sentinel } = ctx
  if (sentinel === undefined) return
  const refunding = (): Promise<void> => sentinel.refund()
  // If too much is running in the background, it runs detached instead. It reports its errors itself.
  if (!services.background.run('exempt', refunding)) void refunding()
}
