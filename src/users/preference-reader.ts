import { isPromise, type MaybePromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'

/**
 * Checks preferences: a schema of zod or of any other library that implements Standard Schema (https://standardschema.dev), or a
 * function that returns the preferences or throws.
 *
 * @example
 * ```ts
 * import type { PreferenceSchema } from 'grammy-sentinel'
 * import { z } from 'zod'
 *
 * const byZod: PreferenceSchema<{ quiet: boolean }> = z.object({ quiet: z.boolean().default(false) })
 * const byHand: PreferenceSchema<{ quiet: boolean }> = (given) => ({ quiet: Object(given).quiet === true })
 * ```
 */
export type PreferenceSchema<T> =
  | ((given: unknown) => T)
  | {
      readonly '~standard': {
        readonly validate: (
          given: unknown,
        ) => MaybePromise<
          { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }
        >
      }
    }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export const NO_SCHEMA =
  'preferences: that is not a schema. Pass a Standard Schema, such as z.object({ … }) of zod, or a function.'

/** Reads preferences with a schema. */
export class PreferenceReader<T extends object> {
  constructor(private readonly schema: PreferenceSchema<T>) {}

  read(given: unknown): MaybePromise<T> {
    const { schema } = this
    if (typeof schema === 'function') return this.checked(schema(given))
    const answer = schema['~standard']?.validate(given)
    if (answer === undefined) throw new SentinelError('option.invalid', NO_SCHEMA)
    return isPromise(answer) ? answer.then((told) => this.answered(told)) : this.answered(answer)
  }

  private answered(
    answer: { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] },
  ): T {
    if (answer.issues === undefined) return this.checked(answer.value)
    // Reports field names and problems, but no values.
    const problems = answer.issues.slice(0, 5).map(({ message, path = [] }) => {
      const field = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
      return field === '' ? message : `${field}: ${message}`
    })
    throw this.refused(problems.join('; '))
  }

  private checked(value: T): T {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
    throw this.refused(`the schema returned ${shown(value)}, which is not an object`)
  }

  refused(problem: string): SentinelError {
    return new SentinelError('preference.invalid', `preferences: ${problem}.`)
  }
}
