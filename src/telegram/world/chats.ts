import type { Chat, Message, ReactionType } from 'grammy/types'
import type { Ms } from '../../core/duration.js'
import type { BotAccount, PersonAccount } from './accounts.js'
import type { StoredFile } from './files.js'
import type { InviteLink } from './invite-link.js'
import { type Membership, membershipAt, type Permissions } from './members.js'

/** A message as the world keeps it: what everybody sees, and what Telegram alone knows. */
export interface StoredMessage {
  readonly chat: WorldChat
  /** Replaced as a whole by an edit, so that what was handed out earlier stays as it was. */
  message: Message
  /** Who really wrote it, also behind an anonymous admin or a channel. */
  readonly authorId: number
  /** Set on an ephemeral message: nobody else sees it. */
  readonly receiverId?: number
  readonly reactions: Map<number, readonly ReactionType[]>
  /** Rises over all chats with every message and every edit. */
  order: number
  /** What it was before any edit. */
  readonly firstOrder: number
  readonly at: Ms
  /** When the chat forgets it by itself. */
  readonly expiresAt?: Ms | undefined
  /** The automatic forward of a channel's post. */
  copy?: StoredMessage
  /** The bot that sent it through a person, from an inline query; it may edit it. */
  readonly viaBotId?: number | undefined
  /** It came with a reply keyboard, its removal or a forced reply, which are no part of it; such a message is never edited. */
  readonly changesScreen?: boolean
}

/** The messages of one chat. Ids start at 1 and are never used twice. */
export class History {
  readonly #messages = new Map<number, StoredMessage>()
  readonly #ephemeral = new Map<number, StoredMessage>()
  /** By message id. */
  readonly pinned = new Set<number>()
  #nextId = 1
  #nextEphemeralId = 1

  constructor(
    private readonly now: () => Ms,
    /** Told of each message that is deleted or has expired. */
    private readonly gone: (stored: StoredMessage) => void,
  ) {}

  claimId(): number {
    return this.#nextId++
  }

  claimEphemeralId(): number {
    return this.#nextEphemeralId++
  }

  add(stored: StoredMessage): void {
    const { message } = stored
    const [shelf, id] =
      message.ephemeral_message_id === undefined
        ? [this.#messages, message.message_id]
        : [this.#ephemeral, message.ephemeral_message_id]
    shelf.set(id, stored)
  }

  find(messageId: number): StoredMessage | undefined {
    return this.#kept(this.#messages.get(messageId))
  }

  findEphemeral(ephemeralId: number): StoredMessage | undefined {
    return this.#kept(this.#ephemeral.get(ephemeralId))
  }

  remove(stored: StoredMessage): void {
    if (this.forget(stored)) this.gone(stored)
  }

  /** Lets go of what there is no room for: nobody has deleted it. */
  forget(stored: StoredMessage): boolean {
    const ephemeralId = stored.message.ephemeral_message_id
    this.pinned.delete(stored.message.message_id)
    if (ephemeralId === undefined) return this.#messages.delete(stored.message.message_id)
    return this.#ephemeral.delete(ephemeralId)
  }

  all(): readonly StoredMessage[] {
    const kept = (stored: StoredMessage) => this.#kept(stored) !== undefined
    return [...this.#messages.values(), ...this.#ephemeral.values()].filter(kept)
  }

  /** What has expired is gone once somebody looks. */
  #kept(stored: StoredMessage | undefined): StoredMessage | undefined {
    if (stored?.expiresAt === undefined || this.now() < stored.expiresAt) return stored
    this.remove(stored)
    return undefined
  }
}

/** A person and a bot. The bot knows it by the person's id. */
export interface PrivateChat {
  readonly kind: 'private'
  readonly person: PersonAccount
  readonly bot: BotAccount
  readonly history: History
  /** A bot cannot write to a person who has never written to it. */
  started: boolean
  blocked: boolean
}

export interface JoinRequest {
  readonly person: PersonAccount
  readonly bio?: string
  readonly at: Ms
  /** The link they came by. */
  readonly invite?: InviteLink
}

/** A topic of a forum. Its id is that of the message that opened it. */
export interface Topic {
  readonly id: number
  /** Nobody opened the General topic. */
  readonly creatorId: number | undefined
  name: string
  readonly color: number
  emoji: string | undefined
  isClosed: boolean
  isHidden?: boolean
}

export interface Forum {
  readonly topics: Map<number, Topic>
  readonly general: Topic
}

/** When something was done to a member, in Unix seconds, and by whom. */
export interface Deed {
  readonly date: number
  readonly by: number
}

/** A group of either kind, or a channel. */
export interface SharedChat {
  readonly kind: 'group' | 'supergroup' | 'channel'
  readonly id: number
  /** When it was made, in Unix seconds. */
  readonly date: number
  title: string
  description?: string | undefined
  photo?: StoredFile | undefined
  readonly username?: string
  permissions: Permissions
  readonly members: Map<number, Membership>
  /** How members came in; who is not here was there from the start. */
  readonly joins: Map<number, Deed>
  /** How members came to be restricted or banned. */
  readonly restrictions: Map<number, Deed>
  readonly joinRequests: Map<number, JoinRequest>
  /** By their address, oldest first. */
  readonly invites: Map<string, InviteLink>
  readonly history: History
  /** Only a supergroup has topics. */
  readonly forum: Forum | undefined
  /** The bot that spoke last. */
  lastBotId?: number
  /** The channel's discussion group, or the group's channel. */
  linkedId?: number
  /** Seconds that members wait from one message to the next; 0: none. */
  slowModeDelay: number
  /** When each member may write again; the rest of the album they are sending, at once. */
  readonly turns: Map<number, { readonly at: Ms; readonly album: string | undefined }>
  /** Seconds after which new messages are deleted; 0: never. */
  autoDeleteTime: number
  /** Channels that may not write here. */
  readonly bannedSenders: Set<number>
  stickerSetName?: string | undefined
  /** The supergroup that a group has become. */
  migratedTo?: SharedChat
}

/** Whether it is a group, basic or super. */
export function isGroup(chat: WorldChat): chat is SharedChat & { readonly kind: 'group' | 'supergroup' } {
  return chat.kind === 'group' || chat.kind === 'supergroup'
}

export type WorldChat = PrivateChat | SharedChat

/** The Bot API's Chat. */
export function describeChat(chat: WorldChat): Chat {
  if (chat.kind === 'private') {
    const { user } = chat.person
    return {
      id: user.id,
      type: 'private',
      first_name: user.first_name,
      ...(user.last_name !== undefined && { last_name: user.last_name }),
      ...(user.username !== undefined && { username: user.username }),
    }
  }
  return {
    id: chat.id,
    type: chat.kind,
    title: chat.title,
    ...(chat.username !== undefined && { username: chat.username }),
    ...(chat.forum !== undefined && { is_forum: true }),
  } as Chat
}

/** `now` in Unix seconds. */
export function membershipOf(chat: SharedChat, accountId: number, now: number): Membership {
  const membership = chat.members.get(accountId)
  return membership === undefined ? { status: 'left' } : membershipAt(membership, now)
}
