/** True only for identical types, neither wider nor narrower; distinguishes `any` and `readonly`. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only for `true`. */
export type Expect<T extends true> = T

/** Compiles only if the value has exactly this type: `expectType<number>()(value)`. */
export function expectType<Expected>() {
  return <Actual>(
    _value: Actual,
    ..._same: Equal<Actual, Expected> extends true ? [] : [wrong: never]
  ): void => {}
}

export type Checks = [
  Expect<Equal<1, 1>>,
  Expect<Equal<{ a?: 1 }, { a?: 1 }>>,
  // @ts-expect-error: number is wider
  Expect<Equal<number, 1>>,
  // @ts-expect-error: any is not unknown
  Expect<Equal<unknown, ReturnType<typeof JSON.parse>>>,
  // @ts-expect-error: readonly makes a difference
  Expect<Equal<{ a: 1 }, { readonly a: 1 }>>,
]
expectType<string>()('a' as string)
// @ts-expect-error: 'a' is narrower
expectType<string>()('a' as const)
