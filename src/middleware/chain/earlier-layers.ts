import type { Context } from 'grammy'
import { located } from '../../core/errors.js'
import type { GuardDefinition } from '../guard.js'
import type { Services } from '../services.js'
import { Questions } from './wiring.js'

/** The guards of one handler: the arguments of the call that creates their chain. */
export type LayerOf = [
  guards: readonly GuardDefinition<Context>[],
  name: string,
  place: string | undefined,
  many?: boolean,
]

/** The chain of the guards of one handler. */
interface LayerChain {
  readonly services: Pick<Services, 'failed'>
  readonly of: LayerOf | undefined
  drain(): Promise<void>
}

/** The guards of one handler, and their chain if it has been recreated. */
interface FormerLayer<Chain extends LayerChain> {
  readonly of: LayerOf
  readonly layer: Chain | undefined
  /** Why they do not fit the options in force, if that was reported. */
  unfit?: string | undefined
}

/**
 * The guards of handlers that were used before options were changed. They are recreated when their handler is next used, or when
 * all limits are queried, whichever comes first.
 */
export class EarlierLayers<Chain extends LayerChain> {
  layers: FormerLayer<Chain>[] = []
  /** Whether the chain has been drained, because other options replaced it or the sentinel closes. */
  isOver = false
  /**
   * Guards first used after that, by an update from before reconfigure(). Keyed by definitions, so that the next chain finds
   * their limits.
   */
  late = new Map<LayerOf[0], LayerOf>()

  /**
   * Takes over the handlers' guards of the replaced chain. Those that do not fit the changed options are reported at once, each
   * problem once: a listener may call reconfigure() again.
   */
  follow(
    earlier: { readonly layers: Iterable<Chain>; readonly earlierLayers: EarlierLayers<Chain> },
    services: Services,
  ): void {
    this.late = earlier.earlierLayers.late
    const made = [...earlier.layers].flatMap(({ of }) => (of === undefined ? [] : [{ of, layer: undefined }]))
    const left = earlier.earlierLayers.layers.filter(({ layer }) => layer === undefined)
    this.layers = [...made, ...left]
    const problems = this.layers.flatMap((former) => {
      const problem = problemOf(former.of, services)
      const told = former.unfit
      former.unfit = problem?.message
      return problem === undefined || problem.message === told ? [] : [problem]
    })
    for (const problem of problems) services.failed(problem, 'wiring')
  }

  /** Forgets guards that will not be asked again. */
  forget(guards: LayerOf[0]): void {
    this.layers = this.layers.filter(({ of }) => of[0] !== guards)
  }

  /** Takes out the recreated chain of a handler that is used again; undefined if the chain has to be created. */
  take(given: LayerOf): Chain | undefined {
    const at = this.layers.findIndex(({ of }) => isSame(of, given))
    return at < 0 ? undefined : this.layers.splice(at, 1)[0]?.layer
  }

  /**
   * Called when guards of a handler are used for the first time. If this chain is over, the update was admitted before that.
   * Nobody would handle what the guards hold back, so they are drained at once and hold nothing back.
   */
  used(layer: Chain, of: LayerOf): void {
    if (!this.isOver) return
    this.late.set(of[0], of)
    layer.drain().catch((error: unknown) => layer.services.failed(error, 'drain'))
  }
}

/** Returns why guards do not fit the options in force; undefined if they do. */
function problemOf([guards, name, place]: LayerOf, services: Services): Error | undefined {
  try {
    // This wiring is discarded. Without limits that change at run time, it leaves no trace in their register.
    new Questions({ ...services, runtime: undefined }, guards, place)
    return undefined
  } catch (error) {
    return located(place ?? name, error) as Error
  }
}

/** Whether two calls mean the same layer. Where many handlers of one name share a chain, any of them stands for all. */
export function isSame(of: LayerOf, [guards, name, place, many]: LayerOf): boolean {
  return of[1] === name && of[2] === place && (many ? of[3] === true : of[0] === guards)
}
