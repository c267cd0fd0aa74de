import { quietTimers } from '../../core/clock.js'
import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { type Key, keySubject } from '../../core/subject.js'
import type { HistoryOptions, Purged } from './messages.js'

/**
 * Who deletes: a client, or anything alike.
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
  /** Where whoever `guard.block()` blocks is purged. Whoever is banned in a chat is purged there in any case. @default [] */
  readonly chats?: readonly number[]
  /** How many ids are looked through where messages must be deleted one by one, newest first. @default 10,000 */
  readonly depth?: number
  /** How long one purge may take, from when it is its turn. @default '10m' */
  readonly timeout?: Duration
  /** Told of each purge. */
  readonly onPurged?: (purged: Purged & { readonly chat: number; readonly user: number }) => void
}

/** A hook, as the option `hooks` of `sentinel()` takes it. */
interface Spec<T> {
  readonly name: string
  readonly timeout: Duration
  readonly run: (told: T, run: { readonly signal: AbortSignal }) => Promise<void>
}

/**
 * What {@link purgeOnBan} gives: hooks by point.
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

/** Purges at once; those that wait; whoever comes then is not purged, and that is told. */
const AT_ONCE = 2
const MOST_WAITING = 100
const DEPTH = 10_000
/** A year: more is no time-out. */
const LONGEST: Ms = 365 * 86_400_000

/**
 * Deletes all that somebody wrote once they are banned: by an administrator in a chat (Telegram deletes it itself only where one
 * asks for that), or by `guard.block()` in the chats you name. For the option `hooks` of `sentinel()`. Two purges run at a time, aside, and
 * the time of those that wait begins with their turn; `guard.close()` waits for them. What fails is told as an `error` event of the guard.
 *
 * A bot looks through the last `depth` ids of the chat for it, a person deletes all at once.
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
    throw new SentinelError('option.invalid', 'purgeOnBan.depth: it must be a whole number from 1.')
  if (!chats.every((chat) => Number.isSafeInteger(chat) && chat < 0))
    throw new SentinelError('option.invalid', 'purgeOnBan.chats: they must be ids such as -1001234567890.')
  const places = new Places(most)
  const purge = (chat: number, user: number, signal: AbortSignal): Promise<void> =>
    places.take(`${chat} ${user}`, signal, async (turn) => {
      const purged = await client.purge(chat, user, { depth, signal: turn })
      onPurged?.({ ...purged, chat, user })
    })
  // Of a hook the time in line counts as well: as long as all in front of it may take.
  const patience = most * (MOST_WAITING / AT_ONCE + 1)
  return {
    'membership.banned': {
      name: 'purge',
      timeout: Math.min(LONGEST, patience),
      run: async ({ chat, member }, { signal }) => {
        // Of basic groups MTProto keeps no messages that one could ask for by chat.
        if (chat.type === 'supergroup') await purge(chat.id, member.id, signal)
      },
    },
    blocked: {
      name: 'purge',
      timeout: Math.min(LONGEST, patience * Math.max(1, chats.length)),
      run: async ({ key }, { signal }) => {
        const { kind, id } = keySubject(key) as { readonly kind: string; readonly id?: number }
        if (kind !== 'user' || id === undefined) return
        for (const chat of chats) await purge(chat, id, signal)
      },
    },
  }
}

type Work = (turn: AbortSignal) => Promise<void>

/** Lets a few run at once, each for so long at most; the same one once. */
class Places {
  readonly #under = new Map<string, Promise<void>>()
  readonly #line: (() => void)[] = []
  #running = 0

  constructor(private readonly most: Ms) {}

  /** @throws SentinelError `hook.timeout`; the signal's reason, where it has ended before the turn came. */
  take(name: string, signal: AbortSignal, work: Work): Promise<void> {
    const under = this.#under.get(name)
    if (under !== undefined) return under
    if (this.#line.length >= MOST_WAITING) {
      return Promise.reject(new Error(`purge: ${MOST_WAITING} wait already, and ${name} is left out`))
    }
    const done = this.#run(signal, work).finally(() => this.#under.delete(name))
    this.#under.set(name, done)
    return done
  }

  async #run(signal: AbortSignal, work: Work): Promise<void> {
    if (this.#running >= AT_ONCE) await new Promise<void>((go) => this.#line.push(go))
    else this.#running++
    try {
      signal.throwIfAborted()
      await this.#inTime(signal, work)
    } finally {
      const next = this.#line.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  /** Whoever does not heed the signal is not waited for: their place is others'. */
  async #inTime(signal: AbortSignal, work: Work): Promise<void> {
    const ending = new AbortController()
    const callOff = quietTimers.after(this.most, () =>
      ending.abort(
        new SentinelError(
          'hook.timeout',
          `purgeOnBan: a purge took longer than ${this.most} ms. Give it a longer timeout, or less depth.`,
        ),
      ),
    )
    const turn = AbortSignal.any([signal, ending.signal])
    try {
      await new Promise<void>((done, failed) => {
        turn.addEventListener('abort', () => failed(turn.reason), { once: true })
        work(turn).then(done, failed)
      })
    } finally {
      callOff()
    }
  }
}
