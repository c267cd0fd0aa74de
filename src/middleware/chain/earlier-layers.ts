import type { Context } from 'grammy'
import { located } from '../../core/errors.js'
import type { GuardDefinition } from '../guard.js'
import type { Services } from '../services.js'
import { ChainPlan } from './chain-plan.js'

/** What the chain for the guards of one handler is created from. */
export interface LayerKey {
  readonly guards: readonly GuardDefinition<Context>[]
  readonly name: string
  readonly place: string | undefined
  /** True if very many handlers have the same name and guards: they share one chain. */
  readonly many: boolean
}

/** The chain of the guards of one handler. */
interface LayerChain {
  readonly services: Pick<Services, 'failed'>
  readonly key: LayerKey | undefined
  drain(): Promise<void>
}

/** The guards of one handler, and their chain if it has been recreated. */
interface FormerLayer<Chain extends LayerChain> {
  readonly key: LayerKey
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
  usedSince = new Map<LayerKey['guards'], LayerKey>()

  /**
   * Takes over the handlers' guards of the replaced chain. Those that do not fit the changed options are reported at once, each
   * problem once: a listener may call reconfigure() again.
   */
  follow(
    earlier: { readonly layers: Iterable<Chain>; readonly earlierLayers: EarlierLayers<Chain> },
    services: Services,
  ): void {
    this.usedSince = earlier.earlierLayers.usedSince
    const made = [...earlier.layers].flatMap(({ key }) =>
      key === undefined ? [] : [{ key, layer: undefined }],
    )
    const left = earlier.earlierLayers.layers.filter(({ layer }) => layer === undefined)
    this.layers = [...made, ...left]
    const problems = this.layers.flatMap((former) => {
      const problem = problemOf(former.key, services)
      const told = former.unfit
      former.unfit = problem?.message
      return problem === undefined || problem.message === told ? [] : [problem]
    })
    for (const problem of problems) services.failed(problem, 'wiring')
  }

  /** Forgets guards that will not be asked again. */
  forget(guards: LayerKey['guards']): void {
    this.layers = this.layers.filter(({ key }) => key.guards !== guards)
  }

  /** Takes out the recreated chain of a handler that is used again; undefined if the chain has to be created. */
  take(given: LayerKey): Chain | undefined {
    const at = this.layers.findIndex(({ key }) => isSame(key, given))
    return at < 0 ? undefined : this.layers.splice(at, 1)[0]?.layer
  }

  /**
   * Called when guards of a handler are used for the first time. If this chain is over, the update was admitted before that.
   * Nobody would handle what the guards hold back, so they are drained at once and hold nothing back.
   */
  used(layer: Chain, key: LayerKey): void {
    if (!this.isOver) return
    this.usedSince.set(key.guards, key)
    layer.drain().catch((error: unknown) => layer.services.failed(error, 'drain'))
  }
}

/** Returns why guards do not fit the options in force; undefined if they do. */
function problemOf({ guards, name, place }: LayerKey, services: Services): Error | undefined {
  try {
    // This wiring is discarded. Without limits that change at run time, it leaves no trace in their register.
    new ChainPlan({ ...services, runtime: undefined }, guards, place)
    return undefined
  } catch (error) {
    return located(place ?? name, error) as Error
  }
}

/** Whether two calls mean the same layer. Where many handlers of one name share a chain, any of them stands for all. */
export function isSame(one: LayerKey, other: LayerKey): boolean {
  const { guards, name, place, many } = other
  return one.name === name && one.place === place && (many ? one.many : one.guards === guards)
}
