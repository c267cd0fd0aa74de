import { z } from 'zod'
import type { Duration } from '../core/duration.js'
import type { ChatMigratedEvent, FailureEvent, OutgoingLimitedEvent } from '../middleware/events.js'
import { callable, duration, option, parseOptions } from '../middleware/options/schema.js'

const ATTEMPTS = 'must be a whole number from 1 to 100'
const CALLS = 'must be a whole number from 0 to 1,000,000'

const REASONS = ['flood', 'server', 'network'] as const

export const outgoingOptions = z.strictObject({
  attempts: option(
    z.int(ATTEMPTS).min(1, ATTEMPTS).max(100, ATTEMPTS),
    'How often a call is made at most, including the first time. Refusals of the bot as a whole do not count.',
    4,
  ),
  maxWait: option(duration, 'How long a call may wait in total. Then its caller gets the error.', '1m'),
  maxWaiting: option(
    z.int(CALLS).min(0, CALLS).max(1_000_000, CALLS),
    'How many calls may wait. Further ones fail at once with their error. One chat gets a fifth at most.',
    1000,
  ),
  jitter: option(duration, 'Each wait is extended by a random part of this time.', '250ms'),
  order: option(
    z.enum(['flood', 'chat']),
    'flood: after a 429, calls to that chat are made in order. chat: calls to one chat are always made in order.',
    'flood',
  ),
  retry: option(
    z.array(z.enum(REASONS)).min(1, 'must name at least one').readonly(),
    'After which failures a call is repeated: flood, a 429; server, a 5xx; network, no answer.',
    ['flood'],
  ),
  repeat: option(
    z.enum(['safe', 'all']),
    'safe: after a 5xx or no answer, only calls that may be made twice are repeated. all: messages, too.',
    'safe',
  ),
  ignore: option(
    z
      .array(z.string().regex(/^[a-z]\w{1,63}$/i, 'must be a method such as "sendMessage"'))
      .min(1, 'must name at least one')
      .readonly(),
    'Methods that are never delayed or repeated, like getUpdates.',
  ),
  share: option(z.boolean(), 'Tells other workers on the same storage which chats to wait for.', true),
  onLimited: option(callable<(event: OutgoingLimitedEvent) => void>(), 'Called for every 429. In code only.'),
  onMigrated: option(
    callable<(event: ChatMigratedEvent) => void>(),
    'Called when a chat has got another id. In code only.',
  ),
  onError: option(
    callable<(event: FailureEvent) => void>(),
    'Called with errors of the storage. In code only.',
  ),
})

/**
 * Options of {@link outgoing}. Durations are texts such as `'1m'`, or milliseconds.
 *
 * @example
 * ```ts
 * import { type OutgoingOptions, outgoing } from 'grammy-sentinel'
 *
 * const patient: OutgoingOptions = { attempts: 10, maxWait: '5m', retry: ['flood', 'server', 'network'] }
 * outgoing(patient)
 * ```
 */
export interface OutgoingOptions {
  /**
   * How often a call is sent at most, including the first time: 1 to 100. Refusals to the bot as a whole do not count; such a
   * call is repeated as long as it may wait, unless this is 1. @default 4
   */
  readonly attempts?: number
  /**
   * How long a call may wait in total, including for other calls. A call that would have to wait longer fails at once with the
   * 429. Note that with `bot.start()` a waiting handler delays all later updates. @default '1m'
   */
  readonly maxWait?: Duration
  /**
   * Most calls that wait in this process; any further call fails at once with the 429. A chat gets another place only while it has
   * less than a quarter of the free ones, so a flood of one chat leaves room for others. @default 1000
   */
  readonly maxWaiting?: number
  /** Upper bound of a random time added to each wait, so that workers do not all resume at once. @default '250ms' */
  readonly jitter?: Duration
  /**
   * `flood`: calls run in parallel; only after a 429 do calls to the same chat go one after the other, in the order in which they
   * were made. `chat`: calls to one chat always do. @default 'flood'
   */
  readonly order?: 'flood' | 'chat'
  /**
   * Which failures are retried. `flood`: a 429, after the time that Telegram names. `server`: a 5xx. `network`: no answer. The
   * last two wait half a second, doubled each time up to 10 s, minus a random part. @default ['flood']
   */
  readonly retry?: readonly ('flood' | 'server' | 'network')[]
  /**
   * After a 5xx or no answer it is unknown whether a call took effect. `safe`: retries only methods that may be called twice
   * (`get…`, `set…`, `edit…`, `delete…`, `answer…`, `ban…` and the like, except those that change a topmost item). `all`: retries
   * messages too, which may then appear twice. @default 'safe'
   */
  readonly repeat?: 'safe' | 'all'
  /** Methods that are sent unchanged, as `getUpdates` always is. */
  readonly ignore?: readonly string[]
  /**
   * Shares pauses with other workers on the same storage, so that they wait for the same chats. Costs a write for each 429, and
   * nothing for other calls. Has an effect only with a shared storage. @default true
   */
  readonly share?: boolean
  /** Called for every 429. */
  readonly onLimited?: (event: OutgoingLimitedEvent) => void
  /** Called when a call failed because its group has become a supergroup, which has a new id. */
  readonly onMigrated?: (event: ChatMigratedEvent) => void
  /** Called with errors of sharing pauses and of these functions. @default logs to the console */
  readonly onError?: (event: FailureEvent) => void
}

/** The checked options, with defaults. */
export type OutgoingSettings = Readonly<z.output<typeof outgoingOptions>>

/** Checks the options of outgoing calls. */
export function readOutgoing(options: OutgoingOptions): OutgoingSettings {
  return parseOptions('outgoing', outgoingOptions, options)
}
