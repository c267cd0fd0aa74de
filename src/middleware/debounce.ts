import type { Context } from 'grammy'
import { z } from 'zod'
import type { WhenDown } from '../core/check.js'
import type { Duration, Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Facts } from '../core/facts.js'
import { asFields } from '../core/fields.js'
import { getOrInsert } from '../core/maps.js'
import { keyText } from '../core/subject.js'
import { topicOf } from '../core/topic.js'
import { callbackEnded } from './chain/in-time.js'
import { guardOf } from './compose.js'
import { Bursts, type Patience } from './debounce/burst.js'
import type { Guard, Wired, Wiring } from './guard.js'
import { callable, named, onFailure, option, parseOptions, refusal, timeSpan } from './options/schema.js'
import type { Denial } from './refusing/denial.js'

/** The default `maxWait`, as a multiple of the quiet that a burst waits for. */
const MOST_WAITS = 10

type Failed<C extends Context> = (error: unknown, ctx: C) => unknown

const WHOLE = 'must be a whole number of 1 or more'
const count = z.int(WHOLE).min(1, WHOLE)

export const debounceOptions = z.strictObject({
  window: option(
    timeSpan,
    'leading: how long repetitions are refused. trailing: the pause that ends a burst.',
  ),
  mode: option(
    z.enum(['leading', 'trailing']),
    'leading handles the first update and refuses repetitions; trailing waits for a pause and handles all messages together.',
    'leading',
  ),
  albums: option(timeSpan, 'Collects an album into one call, once no further part has come for this time.'),
  on: option(
    z
      .array(z.enum(['message', 'tap', 'inline', 'post']))
      .min(1, 'must name at least one')
      .readonly(),
    'leading: the activities that are compared.',
    ['message', 'tap'],
  ),
  name: option(
    named('taps'),
    'leading: name of the claim in verdicts, and of its state. Default: leading; for a handler, its place.',
  ),
  ...refusal,
  deny: option(refusal.deny, 'What users are told when an update of theirs is stopped.', 'silent'),
  onFailure: onFailure('local'),
  maxWait: option(
    timeSpan,
    'How long a burst may wait, from its first message. Default: ten times the pause it waits for.',
  ),
  maxSize: option(count, 'Largest burst: with this many messages it is handled at once.', 50),
  maxKeys: option(
    count,
    'How many bursts may wait. If there is one more, the oldest is handled at once.',
    10_000,
  ),
  deadline: option(
    timeSpan,
    'How long the next burst waits for the handlers of the previous one. Then it is handled beside them.',
    '1m',
  ),
  commands: option(
    z.enum(['pass', 'collect']),
    'pass: a command is handled at once. collect: it waits like any other message.',
    'pass',
  ),
  onError: option(callable<Failed<Context>>(), "Called with errors of a burst's handlers. In code only."),
})

/**
 * Options of {@link debounce}.
 *
 * @example
 * ```ts
 * import { type DebounceOptions, debounce } from 'grammy-sentinel'
 *
 * const taps: DebounceOptions = { window: '500ms', on: ['tap'], albums: '300ms' }
 * const dictation: DebounceOptions = { mode: 'trailing', window: '2s', maxWait: '10s', maxSize: 20 }
 * debounce(taps)
 * debounce(dictation)
 * ```
 */
export interface DebounceOptions<C extends Context = Context> {
  /**
   * `leading`: how long a repetition is refused. `trailing`: the quiet after which a burst is handled. Optional only if `albums`
   * is set.
   */
  readonly window?: Duration | undefined
  /**
   * `leading` handles the first update and refuses its repetitions. `trailing` waits until the actor is quiet and handles
   * the messages together. @default 'leading', if there is a `window`
   */
  readonly mode?: 'leading' | 'trailing' | undefined
  /**
   * Gathers the photos of an album (messages of one `media_group_id`, including channel posts) into one call, when this span has
   * passed without another photo. With `trailing`, albums are part of the burst, which then waits at least this long for the next
   * photo; without it, other messages of the actor do not wait for the album. @default none: each photo is a call
   */
  readonly albums?: Duration | undefined
  /** `leading`: which updates are compared. `trailing` always gathers messages. @default ['message', 'tap'] */
  readonly on?: readonly ('message' | 'tap' | 'inline' | 'post')[] | undefined
  /** `leading`: name of the claim in verdicts, and of its state. @default 'leading'; for a handler, its place */
  readonly name?: string | undefined
  /** `leading`: how a refused update is answered; a tapped button gets its empty answer anyway. @default 'silent' */
  readonly deny?: Denial<C> | undefined
  /** `leading`: the shortest time between two notices, if `deny` sends any. @default '1m' */
  readonly noticeEvery?: Duration | undefined
  /** `leading`: evaluates and counts updates and tells listeners, but never refuses. @default false */
  readonly shadow?: boolean | undefined
  /**
   * `leading`: what happens while the storage does not answer. `local` compares in this process's memory until it is back, `open`
   * lets updates pass, `closed` refuses them (`unavailable`). @default 'local'
   */
  readonly onFailure?: WhenDown | undefined
  /** The longest wait of a burst from its first message on, however many follow. @default ten times the quiet it waits for */
  readonly maxWait?: Duration | undefined
  /** Most messages of a burst; a burst of this size is handled at once. @default 50 */
  readonly maxSize?: number | undefined
  /** Most bursts that wait at the same time; if there are more, the oldest is handled at once. @default 10,000 */
  readonly maxKeys?: number | undefined
  /**
   * How long the handlers of a burst keep the same actor's next messages waiting. After that the event `overdue` is raised and
   * the next burst is handled beside the first, so that a handler that hangs locks nobody out. @default '1m'
   */
  readonly deadline?: Duration | undefined
  /**
   * `pass`: a command does not wait for quiet. Messages held for the same actor in the same chat are handled at once, and the
   * command right after them. Without held messages a command passes as if there were no debounce. `collect`: a command is treated
   * like any other message. With `albums`, a photo is part of its album whatever its caption says. @default 'pass'
   */
  readonly commands?: 'pass' | 'collect' | undefined
  /**
   * Called with an exception of a burst's handlers and the burst's last context; `bot.catch` is not called. A promise it returns
   * is awaited for at most ten seconds. @default the `error` event, or the console
   */
  readonly onError?: Failed<C> | undefined
}

/**
 * Merges repeated taps or messages into one call of the handlers.
 *
 * **`leading`**, the default: the same content from the same actor in the same chat, or the same button on the same message, is
 * handled once per `window` and refused (`repeated`) until then. The window begins when an update is admitted, even if a veto or
 * `busy` stops it later or its handler throws; refusals do not extend it. Edits, photos of an album, and updates without
 * comparable content never count as repetitions.
 *
 * **`trailing`**: the messages of one actor in one chat become one call of your handlers, with the last of them, after
 * `window` of quiet. All of them are in `ctx.sentinel.burst`, oldest first, the context's own last. It is undefined
 * for updates that were not held: commands, other updates, and everything after `close()`. An edit is handled after the message
 * that was edited.
 *
 * **`albums`**: the same for the photos of one album, whatever their captions say, beside either mode or alone. An edit of a
 * caption is handled after the album.
 *
 * Neither the polling loop nor a webhook request waits for a burst. That has consequences:
 * - Telegram considers the updates handled as soon as they are held. Exceptions of handlers go to `onError` and not to
 *   `bot.catch`; nothing is delivered again, and held updates are lost if the process dies. `close()` handles them.
 * - Install it before `session()` and other middleware that finishes with the update, and turn webhook replies off.
 * - Handlers of one actor and chat never run at the same time: new messages form the next burst, which is not handled before the
 *   handlers of the previous one have ended, even across a `reconfigure()`. Exceptions: the oldest burst when `maxKeys` bursts
 *   wait, and handlers past their `deadline`. Bursts of different actors or chats run at the same time.
 * - Put limits in front, and `once()` where webhooks redeliver: a repeated delivery repeats its content.
 *
 * @param options A window such as `'1s'`, or {@link DebounceOptions}.
 * @throws SentinelError `duration.invalid`, `option.invalid`, `option.unknown`; `limit.duplicate` if a chain has
 * two of one name.
 *
 * @example
 * ```ts
 * import { Bot, type Context } from 'grammy'
 * import { debounce, type SentinelFlavor } from 'grammy-sentinel'
 *
 * const bot = new Bot<Context & SentinelFlavor>('123:token')
 * bot.use(debounce({ mode: 'trailing', window: '1s', onError: (error) => console.error(error) }))
 * bot.on('message:text', async (ctx) => {
 *   const messages = ctx.sentinel.burst ?? [ctx]
 *   await ctx.reply(messages.map(({ msg }) => msg?.text ?? '').join(' '))
 * })
 * ```
 */
export function debounce<C extends Context = Context>(options: Duration | DebounceOptions<C>): Guard<C> {
  const settings = readDebounce(options as Duration | DebounceOptions)
  const { name, mode, window, albums } = settings.options
  const label = name ?? `${mode} ${window ?? albums}`
  return guardOf({ name: 'debounce', label, wire: (wiring) => wire(wiring, settings) })
}

type Options = z.output<typeof debounceOptions>

interface Settings {
  readonly options: Options
  /** How long a repetition is refused; undefined without the leading mode. */
  readonly leading: Ms | undefined
  readonly trailing: Patience | undefined
  readonly albums: Patience | undefined
}

const LEADING_ONLY = ['name', 'deny', 'noticeEvery', 'shadow', 'onFailure'] as const
const HOLDING_ONLY = ['maxWait', 'maxSize', 'maxKeys', 'deadline', 'commands', 'onError'] as const

/** Checks and reads the options of one debounce. */
export function readDebounce(given: Duration | DebounceOptions): Settings {
  const short = typeof given === 'string' || typeof given === 'number'
  const own = short ? { window: given } : given
  const options = parseOptions('debounce', debounceOptions, own)
  const { window, albums, maxWait } = options
  const mode = window === undefined ? own.mode : options.mode
  const wrong = (option: string, problem: string): SentinelError =>
    new SentinelError('option.invalid', `debounce.${option}: ${problem}`)
  if (window === undefined && (mode !== undefined || albums === undefined)) {
    throw wrong('window', `${mode ?? 'debounce'} needs a window, such as window: '1s'.`)
  }
  if (mode !== 'leading') {
    const lost = LEADING_ONLY.find((option) => own[option] !== undefined)
    if (lost !== undefined) throw wrong(lost, `it applies to mode: 'leading' only. Leave it out.`)
    if (own.on?.some((activity) => activity !== 'message')) {
      throw wrong('on', `only messages are collected. Leave it out, or add another debounce for the rest.`)
    }
  }
  if (mode !== 'trailing' && albums === undefined) {
    const lost = HOLDING_ONLY.find((option) => own[option] !== undefined)
    if (lost !== undefined) throw wrong(lost, `it applies to mode: 'trailing' and albums only. Leave it out.`)
  }
  const quiet = Math.max(mode === 'trailing' ? (window ?? 0) : 0, albums ?? 0)
  if (maxWait !== undefined && maxWait < quiet) {
    throw wrong(
      'maxWait',
      `${maxWait} ms is shorter than the pause of ${quiet} ms that ends a burst. Raise it.`,
    )
  }
  const patience = (ms: Ms): Patience => ({ quiet: ms, most: maxWait ?? MOST_WAITS * quiet })
  return {
    options,
    leading: mode === 'leading' ? window : undefined,
    trailing: mode === 'trailing' && window !== undefined ? patience(window) : undefined,
    albums: albums === undefined ? undefined : patience(Math.max(albums, quiet)),
  }
}

function wire(wiring: Wiring<Context>, settings: Settings): Wired<Context> | undefined {
  if (settings.leading !== undefined) askLeading(wiring, settings.options, settings.leading)
  if (settings.trailing === undefined && settings.albums === undefined) return undefined
  return holding(wiring, settings)
}

function askLeading(wiring: Wiring<Context>, options: Options, holdFor: Ms): void {
  const { on, deny, noticeEvery, shadow, onFailure: whenDown } = options
  const { name = wiring.nameFor('debounce', 'leading') } = options
  wiring.ask({
    check: {
      kind: 'claim',
      guard: 'debounce',
      slot: `debounce.${name}`,
      subject: wiring.scope('actor', (facts) => facts.actor),
      tokens: 'digest',
      holdFor,
      whenHeld: 'refuse',
      shadow,
      ...(deny === 'silent' ? {} : { onRefusal: { noticeEvery } }),
      whenDown,
    },
    on,
    // An album may contain the same photo twice.
    token: (facts) => (facts.album === undefined ? facts.fingerprint : undefined),
    exempt: 'everybody',
    name,
    reason: 'repeated',
    denial: deny,
  })
}

function holding(wiring: Wiring<Context>, { options, trailing, albums }: Settings): Wired<Context> {
  const { services, place = '' } = wiring
  const { maxSize, maxKeys, deadline, commands, onError } = options
  const limit = trailing === undefined ? 'albums' : 'trailing'
  const during = `debounce.${limit}`
  const bursts = new Bursts({
    clock: services.clock,
    timers: services.timers,
    maxSize,
    maxKeys,
    deadline,
    overdue: ({ ctx, control: { facts } }, ms) =>
      services.events.tell('overdue', { facts, ctx, guard: 'debounce', limit, ms }),
    earlier: getOrInsert(services.shared.earlierBursts, place, () => new Set()),
    async failed(error, ctx) {
      if (onError === undefined) return services.failed(error, during)
      try {
        await callbackEnded(onError(error, ctx), 'debounce.onError', services.timers)
      } catch (second) {
        services.failed(second, 'debounce.onError')
      }
    },
  })
  const isPart = ({ album }: Facts): boolean => albums !== undefined && album !== undefined
  // Edits of posts are posts by their activity.
  const isEdit = ({ kind }: Facts): boolean => kind?.startsWith('edited_') === true
  const holds = (facts: Facts): boolean =>
    isPart(facts) || isEdit(facts) || (trailing !== undefined && facts.activity === 'message')
  return {
    holds,
    divert(facts, ctx, next, control, seated = false) {
      const { activity, actor, album } = facts
      const key = holds(facts) ? keyOf(facts, ctx) : undefined
      if (key === undefined) return false
      const part = { ctx, next, control, seated }
      // Handled after the message that was edited, but without ending the burst.
      if (isEdit(facts)) return bursts.follow(key, part, false)
      const gathering = activity === 'message' && actor !== undefined ? trailing : undefined
      const ofAlbum = isPart(facts)
      const patience = ofAlbum ? albums : gathering
      if (patience === undefined) return false
      // A photo is part of its album, whatever its caption says.
      if (!ofAlbum && commands === 'pass' && facts.command !== undefined) return bursts.follow(key, part)
      return bursts.hold(key, part, patience, gathering === undefined ? album : undefined)
    },
    waiting: () => bursts.size,
    running: () => bursts.handled,
    fire: () => bursts.fire(),
    drain: () => bursts.drain(),
  }
}

/** Key of an actor in a chat, or in a topic of it. Business and guest chats may have the same ids as the bot's own chats. */
function keyOf({ actor, chatId, kind }: Facts, ctx: Context): string | undefined {
  if (chatId === undefined) return undefined
  // The value comes from outside, so its type is not certain.
  const connection: unknown = ctx.businessConnectionId
  const business = typeof connection === 'string' ? connection : ''
  const who = actor === undefined ? '' : keyText(actor)
  const place = `${chatId}${topicOf(asFields(ctx.msg) ?? {})}`
  return `${ctx.me.id} ${kind?.replace('edited_', '')} ${place} ${business.length}:${business} ${who}`
}
