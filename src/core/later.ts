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
            `${what}: its part of grammy-sentinel could not be loaded. Deploy all files of the package, or what the bundler made of them.`,
            { cause: error },
          )
        },
      )
      return loading
    },
  }
}
