import type { tl } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'
import type { Caller } from '../calls/caller.js'
import { type Profile, profileOf } from '../calls/peers.js'
import { type HistoryMessage, messageOf } from '../messages.js'
import { type Member, memberOf } from './members.js'

/**
 * What was done. Of what has no name of its own here, `other` tells Telegram's.
 *
 * @example
 * ```ts
 * import type { AdminAction } from 'grammy-sentinel/mtproto'
 *
 * const deleted = (action: AdminAction) => (action.kind === 'deleted' ? action.message?.text : undefined)
 * ```
 */
export type AdminAction =
  | { readonly kind: 'joined' | 'left' }
  | { readonly kind: 'invited'; readonly member?: Member }
  /** Whoever was there `before` and is `after`: thrown out, let in again, restricted, made administrator, and so on. */
  | { readonly kind: 'rights'; readonly before?: Member; readonly after?: Member }
  | { readonly kind: 'deleted' | 'pinned' | 'sent'; readonly message?: HistoryMessage }
  | { readonly kind: 'edited'; readonly before?: HistoryMessage; readonly after?: HistoryMessage }
  | { readonly kind: 'title' | 'about' | 'username'; readonly before: string; readonly after: string }
  /** Of both: how long, 0 for off. */
  | { readonly kind: 'slow mode' | 'auto-delete'; readonly before: Ms; readonly after: Ms }
  | { readonly kind: 'other'; readonly name: string }

/**
 * An entry of the log that administrators see.
 *
 * @example
 * ```ts
 * import type { AdminEvent } from 'grammy-sentinel/mtproto'
 *
 * const line = ({ by, action, at }: AdminEvent) => `${new Date(at).toISOString()} ${by.firstName}: ${action.kind}`
 * ```
 */
export interface AdminEvent {
  readonly id: string
  /** In milliseconds since 1970. */
  readonly at: Ms
  readonly by: Pick<Profile, 'id' | 'firstName'> & Partial<Profile>
  readonly action: AdminAction
}

/** What may be asked for alone. */
const KINDS = {
  joined: ['join'],
  left: ['leave'],
  invited: ['invite', 'invites'],
  banned: ['ban', 'kick', 'unban', 'unkick'],
  promoted: ['promote', 'demote', 'editRank'],
  info: ['info'],
  settings: ['settings', 'forums'],
  pinned: ['pinned'],
  edited: ['edit'],
  deleted: ['delete'],
} as const satisfies Record<string, readonly (keyof tl.RawChannelAdminLogEventsFilter)[]>

/**
 * Which entries of the log to read.
 *
 * @example
 * ```ts
 * import type { AdminLogOptions } from 'grammy-sentinel/mtproto'
 *
 * const bans: AdminLogOptions = { only: ['banned'], by: [1234567] }
 * ```
 */
export interface AdminLogOptions {
  /** Default: all. */
  readonly only?: readonly (keyof typeof KINDS)[]
  /** What these administrators did. Default: all of them. */
  readonly by?: readonly (number | string)[]
  readonly text?: string
  readonly onProgress?: (progress: { readonly seen: number }) => void
  readonly signal?: AbortSignal
}

/** The most Telegram gives at once. */
const PAGE = 100

/**
 * What administrators did within the last two days, the latest first: as long as Telegram keeps it. For administrators that are people.
 *
 * @throws SentinelError `mtproto.refused`, to bots with `BOT_METHOD_INVALID`, to others with `CHAT_ADMIN_REQUIRED`.
 */
export async function* adminLogOf(
  caller: Caller,
  chat: number | string,
  { only = [], by = [], text = '', onProgress, signal }: AdminLogOptions = {},
): AsyncGenerator<AdminEvent, void, undefined> {
  const { Long } = await import('@mtcute/core')
  const channel = await caller.channel(chat)
  const admins: tl.TypeInputUser[] = []
  for (const each of by) admins.push(await caller.user(each))
  const flags = only.flatMap((kind) => KINDS[kind].map((flag) => [flag, true] as const))
  const eventsFilter: tl.TypeChannelAdminLogEventsFilter = {
    _: 'channelAdminLogEventsFilter',
    ...Object.fromEntries(flags),
  }
  let [maxId, seen] = [Long.ZERO, 0]
  for (;;) {
    signal?.throwIfAborted()
    const page = await caller.call(
      {
        _: 'channels.getAdminLog',
        ...{ channel, q: text, maxId, minId: Long.ZERO, limit: PAGE },
        ...(flags.length > 0 && { eventsFilter }),
        ...(admins.length > 0 && { admins }),
      },
      { signal },
    )
    const users = new Map<number, tl.RawUser>()
    for (const user of page.users) if (user._ === 'user') users.set(user.id, user)
    seen += page.events.length
    onProgress?.({ seen })
    for (const event of page.events) {
      const user = users.get(event.userId)
      yield {
        id: event.id.toString(),
        at: event.date * 1000,
        by: user === undefined ? { id: event.userId, firstName: '' } : profileOf(user),
        action: actionOf(event.action, users),
      }
    }
    const last = page.events.at(-1)
    // It tells no total, and a short page is the last one.
    if (last === undefined || page.events.length < PAGE) return
    maxId = last.id
  }
}

function actionOf(
  action: tl.TypeChannelAdminLogEventAction,
  users: ReadonlyMap<number, tl.RawUser>,
): AdminAction {
  switch (action._) {
    case 'channelAdminLogEventActionParticipantJoin':
    case 'channelAdminLogEventActionParticipantJoinByInvite':
    case 'channelAdminLogEventActionParticipantJoinByRequest':
      return { kind: 'joined' }
    case 'channelAdminLogEventActionParticipantLeave':
      return { kind: 'left' }
    case 'channelAdminLogEventActionParticipantInvite':
      return { kind: 'invited', ...some('member', memberOf(action.participant, users)) }
    case 'channelAdminLogEventActionParticipantToggleBan':
    case 'channelAdminLogEventActionParticipantToggleAdmin':
      return {
        kind: 'rights',
        ...some('before', memberOf(action.prevParticipant, users)),
        ...some('after', memberOf(action.newParticipant, users)),
      }
    case 'channelAdminLogEventActionDeleteMessage':
      return { kind: 'deleted', ...some('message', messageOf(action.message)) }
    case 'channelAdminLogEventActionUpdatePinned':
      return { kind: 'pinned', ...some('message', messageOf(action.message)) }
    case 'channelAdminLogEventActionSendMessage':
      return { kind: 'sent', ...some('message', messageOf(action.message)) }
    case 'channelAdminLogEventActionEditMessage':
      return {
        kind: 'edited',
        ...some('before', messageOf(action.prevMessage)),
        ...some('after', messageOf(action.newMessage)),
      }
    case 'channelAdminLogEventActionChangeTitle':
      return { kind: 'title', before: action.prevValue, after: action.newValue }
    case 'channelAdminLogEventActionChangeAbout':
      return { kind: 'about', before: action.prevValue, after: action.newValue }
    case 'channelAdminLogEventActionChangeUsername':
      return { kind: 'username', before: action.prevValue, after: action.newValue }
    case 'channelAdminLogEventActionToggleSlowMode':
      return { kind: 'slow mode', before: action.prevValue * 1000, after: action.newValue * 1000 }
    case 'channelAdminLogEventActionChangeHistoryTTL':
      return { kind: 'auto-delete', before: action.prevValue * 1000, after: action.newValue * 1000 }
    default:
      return { kind: 'other', name: action._.replace('channelAdminLogEventAction', '') }
  }
}

function some<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [P in K]: V })
}
