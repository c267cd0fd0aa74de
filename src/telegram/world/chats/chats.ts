import type { Chat, Message, ReactionType } from 'grammy/types'
import type { Ms } from '../../../core/duration.js'
import type { BotAccount, PersonAccount } from '../accounts.js'
import type { StoredFile } from '../media/files.js'
import type { InviteLink } from './invite-link.js'
import type { Membership, Permissions } from './members.js'

/** A message as stored: the visible message, and what only Telegram knows about it. */
export interface StoredMessage {
  readonly chat: WorldChat
  /** Replaced as a whole by an edit, so that objects handed out earlier do not change. */
  message: Message
  /** The real author, even of messages in the name of a group or channel. */
  readonly authorId: number
  /** Set for ephemeral messages: only the receiver can see them. */
  readonly receiverId?: number
  readonly reactions: Map<number, readonly ReactionType[]>
  /** Increases over all chats with every new or edited message. */
  order: number
  /** The order before any edit. */
  readonly firstOrder: number
  readonly at: Ms
  /** When auto-delete removes the message. */
  readonly expiresAt?: Ms | undefined
  /** The automatic forward of a channel post in the discussion group. */
  copy?: StoredMessage
  /** The bot whose inline result this is; it may edit the message. */
  readonly viaBotId?: number | undefined
  /** The message changed the reply keyboard or forced a reply, which is not part of the message; such messages cannot be edited. */
  readonly changesScreen?: boolean
}

/** The messages of one chat. Ids start at 1 and are never reused. */
export class History {
  readonly #messages = new Map<number, StoredMessage>()
  readonly #ephemeral = new Map<number, StoredMessage>()
  /** Ids of pinned messages. */
  readonly pinned = new Set<number>()
  #nextId = 1
  #nextEphemeralId = 1

  constructor(
    private readonly now: () => Ms,
    /** Called for each message that is deleted or expires. */
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

  /** Drops a message to free memory; not reported as a deletion. */
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

  /** Expired messages are removed on access. */
  #kept(stored: StoredMessage | undefined): StoredMessage | undefined {
    if (stored?.expiresAt === undefined || this.now() < stored.expiresAt) return stored
    this.remove(stored)
    return undefined
  }
}

/** The private chat of a person and a bot. Its id for the bot is the person's id. */
export interface PrivateChat {
  readonly kind: 'private'
  readonly person: PersonAccount
  readonly bot: BotAccount
  readonly history: History
  /** A bot cannot write to a person who has never written to it. */
  started: boolean
  blocked: boolean
}

interface JoinRequest {
  readonly person: PersonAccount
  readonly bio?: string
  readonly at: Ms
  /** The invite link that was used. */
  readonly invite?: InviteLink
}

/** A topic of a forum. Its id is the id of the message that opened it. */
export interface Topic {
  readonly id: number
  /** Undefined for the General topic. */
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

/** Time (Unix seconds) and author of a change to a member. */
interface MemberChange {
  readonly date: number
  readonly by: number
}

/** A basic group, supergroup or channel. */
export interface SharedChat {
  readonly kind: 'group' | 'supergroup' | 'channel'
  readonly id: number
  /** Creation time, in Unix seconds. */
  readonly date: number
  title: string
  description?: string | undefined
  photo?: StoredFile | undefined
  readonly username?: string
  permissions: Permissions
  readonly members: Map<number, Membership>
  /** How members joined; absent for members since the creation. */
  readonly joins: Map<number, MemberChange>
  /** How members were restricted or banned. */
  readonly restrictions: Map<number, MemberChange>
  readonly joinRequests: Map<number, JoinRequest>
  /** By URL, oldest first. */
  readonly invites: Map<string, InviteLink>
  readonly history: History
  /** Only supergroups can have topics. */
  readonly forum: Forum | undefined
  /** The bot that wrote last. */
  lastBotId?: number
  /** The discussion group of a channel, or the channel of a discussion group. */
  linkedId?: number
  /** Seconds between two messages of a member; 0: slow mode is off. */
  slowModeDelay: number
  /** When each member may write again, and the album they are sending, whose remaining messages may follow at once. */
  readonly turns: Map<number, { readonly at: Ms; readonly album: string | undefined }>
  /** Seconds after which new messages are deleted; 0: never. */
  autoDeleteTime: number
  /** Only members may write, even in a discussion group. */
  readonly joinToWrite: boolean
  /** Ids of channels banned from writing here. */
  readonly bannedSenders: Set<number>
  stickerSetName?: string | undefined
  /** The supergroup that a basic group was upgraded to. */
  migratedTo?: SharedChat
}

/** Whether it is a basic group or a supergroup. */
export function isGroup(chat: WorldChat): chat is SharedChat & { readonly kind: 'group' | 'supergroup' } {
  return chat.kind === 'group' || chat.kind === 'supergroup'
}

export type WorldChat = PrivateChat | SharedChat

/** Converts a chat to the Bot API's Chat. */
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
