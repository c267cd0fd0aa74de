import type { Context } from 'grammy'
import { z } from 'zod'
import { chatOf, MARKED_CHAT, markedChatOf } from '../core/chat-of.js'
import type { WhenDown } from '../core/check.js'
import type { Duration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Facts } from '../core/facts.js'
import { ACTIVITIES, ANONYMOUS_ADMIN_ID, CHANNEL_SENDER_ID, TELEGRAM_ID } from '../core/kinds.js'
import { type Key, keySubject, type Subject, subjectKey } from '../core/subject.js'
import { guardOf } from './compose.js'
import type { Guard, Question } from './guard.js'
import { callable, onFailure, option, parseOptions, refusal, subject, timeSpan } from './options/schema.js'
import type { Denial } from './refusing/denial.js'
import { MarkReasons } from './refusing/mark-reasons.js'

/** The durable mark of blocked subjects. */
export const BLOCKED = 'blocked'
/** The durable mark of subjects on the allow list. */
export const ALLOW_LISTED = 'allowed'

const subjects = z.array(subject).readonly()

export const blockOptions = z.strictObject({
  list: option(subjects, 'Subjects that are blocked in addition to those blocked by guard.block().'),
  allow: option(subjects, 'Subjects that this guard never refuses, even if they are blocked.'),
  only: option(z.boolean(), 'Admits only subjects in allow, or passed to guard.allow().', false),
  deny: option(
    z.union([z.literal('silent'), callable<Denial<Context>>()]),
    'What blocked users are told: nothing, or what your function sends.',
    'silent',
  ),
  noticeEvery: option(timeSpan, 'If deny is a function: how often its argument notice is true.', '1m'),
  shadow: refusal.shadow,
  onFailure: onFailure('local'),
})

/**
 * Options of {@link block}.
 *
 * @example
 * ```ts
 * import { type BlockOptions, block, subject } from 'grammy-sentinel'
 *
 * const options: BlockOptions = { list: [1234567, subject.chat(-1001234567890)], allow: [7654321] }
 * block(options)
 * ```
 */
export interface BlockOptions<C extends Context = Context> {
  /** Subjects blocked from the start, in addition to those that `guard.block()` blocks. */
  readonly list?: readonly Subject[] | undefined
  /** Subjects that this guard never refuses, even if they are blocked. */
  readonly allow?: readonly Subject[] | undefined
  /** Refuses everybody who is neither in `allow` nor was passed to `guard.allow()`. @default false */
  readonly only?: boolean | undefined
  /** How blocked users are answered: with no message, unless a function of yours sends one. @default 'silent' */
  readonly deny?: 'silent' | Denial<C> | undefined
  /** With a function as `deny`: the shortest time between two calls with `notice: true`. @default '1m' */
  readonly noticeEvery?: Duration | undefined
  /** Evaluates and counts updates and tells listeners, but never refuses. @default false */
  readonly shadow?: boolean | undefined
  /**
   * What happens while the storage does not answer: `local` uses the last known copy of the lists, `open` lets updates pass,
   * `closed` refuses them (`unavailable`). @default 'local'
   */
  readonly onFailure?: WhenDown | undefined
}

/**
 * Stops blocked subjects, permanently or for a time: users, channels and anonymous administrators as actors, and
 * whole chats as places.
 *
 * They get no message. A tapped button gets the empty answer that stops its spinner, a checkout is declined, and a
 * payment that was already made still passes. Add subjects to the list with `guard.block()`.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `subject.invalid`.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { block } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(block({ list: [1234567] }))
 * ```
 */
export function block<C extends Context = Context>(options: BlockOptions<C> = {}): Guard<C> {
  const {
    list = [],
    allow = [],
    only,
    deny,
    noticeEvery,
    shadow,
    onFailure: whenDown,
  } = parseOptions('block', blockOptions, options)
  const allowed = new Set<Key>(allow)
  for (const key of list) blockable(key, 'block.list')
  return guardOf({
    name: 'block',
    wire(wiring) {
      const { services } = wiring
      const reasons = new MarkReasons(services, BLOCKED)
      const actor = wiring.scope('actor', (facts) => facts.actor)
      const chat = wiring.scope(MARKED_CHAT, markedChatOf)
      const common: Omit<Question<Context>, 'check' | 'name'> = {
        // A completed payment passes: refusing it would keep the money without giving anything for it.
        on: ACTIVITIES.filter((activity) => activity !== 'unknown' && activity !== 'payment'),
        when: allowed.size > 0 ? (facts) => !isAllowed(facts, allowed) : undefined,
        exempt: 'trusted',
        reason: 'blocked',
        denial: deny,
      }
      // Only a function reads `notice`, and remembering the time of the last notice costs memory.
      const onRefusal = typeof deny === 'function' ? { onRefusal: { noticeEvery } } : {}
      const check = { guard: 'block', shadow, ...onRefusal, whenDown }
      const where = [
        ['actor', actor, (facts: Facts) => facts.actor],
        ['chat', chat, markedChatOf],
      ] as const
      for (const [name, subject, keyOf] of where) {
        wiring.ask({
          ...common,
          name,
          note: (facts, ctx) => reasons.of(ctx.me.id, keyOf(facts)),
          check: { ...check, kind: 'absent', slot: `block.${name}`, subject, anyOf: [BLOCKED] },
        })
      }
      if (only) {
        wiring.ask({
          ...common,
          name: 'only',
          check: { ...check, kind: 'present', slot: 'block.only', subject: actor, anyOf: [ALLOW_LISTED] },
        })
      }
      return {
        begin() {
          // Each subject is put on the list once: a later change of other options must not block it again after an unblock().
          const news = list.filter((key) => !services.shared.listed.has(key))
          if (news.length === 0) return
          for (const key of news) services.shared.listed.add(key)
          const since = services.clock()
          const entries = news.map((key) => ({ key, mark: { since, reason: 'listed' } }))
          services.forEveryBot('block.list', (bot) => services.storage.marks.put(bot.id, BLOCKED, entries))
        },
      }
    },
  })
}

const STAND_INS = new Map([
  [ANONYMOUS_ADMIN_ID, ["stands in for every group's anonymous administrators", 'groupId']],
  [CHANNEL_SENDER_ID, ['stands in for every channel that writes in a group', 'channelId']],
  [TELEGRAM_ID, ['is Telegram itself, in whose name linked channels are forwarded', 'channelId']],
])

/**
 * Rejects the stand-in users that Telegram sends in place of many different senders.
 *
 * @throws SentinelError `subject.invalid`, naming the subject to pass instead.
 */
export function refuseStandIn(whom: Subject, what: string, verb: string): void {
  const { kind, id } = typeof whom === 'number' ? { kind: 'user', id: whom } : whom
  const [why, instead] = (kind === 'user' ? STAND_INS.get(id) : undefined) ?? []
  if (why === undefined) return
  const message = `${what}: the user ${id} ${why}: ${verb} subject.sender(${instead}).`
  throw new SentinelError('subject.invalid', message)
}

/**
 * Returns the key of a subject that the block list can stop.
 *
 * @throws SentinelError `subject.invalid` for stand-ins, and for kinds of subject that the block list does not look up.
 */
export function blockable(given: Key, what: string): Key {
  const subject = keySubject(given)
  const { kind, name } = subject
  refuseStandIn(subject, what, 'block')
  if ((kind === 'user' || kind === 'sender' || kind === 'chat') && name === '') return subjectKey(subject)
  throw new SentinelError(
    'subject.invalid',
    `${what}: a subject of kind "${kind}"${kind === 'chat' ? ' with a connection' : ''} cannot be blocked. Pass a user, subject.sender(id) or subject.chat(id).`,
  )
}

/**
 * Returns the key of a subject that can act: registrations, the allow list and roles are looked up by the actor only.
 *
 * @throws SentinelError `subject.invalid` for stand-ins, and for subjects that never act.
 */
export function acting(given: Key, verb: 'register' | 'allow' | 'grant'): Key {
  const subject = keySubject(given)
  refuseStandIn(subject, verb, verb)
  if (subject.kind === 'user' || subject.kind === 'sender') return given
  throw new SentinelError(
    'subject.invalid',
    `${verb}: a subject of kind "${subject.kind}" never acts, so this would have no effect. Pass a user or subject.sender(id). For a single chat, grant a role: guard.grant(id, 'verified', { chat }).`,
  )
}

function isAllowed(facts: Facts, allowed: ReadonlySet<Key>): boolean {
  if (facts.actor !== undefined && allowed.has(facts.actor)) return true
  const chat = chatOf(facts)
  return chat !== undefined && allowed.has(chat)
}
