// Not the global timers, which tests may replace by fake ones: bots are waited for in real time.
import { clearTimeout, setTimeout } from 'node:timers'
import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { Listeners } from '../world/collections/listeners.js'

/** A wait consists of this many timers, one after the other, so that a machine that stalls for seconds uses up only one of them. */
const PARTS = 10

/** Time-outs of everything that waits for bots, in real time; can reject all waits at once. */
export class Patience {
  readonly #waiting = new Set<(because?: Failure) => void>()
  #failure: Failure | undefined

  constructor(readonly limit: Ms) {}

  /** Rejects all current and future waits with this failure. */
  fail(failure: Failure): void {
    this.#failure ??= failure
    for (const giveUp of [...this.#waiting]) giveUp(failure)
  }

  /**
   * Waits until `find` finds something: first among what is already there, then in each piece of news that `watch` reports.
   *
   * @throws SentinelError `telegram.invalid` with `otherwise()` after the time-out, or once the Telegram is closed.
   */
  until<Found, News>(options: {
    readonly find: (news?: News) => Found | undefined
    readonly watch: (listener: (news: News) => void) => () => void
    readonly otherwise: (waited: Ms) => string
    readonly timeout?: Duration | undefined
  }): Promise<Found> {
    const limit = options.timeout === undefined ? this.limit : parseDuration(options.timeout, 'timeout')
    const already = options.find()
    if (already !== undefined) return Promise.resolve(already)
    if (this.#failure !== undefined) return Promise.reject(refused(options.otherwise(0), this.#failure))
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        unwatch()
        this.#waiting.delete(giveUp)
      }
      const since = performance.now()
      const giveUp = (because?: Failure) => {
        end()
        const waited = because === undefined ? limit : Math.round(performance.now() - since)
        reject(refused(options.otherwise(waited), because))
      }
      const unwatch = options.watch((news) => {
        const found = options.find(news)
        if (found === undefined) return
        end()
        resolve(found)
      })
      let left = PARTS
      let timer: NodeJS.Timeout
      const wait = () => {
        timer = setTimeout(() => (--left > 0 ? wait() : giveUp()), limit / PARTS)
      }
      wait()
      this.#waiting.add(giveUp)
    })
  }

  close(): void {
    this.fail({ words: 'The embedded Telegram was closed.', cause: undefined, told: true })
  }
}

/** Remembers what was returned to somebody who waited, so that two waits, consecutive or concurrent, return different things. */
export class Given<Thing extends object> {
  /** For things that change (edited messages): the state in which the thing was returned. */
  readonly #given = new WeakMap<Thing, number>()

  has(thing: Thing, state = 0): boolean {
    return this.#given.get(thing) === state
  }

  note(thing: Thing, state = 0): void {
    this.#given.set(thing, state)
  }
}

/** The reason why all waits are rejected. */
export interface Failure {
  readonly words: string
  readonly cause: unknown
  /** True once the reason was reported to somebody who waited. */
  told: boolean
}

function refused(otherwise: string, because: Failure | undefined): SentinelError {
  if (because === undefined) return new SentinelError('telegram.invalid', otherwise)
  because.told = true
  return new SentinelError('telegram.invalid', `${otherwise}\n${because.words}`, { cause: because.cause })
}

/** A bot's answer to a query, past or future. */
export class AwaitedAnswer<Answer> {
  #answer: Answer | undefined
  readonly #answered = new Listeners<[Answer]>()

  constructor(
    private readonly patience: Patience,
    private readonly question: string,
  ) {}

  /** Called by the world when the bot answers. */
  readonly give = (answer: Answer): void => {
    this.#answer = answer
    this.#answered.tell(answer)
  }

  get given(): Answer | undefined {
    return this.#answer
  }

  wait(timeout?: Duration): Promise<Answer> {
    return this.patience.until({
      find: () => this.#answer,
      watch: this.#answered.add,
      otherwise: (waited) =>
        `${this.question} was not answered within ${waited} ms. Does a handler answer it?`,
      timeout,
    })
  }
}
