import { SentinelError } from './errors.js'

/**
 * Whom a limit counts or a mark is put on.
 *
 * `user` is a person or bot by id; `chat` a chat as a place; `sender` a chat that writes (a channel, or the
 * anonymous administrators of a group); `member` somebody inside one chat; `command` somebody's use of one
 * command; `own` a key of your making; `global` the whole bot.
 */
export type SubjectKind = 'user' | 'chat' | 'sender' | 'member' | 'command' | 'own' | 'global'

/**
 * A subject, spelled out: see {@link subject} for the ways to make one. Never confuses a chat with a channel
 * that writes in it, though both have the same id.
 */
export interface SubjectRef {
  readonly kind: SubjectKind
  /** The Telegram id of a `user`, `chat` or `sender`; of the chat for a `member`; else 0. */
  readonly id: number
  /** The command of a `command`, the text of an `own` key, else empty. */
  readonly name: string
  /** Who acts, for a `member` or a `command`. */
  readonly actor?: SubjectRef
}

/**
 * A subject, or a bare number for a user id.
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
 * What a storage files a record under. A subject with a Telegram id below 2^43 (all that Telegram hands out;
 * the Bot API promises at most 52 bits) is a whole number below 2^53, which costs no string to make or hash;
 * any other is a text. The two never meet: {@link keyText} gives each a text of its own.
 */
export type Key = number | string

const ID_SPAN = 2 ** 43
const KIND_SPAN = 2 ** 44
const NUMERIC = ['user', 'chat', 'sender'] as const
const LETTERS = ['u', 'c', 's'] as const
const OWN_KEY_LENGTH = 256

/** The key of a user id. Allocates nothing but the number. */
export function userKey(id: number): Key {
  return id > -ID_SPAN && id < ID_SPAN ? KIND_SPAN + id + ID_SPAN : `u${id}`
}

/** The key of a chat as a place. */
export function chatKey(id: number): Key {
  return id > -ID_SPAN && id < ID_SPAN ? 2 * KIND_SPAN + id + ID_SPAN : `c${id}`
}

/** The key of a chat that writes: a channel, or a group whose anonymous administrators speak as it. */
export function senderKey(id: number): Key {
  return id > -ID_SPAN && id < ID_SPAN ? 3 * KIND_SPAN + id + ID_SPAN : `s${id}`
}

/** The key of an actor inside one chat. */
export function memberKey(actor: Key, chat: number): Key {
  return `m${chat}:${keyText(actor)}`
}

/** The key of an actor's use of one command. */
export function commandKey(actor: Key, command: string): Key {
  return `x${command}:${keyText(actor)}`
}

/** The key of the whole bot. */
export const GLOBAL_KEY: Key = 'g'

/** The key of a text of your own. Colons, braces and NULs in it forge nothing: it is the last part. */
export function ownKey(name: string): Key {
  return `k${name}`
}

/**
 * A key as text, one to one: `u1`, `c-100`, `s-100`, `m-100:u1`, `xbuy:u1`, `kyours`, `g`.
 */
export function keyText(key: Key): string {
  if (typeof key === 'string') return key
  const kind = Math.floor(key / KIND_SPAN)
  return `${LETTERS[kind - 1]}${key - kind * KIND_SPAN - ID_SPAN}`
}

const TELEGRAM_ID = /^-?\d{1,16}$/

/**
 * The subject that a key, or the text of one, stands for.
 *
 * @throws SentinelError `subject.invalid` for a text that {@link keyText} never gives.
 */
export function keySubject(key: Key): SubjectRef {
  const text = keyText(key)
  const rest = text.slice(1)
  const colon = rest.indexOf(':')
  switch (text[0]) {
    case 'u':
    case 'c':
    case 's':
      if (TELEGRAM_ID.test(rest)) return plain(NUMERIC[LETTERS.indexOf(text[0])] as 'user', Number(rest))
      break
    case 'm':
      if (TELEGRAM_ID.test(rest.slice(0, colon)))
        return {
          kind: 'member',
          id: Number(rest.slice(0, colon)),
          name: '',
          actor: keySubject(rest.slice(colon + 1)),
        }
      break
    case 'x':
      if (colon > 0)
        return {
          kind: 'command',
          id: 0,
          name: rest.slice(0, colon),
          actor: keySubject(rest.slice(colon + 1)),
        }
      break
    case 'k':
      return { kind: 'own', id: 0, name: rest }
    case 'g':
      if (rest === '') return { kind: 'global', id: 0, name: '' }
      break
  }
  throw new SentinelError(
    'subject.invalid',
    `subject: ${JSON.stringify(text.slice(0, 64))} stands for no subject. Texts look like "u1234567", "c-100123", "s-100123".`,
  )
}

/** A key for quick lookups: the number where there is one, whatever form the text came in. */
export function textKey(text: string): Key {
  return subjectKey(keySubject(text))
}

/**
 * The key of a subject, checked: this is the door for what developers pass in.
 *
 * @throws SentinelError `subject.invalid` for anything that is no subject.
 */
export function subjectKey(given: Subject): Key {
  if (typeof given === 'number') return userKey(checkedId(given, 'subject'))
  if (given === null || typeof given !== 'object') throw invalidSubject(given)
  switch (given.kind) {
    case 'user':
      return userKey(checkedId(given.id, 'subject.user'))
    case 'chat':
      return chatKey(checkedId(given.id, 'subject.chat'))
    case 'sender':
      return senderKey(checkedId(given.id, 'subject.sender'))
    case 'member':
      return memberKey(subjectKey(given.actor as SubjectRef), checkedId(given.id, 'subject.member'))
    case 'command':
      return commandKey(subjectKey(given.actor as SubjectRef), given.name)
    case 'own':
      return ownKey(given.name)
    case 'global':
      return GLOBAL_KEY
    default:
      throw invalidSubject(given)
  }
}

function plain(kind: 'user' | 'chat' | 'sender', id: number): SubjectRef {
  return { kind, id: checkedId(id, `subject.${kind}`), name: '' }
}

function checkedId(id: unknown, what: string): number {
  if (typeof id === 'number' && Number.isSafeInteger(id) && id !== 0) return id
  throw new SentinelError(
    'subject.invalid',
    `${what}: ${typeof id === 'string' ? JSON.stringify(id.slice(0, 64)) : String(id)} is no Telegram id. Pass the number, such as ctx.from.id or ctx.chat.id.`,
  )
}

function invalidSubject(given: unknown): SentinelError {
  return new SentinelError(
    'subject.invalid',
    `subject: ${typeof given === 'string' ? JSON.stringify(given.slice(0, 64)) : String(given)} is no subject. Pass a user id, or subject.user(1), subject.chat(-100…), subject.sender(-100…).`,
  )
}

/**
 * Ways to say whom you mean. Where a {@link Subject} is taken, a bare number is a user id; everything else is
 * said with one of these.
 *
 * @throws SentinelError `subject.invalid` when an id is no whole number or zero, or an own key is empty or
 * over 256 characters.
 *
 * @example
 * ```ts
 * import { subject } from 'grammy-sentinel'
 *
 * subject.user(1234567)
 * subject.chat(-1001234567890) // the place
 * subject.sender(-1001234567890) // that channel writing somewhere, or a group's anonymous administrators
 * subject.member(1234567, -1001234567890) // a user inside one chat
 * subject.command(1234567, 'buy') // a user's use of /buy
 * subject.own('tenant-7') // a key of your own
 * subject.global() // the whole bot
 * ```
 */
export const subject = {
  user: (id: number): SubjectRef => plain('user', id),
  chat: (id: number): SubjectRef => plain('chat', id),
  sender: (id: number): SubjectRef => plain('sender', id),
  member: (actor: Subject, chat: number): SubjectRef => ({
    kind: 'member',
    id: checkedId(chat, 'subject.member'),
    name: '',
    actor: keySubject(subjectKey(actor)),
  }),
  command: (actor: Subject, command: string): SubjectRef => ({
    kind: 'command',
    id: 0,
    name: command.replace(/^\//, '').toLowerCase(),
    actor: keySubject(subjectKey(actor)),
  }),
  own: (name: string): SubjectRef => {
    if (typeof name !== 'string' || name === '' || name.length > OWN_KEY_LENGTH) {
      throw new SentinelError(
        'subject.invalid',
        `subject.own: a key of your own is a text of 1 to ${OWN_KEY_LENGTH} characters.`,
      )
    }
    return { kind: 'own', id: 0, name }
  },
  global: (): SubjectRef => ({ kind: 'global', id: 0, name: '' }),
} as const
