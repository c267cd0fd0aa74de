import { errorText, redacted } from '../../core/redact.js'

/** Stands for what is not for logs. */
export const HIDDEN = '[redacted]'
/** Stands for what throws when it is looked at. */
const UNREADABLE = '[unreadable]'

/** How the names of fields that hold secrets end, wherever they are met. */
const SECRETS = [
  'token',
  'secret',
  'password',
  'passwd',
  'passphrase',
  'authorization',
  'cookie',
  'credential',
  'apikey',
  'apihash',
  'accesskey',
  'authkey',
  'privatekey',
  'secretkey',
  'encryptionkey',
]
/** A session of MTProto as a text is a password; an object of that name is what grammY keeps for a chat. */
const SESSION = 'session'
/** Fields of the Bot API that hold what people write, or tell of themselves, wherever they are met. */
const TEXTS = [
  'text',
  'caption',
  'query',
  'quote',
  'question',
  'explanation',
  'invoice_payload',
  'rich_message',
  'link_preview_options',
  'web_app_data',
  'new_chat_title',
  'forum_topic_created',
  'forum_topic_edited',
  'checklist',
  'venue',
  'latitude',
  'longitude',
  'contact',
  'bio',
  'file_name',
  'order_info',
  'shipping_address',
  'passport_data',
]

const DEEPEST = 6
const MOST_FIELDS = 100
/** No token is shorter, with the id before it. */
const SHORTEST_TOKEN = 26

/** How entries are told in a log: see {@link redaction}. */
export interface Redaction {
  /** A whole entry, but for the fields that are `spared`: they are told one by one, later. */
  entry(value: object, spared?: ReadonlySet<string>): Record<string, unknown>
  /** One field of an entry, or words without a name. What `own` makes of it is told in its place, but not where it is hidden anyway, nor of an error. */
  field(name: string, value: unknown, own?: (value: unknown) => unknown): unknown
}

/**
 * Makes what takes from a log entry what is not for logs: fields with secrets, fields with what people write unless `texts`, fields of
 * your naming, and tokens and passwords within whatever text is left. It gives a copy, as deep and wide as logs are read. Of errors it
 * leaves name, message, stack and code: those of the Bot API carry the call that failed. What throws when it is looked at is told so.
 */
export function redaction({ texts, hide }: { texts: boolean; hide: readonly string[] }): Redaction {
  const hidden = new Set([...(texts ? [] : TEXTS), ...hide].map(plain))
  const isHidden = (name: string, value: unknown): boolean => {
    const given = plain(name)
    // How many there are of something is no secret.
    const one = typeof value === 'number' || !given.endsWith('s') ? given : given.slice(0, -1)
    if (hidden.has(given) || SECRETS.some((secret) => given.endsWith(secret) || one.endsWith(secret)))
      return true
    return typeof value === 'string' && given.endsWith(SESSION)
  }
  const isLink = ({ type }: { readonly type?: unknown }, name: string): boolean =>
    !texts && name === 'url' && type === 'text_link'

  const told = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return redacted(value)
    if (typeof value === 'bigint') return String(value)
    if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value
    try {
      if (value instanceof Error) return errorOf(value)
      if (depth === 0) return '[…]'
      if (Array.isArray(value)) return value.slice(0, MOST_FIELDS).map((each) => told(each, depth - 1))
      // As JSON would tell it: dates, URLs, whatever has a way of its own.
      if (!isContext(value) && 'toJSON' in value && typeof value.toJSON === 'function')
        return told(value.toJSON(), depth - 1)
      return fieldsOf(value, depth)
    } catch {
      return UNREADABLE
    }
  }

  const fieldOf = (of: object, name: string, depth: number): unknown => {
    try {
      const value: unknown = Reflect.get(of, name)
      return isHidden(name, value) || isLink(of, name) ? hiddenOf(value) : told(value, depth)
    } catch {
      return UNREADABLE
    }
  }

  const fieldsOf = (given: object, depth: number, spared?: ReadonlySet<string>): Record<string, unknown> => {
    const value = isContext(given) ? { update: given.update } : given
    // Null-prototype: names may come from anybody, `__proto__` among them.
    const copy: Record<string, unknown> = Object.create(null)
    for (const name of Object.keys(value).slice(0, MOST_FIELDS)) {
      const shown = name.length < SHORTEST_TOKEN ? name : redacted(name)
      copy[shown] = spared?.has(name) ? Reflect.get(value, name) : fieldOf(value, name, depth - 1)
    }
    return copy
  }

  return {
    entry: (value, spared) => fieldsOf(value, DEEPEST, spared),
    field(name, value, own) {
      if (isHidden(name, value)) return hiddenOf(value)
      return told(own === undefined || value instanceof Error ? value : own(value), DEEPEST - 1)
    },
  }
}

/** Names are compared as whoever writes `bot_token`, `botToken` or `Bot-Token` means them. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '')
}

/** Whether there was anything may be told. */
function hiddenOf(value: unknown): unknown {
  return value === undefined || value === null || typeof value === 'boolean' ? value : HIDDEN
}

/** An error without what it drags along. */
function errorOf(error: Error): Record<string, unknown> {
  const { name, message } = error
  const code = 'code' in error ? error.code : 'error_code' in error ? error.error_code : undefined
  return {
    type: redacted(String(name)),
    message: redacted(String(message)),
    stack: errorText(error),
    ...(typeof code === 'number' && { code }),
    ...(typeof code === 'string' && { code: redacted(code) }),
  }
}

/** grammY's context carries the token of the bot, and all that was plugged in. */
function isContext(value: object): value is { readonly update: unknown } {
  return 'update' in value && 'api' in value && 'me' in value
}
