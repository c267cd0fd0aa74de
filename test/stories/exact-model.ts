import type { Ask } from '../../src/core/check.js'
import type { Facts } from '../../src/core/facts.js'
import type { Key } from '../../src/core/subject.js'
import { Reference } from '../../src/testing/model/reference.js'
import type { ReferenceDecision, ReferenceReceipt } from '../../src/testing/model/state.js'
import { type ExactOptions, type LimitOptions, OUTER_LIMIT } from './exact-options.js'
import { askOf, limitRules, planOf, type Rule, rulesOf } from './exact-plan.js'

/** Limits in front of handlers. Those of one list are decided together. */
export const HANDLER_LIMITS: Readonly<Record<'buy' | 'sell' | 'photos', readonly LimitOptions[]>> = {
  buy: [
    { name: 'buy', limit: '2/10s', algorithm: 'bucket' },
    { name: 'buy-in-chat', limit: '3/8s', algorithm: 'sliding', scope: 'chat' },
  ],
  sell: [
    {
      name: 'sell',
      limit: '2/6s',
      algorithm: 'fixed',
      penalty: { after: 2, within: '30s', bans: ['4s'] },
    },
  ],
  photos: [{ name: 'photos', limit: '2/20s', algorithm: 'bucket' }],
}
export type Route = keyof typeof HANDLER_LIMITS

/** The options of the sentinel in front. */
const OUTER = { throttle: [OUTER_LIMIT], once: {}, auth: false, debounce: false } as const
const NEXT_TO_NOTHING = 0.0001

/** A verdict, as far as stories compare it. */
export interface ModelVerdict {
  readonly guard: string
  readonly limit: string
  readonly reason: string
  readonly retryAfterMs: number
}

/** A decision of a chain of guards: the sentinel's own, or one in front of a handler. */
export interface ModelDecision {
  /** Undefined if the update is admitted. */
  readonly refusal: ModelVerdict | undefined
  readonly shadows: readonly string[]
  /** What is left of each limit that was asked, by name. */
  readonly left: ReadonlyMap<string, number>
  /** Gives back what was charged. */
  refund(): void
  settle(how: 'complete' | 'release'): void
  /** For guards in front of a handler that threw: they charge nothing when the update comes again. */
  fail(): void
}

/** An attempt to handle an update. */
interface Attempt {
  readonly update: number
  readonly worker: number
  /** Only for the guards in front of its handler: whether the sentinel has recognized it. */
  readonly isRepeated?: boolean
}

/** Who knows that guards have charged a failed update. */
interface Charged {
  readonly storages: Set<number>
  /** How the workers in which it failed refund it. */
  readonly refunds: Map<number, () => void>
}

/** The decision about an update that was charged before. */
const FREE: ModelDecision = {
  refusal: undefined,
  shadows: [],
  left: new Map(),
  refund: () => undefined,
  settle: () => undefined,
  fail: () => undefined,
}

/** The rules of one chain of guards, and the reference model that decides them. */
class ChainModel {
  /** One for each storage that may decide. */
  readonly references: readonly Reference[]
  inUse = 0
  /** Updates that failed, and that this chain has charged, for a chain in front of a handler. */
  private readonly charged = new Map<number, Charged>()
  /** How workers refund updates that failed there, by update and worker, for a chain with `once`. */
  private readonly refunds = new Map<string, () => void>()

  constructor(
    public rules: readonly Rule[],
    private readonly name: string,
  ) {
    this.references = [0, 1].map(() => new Reference(planOf(name, rules)))
  }

  /** State is kept by the names of the rules. */
  change(rules: readonly Rule[]): void {
    this.rules = rules
    for (const reference of this.references) reference.prepare(planOf(this.name, rules))
  }

  private get reference(): Reference {
    return this.references[this.inUse] as Reference
  }

  decide(ask: Ask, at: number, attempt?: Attempt): ModelDecision {
    const charged = attempt?.isRepeated ? this.charged.get(attempt.update) : undefined
    const refund = charged?.refunds.get(attempt?.worker ?? -1)
    if (refund !== undefined || charged?.storages.has(this.inUse))
      return { ...FREE, refund: refund ?? FREE.refund }
    const { decision, receipt } = this.reference.evaluate(ask, at)
    return this.decisionOf(decision, receipt, attempt)
  }

  /** What is left of the limit with this index, if something is charged. */
  leftOf(index: number, ask: Ask, at: number): { left: number; isRefused: boolean } {
    const { refusedBy, shadowRefusals, remaining } = this.reference.peek(ask, at)
    return { left: remaining[index] as number, isRefused: refusedBy >= 0 || shadowRefusals.includes(index) }
  }

  simulate(ask: Ask, at: number): ModelVerdict | undefined {
    return this.decisionOf(this.reference.peek(ask, at)).refusal
  }

  private decisionOf(
    { refusedBy, cause, retryAfterMs, remaining, shadowRefusals, waived }: ReferenceDecision,
    receipt?: ReferenceReceipt,
    attempt?: Attempt,
  ): ModelDecision {
    const { reference } = this
    const rule = this.rules[refusedBy]
    const left = remaining.map((units, index) => [this.rules[index]?.name as string, units] as const)
    const refund = (): void => receipt && reference.settle(receipt, 'refund')
    const name = `${attempt?.update} ${attempt?.worker}`
    const isReleased = this.rules.some(({ check }) => check.kind === 'claim' && check.retry === true)
    return {
      refusal: rule && {
        guard: rule.check.guard,
        limit: rule.name,
        reason: cause === 'penalty' ? 'penalised' : rule.reason,
        retryAfterMs,
      },
      shadows: shadowRefusals.map((index) => this.rules[index]?.name as string),
      left: new Map(left.filter(([, units]) => !Number.isNaN(units))),
      // Later attempts are free, so the first one is refunded.
      refund: () => ((waived && this.refunds.get(name)) || refund)(),
      settle: (how) => {
        if (receipt) reference.settle(receipt, how)
        if (how === 'release' && isReleased && !waived) this.refunds.set(name, refund)
      },
      fail: () => {
        if (attempt === undefined) return
        const { update, worker } = attempt
        const charged = this.charged.get(update) ?? { storages: new Set(), refunds: new Map() }
        this.charged.set(update, charged)
        charged.storages.add(this.inUse)
        charged.refunds.set(worker, refund)
      },
    }
  }
}

/** What a bot with these options decides, as the documentation has it. */
export class Model {
  private readonly main: ChainModel
  /** The sentinel in front, which exempts nobody. */
  private readonly outer: ChainModel | undefined
  private readonly handlers: ReadonlyMap<Route, readonly ChainModel[]>
  private readonly marks = new Map<string, Set<Key>>()

  constructor(
    private options: ExactOptions,
    private readonly bot: number,
    private readonly owner: Key | undefined,
  ) {
    this.main = new ChainModel(rulesOf(options), 'main')
    this.outer = options.hasOuter ? new ChainModel(rulesOf(OUTER), 'outer') : undefined
    const chains = (Object.keys(HANDLER_LIMITS) as Route[]).map((route) => {
      const limits = HANDLER_LIMITS[route]
      const layers = options.installed ? [limits] : limits.map((limit) => [limit])
      const models = layers.map((layer, nth) => new ChainModel(limitRules(layer), `${route} ${nth}`))
      return [route, models] as const
    })
    this.handlers = new Map(chains)
  }

  /** What the sentinel itself decides, behind the one in front. */
  decide(facts: Facts, at: number, worker: number): ModelDecision {
    const attempt = { update: facts.updateId, worker }
    const outer = this.outer?.decide(this.ask(this.outer, facts), at, attempt)
    if (outer?.refusal !== undefined) return outer
    const own = this.main.decide(this.ask(this.main, facts), at, attempt)
    // For the one in front, an update that the other refuses is handled.
    if (own.refusal !== undefined) outer?.settle('complete')
    if (outer === undefined) return own
    return {
      ...own,
      left: new Map([...outer.left, ...own.left]),
      // What the update was charged is given back by both.
      refund() {
        own.refund()
        outer.refund()
      },
      settle(how) {
        own.settle(how)
        outer.settle(how)
      },
    }
  }

  /** The verdict of one check of the sentinel by itself. */
  refusalBy(name: string, facts: Facts, at: number): ModelVerdict | undefined {
    const chain = name === OUTER_LIMIT.name && this.outer !== undefined ? this.outer : this.main
    const { costs, ...ask } = this.ask(chain, facts)
    const alone = costs.map((cost, index) => (chain.rules[index]?.name === name ? cost : 0))
    return chain.simulate({ ...ask, costs: alone }, at)
  }

  /** From now on this storage decides. */
  use(storage: number): void {
    for (const chain of this.chains) chain.inUse = storage
  }

  get inUse(): number {
    return this.main.inUse
  }

  /** Marks belong to the bot, so both sentinels read them. */
  private get sentinels(): readonly ChainModel[] {
    return this.outer === undefined ? [this.main] : [this.main, this.outer]
  }

  private get chains(): readonly ChainModel[] {
    return [
      ...(this.outer === undefined ? [] : [this.outer]),
      this.main,
      ...[...this.handlers.values()].flat(),
    ]
  }

  simulate(facts: Facts, at: number): ModelVerdict | undefined {
    return this.main.simulate(this.ask(this.main, facts), at)
  }

  /** What the guards in front of a handler decide; the last decision is the one that refuses, if any does. */
  decideAt(
    route: Route | undefined,
    facts: Facts,
    at: number,
    attempt: Omit<Attempt, 'update'>,
  ): readonly ModelDecision[] {
    const decisions: ModelDecision[] = []
    for (const chain of (route && this.handlers.get(route)) ?? []) {
      const decision = chain.decide(this.ask(chain, facts), at, { ...attempt, update: facts.updateId })
      decisions.push(decision)
      if (decision.refusal !== undefined) break
    }
    return decisions
  }

  /** What is left of a limit of the sentinel for a user, before any charge. */
  left(name: string, user: Key, at: number): number {
    const { rules } = this.main
    const index = rules.findIndex((rule) => rule.name === name)
    // Buckets are asked for next to nothing, since a refusal may begin a ban, and then nothing is left.
    const cost = rules[index]?.check.kind === 'bucket' ? NEXT_TO_NOTHING : 1
    const costs = rules.map((_, other) => (other === index ? cost : 0))
    const ask = { bot: this.bot, subjects: [user], costs, tokens: [] }
    const { left, isRefused } = this.main.leftOf(index, ask, at)
    return isRefused ? left : left + cost
  }

  reconfigure(options: ExactOptions): void {
    this.options = options
    this.main.change(rulesOf(options))
  }

  put(mark: string, whom: Key, until = Number.POSITIVE_INFINITY, value?: unknown): void {
    for (const { references } of this.sentinels)
      for (const reference of references) reference.putMark(this.bot, whom, mark, until, value)
    const holders = this.marks.get(mark) ?? new Set()
    this.marks.set(mark, holders.add(whom))
  }

  remove(mark: string, whom: Key): void {
    for (const { references } of this.sentinels)
      for (const reference of references) reference.removeMark(this.bot, whom, mark)
    this.marks.get(mark)?.delete(whom)
  }

  holds(mark: string, whom: Key | undefined): boolean {
    return whom !== undefined && this.marks.get(mark)?.has(whom) === true
  }

  reset(whom: Key): void {
    // A storage that does not answer is not reset later.
    for (const { references, inUse } of this.chains)
      for (const reference of references.slice(inUse)) reference.reset(this.bot, whom)
  }

  /** Whether limits do not count somebody. */
  isExempt(whom: Key | undefined): boolean {
    return this.isOwner(whom) || (this.options.exemptsMods && this.holds('role mod', whom))
  }

  private isOwner(whom: Key | undefined): boolean {
    return whom !== undefined && whom === this.owner
  }

  private ask(chain: ChainModel, facts: Facts): Ask {
    return askOf(this.bot, chain.rules, facts, ({ spares }) => {
      if (spares === 'nobody' || chain === this.outer) return false
      return spares === 'owner' ? this.isOwner(facts.actor) : this.isExempt(facts.actor)
    })
  }
}
