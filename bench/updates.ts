import type { Update, UserFromGetMe } from 'grammy/types'

/** The bot of the benches, so that none asks who it is. */
export const ME = {
  id: 42,
  is_bot: true,
  first_name: 'bench',
  username: 'bench_bot',
  can_join_groups: true,
  can_read_all_group_messages: false,
  supports_inline_queries: false,
} as UserFromGetMe

/** A plain private message. `date` is in seconds. */
export function messageFrom(id: number, update_id: number, date = 1_700_000_000): Update {
  return {
    update_id,
    message: {
      message_id: update_id,
      date,
      text: 'hello there',
      chat: { id, type: 'private', first_name: 'A' },
      from: { id, is_bot: false, first_name: 'A' },
    },
  }
}
