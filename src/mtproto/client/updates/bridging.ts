import type { ITelegramStorageProvider, tl } from '@mtcute/core'
import type { MaybeInaccessibleMessage, Update, User } from 'grammy/types'
import { type Clock, quietTimers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import type { Caller } from '../calls/caller.js'
import { fetchMissed, type Opened, startUpdates } from '../mtcute.js'
import { Begun } from './begun.js'
import { Handled, keyOf } from './handled.js'
import { Handling } from './handling.js'
import { Originals } from './originals.js'
import { reportingWrites } from './peer-writes.js'
import { COMMON, inStep, Progress } from './progress.js'
import { Refetching } from './refetch.js'
import { type Described, type Peers, peersIn } from './translation/people.js'
import { answeringIn, Translation } from './translation/translation.js'
import { Waits } from './waits.js'

/** How long closing waits for updates being handled. */
const PATIENCE: Ms = 10_000

/** Handles an update; resolves when done. */
type Take = (update: Update) => Promise<unknown>

/** Dependencies of a bridge. */
interface BridgeParts {
  readonly storage: ITelegramStorageProvider
  readonly clock: Clock
  readonly failed: (error: unknown) => void
  /** Whether the session is still ours; calls `abandon()` when it turns out to be lost. */
  readonly isOurs: () => boolean
}

/**
 * Passes updates from MTProto to a bot without losing any: positions are stored only after handling, missed updates are fetched,
 * and messages beyond Telegram's update history are fetched by their ids.
 */
export class Bridging {
  /** The storage, wrapped for mtcute. */
  readonly storage: ITelegramStorageProvider
  readonly #progress: Progress
  readonly #begun = new Begun()
  readonly #handled: Handled
  readonly #handling: Handling
  readonly #refetching: Refetching
  readonly #translation: Translation
  readonly #originals: Originals
  readonly #waits = new Waits()
  #take: Take | undefined
  #me: User | undefined
  #isEnding = false
  #caller: Caller | undefined
  #base: Opened['base'] | undefined

  constructor(private readonly parts: BridgeParts) {
    this.#handled = new Handled(parts.storage.kv, parts.failed)
    this.#progress = new Progress(parts.failed, this.#handled, quietTimers, parts.isOurs)
    this.#handling = new Handling(this.#progress, parts.failed, parts.isOurs)
    this.#refetching = new Refetching(parts.storage.kv)
    this.#translation = new Translation(parts.clock(), () => this.#me as User)
    // A call that is cut off because another process uses the session is no failure of its own.
    this.#originals = new Originals((error) => {
      if (!this.#handling.isStopped) parts.failed(error)
    })
    this.storage = inStep(
      { ...parts.storage, ...reportingWrites(parts.storage, parts.failed) },
      this.#progress,
      (box) => this.#refetching.note(box),
      () => this.#handling.room(),
    )
  }

  /** Number of updates being handled or queued. */
  get open(): number {
    return this.#progress.open
  }

  /**
   * Resolves once updates arrive; those missed while nothing listened come first.
   *
   * @throws SentinelError `mtproto.session` if the bridge was already started.
   */
  async start(
    caller: Caller,
    opened: Opened,
    take: Take,
    me: User,
    channels: readonly number[],
  ): Promise<void> {
    if (this.#take !== undefined) {
      const again = 'the client is already bridged to a bot, so each update would arrive twice.'
      throw new SentinelError('mtproto.session', `mtproto: ${again} Use bridge() once.`)
    }
    this.#take = take
    const { id, is_bot, first_name, last_name, username } = me
    this.#me = {
      id,
      is_bot,
      first_name,
      ...(last_name !== undefined && { last_name }),
      ...(username !== undefined && { username }),
    }
    this.#caller = caller
    this.#base = opened.base
    const { onRawUpdate } = caller.client
    const listen: Parameters<typeof onRawUpdate.add>[0] = ({ update, peers }) =>
      this.#came(update, peersIn(peers))
    onRawUpdate.add(listen)
    try {
      await startUpdates(opened, channels, () => this.#isEnding)
    } catch (error) {
      // A retry starts over.
      onRawUpdate.remove(listen)
      this.#take = undefined
      throw error
    }
  }

  /** Makes mtcute fetch missed updates of these boxes again, given the last position (`pts`) of each. */
  askAgain(boxes: ReadonlyMap<number, number>): void {
    const base = this.#base
    const updates = base?.updates
    // While the loop is stopped there is nothing to do: starting it asks about all boxes.
    if (base === undefined || updates?.updatesLoopActive !== true) return
    if (boxes.has(COMMON)) updates.handleUpdate({ _: 'updatesTooLong' })
    const channels = [...boxes].filter(([box]) => box !== COMMON)
    for (const [channel, pts] of channels) {
      // Without a position, mtcute would count from the next update in the channel.
      if (!updates.cpts.has(channel)) updates.cpts.set(channel, pts)
    }
    fetchMissed(
      base,
      channels.map(([channel]) => channel),
    )
  }

  /** Telegram no longer has the updates that a channel missed: fetches its messages by id. */
  channelTooLong(channel: number, newest: number): void {
    const caller = this.#caller
    if (caller === undefined) return
    this.#refetch(channel, this.#refetching.ofChannel(caller, channel, newest))
  }

  /** Likewise for private chats. */
  accountTooLong(): void {
    const caller = this.#caller
    if (caller !== undefined) this.#refetch(COMMON, this.#refetching.ofAccount(caller))
  }

  /** Ignores positions that mtcute stores from now on: when told to stop, it drops updates that it has not dispatched yet. */
  freeze(): void {
    this.#isEnding = true
    this.#progress.freeze()
  }

  /** Waits until updates are handled and their positions stored. Updates that take longer are delivered again after the next start. */
  async end(): Promise<void> {
    await this.#handling.drain(PATIENCE, quietTimers)
    // Also if all have finished: mtcute may still dispatch what an answer under way contains. In this order, since updates that are
    // not begun would count as handled.
    this.#progress.leave()
    this.#handling.stop()
    await this.#progress.settled()
  }

  /** Another process uses the session now: stores and hands over nothing more; unhandled updates are delivered again there. */
  abandon(): void {
    this.#isEnding = true
    this.#progress.stop()
    this.#handling.stop()
  }

  #refetch(box: number, missed: AsyncIterable<Described>): void {
    // Edits and deletions were missed, too.
    this.#originals.forgetAll(box)
    // Holds the stored position back until all fetched messages are handled.
    const done = this.#progress.begin(box)
    const fetch = async () => {
      for await (const { message, peers } of missed) {
        const update: tl.TypeUpdate =
          box === COMMON
            ? { _: 'updateNewMessage', message, pts: 0, ptsCount: 0 }
            : { _: 'updateNewChannelMessage', message, pts: 0, ptsCount: 0 }
        this.#came(update, peers)
        await this.#handling.room()
      }
      done()
    }
    // If fetching fails, the stored position stays back, so that the messages are fetched after the next start.
    fetch().catch(this.parts.failed)
  }

  /** Reports what cannot be translated: an exception would make mtcute restart and drop its pending updates. */
  #translated<T>(translate: () => T): T | undefined {
    try {
      return translate()
    } catch (error) {
      this.parts.failed(error)
      return undefined
    }
  }

  /** Adds the message that a message replies to or pins, of which the update gives only the id; undefined if there is none. */
  #completing(bridged: Update, box: number): Promise<void> | undefined {
    const answering = answeringIn(bridged)
    const caller = this.#caller
    if (answering === undefined || caller === undefined) return undefined
    const { message, field } = answering
    const { message_id: id } = message[field] as MaybeInaccessibleMessage
    const add = (found: Described | undefined) => {
      const original = found && this.#translated(() => this.#translation.original(found.message, found.peers))
      if (original !== undefined) Object.assign(message, { [field]: original })
    }
    const known = this.#originals.known(box, id)
    if (known === undefined) return this.#originals.of(caller, box, message.message_id, id).then(add)
    add(known)
    return undefined
  }

  #came(update: tl.TypeUpdate, peers: Peers): void {
    const updates = this.#base?.updates
    // mtcute does not count a first update, and would take the second for one after a gap.
    if ('qts' in update && update.qts === 1 && updates?.qts === 0) updates.qts = 1
    const box = boxOf(update)
    const message = messageIn(update)
    if (message !== undefined) {
      this.#refetching.saw(box, message.id)
      this.#originals.saw(box, { message, peers })
    } else if (update._ === 'updateDeleteMessages' || update._ === 'updateDeleteChannelMessages')
      this.#originals.forget(box, update.messages)
    const bridged = this.#translated(() => this.#translation.update(update, peers))
    const take = this.#take
    if (bridged === undefined || take === undefined) return
    // Asked after the translation: an update that is not delivered must not be taken for an earlier arrival of one that is.
    if (!this.#begun.begin(box, update)) return
    const key = keyOf(update)
    const wait = this.#waits.of(bridged, this.#completing(bridged, box))
    this.#handling.hand(box, key, async () => {
      // Like the lookup below: yields only if it must, so that updates keep their order.
      if (wait !== undefined && !wait.isOver) {
        await wait.over
        if (this.#handling.isStopped) return
      }
      const was = key !== undefined && this.#handled.before(box, key)
      // Only the first lookup of a box is asynchronous; later ones must not yield.
      if (typeof was !== 'boolean') {
        if ((await was) || this.#handling.isStopped) return
      } else if (was) return
      await take(bridged)
    })
  }
}

/**
 * The update sequence that an update belongs to (https://core.telegram.org/api/updates#update-handling): a channel's own, or the
 * account's.
 */
function boxOf(update: tl.TypeUpdate): number {
  if ('qts' in update) return COMMON
  if ('channelId' in update && 'pts' in update) return update.channelId
  const peer = messageIn(update)?.peerId
  return peer?._ === 'peerChannel' ? peer.channelId : COMMON
}

/** The message of an update. Messages of business accounts are numbered by those accounts, so they do not belong to a box. */
function messageIn(update: tl.TypeUpdate): tl.TypeMessage | undefined {
  switch (update._) {
    case 'updateNewMessage':
    case 'updateEditMessage':
    case 'updateNewChannelMessage':
    case 'updateEditChannelMessage':
      return update.message
    default:
      return undefined
  }
}
