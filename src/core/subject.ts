import { SentinelError } from './errors.js'
import { shown } from './show.js'

/**
 * The kinds of subject that a limit counts or a mark is put on.
 *
 * `user`: a person or bot by id. `chat`: a chat as a place. `sender`: a chat that writes (a channel, or the
 * anonymous administrators of a group). `member`: an actor inside one chat. `command`: an actor's use of one
 * command. `own`: a key of your own. `global`: the whole bot.
 *
 * @example
 * ```ts
 * import { subject, type SubjectKind } from 'grammy-sentinel'
 *
 * const kind: SubjectKind = subject.user(7).kind
 * ```
 */
export type SubjectKind = 'user' | 'chat' | 'sender' | 'member' | 'command' | 'own' | 'global'

/**
 * A subject as an object; {@link subject} has functions that create one. A chat as a place and a channel that writes are
 * different subjects, even with the same id.
 *
 * @example
 * ```ts
 * import { subject, type SubjectRef } from 'grammy-sentinel'
 *
 * const alice: SubjectRef = subject.user(7) // { kind: 'user', id: 7, name: '' }
 * ```
 */
export interface SubjectRef {
  readonly kind: SubjectKind
  /** The Telegram id of a `user`, `chat` or `sender`; for a `member` the chat's id; otherwise 0. */
  readonly id: number
  /** The command of a `command`, the text of an `own` key, the connection of a `chat` or `member`; otherwise empty. */
  readonly name: string
  /** The acting subject of a `member` or a `command`. */
  readonly actor?: SubjectRef
}

/**
 * A subject, or a plain number for a user id.
 *
 * @example
 * ```ts
 * import { type Subject, subject } from 'grammy-sentinel'
 *
 * const alice: Subject = 1234567
 * const sameAlice: Subject = subject.user(1234567)
 * const plaza: Subject = subject.chat(-1001234567890)
 * ```
 */
export type Subject = number | SubjectRef

/**
 * The key under which a storage files a record. A subject with a Telegram id below 2^43 (all ids so far; the Bot API promises at
 * most 52 bits) has a whole number below 2^53 as its key, which is cheaper than a string to create and hash; any other subject
 * has a text. Number keys and text keys never collide: {@link keyText} gives each a distinct text.
 *
 * @example
 * ```ts
 * import { type Key, userKey } from 'grammy-sentinel'
 *
 * const alice: Key = userKey(7)
 * const marked = new Map<Key, string>([[alice, 'vip']])
 * ```
 */
export type Key = number | string

const ID_SPAN = 2 ** 43
const KIND_SPAN = 2 ** 44
const LETTERS = ['u', 'c', 's'] as const
const OWN_KEY_LENGTH = 256

/**
 * Returns the key of a user id. Allocates nothing but the number.
 *
 * @example
 * ```ts
 * import { keyText, userKey } from 'grammy-sentinel'
 *
 * keyText(userKey(1234567)) // 'u1234567'
 * ```
 */
export function userKey(id: number): Key {
  return id > -ID_SPAN && id < ID_SPAN ? KIND_SPAN + id + ID_SPAN : `u${id}`
}

/**
 * Returns the key of a chat as a place.
 *
 * @param connection Distinguishes a chat of a business account, or one where the bot is a guest, from the bot's own chat with the
 * same id: `Facts.connection`.
 */
export function chatKey(id: number, connection?: string): Key {
  if (connection) return `c${placeText(id, connection)}`
  return id > -ID_SPAN && id < ID_SPAN ? 2 * KIND_SPAN + id + ID_SPAN : `c${id}`
}

/** Returns the key of a chat that writes: a channel, or a group whose anonymous administrators write as the group. */
export function senderKey(id: number): Key {
  return id > -ID_SPAN && id < ID_SPAN ? 3 * KIND_SPAN + id + ID_SPAN : `s${id}`
}

/** Returns the key of an actor inside one chat; for `connection` see {@link chatKey}. */
export function memberKey(actor: Key, chat: number, connection?: string): Key {
  return `m${placeText(chat, connection)}:${keyText(actor)}`
}

/** Telegram's connections have letters, digits, `_` and `-`. Any other character could be taken for the end of the connection. */
function placeText(chat: number, connection?: string): string {
  return connection ? `${chat}@${connection.replace(/[^\w-]/g, '_').slice(0, 64)}` : `${chat}`
}

/**
 * Returns the key of an actor's use of one command, spelled as in `Facts.command`: lower-case letters, digits
 * and underscores.
 */
export function commandKey(actor: Key, command: string): Key {
  return `x${command}:${keyText(actor)}`
}

/** The key of the whole bot. */
export const GLOBAL_KEY: Key = 'g'

/**
 * Returns the key of a developer's own text. The text is the key's last part, so no colons, braces or NULs in it can forge
 * another key.
 */
export function ownKey(name: string): Key {
  return `k${name}`
}

/**
 * Converts a key to a text, one to one: `u1`, `c-100`, `c1@connection`, `s-100`, `m-100:u1`, `xbuy:u1`, `kyours`, `g`.
 *
 * @example
 * ```ts
 * import { keyText, subject, subjectKey } from 'grammy-sentinel'
 *
 * keyText(subjectKey(subject.chat(-100))) // 'c-100'
 * ```
 */
export function keyText(key: Key): string {
  if (typeof key === 'string') return key
  const kind = Math.floor(key / KIND_SPAN)
  return `${LETTERS[kind - 1]}${key - kind * KIND_SPAN - ID_SPAN}`
}

const TELEGRAM_ID = /^-?[1-9]\d{0,15}$/
const COMMAND_NAME = /^[a-z0-9_]{1,64}$/
const CONNECTION = /^[\w-]{1,64}$/
/** The deepest nesting of subjects. A command inside a chat is nested two deep, the most that this package creates. */
const DEEPEST = 4

/**
 * Returns the subject that a key, or its text, stands for.
 *
 * @throws SentinelError `subject.invalid` for a text that {@link keyText} never gives.
 *
 * @example
 * ```ts
 * import { keySubject } from 'grammy-sentinel'
 *
 * keySubject('u1234567') // { kind: 'user', id: 1234567, name: '' }
 * ```
 */
export function keySubject(key: Key): SubjectRef {
  const text = keyText(key)
  const ref = typeof text === 'string' ? readSubject(text, DEEPEST) : undefined
  // A number outside the ranges of all kinds could be read as an id whose key is a text.
  if (ref !== undefined && (typeof key === 'string' || refKey(ref) === key)) return ref
  throw new SentinelError(
    'subject.invalid',
    `subject: ${shown(text)} does not name a subject. Texts look like "u1234567", "c-100123", "s-100123".`,
  )
}

function readSubject(text: string, depth: number): SubjectRef | undefined {
  if (depth === 0) return undefined
  const rest = text.slice(1)
  switch (text[0]) {
    case 'u':
      return readPlain('user', rest)
    case 'c':
      return readPlace(rest)
    case 's':
      return readPlain('sender', rest)
    case 'm': {
      const colon = rest.indexOf(':')
      const chat = readPlace(rest.slice(0, Math.max(0, colon)))
      const actor = chat === undefined ? undefined : readSubject(rest.slice(colon + 1), depth - 1)
      return chat === undefined || actor === undefined ? undefined : { ...chat, kind: 'member', actor }
    }
    case 'x': {
      const colon = rest.indexOf(':')
      const name = rest.slice(0, Math.max(0, colon))
      const actor = COMMAND_NAME.test(name) ? readSubject(rest.slice(colon + 1), depth - 1) : undefined
      return actor === undefined ? undefined : { kind: 'command', id: 0, name, actor }
    }
    case 'k':
      return isOwnName(rest) ? { kind: 'own', id: 0, name: rest } : undefined
    case 'g':
      return rest === '' ? { kind: 'global', id: 0, name: '' } : undefined
    default:
      return undefined
  }
}

function readPlace(text: string): SubjectRef | undefined {
  const at = text.indexOf('@')
  if (at < 0) return readPlain('chat', text)
  const chat = readPlain('chat', text.slice(0, at))
  const name = text.slice(at + 1)
  return chat === undefined || chat.id < 0 || !CONNECTION.test(name) ? undefined : { ...chat, name }
}

function readPlain(kind: PlainKind, text: string): SubjectRef | undefined {
  const id = readId(text)
  return id === undefined ? undefined : { kind, id, name: '' }
}

function readId(text: string): number | undefined {
  const id = TELEGRAM_ID.test(text) ? Number(text) : 0
  return isId(id) ? id : undefined
}

/**
 * Returns the key for the text of one: a number wherever the subject has a number key, so that lookups match.
 *
 * @throws SentinelError `subject.invalid` for a text that {@link keyText} never gives.
 *
 * @example
 * ```ts
 * import { textKey, userKey } from 'grammy-sentinel'
 *
 * textKey('u1234567') === userKey(1234567) // true
 * ```
 */
export function textKey(text: string): Key {
  return refKey(keySubject(text))
}

/**
 * Returns the key of a subject that a developer passed, after checking it.
 *
 * @throws SentinelError `subject.invalid` for anything that is not a subject.
 *
 * @example
 * ```ts
 * import { subject, subjectKey } from 'grammy-sentinel'
 *
 * subjectKey(1234567) === subjectKey(subject.user(1234567)) // true
 * ```
 */
export function subjectKey(given: Subject): Key {
  return checkedKey(given, DEEPEST, true)
}

/**
 * Returns the key of a subject that was read from a key. Ids of the wrong sign are accepted: an update or a storage may have held
 * them.
 */
function refKey(ref: SubjectRef): Key {
  return checkedKey(ref, DEEPEST, false)
}

function checkedKey(given: unknown, depth: number, signed: boolean): Key {
  if (typeof given === 'number') return userKey(checkedSign('user', checkedId(given, 'subject'), 'subject'))
  // A subject built by hand may even contain itself, so the depth is bounded.
  if (depth === 0 || given === null || typeof given !== 'object') throw invalidSubject(given)
  const { kind, id, name, actor } = given as Partial<Record<keyof SubjectRef, unknown>>
  switch (kind) {
    case 'user':
      return userKey(checkedPlain('user', id, signed))
    case 'chat':
      return chatKey(checkedPlain('chat', id, signed), connectionOf(name, id))
    case 'sender':
      return senderKey(checkedPlain('sender', id, signed))
    case 'member':
      return memberKey(
        checkedKey(actor, depth - 1, signed),
        checkedId(id, 'subject.member'),
        connectionOf(name, id),
      )
    case 'command':
      return commandKey(checkedKey(actor, depth - 1, signed), checkedCommand(name))
    case 'own':
      return ownKey(checkedOwn(name))
    case 'global':
      return GLOBAL_KEY
    default:
      throw invalidSubject(given)
  }
}

type PlainKind = 'user' | 'chat' | 'sender'

function plain(kind: PlainKind, id: number): SubjectRef {
  return { kind, id: checkedPlain(kind, id, true), name: '' }
}

/**
 * Only texts count: for `ids.map(subject.chat)` the second argument is an index. A group or channel has no connection, because its
 * id is the same for everybody.
 */
function connectionOf(given: unknown, id: unknown): string | undefined {
  return typeof given === 'string' && Number(id) > 0 ? given : undefined
}

function checkedPlain(kind: PlainKind, given: unknown, signed: boolean): number {
  const id = checkedId(given, `subject.${kind}`)
  return signed ? checkedSign(kind, id, `subject.${kind}`) : id
}

/** Users have ids above zero, and chats that write have ids below: an id of the wrong sign would silently match nobody. */
function checkedSign(kind: PlainKind, id: number, what: string): number {
  if (kind === 'user' && id < 0) {
    throw new SentinelError(
      'subject.invalid',
      `${what}: ${id} is the id of a chat, not of a user. Pass subject.chat(${id}) for the place, or subject.sender(${id}) for the chat as a sender.`,
    )
  }
  if (kind === 'sender' && id > 0) {
    throw new SentinelError(
      'subject.invalid',
      `${what}: ${id} is not the id of a channel or group, which is negative. Pass subject.user(${id}) for a user.`,
    )
  }
  return id
}

function isId(id: unknown): id is number {
  return typeof id === 'number' && Number.isSafeInteger(id) && id !== 0
}

/**
 * Whether a text may be an own key. Rejects lone surrogates: a storage would write the same replacement character for all of
 * them.
 */
function isOwnName(name: unknown): name is string {
  return (
    typeof name === 'string' && name !== '' && name.length <= OWN_KEY_LENGTH && !/\p{Surrogate}/u.test(name)
  )
}

function checkedId(id: unknown, what: string): number {
  if (isId(id)) return id
  throw new SentinelError(
    'subject.invalid',
    `${what}: ${shown(id)} is not a Telegram id. Pass the number, such as ctx.from.id or ctx.chat.id.`,
  )
}

function checkedCommand(name: unknown): string {
  if (typeof name === 'string' && COMMAND_NAME.test(name)) return name
  throw new SentinelError(
    'subject.invalid',
    `subject.command: ${shown(name)} is not a command. Pass 1 to 64 letters, digits and underscores, such as 'buy'.`,
  )
}

function checkedOwn(name: unknown): string {
  if (isOwnName(name)) return name
  throw new SentinelError(
    'subject.invalid',
    `subject.own: ${shown(name)} is not a key. Pass a text of 1 to ${OWN_KEY_LENGTH} characters without lone surrogates.`,
  )
}

function invalidSubject(given: unknown): SentinelError {
  const number = typeof given === 'string' && /^[1-9]\d{0,14}$/.test(given) ? ` (the number ${given})` : ''
  return new SentinelError(
    'subject.invalid',
    `subject: ${shown(given)} is not a subject. Pass a user id${number}, or subject.user(1), subject.chat(-100…), subject.sender(-100…).`,
  )
}

/**
 * Functions that create subjects. Where a {@link Subject} is taken, a plain number is a user id; every other kind needs one of
 * these functions.
 *
 * @throws SentinelError `subject.invalid` when an id is not a whole number or is zero, a user's id is below zero or a sender's
 * above, a command has other characters than letters, digits and underscores, an own key is empty or over 256
 * characters, or subjects are nested deeper than four.
 *
 * @example
 * ```ts
 * import { subject } from 'grammy-sentinel'
 *
 * subject.user(1234567)
 * subject.chat(-1001234567890) // the place
 * subject.chat(1234567, 'connection') // a chat of a business account: its id, and `facts.connection`
 * subject.sender(-1001234567890) // that channel writing somewhere, or a group's anonymous administrators
 * subject.member(1234567, -1001234567890) // a user inside one chat
 * subject.command(1234567, 'buy') // a user's use of /buy
 * subject.own('tenant-7') // a key of your own
 * subject.global() // the whole bot
 * ```
 */
export const subject = {
  user: (id: number): SubjectRef => plain('user', id),
  chat: ((id: number, connection?: unknown): SubjectRef => ({
    ...plain('chat', id),
    name: connectionOf(connection, id) ?? '',
  })) as {
    // A signature of its own, so that `ids.map(subject.chat)` compiles.
    (id: number): SubjectRef
    (id: number, connection: string | undefined): SubjectRef
  },
  sender: (id: number): SubjectRef => plain('sender', id),
  member: (actor: Subject, chat: number, connection?: string): SubjectRef => ({
    kind: 'member',
    id: checkedId(chat, 'subject.member'),
    name: connectionOf(connection, chat) ?? '',
    actor: keySubject(subjectKey(actor)),
  }),
  command: (actor: Subject, command: string): SubjectRef => ({
    kind: 'command',
    id: 0,
    name: checkedCommand(
      typeof command === 'string' ? command.replace(/^\//, '').toLowerCase() : (command as unknown),
    ),
    actor: keySubject(subjectKey(actor)),
  }),
  own: (name: string): SubjectRef => ({ kind: 'own', id: 0, name: checkedOwn(name) }),
  global: (): SubjectRef => ({ kind: 'global', id: 0, name: '' }),
} as const
