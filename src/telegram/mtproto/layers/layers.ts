import { parseCombinator } from '../../../mtproto/protocol/tl/parse.js'
import { type Combinator, currentSchema, Schema } from '../../../mtproto/protocol/tl/schema.js'
import { CHANGED, OLDEST, SINCE } from './table.js'

/** A constructor or method as it was, up to a layer. */
interface Was {
  readonly until: number
  readonly combinator: Combinator
}

/** What clients of every layer say, and what each may be told (https://core.telegram.org/api/invoking#layers). */
export class Layers {
  /** Reads all of them: numbers of constructors are never used twice. */
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
    // The current ones last: where a name is asked for, it is theirs.
    this.reading = new Schema([...all, ...this.#current.combinators()], this.#current.layer)
  }

  /** What a client of that layer knows; {@link reading} itself for those of today, and of a later one. */
  schema(layer: number): Schema {
    if (layer >= this.#current.layer) return this.reading
    // What is older than the table is told what its oldest layer knows.
    const known = Math.max(OLDEST, Math.trunc(layer) || 0)
    let schema = this.#schemas.get(known)
    if (schema === undefined) {
      schema = this.#made(known)
      this.#schemas.set(known, schema)
    }
    return schema
  }

  #made(layer: number): Schema {
    const combinators = new Map<string, Combinator>()
    for (const combinator of this.#current.combinators()) {
      if ((this.#since.get(combinator.name) ?? 0) <= layer) combinators.set(combinator.name, combinator)
    }
    // The nearest later change says how it was: the table goes from the latest down.
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

/** Read on first use, as the schema is. */
export function layers(): Layers {
  shared ??= new Layers()
  return shared
}
