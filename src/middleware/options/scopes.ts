import type { Context } from 'grammy'
import { chatOf } from '../../core/chat-of.js'
import { SentinelError } from '../../core/errors.js'
import type { Facts } from '../../core/facts.js'
import { commandKey, GLOBAL_KEY, type Key, memberKey, ownKey, userKey } from '../../core/subject.js'
import { shownAnswer } from '../../core/unawaited.js'
import type { SubjectOf } from '../guard.js'
import { word } from './schema.js'

/**
 * The scopes of a limit: the actor (`user`, which includes channels and a group's anonymous administrators), the
 * `chat` as a place, the actor inside one chat (`member`), the actor's use of each `command`, or the whole bot
 * (`global`).
 */
const SCOPES = ['user', 'chat', 'member', 'command', 'global'] as const

/**
 * The subject that a limit counts: `user`, `chat`, `member`, `command` or `global`; see `scope` of {@link ThrottleOptions}.
 *
 * @example
 * ```ts
 * import { type ScopeName, throttle } from 'grammy-sentinel'
 *
 * const scope: ScopeName = 'member'
 * throttle({ limit: '10/1m', scope })
 * ```
 */
export type ScopeName = (typeof SCOPES)[number]

/** The schema of the option `scope`. */
export const scopeOption = word(SCOPES, 'scope.unknown')

/** The suffix of the part of a limit that counts joins. */
export const JOINS = '.joins'

/** The subjects that a limit counts, with the name under which a chain knows them. */
interface Scope {
  readonly name: string
  readonly subjectOf: SubjectOf<Context>
}

/** Returns the scope of a limit, by name or by a developer's own key. With `part`, such as `.edits`, it has separate records. */
export function scopeOf(
  name: ScopeName,
  key: ((facts: Facts, ctx: Context) => string | number | undefined) | undefined,
  limitName: string,
  part = '',
): Scope {
  if (key !== undefined) {
    return {
      name: `own:${limitName}${part}`,
      subjectOf: (facts, ctx) => {
        const own = readKey(key, facts, ctx, limitName)
        return own === undefined ? undefined : ownKey(own.slice(0, 256))
      },
    }
  }
  return { name: `${name === 'user' ? 'actor' : name}${part}`, subjectOf: subjectIn(name, part) }
}

function subjectIn(name: ScopeName, part: string): SubjectOf<Context> {
  const who = part === JOINS ? joinerOf : (facts: Facts): Key | undefined => facts.actor
  const inChat = (facts: Facts): Key | undefined => {
    const actor = who(facts)
    const { chatId } = facts
    return actor === undefined || chatId === undefined
      ? undefined
      : memberKey(actor, chatId, facts.connection)
  }
  switch (name) {
    case 'user':
      // Others may change somebody's membership in chats of their own, which must not use up what they have elsewhere.
      return part === JOINS ? (facts) => (facts.kind === 'chat_member' ? inChat(facts) : facts.actor) : who
    case 'chat':
      return chatOf
    case 'member':
      return inChat
    case 'command':
      return ({ actor, command }) =>
        actor === undefined || command === undefined ? undefined : commandKey(actor, command)
    case 'global':
      return () => GLOBAL_KEY
  }
}

type KeyOf = (facts: Facts, ctx: Context) => string | number | undefined

/** Key functions whose invalid results have been reported. */
const wrong = new WeakSet<KeyOf>()

/**
 * Returns a developer's key for an update as text; undefined skips the update. Values that are neither text nor finite numbers (a
 * promise from untyped code, or the NaN of a failed `Number()`) would be the same text for everybody, and so one bucket for all;
 * they skip the update as well.
 *
 * @throws SentinelError `subject.invalid`, once per key function.
 */
export function readKey(key: KeyOf, facts: Facts, ctx: Context, limit: string): string | undefined {
  const own: unknown = key(facts, ctx)
  if (own === undefined || own === '') return undefined
  if (typeof own === 'string') return own
  if (Number.isFinite(own) || typeof own === 'bigint') return String(own)
  const what = shownAnswer(own)
  if (wrong.has(key)) return undefined
  wrong.add(key)
  throw new SentinelError(
    'subject.invalid',
    `key of "${limit}": ${what} is not a key, so its updates are not counted. Return a text or a finite number at once, or undefined to skip an update.`,
  )
}

/**
 * Returns the user who joins or leaves rather than the one who lets them: an administrator who adds a hundred people is no flood.
 * Changes to the bot itself count for the actor; otherwise all users who block the bot would share one bucket.
 */
function joinerOf(facts: Facts): Key | undefined {
  const member = facts.kind === 'chat_member' ? facts.target?.id : undefined
  return member === undefined ? facts.actor : userKey(member)
}

/**
 * Rejects an own key without a name, which its state needs, or together with a scope.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkKey(
  what: string,
  {
    key,
    name,
    scope,
  }: {
    readonly key?: unknown
    readonly name?: string | undefined
    readonly scope?: ScopeName | undefined
  },
): void {
  if (key === undefined) return
  if (name === undefined) {
    throw new SentinelError(
      'option.invalid',
      `${what}.name: a limit with its own key needs a name, such as name: 'tenant'.`,
    )
  }
  if (scope === undefined) return
  throw new SentinelError(
    'option.invalid',
    `${what}.scope: "${scope}" contradicts its key option. Give one of the two.`,
  )
}
