import { isPromise, type MaybePromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { getOrInsert } from '../core/maps.js'
import { hintAt } from '../core/nearest.js'
import { shown } from '../core/show.js'
import { compile, type Node } from './compile.js'
import type { Hook } from './hook.js'
import { Occasion, type Outcome, type Running } from './running.js'

/** Most hooks of one sentinel, at all points together. */
const MOST_HOOKS = 1000

/** The known points. */
interface HookPlaces {
  /** Points where the update waits for the hooks and they may veto it. */
  readonly deciding: readonly string[]
  /** Points that are events: their hooks run when the event is emitted. */
  readonly telling: readonly string[]
  /** Listens to the event of a point; the returned function removes the listener. */
  listen(point: string, listener: (event: unknown) => void): () => void
}

/** The hooks of one point, combined into one. Replaced as a whole, so that a run in progress keeps its list. */
interface Standing {
  all: { readonly kind: 'chain'; readonly nodes: readonly Node[] }
  /** Removes the listener of the point's event. */
  readonly stop: (() => void) | undefined
}

/** The hooks of a sentinel, by point. Hooks of one point run in the order in which they were added. */
export class HookRegistry {
  /** Whether any hook stands at a point where updates wait; if not, updates skip the hooks altogether. */
  deciding = false
  private readonly standing = new Map<string, Standing>()
  private readonly enrichments = new WeakMap<object, Record<string, unknown>>()
  /** Fallback names in use, such as `allowed#2`, one for each hook. Numbers are reused, which keeps the names in metrics few. */
  private readonly names = new Set<string>()
  private given: readonly (() => void)[] = []

  constructor(
    private readonly places: HookPlaces,
    private readonly running: Running,
  ) {}

  /**
   * Adds a hook; the returned function removes it.
   *
   * @throws SentinelError `hook.unknown`, suggesting a point; the errors of {@link compile}; `option.invalid` above the maximum.
   */
  add(point: string, hook: Hook<never>): () => void {
    checkPoint(point, this.places)
    let number = 1
    while (this.names.has(`${point}#${number}`)) number++
    const name = `${point}#${number}`
    const node = compile(hook, point, name)
    this.checkRoom(0, point)
    const standing = this.standAt(point)
    standing.all = { kind: 'chain', nodes: [...standing.all.nodes, node] }
    this.names.add(name)
    this.look()
    return () => {
      const { nodes } = standing.all
      if (!nodes.includes(node)) return
      standing.all = { kind: 'chain', nodes: nodes.filter((other) => other !== node) }
      this.names.delete(name)
      if (standing.all.nodes.length === 0) {
        standing.stop?.()
        this.standing.delete(point)
      }
      this.look()
    }
  }

  /** @param besides How many other hooks are about to be added. */
  private checkRoom(besides: number, point: string): void {
    if (this.names.size + besides < MOST_HOOKS) return
    throw new SentinelError(
      'option.invalid',
      `hooks.${point}: there are ${MOST_HOOKS} hooks already. Add them once, not with every update.`,
    )
  }

  /**
   * Returns a function, to be called at once, that puts the hooks of options in place of those of earlier options. The options have
   * been checked, so that only their number can be wrong.
   *
   * @throws SentinelError `option.invalid` above the maximum.
   */
  placing(hooks: Readonly<Record<string, unknown>> | undefined): () => void {
    const all: (readonly [string, Hook<never>])[] = []
    for (const [point, given] of Object.entries(hooks ?? {})) {
      if (given === undefined) continue
      for (const hook of (Array.isArray(given) ? given : [given]) as readonly Hook<never>[]) {
        this.checkRoom(all.length, point)
        all.push([point, hook])
      }
    }
    return () => {
      const added = all.map(([point, hook]) => this.add(point, hook))
      for (const remove of this.given) remove()
      this.given = added
    }
  }

  /** Whether the point has a hook. */
  has(point: string): boolean {
    return this.standing.has(point)
  }

  /** Runs the hooks of a deciding point; returns the veto, if any. Never throws or rejects. */
  decide(point: string, event: unknown, enriched: Record<string, unknown>): MaybePromise<Outcome['veto']> {
    const standing = this.standing.get(point)
    if (standing === undefined) return undefined
    const outcome = new Occasion(point, event, this.running, enriched).run(standing.all)
    return isPromise(outcome) ? outcome.then((resolved) => resolved?.veto) : outcome?.veto
  }

  /** Returns the data that hooks added to an update; creates the object on first use. */
  enrichedOf(ctx: object): Record<string, unknown> {
    // Without a prototype, so that hooks may use any name, including `__proto__` and `constructor`.
    return getOrInsert(this.enrichments, ctx, () => Object.create(null) as Record<string, unknown>)
  }

  /** Returns the data that hooks added to an update, or undefined if they added none. */
  broughtFor(ctx: object): Readonly<Record<string, unknown>> | undefined {
    return this.enrichments.get(ctx)
  }

  private standAt(point: string): Standing {
    return getOrInsert(this.standing, point, () => {
      const tells = this.places.telling.includes(point)
      const stop = tells ? this.places.listen(point, (event) => this.tell(point, event)) : undefined
      return { all: { kind: 'chain', nodes: [] }, stop }
    })
  }

  /** Runs the hooks of an event in the background; their answers are ignored. */
  private tell(point: string, event: unknown): void {
    const all = this.standing.get(point)?.all
    if (all === undefined) return
    const occasion = new Occasion(point, event, this.running, undefined)
    if (!this.running.aside(`hooks ${point}`, async () => occasion.run(all))) {
      this.running.ran?.(point, point, 0, 'dropped')
    }
  }

  private look(): void {
    this.deciding = this.places.deciding.some((point) => this.standing.has(point))
  }
}

/** Rejects an unknown point. */
export function checkPoint(
  point: string,
  { deciding, telling }: Pick<HookPlaces, 'deciding' | 'telling'>,
): void {
  const known = [...deciding, ...telling]
  if (known.includes(point)) return
  throw new SentinelError(
    'hook.unknown',
    `hooks: there is no point ${shown(point)}.${hintAt(String(point), known)} Points: ${known.join(', ')}.`,
  )
}
