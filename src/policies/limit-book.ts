import type { Check, Plan } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import type { Limit } from '../core/limit.js'
import type { Services } from '../middleware/services.js'
import {
  ADAPTED_MARK,
  type Bounds,
  type Changeable,
  LIMIT_MARK,
  misfit,
  type RuntimeLimits,
  roleVariants,
  SETTING_MARK,
} from '../middleware/throttle/runtime-limits.js'
import type { StorageChange } from '../storage/changes.js'
import { LaterRoleLimits } from './later-role-limits.js'
import { ROLE_LIMIT_MARK } from './role-limit-mark.js'

/** Which limits may be changed while the bot runs, and by whom. */
export interface Openness {
  /** By `guard.limits`. */
  readonly limits: boolean
  /** By the administrators of a chat: names of limits, and between what. */
  readonly settings: ReadonlyMap<string, Bounds>
}

/** The limits that some options come to. They are known once services with these are the sentinel's: options may come to nothing. */
class WiredLimits implements RuntimeLimits {
  readonly own = new Map<string, Changeable>()
  private stands = false

  constructor(private readonly book: LimitBook) {}

  wire(limit: Changeable): { readonly limits: boolean; readonly settings: Bounds | undefined } {
    const known = this.stands ? this.book.ofHandlers : this.own
    known.set(limit.slot, limit)
    const { limits, settings } = this.book.openness
    const bounds = settings.get(limit.name)
    const problem = bounds && (misfit(limit, bounds.min) ?? misfit(limit, bounds.max))
    if (problem === undefined) return { limits, settings: bounds && { min: bounds.min, max: bounds.max } }
    const text = `settings.limits.${limit.name}: ${problem}`
    if (!this.stands) throw new SentinelError('option.invalid', text)
    // With a limit of a handler this shows only at its first use. It is too late then to throw, so the limit stays as it is.
    this.book.unfit(`${text} Until then it is as usual in every chat.`)
    return { limits, settings: undefined }
  }

  planned(plan: Plan): Plan {
    return this.book.planned(plan, this.own)
  }

  onChange(listener: () => void): () => void {
    // The sentinel has been wired when it begins to listen. Limits that come now stand in front of handlers.
    this.stands = true
    return this.book.onChange(listener)
  }
}

/** What is known of the limits of a sentinel and its handlers, and which of them were changed for a role. */
export class LimitBook {
  readonly roles: LaterRoleLimits
  /** By slot. They stay: who changes the options of a sentinel takes no handler away. */
  readonly ofHandlers = new Map<string, Changeable>()
  private readonly listeners = new Set<() => void>()

  constructor(
    private readonly services: () => Services,
    first: Pick<Services, 'storage' | 'clock' | 'events' | 'timers'>,
    private open: Openness,
  ) {
    this.roles = new LaterRoleLimits(first, () => {
      for (const listener of [...this.listeners]) listener()
    })
  }

  get isOpen(): boolean {
    return this.open.limits
  }

  get openness(): Openness {
    return this.open
  }

  /** Other options hold from now on. */
  turn(open: Openness): void {
    this.open = open
    if (open.limits) this.roles.begin()
  }

  /** For what is wired with the options that hold now. */
  wiring(): RuntimeLimits {
    return new WiredLimits(this)
  }

  /** By slot, as the options in force have them, and handlers. */
  private get known(): ReadonlyMap<string, Changeable> {
    const { runtime } = this.services()
    return new Map([...this.ofHandlers, ...(runtime instanceof WiredLimits ? runtime.own : [])])
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => {
      this.listeners.delete(listener)
    }
  }

  planned(plan: Plan, wired: ReadonlyMap<string, Changeable>): Plan {
    const changed = this.open.limits ? this.roles.all() : []
    const actor = plan.scopes.indexOf('actor')
    if (changed.length === 0 || actor < 0) return plan
    const checks = plan.checks.map((check): Check => {
      if (check.kind !== 'bucket' && check.kind !== 'window') return check
      const own = changed.filter(({ slot }) => slot === check.slot)
      const known = wired.get(check.slot) ?? this.ofHandlers.get(check.slot)
      if (own.length === 0 || known === undefined) return check
      const variants = check.variants ?? []
      const stored = variants.filter(({ limit }) => limit === 'stored')
      const isAdapted = ({ mark }: { readonly mark: string }): boolean => mark.startsWith(ADAPTED_MARK)
      const roles = roleVariants(withRoles(known, own), this.services().roles, actor)
      return {
        ...check,
        variants: [...stored.filter((each) => !isAdapted(each)), ...roles, ...stored.filter(isAdapted)],
      }
    })
    return { ...plan, checks }
  }

  /** Tells what settings cannot change. */
  unfit(text: string): void {
    this.services().warn('settings.unfit', text)
  }

  knows(name: string): boolean {
    return this.known.has(`throttle.${name}`)
  }

  /** Every limit that may be changed. */
  all(): readonly Changeable[] {
    return [...this.known.values()]
  }

  /** A limit by its name, with or without its guard: `user`, `throttle.user`. */
  find(name: unknown): Changeable | undefined {
    const { known } = this
    return typeof name === 'string' ? (known.get(name) ?? known.get(`throttle.${name}`)) : undefined
  }

  /** Another process, or this one, changed something in the storage. */
  changed(change: StorageChange): void {
    if (change.kind === 'gap') this.roles.readAll()
    else if (change.kind === 'marks' && change.name === ROLE_LIMIT_MARK) void this.roles.read(change.bot)
  }
}

/** What a plan says of roles, with what was changed laid over. */
function withRoles(
  { roles }: Changeable,
  changed: readonly { readonly role: string; readonly limit: Limit }[],
): readonly (readonly [role: string, limit: Limit])[] {
  const all = new Map(roles)
  for (const { role, limit } of changed) all.set(role, limit)
  return [...all]
}

/** Marks that carry a limit of their own. */
export const markOfLimit = (slot: string): string => `${LIMIT_MARK}${slot}`
export const markOfSetting = (slot: string): string => `${SETTING_MARK}${slot}`
