// biome-ignore-all lint/suspicious/noConfusingVoidType: a function that returns nothing is a hook.
import type { MaybePromise } from '../core/check.js'
import type { Duration } from '../core/duration.js'

/**
 * What a hook that decides may answer: stop the update, or give something to those that follow. No answer lets it go on.
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
  /** Stops the update: why, for listeners and logs. The user is told what notices say of `vetoed`. */
  readonly veto?: string | undefined
  /** Found in `enriched` by the hooks that follow, and in `ctx.sentinel.enriched` by handlers. A later one of a name wins. */
  readonly enrich?: Readonly<Record<string, unknown>> | undefined
}

/**
 * A run of a hook.
 *
 * @example
 * ```ts
 * import { type HookRun, sentinel } from 'grammy-sentinel'
 *
 * const told = async (_: unknown, { signal, point }: HookRun): Promise<void> => {
 *   await fetch(`https://example.org/${point}`, { signal })
 * }
 * sentinel().hook('denied', told)
 * ```
 */
export interface HookRun {
  /** Where it stands, such as `before:throttle`. */
  readonly point: string
  /** The name of the hook, as events and metrics tell it. */
  readonly name: string
  /** Aborted when the hook has taken too long: nobody waits for it any more. */
  readonly signal: AbortSignal
}

/**
 * What a function that is a hook may return: an answer or nothing, now or later.
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
 * A function that is a hook: told what the listeners of its point are told, and about its run.
 *
 * @example
 * ```ts
 * import { type BeforeEvent, type HookFunction, sentinel } from 'grammy-sentinel'
 *
 * const curfew: HookFunction<BeforeEvent> = ({ facts }) => (facts.inGroup ? { veto: 'groups sleep' } : undefined)
 * sentinel().hook('before:block', curfew)
 * ```
 */
export type HookFunction<T, A = HookAnswer> = (told: T, run: HookRun) => HookResult<A>

/**
 * A function that is a hook, with what there is to say of it.
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
  /** As events and metrics tell it: 1 to 64 characters. @default the function's own, else its point and a number, such as `allowed#2` */
  readonly name?: string | undefined
  /** How long it may take, from 1 ms. It is not waited for any longer, and its answer is not taken. @default '1s' */
  readonly timeout?: Duration | undefined
}

/**
 * Several hooks as one, or one with a condition: what {@link hooks} make.
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
  | { readonly kind: 'filter'; readonly when: (told: T) => boolean; readonly hook: Hook<T, A> }
  | { readonly kind: 'background'; readonly hook: Hook<T, never> }

/**
 * A hook: a function, one with a name and a time-out, or what {@link hooks} make of others.
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
 * Makes one hook of several, or another of one.
 *
 * - `chain(...hooks)`: one after the other. The first veto stops the chain; what is enriched is seen by those that follow.
 * - `parallel(...hooks)`: all at once, and all are waited for. The first veto in the order of the list counts, and the last that enriches a name.
 * - `once(hook)`: for the first time that a sentinel reaches it, in this process; never again, however it ended, wherever it is put.
 * - `filter(when, hook)`: only where `when` holds.
 * - `background(hook)`: nobody waits for it, and it decides nothing. At most 256 are under way, more are dropped and
 *   told as such; `close()` waits for them.
 *
 * They stand in each other as you like. Each function has a time-out of its own, and one that throws or hangs stops none of the others.
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
    when: (told: T) => boolean,
    hook: Hook<T, A>,
  ): HookTree<T, A> => ({
    kind: 'filter',
    when,
    hook,
  }),
  background: <T>(hook: Hook<T, never>): HookTree<T, never> => ({ kind: 'background', hook }),
} as const
