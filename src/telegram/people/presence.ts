import type { Message, ReactionType, ReactionTypeEmoji } from 'grammy/types'
import { SentinelError } from '../../core/errors.js'
import type { PersonAccount } from '../world/accounts.js'
import {
  describeChat,
  isGroup,
  type SharedChat,
  type StoredMessage,
  type Topic,
  type WorldChat,
} from '../world/chats/chats.js'
import { hasRight, isIn, type Permissions, type Right } from '../world/chats/members.js'
import { pin, unpin } from '../world/chats/pins.js'
import { assertOpen, topicOfMessage } from '../world/chats/topics.js'
import { canSee, isAllowed, mayComment } from '../world/chats/visitors.js'
import { typeOf } from '../world/media/file-types.js'
import { mediaContent } from '../world/media/media.js'
import type { Content } from '../world/messages/content.js'
import { soleReceiverOf } from '../world/messages/ephemeral.js'
import { contentOf } from '../world/messages/forwarding.js'
import { createPoll, describePoll, stopPoll, vote } from '../world/messages/polls.js'
import {
  isCaptionable,
  LONGEST_CAPTION,
  LONGEST_TEXT,
  post,
  remove,
  rewrite,
} from '../world/messages/posting.js'
import { isService } from '../world/messages/service-messages.js'
import { assertMaySpeak, assertNotUpgraded, permissionFor } from '../world/messages/speaking.js'
import { voiceOf } from '../world/messages/voice.js'
import { Refusal } from '../world/refusal.js'
import { settleText } from '../world/text/formatting.js'
import type { World } from '../world/world.js'
import { Tap } from './tap.js'
import type { Patience } from './waiting.js'

/** How long people may edit a message: DEFAULT_EDIT_TIME_LIMIT in td/telegram/MessagesManager.cpp. */
const EDITABLE_FOR = 48 * 3_600_000

/** The context of a person's actions, shared by all their presences. */
export interface Scene {
  readonly world: World
  readonly patience: Patience
  readonly actor: PersonAccount
  readonly room: WorldChat
  /** The chat in whose name they speak, if not their own. */
  readonly voice?: SharedChat | undefined
  /** The topic they speak in, unless it is the General one. */
  readonly topic?: Topic | undefined
}

/**
 * A person in a chat: the actions possible in every kind of chat.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const bot = telegram.createBot({ username: 'guarded_bot' })
 * const alice = telegram.createUser({ firstName: 'Alice' })
 * const hello = await alice.to(bot).sends('hello')
 * await alice.to(bot).edits(hello, 'hello there')
 * await telegram.close()
 * ```
 */
export class Presence {
  /** @internal */
  constructor(
    /** @internal */
    protected readonly scene: Scene,
  ) {}

  /**
   * Sends a text, trimmed. Commands, links and mentions in it become entities, as in Telegram. In a group, a command that a bot has
   * declared as `is_ephemeral` reaches only this bot.
   */
  async sends(text: string): Promise<Message> {
    return this.speak(textContent(text)).message
  }

  /** Replies to a message with a text. The reply to an ephemeral message is ephemeral, too: it reaches only the bot that sent it. */
  async replies(to: Message, text: string): Promise<Message> {
    return this.speak(textContent(text), this.find(to)).message
  }

  /** Sends a photo in three sizes. The name stands for the picture: the same name gives the same file. */
  async sendsPhoto(name: string, options: { readonly caption?: string } = {}): Promise<Message> {
    return this.speak({ ...this.#media('photo', name), ...captionContent(options.caption) }).message
  }

  /** Sends a file with the given content (default: its own name). */
  async sendsDocument(
    name: string,
    options: {
      readonly caption?: string
      readonly content?: string | Uint8Array
      readonly type?: string
    } = {},
  ): Promise<Message> {
    const media = this.#media('document', name, options.content, options.type)
    return this.speak({ ...media, ...captionContent(options.caption) }).message
  }

  /** Sends 2 to 10 photos as an album: one message (and update) per photo, all with the same `media_group_id`. */
  async sendsAlbum(
    names: readonly string[],
    options: { readonly caption?: string } = {},
  ): Promise<Message[]> {
    if (names.length < 2 || names.length > 10)
      throw this.refuse(`sends an album of ${names.length}`, 'an album has 2 to 10 photos')
    const album = this.scene.world.nextAlbumId()
    return names.map(
      (name, index) =>
        this.speak({
          ...this.#media('photo', name),
          ...(index === 0 && captionContent(options.caption)),
          media_group_id: album,
        }).message,
    )
  }

  /** Sends a poll; `correct`, the index of an option, makes it a quiz. */
  async sendsPoll(
    question: string,
    options: readonly string[],
    terms: {
      readonly isAnonymous?: boolean
      readonly allowsMultiple?: boolean
      readonly correct?: number
    } = {},
  ): Promise<Message> {
    const { world, actor } = this.scene
    const { isAnonymous = true, allowsMultiple = false, correct } = terms
    const poll = this.attempt('sends a poll', () =>
      createPoll(world, actor, {
        question: { text: question },
        options: options.map((text) => ({ text })),
        isAnonymous,
        allowsMultiple,
        isQuiz: correct !== undefined,
        ...(correct !== undefined && { correctIds: [correct] }),
      }),
    )
    const stored = this.speak({ poll: describePoll(world, poll, { chat: this.scene.room }) })
    world.polls.keep(poll.id, poll)
    return stored.message
  }

  /** Votes in a poll, for options given by text or index. Without options, retracts the vote. */
  async votes(message: Message, ...options: readonly (string | number)[]): Promise<void> {
    const stored = this.find(message)
    const known = stored.message.poll?.options.map(({ text }) => text) ?? []
    const chosen = options.map((option) => (typeof option === 'number' ? option : known.indexOf(option)))
    const { world, actor, room, voice } = this.scene
    this.attempt('votes', () =>
      vote(world, stored, { person: actor, voice: voiceOf(world, room, actor, voice) }, chosen),
    )
  }

  /** Stops one of their own polls. */
  async stopsPoll(message: Message): Promise<void> {
    const stored = this.find(message)
    this.attempt('stops a poll', () => stopPoll(this.scene.world, stored, this.scene.actor))
  }

  /**
   * Sends any other content of a message, in the fields of the Bot API: `{ sticker: {…} }`, `{ dice: {…} }`. Files in it are only
   * described: they cannot be downloaded.
   */
  async sendsContent(content: Content): Promise<Message> {
    const { world, room, actor } = this.scene
    const message = { message_id: 1, date: world.date(), chat: describeChat(room), from: actor.user }
    // Checked in advance, so that an invalid message does not remain in the chat.
    world.inspect?.(room.kind === 'channel' ? 'channel_post' : 'message', { ...message, ...content })
    return this.speak(content).message
  }

  /**
   * Edits the text of their own message, or the caption of their own media; an empty text removes the caption. In a channel,
   * administrators with `can_edit_messages` can edit every post.
   *
   * @throws SentinelError `telegram.invalid` for edits that Telegram refuses: of somebody else's message, after two days, or
   * without a change.
   */
  async edits(message: Message, text: string): Promise<Message> {
    const { world } = this.scene
    const stored = this.find(message)
    this.#checkMayEdit(stored)
    const before = stored.message
    const hasCaption = isCaptionable(before)
    if (before.text === undefined && !hasCaption)
      throw this.refuse('edits a message', 'there is neither a text nor a caption in it')
    const words = hasCaption ? captionContent(text) : textContent(text)
    this.#checkLength(words)
    if (wordsIn(words) === wordsIn(before)) throw this.refuse('edits a message', 'it says that already')
    const { text: _, entities: __, caption: ___, caption_entities: ____, ...rest } = contentOf(before)
    this.#checkPermission('edits a message', permissionFor(before))
    rewrite(world, stored, this.scene.actor, { ...rest, ...words }, before.reply_markup)
    return stored.message
  }

  /** See can_edit_message in td/telegram/MessagesManager.cpp. */
  #checkMayEdit(stored: StoredMessage): void {
    const { actor, room, world } = this.scene
    const has = (right: Right) => room.kind !== 'private' && hasRight(world.membership(room, actor.id), right)
    const isChannel = room.kind === 'channel'
    const mayEditAll = isChannel && has('can_edit_messages')
    if (stored.authorId !== actor.id && !mayEditAll)
      throw this.refuse(
        'edits a message of somebody else',
        isChannel ? 'that takes the right can_edit_messages' : 'people can edit only their own',
      )
    if (isChannel && !mayEditAll && !has('can_post_messages'))
      throw this.refuse('edits a post', 'that takes the right can_post_messages')
    if (
      stored.viaBotId !== undefined ||
      stored.message.forward_origin !== undefined ||
      isService(stored.message)
    )
      throw this.refuse('edits a message', 'it was not written by them')
    const isFree = mayEditAll || (room.kind === 'supergroup' && has('can_pin_messages'))
    if (!isFree && world.clock.now() - stored.at >= EDITABLE_FOR)
      throw this.refuse('edits a message', 'it is older than two days')
  }

  /** Deletes their own message, or anybody's given the right to. Bots get no update about it, as in Telegram. */
  async deletes(message: Message): Promise<void> {
    const { room, actor, world } = this.scene
    const stored = this.find(message)
    const mayDeleteAll =
      room.kind === 'private' || hasRight(world.membership(room, actor.id), 'can_delete_messages')
    if (stored.authorId !== actor.id && !mayDeleteAll)
      throw this.refuse('deletes a message of somebody else', 'that takes the right can_delete_messages')
    remove(world, stored, actor)
  }

  /**
   * Taps an inline keyboard button, given by its text or callback data. Resolves when the tap was sent; `await tap.answer` waits
   * for the bot's answer.
   */
  async taps(message: Message, button: string): Promise<Tap> {
    const { world, patience, actor } = this.scene
    return new Tap(world, patience, actor, this.find(message), button)
  }

  /** Pins a message; the bots of the chat get a service message. */
  async pins(message: Message): Promise<void> {
    const stored = this.find(message)
    this.attempt('pins', () => pin(this.scene.world, stored, this.scene.actor))
  }

  async unpins(message: Message): Promise<void> {
    const { world, room, actor } = this.scene
    const stored = this.find(message)
    this.attempt('unpins', () => unpin(world, room, actor, [stored]))
  }

  /** Sets their reaction to a message; without an emoji, removes it. */
  async reacts(message: Message, emoji?: ReactionTypeEmoji['emoji']): Promise<void> {
    const { world, actor, room } = this.scene
    const stored = this.find(message)
    const voice = voiceOf(world, room, actor, this.scene.voice)
    const actorId = voice?.id ?? actor.id
    const old = [...(stored.reactions.get(actorId) ?? [])]
    const next: ReactionType[] = emoji === undefined ? [] : [{ type: 'emoji', emoji }]
    if (emoji !== undefined) this.#checkPermission('reacts', 'can_react_to_messages')
    // Setting the same reaction again causes no update.
    if (JSON.stringify(old) === JSON.stringify(next)) return
    stored.reactions.set(actorId, next)
    for (const bot of world.botsIn(room)) {
      if (room.kind !== 'private' && !hasRight(world.membership(room, bot.id), 'can_manage_chat')) continue
      const common = { chat: describeChat(room), message_id: stored.message.message_id, date: world.date() }
      if (room.kind === 'channel') {
        world.emit(bot, 'message_reaction_count', { ...common, reactions: countReactions(stored) })
        continue
      }
      world.emit(bot, 'message_reaction', {
        ...common,
        ...(voice === undefined ? { user: actor.user } : { actor_chat: describeChat(voice) }),
        old_reaction: old,
        new_reaction: next,
      })
    }
  }

  /** @internal */
  protected speak(content: Content, replyTo?: StoredMessage): StoredMessage {
    const { world, actor, room, voice } = this.scene
    const thread = this.scene.topic ?? (replyTo && topicOfMessage(replyTo))
    this.#checkMaySpeak(content, thread)
    this.#checkLength(content)
    // People who speak in the name of a chat send no ephemeral messages.
    const receiver =
      voiceOf(world, room, actor, voice) === undefined
        ? soleReceiverOf(world, room, actor, content, replyTo)
        : undefined
    // A public reply would quote to everybody what only one member may see.
    if (receiver === undefined && replyTo?.receiverId !== undefined)
      throw this.refuse(
        'replies to an ephemeral message',
        'the reply would be public, because its bot has left, or they wrote the message themselves or speak for a chat',
      )
    return post(world, room, { author: actor, content, onBehalfOf: voice, replyTo, thread, receiver })
  }

  #checkLength({ text, caption }: Content): void {
    if (text?.trim() === '') throw this.refuse('sends an empty text', 'Telegram takes none')
    if ((text?.length ?? 0) > LONGEST_TEXT)
      throw this.refuse('sends a long text', `Telegram takes ${LONGEST_TEXT} characters`)
    if ((caption?.length ?? 0) > LONGEST_CAPTION)
      throw this.refuse('sends a long caption', `Telegram takes ${LONGEST_CAPTION} characters`)
  }

  #checkMaySpeak(content: Content, thread: Topic | undefined): void {
    const { world, actor, room } = this.scene
    if (room.kind === 'private') {
      if (room.blocked) throw this.refuse('writes', `they blocked the bot; let them unblock it first`)
      return
    }
    const topic = thread ?? room.forum?.general
    if (topic !== undefined) this.attempt('writes', () => assertOpen(world, room, actor, topic))
    const membership = world.membership(room, actor.id)
    if (!isIn(membership) && !mayComment(world, room, actor.id))
      throw this.refuse('writes', `they are not a member (${membership.status})`)
    if (membership.status === 'restricted') {
      const needed = permissionFor(content)
      if (!membership.permissions[needed])
        throw this.refuse('writes', `they are restricted and lack ${needed}`)
    }
    if (room.kind === 'channel' && !hasRight(membership, 'can_post_messages'))
      throw this.refuse('posts', 'that takes the right can_post_messages')
    this.attempt('writes', () => assertMaySpeak(world, room, actor, { content, voice: this.scene.voice }))
  }

  #checkPermission(action: string, needed: keyof Permissions): void {
    const { actor, room, world } = this.scene
    if (isGroup(room) && !isAllowed(world, room, actor.id, needed))
      throw this.refuse(action, `that takes ${needed}`)
  }

  /** @internal Finds the stored message for a message that was handed out. */
  protected find(message: Message): StoredMessage {
    const { history } = this.scene.room
    const stored =
      message.ephemeral_message_id === undefined
        ? history.find(message.message_id)
        : history.findEphemeral(message.ephemeral_message_id)
    if (stored === undefined || describeChat(stored.chat).id !== message.chat.id)
      throw this.refuse(
        `points at message ${message.message_id} of chat ${message.chat.id}`,
        'it is not there',
      )
    if (!canSee(this.scene.world, stored, this.scene.actor.id))
      throw this.refuse(`points at message ${message.message_id}`, 'they cannot see it')
    return stored
  }

  /** @internal Turns Telegram's refusals into a SentinelError: they are mistakes in the test. */
  protected attempt<Result>(action: string, act: () => Result): Result {
    const { room } = this.scene
    try {
      if (room.kind !== 'private') assertNotUpgraded(room)
      return act()
    } catch (error) {
      if (error instanceof Refusal) throw this.refuse(action, error.description)
      throw error
    }
  }

  /** @internal */
  protected refuse(action: string, why: string): SentinelError {
    const { actor, room } = this.scene
    const where = room.kind === 'private' ? `the chat with @${room.bot.me.username}` : `"${room.title}"`
    return new SentinelError('telegram.invalid', `${actor.user.first_name} ${action} in ${where}: ${why}.`)
  }

  #media(
    kind: 'photo' | 'document',
    name: string,
    content: string | Uint8Array = name,
    type?: string,
  ): Content {
    const bytes = Buffer.from(content as Uint8Array)
    const standard = kind === 'photo' ? 'image/jpeg' : (typeOf(name) ?? 'application/octet-stream')
    return mediaContent(kind, this.scene.world.files.store(bytes, name, type ?? standard))
  }
}

function textContent(given: string): Content {
  const { text, entities } = settleText({ text: given, entities: [] })
  return { text, ...(entities.length > 0 && { entities }) }
}

function captionContent(given: string | undefined): Content {
  const { text, entities } = settleText({ text: given ?? '', entities: [] })
  if (text === '') return {}
  return { caption: text, ...(entities.length > 0 && { caption_entities: entities }) }
}

/** The words of a message, as a key for comparing two versions. */
function wordsIn({ text, entities, caption, caption_entities }: Content): string {
  return JSON.stringify([text ?? caption ?? '', entities ?? caption_entities ?? []])
}

function countReactions(stored: StoredMessage): { type: ReactionType; total_count: number }[] {
  const counts = new Map<string, { type: ReactionType; total_count: number }>()
  for (const type of [...stored.reactions.values()].flat()) {
    const key = JSON.stringify(type)
    counts.set(key, { type, total_count: (counts.get(key)?.total_count ?? 0) + 1 })
  }
  return [...counts.values()]
}
