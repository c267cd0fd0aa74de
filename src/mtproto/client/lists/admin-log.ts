import type { tl } from '@mtcute/core'
import type { Ms } from '../../../core/duration.js'
import type { Caller } from '../calls/caller.js'
import { type Profile, profileOf, usersById } from '../calls/peers.js'
import { type HistoryMessage, messageOf } from '../messages.js'
import { type Member, memberOf } from './members.js'

/**
 * An action in the admin log. Actions without a kind of their own are `other`, with Telegram's name of them.
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
  /** A change of a member's status or rights: banned, unbanned, restricted, promoted, and so on. */
  | { readonly kind: 'rights'; readonly before?: Member; readonly after?: Member }
  | { readonly kind: 'deleted' | 'pinned' | 'sent'; readonly message?: HistoryMessage }
  | { readonly kind: 'edited'; readonly before?: HistoryMessage; readonly after?: HistoryMessage }
  | { readonly kind: 'title' | 'about' | 'username'; readonly before: string; readonly after: string }
  /** Old and new delay in milliseconds; 0 means off. */
  | { readonly kind: 'slow mode' | 'auto-delete'; readonly before: Ms; readonly after: Ms }
  | { readonly kind: 'other'; readonly name: string }

/**
 * An entry of the admin log.
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

/** The categories that can be selected, with Telegram's filters for them. */
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
 * Options of reading the admin log.
 *
 * @example
 * ```ts
 * import type { AdminLogOptions } from 'grammy-sentinel/mtproto'
 *
 * const bans: AdminLogOptions = { only: ['banned'], by: [1234567] }
 * ```
 */
export interface AdminLogOptions {
  /** Categories of entries. Default: all. */
  readonly only?: readonly (keyof typeof KINDS)[]
  /** Only actions of these administrators. Default: all administrators. */
  readonly by?: readonly (number | string)[]
  readonly text?: string
  readonly onProgress?: (progress: { readonly seen: number }) => void
  readonly signal?: AbortSignal
}

/** Page size; Telegram's maximum. */
const PAGE = 100

/**
 * Yields the admin log, latest entry first. Telegram keeps it for two days. Only for people's accounts that are administrators.
 *
 * @throws SentinelError `mtproto.refused`: for bots with `BOT_METHOD_INVALID`, for others with `CHAT_ADMIN_REQUIRED`.
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
    const users = usersById(page.users)
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
    // The answer has no total; a short page is the last one.
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
