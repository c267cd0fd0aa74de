import type { Context, NextFunction } from 'grammy'
import type { Check, MaybePromise } from '../../core/check.js'
import { rootOf } from '../chain/control.js'
import { Questions } from '../chain/wiring.js'
import { type Guard, type GuardDefinition, wiringWith } from '../guard.js'
import { furnish, type House } from '../house.js'
import type { Chain } from '../pipeline.js'
import { Layer } from './layer.js'

/** A guard where it stands in a chain, as nobody but its maker knows it. */
interface Standing {
  /** Names its state there. */
  readonly name: string
  /** In how many places of fused composers it stands. */
  places: number
}

const standings = new WeakMap<object, Standing>()

/** Notes a guard whose state is in no house of its own, and which has been given no name that holds for what is beside it. */
export function noteStanding(guard: object, name: string): void {
  standings.set(guard, { name, places: 0 })
}

type Step = (ctx: Context, next: NextFunction) => unknown

/** What stands in one call, with neighbours that are guards made one, which asks them together. */
export function withNeighboursJoined(given: readonly unknown[]): unknown[] {
  const joined: unknown[] = []
  let beside: Guard[] = []
  const end = (): void => {
    joined.push(...(beside.length > 1 ? [new Neighbours(beside).middleware] : beside))
    beside = []
  }
  for (const each of given) {
    const standing = typeof each === 'function' ? standings.get(each) : undefined
    if (standing === undefined) {
      end()
      joined.push(each)
    } else {
      standing.places++
      beside.push(each as Guard)
    }
  }
  end()
  return joined
}

/**
 * Guards that stand side by side in one call. Behind a sentinel, those that can be asked together are: in one plan, each with the
 * name it has by itself.
 */
class Neighbours {
  private root: Chain<Context> | undefined
  private steps: readonly Step[] | undefined
  /** By sentinel: two bots may share a composer. */
  private readonly behind = new WeakMap<Chain<Context>, readonly Step[]>()

  constructor(private readonly guards: readonly Guard[]) {}

  readonly middleware = (ctx: Context, next: NextFunction): MaybePromise<void> => {
    const root = rootOf(ctx)
    // Alone they keep their state in memory, each its own: nothing is to be saved.
    if (root === undefined) return walk(this.guards, 0, ctx, next)
    if (root !== this.root || this.steps === undefined) {
      this.root = root
      this.steps = this.behind.get(root) ?? this.stepsBehind(root)
    }
    return walk(this.steps, 0, ctx, next)
  }

  private stepsBehind(root: Chain<Context>): readonly Step[] {
    const steps = groupsOf(this.guards, root.house).map(stepOf)
    this.behind.set(root, steps)
    return steps
  }
}

function walk(steps: readonly Step[], from: number, ctx: Context, next: NextFunction): MaybePromise<void> {
  const step = steps[from]
  if (step === undefined) return next()
  return step(ctx, async () => walk(steps, from + 1, ctx, next)) as MaybePromise<void>
}

/**
 * Guards that may be asked together without anybody noticing but by the trips: none sees what another has not let pass yet, or
 * counts what another holds back. They fit into one plan.
 */
function groupsOf(guards: readonly Guard[], house: House): readonly Group[] {
  const { policies, roles } = house
  const forNothing = { ...furnish({}), policies, roles }
  const groups: { readonly guards: Guard[]; name: string | undefined }[] = []
  let open: Guard[] | undefined
  for (const guard of guards) {
    const alone = standsOnce(guard) ? together([guard], forNothing) : undefined
    const name = alone?.questions.some(({ check }) => COUNTED.includes(check.kind))
      ? nameOf(guard)
      : undefined
    const begins = alone === undefined || alone.wired.some(({ observe }) => observe !== undefined)
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

interface Group {
  readonly guards: readonly Guard[]
  /** Of the first that counts anything: what joins it or leaves it again does not make it begin anew. */
  readonly name: string | undefined
}

const COUNTED: readonly Check['kind'][] = ['claim', 'bucket', 'window']

/** One guard in front of two handlers is one limit, whoever its neighbours are. */
function standsOnce(guard: Guard): boolean {
  return standings.get(guard)?.places === 1
}

function nameOf(guard: Guard): string {
  return (standings.get(guard) as Standing).name
}

/** What guards ask in one plan; undefined where they do not fit, which by themselves they may. */
function together(guards: readonly Guard[], house: House): Questions<Context> | undefined {
  try {
    return new Questions(house, guards.flatMap(placed))
  } catch {
    // Whoever does not fit by itself either is told so where it is first reached.
    return undefined
  }
}

function stepOf({ guards, name }: Group): Step {
  const [first] = guards as [Guard]
  if (guards.length === 1) return first
  const layer = new Layer(guards.flatMap(placed), () => name ?? nameOf(first))
  return (ctx, next) => layer.run(ctx, next)
}

/** What a guard is made of, its limits without a name called as they are where it stands alone. */
function placed(guard: Guard): readonly GuardDefinition[] {
  const name = nameOf(guard)
  const numbers = new Map<string, number>()
  return guard.definitions.map((definition) => ({
    ...definition,
    wire: (wiring) =>
      definition.wire(
        wiringWith(wiring, {
          nameFor(unnamed) {
            const number = (numbers.get(unnamed) ?? 0) + 1
            numbers.set(unnamed, number)
            return number === 1 ? name : `${name}~${number}`
          },
        }),
      ),
  }))
}
