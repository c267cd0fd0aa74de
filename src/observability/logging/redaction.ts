import { errorText, redacted } from '../../core/redact.js'

/** Stands for what is not for logs. */
export const HIDDEN = '[redacted]'

/** Fields that hold secrets, wherever they are met. */
const SECRETS = [
  'token',
  'secret',
  'secret_token',
  'password',
  'passwd',
  'authorization',
  'cookie',
  'api_key',
]
/** Fields of the Bot API that hold what people write, wherever they are met. */
const TEXTS = [
  'text',
  'caption',
  'query',
  'quote',
  'question',
  'explanation',
  'invoice_payload',
  'rich_message',
]

const DEEPEST = 6
const MOST_FIELDS = 100

/** How a value is told in a log: see {@link redaction}. */
export type Redaction = (value: Readonly<Record<string, unknown>>) => Record<string, unknown>

/**
 * Makes what takes from a log entry what is not for logs: fields with secrets, fields with what people write unless `texts`, fields of
 * your naming, and tokens and passwords within whatever text is left. It gives a copy, as deep and wide as logs are read. Of errors it
 * leaves name, message, stack and code: those of the Bot API carry the call that failed.
 */
export function redaction({ texts, hide }: { texts: boolean; hide: readonly string[] }): Redaction {
  const hidden = new Set([...SECRETS, ...(texts ? [] : TEXTS), ...hide].map((name) => name.toLowerCase()))

  const told = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return redacted(value)
    if (typeof value === 'bigint') return String(value)
    if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value
    if (value instanceof Error) return errorOf(value)
    if (value instanceof Date) return value.toISOString()
    if (depth === 0) return '[…]'
    if (Array.isArray(value)) return value.slice(0, MOST_FIELDS).map((each) => told(each, depth - 1))
    if (isContext(value)) return { update: told(value.update, depth - 1) }
    return fieldsOf(value as Readonly<Record<string, unknown>>, depth)
  }

  const fieldsOf = (value: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> => {
    // Null-prototype: names may come from anybody, `__proto__` among them.
    const copy: Record<string, unknown> = Object.create(null)
    let left = MOST_FIELDS
    for (const name of Object.keys(value)) {
      if (left-- === 0) break
      copy[name] = hidden.has(name.toLowerCase()) ? hiddenOf(value[name]) : told(value[name], depth - 1)
    }
    return copy
  }

  return (value) => fieldsOf(value, DEEPEST)
}

/** Whether there was anything may be told. */
function hiddenOf(value: unknown): unknown {
  return value === undefined || value === null || typeof value === 'boolean' ? value : HIDDEN
}

/** An error without what it drags along. */
export function errorOf(error: Error): Record<string, unknown> {
  const { name, message } = error
  const code = 'code' in error ? error.code : 'error_code' in error ? error.error_code : undefined
  return {
    type: name,
    message: redacted(message),
    stack: errorText(error),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
  }
}

/** grammY's context carries the token of the bot, and all that was plugged in. */
function isContext(value: object): value is { readonly update: unknown } {
  return 'update' in value && 'api' in value && 'me' in value
}
