import type {
  ChatAdministratorRights,
  ChatInviteLink,
  ChatPermissions,
  ForumTopic,
  Message,
} from 'grammy/types'
import { type Duration, parseDuration } from '../../core/duration.js'
import { checkNames } from '../../core/option-names.js'
import type { Account } from '../world/accounts.js'
import {
  setAutoDelete,
  setDescription,
  setPermissions,
  setPhoto,
  setSenderBanned,
  setSlowMode,
  setTitle,
} from '../world/chats/chat-settings.js'
import { isGroup, type SharedChat, type Topic } from '../world/chats/chats.js'
import { describeInvite } from '../world/chats/describe-invite.js'
import { createInvite, revokeInvite } from '../world/chats/invites.js'
import {
  completePermissions,
  completeRights,
  enteringFrom,
  hasRight,
  isIn,
  isPermitted,
  LEFT,
  MEMBER,
  type Membership,
  untilDateAt,
} from '../world/chats/members.js'
import {
  assertMayGive,
  assertMayPromote,
  assertMayRestrict,
  bannedFrom,
  changeMembership,
  decideJoinRequest,
  requestToJoin,
} from '../world/chats/membership.js'
import { upgradeToSupergroup } from '../world/chats/migration.js'
import { closeTopic, createTopic, describeTopic, editTopic, topicOf } from '../world/chats/topics.js'
import { badRequest } from '../world/refusal.js'
import type { World } from '../world/world.js'
import { type TelegramChannel, TelegramGroup } from './places.js'
import { Presence, type Scene } from './presence.js'

/**
 * Somebody with an account: a person or a bot.
 *
 * @example
 * ```ts
 * import type { Somebody, TelegramGroup } from 'grammy-sentinel/testing'
 *
 * const isBanned = (group: TelegramGroup, who: Somebody) => group.member(who).status === 'kicked'
 * export { isBanned }
 * ```
 */
export interface Somebody {
  /** @internal */
  readonly account: Account
}

/**
 * A person in a group or channel: joining, leaving and moderating.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const alice = telegram.createUser({ firstName: 'Alice' })
 * const bob = telegram.createUser({ firstName: 'Bob' })
 * const plaza = telegram.createGroup({ title: 'Plaza', owner: alice })
 * await bob.in(plaza).joins()
 * await alice.in(plaza).restricts(bob, { can_send_messages: false }, { for: '1h' })
 * await alice.in(plaza).bans(bob, { for: '1d' })
 * await telegram.close()
 * ```
 */
export class MemberPresence extends Presence {
  /** @internal */
  protected readonly room: SharedChat

  /** @internal */
  constructor(scene: Scene & { readonly room: SharedChat }) {
    super(scene)
    this.room = scene.room
  }

  /** Joins the chat themselves. */
  async joins(): Promise<void> {
    const { actor, world } = this.scene
    const standing = world.membership(this.room, actor.id)
    if (standing.status === 'kicked') throw this.refuse('joins', 'they are banned')
    if (isIn(standing)) return
    this.attempt('joins', () => this.#change(actor, enteringFrom(standing)))
  }

  async leaves(): Promise<void> {
    const { actor, world } = this.scene
    const standing = world.membership(this.room, actor.id)
    if (!isIn(standing)) throw this.refuse('leaves', 'they are not a member')
    const next: Membership = standing.status === 'restricted' ? { ...standing, isMember: false } : LEFT
    this.attempt('leaves', () => this.#change(actor, next))
  }

  /** Sends a join request. Bots with the right to invite get `chat_join_request`. */
  async requestsToJoin(options: { readonly bio?: string } = {}): Promise<void> {
    const { actor, world } = this.scene
    const standing = world.membership(this.room, actor.id)
    if (isIn(standing)) throw this.refuse('asks to join', 'they are in already')
    if (standing.status === 'kicked') throw this.refuse('asks to join', 'they are banned')
    this.attempt('asks to join', () => requestToJoin(world, this.room, actor, options.bio))
  }

  /**
   * Creates an invite link. `for` is how long it is valid; without terms anybody can use it for ever.
   *
   * @throws SentinelError `option.unknown` for a term that does not exist.
   */
  async makesInviteLink(
    terms: {
      readonly name?: string
      readonly for?: Duration
      readonly memberLimit?: number
      readonly createsJoinRequest?: boolean
    } = {},
  ): Promise<ChatInviteLink> {
    const { world, actor } = this.scene
    checkNames('makesInviteLink', terms, ['name', 'for', 'memberLimit', 'createsJoinRequest'])
    const { for: span, ...rest } = terms
    const expireDate =
      span === undefined ? undefined : world.date() + Math.ceil(parseDuration(span, 'for') / 1000)
    return this.attempt('makes an invite link', () =>
      describeInvite(this.room, createInvite(world, this.room, actor, { ...rest, expireDate }), actor.id),
    )
  }

  async revokesInviteLink(link: ChatInviteLink): Promise<void> {
    this.changes('revokes an invite link', revokeInvite, link.invite_link)
  }

  async approves(who: Somebody): Promise<void> {
    this.changes('approves', decideJoinRequest, who.account.id, true)
  }

  async declines(who: Somebody): Promise<void> {
    this.changes('declines', decideJoinRequest, who.account.id, false)
  }

  /**
   * Adds a person or a bot. Requires `can_invite_users`, in a channel as an administrator right. A bot cannot be added to a
   * channel: use `promotes()`.
   */
  async adds(who: Somebody): Promise<void> {
    const { actor, world } = this.scene
    const own = world.membership(this.room, actor.id)
    if (!isIn(own)) throw this.refuse('adds somebody', 'they are not a member')
    const standing = world.membership(this.room, who.account.id)
    if (isIn(standing)) return
    const mayInvite = isGroup(this.room)
      ? isPermitted(this.room, own, 'can_invite_users')
      : hasRight(own, 'can_invite_users')
    if (!mayInvite) throw this.refuse('adds somebody', 'that takes can_invite_users')
    if (!isGroup(this.room) && who.account.kind === 'bot')
      throw this.refuse('adds a bot', 'into a channel bots come as administrators: let somebody promote it')
    if (standing.status === 'kicked') this.changes('adds somebody', assertMayRestrict, who.account)
    this.attempt('adds somebody', () => this.#change(who.account, enteringFrom(standing)))
  }

  /**
   * Bans for ever, or for a time with `{ for: '1h' }`. As in Telegram, times below thirty seconds or above 366 days mean for ever.
   * A basic group only removes the member, who can rejoin.
   */
  async bans(who: Somebody, options: { readonly for?: Duration } = {}): Promise<void> {
    this.changes('bans', assertMayRestrict, who.account)
    this.#change(who.account, bannedFrom(this.room, this.#until(options.for)))
  }

  async unbans(who: Somebody): Promise<void> {
    this.changes('unbans', assertMayRestrict, who.account)
    if (this.scene.world.membership(this.room, who.account.id).status === 'kicked')
      this.#change(who.account, LEFT)
  }

  /**
   * Restricts a member of a supergroup. Permissions not listed are taken away; with none listed, the member may send nothing.
   */
  async restricts(
    who: Somebody,
    permissions: ChatPermissions = {},
    options: { readonly for?: Duration } = {},
  ): Promise<void> {
    if (this.room.kind !== 'supergroup')
      throw this.refuse('restricts somebody', 'only supergroups have restrictions (a basic group upgrades())')
    this.changes('restricts', assertMayRestrict, who.account)
    this.#change(who.account, {
      status: 'restricted',
      isMember: isIn(this.scene.world.membership(this.room, who.account.id)),
      permissions: completePermissions(permissions, false),
      untilDate: this.#until(options.for),
    })
  }

  /**
   * Makes somebody an administrator: with only the given rights, which the promoter must have as well, or with all rights of the
   * promoter except anonymity. Adds a bot to a channel.
   */
  async promotes(who: Somebody, rights?: Partial<ChatAdministratorRights>): Promise<void> {
    this.attempt('promotes', () => {
      const { world, actor } = this.scene
      assertMayPromote(world, this.room, actor, who.account)
      const comes = !isGroup(this.room) && who.account.kind === 'bot'
      if (!comes && !isIn(world.membership(this.room, who.account.id)))
        throw badRequest('USER_NOT_PARTICIPANT')
      const own = world.membership(this.room, actor.id)
      const offered = own.status === 'administrator' ? own.rights : completeRights(this.room.kind, {}, true)
      const given =
        rights === undefined
          ? { ...offered, is_anonymous: false }
          : completeRights(this.room.kind, { ...rights, can_manage_chat: true }, false)
      assertMayGive(world, this.room, actor, given)
      this.#change(who.account, {
        status: 'administrator',
        rights: given,
        promotedBy: actor.id,
      })
    })
  }

  async demotes(who: Somebody): Promise<void> {
    this.changes('demotes', assertMayPromote, who.account)
    if (this.scene.world.membership(this.room, who.account.id).status === 'administrator')
      this.#change(who.account, MEMBER)
  }

  /** Renames the chat. */
  async setsTitle(title: string): Promise<void> {
    this.changes('renames the chat', setTitle, title)
  }

  async setsDescription(description: string): Promise<void> {
    this.changes('describes the chat', setDescription, description)
  }

  /** Sets the chat photo. As in `sendsPhoto`, the name stands for the picture. Without a name, removes the photo. */
  async setsPhoto(name?: string): Promise<void> {
    const { files } = this.scene.world
    const photo = name === undefined ? undefined : files.store(Buffer.from(name), name, 'image/jpeg')
    this.changes('changes the photo', setPhoto, photo)
  }

  /** Sets how long new messages are kept: up to 365 days. Without a value, for ever. */
  async setsAutoDelete(after?: Duration): Promise<void> {
    const seconds = after === undefined ? 0 : Math.round(parseDuration(after, 'after') / 1000)
    this.changes('sets auto-delete', setAutoDelete, seconds)
  }

  /** @internal Changes the chat in the name of the person. */
  protected changes<Args extends readonly unknown[], Result>(
    action: string,
    change: (world: World, room: SharedChat, actor: Account, ...args: Args) => Result,
    ...args: Args
  ): Result {
    const { world, actor } = this.scene
    return this.attempt(action, () => change(world, this.room, actor, ...args))
  }

  #change(target: Account, next: Membership): void {
    changeMembership(this.scene.world, { chat: this.room, target, next, performer: this.scene.actor })
  }

  #until(span: Duration | undefined): number {
    if (span === undefined) return 0
    const now = this.scene.world.date()
    return untilDateAt(now + Math.ceil(parseDuration(span, 'for') / 1000), now)
  }
}

/**
 * A person in a group.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const alice = telegram.createUser({ firstName: 'Alice' })
 * const plaza = telegram.createGroup({ title: 'Plaza', owner: alice })
 * const rules = await alice.in(plaza).anonymously().sends('Be kind')
 * console.log(rules.from?.username) // 'GroupAnonymousBot'
 * await telegram.close()
 * ```
 */
export class GroupPresence extends MemberPresence {
  /** Sets what ordinary members may do. Permissions not listed are taken away. */
  async permits(permissions: ChatPermissions): Promise<void> {
    this.changes('changes permissions', setPermissions, completePermissions(permissions, true))
  }

  /**
   * Sets how long members must wait between two messages: 5s, 10s, 30s, 1m, 5m, 15m or 1h, as in Telegram. Without a value, turns
   * slow mode off. A person who writes too soon causes an error; a bot that is not an administrator gets 429.
   */
  async setsSlowMode(delay?: Duration): Promise<void> {
    this.changes(
      'sets slow mode',
      setSlowMode,
      delay === undefined ? 0 : parseDuration(delay, 'delay') / 1000,
    )
  }

  /** Bans a channel from writing in the group. */
  async bansChannel(channel: TelegramChannel): Promise<void> {
    this.changes('bans a channel', setSenderBanned, channel.id, true)
  }

  async unbansChannel(channel: TelegramChannel): Promise<void> {
    this.changes('unbans a channel', setSenderBanned, channel.id, false)
  }

  /**
   * Upgrades a basic group to a supergroup, which only its owner can. The supergroup has a new id; bots get service messages in
   * both chats, and calls with the old id are refused with `migrate_to_chat_id`.
   */
  async upgrades(): Promise<TelegramGroup> {
    return new TelegramGroup(this.scene.world, this.changes('upgrades the group', upgradeToSupergroup))
  }

  /** Returns the person within a topic: what they send there goes to that topic. */
  inTopic(topic: ForumTopic): Presence {
    return new Presence({ ...this.scene, topic: this.#topicOf(topic, 'goes into a topic') })
  }

  async createsTopic(name: string): Promise<ForumTopic> {
    return describeTopic(this.changes('creates a topic', createTopic, { name }))
  }

  async renamesTopic(topic: ForumTopic, name: string): Promise<void> {
    this.changes('renames a topic', editTopic, this.#topicOf(topic, 'renames a topic'), { name })
  }

  async closesTopic(topic: ForumTopic): Promise<void> {
    this.changes('closes a topic', closeTopic, this.#topicOf(topic, 'closes a topic'), true)
  }

  async reopensTopic(topic: ForumTopic): Promise<void> {
    this.changes('reopens a topic', closeTopic, this.#topicOf(topic, 'reopens a topic'), false)
  }

  #topicOf({ message_thread_id: id }: ForumTopic, action: string): Topic {
    return this.attempt(action, () => topicOf(this.room, id))
  }

  /** Speaks as the group itself: from GroupAnonymousBot, with the group as `sender_chat`. Requires an administrator. */
  anonymously(): Presence {
    const { world, actor } = this.scene
    if (!hasRight(world.membership(this.room, actor.id), 'can_manage_chat'))
      throw this.refuse('speaks anonymously', 'only administrators can')
    return new Presence({ ...this.scene, voice: this.room })
  }

  /** Speaks as a channel they own: from Channel_Bot, with the channel as `sender_chat`. */
  as(channel: TelegramChannel): Presence {
    const { world, actor } = this.scene
    if (world.membership(channel.room, actor.id).status !== 'creator')
      throw this.refuse(`speaks as "${channel.title}"`, 'they do not own that channel')
    return new Presence({ ...this.scene, voice: channel.room })
  }
}

/**
 * A person in a channel.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const alice = telegram.createUser({ firstName: 'Alice' })
 * const plaza = telegram.createGroup({ title: 'Plaza', owner: alice })
 * const news = telegram.createChannel({ title: 'News', owner: alice, linkedGroup: plaza })
 * await alice.in(news).posts('We are open')
 * console.log(plaza.messages[0]?.is_automatic_forward) // true
 * await telegram.close()
 * ```
 */
export class ChannelPresence extends MemberPresence {
  /** Posts a text. A linked discussion group gets a copy. */
  async posts(text: string): Promise<Message> {
    return this.sends(text)
  }
}
