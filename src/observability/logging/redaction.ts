import { errorText, redacted } from '../../core/redact.js'

/** Replaces redacted values. */
const HIDDEN = '[redacted]'
/** Replaces values that throw when they are read. */
const UNREADABLE = '[unreadable]'

/** Endings of the names of fields with secrets, at any depth. */
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
/**
 * Endings of names of fields whose texts are secrets: an MTProto session, which is as secret as a password, and a link that lets
 * anybody into a chat. Objects in such fields are none: grammY's session of a chat, and what the Bot API says about a link.
 */
const SECRET_TEXTS = ['session', 'invitelink']
/** Fields of the Bot API with texts or personal data of users, at any depth. */
const TEXTS = [
  'text',
  'caption',
  'query',
  'quote',
  'question',
  'option_text',
  'explanation',
  'comment',
  'prize_description',
  'invoice_payload',
  'paid_media_payload',
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
  'performer',
  'order_info',
  'shipping_address',
  'passport_data',
]

const DEEPEST = 6
const MOST_FIELDS = 100
/** Length of the shortest token, including the id. */
const SHORTEST_TOKEN = 26

/** Redacts log entries: see {@link redaction}. */
export interface Redaction {
  /** Redacts a whole entry. Fields in `spared` are copied unchanged, to be redacted one by one later. */
  entry(value: object, spared?: ReadonlySet<string>): Record<string, unknown>
  /**
   * Redacts one field, or a text without a name. The serializer `own` is applied first, unless the field is hidden or holds an
   * error.
   */
  field(name: string, value: unknown, own?: (value: unknown) => unknown): unknown
}

/**
 * Makes a function that redacts log entries: fields with secrets, fields with texts of users unless `texts`, fields named in
 * `hide`, and tokens and passwords within all other texts. It returns a copy of limited depth and width. Of errors it keeps name,
 * message, stack and code, because errors of the Bot API contain the payload of the failed call. Values that throw when read
 * become `[unreadable]`.
 */
export function redaction({ texts, hide }: { texts: boolean; hide: readonly string[] }): Redaction {
  const hidden = new Set([...(texts ? [] : TEXTS), ...hide].map(plain))
  const isHidden = (name: string, value: unknown): boolean => {
    const given = plain(name)
    // A number is a count, such as of tokens, and no secret.
    const one = typeof value === 'number' || !given.endsWith('s') ? given : given.slice(0, -1)
    if (hidden.has(given) || SECRETS.some((secret) => given.endsWith(secret) || one.endsWith(secret)))
      return true
    return typeof value === 'string' && SECRET_TEXTS.some((secret) => given.endsWith(secret))
  }

  const told = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return redacted(value)
    if (typeof value === 'bigint') return String(value)
    if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value
    try {
      if (value instanceof Error) return errorOf(value)
      if (depth === 0) return '[…]'
      if (Array.isArray(value)) return value.slice(0, MOST_FIELDS).map((each) => told(each, depth - 1))
      // As JSON.stringify() would do, for dates, URLs and other objects with a representation of their own.
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
      return isHidden(name, value) || (!texts && isWritten(of, name, value))
        ? hiddenOf(value)
        : told(value, depth)
    } catch {
      return UNREADABLE
    }
  }

  const fieldsOf = (given: object, depth: number, spared?: ReadonlySet<string>): Record<string, unknown> => {
    const value = isContext(given) ? { update: given.update } : given
    // Without a prototype, because names may come from users, `__proto__` among them.
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

/** Recognizes what people write in fields whose names say too little, since other objects have fields of the same names. */
function isWritten(of: { readonly type?: unknown }, name: string, value: unknown): boolean {
  switch (name) {
    case 'url':
      return of.type === 'text_link'
    case 'language': // of a block of code
      return of.type === 'pre'
    case 'title': // of an audio file
      return 'file_id' in of
    case 'description': // of a poll
      return 'question' in of
    case 'link': // in a poll
      return typeof value === 'object'
    default:
      return false
  }
}

/** Normalizes names, so that `bot_token`, `botToken` and `Bot-Token` are the same. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '')
}

/** Hides a value, but shows whether there was one. */
function hiddenOf(value: unknown): unknown {
  return value === undefined || value === null || typeof value === 'boolean' ? value : HIDDEN
}

/** Reduces an error to its safe properties. */
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

/** Recognizes grammY's context, which contains the token of the bot and everything that plugins added. */
function isContext(value: object): value is { readonly update: unknown } {
  return 'update' in value && 'api' in value && 'me' in value
}
