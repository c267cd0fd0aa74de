import type { Context, NextFunction } from 'grammy'
import type { Check, MaybePromise } from '../../core/check.js'
import { ChainPlan } from '../chain/chain-plan.js'
import { type Guard, type GuardDefinition, type GuardServices, type Wiring, wiringWith } from '../guard.js'
import type { Chain } from '../pipeline.js'
import { createServices } from '../services.js'
import { positionsOf, type Step, walk } from './guard-positions.js'
import { Layer } from './layer.js'

/**
 * Guards registered next to each other in one call. Behind a sentinel, those that can be asked together share one plan, in which
 * each keeps the name it has on its own.
 */
export class AdjacentGuards {
  private root: Chain | undefined
  private steps: readonly Step[] = []
  /** By sentinel: two bots may share a composer. */
  private readonly behind = new WeakMap<Chain, readonly Joined[]>()
  /** All groups so far, each created once: after reconfigure(), a group's state is found by the identity of its definitions. */
  private readonly made: Joined[] = []

  constructor(private readonly guards: readonly Guard[]) {}

  run(root: Chain, ctx: Context, next: NextFunction): MaybePromise<void> {
    if (root !== this.root) {
      const joined =
        this.behind.get(root) ?? groupsOf(this.guards, root.services).map((group) => this.joinedOf(group))
      this.place(root, joined)
    }
    return walk(this.steps, 0, ctx, next)
  }

  private joinedOf(group: Group): Joined {
    const known = this.made.find((each) => each.isOf(group))
    if (known !== undefined) return known
    const joined = new Joined(group)
    this.made.push(joined)
    return joined
  }

  private place(root: Chain, joined: readonly Joined[]): void {
    this.root = root
    this.steps = joined.map(({ step }) => step)
    this.behind.set(root, joined)
    for (const { guards } of joined) {
      if (guards.length === 1) continue
      for (const guard of guards) {
        const positions = positionsOf(guard)
        if (positions !== undefined) positions.leave = (other) => this.part(guard, other)
      }
    }
  }

  /**
   * Called when one of the guards is also used on its own elsewhere: the guards that were asked with it are asked without it from
   * now on.
   */
  private part(guard: Guard, root: Chain): void {
    const joined = this.behind.get(root)
    if (joined?.some((each) => each.joins(guard)) !== true) {
      // Groups of earlier options that included the guard are dropped.
      for (const each of this.made) if (each.joins(guard)) this.leave(root, each)
      return
    }
    root.services.warn(
      'handler.apart',
      `"${nameOf(guard)}" guards several handlers, and for one of them it was decided together with adjacent guards until an update came to it elsewhere. It is one limit, so it is decided by itself from now on; the counts of the adjacent guards may start over. Fuse the composers that it is on, and do not use it on composers of lazy() or route().`,
    )
    const anew = groupsOf(this.guards, root.services).map((group) => this.joinedOf(group))
    for (const each of joined) if (!anew.includes(each)) this.leave(root, each)
    this.place(root, anew)
  }

  /** Drops a group that is in use or known from earlier options. */
  private leave(root: Chain, { layer }: Joined): void {
    if (layer === undefined) return
    root.earlierLayers.forget(layer.definitions)
    const chain = [...root.layers].find(({ key }) => key?.guards === layer.definitions)
    if (chain === undefined) return
    const draining = drop(root, chain).catch((error: unknown) => root.services.failed(error, 'fuse'))
    root.services.background.run('fuse', () => draining)
  }
}

/** Removes a chain of guards that are asked differently from now on: frees its name, and handles what it holds back. */
function drop(root: Chain, chain: Chain): Promise<void> {
  root.layers.delete(chain)
  root.names.taken.delete(chain.name.slice(root.name.length + 1))
  return chain.drain()
}

/**
 * Splits guards into groups that can be asked together with no visible difference except the saved round trips: no guard sees an
 * update that another one still has to admit, or counts an update that another one holds back. The guards of a group fit into one
 * plan.
 */
function groupsOf(guards: readonly Guard[], services: GuardServices): readonly Group[] {
  const { policies, roles } = services
  const forNothing = { ...createServices({}), policies, roles }
  const groups: { readonly guards: Guard[]; name: string | undefined }[] = []
  let open: Guard[] | undefined
  for (const guard of guards) {
    const alone = standsOnce(guard) ? together([guard], forNothing) : undefined
    const name = alone?.questions.some(({ check }) => COUNTED.includes(check.kind))
      ? nameOf(guard)
      : undefined
    const begins =
      alone === undefined || alone.wired.some(({ observe }) => observe !== undefined) || countsOnce(alone)
    if (open === undefined || begins || together([...open, guard], forNothing) === undefined) {
      open = [guard]
      groups.push({ guards: open, name })
    } else {
      open.push(guard)
      const group = groups.at(-1)
      if (group !== undefined) group.name ??= name
    }
    const ends = alone === undefined || alone.wired.some(({ divert, seat, apart }) => divert ?? seat ?? apart)
    if (ends) open = undefined
  }
  return groups
}

/**
 * Whether guards include `once`. It must not follow an album's claim in one plan, which would waive it for the later parts of an
 * album.
 */
function countsOnce({ questions }: ChainPlan): boolean {
  return questions.some(({ check }) => check.kind === 'claim' && check.tokens === 'sequence')
}

interface Group {
  readonly guards: readonly Guard[]
  /**
   * The name of the first guard that counts, so that guards without state may join or leave without resetting the group's state.
   */
  readonly name: string | undefined
}

const COUNTED: readonly Check['kind'][] = ['claim', 'bucket', 'window']

/** Whether a guard has a single position. One in front of two handlers is one limit, and must be asked alone. */
function standsOnce(guard: Guard): boolean {
  const positions = positionsOf(guard)
  return positions?.places === 1 && !positions.alone
}

function nameOf(guard: Guard): string {
  return positionsOf(guard)?.name ?? guard.name
}

/** Wires guards as one plan; undefined if they do not fit together. */
function together(guards: readonly Guard[], services: GuardServices): ChainPlan | undefined {
  try {
    return new ChainPlan(services, guards.flatMap(placed))
  } catch {
    // They do not fit together. A guard that does not fit by itself either is reported when an update first reaches it.
    return undefined
  }
}

/** A group of guards, ready to run. */
class Joined {
  readonly guards: readonly Guard[]
  /** The layer of several guards; undefined for a single one. */
  readonly layer: Layer | undefined
  readonly step: Step
  private readonly name: string | undefined

  constructor({ guards, name }: Group) {
    const [first] = guards as [Guard]
    this.guards = guards
    this.name = name
    if (guards.length === 1) {
      this.step = first
      return
    }
    const layer = new Layer(guards.flatMap(placed), () => name ?? nameOf(first))
    this.layer = layer
    this.step = (ctx, next) => layer.run(ctx, next)
  }

  /** Whether the group asks this guard together with others. */
  joins(guard: Guard): boolean {
    return this.layer !== undefined && this.guards.includes(guard)
  }

  isOf({ guards, name }: Group): boolean {
    const { length } = guards
    return (
      name === this.name &&
      length === this.guards.length &&
      guards.every((each, i) => each === this.guards[i])
    )
  }
}

/** Returns the definitions of a guard such that limits without a name get the names they have where the guard stands alone. */
function placed(guard: Guard): readonly GuardDefinition[] {
  const name = nameOf(guard)
  const numbers = new Map<string, number>()
  return guard.definitions.map((definition, index) => ({
    ...definition,
    wire(wiring) {
      // Definitions are wired in order. New options wire all of them again, beginning with the first.
      if (index === 0) numbers.clear()
      const named: Partial<Wiring<Context>> = {
        nameFor(unnamed) {
          const number = (numbers.get(unnamed) ?? 0) + 1
          numbers.set(unnamed, number)
          return number === 1 ? name : `${name}~${number}`
        },
      }
      return definition.wire(wiringWith(wiring, named))
    },
  }))
}
