import { getOrInsert } from '../../../core/maps.js'
import { parseCombinator } from '../../../mtproto/protocol/tl/parse.js'
import { type Combinator, currentSchema, Schema } from '../../../mtproto/protocol/tl/schema.js'
import { CHANGED, OLDEST, SINCE } from './table.js'

/** A former version of a constructor or method, valid up to a layer. */
interface Was {
  readonly until: number
  readonly combinator: Combinator
}

/** Reads requests of all layers, and provides the schemas for answers (https://core.telegram.org/api/invoking#layers). */
class Layers {
  /** A schema of all layers together, for reading; possible because constructor ids are never reused. */
  readonly reading: Schema
  readonly #current = currentSchema()
  readonly #was: readonly Was[]
  readonly #since: ReadonlyMap<string, number>
  readonly #schemas = new Map<number, Schema>()

  constructor() {
    this.#was = [...readChanges()].sort((a, b) => b.until - a.until)
    this.#since = new Map(
      SINCE.split('\n').map((line) => [line.split(' ')[1] as string, Number.parseInt(line, 10)]),
    )
    const all = this.#was.map(({ combinator }) => combinator)
    // The current combinators come last, so that they win lookups by name.
    this.reading = new Schema([...all, ...this.#current.combinators()], this.#current.layer)
  }

  /** Returns the schema of a layer; {@link reading} itself for the current and later layers. */
  schema(layer: number): Schema {
    if (layer >= this.#current.layer) return this.reading
    // Layers older than the table are treated like its oldest one.
    const known = Math.max(OLDEST, Math.trunc(layer) || 0)
    return getOrInsert(this.#schemas, known, () => this.#made(known))
  }

  #made(layer: number): Schema {
    const combinators = new Map<string, Combinator>()
    for (const combinator of this.#current.combinators()) {
      if ((this.#since.get(combinator.name) ?? 0) <= layer) combinators.set(combinator.name, combinator)
    }
    // The table runs from the latest layer down, so the nearest change after `layer` wins.
    for (const { until, combinator } of this.#was) {
      if (until >= layer) combinators.set(combinator.name, combinator)
    }
    return new Schema(combinators.values(), layer)
  }
}

function* readChanges(): Generator<Was> {
  let until = 0
  let kind: Combinator['kind'] = 'class'
  for (const line of CHANGED.split('\n')) {
    if (line.startsWith('# ')) {
      until = Number(line.slice(2))
      kind = 'class'
    } else if (line.startsWith('---')) kind = 'method'
    else yield { until, combinator: parseCombinator(line, kind) }
  }
}

let shared: Layers | undefined

/** Created on first use, like the schema. */
export function layers(): Layers {
  shared ??= new Layers()
  return shared
}
