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
  const inner = parent as unknown as Readonly<Record<symbol, unknown>>
  const own = (inner[serializersSym] ?? {}) as Readonly<Record<string, Serializer>>
  const formatters = inner[formattersSym] as { readonly log?: Formatter } | undefined
  const words = String(inner[messageKeySym] ?? 'msg')
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
