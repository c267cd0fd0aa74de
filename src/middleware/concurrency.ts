import type { Context } from 'grammy'
import type { z } from 'zod'
import type { MaybePromise } from '../core/check.js'
import type { Duration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Facts } from '../core/facts.js'
import type { Activity } from '../core/kinds.js'
import { later, preload } from '../core/later.js'
import { guardOf } from './compose.js'
import { GUARD, WORK } from './concurrency/defaults.js'
import { concurrencyOptions } from './concurrency/options.js'
import type { Seats } from './concurrency/seats.js'
import type { Guard, Seat, SubjectOf, Wired, Wiring } from './guard.js'
import { inside, parseOptions } from './options/schema.js'
import { checkKey, type ScopeName, scopeOf } from './options/scopes.js'
import type { Denial } from './refusing/denial.js'
import type { Services } from './services.js'

const seating = later(GUARD, () => import('./concurrency/seats.js'))

/**
 * Options of {@link concurrency}. Durations are texts such as `'30s'`, or milliseconds.
 *
 * @example
 * ```ts
 * import { type ConcurrencyOptions, concurrency } from 'grammy-sentinel'
 *
 * const impatient: ConcurrencyOptions = { scope: 'chat', most: 3, queue: 0, deny: 'silent' }
 * concurrency(impatient)
 * ```
 */
export interface ConcurrencyOptions<C extends Context = Context> {
  /**
   * The subject whose updates are counted together: the actor, the chat, the actor in one chat, a command's use, or the bot.
   * @default 'user'
   */
  readonly scope?: ScopeName | undefined
  /** Counts by a key of your own instead; updates with an undefined key are not counted. Needs a `name`. */
  readonly key?: ((facts: Facts, ctx: C) => string | number | undefined) | undefined
  /** Name of the limit in verdicts and events. @default the value of `scope` */
  readonly name?: string | undefined
  /** Most updates of a subject that are handled at the same time. @default 1 */
  readonly most?: number | undefined
  /** Most updates of a subject that wait for their turn; further ones are refused. With 0 none waits. @default 10 */
  readonly queue?: number | undefined
  /**
   * The longest wait of an update, after which it is refused. Behind a webhook, keep it plus the run time of your handlers below
   * the 10 seconds after which grammY gives up on an answer. @default '30s'
   */
  readonly maxWait?: Duration | undefined
  /**
   * How long handlers may keep others waiting. After that the event `overdue` is raised and the next update is let in beside
   * them, so that a handler that hangs locks nobody out. Only checked while an update waits. @default '1m'
   */
  readonly deadline?: Duration | undefined
  /** Most updates that wait in this process altogether; further ones are refused. @default 10,000 */
  readonly maxWaiting?: number | undefined
  /**
   * Most subjects counted at the same time in this process; updates of further subjects are let in uncounted. @default 100,000
   */
  readonly maxSubjects?: number | undefined
  /**
   * The activities it covers. A completed payment waits if listed, but is never refused: without a place it is let in beside the
   * others. @default messages, edits, taps, inline queries, reactions, votes and channel posts
   */
  readonly on?: readonly Activity[] | undefined
  /** How a refused update is answered. @default 'notice' */
  readonly deny?: Denial<C> | undefined
  /** The shortest time between two notices to one subject. @default '1m' */
  readonly noticeEvery?: Duration | undefined
  /** Counts updates and tells listeners, but never refuses an update or lets it wait. @default false */
  readonly shadow?: boolean | undefined
  /** Once aborted, refuses all waiting updates, and no update waits from then on. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Limits how many updates of one actor or chat are handled at the same time. Further updates wait in the order they came, up to a
 * bound, or are refused (`busy`).
 *
 * It is decided last: an update that another guard refuses never waits, and an update refused here gets its charges back. An
 * update holds its place until its handlers have ended. Places are counted per process, since they protect this process's
 * handlers: if several workers share the updates, route all updates of a chat to the same worker.
 *
 * A waiting update occupies whatever delivered it: a place of the runner, or a webhook request. Under `bot.start()` updates come
 * one after another anyway, so they only wait for handlers that run aside (a burst, a handler past its deadline), and never
 * longer than `maxWait`. Nobody is exempt, because the guard is about order and not about trust.
 *
 * In contrast to the runner's `sequentialize()`, its queues are bounded in length and time, users who wait too long get a notice,
 * and a handler that hangs locks nobody out.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `scope.unknown`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { run } from '@grammyjs/runner'
 * import { Bot } from 'grammy'
 * import { concurrency } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(concurrency({ scope: 'chat', most: 1, queue: 10, maxWait: '30s' }))
 * run(bot)
 * ```
 */
export function concurrency<C extends Context = Context>(options: ConcurrencyOptions<C> = {}): Guard<C> {
  const settings = readConcurrency(options as ConcurrencyOptions)
  preload(seating)
  return guardOf({ name: GUARD, wire: (wiring) => wire(wiring, settings) })
}

type Settings = z.output<typeof concurrencyOptions>

/** Checks and reads the options of one guard. */
function readConcurrency(given: ConcurrencyOptions, what = GUARD): Settings {
  const settings = parseOptions(what, concurrencyOptions, given)
  checkKey(what, given)
  return settings
}

/** Checks the option of a sentinel: one guard, several, or none. */
export function checkConcurrency(
  given: false | ConcurrencyOptions | readonly ConcurrencyOptions[] = false,
): void {
  if (given === false) return
  const several = Array.isArray(given)
  const all: readonly ConcurrencyOptions[] = several ? given : [given]
  const taken = new Set<string>()
  all.forEach((one, index) => {
    const what = several ? inside(GUARD, index) : GUARD
    const { name, scope } = readConcurrency(one, what)
    const own = name ?? scope
    if (taken.has(own)) {
      throw new SentinelError(
        'limit.duplicate',
        `${what}.name: "${own}" is already the name of another. Choose another name, such as "${own}2".`,
      )
    }
    taken.add(own)
  })
}

function wire(wiring: Wiring<Context>, settings: Settings): Wired<Context> {
  const { scope, deny, shadow } = settings
  // The scope is not added to the chain: the storage plays no part in this guard.
  const { subjectOf } = scopeOf(scope, settings.key, settings.name ?? scope)
  const seats = new LaterSeats(wiring.services, settings, subjectOf, wiring.place)
  return {
    denial: deny,
    shadow,
    observes: settings.on ?? WORK,
    begin: () => seats.begin(),
    seat: (facts, ctx, inShadow) => seats.take(facts, ctx, inShadow),
    waiting: () => seats.waiting,
    drain: () => seats.drain(),
  }
}

/** The seats of one guard, loaded when the guard is created, so that bots without this guard do not load them. */
class LaterSeats {
  private seats: Seats | undefined
  private loading: Promise<Seats | undefined> | undefined
  private begun = false
  /** Updates that came before the seats were loaded and have not asked for a place yet; later updates must not overtake them. */
  private early = 0

  constructor(
    private readonly services: Services,
    private readonly settings: Settings,
    private readonly subjectOf: SubjectOf<Context>,
    private readonly place: string | undefined,
  ) {
    if (seating.now !== undefined) this.createSeats(seating.now)
  }

  get waiting(): number {
    return this.seats?.waiting ?? 0
  }

  begin(): void {
    this.begun = true
    this.seats?.begin()
  }

  take(facts: Facts, ctx: Context, shadow: boolean): MaybePromise<Seat | undefined> {
    if (this.seats !== undefined && this.early === 0) return this.seats.take(facts, ctx, shadow)
    this.early++
    return this.load().then((seats) => {
      this.early--
      return seats?.take(facts, ctx, shadow)
    })
  }

  async drain(): Promise<void> {
    await (this.seats ?? (await this.loading))?.drain()
  }

  private createSeats({ Seats }: typeof import('./concurrency/seats.js')): Seats {
    if (this.seats === undefined) {
      this.seats = new Seats(this.services, this.settings, this.subjectOf, this.place)
      if (this.begun) this.seats.begin()
    }
    return this.seats
  }

  /** Never rejects: a failure is reported as an `error` event, and updates are let in uncounted until the module is loaded. */
  private load(): Promise<Seats | undefined> {
    this.loading ??= seating.load().then(
      (module) => this.createSeats(module),
      (error: unknown) => {
        this.loading = undefined
        this.services.failed(error, GUARD)
        return undefined
      },
    )
    return this.loading
  }
}
