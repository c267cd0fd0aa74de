import type { Context } from 'grammy'
import { checkedPermission, grantsOf, unknownPermission } from '../core/grants.js'
import { isOfChat, marksOf } from '../core/roles.js'
import { guardOf } from './compose.js'
import type { Guard, Wired, Wiring } from './guard.js'
import { parseOptions } from './options/schema.js'
import type { RequireOptions } from './require.js'
import { type DemandSettings, demandOf, demandOptions, NOBODY } from './roles/demand.js'

/**
 * Admits only actors with a permission: they hold a role that allows it (see `roles` of `sentinel()`), everywhere or in the chat
 * of the update, and none that denies it. Everybody else is refused with the reason `forbidden`, as are updates without an actor,
 * such as the result of a poll. Roles are expanded when the guard is wired, so that it is decided together with the rest of its
 * chain. Telegram is asked only if a role that it assigns (`chat:administrator` …) matters, and only if the plan does not already
 * refuse or exempt the actor.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`; when it is wired, `permission.unknown` if no role
 * allows the permission: thrown while a chain is built; in front of a handler reported as an `error` event, and the handler
 * refuses everybody.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { requirePermission, sentinel } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(sentinel({ roles: { admin: { allow: ['orders.*'] } } }))
 * bot.command('refund', requirePermission('orders.refund'), (ctx) => ctx.reply('Refunded.'))
 * ```
 */
export function requirePermission<C extends Context = Context>(
  permission: string,
  given: RequireOptions<C> = {},
): Guard<C> {
  const name = checkedPermission(permission, 'requirePermission')
  const settings = parseOptions('requirePermission', demandOptions, given)
  return guardOf({
    name: 'permission',
    label: name,
    wire: (wiring) => wire(wiring, name, settings),
  })
}

function wire(
  wiring: Wiring<Context>,
  permission: string,
  settings: DemandSettings,
): Wired<Context> | undefined {
  const { services } = wiring
  const demand = demandOf(
    wiring,
    {
      guard: 'permission',
      base: `permission.${permission}`,
      name: permission,
      reason: 'forbidden',
      exempt: 'trusted',
    },
    settings,
  )
  const { slot, noticing } = demand
  const member = demand.member()
  // A permission that is required twice is checked once.
  if (wiring.asks(slot) || wiring.asks(`${slot}?`)) return undefined
  const unknown = unknownPermission(services.roles, permission, 'requirePermission')
  // A guard wired on its own knows no roles yet; the error is thrown once it is wired behind a sentinel that defines roles.
  if (unknown !== undefined && services.roles.declared) throw unknown
  const { allowedTo, deniedTo } = grantsOf(services.roles, permission)
  const asksTelegram = [...allowedTo, ...deniedTo].some(isOfChat)
  const denying = marksOf(deniedTo)
  if (denying.length > 0) {
    demand.ask({ kind: 'absent', slot: `${slot}!`, anyOf: denying, ...noticing })
    demand.ask({ kind: 'absent', slot: `${slot}!here`, subject: member, anyOf: denying, ...noticing })
  }
  const allowing = marksOf(allowedTo)
  const anyOf = allowing.length === 0 ? [NOBODY] : allowing
  // Skips the check for holders of one of the roles in this chat, so that one check covers roles here and everywhere.
  const present = { kind: 'present', anyOf, unless: { subject: member, anyOf } } as const
  const probing = { shadow: true, onRefusal: {} }
  let covered = -1
  let lacking = -1
  if (asksTelegram) {
    // Refuses only while the storage does not answer: a probe never refuses, so that everybody would be let in then.
    demand.ask({ kind: 'absent', slot: `${slot}~`, anyOf: [NOBODY], ...noticing })
    // The plan decides which updates are covered and who is exempt: Telegram is asked only where this probe was evaluated.
    covered = demand.ask({ kind: 'present', slot: `${slot}??`, anyOf: [NOBODY], ...probing }, true)
    lacking = demand.ask({ ...present, slot: `${slot}?`, ...probing }, true)
  } else demand.ask({ ...present, slot, ...noticing })
  return {
    ...demand.wired(asksTelegram, (facts, ctx, probed) =>
      probed.includes(covered)
        ? demand.byTelegram(facts, ctx, (given) => {
            const isAllowed = !probed.includes(lacking) || given.some((role) => allowedTo.includes(role))
            return isAllowed && !given.some((role) => deniedTo.includes(role))
          })
        : undefined,
    ),
    begin() {
      if (unknown !== undefined) services.failed(unknown, 'wiring')
    },
  }
}
