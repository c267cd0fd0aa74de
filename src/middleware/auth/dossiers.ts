import type { MaybePromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { inTime } from '../../core/in-time.js'
import type { Key } from '../../core/subject.js'
import { keyText } from '../../core/subject.js'
import type { Admission } from '../guard.js'
import type { Services } from '../services.js'
import type { DossierFacts, DossierSource } from './dossier-source.js'
import { SUSPECT, VETTED } from './marks.js'

/** Most dossiers requested at the same time, and most that wait. Further users are looked up with a later update. */
const AT_ONCE = 4
const MOST_WAITING = 1000
/** Pause after a failure; doubles with each further failure in a row, up to the longest. */
const FIRST_REST: Ms = 5000
const LONGEST_REST: Ms = 600_000
/** The longest time for which a user is remembered whose dossier Telegram refused to give. */
const UNKNOWN_FOR: Ms = 3_600_000

interface Question {
  readonly bot: number
  readonly key: Key
  readonly user: number
  readonly answer: (why: string | undefined) => void
}

/** Requests dossiers, once for all updates of a user that come meanwhile, and stores the results as marks. */
export class Dossiers {
  readonly #asked = new Map<string, Promise<string | undefined>>()
  readonly #line: Question[] = []
  #running = 0
  #rest: Ms = 0
  #restUntil: Ms = Number.NEGATIVE_INFINITY
  #ended = false

  constructor(
    private readonly services: Services,
    private readonly rules: VettingRules,
  ) {}

  /** Requests a dossier and waits for it as long as the rules say. */
  admit(bot: number, key: Key, user: number): MaybePromise<Admission | undefined> {
    const asking = this.#ask(bot, key, user)
    return asking === undefined || this.rules.dossierWait === 0 ? undefined : this.#within(asking)
  }

  async #within(asking: Promise<string | undefined>): Promise<Admission | undefined> {
    let callOff: () => void = () => undefined
    const late = new Promise<undefined>((resolve) => {
      callOff = this.services.timers.after(this.rules.dossierWait, () => resolve(undefined))
    })
    const why = await Promise.race([asking, late])
    callOff()
    if (why === undefined) return undefined
    const by = {
      guard: 'auth',
      limit: 'dossier',
      retryAfterMs: Number.POSITIVE_INFINITY,
      notice: !this.rules.quiet,
      note: why,
    }
    return { veto: 'suspect', by }
  }

  /** Resolves to why a user is suspect, or undefined if they are not. Undefined if no request is possible now. Never rejects. */
  #ask(bot: number, key: Key, user: number): Promise<string | undefined> | undefined {
    const name = `${bot} ${keyText(key)}`
    const asked = this.#asked.get(name)
    if (asked !== undefined) return asked
    if (this.#ended || this.#line.length >= MOST_WAITING || this.#rests()) return undefined
    const done = new Promise<string | undefined>((resolve) => {
      const answer = (why: string | undefined): void => {
        this.#asked.delete(name)
        resolve(why)
      }
      const question = { bot, key, user, answer }
      if (this.#running >= AT_ONCE) {
        this.#line.push(question)
        return
      }
      // Counted here and not when it runs: otherwise all of a burst would start before the first is counted.
      this.#running++
      queueMicrotask(() => this.#go(question))
    })
    this.#asked.set(name, done)
    return done
  }

  /** Answers the waiting questions with undefined; their users are looked up with a later update. */
  end(): void {
    this.#ended = true
    for (const { answer } of this.#line.splice(0)) answer(undefined)
  }

  #rests(): boolean {
    return this.services.steady() < this.#restUntil
  }

  /** Runs a question in a slot that was counted for it. */
  #go(question: Question): void {
    const ran = this.services.background.run('auth.dossier', async () => {
      let why: string | undefined
      try {
        why = await this.#learn(question)
      } finally {
        this.#left(question, why)
      }
    })
    if (!ran) this.#left(question, undefined)
  }

  #left({ answer }: Question, why: string | undefined): void {
    answer(why)
    if (this.#rests()) for (const waiting of this.#line.splice(0)) waiting.answer(undefined)
    const next = this.#line.shift()
    if (next === undefined) this.#running--
    else this.#go(next)
  }

  async #learn({ bot, key, user }: Question): Promise<string | undefined> {
    const { services, rules } = this
    let facts: DossierFacts
    try {
      const late = (): Error => new Error(`a dossier took longer than ${rules.timeout} ms`)
      facts = await inTime(rules.dossier.dossier(user), rules.timeout, services.timers, late)
    } catch (error) {
      // `mtproto.refused` is Telegram's answer about this user, so it is stored. Any other error concerns the client.
      if (error instanceof SentinelError && error.code === 'mtproto.refused')
        await this.#keep(bot, VETTED, key, Math.min(UNKNOWN_FOR, rules.dossierFor))
      else this.#failed(error)
      return undefined
    }
    this.#rest = 0
    const suspicion = suspicionOf(facts, rules)
    if (suspicion === undefined) {
      await this.#keep(bot, VETTED, key, rules.dossierFor)
      return undefined
    }
    const { why, ends = rules.dossierFor } = suspicion
    const span = Math.max(1, Math.min(ends, rules.dossierFor))
    await this.#keep(bot, SUSPECT, key, span, why)
    // In shadow mode suspects pass, and must not be looked up with each update.
    await this.#keep(bot, VETTED, key, span)
    services.events.tell('suspected', { bot, key, reason: why })
    return why
  }

  async #keep(bot: number, name: string, key: Key, span: Ms, reason?: string): Promise<void> {
    const since = this.services.clock()
    const mark = { since, until: since + span, ...(reason !== undefined && { reason }) }
    await this.services.storage.marks.put(bot, name, [{ key, mark }])
  }

  /** Pauses requests: the source is down, or has asked to wait. */
  #failed(error: unknown): void {
    this.#rest = Math.min(LONGEST_REST, Math.max(FIRST_REST, this.#rest * 2))
    this.#restUntil = this.services.steady() + this.#rest
    this.services.failed(error, 'auth.dossier')
  }
}

/** Returns why a user is suspect, and for how long at most; undefined if nothing speaks against them. */
function suspicionOf(
  { profile, age }: DossierFacts,
  { denyScam, denyFake, minAccountAge }: Pick<VettingRules, 'denyScam' | 'denyFake' | 'minAccountAge'>,
): { readonly why: string; readonly ends?: Ms } | undefined {
  if (denyScam && profile?.isScam === true) return { why: 'scam' }
  if (denyFake && profile?.isFake === true) return { why: 'fake' }
  // Only an upper bound of the age shows that an account is young.
  const atMost = age?.atMost
  if (minAccountAge === undefined || atMost === undefined || !(atMost < minAccountAge)) return undefined
  return { why: 'young', ends: minAccountAge - atMost }
}

/** The rules for dossiers, with defaults filled in. */
export interface VettingRules {
  readonly dossier: DossierSource
  readonly minAccountAge: Ms | undefined
  readonly denyScam: boolean
  readonly denyFake: boolean
  readonly dossierFor: Ms
  /** How long an update waits for a dossier. */
  readonly dossierWait: Ms
  readonly timeout: Ms
  /** Whether refused users get no notice. */
  readonly quiet: boolean
}
