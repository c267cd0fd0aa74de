import { z } from 'zod'
import type { SentinelErrorCode } from '../../core/errors.js'

/*
 * Navigates schemas: what an option contains, in all the forms it may have.
 */

export type Schema = z.core.$ZodType

/** Additional information about a part of a schema. Schemas derived with `.meta()`, `.refine()` and so on inherit it. */
export interface Part {
  /** Completes the phrase "must be …" in errors. */
  readonly words: string
  readonly code?: SentinelErrorCode
  /** Throws for an invalid value, with the message of the parser for this kind of value. */
  readonly read?: (value: unknown, what: string) => unknown
}

export const parts = z.registry<Part>()

/** Returns the schemas of what an option contains under a name or index; empty if there is none. */
export function within(schema: Schema, key: string): readonly Schema[] {
  return formsOf(schema).flatMap((branch) => {
    const { def } = (branch as z.core.$ZodTypes)._zod
    if (def.type === 'object') return Object.hasOwn(def.shape, key) ? [def.shape[key] as Schema] : []
    if (def.type === 'record') return z.safeParse(def.keyType, key).success ? [def.valueType] : []
    return def.type === 'array' && /^(0|[1-9]\d{0,2})$/.test(key) ? [def.element] : []
  })
}

/** Returns the names of an option's inner options in all its forms, without those for editors, such as `$schema`. */
export function namesIn(schema: Schema): string[] {
  const names = formsOf(schema).flatMap((branch) => {
    const { def } = (branch as z.core.$ZodTypes)._zod
    return def.type === 'object' ? Object.keys(def.shape) : []
  })
  return [...new Set(names)].filter((name) => !name.startsWith('$'))
}

/** Returns every form that an option may have. */
export function formsOf(schema: Schema): readonly Schema[] {
  const core = bare(schema)
  const { def } = (core as z.core.$ZodTypes)._zod
  return def.type === 'union' ? def.options.flatMap(formsOf) : [core]
}

/** Whether an option can only be given in code, not in a file or an environment variable. */
export function isCodeOnly(schemas: readonly Schema[]): boolean {
  return schemas.flatMap(formsOf).every(({ _zod }) => _zod.def.type === 'custom')
}

/** Returns the schema without its wrappers (optional, prefault, readonly, pipe). */
export function bare(schema: Schema): Schema {
  const inner = innerOf(schema)
  return inner === undefined ? schema : bare(inner)
}

function innerOf(schema: Schema): Schema | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'optional':
    case 'prefault':
    case 'readonly':
      return def.innerType
    case 'pipe':
      return def.in
    default:
      return undefined
  }
}

/** Returns the additional information about an option's schema. */
export function partOf(schema: Schema): Part | undefined {
  const part = parts.get(schema as z.ZodType)
  if (part !== undefined) return part
  const inner = innerOf(schema)
  return inner === undefined ? undefined : partOf(inner)
}
