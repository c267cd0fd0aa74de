import type { Plan } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import type { Services } from '../middleware/services.js'
import {
  type Bounds,
  type Changeable,
  LIMIT_MARK,
  misfit,
  type RuntimeLimits,
  SETTING_MARK,
} from '../middleware/throttle/runtime-limits.js'
import type { StorageChange } from '../storage/contract/changes.js'
import { LaterRoleLimits } from './later-role-limits.js'
import { ROLE_LIMIT_MARK } from './role-limit-mark.js'

/** Which limits may be changed while the bot runs, and by whom. */
export interface Openness {
  /** Whether `guard.limits` may change limits. */
  readonly limits: boolean
  /** Limits that administrators of a chat may tune, by name, with their bounds. */
  readonly settings: ReadonlyMap<string, Bounds>
}

/** The limits that one set of options wires. The book uses them only once the sentinel adopts these options, which may still fail. */
class WiredLimits implements RuntimeLimits {
  readonly own = new Map<string, Changeable>()
  private stands = false

  constructor(private readonly book: LimitBook) {}

  wire(limit: Changeable): { readonly limits: boolean; readonly settings: Bounds | undefined } {
    const known = this.stands ? this.book.ofHandlers : this.own
    // Handlers of one policy share a slot. A handler whose own limit is a function must not hide the limit of the others.
    if (!limit.computed || !known.has(limit.slot)) known.set(limit.slot, limit)
    const { settings } = this.book.openness
    const limits = this.book.openness.limits && !limit.computed
    const bounds = settings.get(limit.name)
    const problem = bounds && (misfit(limit, bounds.min) ?? misfit(limit, bounds.max))
    if (problem === undefined) return { limits, settings: bounds && { min: bounds.min, max: bounds.max } }
    const text = `settings.limits.${limit.name}: ${problem}`
    if (!this.stands) throw new SentinelError('option.invalid', text)
    // A limit of a handler is wired only at its first use, too late to throw, so the limit cannot be tuned.
    this.book.unfit(`${text} Until then that handler has the usual limit in every chat.`)
    return { limits, settings: undefined }
  }

  planned(plan: Plan): Plan {
    return this.book.planned(plan, this.own)
  }

  onChange(listener: () => void): () => void {
    // The sentinel starts to listen after it is wired. Limits that are wired from now on belong to handlers.
    this.stands = true
    return this.book.onChange(listener)
  }
}

/** The limits of a sentinel and its handlers, and those that were changed for roles. */
export class LimitBook {
  readonly roles: LaterRoleLimits
  /** By slot. Never removed: changing the options of a sentinel does not remove handlers. */
  readonly ofHandlers = new Map<string, Changeable>()
  private readonly listeners = new Set<() => void>()

  constructor(
    private readonly services: () => Services,
    first: Pick<Services, 'storage' | 'clock' | 'failed' | 'timers'>,
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

  /** Applies changed options. */
  turn(open: Openness): void {
    this.open = open
    if (open.limits) this.roles.begin()
  }

  /** Collects the limits that are wired with the options in force. */
  wiring(): RuntimeLimits {
    return new WiredLimits(this)
  }

  /**
   * All limits by slot: those of the options in force, and those of handlers. Includes limits that cannot be changed because a
   * function computes them.
   */
  get known(): ReadonlyMap<string, Changeable> {
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
    if (!this.open.limits) return plan
    const limitOf = (slot: string) => wired.get(slot) ?? this.ofHandlers.get(slot)
    return this.roles.planned(plan, limitOf, this.services().roles)
  }

  /** Warns that settings cannot change a limit. */
  unfit(text: string): void {
    this.services().warn('settings.unfit', text)
  }

  /** Handles a change in the storage, made by this or another process. */
  changed(change: StorageChange): void {
    if (change.kind === 'gap') this.roles.readAll()
    else if (change.kind === 'marks' && change.name === ROLE_LIMIT_MARK) void this.roles.read(change.bot)
  }
}

/** Names of the marks that hold a changed limit. */
export const markOfLimit = (slot: string): string => `${LIMIT_MARK}${slot}`
export const markOfSetting = (slot: string): string => `${SETTING_MARK}${slot}`
