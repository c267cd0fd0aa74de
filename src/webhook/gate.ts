import { Context } from 'grammy'
import type { Update } from 'grammy/types'
import { type Decision, isPromise, type MaybePromise, type Settlement } from '../core/check.js'
import type { Clock } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import { type Key, senderKey, userKey } from '../core/subject.js'
import type { SentinelFlavor } from '../middleware/chain/control.js'
import type { EarlyDecisions } from '../middleware/chain/early-decisions.js'
import { hasExemptContexts } from '../middleware/exempt/exempt-contexts.js'
import type { Question } from '../middleware/guard.js'
import type { Chain } from '../middleware/pipeline.js'
import type { UnreadUpdate } from '../middleware/refusing/refusals.js'
import type { KnownBot } from '../middleware/services/bots.js'
import { type Glimpse, glimpse } from './glimpse.js'
import { numberAt, Parties } from './parties.js'

/** Most offenders in each of two generations. */
const MOST = 16_384
/** Duration of a generation. */
const REMEMBERED: Ms = 60_000
/** Stands in for the context of an update that is not parsed. Questions that read it are not decided by the gate. */
const UNREAD = Object.freeze(Object.create(null)) as Context
/** Stands in for the update until somebody reads it. */
const UNPARSED = Object.freeze(Object.create(null)) as Update

/** Settlements of a decision that is discarded. */
const VOID: readonly Settlement[] = ['release', 'refund']
/** Settlement of a decision whose update is decided again: the charge stands, since a released update is not charged twice. */
const PAID: readonly Settlement[] = ['release']

/** A decision and the chain that made it: after `reconfigure()` a new chain asks other questions. */
export interface Made {
  readonly chain: Chain
  readonly decision: Decision
}

/** An update that was given to the bot and should reach the guard. */
interface Expected {
  readonly update: Update
  came: boolean
}

/** What a door has under way, by update id, since each bot counts updates separately. */
export interface UnderWay {
  readonly running: ReadonlyMap<number, unknown>
  /** Updates for which the gate is asking a remote storage. */
  readonly asked: Map<number, Promise<unknown>>
}

/** The chats in which an actor was refused; undefined stands for no chat, as with an inline query. */
type Places = Set<number | undefined>

/** The update was refused, and everything that follows from the refusal is done. */
export const AWAY = 'away'

/**
 * Decides about recent offenders before their updates are parsed.
 *
 * It remembers only who was refused last and in which chats, not the refusal itself: the storage is asked once, exactly as it
 * would be after parsing, and writes the same. An update is parsed after all, and keeps the decision made here, if it is admitted
 * or if its refusal involves more than counting (a notice, a listener, a function of yours).
 */
export class Gate implements EarlyDecisions {
  private readonly users = new Parties()
  private readonly chats = new Parties()
  private newer = new Map<Key, Places>()
  private older = new Map<Key, Places>()
  /** Number of pairs of actor and chat in the newer generation. */
  private noted = 0
  private readonly made = new WeakMap<Update, Made>()
  /** The update that was handed to the bot last. */
  private expected: Expected | undefined
  /** Updates that reached the chain after others had been handed to the bot. */
  private readonly overtaken = new WeakSet<Update>()
  private turnAt: Ms = Number.NEGATIVE_INFINITY
  /** Number of decisions not picked up yet; while it is 0, updates need not look for one. */
  private waiting = 0

  constructor(
    private readonly chain: () => Chain,
    private readonly failed: (error: unknown, during: string) => void,
    private readonly clock: Clock,
  ) {}

  /**
   * Decides about a body. Returns `AWAY` if its update was refused and counted, a decision to {@link hand} on with the update, or
   * undefined if the update has to be parsed and decided as usual.
   */
  decide(
    bot: number,
    text: string,
    { running, asked }: UnderWay,
  ): MaybePromise<typeof AWAY | Made | undefined> {
    if ((this.newer.size === 0 && this.older.size === 0) || !this.mayBeSuspect(text)) return undefined
    const chain = this.chain()
    const known = chain.services.bots.get(bot)
    const { judge } = chain.prepared
    if (known === undefined || judge === undefined || isWatched(chain)) return undefined
    const facts = glimpse(text, known.reading, this.users, this.chats)
    if (facts?.actor === undefined || !this.wasRefused(facts.actor, facts.chatId)) return undefined
    // A repeated delivery waits for the outcome of the first.
    if (running.has(facts.updateId)) return undefined
    const same = asked.get(facts.updateId)
    // If the storage were asked about the second, too, it would be a duplicate, and be answered before the outcome of the first
    // is known.
    if (same !== undefined) return same.then(() => undefined)
    const level = chain.exemptions.levelOf(facts, bot)
    if (!isForeseeable(chain, facts, level)) return undefined
    const ask = chain.plan.askFor(facts, UNREAD, bot, level)
    if (ask === undefined || facts.doubted) return undefined
    let decision: MaybePromise<Decision>
    try {
      decision = judge.evaluate(ask, chain.services.at())
    } catch (error) {
      this.failed(error, 'storage.evaluate')
      return undefined
    }
    if (!isPromise(decision)) return this.judged(chain, facts, known, decision)
    const said = decision.then(
      (resolved) => this.judged(chain, facts, known, resolved),
      (error) => {
        this.failed(error, 'storage.evaluate')
        return undefined
      },
    )
    asked.set(facts.updateId, said)
    const over = (): unknown => asked.delete(facts.updateId)
    void said.then(over, over)
    return said
  }

  /** Stores a decision, for the chain to use when the update reaches it. */
  hand(update: Update, made: Made): void {
    this.made.set(update, made)
    this.waiting++
  }

  take(update: Update, by: object): MaybePromise<Decision | undefined> {
    if (this.waiting === 0) return undefined
    const made = this.forget(update)
    if (made === undefined || made.chain === by) return made?.decision
    const isOnce = made.chain.plan.asks('once') && this.chain().plan.asks('once')
    return this.giveBack(made, isOnce ? PAID : VOID).then(() => undefined)
  }

  /** Discards the decision about an update that ended without reaching the chain. */
  drop(update: Update): void {
    const made = this.waiting === 0 ? undefined : this.forget(update)
    if (made !== undefined) void this.giveBack(made)
  }

  /** Takes back the charges and claims of a decision that is not used. Does not reject. */
  async giveBack({ chain, decision: { receipt } }: Made, hows: readonly Settlement[] = VOID): Promise<void> {
    if (receipt === undefined) return
    for (const how of hows) {
      try {
        await chain.prepared.judge?.settle(receipt, how)
      } catch (error) {
        this.failed(error, 'storage.settle')
      }
    }
  }

  /** Notes the update that is given to the bot now and should reach the chain. */
  expect(update: Expected): void {
    this.expected = update
  }

  came(update: Update): void {
    const { expected } = this
    if (expected?.update === update) expected.came = true
    else this.overtaken.add(update)
  }

  /** Whether an update has reached the chain. */
  hasCome({ update, came }: Expected): boolean {
    return came || this.overtaken.has(update)
  }

  private forget(update: Update): Made | undefined {
    const made = this.made.get(update)
    if (this.made.delete(update)) this.waiting--
    return made
  }

  refused({ actor, chatId }: Facts, ctx: Context & Partial<SentinelFlavor>, { cause }: Decision): void {
    // Behind another guard this one does not decide first, and must not charge updates that the other one stops.
    if (actor === undefined || ctx.sentinel !== undefined) return
    if (cause !== 'check' && cause !== 'penalty') return
    const now = this.clock()
    if (this.noted >= MOST || now >= this.turnAt) {
      this.older = this.newer
      this.newer = new Map()
      this.noted = 0
      this.turnAt = now + REMEMBERED
    }
    const places = this.newer.get(actor)
    if (places?.has(chatId) === true) return
    this.noted++
    if (places === undefined) this.newer.set(actor, new Set([chatId]))
    else places.add(chatId)
  }

  /**
   * Whether a body may come from a known offender: a cheap text search at the usual places. An offender that it misses is parsed
   * as usual; a match is then examined properly.
   */
  private mayBeSuspect(text: string): boolean {
    const sender = idAfter(text, SENDER)
    if (sender !== undefined) return this.isSuspect(senderKey(sender))
    const user = idAfter(text, FROM) ?? idAfter(text, USER)
    return user !== undefined && this.isSuspect(userKey(user))
  }

  private isSuspect(actor: Key): boolean {
    return this.newer.has(actor) || this.older.has(actor)
  }

  /** Whether an actor was refused in this very chat; in other chats the actor may be welcome. */
  private wasRefused(actor: Key, chatId: number | undefined): boolean {
    return this.newer.get(actor)?.has(chatId) === true || this.older.get(actor)?.has(chatId) === true
  }

  private judged(chain: Chain, facts: Glimpse, known: KnownBot, decision: Decision): typeof AWAY | Made {
    const { refusedBy } = decision
    if (refusedBy < 0) return { chain, decision }
    const question = chain.plan.questions[refusedBy] as Question<Context>
    // Administrators are exempt, and only Telegram may tell who is one.
    const mayRescue =
      question.rescues !== undefined ||
      (question.exempt === 'everybody' && chain.services.administrators !== undefined && facts.inGroup)
    if (mayRescue || !chain.refusals.count(question, decision, new Unread(facts, known))) {
      return { chain, decision }
    }
    chain.probing?.unread?.()
    return AWAY
  }
}

const SENDER = '"sender_chat":{"id":'
const FROM = '"from":{"id":'
const USER = '"user":{"id":'

/** Returns the number after the first occurrence of a text. */
function idAfter(text: string, words: string): number | undefined {
  const found = text.indexOf(words)
  return found < 0 ? undefined : numberAt(text, found + words.length)
}

/** Whether something has to see every update before it is decided: hooks, traces, or an upstream guard that grants exemptions. */
function isWatched({ services, probing }: Chain): boolean {
  return (
    services.hooks.deciding ||
    (probing?.update !== undefined && probing.unread === undefined) ||
    hasExemptContexts()
  )
}

/** A refused update, for passive listeners: it is parsed only if they read more than its bot. */
class Unread implements UnreadUpdate {
  private made: Context | undefined

  constructor(
    readonly facts: Glimpse,
    readonly bot: KnownBot,
  ) {}

  get ctx(): Context {
    const { facts, bot } = this
    if (this.made !== undefined) return this.made
    let update: Update | undefined
    this.made = Object.defineProperty(new Context(UNPARSED, bot.api, bot.me), 'update', {
      get: () => {
        update ??= facts.whole()
        return update
      },
    })
    return this.made
  }
}

/** Whether a glimpse suffices for all questions about an update, and nothing has to see it before it is decided. */
function isForeseeable(chain: Chain, facts: Facts, level: number): boolean {
  if (facts.kind === undefined || facts.activity === 'payment') return false
  // Hooks run before the decision.
  if (chain.services.hooks.deciding) return false
  const { observers } = chain
  for (let i = 0; i < observers.length; i++) {
    const { observes } = observers[i] as (typeof observers)[number]
    if (observes === undefined || observes.includes(facts.activity)) return false
  }
  return chain.plan.isPlain(facts.activity, level)
}
