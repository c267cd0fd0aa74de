import type { Context } from 'grammy'
import { chatOf, MARKED_CHAT, markedChatOf } from '../../core/chat-of.js'
import { type Ask, type Check, isMarkCheck, MOST_CHECKS, type Plan } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import type { Facts } from '../../core/facts.js'
import { ACTIVITIES, type Activity } from '../../core/kinds.js'
import type { Limit } from '../../core/limit.js'
import { GLOBAL_KEY, type Key } from '../../core/subject.js'
import { shownAnswer } from '../../core/unawaited.js'
import { withExemption, withExemptMarks } from '../exempt/exempt-questions.js'
import { isExempt, LEVELS } from '../exempt/exemptions.js'
import type { PlanExemption } from '../exempt/plan-exemption.js'
import type { GuardDefinition, GuardServices, Question, SubjectOf, Wired, Wiring } from '../guard.js'
import type { GuardStep } from '../hooking/steps.js'

interface Scope {
  readonly name: string
  readonly subjectOf: SubjectOf<Context>
  readonly source: number
}

/*
 * Scopes that nearly all chains have. A scope's name always stands for the same subject, so these are read directly, which avoids
 * a call of a function that V8 cannot inline.
 */
const OTHER = 0
const ACTOR = 1
const CHAT = 2
const MARKED = 3
const ALL = 4
const SOURCES: ReadonlyMap<string, number> = new Map([
  ['actor', ACTOR],
  ['chat', CHAT],
  [MARKED_CHAT, MARKED],
  ['global', ALL],
])

/** What updates of one activity ask, as far as it is known when the guards are wired. */
interface Route {
  /** Costs by check, shared by all asks that need no other costs. */
  readonly costs: readonly number[]
  /** Scopes that the route's checks use. */
  readonly scopes: readonly number[]
  /** Claims whose only dynamic part is the token. */
  readonly tokens: readonly number[]
  /** Checks that depend on the update in any other way. */
  readonly dynamic: readonly number[]
  /** Whether anything is asked at all. */
  readonly asks: boolean
}

/**
 * The questions of a chain of guards, compiled: a plan for the storage, and the conversion of an update's facts to an
 * ask. Most of an ask is the same for all updates of an activity, so it is created once and shared.
 */
export class ChainPlan implements Wiring<Context> {
  readonly questions: Question<Context>[] = []
  readonly wired: Wired<Context>[] = []
  /** The guard names of `wired`, by index. */
  readonly names: string[] = []
  /** The guards in order, each once, as hooks see them. */
  readonly steps: GuardStep[] = []
  /** Whether a claim is released when handlers throw, as that of `once` is. */
  released = false
  /** Whether anything is taken or charged: not if only marks are asked for. */
  charging = false
  /** Whether a claim has a lease, which may end while handlers run. */
  leased = false
  /** Number of limits without a name in front of a handler, by guard. */
  private readonly unnamed = new Map<string, number>()
  private readonly exemptions: PlanExemption[] = []
  private readonly scopes: Scope[] = []
  private claims = 0
  private readonly claimOf: number[] = []
  /** Routes by level of exemption and activity, created on first use, since most bots see few of them. */
  private readonly routes: readonly (Route | undefined)[][] = LEVELS.map(() => [])
  private readonly lists = new Map<readonly number[], Map<number, readonly number[]>>()
  private noSubjects: readonly (Key | undefined)[] = []

  constructor(
    readonly services: GuardServices,
    guards: readonly GuardDefinition[],
    /** The handler that the guards protect. */
    readonly place: string | undefined = undefined,
  ) {
    for (const guard of guards) {
      const asked = this.questions.length
      const wired = guard.wire(this)
      this.step(guard.name, asked, wired)
      if (wired === undefined) continue
      this.wired.push(wired)
      this.names.push(guard.name)
    }
    this.noSubjects = this.scopes.map(() => undefined)
  }

  /** Records the guards of a definition: those of its checks (several for a policy), or the definition itself. */
  private step(name: string, from: number, wired: Wired<Context> | undefined): void {
    const asked = this.questions.slice(from)
    for (const guard of new Set(asked.map(({ check }) => check.guard))) {
      const on = asked.filter(({ check }) => check.guard === guard).flatMap((question) => question.on)
      const at = this.steps.findIndex((step) => step.name === guard)
      if (at < 0) this.steps.push({ name: guard, on: new Set(on), seats: false })
      else {
        const all = new Set([...on, ...(this.steps[at]?.on ?? ACTIVITIES)])
        this.steps[at] = { name: guard, on: all, seats: false }
      }
    }
    if (asked.length > 0 || wired === undefined || this.steps.some((step) => step.name === name)) return
    const on = wired.observes === undefined ? undefined : new Set(wired.observes)
    this.steps.push({ name, on, seats: wired.seat !== undefined })
  }

  /** Returns the plan that storages compile. */
  forStorage(name: string): Plan {
    return {
      name,
      scopes: this.scopes.map((scope) => scope.name),
      checks: this.questions.map(({ check }) => check),
    }
  }

  scope(name: string, subjectOf: SubjectOf<Context>): number {
    const known = this.scopes.findIndex((scope) => scope.name === name)
    if (known >= 0) return known
    return this.scopes.push({ name, subjectOf, source: SOURCES.get(name) ?? OTHER }) - 1
  }

  ask(question: Question<Context>): number {
    const { check } = question
    if (this.asks(check.slot)) {
      throw new SentinelError(
        'limit.duplicate',
        `${check.guard}: two limits are named "${check.slot}", so they would share their state. Give each its own name: { name: '…' }.`,
      )
    }
    if (this.questions.length === MOST_CHECKS) {
      throw new SentinelError(
        'plan.invalid',
        `${check.guard}: more than ${MOST_CHECKS} checks in one chain. Narrow limits with on: [...], or split the chain: two compose() in a row or, for a handler, some guards around it and some in front of it.`,
      )
    }
    const actor = this.exemptions.length === 0 ? -1 : this.scope('actor', (facts) => facts.actor)
    const exempted = this.exemptions.reduce((own, each) => withExemption(own, each, actor), question)
    this.questions.push(this.withExemptRoles(exempted))
    const isClaim = check.kind === 'claim'
    if (!isMarkCheck(check)) this.charging = true
    this.claimOf.push(isClaim ? this.claims++ : -1)
    if (isClaim && check.retry === true) this.released = true
    if (isClaim && check.lease !== undefined) this.leased = true
    return this.questions.length - 1
  }

  /** Exempts holders of exempt roles by their marks, so that the plan itself reads them. */
  private withExemptRoles(question: Question<Context>): Question<Context> {
    const { exemptMarks } = this.services
    if (exemptMarks.length === 0 || (question.exempt !== 'everybody' && question.exempt !== 'roles')) {
      return question
    }
    return withExemptMarks(
      question,
      exemptMarks,
      this.scope('actor', (facts) => facts.actor),
    )
  }

  exempt(exemption: PlanExemption): void {
    this.exemptions.push(exemption)
  }

  /** Returns the question that refuses an update after the storage threw; undefined if none does. */
  closedIn(ask: Ask): Question<Context> | undefined {
    return this.questions.find(
      ({ check }, index) =>
        check.shadow !== true &&
        // Without a storage no marks are known, so a required mark counts as missing.
        (check.whenDown === 'closed' || (check.whenDown !== 'open' && check.kind === 'present')) &&
        (ask.costs[index] as number) > 0 &&
        ask.subjects[check.subject] !== undefined,
    )
  }

  asks(slot: string): boolean {
    return this.questions.some(({ check }) => check.slot === slot)
  }

  /** Whether the ask for an activity depends on facts alone, so that no developer's function is called. */
  isPlain(activity: Activity, level: number): boolean {
    const route = this.route(activity, level)
    return (
      route.asks &&
      route.dynamic.length === 0 &&
      route.scopes.every((scope) => this.scopes[scope]?.name.startsWith('own:') !== true)
    )
  }

  nameFor(guard: string, usual: string): string {
    if (this.place === undefined) return usual
    const number = (this.unnamed.get(guard) ?? 0) + 1
    this.unnamed.set(guard, number)
    return number === 1 ? this.place : `${this.place}~${number}`
  }

  /** Returns the scopes by name, for asks about a single subject. */
  scopeNames(): readonly string[] {
    return this.scopes.map(({ name }) => name)
  }

  /** Returns what an update asks; undefined if nothing. Exceptions of developers' functions are reported as `error` events. */
  askFor(facts: Facts, ctx: Context, bot: number, level: number): Ask | undefined {
    const route = this.route(facts.activity, level)
    if (!route.asks) return undefined
    // Copied from a list of the right length: a list that grows is allocated larger than needed.
    const subjects = this.noSubjects.slice()
    let chat: Key | undefined
    for (let i = 0; i < route.scopes.length; i++) {
      const index = route.scopes[i] as number
      const scope = this.scopes[index] as Scope
      const { source } = scope
      if (source === ACTOR) subjects[index] = facts.actor
      else if (source === CHAT || source === MARKED) {
        // One number serves both scopes, except in business and guest chats.
        chat ??= markedChatOf(facts)
        subjects[index] = source === CHAT && facts.connection !== undefined ? chatOf(facts) : chat
      } else if (source === ALL) subjects[index] = GLOBAL_KEY
      else subjects[index] = this.subjectOf(scope, facts, ctx)
    }
    let { costs } = route
    let tokens = NO_TOKENS
    for (let i = 0; i < route.tokens.length; i++) {
      const index = route.tokens[i] as number
      const token = this.tokenOf(index, facts, ctx)
      if (token !== undefined) tokens = this.withToken(tokens, index, token)
      const cost = token === undefined ? 0 : 1
      if (cost !== costs[index]) costs = this.withCost(costs, index, cost)
    }
    const ask = { bot, subjects, costs, tokens }
    const whole = route.dynamic.length === 0 ? ask : this.withDynamics(ask, route, facts, ctx)
    return facts.album === undefined ? whole : this.ofAlbum(whole, facts)
  }

  /**
   * Sets the token of an album, the same only for parts of which the same is asked, at the same costs. With one token for all
   * parts, a command in a caption would be free if a part without a caption came first.
   */
  private ofAlbum(ask: Ask, facts: Facts): Ask {
    const shared = this.questions.findIndex(
      ({ check }) => check.kind === 'claim' && check.whenHeld === 'waive',
    )
    if (!ask.costs[shared]) return ask
    // Nothing is asked if there is no subject, or if it costs nothing: it makes no difference which.
    const asked = this.questions.map(({ check }, index) => {
      const subject = ask.subjects[check.subject]
      return subject && ask.costs[index] ? [subject, ask.costs[index]] : 0
    })
    const token = JSON.stringify([facts.chatId, facts.album, asked, ask.limits])
    return { ...ask, tokens: this.withToken(ask.tokens, shared, facts.digest(token)) }
  }

  /** Returns an ask that only checks marks and takes or charges nothing; undefined if it checks none. */
  demanded(ask: Ask): Ask | undefined {
    const costs = this.questions.map(({ check }, index) =>
      isMarkCheck(check) ? (ask.costs[index] as number) : 0,
    )
    return costs.some((cost) => cost > 0) ? { ...ask, costs } : undefined
  }

  private subjectOf(scope: Scope, facts: Facts, ctx: Context): Key | undefined {
    try {
      return scope.subjectOf(facts, ctx)
    } catch (error) {
      this.services.failed(error, scope.name)
      return undefined
    }
  }

  /**
   * Returns the list with one cost replaced. For the costs 0 and 1, as for a claim that is asked or not, the list is created once
   * and shared, since storages may cache by list identity.
   */
  private withCost(costs: readonly number[], index: number, cost: number): readonly number[] {
    const shared = cost === 0 || cost === 1
    const known = shared ? this.lists.get(costs)?.get(index * 2 + cost) : undefined
    if (known !== undefined) return known
    const own = costs.slice()
    own[index] = cost
    if (shared) this.remember(costs, index * 2 + cost, own)
    return own
  }

  private remember(costs: readonly number[], name: number, own: readonly number[]): void {
    let others = this.lists.get(costs)
    if (others === undefined) {
      // With fractional costs, each list is new and never found again, so the number of remembered lists is bounded.
      if (this.lists.size >= MOST_LISTS) this.lists.clear()
      others = new Map()
      this.lists.set(costs, others)
    }
    others.set(name, own)
  }

  private tokenOf(index: number, facts: Facts, ctx: Context): number | undefined {
    const question = this.questions[index] as Question<Context>
    try {
      return question.token?.(facts, ctx)
    } catch (error) {
      this.services.failed(error, question.check.slot)
      return undefined
    }
  }

  private withToken(tokens: readonly number[], index: number, token: number): readonly number[] {
    const claim = this.claimOf[index] as number
    if (claim === 0 && tokens.length === 0) return [token]
    const all = tokens.slice()
    while (all.length < claim) all.push(0)
    all[claim] = token
    return all
  }

  private withDynamics(ask: Ask, route: Route, facts: Facts, ctx: Context): Ask {
    let { costs, tokens } = ask
    let limits: (Limit | undefined)[] | undefined
    for (let i = 0; i < route.dynamic.length; i++) {
      const index = route.dynamic[i] as number
      const question = this.questions[index] as Question<Context>
      let cost = route.costs[index] as number
      try {
        if (question.when !== undefined && !question.when(facts, ctx)) cost = 0
        else {
          if (question.token !== undefined) {
            const token = question.token(facts, ctx)
            if (token === undefined) cost = 0
            else {
              cost = 1
              tokens = this.withToken(tokens, index, token)
            }
          }
          if (question.cost !== undefined) cost = this.costOf(question, facts, ctx)
          const limit = question.limit?.(facts, ctx)
          if (limit !== undefined) {
            limits ??= this.questions.map(() => undefined)
            limits[index] = limit
          }
        }
      } catch (error) {
        // A developer's function that throws disables its check for this update; it must not stop the bot.
        this.services.failed(error, question.check.slot)
        cost = 0
      }
      if (cost !== costs[index]) costs = this.withCost(costs, index, cost)
    }
    return limits === undefined ? { ...ask, costs, tokens } : { ...ask, costs, tokens, limits }
  }

  private costOf(question: Question<Context>, facts: Facts, ctx: Context): number {
    const cost = typeof question.cost === 'function' ? question.cost(facts, ctx) : (question.cost as number)
    if (typeof cost === 'number' && cost >= 0 && cost < Number.POSITIVE_INFINITY) return cost
    this.services.failed(
      new SentinelError(
        'cost.invalid',
        `${question.check.guard}.cost: ${shownAnswer(cost)} is not a cost. Return a finite number of zero or more; it was taken as 1.`,
      ),
      question.check.slot,
    )
    return 1
  }

  private route(activity: Activity, level: number): Route {
    const routes = this.routes[level] as (Route | undefined)[]
    const index = INDEX_OF[activity]
    let route = routes[index]
    if (route === undefined) {
      route = this.routeOf(activity, level)
      routes[index] = route
    }
    return route
  }

  private routeOf(activity: Activity, level: number): Route {
    // The money for a payment has been taken, so nothing may refuse it except its own repetition.
    const applies = this.questions.map(
      ({ on, exempt, reason, paid }) =>
        on.includes(activity) &&
        !isExempt(level, exempt) &&
        (activity !== 'payment' || reason === 'duplicate' || paid === true),
    )
    const scopes = new Set<number>()
    this.questions.forEach(({ check }, index) => {
      if (applies[index]) for (const scope of scopesOf(check)) scopes.add(scope)
    })
    return {
      // A claim is asked only if the update has a token, which for most activities is rare.
      costs: this.questions.map(({ token, usual }, index) =>
        applies[index] && (token === undefined || usual === true) ? 1 : 0,
      ),
      scopes: [...scopes],
      tokens: this.questions.flatMap(({ when, cost, token, limit }, index) =>
        applies[index] && token !== undefined && (when ?? cost ?? limit) === undefined ? [index] : [],
      ),
      dynamic: this.questions.flatMap(({ when, cost, limit }, index) =>
        applies[index] && (when ?? cost ?? limit) !== undefined ? [index] : [],
      ),
      asks: applies.includes(true),
    }
  }
}

const INDEX_OF = Object.fromEntries(ACTIVITIES.map((activity, index) => [activity, index])) as Readonly<
  Record<Activity, number>
>
/** Most lists of costs whose derived lists are remembered. */
const MOST_LISTS = 256
const NO_TOKENS: readonly number[] = Object.freeze([])

function scopesOf(check: Check): readonly number[] {
  const scopes = [check.subject]
  if (check.unless !== undefined) scopes.push(check.unless.subject)
  if (check.kind === 'bucket' || check.kind === 'window') {
    for (const { subject } of check.variants ?? []) scopes.push(subject)
  }
  return scopes
}
