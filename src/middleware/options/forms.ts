import { z } from 'zod'
import type { SentinelErrorCode } from '../../core/errors.js'

/*
 * Finding one's way through schemas: what an option holds within, in all the forms it may have.
 */

export type Schema = z.core.$ZodType

/** What is known of a part beside its schema. Those made from it by `.meta()`, `.refine()` and so on inherit it. */
export interface Part {
  /** After "must be". */
  readonly words: string
  readonly code?: SentinelErrorCode
  /** Throws for a wrong value, in the words of the parser that knows best. */
  readonly read?: (value: unknown, what: string) => unknown
}

export const parts = z.registry<Part>()

/** The schemas of what an option holds under a name or index: none if there is no such thing. */
export function within(schema: Schema, key: string): readonly Schema[] {
  return formsOf(schema).flatMap((branch) => {
    const { def } = (branch as z.core.$ZodTypes)._zod
    if (def.type === 'object') return Object.hasOwn(def.shape, key) ? [def.shape[key] as Schema] : []
    if (def.type === 'record') return z.safeParse(def.keyType, key).success ? [def.valueType] : []
    return def.type === 'array' && /^(0|[1-9]\d{0,2})$/.test(key) ? [def.element] : []
  })
}

/** The names that an option has within, of all its forms; not those that are for editors. */
export function namesIn(schema: Schema): string[] {
  const names = formsOf(schema).flatMap((branch) => {
    const { def } = (branch as z.core.$ZodTypes)._zod
    return def.type === 'object' ? Object.keys(def.shape) : []
  })
  return [...new Set(names)].filter((name) => !name.startsWith('$'))
}

/** Every form an option may have. */
export function formsOf(schema: Schema): readonly Schema[] {
  const core = bare(schema)
  const { def } = (core as z.core.$ZodTypes)._zod
  return def.type === 'union' ? def.options.flatMap(formsOf) : [core]
}

/** Whether only code can give an option: no file and no variable. */
export function isCodeOnly(schemas: readonly Schema[]): boolean {
  return schemas.flatMap(formsOf).every(({ _zod }) => _zod.def.type === 'custom')
}

/** The schema inside all that wraps it. */
export function bare(schema: Schema): Schema {
  const inner = innerOf(schema)
  return inner === undefined ? schema : bare(inner)
}

function innerOf(schema: Schema): Schema | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'optional':
    case 'readonly':
      return def.innerType
    case 'pipe':
      return def.in
    default:
      return undefined
  }
}

/** What is known of the part that an option is made of. */
export function partOf(schema: Schema): Part | undefined {
  const part = parts.get(schema as z.ZodType)
  if (part !== undefined) return part
  const inner = innerOf(schema)
  return inner === undefined ? undefined : partOf(inner)
}
