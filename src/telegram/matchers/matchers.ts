import type { ChatMember, ChatPermissions, Message } from 'grammy/types'
import { hintAt } from '../../core/nearest.js'
import type { BotCall } from '../bot-api/calls.js'
import { knownMethod, signatureOf } from '../bot-api/schema/schema.js'
import { assertWords, type HearingOptions, matches, Person, wordsFor } from '../people/person.js'
import { TelegramBot, TelegramChannel, TelegramGroup } from '../people/places.js'
import { Telegram } from '../telegram.js'
import { PERMISSIONS } from '../world/chats/members.js'
import { contains, shown } from './containing.js'

/**
 * The result of a matcher, as `expect.extend` of jest and vitest expects it.
 *
 * @example
 * ```ts
 * import type { MatcherVerdict } from 'grammy-sentinel/testing'
 *
 * const fine: MatcherVerdict = { pass: true, message: () => 'expected it not to be fine' }
 * export { fine }
 * ```
 */
export interface MatcherVerdict {
  readonly pass: boolean
  readonly message: () => string
}

/**
 * The matchers, written after `expect(…)`.
 *
 * With jest, `import 'grammy-sentinel/testing/jest'` adds and declares them. With vitest, add them by
 * `expect.extend(telegramMatchers)` and declare them by
 * `declare module 'vitest' { interface Matchers<R extends void | Promise<void>, T> extends TelegramMatchers<R> {} }`.
 *
 * @example
 * ```ts
 * import 'grammy-sentinel/testing/jest'
 * import type { Person, Telegram, TelegramGroup } from 'grammy-sentinel/testing'
 *
 * async function looksOn(telegram: Telegram, plaza: TelegramGroup, alice: Person, mallory: Person) {
 *   await expect(alice).toHear('Welcome')
 *   expect(alice).not.toHaveHeard(/error/i)
 *   expect(telegram).toHaveCalled('banChatMember', { user_id: mallory.id })
 *   expect(mallory).toBeBannedIn(plaza)
 *   expect(alice).toBeMemberOf(plaza)
 *   expect(plaza).toHaveMessage('Be kind')
 * }
 * export { looksOn }
 * ```
 */
export interface TelegramMatchers<R = unknown> {
  /**
   * For a person: waits until they hear the words, like `alice.hears()`, each message once. It has no `.not`: wait for something
   * else, then use `.not.toHaveHeard()`.
   */
  toHear(what: RegExp | string, options?: HearingOptions): Promise<R>
  /**
   * For a person: passes if they have heard the words by now, even if `hears()` already returned that message. With
   * `{ after: said }`, only messages after `said` count.
   */
  toHaveHeard(what: RegExp | string, options?: Pick<HearingOptions, 'in' | 'after'>): R
  /**
   * For a Telegram: passes if one of its bots has called the method by now, with at least `params` if given. `params` may hold
   * asymmetric matchers such as `expect.any(Number)`. Throws for an unknown method or parameter, also with `.not`.
   */
  toHaveCalled(method: string, params?: Readonly<Record<string, unknown>>): R
  /** For a group or channel: passes if it currently holds a message that contains the words. */
  toHaveMessage(what: RegExp | string): R
  /** For a person or bot: passes if they are in the group or channel. */
  toBeMemberOf(place: TelegramGroup | TelegramChannel): R
  /** For a person or bot: passes if they own the group or channel or are its administrator. */
  toBeAdministratorOf(place: TelegramGroup | TelegramChannel): R
  toBeBannedIn(place: TelegramGroup | TelegramChannel): R
  /** For a person or bot: passes if they are restricted; with `permissions`, at least these must have the given values. */
  toBeRestrictedIn(place: TelegramGroup | TelegramChannel, permissions?: ChatPermissions): R
  /**
   * For a person or bot: passes if they may not write, because they are restricted or because the group allows none of its
   * members to write.
   */
  toBeMutedIn(place: TelegramGroup | TelegramChannel): R
}

/** The part of a matcher's `this` that jest and vitest agree on. As an interface, it would need a name in the declarations of users. */
type Bound = { readonly isNot?: boolean }

type Matchers = {
  readonly [Name in keyof TelegramMatchers]: (
    this: Bound,
    received: unknown,
    ...args: Parameters<TelegramMatchers[Name]>
  ) => ReturnType<TelegramMatchers[Name]> extends Promise<unknown> ? Promise<MatcherVerdict> : MatcherVerdict
}

/**
 * The matchers, for `expect.extend` of jest, vitest, bun or another runner; see {@link TelegramMatchers}.
 *
 * @throws TypeError from a matcher that is applied to the wrong kind of value.
 *
 * @example
 * ```ts
 * import { telegramMatchers } from 'grammy-sentinel/testing'
 *
 * expect.extend(telegramMatchers)
 * ```
 */
export const telegramMatchers: Matchers = {
  async toHear(received, what, options) {
    const person = aPerson(received, 'toHear')
    if (this.isNot === true)
      throw new TypeError(
        'expect(person).not.toHear() would always wait for the whole time. Wait for something else, such as telegram.settled(), then expect(person).not.toHaveHeard().',
      )
    const heard = await person.hears(what, options).then(
      () => undefined,
      (error: Error) => error,
    )
    return { pass: heard === undefined, message: () => heard?.message ?? '' }
  },

  toHaveHeard(received, what, options = {}) {
    const person = aPerson(received, 'toHaveHeard')
    const heard = person.hasHeard(what, options)
    return verdict(
      heard !== undefined,
      `${person.firstName} to have heard ${wordsFor(what)}`,
      () => `but ${heard === undefined ? person.tellsHeard(options) : `heard ${textOf(heard)}`}`,
    )
  },

  toHaveCalled(received, method, params) {
    if (!(received instanceof Telegram)) throw wrong('toHaveCalled', 'a Telegram', received)
    const { parameters } = signatureOf(knownMethod(method, 'toHaveCalled'))
    const calls = received.calls(method)
    assertParameters(method, params, [...parameters.keys()], calls)
    const found = calls.some((call) => params === undefined || contains(call.params, params))
    const wanted = `a bot to have called ${method}${params === undefined ? '' : ` with ${shown(params)}`}`
    return verdict(found, wanted, () => instead(received, method, calls))
  },

  toHaveMessage(received, what) {
    const place = aPlace(received, 'toHaveMessage')
    assertWords(what)
    const { messages } = place
    const found = messages.some((message) => matches(message, what))
    return verdict(found, `"${place.title}" to have a message with ${wordsFor(what)}`, () => {
      const there = messages.slice(-10).map((message) => `\n  - ${textOf(message)}`)
      return `but ${there.length === 0 ? 'it is empty' : `its last are:${there.join('')}`}`
    })
  },

  toBeMemberOf: standing('in', 'toBeMemberOf', isIn),
  toBeAdministratorOf: standing('an administrator of', 'toBeAdministratorOf', ({ status }) =>
    ['creator', 'administrator'].includes(status),
  ),
  toBeBannedIn: standing('banned in', 'toBeBannedIn', ({ status }) => status === 'kicked'),
  toBeMutedIn: standing('muted in', 'toBeMutedIn', isMuted),
  toBeRestrictedIn(received, place, permissions = {}) {
    for (const name of Object.keys(permissions))
      if (!(PERMISSIONS as readonly string[]).includes(name))
        throw new TypeError(
          `toBeRestrictedIn: there is no permission ${shown(name)}.${hintAt(name, PERMISSIONS)}`,
        )
    const given = Object.keys(permissions).length === 0 ? '' : ` with ${shown(permissions)}`
    const isSo = (member: ChatMember) => member.status === 'restricted' && contains(member, permissions)
    return standing(`restricted${given} in`, 'toBeRestrictedIn', isSo).call(this, received, place)
  },
}

/** Rejects unknown parameter names: no call would ever match them, so `.not` would always pass. */
function assertParameters(
  method: string,
  params: object = {},
  known: readonly string[],
  calls: readonly BotCall[],
): void {
  for (const name of Object.keys(params))
    if (!known.includes(name) && !calls.some((call) => Object.hasOwn(call.params, name)))
      throw new TypeError(
        `toHaveCalled: ${method} has no parameter ${shown(name)}, and no call came with one.${hintAt(name, known)}`,
      )
}

/** True for somebody restricted from writing, and for ordinary members of a group where members may not write. */
function isMuted(member: ChatMember, { room }: Place): boolean {
  if (member.status === 'restricted' && !member.can_send_messages) return true
  const isOrdinary = member.status === 'member' || (member.status === 'restricted' && member.is_member)
  return isOrdinary && room.kind !== 'channel' && !room.permissions.can_send_messages
}

type Place = TelegramGroup | TelegramChannel

function standing(words: string, matcher: string, isSo: (member: ChatMember, place: Place) => boolean) {
  return function (this: Bound, received: unknown, place: Place): MatcherVerdict {
    if (!(received instanceof Person || received instanceof TelegramBot))
      throw wrong(matcher, 'a person or a bot', received)
    const member = aPlace(place, matcher).member(received)
    const name = received instanceof Person ? received.firstName : `@${received.username}`
    const { user: _, ...seen } = member
    return verdict(
      isSo(member, place),
      `${name} to be ${words} "${place.title}"`,
      () => `but they are ${shown(seen)}`,
    )
  }
}

function verdict(pass: boolean, wanted: string, but: () => string): MatcherVerdict {
  return { pass, message: () => `expected ${pass ? wanted.replace(' to ', ' not to ') : wanted}, ${but()}` }
}

function isIn(member: ChatMember): boolean {
  return member.status === 'restricted' ? member.is_member : !['left', 'kicked'].includes(member.status)
}

function instead(telegram: Telegram, method: string, calls: readonly BotCall[]): string {
  if (calls.length > 0) {
    const made = calls.slice(-10).map(({ bot, params }) => `\n  - @${bot.username}: ${shown(params)}`)
    return `but ${calls.length === 1 ? 'the call was' : `the last of ${calls.length} calls were`}:${made.join('')}`
  }
  const others = [...new Set(telegram.calls().map((call) => call.method))]
  return `but ${method} was not called. Methods that were: ${others.join(', ') || 'none'}`
}

function textOf({ text, caption, message_id }: Message): string {
  return JSON.stringify((text ?? caption ?? `message ${message_id}`).slice(0, 120))
}

function aPerson(received: unknown, matcher: string): Person {
  if (received instanceof Person) return received
  throw wrong(matcher, 'a person', received)
}

function aPlace(received: unknown, matcher: string): TelegramGroup | TelegramChannel {
  if (received instanceof TelegramGroup || received instanceof TelegramChannel) return received
  throw wrong(matcher, 'a group or a channel', received)
}

function wrong(matcher: string, wanted: string, received: unknown): TypeError {
  return new TypeError(`${matcher} is for ${wanted}, not for ${shown(received)}.`)
}
