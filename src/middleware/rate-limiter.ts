import type { Context } from 'grammy'
import { z } from 'zod'
import { isPromise, type MaybePromise } from '../core/check.js'
import { type Duration, type Ms, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Activity, Facts } from '../core/facts.js'
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
  word,
} from './options/schema.js'
import { checkKey, readKey, SCOPES, type ScopeName, scopeOf } from './options/scopes.js'
import { noticedBy, Recent } from './recent.js'
import type { Denial } from './refusing/denial.js'
import type { Services } from './services.js'
import { gateOfCommands, TALK } from './throttle.js'

const GUARD = 'rate-limiter'
/** No subject holds it: the check on it tells only whether an update is to be asked for at all. */
const NOBODY = 'nobody'
const ALBUM_FOR = parseDuration('1m')
const POINTS = 'must be a whole number of at least 1'

/**
 * What {@link fromRateLimiter} asks of a limiter: all of rate-limiter-flexible's have it. It resolves when the points were
 * there, and rejects with `{ msBeforeNext }` when they were not, or with an `Error` when it could not tell.
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

const options = z.strictObject({
  name: option(named('uploads'), 'Names the limit in verdicts.'),
  scope: option(word(SCOPES, 'scope.unknown'), 'Whom it counts.', 'user'),
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
    'When the limiter fails: open lets pass, closed refuses.',
    'open',
  ),
})

/**
 * Options of {@link fromRateLimiter}: as those of `throttle()`, where they make sense.
 *
 * @example
 * ```ts
 * import type { RateLimiterOptions } from 'grammy-sentinel'
 *
 * const uploads: RateLimiterOptions = { name: 'uploads', commands: ['upload'], cost: 5 }
 * ```
 */
export interface RateLimiterOptions<C extends Context = Context> {
  /** Names the limit in verdicts and events. @default the scope, such as `user`; for a handler, its place */
  readonly name?: string
  /** Whom it counts: the limiter's key is the bot's id and this, such as `42:u7`. @default 'user' */
  readonly scope?: ScopeName
  /** Counts by a key of your own instead, handed on as it is; undefined leaves the update out. Needs a `name`. */
  readonly key?: (facts: Facts, ctx: C) => string | number | undefined
  /** What it is for. @default messages, taps, reactions and votes, together */
  readonly on?: readonly Activity[]
  /** Only these commands. */
  readonly commands?: readonly string[]
  /** The points of an update, or a function: rounded up, and 0 leaves the update out. @default 1 */
  readonly cost?: number | ((facts: Facts, ctx: C) => number)
  /** How whoever is refused is answered. @default 'notice' */
  readonly deny?: Denial<C>
  /** One notice in so long to each it counts, by each process for itself. @default '1m' */
  readonly noticeEvery?: Duration
  /** Consumes, counts and tells listeners, never refusing. @default false */
  readonly shadow?: boolean
  /** How long an update waits for the limiter. @default '250ms' */
  readonly timeout?: Duration
  /** When the limiter fails or takes too long: `open` lets pass, `closed` refuses (`unavailable`). @default 'open' */
  readonly onFailure?: 'open' | 'closed'
}

/**
 * Makes a guard of any limiter of rate-limiter-flexible (MySQL, MongoDB, DynamoDB, Memcached, etcd …), or of anything else
 * with such a `consume()`.
 *
 * It is asked last, once all other guards of its chain have let the update pass: what they refuse consumes no points. What it
 * refuses is given back by them. The parts of an album consume once, and share the fate of the first, in each process. An
 * error of the limiter is told to `error` listeners, and its update passes unless `onFailure` says otherwise.
 *
 * rate-limiter-flexible counts in fixed windows, in whole points and whole seconds, and a refusal may consume, too; where
 * one of ours can run, `throttle()` is exacter and costs no trip of its own.
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
      'fromRateLimiter: that is no limiter, for it has no consume(). Pass one of rate-limiter-flexible.',
    )
  }
  const settings = parseOptions('fromRateLimiter', options, given as object)
  checkKey('fromRateLimiter', settings, 'scope', settings.scope)
  const label = settings.name ?? settings.scope ?? 'user'
  return guardOf({
    name: GUARD,
    label,
    wire: (wiring) => wire(wiring, limiter, settings),
  }) as unknown as Guard<C>
}

type Settings = z.output<typeof options>

function wire(wiring: Wiring<Context>, limiter: PointsLimiter, settings: Settings): Wired<Context> {
  const { name = wiring.nameFor(GUARD, settings.scope ?? 'user'), deny = 'notice', shadow = false } = settings
  let subjectOf: SubjectOf<Context> = () => undefined
  const scope = scopeOf(
    {
      scope(scopeName, found) {
        subjectOf = found
        return wiring.scope(scopeName, found)
      },
    },
    settings.scope ?? 'user',
    settings.key,
    name,
  )
  // The plan knows for what updates this is, and who is exempt; the limiter is asked when all of it has said yes.
  const probe = wiring.ask({
    check: {
      kind: 'present',
      guard: GUARD,
      slot: `${GUARD}.${name}?`,
      subject: scope,
      anyOf: [NOBODY],
      shadow: true,
      whenDown: 'local',
    },
    on: settings.on ?? TALK,
    when: gateOfCommands(settings.commands),
    excused: 'everybody',
    probe: true,
    name,
    reason: 'limited',
    denial: deny,
  })
  const noticed = noticedBy(wiring, `${GUARD}.${name}`, settings.noticeEvery ?? parseDuration('1m'))
  const consumer = new Consumer(limiter, settings, name, subjectOf, wiring.services, noticed)
  return {
    denial: deny,
    shadow,
    apart: true,
    admit: (facts, ctx, probed) => (probed.includes(probe) ? consumer.admit(facts, ctx) : undefined),
  }
}

/** What the limiter said: passes, or to wait so long, or that it failed. */
type Answer = 'passes' | 'failed' | Ms

/** Asks the limiter for an update, and makes an admission of what it says. */
class Consumer {
  private readonly albums = new Recent<Promise<Answer>>(ALBUM_FOR)
  private readonly timeout: Ms

  constructor(
    private readonly limiter: PointsLimiter,
    private readonly settings: Settings,
    private readonly name: string,
    private readonly subjectOf: SubjectOf<Context>,
    private readonly services: Services,
    private readonly noticed: Recent<true>,
  ) {
    this.timeout = settings.timeout ?? 250
  }

  admit(facts: Facts, ctx: Context): MaybePromise<Admission | undefined> {
    let key: string | undefined
    let points: number
    try {
      key = this.keyOf(facts, ctx)
      points = this.pointsOf(facts, ctx)
    } catch (error) {
      // A developer's function that throws leaves its limit out: it must not stop the bot.
      this.failed(error)
      return undefined
    }
    if (key === undefined || points === 0) return undefined
    const own = key
    const answer = this.ask(facts, own, points)
    if (isPromise(answer)) return answer.then((said) => this.admission(said, own))
    return this.admission(answer, own)
  }

  /** The parts of an album are one. */
  private ask(facts: Facts, key: string, points: number): MaybePromise<Answer> {
    if (facts.album === undefined) return this.consume(key, points)
    const name = `${key} ${facts.chatId} ${facts.album}`
    const now = this.services.clock()
    const known = this.albums.get(name, now)
    if (known !== undefined) return known
    const answer = Promise.resolve(this.consume(key, points))
    this.albums.set(name, answer, now)
    return answer
  }

  /** Never rejects. */
  private consume(key: string, points: number): MaybePromise<Answer> {
    return new Promise((fulfil) => {
      const callOff = this.services.timers.after(this.timeout, () => {
        this.failed(
          new SentinelError('storage.failed', `fromRateLimiter: no answer within ${this.timeout} ms.`),
        )
        fulfil('failed')
      })
      const end = (answer: Answer): void => {
        callOff()
        fulfil(answer)
      }
      const refused = (reason: unknown): void => {
        const wait = told(reason)
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
    const now = this.services.clock()
    const notice = this.settings.deny !== 'silent' && this.noticed.get(key, now) === undefined
    if (notice && this.settings.shadow !== true) this.noticed.set(key, true, now)
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
    const { cost = 1 } = this.settings
    if (typeof cost === 'number') return cost
    const points = cost(facts, ctx)
    if (typeof points === 'number' && points >= 0 && points < Number.POSITIVE_INFINITY)
      return Math.ceil(points)
    this.failed(
      new SentinelError(
        'cost.invalid',
        `fromRateLimiter.cost: ${shownAnswer(points)} is no number of points. Return a finite number of zero or more; it was taken as 1.`,
      ),
    )
    return 1
  }

  private failed(error: unknown): void {
    this.services.events.tell('error', { error, during: `${GUARD}.${this.name}` })
  }
}

/** A union of limiters, and one of unions, and no more: what else is rejected with may go in circles. */
const DEEPEST = 2

/** How long a rejection says to wait; undefined for one that is no refusal. */
function waitIn(reason: unknown, depth = 0): Ms | undefined {
  if (typeof reason !== 'object' || reason === null || reason instanceof Error) return undefined
  if ('msBeforeNext' in reason) return waitOf(reason.msBeforeNext)
  if (depth === DEEPEST) return undefined
  // A union of limiters rejects with what each said, by name: the longest wait holds.
  let longest: Ms | undefined
  for (const said of Object.values(reason)) {
    const wait = waitIn(said, depth + 1)
    if (wait !== undefined) longest = Math.max(wait, longest ?? 0)
  }
  return longest
}

/** The same of anything: what cannot even be looked at is no refusal. */
function told(reason: unknown): Ms | undefined {
  try {
    return waitIn(reason)
  } catch {
    return undefined
  }
}

/** For good is -1 to some limiters, and as long as can be counted to others. */
function waitOf(ms: unknown): Ms | undefined {
  if (typeof ms !== 'number' || Number.isNaN(ms)) return undefined
  return ms < 0 || ms >= Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : Math.ceil(ms)
}
