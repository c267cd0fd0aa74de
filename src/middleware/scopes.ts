import type { Context } from 'grammy'
import type { Facts } from '../core/facts.js'
import { chatKey, commandKey, GLOBAL_KEY, memberKey, ownKey } from '../core/subject.js'
import type { Wiring } from './guard.js'

/**
 * Whom a limit counts: the actor (`user`; a channel or a group's anonymous administrators are actors too), the
 * `chat` as a place, the actor inside one chat (`member`), the actor's use of each `command`, or all together
 * (`global`).
 */
export const SCOPES = ['user', 'chat', 'member', 'command', 'global'] as const

/**
 * Whom a limit counts: `user`, `chat`, `member`, `command` or `global`; see `scope` of {@link ThrottleOptions}.
 *
 * @example
 * ```ts
 * import { type ScopeName, throttle } from 'grammy-sentinel'
 *
 * const scope: ScopeName = 'member'
 * throttle({ limit: '10/1m', scope })
 * ```
 */
export type ScopeName = (typeof SCOPES)[number]

/** The scope of a limit, by name or by a developer's own key; `part`, such as `.edits`, gives it records of its own. */
export function scopeOf(
  wiring: Wiring<Context>,
  name: ScopeName,
  key: ((facts: Facts, ctx: Context) => string | number | undefined) | undefined,
  limitName: string,
  part = '',
): number {
  if (key !== undefined) {
    return wiring.scope(`own:${limitName}${part}`, (facts, ctx) => {
      const own = key(facts, ctx)
      return own === undefined || own === '' ? undefined : ownKey(String(own).slice(0, 256))
    })
  }
  switch (name) {
    case 'user':
      return wiring.scope(`actor${part}`, (facts) => facts.actor)
    case 'chat':
      return wiring.scope(`chat${part}`, ({ chatId }) => (chatId === undefined ? undefined : chatKey(chatId)))
    case 'member':
      return wiring.scope(`member${part}`, ({ actor, chatId }) =>
        actor === undefined || chatId === undefined ? undefined : memberKey(actor, chatId),
      )
    case 'command':
      return wiring.scope(`command${part}`, ({ actor, command }) =>
        actor === undefined || command === undefined ? undefined : commandKey(actor, command),
      )
    case 'global':
      return wiring.scope(`global${part}`, () => GLOBAL_KEY)
  }
}
