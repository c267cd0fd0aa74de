import { type Bindings, type ChildLoggerOptions, type Logger, pino } from 'pino'
import type { Redaction } from './redaction.js'

type Serializer = (value: unknown) => unknown
type Formatter = (entry: object) => object
type Make = (this: Logger, bindings: Bindings, options?: ChildLoggerOptions) => Logger

/** What a logger does with entries by itself. */
interface Manner {
  readonly log: Formatter | undefined
  /** Fields that it has serializers for. */
  readonly serialized: ReadonlySet<string>
}

/**
 * A child that redacts what its parent's own formatter and serializers leave, in entries, in what is bound to it and to its children,
 * and in the words of messages. The parent's own redaction stays in force.
 */
export function discreet(parent: Logger, tell: Redaction): Logger {
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
          names.map((name) => [name, (value: unknown) => tell.field(name, value, serializers[name])]),
        ),
        // What is left of an error by then is told as it is: pino's own serializer would take it for an object of no class.
        err: (error: unknown) => error,
        ...last,
      },
      formatters: {
        ...formatters,
        bindings: (bound) => ({ ...tell.entry(formatters.bindings?.(bound) ?? bound, serialized) }),
        log: (entry) => tell.entry(log?.(entry) ?? entry, serialized),
      },
    })
    // Else pino would have its children bind what they are given as it is.
    const next: Make = function (more, given = {}) {
      return grown(this, more, given, { log, serialized })
    }
    child.child = next as unknown as Logger['child']
    return child
  }

  const { [words]: ownWords, ...serializers } = own
  // Also of words that pino takes from an error. Whoever names this field as they please may call it `text`.
  const told = (text: unknown): unknown => tell.field('', text, ownWords)
  return grown(
    parent,
    {},
    { serializers },
    { log: formatters?.log, serialized: new Set() },
    { [words]: told },
  )
}

/** What a logger keeps by a symbol of pino's. Loggers of another copy of pino keep it by one of their own, of the same name. */
function kept(logger: object, { description }: symbol): unknown {
  for (let at: object | null = logger; at !== null; at = Object.getPrototypeOf(at)) {
    const own = Object.getOwnPropertySymbols(at).find((symbol) => symbol.description === description)
    if (own !== undefined) return (at as Readonly<Record<symbol, unknown>>)[own]
  }
  return undefined
}
