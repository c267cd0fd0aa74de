import type { Update } from 'grammy/types'
import { type Facts, describe as factsOf } from '../../src/core/facts.js'
import type { Activity } from '../../src/core/kinds.js'
import { type Key, keyText } from '../../src/core/subject.js'
import { formatLimit, type LimitInput, parseLimit, type Subject } from '../../src/index.js'
import type { Act } from './acts.js'
import type { Who } from './cast.js'
import { changed } from './exact-changes.js'
import { Model, type ModelDecision, type ModelVerdict } from './exact-model.js'
import type { ExactOptions } from './exact-options.js'
import { limitMark } from './exact-plan.js'
import type { ExactStep, ExactStory, HandlerDoes } from './exact-steps.js'
import { ExactWorker, type Outcome } from './exact-worker.js'
import { comparedFacts, expectedFacts } from './expected-facts.js'
import { HandlerFailed } from './handler-failed.js'
import type { Store, StoreOf } from './story-storages.js'
import { Town } from './town.js'

/** Buckets count in fractions, which are computed in another order. */
const NEARLY = 0.002
/** How many updates of the past a story may deliver again. */
const RECENT = 5

/** What the bot must answer, also if it is refused. */
const ANSWERED: readonly Activity[] = ['tap', 'checkout']
/** The answers to checkouts that reach a handler. */
const ANSWERS_OF: Readonly<Record<HandlerDoes, readonly string[]>> = {
  nothing: ['accepted'],
  throw: [],
  refund: ['accepted'],
  deny: ['declined'],
  'deny and refund': ['declined'],
}

/** Plays a story beside the model, and returns the first differences, in words. */
export async function playExact(story: ExactStory, storeOf: StoreOf): Promise<readonly string[]> {
  const town = await Town.built()
  const store = storeOf(town)
  const workers = Array.from({ length: story.options.workers }, (_, index) => {
    return new ExactWorker(town, store.storageOf(index), story.options)
  })
  const play = new Play(town, store, workers, story)
  await play.begin()
  for (const step of story.steps) {
    if (play.differences.length > 0) break
    await play.step(step)
  }
  await play.end()
  await store.close()
  await town.close()
  return play.differences
}

interface Delivered {
  readonly update: Update
  readonly worker: number
}

class Play {
  readonly differences: string[] = []
  private readonly model: Model
  private options: ExactOptions
  private readonly recent: Delivered[] = []
  /** Updates whose last attempt failed, and which storage had decided them. */
  private readonly failed = new Map<number, number>()
  /** Payments that have not yet arrived. */
  private readonly underway: Update[] = []

  constructor(
    private readonly town: Town,
    private readonly store: Store,
    private readonly workers: readonly ExactWorker[],
    story: ExactStory,
  ) {
    this.options = story.options
    const owner = story.options.hasOwner ? town.key(2) : undefined
    this.model = new Model(story.options, town.account.id, owner)
  }

  /** Each worker meets its bot and its storage, by an update that no guard is for. */
  async begin(): Promise<void> {
    for (const worker of this.workers) {
      await worker.handles({ update_id: 1, novelty: {} } as unknown as Update, 'nothing')
      await worker.guard.health()
    }
  }

  async step(step: ExactStep): Promise<void> {
    const { town, model } = this
    if (step.do === 'pass') {
      // Nothing here waits for a timer, so time may jump.
      town.telegram.clock.advance(step.ms)
      return town.quiet()
    }
    const { guard } = this.worker(step.worker)
    switch (step.do) {
      case 'act': {
        const late = this.underway.splice(0)
        for (const update of await town.sees(step.act)) {
          if (this.differences.length > 0) return
          this.compareFacts(step.act, update)
          if (step.simulated) await this.simulate(update, step.worker)
          await this.deliver({ update, worker: step.worker }, step.handler)
          if (!isCheckout(update)) continue
          const payments = await town.arrived()
          if (step.isPaidLater === true) this.underway.push(...payments)
          else await this.paid(payments, step)
        }
        return this.paid(late, step)
      }
      case 'reconfigure':
        this.options = changed(this.options, step.change)
        for (const worker of this.workers) worker.reconfigure(this.options)
        this.model.reconfigure(this.options)
        // A real server has to take the new plan before time jumps.
        return town.quiet()
      case 'break the storage':
        if (this.store.hasSecond) this.breakStorage()
        return
      case 'mend the storage':
        return this.mendStorage()
      case 'redeliver':
        await this.redeliver(step)
        return this.paid([...this.underway.splice(0), ...(await town.arrived())], step)
      case 'set a limit':
      case 'remove a limit':
        return this.changeLimit(step)
      default:
    }
    const key = town.key(step.whom)
    const subject = town.subject(step.whom)
    switch (step.do) {
      case 'block':
        await guard.block(subject, step.for === undefined ? {} : { for: step.for })
        model.put('blocked', key, step.for === undefined ? undefined : town.now() + step.for)
        break
      case 'unblock':
        await guard.unblock(subject)
        model.remove('blocked', key)
        break
      case 'grant':
        await guard.grant(subject, step.role)
        model.put(`role ${step.role}`, key)
        break
      case 'revoke':
        await guard.revoke(subject, step.role)
        model.remove(`role ${step.role}`, key)
        break
      case 'register':
        await guard.register(subject)
        model.put('registered', key)
        break
      case 'reset':
        await guard.reset(subject)
        model.reset(key)
        break
      case 'peek':
        await this.peek(subject, key, step.worker)
    }
    await town.quiet()
  }

  async end(): Promise<void> {
    await this.mendStorage()
    for (const [index, worker] of this.workers.entries()) {
      await worker.close()
      for (const error of worker.errors) this.differences.push(`worker ${index}: an error during ${error}`)
    }
  }

  /** From now on the second storage decides. */
  private breakStorage(): void {
    const { failing } = this.store
    if (failing === undefined) return
    failing.fault = 'refuses'
    this.model.use(1)
  }

  /** The first storage works again, and is used again soon. */
  private async mendStorage(): Promise<void> {
    const { store, town, model, workers } = this
    if (store.failing?.fault !== 'refuses') return
    store.failing.resume()
    await town.pass(1000)
    for (const { guard } of workers)
      this.differs('a second after an outage', 'the storage in use', (await guard.health()).storage.inUse, 0)
    model.use(0)
  }

  private worker(index: number): ExactWorker {
    return this.workers[index % this.workers.length] as ExactWorker
  }

  private differs(where: string, what: string, real: unknown, model: unknown): void {
    const shown = (value: unknown): string =>
      JSON.stringify(value, (_, each) => (each === Number.POSITIVE_INFINITY ? 'never' : each)) ?? 'none'
    if (shown(real) !== shown(model))
      this.differences.push(`${where}: ${what} is ${shown(real)}, in the model ${shown(model)}`)
  }

  private async simulate(update: Update, worker: number): Promise<void> {
    const { verdict } = await this.worker(worker).guard.simulate(update)
    const expected = this.model.simulate(factsOf(update), this.town.now())
    const where = `simulation of update ${update.update_id}`
    this.differs(where, 'the verdict', verdict.allowed ? undefined : shortened(verdict), expected)
  }

  /** Facts must be those that follow from what was done. */
  private compareFacts(act: Act, update: Update): void {
    const where = `update ${update.update_id} because somebody ${act.does}`
    this.differs(
      where,
      'what is known of it',
      comparedFacts(factsOf(update)),
      expectedFacts(this.town, act, update),
    )
  }

  /** Delivers payments for checkouts that the bot has answered. */
  private async paid(
    payments: readonly Update[],
    { worker, handler }: { readonly worker: number; readonly handler: HandlerDoes },
  ): Promise<void> {
    for (const update of payments) {
      const who = this.town.people.findIndex(({ id }) => id === update.message?.chat.id) as Who
      this.compareFacts({ does: 'pays', who }, update)
      await this.deliver({ update, worker }, handler)
    }
  }

  private async redeliver({ which, worker, handler }: ExactStep & { do: 'redeliver' }): Promise<void> {
    const last = this.recent.slice(-RECENT)
    const delivered = last[which % last.length]
    if (delivered === undefined) return
    // With a lease, another process cannot know whether a failed attempt in this one was charged, and charges nothing. It does not
    // recognize parts of albums either. So these stay with their worker.
    const { once } = this.options
    const isBound =
      (typeof once === 'object' && once.lease !== undefined) ||
      (delivered.update.message ?? delivered.update.channel_post)?.media_group_id !== undefined
    await this.deliver(
      { update: structuredClone(delivered.update), worker: isBound ? delivered.worker : worker },
      handler,
    )
  }

  private async deliver({ update, worker }: Delivered, does: HandlerDoes): Promise<void> {
    const { town, model, failed } = this
    const id = update.update_id
    this.recent.push({ update, worker })
    const facts = factsOf(update)
    const now = town.now()
    const outcome = await this.worker(worker).handles(update, does)
    await town.quiet()
    const own = worker % this.workers.length
    const decision = model.decide(facts, now, own)
    const where = `update ${id} (${facts.activity})`
    if (decision.refusal !== undefined) return this.compareRefusal(where, facts, outcome, decision.refusal)
    this.differs(where, 'shadow refusals', outcome.shadows, decision.shadows)
    const isRepeated = failed.get(id) === model.inUse
    const atHandler = model.decideAt(outcome.route, facts, now, { worker: own, isRepeated })
    const refusal = atHandler.at(-1)?.refusal
    if (refusal !== undefined) {
      decision.settle('complete')
      return this.compareRefusal(`${where} at its handler`, facts, outcome, refusal)
    }
    const [handled] = outcome.handled
    this.differs(where, 'the number of calls of the handler', outcome.handled.length, 1)
    if (handled === undefined) return
    this.differs(where, 'isRepeated', handled.isRepeated, isRepeated)
    for (const [name, left] of decision.left) {
      const real = handled.left.get(name) ?? Number.NaN
      if (!(Math.abs(real - left) < NEARLY)) this.differs(where, `what is left of ${name}`, real, left)
    }
    if (facts.activity === 'checkout') this.differs(where, 'the answers', outcome.answers, ANSWERS_OF[does])
    this.follow(where, id, does, outcome, [decision, ...atHandler])
  }

  /** What follows from what the handler did. */
  private follow(
    where: string,
    id: number,
    does: HandlerDoes,
    { error, denials }: Outcome,
    [decision, ...atHandler]: readonly ModelDecision[],
  ): void {
    const isFailed = does === 'throw'
    this.differs(where, 'the error', error instanceof HandlerFailed, isFailed)
    this.differs(where, 'the number of denials', denials.length, does.startsWith('deny') ? 1 : 0)
    decision?.settle(isFailed ? 'release' : 'complete')
    if (does.endsWith('refund')) for (const each of [decision, ...atHandler]) each?.refund()
    // The sentinel in front has `once`, too.
    if (this.options.once === false && !this.options.hasOuter) return
    if (isFailed) for (const each of atHandler) each.fail()
    if (isFailed) this.failed.set(id, this.model.inUse)
    else this.failed.delete(id)
  }

  private compareRefusal(where: string, facts: Facts, outcome: Outcome, refusal: ModelVerdict): void {
    const { denials, handled, answers } = outcome
    // The first copy of a duplicate is answered.
    const isAnswered = ANSWERED.includes(facts.activity) && refusal.reason !== 'duplicate'
    this.differs(
      where,
      'the answers',
      answers,
      isAnswered ? [facts.activity === 'checkout' ? 'declined' : 'stops the spinner'] : [],
    )
    const real = denials[0] && shortened(denials[0])
    const isOther = real !== undefined && real.limit !== refusal.limit
    if (isOther && this.store.repeatsRefusals) this.compareRepeated(where, facts, real)
    else this.differs(where, 'the verdict', real, refusal)
    this.differs(where, 'the number of calls of the handler', handled.length, 0)
  }

  /** A repeated refusal may name another check, which must refuse too, and for no shorter time. */
  private compareRepeated(where: string, facts: Facts, real: ModelVerdict): void {
    const alone = this.model.refusalBy(real.limit, facts, this.town.now())
    if (alone === undefined || alone.retryAfterMs < real.retryAfterMs)
      this.differs(where, 'the repeated verdict', real, alone)
  }

  /** Compares what is left of the limits that count users. */
  private async peek(whom: Subject, key: Key, worker: number): Promise<void> {
    const { model, town } = this
    if (model.isExempt(key)) return
    for (const { name, remaining } of await this.worker(worker).guard.peek(whom)) {
      const limit = this.options.throttle.find((each) => each.name === name && each.scope === undefined)
      if (limit === undefined) continue
      const left = model.left(name, key, town.now())
      if (Math.abs(left - remaining) >= NEARLY)
        this.differs(`peek ${keyText(key)}`, `what is left of ${name}`, remaining, left)
    }
  }

  /** Sets or removes a limit at run time, for a person or the group. */
  private async changeLimit(step: ExactStep & { do: 'set a limit' | 'remove a limit' }): Promise<void> {
    const { options } = this
    // A window that stores time stamps has room for a fixed number, and the limit of everybody has no holder.
    const able = options.throttle.filter(({ scope, algorithm, limit }) => {
      return (
        scope !== 'global' && (algorithm !== 'sliding' || amountOf(limit) > 64) && algorithm !== 'sliding-log'
      )
    })
    const limit = able[step.which % able.length]
    if (!options.setsLimits || limit === undefined) return
    // A limit of chats can be set for chats only.
    const whose = limit.scope === 'chat' ? 'group' : step.whose
    const whom = this.town.subject(whose)
    const key = this.town.key(whose)
    const { guard } = this.worker(step.worker)
    const mark = limitMark(limit.name)
    if (step.do === 'remove a limit') {
      await guard.limits.remove(whom, limit.name)
      this.model.remove(mark, key)
      return
    }
    const { per } = parseLimit(limit.limit as LimitInput)
    const own = { amount: step.amount, per }
    if (limit.cost !== undefined && step.amount < 2) return
    await guard.limits.set(whom, limit.name, formatLimit(own) as LimitInput)
    this.model.put(mark, key, undefined, own)
  }
}

function amountOf(limit: string): number {
  return parseLimit(limit as LimitInput).amount
}

function shortened({ guard, limit, reason, retryAfterMs }: ModelVerdict): ModelVerdict {
  return { guard, limit, reason, retryAfterMs }
}

function isCheckout({ pre_checkout_query }: Update): boolean {
  return pre_checkout_query !== undefined
}
