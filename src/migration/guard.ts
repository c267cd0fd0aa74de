import type { Context } from 'grammy'
import { later } from '../core/later.js'
import type { GuardDefinition, Wired } from '../middleware/guard.js'

const migrating = later('chats', () => import('./migrations.js'))

/**
 * A guard that stops nothing: it moves what is stored for a group that becomes a supergroup, which gets a new id. Telegram announces
 * this in both chats. Each message suffices: another process may get the other one, and fail.
 */
export const MIGRATION: GuardDefinition = {
  name: 'chats',
  wire: ({ services }): Wired<Context> => ({
    observes: ['service'],
    observe({ activity, chatId }, { me, message }) {
      if (activity !== 'service' || chatId === undefined) return undefined
      const { migrate_to_chat_id: to = chatId, migrate_from_chat_id: from = chatId } = message ?? {}
      if (from === to || !Number.isSafeInteger(from) || !Number.isSafeInteger(to)) return undefined
      return migrating
        .load()
        .then(({ moveChat }) => moveChat(services, me.id, from, to))
        .catch((error: unknown) => services.failed(error, 'chats.migrate'))
    },
    drain: async () => migrating.now?.finishMoves(services),
  }),
}
