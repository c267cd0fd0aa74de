import { Context } from 'grammy'
import type { Update } from 'grammy/types'
import { type Decision, isPromise, type MaybePromise, type Settlement } from '../core/check.js'
import type { Clock } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import { type Key, senderKey, userKey } from '../core/subject.js'
import type { KnownBot } from '../middleware/chain/bots.js'
import type { SentinelFlavor } from '../middleware/chain/control.js'
import type { Foretelling } from '../middleware/chain/foretelling.js'
import { isLettingOff } from '../middleware/exempt/excuses.js'
import type { Question } from '../middleware/guard.js'
import type { Chain } from '../middleware/pipeline.js'
import type { UnreadUpdate } from '../middleware/refusing/refusals.js'
import { type Glimpse, glimpse } from './glimpse.js'
import { Parties } from './parties.js'

/** Offenders remembered in each of two generations. */
const MOST = 16_384
/** How long a generation lasts. */
const REMEMBERED: Ms = 60_000
/** Nothing that asks for this is decided about unparsed. */
const UNREAD = Object.freeze(Object.create(null)) as Context
/** Stands where the update comes once somebody looks. */
const UNPARSED = Object.freeze(Object.create(null)) as Update

/** How a decision is settled that comes to nothing. */
const VOID: readonly Settlement[] = ['release', 'refund']
/** The same for one whose update is decided about anew: what is released has paid, and pays no second time. */
const PAID: readonly Settlement[] = ['release']

/** A decision, and whose: chains that come after, by `reconfigure()`, ask other questions. */
export interface Made {
  readonly chain: Chain<Context>
  readonly decision: Decision
}

/** An update on its way to the guard. */
export interface Expected {
  readonly update: Update
  came: boolean
}

/** What has come to a door and not gone yet, by update id: each bot counts by itself. */
export interface UnderWay {
  readonly running: ReadonlyMap<number, unknown>
  /** About these a storage elsewhere is asked, by the gate. */
  readonly asked: Map<number, Promise<unknown>>
}

/** The chats in which somebody was refused; undefined stands for none, as of an inline query. */
type Places = Set<number | undefined>

/** The update was refused, and all that follows from that is done. */
export const AWAY = 'away'

/**
 * Decides about whoever was refused a moment ago before their update is parsed.
 *
 * It remembers no refusal, only by whom the last was earned, and where: the storage is asked as it would be later, once, and writes what it
 * would write then. Where more follows from the refusal than counting it (a notice, a listener, a function of yours), and where the
 * update is let in, it is parsed after all and goes its way with the decision that was made.
 */
export class Gate implements Foretelling {
  private readonly users = new Parties()
  private readonly chats = new Parties()
  private newer = new Map<Key, Places>()
  private older = new Map<Key, Places>()
  /** How many there are in the newer generation, by actor and place. */
  private noted = 0
  private readonly made = new WeakMap<Update, Made>()
  /** The latest that was handed to the bot. */
  private expected: Expected | undefined
  /** Came to the chain when others were on their way already. */
  private readonly late = new WeakSet<Update>()
  private turnAt: Ms = Number.NEGATIVE_INFINITY
  /** Decisions handed on and not taken yet: while there is none, no update looks for one. */
  private waiting = 0

  constructor(
    private readonly chain: () => Chain<Context>,
    private readonly failed: (error: unknown, during: string) => void,
    private readonly clock: Clock,
    private readonly most = MOST,
  ) {}

  /**
   * What is decided about a body: `AWAY` when its update was refused and counted, a decision to {@link hand} on with the update,
   * or undefined: it is parsed, and decided about as always.
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
    // What comes again while it is under way waits for how that ends.
    if (running.has(facts.updateId)) return undefined
    const same = asked.get(facts.updateId)
    // If the second were asked about, too, it would count as a duplicate, and be answered before it is known how the first one ends.
    if (same !== undefined) return same.then(() => undefined)
    const level = chain.exemptions.levelOf(facts, bot)
    if (!isForeseeable(chain, facts, level)) return undefined
    const ask = chain.questions.askFor(facts, UNREAD, bot, level, this.failed)
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
      (later) => this.judged(chain, facts, known, later),
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

  /** Lets the chain go by a decision when the update comes to it. */
  hand(update: Update, made: Made): void {
    this.made.set(update, made)
    this.waiting++
  }

  take(update: Update, by: object): MaybePromise<Decision | undefined> {
    if (this.waiting === 0) return undefined
    const made = this.forget(update)
    if (made === undefined || made.chain === by) return made?.decision
    const isOnce = made.chain.questions.asks('once') && this.chain().questions.asks('once')
    return this.giveBack(made, isOnce ? PAID : VOID).then(() => undefined)
  }

  /** The update has gone its way: if it never came to the chain, what was decided is void. */
  drop(update: Update): void {
    const made = this.waiting === 0 ? undefined : this.forget(update)
    if (made !== undefined) void this.giveBack(made)
  }

  /** Takes back what a decision has charged and claimed that nobody goes by. Does not reject. */
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

  /** The bot is given an update, which should come to the chain. */
  expect(update: Expected): void {
    this.expected = update
  }

  came(update: Update): void {
    const { expected } = this
    if (expected?.update === update) expected.came = true
    else this.late.add(update)
  }

  /** Whether an update has come to the chain. */
  hasCome({ update, came }: Expected): boolean {
    return came || this.late.has(update)
  }

  private forget(update: Update): Made | undefined {
    const made = this.made.get(update)
    if (this.made.delete(update)) this.waiting--
    return made
  }

  refused({ actor, chatId }: Facts, ctx: Context & Partial<SentinelFlavor>, { cause }: Decision): void {
    // Behind another guard this one is not asked first: whom that one stops must not be charged by this one.
    if (actor === undefined || ctx.sentinel !== undefined) return
    if (cause !== 'check' && cause !== 'penalty') return
    const now = this.clock()
    if (this.noted >= this.most || now >= this.turnAt) {
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
   * Whether anything in the body looks like one of them: a search for their usual place, which costs the others next to nothing.
   * Whoever is missed here is parsed; who is found is looked at in earnest.
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

  /** Elsewhere the guard need not be in the way of their updates. */
  private wasRefused(actor: Key, chatId: number | undefined): boolean {
    return this.newer.get(actor)?.has(chatId) === true || this.older.get(actor)?.has(chatId) === true
  }

  private judged(
    chain: Chain<Context>,
    facts: Glimpse,
    known: KnownBot,
    decision: Decision,
  ): typeof AWAY | Made {
    const { refusedBy } = decision
    if (refusedBy < 0) return { chain, decision }
    const question = chain.questions.questions[refusedBy] as Question<Context>
    // An administrator is let off where they are known as one, which only Telegram may tell.
    const mayRescue =
      question.rescues !== undefined ||
      (question.excused === 'everybody' && chain.services.administrators !== undefined && facts.inGroup)
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

/** The number that stands behind the first of some words. */
function idAfter(text: string, words: string): number | undefined {
  const found = text.indexOf(words)
  if (found < 0) return undefined
  let at = found + words.length
  const negative = text.charCodeAt(at) === 45
  if (negative) at++
  let id = 0
  for (let code = text.charCodeAt(at); code >= 48 && code <= 57; code = text.charCodeAt(++at)) {
    id = id * 10 + (code - 48)
  }
  return negative ? -id : id
}

/** Whether somebody has to see every update, decided about or not: hooks and traces, and whoever lets others off further up. */
function isWatched({ services, probing }: Chain<Context>): boolean {
  return (
    services.hooks.deciding ||
    (probing?.update !== undefined && probing.unread === undefined) ||
    isLettingOff()
  )
}

/** The update itself, for bystanders who look at it: it is parsed when they ask for more than whose bot it is. */
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

/** Whether all that an update asks is known from a glimpse of it, and nobody has to see it before it is decided about. */
function isForeseeable(chain: Chain<Context>, facts: Facts, level: number): boolean {
  if (facts.kind === undefined || facts.activity === 'payment') return false
  // Hooks come before the decision.
  if (chain.services.hooks.deciding) return false
  const { observers } = chain
  for (let i = 0; i < observers.length; i++) {
    const { observes } = observers[i] as (typeof observers)[number]
    if (observes === undefined || observes.includes(facts.activity)) return false
  }
  return chain.questions.isPlain(facts.activity, level)
}
