// biome-ignore-all lint/suspicious/noConfusingVoidType: a function that returns nothing is a hook.
import type { MaybePromise } from '../core/check.js'
import type { Duration } from '../core/duration.js'

/**
 * The answer of a hook that decides: stop the update, or pass data to later hooks and handlers. Without an answer the update goes
 * on.
 *
 * @example
 * ```ts
 * import { type HookAnswer, sentinel } from 'grammy-sentinel'
 *
 * const closed: HookAnswer = { veto: 'we are closed' }
 * sentinel().hook('before:throttle', () => (new Date().getHours() < 8 ? closed : { enrich: { shift: 'day' } }))
 * ```
 */
export interface HookAnswer {
  /** Stops the update. The text is the reason, for listeners and logs; the user gets the notice `vetoed`. */
  readonly veto?: string | undefined
  /**
   * Data for later hooks, in `enriched`, and for handlers, in `ctx.sentinel.enriched`. A later value overrides one of the same
   * name.
   */
  readonly enrich?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Describes one run of a hook.
 *
 * @example
 * ```ts
 * import { type HookRun, sentinel } from 'grammy-sentinel'
 *
 * const audit = async (_: unknown, { signal, point }: HookRun): Promise<void> => {
 *   await fetch(`https://example.org/${point}`, { signal })
 * }
 * sentinel().hook('denied', audit)
 * ```
 */
export interface HookRun {
  /** The point where the hook runs, such as `before:throttle`. */
  readonly point: string
  /** The name of the hook in events and metrics. */
  readonly name: string
  /** Aborted when the hook exceeds its time-out and its result is no longer awaited. */
  readonly signal: AbortSignal
}

/**
 * The return value of a hook function: an answer or nothing, directly or as a promise.
 *
 * @example
 * ```ts
 * import type { HookAnswer, HookResult } from 'grammy-sentinel'
 *
 * const soon: HookResult<HookAnswer> = Promise.resolve({ veto: 'not yet' })
 * ```
 */
export type HookResult<A> = MaybePromise<A | undefined | void>

/**
 * A hook function. It receives the same event as the listeners of its point, and a description of its run.
 *
 * @example
 * ```ts
 * import { type BeforeEvent, type HookFunction, sentinel } from 'grammy-sentinel'
 *
 * const curfew: HookFunction<BeforeEvent> = ({ facts }) => (facts.inGroup ? { veto: 'groups sleep' } : undefined)
 * sentinel().hook('before:block', curfew)
 * ```
 */
export type HookFunction<T, A = HookAnswer> = (event: T, run: HookRun) => HookResult<A>

/**
 * A hook function with a name and a time-out.
 *
 * @example
 * ```ts
 * import { type HookSpec, sentinel, type DeniedEvent } from 'grammy-sentinel'
 *
 * const report: HookSpec<DeniedEvent, never> = {
 *   name: 'report',
 *   timeout: '5s',
 *   run: async ({ verdict }, { signal }) => {
 *     await fetch('https://example.org', { method: 'POST', body: verdict.reason, signal })
 *   },
 * }
 * sentinel().hook('denied', report)
 * ```
 */
export interface HookSpec<T, A = HookAnswer> {
  readonly run: HookFunction<T, A>
  /** Name in events and metrics, 1 to 64 characters. @default the function's name, else its point and a number, such as `allowed#2` */
  readonly name?: string | undefined
  /** Time-out, at least 1 ms. When it expires, the hook is no longer awaited and its answer is ignored. @default '1s' */
  readonly timeout?: Duration | undefined
}

/**
 * A combination of hooks, or one hook with a condition, made by {@link hooks}.
 *
 * @example
 * ```ts
 * import { type BeforeEvent, type HookTree, hooks } from 'grammy-sentinel'
 *
 * const both: HookTree<BeforeEvent> = hooks.parallel(
 *   () => console.log('one'),
 *   () => console.log('two'),
 * )
 * ```
 */
export type HookTree<T, A = HookAnswer> =
  | { readonly kind: 'chain' | 'parallel'; readonly hooks: readonly Hook<T, A>[] }
  | { readonly kind: 'once'; readonly hook: Hook<T, A> }
  | { readonly kind: 'filter'; readonly when: (event: T) => boolean; readonly hook: Hook<T, A> }
  | { readonly kind: 'background'; readonly hook: Hook<T, never> }

/**
 * A hook: a function, a function with a name and a time-out, or a combination made by {@link hooks}.
 *
 * @example
 * ```ts
 * import { type AllowedEvent, type Hook, hooks, sentinel } from 'grammy-sentinel'
 *
 * const count: Hook<AllowedEvent> = hooks.background(({ facts }) => console.log(facts.activity))
 * sentinel().hook('allowed', count)
 * ```
 */
export type Hook<T, A = HookAnswer> = HookFunction<T, A> | HookSpec<T, A> | HookTree<T, A>

/**
 * Combines hooks into one, or modifies one.
 *
 * - `chain(...hooks)`: runs them one after the other. The first veto stops the chain; each hook sees the data that earlier ones
 *   added.
 * - `parallel(...hooks)`: starts all at once and waits for all. In list order, the first veto counts, and the last value of a
 *   name.
 * - `once(hook)`: runs only the first time that a sentinel reaches it in this process, even if that run fails or if the same hook
 *   stands at several points.
 * - `filter(when, hook)`: runs only if `when` returns true.
 * - `background(hook)`: is not awaited and decides nothing. At most 256 run at a time; further runs are dropped and reported as
 *   such. `close()` waits for those that run.
 *
 * Combinations can be nested. Each function has its own time-out, and a function that throws or hangs does not stop the others.
 *
 * @example
 * ```ts
 * import { type BeforeEvent, hooks, sentinel } from 'grammy-sentinel'
 *
 * const greet = hooks.once(() => console.log('the first update'))
 * const isGroup = ({ facts }: BeforeEvent): boolean => facts.inGroup
 * const quiet = hooks.filter(isGroup, () => ({ veto: 'not in groups' }))
 * sentinel().hook('before:block', hooks.chain(greet, quiet))
 * ```
 */
export const hooks = {
  chain: <T, A extends HookAnswer = HookAnswer>(...all: readonly Hook<T, A>[]): HookTree<T, A> => ({
    kind: 'chain',
    hooks: all,
  }),
  parallel: <T, A extends HookAnswer = HookAnswer>(...all: readonly Hook<T, A>[]): HookTree<T, A> => ({
    kind: 'parallel',
    hooks: all,
  }),
  once: <T, A extends HookAnswer = HookAnswer>(hook: Hook<T, A>): HookTree<T, A> => ({ kind: 'once', hook }),
  filter: <T, A extends HookAnswer = HookAnswer>(
    when: (event: T) => boolean,
    hook: Hook<T, A>,
  ): HookTree<T, A> => ({
    kind: 'filter',
    when,
    hook,
  }),
  background: <T>(hook: Hook<T, never>): HookTree<T, never> => ({ kind: 'background', hook }),
} as const
