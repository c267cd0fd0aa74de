import { SentinelError } from './errors.js'

/** A part that is loaded when it is first used: its module, once it is there, and the way to get it there. */
export interface Later<M> {
  /** Undefined until it was loaded. */
  readonly now: M | undefined
  /** Rejects with `module.failed`; then the next call tries again. */
  load(): Promise<M>
}

/**
 * What not every bot uses is no part of what every bot loads. A part that could not be loaded is told to whoever asked for
 * it, and asked for again the next time.
 *
 * @param what The part, for the error.
 * @param load `() => import('./part.js')`, written out, so that bundlers see what it is.
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
