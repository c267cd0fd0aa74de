import type { Context } from 'grammy'
import { MARKED_CHAT, markedChatOf } from '../../core/chat-of.js'
import type { Variant } from '../../core/check.js'
import type { Wiring } from '../guard.js'
import type { ScopeName } from '../options/scopes.js'
import { type Changeable, LIMIT_MARK, SETTING_MARK } from './runtime-limits.js'

/**
 * Returns the stored limits that a check reads before those of roles, in order of precedence: the limit set for the user, for the
 * chat, and by the chat's administrators. Empty if limits cannot be changed at run time.
 */
export function storedVariants(
  wiring: Pick<Wiring<Context>, 'services' | 'scope'>,
  limit: Omit<Changeable, 'users' | 'chats'>,
  scope: ScopeName | undefined,
): readonly Variant[] {
  const runtime = wiring.services.runtime
  if (runtime === undefined) return []
  // A limit that counts several users or chats together cannot be changed for one of them.
  const users = scope === 'user' || scope === 'member' || scope === 'command'
  const chats = users || scope === 'chat'
  const { limits, settings } = runtime.wire({ ...limit, users, chats })
  const variants: Variant[] = []
  if (limits && users) {
    const actor = wiring.scope('actor', (facts) => facts.actor)
    variants.push({ mark: `${LIMIT_MARK}${limit.slot}`, subject: actor, limit: 'stored' })
  }
  if (!chats || !(limits || settings !== undefined)) return variants
  const chat = wiring.scope(MARKED_CHAT, markedChatOf)
  if (limits) variants.push({ mark: `${LIMIT_MARK}${limit.slot}`, subject: chat, limit: 'stored' })
  if (settings !== undefined) {
    variants.push({ mark: `${SETTING_MARK}${limit.slot}`, subject: chat, limit: 'stored', within: settings })
  }
  return variants
}
