import { quietTimers } from '../../core/clock.js'
import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { type Key, keySubject } from '../../core/subject.js'
import { untilAborted } from './calls/until-aborted.js'
import { ConcurrencyLimit } from './concurrency-limit.js'
import type { HistoryOptions, Purged } from './messages.js'

/**
 * The client that deletes messages, or anything with the same method.
 *
 * @example
 * ```ts
 * import type { MtprotoClient, Purger } from 'grammy-sentinel/mtproto'
 *
 * const purgerOf = (client: MtprotoClient): Purger => client
 * ```
 */
export interface Purger {
  purge(chat: number, user: number, options?: HistoryOptions): Promise<Purged>
}

/**
 * Options of {@link purgeOnBan}.
 *
 * @example
 * ```ts
 * import type { PurgeOnBanOptions } from 'grammy-sentinel/mtproto'
 *
 * const options: PurgeOnBanOptions = { chats: [-1001234567890], depth: 20_000 }
 * ```
 */
export interface PurgeOnBanOptions {
  /**
   * Chats in which users and channels blocked by `guard.block()` are purged. Users banned in a chat are always purged there.
   * @default []
   */
  readonly chats?: readonly number[]
  /** How many ids to look through, newest first, if messages must be deleted one by one. @default 10,000 */
  readonly depth?: number
  /** Time limit of one purge, not counting the wait for its turn. @default '10m' */
  readonly timeout?: Duration
  /** Called after each purge; `user` is the id of the user or channel. */
  readonly onPurged?: (purged: Purged & { readonly chat: number; readonly user: number }) => void
}

/** A hook, as in the option `hooks` of `sentinel()`. */
interface Spec<T> {
  readonly name: string
  readonly timeout: Duration
  readonly run: (told: T, run: { readonly signal: AbortSignal }) => Promise<void>
}

/**
 * The hooks made by {@link purgeOnBan}, by hook point.
 *
 * @example
 * ```ts
 * import type { PurgeHooks } from 'grammy-sentinel/mtproto'
 *
 * const points = (hooks: PurgeHooks): string[] => Object.keys(hooks) // 'membership.banned', 'blocked'
 * ```
 */
export interface PurgeHooks {
  readonly 'membership.banned': Spec<{
    readonly chat: { readonly id: number; readonly type: string }
    readonly member: { readonly id: number }
  }>
  readonly blocked: Spec<{ readonly key: Key }>
}

/** Number of concurrent and of waiting purges; beyond that a purge is rejected, which is reported as an error. */
const AT_ONCE = 2
const MOST_WAITING = 100
const DEPTH = 10_000
/** A year; a hook's time-out cannot be longer. */
const LONGEST: Ms = 365 * 86_400_000

/**
 * Deletes all messages of users who are banned: in a chat by an administrator (Telegram deletes them only on request), or by
 * `guard.block()` in the chats listed in the options. There, messages in the name of a blocked channel are deleted, too. For the
 * option `hooks` of `sentinel()`. Two purges run at a time, in the background; `guard.close()` waits for them. Errors are reported as
 * `error` events of the guard.
 *
 * A bot looks through the last `depth` ids of the chat; a person's account deletes everything at once.
 *
 * @throws SentinelError `option.invalid`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { mtproto, purgeOnBan } from 'grammy-sentinel/mtproto'
 *
 * const client = mtproto({ apiId: 12345, apiHash: 'hash', botToken: '123:token' })
 * const guard = sentinel({ hooks: { ...purgeOnBan(client, { chats: [-1001234567890] }) } })
 * ```
 */
export function purgeOnBan(client: Purger, options: PurgeOnBanOptions = {}): PurgeHooks {
  const { chats = [], depth = DEPTH, timeout = '10m', onPurged } = options
  const most = parseDuration(timeout, 'purgeOnBan.timeout')
  if (!Number.isSafeInteger(depth) || depth < 1)
    throw new SentinelError('option.invalid', 'purgeOnBan.depth: it must be a whole number of 1 or more.')
  if (!chats.every((chat) => Number.isSafeInteger(chat) && chat < 0))
    throw new SentinelError('option.invalid', 'purgeOnBan.chats: they must be ids such as -1001234567890.')
  const places = new Places(most)
  const purge = (chat: number, user: number, signal: AbortSignal): Promise<void> =>
    places.take(`${chat} ${user}`, signal, async (turn) => {
      const purged = await client.purge(chat, user, { depth, signal: turn })
      onPurged?.({ ...purged, chat, user })
    })
  // The hook's time-out includes the wait in line, so it must cover all purges ahead.
  const patience = most * (MOST_WAITING / AT_ONCE + 1)
  return {
    'membership.banned': {
      name: 'purge',
      timeout: Math.min(LONGEST, patience),
      run: async ({ chat, member }, { signal }) => {
        // Messages of basic groups cannot be fetched by chat and id in MTProto.
        if (chat.type === 'supergroup') await purge(chat.id, member.id, signal)
      },
    },
    blocked: {
      name: 'purge',
      timeout: Math.min(LONGEST, patience * Math.max(1, chats.length)),
      run: async ({ key }, { signal }) => {
        const { kind, id } = keySubject(key) as { readonly kind: string; readonly id?: number }
        if ((kind !== 'user' && kind !== 'sender') || id === undefined) return
        for (const chat of chats) await purge(chat, id, signal)
      },
    },
  }
}

type Work = (turn: AbortSignal) => Promise<void>

/** Runs a limited number of tasks at once, each with a time limit; concurrent tasks of the same name are run once. */
class Places {
  readonly #under = new Map<string, Promise<void>>()
  readonly #turns = new ConcurrencyLimit(AT_ONCE)

  constructor(private readonly most: Ms) {}

  /** @throws SentinelError `hook.timeout`; the signal's reason if it was aborted before the turn came. */
  take(name: string, signal: AbortSignal, work: Work): Promise<void> {
    const under = this.#under.get(name)
    if (under !== undefined) return under
    if (this.#turns.waiting >= MOST_WAITING) {
      return Promise.reject(new Error(`purge: ${MOST_WAITING} purges wait already, so ${name} is skipped`))
    }
    const run = async () => {
      signal.throwIfAborted()
      await this.#inTime(signal, work)
    }
    const done = this.#turns.run(run).finally(() => this.#under.delete(name))
    this.#under.set(name, done)
    return done
  }

  /** Frees the place of a task that ignores its signal. */
  async #inTime(signal: AbortSignal, work: Work): Promise<void> {
    const ending = new AbortController()
    const callOff = quietTimers.after(this.most, () =>
      ending.abort(
        new SentinelError(
          'hook.timeout',
          `purgeOnBan: a purge took longer than ${this.most} ms. Raise timeout, or lower depth.`,
        ),
      ),
    )
    const turn = AbortSignal.any([signal, ending.signal])
    try {
      await untilAborted(work(turn), turn)
    } finally {
      callOff()
    }
  }
}
