import type { MaybePromise } from './check.js'
import { SentinelError } from './errors.js'

/** A part of the package that is loaded on first use. */
export interface Later<M> {
  /** The module; undefined until it is loaded. */
  readonly now: M | undefined
  /** Loads the module. Rejects with `module.failed`; the next call tries again. */
  load(): Promise<M>
}

/**
 * Defers loading a part until it is needed, so that bots that do not use it need not load it. If loading fails, the caller gets
 * the error, and the next call tries again.
 *
 * @param what The part's name, for the error.
 * @param load `() => import('./part.js')`, with a literal path, so that bundlers can resolve it.
 */
export function later<M>(what: string, load: () => Promise<M>): Later<M> {
  let now: M | undefined
  let loading: Promise<M> | undefined
  return {
    get now() {
      return now
    },
    load() {
      loading ??= load().then(
        (module) => {
          now = module
          return module
        },
        (error: unknown) => {
          loading = undefined
          throw new SentinelError(
            'module.failed',
            `${what}: its part of grammy-sentinel could not be loaded. Deploy all files of the package, or the whole output of the bundler.`,
            { cause: error },
          )
        },
      )
      return loading
    },
  }
}

/** Defers what is made of a part, such as an instance of its class. It is made once, when the part is first used. */
export function madeLater<M, T>(part: Later<M>, make: (module: M) => T): Later<T> {
  let made: T | undefined
  const of = (module: M): T => {
    made ??= make(module)
    return made
  }
  return {
    get now() {
      return part.now === undefined ? undefined : of(part.now)
    },
    load: () => part.load().then(of),
  }
}

/** Calls a function with a part: at once if it is loaded, otherwise as soon as it is. */
export function using<M, R>(part: Later<M>, use: (module: M) => MaybePromise<R>): MaybePromise<R> {
  const { now } = part
  return now === undefined ? part.load().then(use) : use(now)
}

/** Loads a part now, so that the first update need not wait for it. A failure is reported when an update needs the part. */
export function preload(part: Later<unknown>): void {
  part.load().catch(() => undefined)
}
