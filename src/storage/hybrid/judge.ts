import {
  type Ask,
  type Decision,
  isPromise,
  type Judge,
  type MaybePromise,
  type Plan,
  type Receipt,
  type Settlement,
} from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import { isLimited } from '../contract/plan.js'
import { banQuestion } from './ban-question.js'
import { LeasedReceipt, RepeatedRefusal } from './decision.js'
import type { Leasing } from './leasing.js'
import { type Refusal, reportedKey } from './refusals.js'
import { RepeatableRefusals } from './repeatable.js'
import type { HybridShared } from './shared.js'
import type { ToldTime } from './time.js'

/** How long a refusal is remembered if changes to it might not be reported. */
const UNTOLD: Ms = 1000
/** Maximum number of questions about bans in progress, so that they do not pile up if the storage hangs. */
const MOST_LEARNING = 1000

/** Decides by a remote storage, and repeats remembered refusals without asking it. */
export class HybridJudge implements Judge {
  private readonly repeatable: RepeatableRefusals
  /** Identifies the bans whose end is being asked for. */
  private readonly learning = new Set<string>()

  constructor(
    readonly plan: Plan,
    private readonly inner: Judge,
    private readonly shared: HybridShared,
    private readonly time: ToldTime,
    private readonly leasing: Leasing | undefined,
  ) {
    this.repeatable = new RepeatableRefusals(plan, shared.memory)
  }

  evaluate(ask: Ask, at: Ms | undefined = this.shared.clock?.()): MaybePromise<Decision> {
    const { shared, time } = this
    const now = at === undefined ? shared.steady() : time.advance(at)
    const known = this.repeatable.find(ask, now, at !== undefined)
    if (known === undefined || (at !== undefined && time.wentBack)) return this.ask(ask, at, now)
    if (known.noticeAt > now || known.asking) {
      known.hits++
      shared.counts.answered++
      time.skip(at)
      return new RepeatedRefusal(known, now)
    }
    // One ask goes through to find out whether a notice is due. Meanwhile others get the remembered refusal.
    known.asking = true
    let decision: MaybePromise<Decision>
    try {
      decision = this.ask(ask, at, now)
    } catch (error) {
      known.asking = false
      throw error
    }
    if (isPromise(decision)) {
      return decision.finally(() => {
        known.asking = false
      })
    }
    known.asking = false
    return decision
  }

  peek(ask: Ask, at: Ms | undefined = this.shared.clock?.()): MaybePromise<Decision> {
    const caughtUp = this.time.catchUpToPeek(this.inner, this.plan, ask.bot, at)
    const peek = (): MaybePromise<Decision> =>
      this.leasing === undefined ? this.inner.peek(ask, at) : this.leasing.peek(ask, at, this.now(at))
    return inOrder(caughtUp, peek)
  }

  settle(receipt: Receipt, how: Settlement, check?: number): MaybePromise<void> {
    const { shared } = this
    const { bot } = receipt.ask
    const plan = shared.plans.get(receipt) ?? this.plan
    const caughtUp = this.time.catchUp(this.inner, this.plan, bot, undefined)
    // Decisions still on their way were made before the refund.
    if (how === 'refund') for (const key of charged(plan, receipt.ask, check)) shared.memory.forget(bot, key)
    const own = receipt instanceof LeasedReceipt ? receipt.inner : receipt
    const done = inOrder(caughtUp, () => (own === undefined ? undefined : this.inner.settle(own, how, check)))
    if (how === 'refund') this.leasing?.refund(receipt, plan, check)
    if (own === undefined || how === 'complete') return done
    return inOrder(done, () => this.tell(plan, receipt.ask, how, check))
  }

  /** Another worker has released a token. */
  released(bot: number, slot: string, token: number): void {
    const now = this.time.now > Number.NEGATIVE_INFINITY ? this.time.now : this.shared.steady()
    this.repeatable.released(bot, slot, token, now)
  }

  /** Forgets all refusals of this judge, because a later plan has taken its place. */
  forget(): void {
    this.shared.memory.forgetOf(this.repeatable)
  }

  private now(at: Ms | undefined): Ms {
    return at === undefined ? this.shared.steady() : this.time.now
  }

  /** Asks the storage or pays from leases, and remembers the decision if it is worth it. */
  private ask(ask: Ask, at: Ms | undefined, now: Ms): MaybePromise<Decision> {
    const { repeatable, leasing } = this
    repeatable.note(ask, now)
    const { version } = this.shared.memory
    const decision =
      leasing === undefined
        ? this.send(ask, at)
        : leasing.evaluate(ask, at, now, (question) => this.send(question, at))
    if (!isPromise(decision)) return this.learn(ask, decision, at, now, version)
    return decision.then((resolved) => this.learn(ask, resolved, at, now, version))
  }

  private send(ask: Ask, at: Ms | undefined): MaybePromise<Decision> {
    this.shared.counts.trips++
    const caughtUp = at === undefined ? undefined : this.time.catchUp(this.inner, this.plan, ask.bot, at)
    const decision = this.inner.evaluate(ask, at)
    // Calls reach the storage in the order of sending, so there is no need to wait for the first.
    return isPromise(caughtUp) ? Promise.all([caughtUp, decision]).then(([, told]) => told) : decision
  }

  /** Remembers a refusal that would be repeated without side effects. */
  private learn(ask: Ask, decision: Decision, at: Ms | undefined, sent: Ms, version: number): Decision {
    const { refusedBy, cause, receipt } = decision
    if (receipt !== undefined) this.shared.plans.set(receipt, this.plan)
    if (refusedBy < 0) return decision
    const traits = this.repeatable.traits[refusedBy]
    if (traits === undefined || !traits.isRememberable || ask.limits?.[refusedBy] !== undefined)
      return decision
    if (cause === 'penalty') this.learnBan(ask, decision, at, sent, version)
    else if (cause === 'check' && !traits.isPenal)
      this.remember(ask, decision, at, sent, version, decision.retryAfterMs)
    return decision
  }

  /**
   * Refusals during a ban have no effect, but once the ban ends they count as violations again, even if the check itself would
   * refuse for longer. So the storage is asked, in the background, when the ban ends.
   */
  private learnBan(ask: Ask, decision: Decision, at: Ms | undefined, sent: Ms, version: number): void {
    const { shared, plan, learning } = this
    const { refusedBy } = decision
    const question = banQuestion(plan, ask, refusedBy)
    const key = ask.subjects[plan.checks[refusedBy]?.subject as number]
    if (question === undefined || key === undefined) return
    const name = `${ask.bot} ${refusedBy} ${key}`
    if (learning.has(name) || learning.size >= MOST_LEARNING) return
    learning.add(name)
    const asked = this.now(at)
    const learnt = (ban: Decision): void => {
      // If callers pass the time, it may have moved on before the storage answered. The answer is then out of date.
      if (at !== undefined && this.now(at) !== asked) return
      if (ban.refusedBy !== refusedBy || ban.cause !== 'penalty') return
      this.remember(ask, decision, at, sent, version, ban.retryAfterMs)
    }
    shared.aside('hybrid.ban', async () => {
      try {
        learnt(await this.inner.peek(question, at))
      } finally {
        learning.delete(name)
      }
    })
  }

  private remember(
    ask: Ask,
    decision: Decision,
    at: Ms | undefined,
    sent: Ms,
    version: number,
    holds: Ms,
  ): void {
    const { shared, plan, repeatable } = this
    const { refusedBy, cause, retryAfterMs } = decision
    const traits = repeatable.traits[refusedBy]
    const key = ask.subjects[plan.checks[refusedBy]?.subject as number]
    if (traits === undefined || key === undefined) return
    const now = this.now(at)
    // The end of a ban was asked for a little later than the decision.
    const isBan = cause === 'penalty' && retryAfterMs <= holds + (now - sent) + 1
    // When a role lapses, another limit applies, and the check may refuse for a shorter time. The end of a ban does not change.
    const untold = !shared.isWatching || (traits.isVaried && !isBan)
    // The storage decides after `sent`, so this ends no later than the storage's refusal.
    const until = sent + Math.min(holds, untold ? UNTOLD : shared.longest)
    if (until <= now) return
    const own = reportedKey(key)
    const others = repeatable.othersOf(ask, refusedBy)
    if (shared.memory.changedSince(version, ask.bot, [own, ...others])) return
    const token = traits.claim < 0 ? -1 : (ask.tokens[traits.claim] as number)
    const before = shared.memory.same(repeatable, ask.bot, own, refusedBy, token)
    const refusal: Refusal = {
      owner: repeatable,
      bot: ask.bot,
      key: own,
      check: refusedBy,
      token,
      cost: ask.costs[refusedBy] as number,
      cause,
      told: at !== undefined,
      until,
      end: sent + retryAfterMs,
      noticeAt: noticeDue(traits.noticeEvery, decision.notice, before, now),
      // Copied, since it may be a view into an answer to many questions.
      remaining: [...decision.remaining],
      shadowRefusals: decision.shadowRefusals,
      subjects: ask.subjects,
      costs: ask.costs,
      alsoOf: others,
      hits: 0,
      asking: false,
      next: undefined,
      older: undefined,
      newer: undefined,
    }
    shared.memory.add(refusal, now)
  }

  /** Tells other workers what was given back, so that they ask the storage again. */
  private tell(
    plan: Plan,
    ask: Ask,
    how: 'release' | 'refund',
    only: number | undefined,
  ): MaybePromise<void> {
    const { shared } = this
    const keys = how === 'refund' ? charged(plan, ask, only) : []
    const taken = how === 'release' ? takenBy(plan, ask) : []
    for (const key of keys) shared.memory.forget(ask.bot, key)
    if (keys.length + taken.length === 0) return
    return shared.announce(ask.bot, { keys, taken })
  }
}

/** Returns when the next notice may be due. Notices given through other workers are unknown, so the storage is asked early. */
function noticeDue(every: Ms | undefined, given: boolean, before: Refusal | undefined, now: Ms): Ms {
  if (every === undefined) return Number.POSITIVE_INFINITY
  if (given) return now + every
  if (before !== undefined && before.noticeAt > now) return before.noticeAt
  return now + Math.max(1, every / 4)
}

function inOrder<T>(first: MaybePromise<unknown>, then: () => MaybePromise<T>): MaybePromise<T> {
  return isPromise(first) ? first.then(then) : then()
}

/** Returns the subjects that an ask was charged for: by all limits, or by one. */
function charged({ checks }: Plan, { subjects, costs }: Ask, only: number | undefined): Key[] {
  const keys = new Set<Key>()
  for (const [index, check] of checks.entries()) {
    const key = subjects[check.subject]
    if (key === undefined || !((costs[index] as number) > 0)) continue
    if (!isLimited(check)) continue
    if (only === undefined || only === index) keys.add(reportedKey(key))
  }
  return [...keys]
}

/** Returns the tokens of sequences that an ask took and that may be taken again after a release. */
function takenBy({ checks }: Plan, { subjects, costs, tokens }: Ask): [slot: string, token: number][] {
  const taken: [slot: string, token: number][] = []
  let claim = 0
  for (const [index, check] of checks.entries()) {
    if (check.kind !== 'claim') continue
    const token = tokens[claim++] as number
    if (subjects[check.subject] === undefined || !((costs[index] as number) > 0)) continue
    if (check.tokens === 'sequence' && check.retry === true) taken.push([check.slot, token])
  }
  return taken
}
