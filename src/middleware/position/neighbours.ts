import type { Context, NextFunction } from 'grammy'
import type { Check, MaybePromise } from '../../core/check.js'
import { Questions } from '../chain/wiring.js'
import { type Guard, type GuardDefinition, wiringWith } from '../guard.js'
import { furnish, type House } from '../house.js'
import type { Chain } from '../pipeline.js'
import { Layer } from './layer.js'
import { type Step, standingOf, walk } from './standing.js'

/**
 * Guards that stand side by side in one call. Behind a sentinel, those that can be asked together are: in one plan, each with the
 * name it has by itself.
 */
export class Neighbours {
  private root: Chain<Context> | undefined
  private steps: readonly Step[] = []
  /** By sentinel: two bots may share a composer. */
  private readonly behind = new WeakMap<Chain<Context>, readonly Step[]>()

  constructor(private readonly guards: readonly Guard[]) {}

  run(root: Chain<Context>, ctx: Context, next: NextFunction): MaybePromise<void> {
    if (root !== this.root) {
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

/** An album is paid for by its first part, and then whatever counts in the same plan is waived: not whether an update came before. */
function countsOnce({ questions }: Questions<Context>): boolean {
  return questions.some(({ check }) => check.kind === 'claim' && check.tokens === 'sequence')
}

interface Group {
  readonly guards: readonly Guard[]
  /** Of the first that counts anything: what joins it or leaves it again does not make it begin anew. */
  readonly name: string | undefined
}

const COUNTED: readonly Check['kind'][] = ['claim', 'bucket', 'window']

/** One guard in front of two handlers is one limit, whoever its neighbours are. */
function standsOnce(guard: Guard): boolean {
  return standingOf(guard)?.places === 1
}

function nameOf(guard: Guard): string {
  return standingOf(guard)?.name ?? guard.name
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
