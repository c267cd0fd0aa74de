import type { z } from 'zod'
import type { optionsSchema, SentinelOptions } from '../../src/options/index.js'
import type { Equal, Expect } from '../types/expect.js'

/* The interface is written by hand, for its docstrings; the schema is what is enforced. Both must describe the same options. */

/** Makes `undefined` no value of optional keys: zod cannot tell an absent option from an undefined one. */
type Given<T> = T extends (...args: never[]) => unknown
  ? T
  : T extends readonly (infer E)[]
    ? readonly Given<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Given<Exclude<T[K], undefined>> }
      : T
type Written = Given<Omit<SentinelOptions, 'storage' | 'timers'>>
type Schemed = Given<Omit<z.input<typeof optionsSchema>, 'storage' | 'timers'>>
/** Optional keys that only one side has are assignable both ways, so their names are compared as well. */
type Names<T> = T extends readonly (infer E)[]
  ? Names<E>
  : // A subject may hold another, for ever.
    T extends ((...args: never[]) => unknown) | { kind: unknown }
    ? never
    : T extends object
      ? { [K in keyof T & string]: K | `${K}.${Names<NonNullable<T[K]>>}` }[keyof T & string]
      : never
type Checks = [
  Expect<Written extends Schemed ? true : false>,
  Expect<Schemed extends Written ? true : false>,
  Expect<Equal<keyof SentinelOptions, keyof z.input<typeof optionsSchema>>>,
  Expect<Equal<Names<Required<Written>['throttle']>, Names<Required<Schemed>['throttle']>>>,
  Expect<Equal<Names<Required<Written>['debounce']>, Names<Required<Schemed>['debounce']>>>,
  Expect<Equal<Names<Required<Written>['block']>, Names<Required<Schemed>['block']>>>,
  Expect<Equal<Names<Required<Written>['once']>, Names<Required<Schemed>['once']>>>,
  Expect<Equal<Names<Required<Written>['auth']>, Names<Required<Schemed>['auth']>>>,
  Expect<Equal<Names<Required<Written>['notices']>, Names<Required<Schemed>['notices']>>>,
  Expect<Equal<Names<Required<Written>['exempt']>, Names<Required<Schemed>['exempt']>>>,
]

test('the interface and the schema describe the same options', () => {
  // Compiles only where each is true.
  const checks: Checks = [true, true, true, true, true, true, true, true, true, true]
  expect(checks).not.toContain(false)
})
