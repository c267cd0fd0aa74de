import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'

/** How long people wait for a bot, in real time, and what ends all waiting. */
export class Patience {
  readonly #waiting = new Set<(because?: Failure) => void>()
  #failure: Failure | undefined

  constructor(readonly limit: Ms) {}

  /** From now on waiting is in vain: whoever waits, now or later, is told why. */
  fail(failure: Failure): void {
    this.#failure ??= failure
    for (const giveUp of [...this.#waiting]) giveUp(failure)
  }

  /**
   * Waits for `find` to find something: at once among all that is there, and then in each piece of news that `watch`
   * reports.
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
      const timer = setTimeout(() => giveUp(), limit)
      this.#waiting.add(giveUp)
    })
  }

  close(): void {
    this.fail({ words: 'The embedded Telegram was closed.', cause: undefined, told: true })
  }
}

/** What somebody who waited was given already: two who wait, one after the other or at once, are given two things. */
export class Given<Thing extends object> {
  /** Of what changes, which state of it. */
  readonly #given = new WeakMap<Thing, number>()

  has(thing: Thing, state = 0): boolean {
    return this.#given.get(thing) === state
  }

  note(thing: Thing, state = 0): void {
    this.#given.set(thing, state)
  }
}

/** Why all waiting is in vain. */
export interface Failure {
  readonly words: string
  readonly cause: unknown
  /** Somebody was told. */
  told: boolean
}

function refused(otherwise: string, because: Failure | undefined): SentinelError {
  if (because === undefined) return new SentinelError('telegram.invalid', otherwise)
  because.told = true
  return new SentinelError('telegram.invalid', `${otherwise}\n${because.words}`, { cause: because.cause })
}

/** A bot's answer to a query, there already or yet to come. */
export class AwaitedAnswer<Answer> {
  #answer: Answer | undefined
  readonly #listeners = new Set<(answer: Answer) => void>()

  constructor(
    private readonly patience: Patience,
    private readonly question: string,
  ) {}

  /** Called by the world. */
  readonly give = (answer: Answer): void => {
    this.#answer = answer
    for (const listener of [...this.#listeners]) listener(answer)
  }

  get given(): Answer | undefined {
    return this.#answer
  }

  wait(timeout?: Duration): Promise<Answer> {
    return this.patience.until({
      find: () => this.#answer,
      watch: (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
      otherwise: (waited) =>
        `${this.question} was not answered within ${waited} ms. Does a handler answer it?`,
      timeout,
    })
  }
}
