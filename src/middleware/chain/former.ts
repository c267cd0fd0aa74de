import type { Context } from 'grammy'
import type { Chain } from '../pipeline.js'

/** What {@link Chain.layer} is asked for. */
export type LayerOf = Parameters<Chain<Context>['layer']>

/** The guards of one handler, and their chain if it was made anew. */
interface FormerLayer {
  readonly of: LayerOf
  readonly layer: Chain<Context> | undefined
}

/**
 * The guards of handlers that were used before options were changed. They are made anew when their handler is next used, or somebody
 * asks what there is; whichever comes first.
 */
export class Former {
  layers: FormerLayer[] = []

  /** Those of an earlier chain are now this one's. */
  follow(earlier: Chain<Context>): void {
    const made = [...earlier.layers].flatMap(({ of }) => (of === undefined ? [] : [{ of, layer: undefined }]))
    const left = earlier.former.layers.filter(({ layer }) => layer === undefined)
    this.layers = [...made, ...left]
  }

  /** What guards are made of will not be asked again. */
  forget(guards: LayerOf[0]): void {
    this.layers = this.layers.filter(({ of }) => of[0] !== guards)
  }

  /** The guards of a handler that is used again; undefined if they are to be made. */
  take([guards, name, place, many]: LayerOf): Chain<Context> | undefined {
    // Where many handlers of one name share a chain, whichever is used first takes it.
    const at = this.layers.findIndex(
      ({ of }) => of[1] === name && of[2] === place && (many ? of[3] : of[0] === guards),
    )
    return at < 0 ? undefined : this.layers.splice(at, 1)[0]?.layer
  }
}
