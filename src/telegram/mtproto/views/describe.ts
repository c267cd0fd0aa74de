import type { Message, User } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { SharedChat, StoredMessage } from '../../world/chats/chats.js'
import { isAdministrator, isIn } from '../../world/chats/members.js'
import type { Content } from '../../world/messages/content.js'
import type { World } from '../../world/world.js'
import { actionOf } from './actions.js'
import { entitiesOf } from './entities.js'
import { forwardHeader, namedIn, replyHeader } from './headers.js'
import { channelId, type Peers, peerOf } from './peers.js'
import { Reputations } from './reputation.js'
import { adminRights, bannedRights } from './rights.js'

/** Converts users, chats and messages to MTProto, as a viewer sees them. */
export class Describer {
  readonly reputations = new Reputations()

  /** Phone number of an account, without the plus. */
  phoneOf: (account: Account) => string | undefined = () => undefined
  readonly #versions = new WeakMap<SharedChat, number>()

  constructor(
    private readonly world: World,
    private readonly peers: Peers,
    /** Returns the media of a message; undefined for a plain text. */
    private readonly mediaOf: (viewer: Account, message: Content) => TlObject | undefined,
    /** Returns the id of a message for an account. */
    private readonly numberOf: (viewer: Account, stored: StoredMessage) => number,
  ) {}

  user(viewer: Account, user: User): TlObject {
    const id = BigInt(user.id)
    return {
      _: 'user',
      id,
      access_hash: this.peers.accessHash(viewer, 'user', id),
      self: viewer.id === user.id,
      ...this.#asBot(user.id),
      premium: user.is_premium === true,
      ...this.reputations.flagsOf(user.id),
      first_name: user.first_name,
      ...(user.last_name !== undefined && { last_name: user.last_name }),
      ...(user.username !== undefined && { username: user.username }),
      // Bots see the language of users, and everybody sees their own phone number.
      ...(viewer.kind === 'bot' && user.language_code !== undefined && { lang_code: user.language_code }),
      ...(viewer.id === user.id && { phone: this.phoneOf(viewer) }),
    }
  }

  #asBot(id: number): Omit<TlObject, '_'> {
    const account = this.world.accounts.find(id)
    if (account?.kind !== 'bot') return {}
    const { me } = account
    return {
      bot: true,
      bot_info_version: 1,
      bot_nochats: !me.can_join_groups,
      bot_chat_history: me.can_read_all_group_messages,
      bot_business: me.can_connect_to_business,
      bot_has_main_app: me.has_main_web_app,
      bot_forum_view: me.has_topics_enabled,
      bot_forum_can_manage_topics: me.allows_users_to_create_topics,
      bot_can_manage_bots: me.can_manage_bots,
      bot_guestchat: me.supports_guest_queries,
      bot_guard: me.supports_join_request_queries,
      ...(me.supports_inline_queries && { bot_inline_placeholder: '' }),
    }
  }

  /** Version of a basic group, which increases with every change of its members. */
  versionOf(chat: SharedChat): number {
    return this.#versions.get(chat) ?? 1
  }

  changed(chat: SharedChat): void {
    this.#versions.set(chat, this.versionOf(chat) + 1)
  }

  #group(viewer: Account, chat: SharedChat): TlObject {
    const membership = this.world.membership(chat, viewer.id)
    const id = BigInt(-chat.id)
    if (membership.status === 'kicked') return { _: 'chatForbidden', id, title: chat.title }
    const { migratedTo } = chat
    const to = migratedTo === undefined ? undefined : channelId(migratedTo)
    return {
      _: 'chat',
      creator: membership.status === 'creator',
      left: !isIn(membership),
      deactivated: to !== undefined,
      id,
      title: chat.title,
      photo: { _: 'chatPhotoEmpty' },
      participants_count: this.world.membersOf(chat).length,
      date: chat.date,
      version: this.versionOf(chat),
      ...(to !== undefined && {
        migrated_to: {
          _: 'inputChannel',
          channel_id: to,
          access_hash: this.peers.accessHash(viewer, 'channel', to),
        },
      }),
      ...(isAdministrator(membership) && { admin_rights: adminRights(membership) }),
      default_banned_rights: bannedRights(chat.permissions),
    }
  }

  chat(viewer: Account, chat: SharedChat): TlObject {
    if (chat.kind === 'group') return this.#group(viewer, chat)
    const membership = this.world.membership(chat, viewer.id)
    const id = channelId(chat)
    if (membership.status === 'kicked' && chat.username === undefined) {
      return {
        _: 'channelForbidden',
        megagroup: chat.kind === 'supergroup',
        broadcast: chat.kind === 'channel',
        id,
        access_hash: this.peers.accessHash(viewer, 'channel', id),
        title: chat.title,
      }
    }
    return {
      _: 'channel',
      creator: membership.status === 'creator',
      left: !isIn(membership),
      broadcast: chat.kind === 'channel',
      megagroup: chat.kind === 'supergroup',
      forum: chat.forum !== undefined,
      id,
      access_hash: this.peers.accessHash(viewer, 'channel', id),
      title: chat.title,
      ...(chat.username !== undefined && { username: chat.username }),
      photo: { _: 'chatPhotoEmpty' },
      // "Date when the user joined the supergroup/channel, or its creation date" (https://core.telegram.org/constructor/channel).
      date: chat.joins.get(viewer.id)?.date ?? chat.date,
      slowmode_enabled: chat.slowModeDelay > 0,
      ...(isAdministrator(membership) && { admin_rights: adminRights(membership) }),
      ...(membership.status === 'restricted' && {
        banned_rights: bannedRights(membership.permissions, membership.untilDate),
      }),
      ...(chat.kind === 'supergroup' && { default_banned_rights: bannedRights(chat.permissions) }),
      participants_count: this.world.membersOf(chat).length,
    }
  }

  message(viewer: Account, stored: StoredMessage): TlObject {
    const { message, chat } = stored
    const sender = message.sender_chat ?? message.from
    const isMine = stored.authorId === viewer.id
    const common = {
      out: isMine,
      id: this.numberOf(viewer, stored),
      ...(sender !== undefined && chat.kind !== 'channel' && { from_id: peerOf(sender.id) }),
      peer_id: chat.kind === 'private' ? this.#other(viewer, stored) : peerOf(chat.id),
      date: message.date,
      ...replyHeader(
        stored,
        (each) => this.numberOf(viewer, each),
        (each) => this.mediaOf(viewer, each),
      ),
    }
    const action = actionOf(message)
    if (action !== undefined) return { _: 'messageService', ...common, action }
    const media = this.mediaOf(viewer, message)
    const entities = entitiesOf(message.entities ?? message.caption_entities)
    return {
      _: 'message',
      ...common,
      post: chat.kind === 'channel',
      message: message.text ?? message.caption ?? '',
      ...(media !== undefined && { media }),
      ...(entities.length > 0 && { entities }),
      ...forwardHeader(message),
      pinned: chat.history.pinned.has(message.message_id),
      noforwards: message.has_protected_content === true,
      invert_media: message.show_caption_above_media === true,
      ...(message.via_bot !== undefined && { via_bot_id: BigInt(message.via_bot.id) }),
      ...(message.author_signature !== undefined && { post_author: message.author_signature }),
      ...(message.sender_tag !== undefined && { from_rank: message.sender_tag }),
      ...(stored.expiresAt !== undefined && {
        ttl_period: Math.round((stored.expiresAt - stored.at) / 1000),
      }),
      ...this.#keyboard(message),
      ...(message.edit_date !== undefined && { edit_date: message.edit_date }),
      ...(message.media_group_id !== undefined && { grouped_id: BigInt(message.media_group_id) }),
      ...(message.effect_id !== undefined && { effect: BigInt(message.effect_id) }),
    }
  }

  /** Users and chats that the messages refer to, which every answer must include. */
  mentioned(viewer: Account, messages: readonly StoredMessage[]): { users: TlObject[]; chats: TlObject[] } {
    const users = new Map<number, TlObject>()
    const chats = new Map<number, TlObject>()
    const add = (id: number | undefined) => {
      const account = id === undefined ? undefined : this.world.accounts.find(id)
      if (account !== undefined) users.set(account.id, this.user(viewer, account.user))
      const chat = id === undefined || account !== undefined ? undefined : this.world.sharedChat(id)
      if (chat !== undefined) chats.set(chat.id, this.chat(viewer, chat))
    }
    for (const { message, chat } of messages) {
      add(message.from?.id)
      add(message.sender_chat?.id)
      add(message.left_chat_member?.id)
      for (const id of namedIn(message)) add(id)
      for (const { id } of message.new_chat_members ?? []) add(id)
      if (chat.kind === 'private') {
        add(chat.person.id)
        add(chat.bot.id)
      } else add(chat.id)
    }
    return { users: [...users.values()], chats: [...chats.values()] }
  }

  #other(viewer: Account, { chat }: StoredMessage): TlObject {
    if (chat.kind !== 'private') return peerOf(chat.id)
    return peerOf(viewer.id === chat.bot.id ? chat.person.id : chat.bot.id)
  }

  #keyboard({ reply_markup: markup }: Message): { readonly reply_markup?: TlObject } {
    if (markup === undefined) return {}
    const rows = markup.inline_keyboard.map((row) => ({
      _: 'keyboardButtonRow',
      buttons: row.map((button): TlObject => {
        if ('callback_data' in button) {
          return { _: 'keyboardButtonCallback', text: button.text, data: Buffer.from(button.callback_data) }
        }
        if ('url' in button) return { _: 'keyboardButtonUrl', text: button.text, url: button.url }
        return { _: 'keyboardButton', text: button.text }
      }),
    }))
    return { reply_markup: { _: 'replyInlineMarkup', rows } }
  }
}
