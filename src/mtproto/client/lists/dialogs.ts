import type { tl } from '@mtcute/core'
import { chatIdOfChannel } from '../../protocol/chat-ids.js'
import type { Caller } from '../calls/caller.js'
import { markedId, profileOf, usersById } from '../calls/peers.js'
import { type HistoryMessage, messageOf } from '../messages.js'

/**
 * A chat in an account's chat list.
 *
 * @example
 * ```ts
 * import type { Dialog } from 'grammy-sentinel/mtproto'
 *
 * const isQuiet = ({ unread }: Dialog) => unread === 0
 * ```
 */
export interface Dialog {
  /** Chat id, as in the Bot API. */
  readonly chat: number
  readonly kind: 'user' | 'bot' | 'group' | 'supergroup' | 'channel'
  /** For people: first and last name. */
  readonly title: string
  readonly username?: string
  readonly unread: number
  readonly unreadMentions: number
  readonly isPinned: boolean
  readonly isArchived: boolean
  /** The latest message in the chat. */
  readonly latest?: HistoryMessage
}

/**
 * Options of listing dialogs.
 *
 * @example
 * ```ts
 * import type { DialogsOptions } from 'grammy-sentinel/mtproto'
 *
 * const options: DialogsOptions = { onProgress: ({ seen, total }) => console.log(`${seen} of ${total}`) }
 * ```
 */
export interface DialogsOptions {
  /** Lists the archived chats instead of the others. Default: false. */
  readonly archived?: boolean
  /** Called after each page. */
  readonly onProgress?: (progress: { readonly seen: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/** Page size; Telegram's maximum. */
const PAGE = 100
const ARCHIVE = 1

/**
 * Yields the chats of a person's account, those with the latest messages first. Not available to bots.
 *
 * @throws SentinelError `mtproto.refused`: for bots with `BOT_METHOD_INVALID`.
 */
export async function* dialogsOf(
  caller: Caller,
  { archived = false, onProgress, signal }: DialogsOptions = {},
): AsyncGenerator<Dialog, void, undefined> {
  const { Long } = await import('@mtcute/core')
  // Pages overlap if messages arrive meanwhile, and pinned chats come first whatever their date.
  const yielded = new Set<number>()
  let [offsetDate, offsetId]: [number, number] = [0, 0]
  let offsetPeer: tl.TypeInputPeer = { _: 'inputPeerEmpty' }
  for (let seen = 0; ; ) {
    signal?.throwIfAborted()
    const page = await caller.call(
      {
        _: 'messages.getDialogs',
        ...(archived && { folderId: ARCHIVE }),
        ...{ offsetDate, offsetId, offsetPeer, limit: PAGE, hash: Long.ZERO },
      },
      { signal },
    )
    if (page._ === 'messages.dialogsNotModified') return
    seen += page.dialogs.length
    const total = page._ === 'messages.dialogs' ? seen : page.count
    onProgress?.({ seen, total })
    const around = new Around(page)
    for (const each of page.dialogs) {
      const dialog = each._ === 'dialog' ? around.dialog(each, archived) : undefined
      if (dialog === undefined || yielded.has(dialog.chat)) continue
      yielded.add(dialog.chat)
      yield dialog
    }
    // A forbidden chat cannot serve as offset; the next page then overlaps with this one.
    const last = page.dialogs.findLast(({ peer }) => around.knows(peer))
    if (last === undefined || page._ === 'messages.dialogs' || seen >= total) return
    const top = around.message(last.peer, last.topMessage)
    const before = { offsetDate, offsetId, chat: offsetPeer }
    offsetId = last.topMessage
    offsetDate = top !== undefined && top._ !== 'messageEmpty' ? top.date : offsetDate
    offsetPeer = await caller.peer(markedId(last.peer))
    // Stops if the offset did not change, to avoid an endless loop.
    if (before.offsetId === offsetId && before.offsetDate === offsetDate && samePeer(before.chat, offsetPeer))
      return
  }
}

function samePeer(one: tl.TypeInputPeer, other: tl.TypeInputPeer): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** Users, chats and messages that come with a page of dialogs. */
class Around {
  readonly #users: ReadonlyMap<number, tl.RawUser>
  readonly #chats = new Map<number, tl.RawChat | tl.RawChannel>()
  readonly #messages = new Map<string, tl.TypeMessage>()

  constructor({ users, chats, messages }: tl.messages.RawDialogs | tl.messages.RawDialogsSlice) {
    this.#users = usersById(users)
    for (const chat of chats) {
      if (chat._ === 'chat') this.#chats.set(-chat.id, chat)
      if (chat._ === 'channel') this.#chats.set(chatIdOfChannel(chat.id), chat)
    }
    for (const message of messages) {
      if (message._ === 'messageEmpty') continue
      this.#messages.set(`${markedId(message.peerId)} ${message.id}`, message)
    }
  }

  knows(peer: tl.TypePeer): boolean {
    return this.#who(markedId(peer)) !== undefined
  }

  message(peer: tl.TypePeer, id: number): tl.TypeMessage | undefined {
    return this.#messages.get(`${markedId(peer)} ${id}`)
  }

  /** Undefined for a forbidden chat, which Telegram does not describe. */
  dialog(dialog: tl.RawDialog, isArchived: boolean): Dialog | undefined {
    const chat = markedId(dialog.peer)
    const who = this.#who(chat)
    if (who === undefined) return undefined
    const top = this.message(dialog.peer, dialog.topMessage)
    const latest = top && messageOf(top)
    return {
      chat,
      ...who,
      unread: dialog.unreadCount,
      unreadMentions: dialog.unreadMentionsCount,
      isPinned: dialog.pinned === true,
      isArchived,
      ...(latest !== undefined && { latest }),
    }
  }

  #who(chat: number): Pick<Dialog, 'kind' | 'title' | 'username'> | undefined {
    const user = this.#users.get(chat)
    if (user !== undefined) {
      const { isBot, firstName, lastName = '', username } = profileOf(user)
      const title = `${firstName} ${lastName}`.trim()
      return { kind: isBot ? 'bot' : 'user', title, ...(username !== undefined && { username }) }
    }
    const found = this.#chats.get(chat)
    if (found === undefined) return undefined
    if (found._ === 'chat') return { kind: 'group', title: found.title }
    const { broadcast, title, username } = found
    return {
      kind: broadcast === true ? 'channel' : 'supergroup',
      title,
      ...(username !== undefined && { username }),
    }
  }
}
