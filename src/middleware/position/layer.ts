import type { Context, NextFunction } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import { located } from '../../core/errors.js'
import { describe } from '../../core/facts.js'
import { getOrInsert } from '../../core/maps.js'
import { rootOf, type SentinelFlavor } from '../chain/control.js'
import { Exemptions } from '../exempt/exemptions.js'
import type { GuardDefinition } from '../guard.js'
import { Chain, newTally } from '../pipeline.js'
import { denied, Refusals } from '../refusing/refusals.js'
import { createServices, type Services, type ServicesOptions } from '../services.js'
import type { Place } from './place.js'

/** Own services of guards, in place of those of the sentinel upstream. */
export interface OwnServices extends Pick<ServicesOptions, 'storage' | 'clock' | 'timers'> {
  readonly name: string
}

/** Chains without a sentinel that very many guards of one name share, by what these keep their state in. */
const crowds = new WeakMap<object, Map<string, Chain>>()

function crowdOf({ storage, clock, timers }: Partial<OwnServices> = {}): Map<string, Chain> {
  return getOrInsert(crowds, storage ?? clock ?? timers ?? crowds, () => new Map())
}

/**
 * Guards in one position. Their chain is created with the first update, behind the sentinel that admitted it: with its storage,
 * clock, listeners, notices and exemptions, and a plan of its own. Without a sentinel they keep their state in memory.
 */
export class Layer {
  private chain: Chain | undefined
  private root: Chain | undefined
  /** Chains by sentinel: two bots may share a handler. */
  readonly behind = new WeakMap<Chain, Chain>()
  private alone: Chain | undefined
  /** Refusals by sentinel behind which these guards do not fit; the error was reported once, and updates are refused there. */
  private readonly unfit = new WeakMap<object, Refusals>()
  private services: Services | undefined

  /**
   * @param named Returns the name of the plan.
   * @param place The handler they protect, which names limits without a name. Without a place, the plan's name does that behind a
   * sentinel.
   */
  constructor(
    readonly definitions: readonly GuardDefinition[],
    private readonly named: (root: Chain | undefined) => string,
    readonly place?: Place,
    readonly own?: OwnServices,
    /** Without a place: whether very many guards of this name exist. */
    private readonly crowded = false,
  ) {}

  /** Whether an update has reached these guards. */
  get isUsed(): boolean {
    return this.chain !== undefined
  }

  run(ctx: Context, next: NextFunction): MaybePromise<void> {
    const root = this.own === undefined ? rootOf<Chain>(ctx) : undefined
    const chain = this.chain !== undefined && root === this.root ? this.chain : this.chainBehind(root)
    if (chain === undefined) return this.refuse(root, ctx, next)
    const { uses, host } = chain
    return uses === undefined ? chain.run(ctx, next) : uses.enter(ctx, next, host, () => chain.run(ctx, next))
  }

  /**
   * Refuses an update because the guards do not fit together; the refusal is not counted as an update that passed before. Completed
   * payments pass, because their money has been taken.
   */
  private refuse(root: Chain | undefined, ctx: Context, next: NextFunction): MaybePromise<void> {
    const { bots } = root?.services ?? this.ownServices()
    const facts =
      (ctx as Context & Partial<SentinelFlavor>).sentinel?.facts ?? describe(ctx.update, bots.of(ctx).reading)
    if (facts.activity === 'payment') return next()
    const guard = this.definitions[0]?.name ?? ''
    const why = 'could not be prepared; see the "error" event of "wiring"'
    const verdict = denied('unavailable', guard, why)
    return this.unfit.get(root ?? this)?.deny(facts, ctx, { verdict, denial: 'silent' })
  }

  private chainBehind(root: Chain | undefined): Chain | undefined {
    if (this.unfit.has(root ?? this)) return undefined
    const known = root === undefined ? this.alone : this.behind.get(root)
    const chain = known ?? this.made(root)
    if (chain === undefined) return undefined
    if (root === undefined) this.alone = chain
    else this.behind.set(root, chain)
    this.root = root
    this.chain = chain
    return chain
  }

  /**
   * Creates the chain. Guards that do not fit together are reported and refuse every update: throwing here would stop the bot.
   */
  private made(root: Chain | undefined): Chain | undefined {
    const place = this.place?.name
    let at = place
    try {
      const many = this.place?.crowded ?? this.crowded
      const name = many && place !== undefined ? `${place} ${labelOf(this.definitions)}` : this.named(root)
      at ??= name
      if (root === undefined) {
        const create = (): Chain => this.madeAlone(name, place, many)
        return many ? getOrInsert(crowdOf(this.own), name, create) : create()
      }
      if (many) this.warn(root.services, place)
      // Without a place, limits are named after their guards, so that they do not get the names of the sentinel's own limits.
      return root.layer({ guards: this.definitions, name, place: place ?? name, many })
    } catch (error) {
      const services = root?.services ?? this.ownServices()
      this.unfit.set(root ?? this, new Refusals(services, root?.tally ?? newTally(), true))
      services.failed(located(at, error), 'wiring')
      return undefined
    }
  }

  private madeAlone(name: string, place: string | undefined, many: boolean): Chain {
    const services = this.ownServices()
    if (many) this.warn(services, place)
    return new Chain(services, this.definitions, name, new Exemptions({}, undefined), newTally(), true, {
      place,
    })
  }

  private warn(services: Services, place = labelOf(this.definitions)): void {
    services.warn(
      'handler.many',
      `More than a thousand handlers are named "${place}": further ones share one state. Apply guards to a handler once, where it is registered, and not for each update.`,
    )
  }

  private ownServices(): Services {
    this.services ??= createServices(this.own ?? {})
    return this.services
  }
}

/** Returns the common label of guards, such as `throttle 3/1m + debounce leading 1000`. */
export function labelOf(definitions: readonly GuardDefinition[]): string {
  return definitions.map(({ name, label }) => (label === undefined ? name : `${name} ${label}`)).join(' + ')
}
