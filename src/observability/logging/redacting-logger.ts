import { type Bindings, type ChildLoggerOptions, type Logger, pino } from 'pino'
import type { Redaction } from './redaction.js'

type Serializer = (value: unknown) => unknown
type Formatter = (entry: object) => object
type Make = (this: Logger, bindings: Bindings, options?: ChildLoggerOptions) => Logger

/** The processing of entries that a logger already has. */
interface Manner {
  readonly log: Formatter | undefined
  /** Fields with serializers of their own. */
  readonly serialized: ReadonlySet<string>
}

/**
 * Makes a child logger that redacts entries, bindings of the child and its own children, and message texts, after the parent's
 * formatter and serializers. The parent's own redaction stays in force.
 */
export function redactingLogger(parent: Logger, redaction: Redaction): Logger {
  const { formattersSym, serializersSym, messageKeySym } = pino.symbols
  const own = (kept(parent, serializersSym) ?? {}) as Readonly<Record<string, Serializer>>
  const formatters = kept(parent, formattersSym) as { readonly log?: Formatter } | undefined
  const words = String(kept(parent, messageKeySym) ?? 'msg')
  const make = parent.child as unknown as Make

  const grown = (
    of: Logger,
    bindings: Bindings,
    options: ChildLoggerOptions,
    before: Manner,
    last: Readonly<Record<string, Serializer>> = {},
  ): Logger => {
    const { serializers = {}, formatters = {} } = options
    const names = Object.keys(serializers).filter((name) => name !== 'err')
    const serialized = new Set([...before.serialized, ...names])
    const log = (formatters.log as Formatter | undefined) ?? before.log
    const child = make.call(of, bindings, {
      ...options,
      serializers: {
        ...Object.fromEntries(
          names.map((name) => [name, (value: unknown) => redaction.field(name, value, serializers[name])]),
        ),
        // The error is redacted already. pino's own serializer would not recognize it as an error.
        err: (error: unknown) => error,
        ...last,
      },
      formatters: {
        ...formatters,
        bindings: (bound) => ({ ...redaction.entry(formatters.bindings?.(bound) ?? bound, serialized) }),
        log: (entry) => redaction.entry(log?.(entry) ?? entry, serialized),
      },
    })
    // Otherwise pino would let children of the child bind values without redaction.
    const next: Make = function (more, given = {}) {
      return grown(this, more, given, { log, serialized })
    }
    child.child = next as unknown as Logger['child']
    return child
  }

  const { [words]: ownWords, ...serializers } = own
  // Also redacts messages that pino takes from an error. The field may have any name, so redaction by field name must not apply: ''.
  const told = (text: unknown): unknown => redaction.field('', text, ownWords)
  return grown(
    parent,
    {},
    { serializers },
    { log: formatters?.log, serialized: new Set() },
    { [words]: told },
  )
}

/** Reads an internal property of a logger. Another copy of pino has different symbols with the same description. */
function kept(logger: object, { description }: symbol): unknown {
  for (let at: object | null = logger; at !== null; at = Object.getPrototypeOf(at)) {
    const own = Object.getOwnPropertySymbols(at).find((symbol) => symbol.description === description)
    if (own !== undefined) return (at as Readonly<Record<symbol, unknown>>)[own]
  }
  return undefined
}
