import { Api, Context } from 'grammy'
import type { Update, UserFromGetMe } from 'grammy/types'
import { MARKED_CHAT } from '../../core/chat-of.js'
import type { Ask, Check, Judge, Variant } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { describe, type Facts } from '../../core/facts.js'
import { capacityOf, formatLimit, type Limit } from '../../core/limit.js'
import {
  chatKey,
  type Key,
  keySubject,
  type Subject,
  type SubjectKind,
  subjectKey,
} from '../../core/subject.js'
import { ALLOWED, type Verdict } from '../../core/verdict.js'
import type { Mark } from '../../storage/contract/storage.js'
import { ChainPlan } from '../chain/chain-plan.js'
import { isSame } from '../chain/earlier-layers.js'
import type { Exemptions } from '../exempt/exemptions.js'
import type { Question } from '../guard.js'
import { JOINS } from '../options/scopes.js'
import type { Chain } from '../pipeline.js'
import { verdictOf } from '../refusing/refusals.js'
import type { KnownBot } from '../services/bots.js'
import { storedLimit } from '../throttle/runtime-limits.js'
import { unknownLimit } from './unknown-limit.js'

/**
 * The state of a limit for one subject.
 *
 * @example
 * ```ts
 * import { type LimitState, sentinel } from 'grammy-sentinel'
 *
 * const line = ({ name, limit, remaining }: LimitState) =>
 *   `${name}: ${Number.isNaN(remaining) ? '' : `${Math.floor(remaining)} left of `}${limit}`
 * console.log((await sentinel().peek(1234567)).map(line)) // ['user: 30 left of 60/1m (burst 30)', …]
 * ```
 */
export interface LimitState {
  readonly guard: string
  /** The limit's name within the guard, such as `user`. */
  readonly name: string
  /**
   * Where the limit is, if not in the sentinel itself: the name of the handler it protects, or of a chain's guards, such as
   * `throttle 1/1m`. Distinguishes limits of the same name, which `reset()` by that name cannot.
   */
  readonly at?: string
  /** The limit in force for the subject, such as `20/1m`; `a function of the update` if a function computes it. */
  readonly limit: string
  /**
   * What is left, in units of cost; `Infinity` if a role exempts the subject. Often a fraction, since a bucket refills
   * continuously: show people `Math.floor` of it. `NaN` for a function, whose limit is known only for an update.
   */
  readonly remaining: number
  /**
   * Milliseconds until one more unit is available; 0 if it is now. For a window whose next refusal would begin a ban, the length
   * of that ban; for a window in shadow, 0; for a function, `NaN` unless a ban is in force.
   */
  readonly retryAfterMs: number
}

/**
 * The result of one check for a simulated update.
 *
 * @example
 * ```ts
 * import type { SimulatedCheck, Simulation } from 'grammy-sentinel'
 *
 * const nameOf = ({ guard, name }: SimulatedCheck) => `${guard}.${name}`
 * const refusers = ({ checks }: Simulation) => checks.filter(({ refuses }) => refuses).map(nameOf)
 * ```
 */
export interface SimulatedCheck {
  readonly guard: string
  readonly name: string
  readonly kind: Check['kind']
  /** Whether the check applies to the update at all. */
  readonly applies: boolean
  readonly refuses: boolean
  readonly shadow: boolean
  readonly retryAfterMs: number
  /** What would be left, in units of cost; NaN for checks that do not count. */
  readonly remaining: number
}

/**
 * The result of `guard.simulate()`: what would happen to an update, and why.
 *
 * @example
 * ```ts
 * import { sentinel, type Simulation } from 'grammy-sentinel'
 *
 * const simulation: Simulation = await sentinel().simulate({
 *   update_id: 1,
 *   message: {
 *     message_id: 1,
 *     date: 0,
 *     text: 'hello',
 *     chat: { id: 7, type: 'private', first_name: 'Alice' },
 *     from: { id: 7, is_bot: false, first_name: 'Alice' },
 *   },
 * })
 * simulation.verdict.allowed // true
 * ```
 */
export interface Simulation {
  readonly verdict: Verdict
  readonly facts: Facts
  /** Whether the actor is exempt by id or as an administrator. Exemptions by role show in `checks`. */
  readonly exempt: boolean
  readonly checks: readonly SimulatedCheck[]
}

/** The scopes in which each kind of subject is counted. */
const SCOPES_OF: Readonly<Record<SubjectKind, readonly string[]>> = {
  user: ['actor'],
  sender: ['actor'],
  chat: ['chat'],
  member: ['member'],
  command: ['command'],
  global: ['global'],
  own: [],
}

/** Returns the state of every limit that counts a subject, or of one by name. Writes nothing. */
export async function peek(chain: Chain, bot: number, whom: Subject, limit?: string): Promise<LimitState[]> {
  const looked: Looked = { bot, key: subjectKey(whom), parts: partsOf(whom), limit }
  revive(chain)
  const states: LimitState[] = []
  for (const each of chain.within) {
    const at = each === chain ? undefined : each.name.slice(chain.name.length + 1)
    states.push(...(await statesIn(each, at, looked)))
  }
  if (limit !== undefined && states.length === 0 && !limitNames(chain).includes(limit)) {
    throw unknownLimit('peek', limit, limitNames(chain))
  }
  return states
}

/** What to look up: a bot, a subject, and optionally one limit. */
interface Looked {
  readonly bot: number
  readonly key: Key
  /** Subjects by scope whose marks may change the limit or exempt the subject. */
  readonly parts: ReadonlyMap<string, Key>
  readonly limit: string | undefined
}

/** Splits a member or a command's user into the actor and the chat. */
function partsOf(whom: Subject): ReadonlyMap<string, Key> {
  const key = subjectKey(whom)
  const { kind, id, actor } = keySubject(key)
  const parts = new Map<string, Key>()
  if (kind === 'user' || kind === 'sender') parts.set('actor', key)
  if (actor !== undefined) parts.set('actor', subjectKey(actor))
  if (kind === 'chat' || kind === 'member') parts.set(MARKED_CHAT, chatKey(id))
  return parts
}

async function statesIn(
  chain: Chain,
  at: string | undefined,
  { bot, key, parts, limit }: Looked,
): Promise<LimitState[]> {
  const { questions } = chain.plan
  const judge = await judgeOf(chain)
  const marks = new Map<Key, ReadonlyMap<string, Mark>>()
  if (questions.some(({ check }) => variantsOf(check).length > 0)) {
    for (const each of new Set([key, ...parts.values()])) {
      marks.set(each, await chain.services.storage.marks.of(bot, each))
    }
  }
  const { runtime } = chain.services
  const own = chain.plan.forStorage('peek')
  const plan = runtime === undefined ? own : runtime.planned(own)
  const states: LimitState[] = []
  for (const [index, question] of questions.entries()) {
    const limited = limitOf(question.check)
    if (limited === undefined || !counts(chain, question.check, key)) continue
    if (limit !== undefined && question.name !== limit) continue
    const ask = only(chain, bot, index, key, parts)
    const effective = inForce(plan.checks[index] as Check, limited, ask, marks)
    const isFunction = question.limit !== undefined
    const known = isFunction ? undefined : effective
    const { left, wait } = await leftOf(judge, question.check, index, ask, known, chain.services.at())
    states.push({
      guard: question.check.guard,
      name: question.name,
      ...(at !== undefined && { at }),
      limit: isFunction ? 'a function of the update' : formatLimit(effective),
      remaining: left,
      retryAfterMs: wait,
    })
  }
  return states
}

/** Units by which a bucket is enlarged in order to measure it, which may be far above a limit that was lowered. */
const EXTRA_UNITS = 100_000

/**
 * Returns what is left of a limit before any charge, and how long until one more unit is available.
 *
 * @param limit Undefined if a function computes the limit: then only bans and exemptions are known.
 */
async function leftOf(
  judge: Judge,
  check: Check,
  index: number,
  ask: Ask,
  limit: Limit | undefined,
  at: Ms | undefined,
): Promise<{ readonly left: number; readonly wait: Ms }> {
  const { refusedBy, cause, shadowRefusals, remaining, retryAfterMs } = await judge.peek(ask, at)
  const left = remaining[index] as number
  const refused = refusedBy >= 0 || shadowRefusals.includes(index)
  if (Number.isNaN(left)) return { left: Number.POSITIVE_INFINITY, wait: retryAfterMs }
  if (limit === undefined) {
    return refusedBy >= 0 && cause === 'penalty'
      ? { left: 0, wait: retryAfterMs }
      : { left: Number.NaN, wait: Number.NaN }
  }
  // The decision is that for an update that was charged. A peek charges nothing, so the unit it would charge is added back.
  if (!refused) return { left: left + 1, wait: retryAfterMs }
  const mayBegin = cause === 'check' && check.onRefusal?.penalty !== undefined
  if (check.kind !== 'bucket' || !(mayBegin || check.shadow === true)) return { left, wait: retryAfterMs }
  // This refusal may begin a ban, and in shadow nobody waits. The same bucket with more room does not refuse.
  const limits = ask.costs.map((_, other) =>
    other === index ? { ...limit, burst: capacityOf(limit) + EXTRA_UNITS } : undefined,
  )
  const roomy = await judge.peek({ ...ask, limits }, at)
  // The answer already has the peek's own unit subtracted.
  const exact = (roomy.remaining[index] as number) + 1 - EXTRA_UNITS
  if (roomy.refusedBy >= 0 || roomy.shadowRefusals.includes(index) || !(exact < 1))
    return { left, wait: retryAfterMs }
  // Rounded first: so large a bucket is measured with a small error.
  return { left: Math.max(0, exact), wait: Math.ceil(Math.round((1 - exact) * limit.per) / limit.amount) }
}

/**
 * Clears what a subject has used, for all bots that were met.
 *
 * @param isOwn Whether the storage is memory of this sentinel's own, where a bot that was not met has used nothing.
 */
export async function reset(
  chain: Chain,
  whom: Subject,
  limit: string | undefined,
  isOwn: boolean,
): Promise<void> {
  const key = subjectKey(whom)
  const slots = limit === undefined ? [undefined] : slotsOf(chain, limit)
  const { bots, storage } = chain.services
  const known = bots.all()
  if (known.length === 0 && !isOwn) {
    // Not put off until a bot is met: that would also clear what other workers count until then.
    throw new SentinelError(
      'bot.unknown',
      'reset: this sentinel does not know its bot yet. Call await bot.init() and guard.install(bot) first.',
    )
  }
  for (const slot of slots) await Promise.all(known.map(({ id }) => storage.reset(id, key, slot)))
}

/** Returns the slots of all limits with a name. */
function slotsOf(chain: Chain, limit: string): readonly string[] {
  const slots = allQuestions(chain).filter(({ name }) => name === limit)
  if (slots.length === 0) throw unknownLimit('reset', limit, limitNames(chain))
  return [...new Set(slots.map(({ check }) => check.slot))]
}

/** Simulates an update, and asks every check on its own as well. Writes nothing. */
export async function simulate(
  chain: Chain,
  exemptions: Exemptions,
  bot: KnownBot | undefined,
  update: Update,
): Promise<Simulation> {
  const me = bot?.me ?? NOBODY
  const ctx = new Context(update, bot?.api ?? new Api('0:simulated'), me)
  const facts = describe(update, bot?.reading)
  const level = exemptions.levelOf(facts, me.id)
  const { questions } = chain.plan
  const ask = facts.kind === undefined ? undefined : chain.plan.askFor(facts, ctx, me.id, level)
  const judge = await judgeOf(chain)
  const now = chain.services.at()
  const checks: SimulatedCheck[] = []
  for (const [index, { check, name, probe }] of questions.entries()) {
    if (probe === true) continue
    const applies =
      ask !== undefined && (ask.costs[index] as number) > 0 && ask.subjects[check.subject] !== undefined
    const alone = applies ? await judge.peek(onlyOf(ask as Ask, index), now) : undefined
    const refuses = alone !== undefined && (alone.refusedBy >= 0 || alone.shadowRefusals.includes(index))
    checks.push({
      guard: check.guard,
      name,
      kind: check.kind,
      applies,
      refuses,
      shadow: check.shadow === true,
      retryAfterMs: alone?.retryAfterMs ?? 0,
      remaining: alone?.remaining[index] ?? Number.NaN,
    })
  }
  const decision = ask === undefined ? undefined : await judge.peek(ask, now)
  const refuser = decision === undefined || decision.refusedBy < 0 ? undefined : questions[decision.refusedBy]
  // As for a real update, Telegram is asked for the chat's administrators if they are not known.
  const rescued =
    bot !== undefined && refuser?.exempt === 'everybody' && (await exemptions.rescues(facts, ctx))
  const verdict: Verdict =
    refuser === undefined || decision === undefined || rescued ? ALLOWED : verdictOf(refuser, decision)
  return { verdict, facts, exempt: level > 0 || rescued, checks }
}

const NOBODY: UserFromGetMe = {
  id: 1,
  is_bot: true,
  first_name: 'simulated',
  username: 'simulated_bot',
  can_join_groups: true,
  can_read_all_group_messages: false,
  supports_inline_queries: false,
  can_connect_to_business: false,
  has_main_web_app: false,
} as UserFromGetMe

async function judgeOf(chain: Chain): Promise<Judge> {
  const judge = await chain.ready()
  if (judge !== undefined) return judge
  throw new SentinelError(
    'storage.failed',
    'The storage could not prepare the plan; see the "error" event for why.',
  )
}

function counts(chain: Chain, check: Check, key: Key): boolean {
  const name = chain.plan.scopeNames()[check.subject] as string
  const { kind } = keySubject(key)
  // Limits of users count changes of members in each chat separately: see scopeOf().
  if (kind === 'member' && name === `actor${JOINS}`) return true
  // The part after the dot names a record of its own for the same subject: see throttle's edits and joins.
  const [scope = ''] = name.split('.')
  return kind === 'own' ? scope.startsWith('own:') : SCOPES_OF[kind].includes(scope)
}

function limitOf(check: Check): Limit | undefined {
  return check.kind === 'bucket' || check.kind === 'window' ? check.limit : undefined
}

function variantsOf(check: Check): readonly Variant[] {
  return check.kind === 'bucket' || check.kind === 'window' ? (check.variants ?? []) : []
}

/** Returns the limit in force for the subjects of an ask: that of the first variant whose mark they hold. */
function inForce(
  check: Check,
  usual: Limit,
  { subjects }: Ask,
  marks: ReadonlyMap<Key, ReadonlyMap<string, Mark>>,
): Limit {
  for (const { mark, subject, limit, within } of variantsOf(check)) {
    const held = marks.get(subjects[subject] as Key)?.get(mark)
    if (held === undefined) continue
    if (limit !== 'stored') return limit
    const stored = storedLimit(held, within)
    if (stored !== undefined) return stored
  }
  return usual
}

/** Creates an ask about one subject for one check. */
function only(chain: Chain, bot: number, index: number, key: Key, parts: ReadonlyMap<string, Key>): Ask {
  const { questions } = chain.plan
  const { check } = questions[index] as Question<Context>
  const subjects = chain.plan
    .scopeNames()
    .map((name, scope) => (scope === check.subject ? key : parts.get(name)))
  return { bot, subjects, costs: questions.map((_, other) => (other === index ? 1 : 0)), tokens: [] }
}

function onlyOf(ask: Ask, index: number): Ask {
  return { ...ask, costs: ask.costs.map((cost, other) => (other === index ? cost : 0)) }
}

/** Recreates the guards in front of handlers that have not been used since options were changed. */
function revive(chain: Chain): void {
  const { earlierLayers } = chain
  for (const key of earlierLayers.usedSince.values()) {
    const known = [...earlierLayers.layers, ...chain.layers].some(
      (each) => each.key !== undefined && isSame(each.key, key),
    )
    if (!known) earlierLayers.layers.push({ key, layer: undefined })
  }
  earlierLayers.usedSince.clear()
  for (const { key, layer } of [...earlierLayers.layers]) {
    if (layer !== undefined) continue
    try {
      earlierLayers.layers.push({ key, layer: chain.layer(key) })
    } catch {
      // These guards do not fit the present options. That is reported when the handler is used.
    }
  }
}

/** Returns all questions: of the sentinel, of handlers that have received updates, and of named policies. */
function allQuestions(chain: Chain): readonly Question<Context>[] {
  const { services } = chain
  revive(chain)
  const known = chain.within.flatMap((each) => each.plan.questions)
  const named = (services.policies?.names ?? []).flatMap(
    (name) => new ChainPlan(services, services.policies?.definitionsOf(name, undefined) ?? []).questions,
  )
  return [...known, ...named]
}

function limitNames(chain: Chain): readonly string[] {
  const limits = allQuestions(chain).filter(({ check }) => limitOf(check) !== undefined)
  return [...new Set(limits.map(({ name }) => name))]
}
