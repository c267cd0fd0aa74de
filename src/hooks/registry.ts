import { isPromise, type MaybePromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { hintAt } from '../core/nearest.js'
import { shown } from '../core/show.js'
import { compile, type Node } from './compile.js'
import type { Hook } from './hook.js'
import { Occasion, type Outcome, type Running } from './running.js'

/** Hooks at all points together. */
const MOST_HOOKS = 1000

/** What a registry is told of the points there are. */
export interface HookPlaces {
  /** Points where the update waits for hooks, and these decide. */
  readonly deciding: readonly string[]
  /** Points where something is told: hooks there run when it is. */
  readonly telling: readonly string[]
  /** Listens for a point where something is told; the returned function stops it. */
  listen(point: string, told: (told: unknown) => void): () => void
}

/** The hooks of one point, as one. Replaced as a whole, so that a run goes on with those it began with. */
interface Standing {
  all: { readonly kind: 'chain'; readonly nodes: readonly Node[] }
  /** Stops what has been listened to for it. */
  readonly stop: (() => void) | undefined
}

/** The hooks of a sentinel, by where they stand: each point's run in the order they came. */
export class HookRegistry {
  /** Whether any hook stands where updates wait for it: else nothing is asked for an update. */
  deciding = false
  private readonly standing = new Map<string, Standing>()
  private readonly enrichments = new WeakMap<object, Record<string, unknown>>()
  /** What those without a name are called: each by another, and by as few as there are. */
  private readonly names = new Set<string>()
  private given: readonly (() => void)[] = []

  constructor(
    private readonly places: HookPlaces,
    private readonly running: Running,
  ) {}

  /**
   * Adds a hook; the returned function takes it away.
   *
   * @throws SentinelError `hook.unknown` with the point that was meant; as {@link compile}; `option.invalid` for one too many.
   */
  add(point: string, hook: Hook<never>): () => void {
    let number = 1
    while (this.names.has(`${point}#${number}`)) number++
    const name = `${point}#${number}`
    const node = this.check(point, hook, name)
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

  /** @param besides Hooks that are to be added with it. */
  private check(point: string, hook: Hook<never>, usual: string, besides = 0): Node {
    checkPoint(point, this.places)
    const node = compile(hook, point, usual)
    if (this.names.size + besides >= MOST_HOOKS) {
      throw new SentinelError(
        'option.invalid',
        `hooks.${point}: there are ${MOST_HOOKS} hooks already. Add them once, not with every update.`,
      )
    }
    return node
  }

  /** Puts the hooks of options in the place of those that options gave before. As {@link add}, all or none. */
  configure(hooks: Readonly<Record<string, unknown>> | undefined): void {
    this.checked(hooks)()
  }

  /** Checks the hooks of options as {@link configure} does; calling what it gives, at once, puts them in place. */
  checked(hooks: Readonly<Record<string, unknown>> | undefined): () => void {
    const all: (readonly [string, Hook<never>])[] = []
    for (const [point, given] of Object.entries(hooks ?? {})) {
      if (given === undefined) continue
      for (const hook of (Array.isArray(given) ? given : [given]) as readonly Hook<never>[]) {
        this.check(point, hook, point, all.length)
        all.push([point, hook])
      }
    }
    return () => {
      const added = all.map(([point, hook]) => this.add(point, hook))
      for (const remove of this.given) remove()
      this.given = added
    }
  }

  /** Whether a hook stands there. */
  has(point: string): boolean {
    return this.standing.has(point)
  }

  /** Runs the hooks of a point where they decide; the veto, if there is one. Never throws or rejects. */
  decide(point: string, told: unknown, enriched: Record<string, unknown>): MaybePromise<Outcome['veto']> {
    const standing = this.standing.get(point)
    if (standing === undefined) return undefined
    const outcome = new Occasion(point, told, this.running, enriched).run(standing.all)
    return isPromise(outcome) ? outcome.then((late) => late?.veto) : outcome?.veto
  }

  /** What hooks have brought for an update: made when it is first asked for. */
  enrichedOf(ctx: object): Record<string, unknown> {
    let enriched = this.enrichments.get(ctx)
    if (enriched === undefined) {
      // Without a prototype, so that a hook may use any name, `__proto__` and `constructor` included.
      enriched = Object.create(null) as Record<string, unknown>
      this.enrichments.set(ctx, enriched)
    }
    return enriched
  }

  /** What hooks have brought for an update, if they have. */
  broughtFor(ctx: object): Readonly<Record<string, unknown>> | undefined {
    return this.enrichments.get(ctx)
  }

  private standAt(point: string): Standing {
    let standing = this.standing.get(point)
    if (standing === undefined) {
      const tells = this.places.telling.includes(point)
      const stop = tells ? this.places.listen(point, (told) => this.tell(point, told)) : undefined
      standing = { all: { kind: 'chain', nodes: [] }, stop }
      this.standing.set(point, standing)
    }
    return standing
  }

  /** Nobody waits for these; what they say decides nothing. */
  private tell(point: string, told: unknown): void {
    const all = this.standing.get(point)?.all
    if (all === undefined) return
    const occasion = new Occasion(point, told, this.running, undefined)
    if (!this.running.aside(`hooks ${point}`, async () => occasion.run(all))) {
      this.running.ran?.(point, point, 0, 'dropped')
    }
  }

  private look(): void {
    this.deciding = this.places.deciding.some((point) => this.standing.has(point))
  }
}

/** Refuses a point that there is not. */
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
