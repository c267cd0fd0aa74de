import type { ITelegramStorageProvider, tl } from '@mtcute/core'
import type { Update, User } from 'grammy/types'
import { type Clock, quietTimers } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { chatIdOfChannel } from '../../protocol/chat-ids.js'
import type { Caller } from '../calls/caller.js'
import type { Opened } from '../mtcute.js'
import { Handled, keyOf } from './handled.js'
import { Handling } from './handling.js'
import { COMMON, inStep, Progress } from './progress.js'
import { Refetching } from './refetch.js'
import { type Peers, Translation } from './translation/translation.js'

/** How long those who are being handled hold up a close. */
const PATIENCE: Ms = 10_000

/** Numbers that are so much smaller are no earlier ones: Telegram has begun anew. */
const A_NEW_COUNT = 1_000_000

/** Takes an update in; resolves when it was handled. */
export type Take = (update: Update) => Promise<unknown>

/** What a bridge stands on. */
export interface BridgeParts {
  readonly storage: ITelegramStorageProvider
  readonly clock: Clock
  readonly failed: (error: unknown) => void
}

/**
 * Hands what comes by MTProto to a bot, and sees to it that nothing is lost: how far we are is written when it was handled, what was missed
 * is fetched, and what Telegram calls too long ago is looked up by its ids.
 */
export class Bridging {
  /** The storage as mtcute is to have it. */
  readonly storage: ITelegramStorageProvider
  readonly #progress: Progress
  readonly #handled: Handled
  readonly #handling: Handling
  readonly #refetching: Refetching
  readonly #translation: Translation
  #take: Take | undefined
  #me: User | undefined
  /** Of the updates that are numbered by `qts`, the last one. */
  #qts = 0
  #isEnding = false
  #caller: Caller | undefined
  #base: Opened['base'] | undefined

  constructor(private readonly parts: BridgeParts) {
    this.#handled = new Handled(parts.storage.kv, parts.failed)
    this.#progress = new Progress(parts.failed, this.#handled)
    this.#handling = new Handling(this.#progress, parts.failed)
    this.#refetching = new Refetching(parts.storage.kv)
    this.#translation = new Translation(parts.clock(), () => this.#me as User)
    const { kv, ...storage } = inStep(parts.storage, this.#progress, (box) => this.#refetching.note(box))
    this.storage = {
      ...storage,
      kv: {
        ...kv,
        set: async (key, value) => {
          await kv.set(key, value)
          // mtcute writes down where it is before it goes on: while too much waits, it does not.
          await this.#handling.room()
        },
      },
    }
  }

  /** Updates that are being handled, or wait for it. */
  get open(): number {
    return this.#progress.open
  }

  /**
   * Resolves once updates flow; those that came while nobody listened come first.
   *
   * @throws SentinelError `mtproto.session` where it was started already.
   */
  async start(
    caller: Caller,
    opened: Opened,
    take: Take,
    me: User,
    channels: readonly number[],
  ): Promise<void> {
    if (this.#take !== undefined) {
      const again = 'the client is bridged to a bot already, and each update would be handed over twice.'
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
      this.#came(update, knownOf(peers.users.values(), peers.chats.values()))
    onRawUpdate.add(listen)
    try {
      await (await import('../mtcute.js')).startUpdates(opened, channels, () => this.#isEnding)
    } catch (error) {
      // Whoever tries again begins anew.
      onRawUpdate.remove(listen)
      this.#take = undefined
      throw error
    }
  }

  /** Has mtcute ask once more for what it missed in these boxes; with where each stood. */
  askAgain(boxes: ReadonlyMap<number, number>): void {
    const updates = this.#base?.updates
    // Whoever lets updates flow again asks about all of them.
    if (updates === undefined || !updates.updatesLoopActive) return
    const channels: tl.TypeUpdate[] = []
    for (const [channelId, pts] of boxes) {
      if (channelId === COMMON) {
        updates.handleUpdate({ _: 'updatesTooLong' })
        continue
      }
      // Else the next update there would be where it begins to count.
      if (!updates.cpts.has(channelId)) updates.cpts.set(channelId, pts)
      channels.push({ _: 'updateChannelTooLong', channelId })
    }
    if (channels.length > 0) updates.handleUpdate(inOne(channels))
  }

  /** Telegram tells no longer what came in a channel since we last looked. */
  channelTooLong(channel: number, newest: number): void {
    const caller = this.#caller
    if (caller === undefined) return
    this.#refetch(channel, this.#refetching.ofChannel(caller, channel, newest))
  }

  /** The same of private chats. */
  accountTooLong(): void {
    const caller = this.#caller
    if (caller !== undefined) this.#refetch(COMMON, this.#refetching.ofAccount(caller))
  }

  /** From now on what mtcute writes down is not taken for reached: told to stop, it forgets what it was about to tell. */
  freeze(): void {
    this.#isEnding = true
    this.#progress.freeze()
  }

  /** Waits for what is being handled, and for what is written about it. What takes longer comes again, with the next start. */
  async end(): Promise<void> {
    if (!(await this.#handling.drain(PATIENCE, quietTimers))) {
      this.#progress.leave()
      this.#handling.stop()
    }
    await this.#progress.settled()
  }

  /** Somebody else uses the session: nothing more is written or handed over, and what is being handled comes again, there. */
  abandon(): void {
    this.#isEnding = true
    this.#progress.stop()
    this.#handling.stop()
  }

  #refetch(box: number, missed: AsyncIterable<{ message: tl.TypeMessage } & Mentioned>): void {
    // Until all of it was handed over, we are where we were.
    const done = this.#progress.begin(box)
    const fetch = async () => {
      for await (const { message, users, chats } of missed) {
        const update: tl.TypeUpdate =
          box === COMMON
            ? { _: 'updateNewMessage', message, pts: 0, ptsCount: 0 }
            : { _: 'updateNewChannelMessage', message, pts: 0, ptsCount: 0 }
        this.#came(update, knownOf(users, chats))
        await this.#handling.room()
      }
      done()
    }
    // What could not be fetched stays behind what is written, and is asked for after the next start.
    fetch().catch(this.parts.failed)
  }

  /** What cannot be read is told, and is no reason to read no more: mtcute would begin anew, and forget what waits. */
  #translated(update: tl.TypeUpdate, peers: Peers): Update | undefined {
    try {
      return this.#translation.update(update, peers)
    } catch (error) {
      this.parts.failed(error)
      return undefined
    }
  }

  /** mtcute takes a first number of 1 for none, and fetches it once more with the next. */
  #isNew(qts: number): boolean {
    const isAgain = qts <= this.#qts && this.#qts - qts < A_NEW_COUNT
    if (!isAgain) this.#qts = qts
    return !isAgain
  }

  #came(update: tl.TypeUpdate, peers: Peers): void {
    if ('qts' in update && !this.#isNew(update.qts)) return
    const box = boxOf(update)
    if ('message' in update && typeof update.message === 'object' && 'id' in update.message)
      this.#refetching.saw(box, update.message.id)
    const bridged = this.#translated(update, peers)
    const take = this.#take
    if (bridged === undefined || take === undefined) return
    const key = keyOf(update)
    this.#handling.hand(box, key, async () => {
      const was = key !== undefined && this.#handled.before(box, key)
      // Only the first of a box waits for an answer.
      if (typeof was !== 'boolean') {
        if ((await was) || this.#handling.isStopped) return
      } else if (was) return
      await take(bridged)
    })
  }
}

/** Updates that nobody has numbered. */
function inOne(updates: tl.TypeUpdate[]): tl.RawUpdates {
  return { _: 'updates', updates, users: [], chats: [], date: 0, seq: 0 }
}

interface Mentioned {
  readonly users: Iterable<tl.TypeUser>
  readonly chats: Iterable<tl.TypeChat>
}

/** Which sequence an update belongs to (https://core.telegram.org/api/updates#update-handling). */
function boxOf(update: tl.TypeUpdate): number {
  if ('qts' in update) return COMMON
  if ('channelId' in update && 'pts' in update) return update.channelId
  const message = 'message' in update && typeof update.message === 'object' ? update.message : undefined
  const peer = message !== undefined && 'peerId' in message ? message.peerId : undefined
  return peer?._ === 'peerChannel' ? peer.channelId : COMMON
}

/** Who is mentioned beside an update, by the numbers the Bot API has for them. */
function knownOf(users: Iterable<tl.TypeUser>, chats: Iterable<tl.TypeChat>): Peers {
  const known = new Map<number, tl.RawUser | tl.RawChannel | tl.RawChat>()
  for (const user of users) if (user._ === 'user') known.set(user.id, user)
  for (const chat of chats) {
    if (chat._ === 'channel') known.set(chatIdOfChannel(chat.id), chat)
    if (chat._ === 'chat') known.set(-chat.id, chat)
  }
  return known
}
