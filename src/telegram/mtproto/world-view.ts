import { getOrInsert } from '../../core/maps.js'
import type { TlObject } from '../../mtproto/protocol/tl/object.js'
import type { Account } from '../world/accounts.js'
import type { SharedChat, StoredMessage } from '../world/chats/chats.js'
import { isIn } from '../world/chats/members.js'
import type { World } from '../world/world.js'
import type { CdnRedirects } from './cdn/redirects.js'
import { Locations } from './files/locations.js'
import { Media } from './files/media.js'
import { Uploads } from './files/uploads.js'
import { RandomIds } from './random-ids.js'
import { BotEvents, type DescribedUpdate } from './updates/bot-events.js'
import { type Entry, Journal } from './updates/journal.js'
import { Mailbox } from './updates/mailbox.js'
import { ReadPositions } from './updates/read-positions.js'
import { NO_SEQ } from './updates/seq.js'
import { Subscriptions } from './updates/subscriptions.js'
import { Describer } from './views/describe.js'
import { isNumberedByAccount } from './views/numbering.js'
import { channelId, Peers } from './views/peers.js'

/** The world as MTProto clients see it: numbers messages and events, and sends updates about them. */
export class WorldView {
  readonly peers: Peers
  readonly describer: Describer
  readonly botEvents: BotEvents
  readonly uploads = new Uploads()
  readonly randomIds = new RandomIds()
  readonly locations: Locations
  readonly media: Media
  /** Set if a CDN serves files. */
  cdn: CdnRedirects | undefined
  readonly readPositions = new ReadPositions()
  readonly subscriptions = new Subscriptions()
  readonly #mailboxes = new Map<number, Mailbox>()
  readonly #channels = new Map<number, Journal>()
  readonly #seen = new WeakSet<StoredMessage>()
  /** Stop listening to the world. */
  readonly #ends: readonly (() => void)[]

  constructor(readonly world: World) {
    this.peers = new Peers(world)
    this.locations = new Locations(world)
    this.media = new Media(world, this.locations)
    const numberOf = (viewer: Account, stored: StoredMessage) => this.numberOf(viewer, stored)
    this.describer = new Describer(
      world,
      this.peers,
      (viewer, message) => this.media.ofMessage(viewer, message),
      numberOf,
    )
    this.botEvents = new BotEvents(world, this.describer, numberOf, (bot, event) => this.#send(bot, event))
    this.#ends = [
      world.shown.add((stored) => this.#happened(stored)),
      world.removed.add((stored) => this.#gone(stored)),
    ]
  }

  close(): void {
    this.botEvents.close()
    for (const end of this.#ends) end()
  }

  mailbox(accountId: number): Mailbox {
    return getOrInsert(this.#mailboxes, accountId, () => new Mailbox())
  }

  channel(chat: SharedChat): Journal {
    return getOrInsert(this.#channels, chat.id, () => new Journal())
  }

  /** The id of a message for an account. */
  numberOf(viewer: Account, stored: StoredMessage): number {
    return isNumberedByAccount(stored.chat) ? this.mailbox(viewer.id).idOf(stored) : stored.message.message_id
  }

  /** An account's position in its updates (https://core.telegram.org/constructor/updates.state). */
  stateOf(account: Account): TlObject {
    const { pts } = this.mailbox(account.id).journal
    const qts = this.botEvents.qtsOf(account.id)
    return { _: 'updates.state', pts, qts, date: this.world.date(), seq: NO_SEQ, unread_count: 0 }
  }

  /** Sends updates about messages deleted in a channel. */
  removed(chat: SharedChat, ids: readonly number[]): Entry {
    const entry = this.channel(chat).remove(ids)
    for (const account of this.world.membersOf(chat)) this.#tell(account, this.updateOf(account, entry, chat))
    return entry
  }

  /** Sends updates about messages deleted from an account's private chats and basic groups. */
  removedPrivately(account: Account, ids: readonly number[]): Entry {
    const entry = this.mailbox(account.id).journal.remove(ids)
    this.#tell(account, this.updateOf(account, entry))
    return entry
  }

  /** Converts a journal entry to an update for a viewer; `chat` is given for entries of a channel. */
  updateOf(viewer: Account, entry: Entry, chat?: SharedChat): TlObject {
    const state = { pts: entry.pts, pts_count: entry.count }
    if (entry.what === 'delete') {
      if (chat === undefined) return { _: 'updateDeleteMessages', messages: entry.ids, ...state }
      return { _: 'updateDeleteChannelMessages', channel_id: channelId(chat), messages: entry.ids, ...state }
    }
    const name = entry.what === 'new' ? 'New' : 'Edit'
    const kind = chat === undefined ? `update${name}Message` : `update${name}ChannelMessage`
    return { _: kind, message: this.describer.message(viewer, entry.stored), ...state }
  }

  #happened(stored: StoredMessage): void {
    const { chat } = stored
    // Ephemeral messages have no id, and are in no journal.
    if (stored.receiverId !== undefined) return
    const what = this.#seen.has(stored) ? 'edit' : 'new'
    this.#seen.add(stored)
    if (isNumberedByAccount(chat)) {
      const { new_chat_members: joined, left_chat_member: left } = stored.message
      if (chat.kind === 'group' && what === 'new' && (joined ?? left) !== undefined)
        this.describer.changed(chat)
      for (const account of this.#readersOf(stored)) {
        const mailbox = this.mailbox(account.id)
        mailbox.idOf(stored)
        const entry = mailbox.journal.add(what, stored)
        if (this.subscriptions.has(account.id)) this.#tell(account, this.updateOf(account, entry), stored)
      }
      return
    }
    const entry = this.channel(chat).add(what, stored)
    for (const id of this.subscriptions.accountIds()) {
      const account = this.world.accounts.find(id)
      if (account === undefined || !isIn(this.world.membership(chat, id))) continue
      this.#tell(account, this.updateOf(account, entry, chat), stored)
    }
  }

  /** Accounts that have a copy of a message: in a group its members, and a member who has just left. */
  #readersOf({ chat, message }: StoredMessage): readonly Account[] {
    if (chat.kind === 'private') return [chat.person, chat.bot]
    const left = message.left_chat_member && this.world.accounts.find(message.left_chat_member.id)
    const members = this.world.membersOf(chat as SharedChat)
    return left === undefined || members.includes(left) ? members : [...members, left]
  }

  /** Handles a message that was deleted by either API, or has expired. */
  #gone(stored: StoredMessage): void {
    const { chat } = stored
    if (!this.#seen.has(stored)) return
    if (isNumberedByAccount(chat)) {
      for (const account of this.#readersOf(stored)) {
        const mailbox = this.mailbox(account.id)
        const id = mailbox.knownId(stored)
        if (id === undefined) continue
        mailbox.remove(id)
        this.removedPrivately(account, [id])
      }
      // Deletions by an MTProto call are reported together by that call.
    } else if (!this.subscriptions.isWithinCall) this.removed(chat, [stored.message.message_id])
  }

  #tell(account: Account, update: TlObject, about?: StoredMessage): void {
    const { users, chats } = this.describer.mentioned(account, about === undefined ? [] : [about])
    this.#send(account, { update, users, chats })
  }

  #send(account: Account, { update, users, chats }: DescribedUpdate): void {
    const date = this.world.date()
    this.subscriptions.send(account, { _: 'updates', updates: [update], users, chats, date, seq: NO_SEQ })
  }
}
