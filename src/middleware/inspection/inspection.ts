import { Api, Context } from 'grammy'
import type { Update, UserFromGetMe } from 'grammy/types'
import type { Ask, Check, Judge, Variant } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import { describe, type Facts } from '../../core/facts.js'
import { formatLimit, type Limit } from '../../core/limit.js'
import {
  chatKey,
  type Key,
  keySubject,
  type Subject,
  type SubjectKind,
  subjectKey,
} from '../../core/subject.js'
import { ALLOWED, type Verdict } from '../../core/verdict.js'
import type { Mark } from '../../storage/storage.js'
import type { KnownBot } from '../chain/bots.js'
import { isSame } from '../chain/former.js'
import { Questions } from '../chain/wiring.js'
import type { Exemptions } from '../exempt/exemptions.js'
import type { Question } from '../guard.js'
import type { Chain } from '../pipeline.js'
import { verdictOf } from '../refusing/refusals.js'
import { storedLimit } from '../throttle/runtime-limits.js'
import { unknownLimit } from './unknown-limit.js'

/**
 * A limit as it stands for one subject.
 *
 * @example
 * ```ts
 * import { type LimitState, sentinel } from 'grammy-sentinel'
 *
 * const line = ({ name, limit, remaining }: LimitState) => `${name}: ${Math.floor(remaining)} left of ${limit}`
 * console.log((await sentinel().peek(1234567)).map(line)) // ['user: 30 left of 60/1m (burst 30)', …]
 * ```
 */
export interface LimitState {
  readonly guard: string
  /** Its name within the guard, such as `user`. */
  readonly name: string
  /**
   * Where it stands, if not in the sentinel itself: in front of a handler, which names it, or among the guards of a chain, such as
   * `throttle 1/1m`. Tells limits of one name apart, which `reset()` by that name cannot.
   */
  readonly at?: string
  /** Such as `20/1m`: the one that holds for the subject. */
  readonly limit: string
  /**
   * What is left, in units of cost; `Infinity` for whoever is let off by a role. A bucket refills all the time, so it may be a
   * fraction: `Math.floor` it for people.
   */
  readonly remaining: number
  /** Milliseconds until one more unit passes; 0 if it does now. */
  readonly retryAfterMs: number
}

/**
 * What one check would say of a simulated update.
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
  /** Whether the update would be asked for it at all. */
  readonly applies: boolean
  readonly refuses: boolean
  readonly shadow: boolean
  readonly retryAfterMs: number
  /** What would be left, in units of cost; NaN where nothing is counted. */
  readonly remaining: number
}

/**
 * What would happen to an update, and why.
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
  /** Whether the actor is let off by id, or as an administrator. Roles are seen in `checks`. */
  readonly exempt: boolean
  readonly checks: readonly SimulatedCheck[]
}

/** Scopes that a subject of a kind is counted in. */
const SCOPES_OF: Readonly<Record<SubjectKind, readonly string[]>> = {
  user: ['actor'],
  sender: ['actor'],
  chat: ['chat'],
  member: ['member'],
  command: ['command'],
  global: ['global'],
  own: [],
}

/** Every limit that counts a subject, as it stands; one of them if named. Writes nothing. */
export async function peek(
  chain: Chain<Context>,
  bot: number,
  whom: Subject,
  limit?: string,
): Promise<LimitState[]> {
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

/** Whom is looked at, and by which limit. */
interface Looked {
  readonly bot: number
  readonly key: Key
  /** By scope: those whose marks may set a limit of theirs, or let them off. */
  readonly parts: ReadonlyMap<string, Key>
  readonly limit: string | undefined
}

/** Of somebody in a chat, or with a command, who they are, and where. */
function partsOf(whom: Subject): ReadonlyMap<string, Key> {
  const key = subjectKey(whom)
  const { kind, id, actor } = keySubject(key)
  const parts = new Map<string, Key>()
  if (kind === 'user' || kind === 'sender') parts.set('actor', key)
  if (kind === 'chat') parts.set('chat', key)
  if (actor !== undefined) parts.set('actor', subjectKey(actor))
  if (kind === 'member') parts.set('chat', chatKey(id))
  return parts
}

async function statesIn(
  chain: Chain<Context>,
  at: string | undefined,
  { bot, key, parts, limit }: Looked,
): Promise<LimitState[]> {
  const { questions } = chain.questions
  const judge = await judgeOf(chain)
  const marks = new Map<Key, ReadonlyMap<string, Mark>>()
  if (questions.some(({ check }) => variantsOf(check).length > 0)) {
    for (const each of new Set([key, ...parts.values()])) {
      marks.set(each, await chain.services.storage.marks.of(bot, each))
    }
  }
  const { runtime } = chain.services
  const own = chain.questions.plan('peek')
  const plan = runtime === undefined ? own : runtime.planned(own)
  const states: LimitState[] = []
  for (const [index, question] of questions.entries()) {
    const limited = limitOf(question.check)
    if (limited === undefined || !counts(chain, question.check, key)) continue
    if (limit !== undefined && question.name !== limit) continue
    const ask = only(chain, bot, index, key, parts)
    const decision = await judge.peek(ask, chain.services.at())
    const refused = decision.refusedBy >= 0
    // The answer is that of an update that was charged. A peek charges nothing, so what it would charge is added again.
    const left = decision.remaining[index] as number
    states.push({
      guard: question.check.guard,
      name: question.name,
      ...(at !== undefined && { at }),
      limit: formatLimit(inForce(plan.checks[index] as Check, limited, ask, marks)),
      remaining: Number.isNaN(left) ? Number.POSITIVE_INFINITY : refused ? left : left + 1,
      retryAfterMs: decision.retryAfterMs,
    })
  }
  return states
}

/** The slots of a limit by its name. */
export function slotsOf(chain: Chain<Context>, limit: string): readonly string[] {
  const slots = allQuestions(chain).filter(({ name }) => name === limit)
  if (slots.length === 0) throw unknownLimit('reset', limit, limitNames(chain))
  return [...new Set(slots.map(({ check }) => check.slot))]
}

/** What would happen to an update now, and why. Asks every check by itself, too. Writes nothing. */
export async function simulate(
  chain: Chain<Context>,
  exemptions: Exemptions,
  bot: KnownBot | undefined,
  update: Update,
  failed: (error: unknown, what: string) => void,
): Promise<Simulation> {
  const me = bot?.me ?? NOBODY
  const ctx = new Context(update, bot?.api ?? new Api('0:simulated'), me)
  const facts = describe(update, bot?.reading)
  const level = exemptions.levelOf(facts, me.id)
  const { questions } = chain.questions
  const ask = facts.kind === undefined ? undefined : chain.questions.askFor(facts, ctx, me.id, level, failed)
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
  // As it would be with the update itself: Telegram is asked for who administers the chat, if that is not known.
  const rescued =
    bot !== undefined && refuser?.excused === 'everybody' && (await exemptions.rescues(facts, ctx))
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

async function judgeOf(chain: Chain<Context>): Promise<Judge> {
  const judge = await chain.ready()
  if (judge !== undefined) return judge
  throw new SentinelError(
    'storage.failed',
    'The storage could not prepare the plan; see the "error" event for why.',
  )
}

function counts(chain: Chain<Context>, check: Check, key: Key): boolean {
  // What follows the dot is a part of the same subject: see throttle's edits and joins.
  const [scope = ''] = (chain.questions.scopeNames()[check.subject] as string).split('.')
  const { kind } = keySubject(key)
  return kind === 'own' ? scope.startsWith('own:') : SCOPES_OF[kind].includes(scope)
}

function limitOf(check: Check): Limit | undefined {
  return check.kind === 'bucket' || check.kind === 'window' ? check.limit : undefined
}

function variantsOf(check: Check): readonly Variant[] {
  return check.kind === 'bucket' || check.kind === 'window' ? (check.variants ?? []) : []
}

/** The limit that holds for whom an ask is about: that of the first variant whose mark they hold, as the plan has it. */
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

/** An ask about one subject, for one check. */
function only(
  chain: Chain<Context>,
  bot: number,
  index: number,
  key: Key,
  parts: ReadonlyMap<string, Key>,
): Ask {
  const { questions } = chain.questions
  const { check } = questions[index] as Question<Context>
  const subjects = chain.questions
    .scopeNames()
    .map((name, scope) => (scope === check.subject ? key : parts.get(name)))
  return { bot, subjects, costs: questions.map((_, other) => (other === index ? 1 : 0)), tokens: [] }
}

function onlyOf(ask: Ask, index: number): Ask {
  return { ...ask, costs: ask.costs.map((cost, other) => (other === index ? cost : 0)) }
}

/** Makes what stands in front of handlers anew, where options were changed since it was used. */
function revive(chain: Chain<Context>): void {
  const { former } = chain
  for (const of of former.late.values()) {
    const known = [...former.layers, ...chain.layers].some(
      (each) => each.of !== undefined && isSame(each.of, of),
    )
    if (!known) former.layers.push({ of, layer: undefined })
  }
  former.late.clear()
  for (const { of, layer } of [...former.layers]) {
    if (layer !== undefined) continue
    try {
      former.layers.push({ of, layer: chain.layer(...of) })
    } catch {
      // It does not fit the present options. That is reported when the handler is used.
    }
  }
}

/** Those of handlers, too, once an update has come to them, and of policies by name. */
function allQuestions(chain: Chain<Context>): readonly Question<Context>[] {
  const { services } = chain
  revive(chain)
  const known = chain.within.flatMap((each) => each.questions.questions)
  const named = (services.policies?.names ?? []).flatMap(
    (name) => new Questions(services, services.policies?.definitionsOf(name, undefined) ?? []).questions,
  )
  return [...known, ...named]
}

function limitNames(chain: Chain<Context>): readonly string[] {
  const limits = allQuestions(chain).filter(({ check }) => limitOf(check) !== undefined)
  return [...new Set(limits.map(({ name }) => name))]
}
