import type { Context } from 'grammy'
import { MARKED_CHAT } from '../core/chat-of.js'
import type { Variant } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { formatLimit } from '../core/limit.js'
import { hintAt } from '../core/nearest.js'
import { shown } from '../core/show.js'
import {
  chatKey,
  type Key,
  keySubject,
  keyText,
  type Subject,
  type SubjectRef,
  subjectKey,
} from '../core/subject.js'
import { ChainPlan } from '../middleware/chain/chain-plan.js'
import type { Guard, Question } from '../middleware/guard.js'
import type { Services } from '../middleware/services.js'
import {
  ADAPTED_MARK,
  LIMIT_MARK,
  ROLE_MARK,
  SETTING_MARK,
  storedLimit,
} from '../middleware/throttle/runtime-limits.js'
import type { Mark } from '../storage/contract/storage.js'
import type { PartOrigin, Resolved } from './layers.js'
import { useOf } from './policy.js'
import { definitionsOf, type PolicyBook } from './policy-book.js'
import type { Policy } from './policy-options.js'
import type { RoleLimit } from './role-limits.js'

/**
 * Where a limit comes from, in order of precedence: set for the `user`, set for the `chat`, set by the administrators of the chat
 * (`settings`), set for a role, `adapted` to conduct, the handler's own, the policy's, or from the `options` of the sentinel.
 *
 * @example
 * ```ts
 * import type { LimitOrigin } from 'grammy-sentinel'
 *
 * const isPersonal = (from: LimitOrigin): boolean => from === 'user' || from === 'adapted'
 * ```
 */
export type LimitOrigin = 'user' | 'chat' | 'settings' | `role ${string}` | 'adapted' | PartOrigin | 'options'

/**
 * A limit that was considered, and whether it applies.
 *
 * @example
 * ```ts
 * import type { ConsideredLimit } from 'grammy-sentinel'
 *
 * const line = ({ from, limit, applies }: ConsideredLimit) => `${applies ? '→' : ' '} ${limit} (${from})`
 * ```
 */
export interface ConsideredLimit {
  readonly from: LimitOrigin
  /** Such as `5/1m`. */
  readonly limit: string
  /** Whether this limit is in effect for the subject. The first limit in effect applies. */
  readonly held: boolean
  readonly applies: boolean
  /** Whether it was set while the bot runs, rather than in code or options. */
  readonly stored: boolean
  /** When it expires, in milliseconds since 1970. Absent: never. */
  readonly until?: number
  readonly reason?: string
}

/**
 * The limit that applies to a subject, and all limits that were considered.
 *
 * @example
 * ```ts
 * import type { ExplainedLimit } from 'grammy-sentinel'
 *
 * const line = ({ name, limit, from }: ExplainedLimit) => `${name}: ${limit}, from ${from}`
 * ```
 */
export interface ExplainedLimit {
  /** Its name, such as `user`. */
  readonly name: string
  /** Such as `5/1m`. */
  readonly limit: string
  readonly from: LimitOrigin
  /** In order of precedence. */
  readonly considered: readonly ConsideredLimit[]
}

/**
 * A part of a policy, and where it comes from.
 *
 * @example
 * ```ts
 * import type { ExplainedPart } from 'grammy-sentinel'
 *
 * const penalty: ExplainedPart = { name: 'throttle.penalty', value: '{"bans":["10m"]}', from: 'policy strict' }
 * ```
 */
export interface ExplainedPart {
  /** Such as `throttle.penalty`, `debounce.window`, `roles`. */
  readonly name: string
  /** The value as JSON, with `a function` in place of a function. */
  readonly value: string
  readonly from: PartOrigin
}

/**
 * The result of `guard.explain()`: which limits apply to a subject, and where each part of the policy comes from.
 *
 * @example
 * ```ts
 * import { type Explanation, sentinel } from 'grammy-sentinel'
 *
 * const guard = sentinel({ policies: { checkout: { throttle: '3/1m' } } })
 * const explanation: Explanation = await guard.explain(1234567, 'checkout')
 * console.log(explanation.text)
 * ```
 */
export interface Explanation {
  readonly subject: SubjectRef
  /** The name of the policy. Absent if the sentinel's own limits are explained. */
  readonly policy?: string
  readonly limits: readonly ExplainedLimit[]
  /** The parts of the policy, in the order in which its layers were merged. */
  readonly parts: readonly ExplainedPart[]
  /** The whole explanation as readable text of several lines. */
  readonly text: string
}

/** Where an explanation finds limits and policies. */
interface Sources {
  /** The guards of the sentinel itself. */
  readonly main: ChainPlan
  readonly policies: PolicyBook
  /** Limits of roles that were set while the bot runs. */
  readonly roleLimits: readonly RoleLimit[]
}

/**
 * Explains which limits apply to a subject under a policy, or under the sentinel itself. Uses the same variants as the plan, so it
 * matches what guards really decide.
 */
export async function explain(
  services: Services,
  whom: Subject,
  policy: string | Policy | Guard | undefined,
  { main, policies, roleLimits }: Sources,
): Promise<Explanation> {
  const { chainPlan, resolved } =
    policy === undefined ? { chainPlan: main, resolved: undefined } : asked(services, policies, policy)
  const key = subjectKey(whom)
  const subject = keySubject(key)
  const { actor, chat } = placesOf(key, subject)
  const marks = { actor: await marksOf(services, actor), chat: await marksOf(services, chat) }
  const own = chainPlan.forStorage('explain')
  const plan = services.runtime?.planned(own) ?? own
  const limits = plan.checks.flatMap((check, index): ExplainedLimit[] => {
    if (check.kind !== 'bucket' && check.kind !== 'window') return []
    const question = chainPlan.questions[index] as Question<Context>
    const origin = originOf(question, resolved)
    const considered: ConsideredLimit[] = []
    let applied = false
    for (const variant of check.variants ?? []) {
      const isChat = plan.scopes[variant.subject] === MARKED_CHAT
      const mark = (isChat ? marks.chat : marks.actor).get(variant.mark)
      const limit = variant.limit === 'stored' ? storedLimit(mark, variant.within) : variant.limit
      if (limit === undefined) continue
      const held = mark !== undefined
      const roleLimit = roleLimits.find(
        ({ slot, role }) => slot === check.slot && `${ROLE_MARK}${role}` === variant.mark,
      )
      considered.push({
        from: variantOrigin(variant, isChat),
        limit: formatLimit(limit),
        held,
        applies: held && !applied,
        stored: variant.limit === 'stored' || roleLimit !== undefined,
        ...endOf(variant.limit === 'stored' ? mark : roleLimit),
      })
      applied ||= held
    }
    const base = question.limit === undefined ? formatLimit(check.limit) : 'a function of the update'
    considered.push({ from: origin, limit: base, held: true, applies: !applied, stored: false })
    const { from, limit } = considered.find(({ applies }) => applies) as ConsideredLimit
    return [{ name: question.name, limit, from, considered }]
  })
  const parts = [...(resolved?.parts ?? [])].map(([name, { value, from }]): ExplainedPart => {
    return { name, value: shownValue(value), from }
  })
  const told = { subject, ...(resolved === undefined ? {} : { policy: resolved.name }), limits, parts }
  return { ...told, text: textOf(told, key) }
}

/** Returns the limits of a policy, and what they are merged from. */
function asked(
  services: Services,
  policies: PolicyBook,
  given: string | Policy | Guard,
): { readonly chainPlan: ChainPlan; readonly resolved: Resolved } {
  const use = typeof given === 'function' ? useOf(given) : { policy: given, own: undefined }
  if (use === undefined) throw notOfPolicy()
  const { policy, own } = use
  if (typeof policy === 'string' && !policies.names.includes(policy)) {
    throw unexplained(policy, policies.names)
  }
  const resolved = policies.resolved(policy, own)
  const definitions =
    typeof policy === 'string' ? policies.definitionsOf(policy, own) : definitionsOf(resolved)
  return { chainPlan: new ChainPlan(services, definitions), resolved }
}

/** The error for a guard that policy() did not make. */
function notOfPolicy(): SentinelError {
  return new SentinelError(
    'option.invalid',
    `explain: this guard was not made by policy(). Pass a policy, its name, or the result of policy(). ${BY_PEEK}`,
  )
}

/** The error for an unknown name of a policy, listing the known ones. */
function unexplained(name: string, known: readonly string[]): SentinelError {
  const list = known.length === 0 ? '' : ` Policies: ${known.join(', ')}.`
  return new SentinelError(
    'policy.unknown',
    `explain: this sentinel has no policy ${shown(name)}.${hintAt(name, known)}${list} Only policies and the limits of the sentinel itself are explained. ${BY_PEEK}`,
  )
}

const BY_PEEK = 'For a throttle() in front of a handler, guard.peek() returns the limit in force.'

function placesOf(key: Key, subject: SubjectRef): { readonly actor?: Key; readonly chat?: Key } {
  switch (subject.kind) {
    case 'user':
    case 'sender':
      return { actor: key }
    case 'chat':
      return { chat: chatKey(subject.id) }
    case 'member':
      return { actor: subjectKey(subject.actor as SubjectRef), chat: chatKey(subject.id) }
    default:
      throw new SentinelError(
        'subject.invalid',
        `explain: a ${subject.kind} has no limits of its own. Pass a user id, subject.chat(-100…), or subject.member(1, -100…) for a user in a chat.`,
      )
  }
}

async function marksOf(services: Services, key: Key | undefined): Promise<ReadonlyMap<string, Mark>> {
  const [bot] = services.bots.all()
  return key === undefined || bot === undefined ? new Map() : services.storage.marks.of(bot.id, key)
}

function variantOrigin({ mark }: Variant, isChat: boolean): LimitOrigin {
  if (mark.startsWith(LIMIT_MARK)) return isChat ? 'chat' : 'user'
  if (mark.startsWith(SETTING_MARK)) return 'settings'
  if (mark.startsWith(ADAPTED_MARK)) return 'adapted'
  return `role ${mark.slice(ROLE_MARK.length)}`
}

function originOf({ name }: Question<Context>, resolved: Resolved | undefined): LimitOrigin {
  if (resolved === undefined) return 'options'
  const part = name.endsWith('.inline') ? resolved.parts.get('throttle.inline') : undefined
  return (part ?? resolved.parts.get('throttle.limit') ?? resolved.parts.get('throttle'))?.from ?? 'options'
}

function endOf(
  mark: { readonly until?: number | undefined; readonly reason?: string | undefined } | undefined,
): { readonly until?: number; readonly reason?: string } {
  return {
    ...(mark?.until === undefined ? {} : { until: mark.until }),
    ...(mark?.reason === undefined ? {} : { reason: mark.reason }),
  }
}

function shownValue(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  const text = JSON.stringify(value, (_, held: unknown) => (typeof held === 'function' ? 'a function' : held))
  return text === undefined ? String(value) : text
}

function textOf({ policy, limits, parts }: Omit<Explanation, 'subject' | 'text'>, key: Key): string {
  const lines = [`${policy === undefined ? 'The sentinel' : `Policy ${policy}`} for ${keyText(key)}:`]
  for (const { name, considered } of limits) {
    const said = ({ limit, from, until, reason, stored }: ConsideredLimit): string => {
      const how = stored ? `, set at run time${until === undefined ? '' : ` until ${dateOf(until)}`}` : ''
      return `${limit} (${from}${how}${reason === undefined ? '' : `: ${reason}`})`
    }
    const applied = considered.find(({ applies }) => applies) as ConsideredLimit
    lines.push(`- ${name}: ${said(applied)}`)
    const others = considered.filter(({ applies }) => !applies)
    const beaten = others.filter(({ held }) => held)
    const away = others.filter(({ held }) => !held)
    if (beaten.length > 0) lines.push(`  before ${beaten.map(said).join(', ')}`)
    if (away.length > 0) lines.push(`  not held: ${away.map(said).join(', ')}`)
  }
  for (const { name, value, from } of parts) lines.push(`- ${name} = ${value} (${from})`)
  return lines.join('\n')
}

function dateOf(at: number): string {
  return Number.isFinite(at) && Math.abs(at) < 8.64e15 ? new Date(at).toISOString() : String(at)
}
