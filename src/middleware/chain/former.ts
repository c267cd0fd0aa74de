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
  /** What the chain holds back has been handled, as other options hold now or the sentinel closes. */
  isOver = false
  /** Guards first used after that, by an update from before reconfigure(): by what they are made of, so that the next chain can find what they count. */
  late = new Map<LayerOf[0], LayerOf>()

  /** Takes over the handlers' guards of the chain before. */
  follow(earlier: Chain<Context>): void {
    this.late = earlier.former.late
    const made = [...earlier.layers].flatMap(({ of }) => (of === undefined ? [] : [{ of, layer: undefined }]))
    const left = earlier.former.layers.filter(({ layer }) => layer === undefined)
    this.layers = [...made, ...left]
  }

  /** What guards are made of will not be asked again. */
  forget(guards: LayerOf[0]): void {
    this.layers = this.layers.filter(({ of }) => of[0] !== guards)
  }

  /** The guards of a handler that is used again; undefined if they are to be made. */
  take(given: LayerOf): Chain<Context> | undefined {
    const at = this.layers.findIndex(({ of }) => isSame(of, given))
    return at < 0 ? undefined : this.layers.splice(at, 1)[0]?.layer
  }

  /**
   * Guards of a handler are used for the first time. Where the chain is over, by an update that it let in before: nobody would handle what
   * they hold back, so they hold nothing back.
   */
  used(layer: Chain<Context>, of: LayerOf): void {
    if (!this.isOver) return
    this.late.set(of[0], of)
    layer.drain().catch((error: unknown) => layer.failed(error, 'drain'))
  }
}

/** Where many handlers of one name share a chain, whichever is used first stands for them all. */
export function isSame(of: LayerOf, [guards, name, place, many]: LayerOf): boolean {
  return of[1] === name && of[2] === place && (many ? of[3] === true : of[0] === guards)
}
