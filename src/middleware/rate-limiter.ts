import type { Context } from 'grammy'
import { z } from 'zod'
import { isPromise, type MaybePromise } from '../core/check.js'
import { type Duration, type Ms, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Facts } from '../core/facts.js'
import type { Activity } from '../core/kinds.js'
import { keyText } from '../core/subject.js'
import { shownAnswer } from '../core/unawaited.js'
import { guardOf } from './compose.js'
import type { Admission, Guard, SubjectOf, Wired, Wiring } from './guard.js'
import {
  activities,
  commandNamed,
  duration,
  named,
  option,
  parseOptions,
  prompt,
  refusal,
} from './options/schema.js'
import { checkKey, readKey, type ScopeName, scopeOf, scopeOption } from './options/scopes.js'
import { notifiedBy, Recent } from './recent.js'
import type { Denial } from './refusing/denial.js'
import type { Services } from './services.js'
import { gateOfCommands, TALK } from './throttle.js'

const GUARD = 'rate-limiter'
/** A mark that nobody holds: the check for it only tells whether the update is subject to the limiter at all. */
const NOBODY = 'nobody'
const ALBUM_FOR = parseDuration('1m')
const POINTS = 'must be a whole number of at least 1'

/**
 * What {@link fromRateLimiter} requires of a limiter; all limiters of rate-limiter-flexible qualify. `consume()` resolves if
 * there were enough points, rejects with `{ msBeforeNext }` if not, and with an `Error` if it failed.
 *
 * @example
 * ```ts
 * import type { PointsLimiter } from 'grammy-sentinel'
 *
 * const never: PointsLimiter = { consume: () => Promise.reject({ msBeforeNext: 60_000 }) }
 * ```
 */
export interface PointsLimiter {
  consume(key: string, points?: number): Promise<unknown>
}

export const rateLimiterOptions = z.strictObject({
  name: option(named('uploads'), 'Name of the limit in verdicts.'),
  scope: option(scopeOption, 'What it counts by.', 'user'),
  key: option(
    prompt<(facts: Facts, ctx: Context) => string | number | undefined>(),
    'Counts by a key of your own.',
  ),
  on: option(activities, 'What it is for.'),
  commands: option(
    z.array(commandNamed('buy')).min(1, 'must name at least one').readonly(),
    'Only these commands.',
  ),
  cost: option(
    z.union([prompt<(facts: Facts, ctx: Context) => number>(), z.number(POINTS).int(POINTS).min(1, POINTS)]),
    'The points of an update.',
    1,
  ),
  ...refusal,
  timeout: option(duration, 'How long an update waits for the limiter.', '250ms'),
  onFailure: option(
    z.enum(['open', 'closed']),
    'When the limiter fails: open admits, closed refuses.',
    'open',
  ),
})

/**
 * Options of {@link fromRateLimiter}; they correspond to those of `throttle()`.
 *
 * @example
 * ```ts
 * import type { RateLimiterOptions } from 'grammy-sentinel'
 *
 * const uploads: RateLimiterOptions = { name: 'uploads', commands: ['upload'], cost: 5 }
 * ```
 */
export interface RateLimiterOptions<C extends Context = Context> {
  /** Name of the limit in verdicts and events. @default the scope, such as `user`; for a handler, its place */
  readonly name?: string | undefined
  /**
   * The subject whose updates are counted together. The limiter's key is the bot's id and the subject, such as `42:u7`.
   * @default 'user'
   */
  readonly scope?: ScopeName | undefined
  /** Counts by a key of your own instead, passed on unchanged; updates with an undefined key are not limited. Needs a `name`. */
  readonly key?: ((facts: Facts, ctx: C) => string | number | undefined) | undefined
  /** The activities to limit. @default messages, taps, reactions and votes, together */
  readonly on?: readonly Activity[] | undefined
  /** Limits these commands only. */
  readonly commands?: readonly string[] | undefined
  /** The points that an update costs, or a function of it. Rounded up; at 0 the update is not limited. @default 1 */
  readonly cost?: (number | ((facts: Facts, ctx: C) => number)) | undefined
  /** How a refused update is answered. @default 'notice' */
  readonly deny?: Denial<C> | undefined
  /** The shortest time between two notices to one subject; each process counts for itself. @default '1m' */
  readonly noticeEvery?: Duration | undefined
  /** Consumes points, counts and tells listeners, but never refuses. @default false */
  readonly shadow?: boolean | undefined
  /** The longest wait of an update for the limiter. @default '250ms' */
  readonly timeout?: Duration | undefined
  /** What happens if the limiter fails or takes too long: `open` lets pass, `closed` refuses (`unavailable`). @default 'open' */
  readonly onFailure?: 'open' | 'closed' | undefined
}

/**
 * Turns a limiter of rate-limiter-flexible (MySQL, MongoDB, DynamoDB, Memcached, etcd …), or any other object
 * with such a `consume()`, into a guard.
 *
 * The limiter is asked last, after all other guards of its chain have admitted the update, so that updates they refuse consume no
 * points. If the limiter refuses, the charges of the other guards are given back. The parts of an album consume once, and share
 * the first one's outcome, within each process. An error of the limiter is reported to `error` listeners, and the update passes
 * unless `onFailure` says otherwise.
 *
 * rate-limiter-flexible counts in fixed windows, in whole points and whole seconds, and a refusal may consume, too. Where
 * one of this package's storages is available, `throttle()` is more exact and costs no round trip of its own.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `scope.unknown`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { compose, debounce, fromRateLimiter } from 'grammy-sentinel'
 * import { RateLimiterMemory } from 'rate-limiter-flexible'
 *
 * const bot = new Bot('123:token')
 * const limiter = new RateLimiterMemory({ points: 20, duration: 60 })
 * bot.use(compose(debounce('1s'), fromRateLimiter(limiter, { noticeEvery: '10s' })))
 * ```
 */
export function fromRateLimiter<C extends Context = Context>(
  limiter: PointsLimiter,
  given: RateLimiterOptions<C> = {},
): Guard<C> {
  if (typeof limiter?.consume !== 'function') {
    throw new SentinelError(
      'option.invalid',
      'fromRateLimiter: that is not a limiter, because it has no consume(). Pass one of rate-limiter-flexible.',
    )
  }
  const settings = parseOptions('fromRateLimiter', rateLimiterOptions, given as object)
  checkKey('fromRateLimiter', given)
  const label = settings.name ?? settings.scope
  return guardOf({
    name: GUARD,
    label,
    wire: (wiring) => wire(wiring, limiter, settings),
  })
}

type Settings = z.output<typeof rateLimiterOptions>

function wire(wiring: Wiring<Context>, limiter: PointsLimiter, settings: Settings): Wired<Context> {
  const { deny, shadow } = settings
  const { name = wiring.nameFor(GUARD, settings.scope) } = settings
  const scope = scopeOf(settings.scope, settings.key, name)
  // The plan decides which updates are covered and who is exempt; the limiter is asked once the whole plan has admitted the
  // update.
  const probe = wiring.ask({
    check: {
      kind: 'present',
      guard: GUARD,
      slot: `${GUARD}.${name}?`,
      subject: wiring.scope(scope.name, scope.subjectOf),
      anyOf: [NOBODY],
      shadow: true,
      whenDown: 'local',
    },
    on: settings.on ?? TALK,
    when: gateOfCommands(settings.commands),
    exempt: 'everybody',
    probe: true,
    name,
    reason: 'limited',
    denial: deny,
  })
  const noticed = notifiedBy(wiring.services, `${GUARD}.${name}`, settings.noticeEvery, wiring.place)
  const consumer = new Consumer(limiter, settings, name, scope.subjectOf, wiring.services, noticed)
  return {
    denial: deny,
    shadow,
    apart: true,
    admit: (facts, ctx, probed) => (probed.includes(probe) ? consumer.admit(facts, ctx) : undefined),
  }
}

/** The limiter's answer: the update passes, it has to wait for that long, or the limiter failed. */
type Answer = 'passes' | 'failed' | Ms

/** Asks the limiter about an update, and turns its answer into an admission. */
class Consumer {
  private readonly albums = new Recent<Promise<Answer>>(ALBUM_FOR)

  constructor(
    private readonly limiter: PointsLimiter,
    private readonly settings: Settings,
    private readonly name: string,
    private readonly subjectOf: SubjectOf<Context>,
    private readonly services: Services,
    private readonly noticed: Recent<true>,
  ) {}

  admit(facts: Facts, ctx: Context): MaybePromise<Admission | undefined> {
    let key: string | undefined
    let points: number
    try {
      key = this.keyOf(facts, ctx)
      points = this.pointsOf(facts, ctx)
    } catch (error) {
      // A developer's function that throws disables its limit for this update; it must not stop the bot.
      this.failed(error)
      return undefined
    }
    if (key === undefined || points === 0) return undefined
    const own = key
    const answer = this.ask(facts, own, points)
    if (isPromise(answer)) return answer.then((said) => this.admission(said, own))
    return this.admission(answer, own)
  }

  /** Asks once for all parts of an album that cost the same. */
  private ask(facts: Facts, key: string, points: number): MaybePromise<Answer> {
    if (facts.album === undefined) return this.consume(key, points)
    const name = `${key} ${points} ${facts.chatId} ${facts.album}`
    const now = this.services.steady()
    const known = this.albums.get(name, now)
    if (known !== undefined) return known
    const answer = Promise.resolve(this.consume(key, points))
    this.albums.set(name, answer, now)
    return answer
  }

  /** Never rejects. */
  private consume(key: string, points: number): MaybePromise<Answer> {
    return new Promise((fulfil) => {
      const { timeout } = this.settings
      const callOff = this.services.timers.after(timeout, () => {
        this.failed(new SentinelError('storage.failed', `fromRateLimiter: no answer within ${timeout} ms.`))
        fulfil('failed')
      })
      const end = (answer: Answer): void => {
        callOff()
        fulfil(answer)
      }
      const refused = (reason: unknown): void => {
        const wait = retryAfterOf(reason)
        if (wait === undefined) this.failed(reason)
        end(wait ?? 'failed')
      }
      try {
        Promise.resolve(this.limiter.consume(key, points)).then(() => end('passes'), refused)
      } catch (error) {
        refused(error)
      }
    })
  }

  private admission(answer: Answer, key: string): Admission | undefined {
    if (answer === 'passes') return undefined
    const closed = answer === 'failed'
    if (closed && this.settings.onFailure !== 'closed') return undefined
    const { deny, shadow } = this.settings
    const notice = deny !== 'silent' && !shadow && this.noticed.add(key, this.services.steady())
    return {
      veto: closed ? 'unavailable' : 'limited',
      by: {
        guard: GUARD,
        limit: this.name,
        retryAfterMs: closed ? Number.POSITIVE_INFINITY : answer,
        notice,
      },
    }
  }

  private keyOf(facts: Facts, ctx: Context): string | undefined {
    const { key } = this.settings
    if (key !== undefined) return readKey(key, facts, ctx, this.name)
    const subject = this.subjectOf(facts, ctx)
    return subject === undefined ? undefined : `${ctx.me.id}:${keyText(subject)}`
  }

  private pointsOf(facts: Facts, ctx: Context): number {
    const { cost } = this.settings
    if (typeof cost === 'number') return cost
    const points = cost(facts, ctx)
    if (typeof points === 'number' && points >= 0 && points < Number.POSITIVE_INFINITY)
      return Math.ceil(points)
    this.failed(
      new SentinelError(
        'cost.invalid',
        `fromRateLimiter.cost: ${shownAnswer(points)} is not a number of points. Return a finite number of zero or more; it was taken as 1.`,
      ),
    )
    return 1
  }

  private failed(error: unknown): void {
    this.services.failed(error, `${GUARD}.${this.name}`)
  }
}

/**
 * How deep a rejection is searched: a union of limiters may contain another union. Bounded, as other objects may contain
 * themselves.
 */
const DEEPEST = 2

/** Returns how long a rejection says to wait; undefined if it is not a refusal. */
function waitIn(reason: unknown, depth = 0): Ms | undefined {
  if (typeof reason !== 'object' || reason === null || reason instanceof Error) return undefined
  if ('msBeforeNext' in reason) return waitOf(reason.msBeforeNext)
  if (depth === DEEPEST) return undefined
  // A union of limiters rejects with the answer of each, by name; the longest wait counts.
  let longest: Ms | undefined
  for (const said of Object.values(reason)) {
    const wait = waitIn(said, depth + 1)
    if (wait !== undefined) longest = Math.max(wait, longest ?? 0)
  }
  return longest
}

/** Like {@link waitIn} for any value: an object that throws when it is read is not a refusal. */
function retryAfterOf(reason: unknown): Ms | undefined {
  try {
    return waitIn(reason)
  } catch {
    return undefined
  }
}

/** Some limiters say -1 for "never", others the largest safe integer. */
function waitOf(ms: unknown): Ms | undefined {
  if (typeof ms !== 'number' || Number.isNaN(ms)) return undefined
  return ms < 0 || ms >= Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : Math.ceil(ms)
}
