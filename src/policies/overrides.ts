import type { Context } from 'grammy'
import { isPromise } from '../core/check.js'
import { later } from '../core/later.js'
import type { Subject } from '../core/subject.js'
import { ChainPlan } from '../middleware/chain/chain-plan.js'
import type { Guard, GuardServices } from '../middleware/guard.js'
import type { Services } from '../middleware/services.js'
import type { StorageChange } from '../storage/contract/changes.js'
import type { Explanation } from './explain.js'
import { LaterLimits } from './later-limits.js'
import { LimitBook, type Openness } from './limit-book.js'
import type { LimitRegister } from './limits.js'
import { noteSentinel, takeUnknown } from './names.js'
import { policyGuard } from './policy.js'
import { PolicyBook, unknownPolicy } from './policy-book.js'
import type { Policy, PolicyOptions, PolicyOverride } from './policy-options.js'

const explaining = later('guard.explain', () => import('./explain.js'))

/** The options about policies, and about limits that change while the bot runs. */
interface OverrideOptions {
  readonly limits?: boolean
  readonly policies?: Readonly<Record<string, PolicyOptions>>
}

/** The policies of one sentinel, and its limits that change while the bot runs. */
export class Overrides {
  readonly book: LimitBook
  readonly limits: LimitRegister
  /** Called with changes in the storage, which is watched once limits or settings may change. */
  onChange: ((change: StorageChange) => void) | undefined
  private policies = new PolicyBook()
  private unwatch: (() => void) | undefined
  private watching = false
  private stopped = false
  private readonly goes = noteSentinel()

  constructor(
    private readonly services: () => GuardServices,
    first: Services,
  ) {
    this.book = new LimitBook(services, first, { limits: false, settings: new Map() })
    // A bot may be met while its handlers are still being registered; they are complete one microtask later.
    first.bots.stage(() => queueMicrotask(() => this.tellUnknown(first)))
    this.limits = new LaterLimits(services, this.book, (policy) => {
      new ChainPlan(services(), policyGuard(policy, undefined, this.policies).definitions)
    })
  }

  /**
   * Adds policies and changeable limits to services. Guards wired with the result read limits that change.
   *
   * @throws SentinelError for an invalid policy; then nothing has changed.
   */
  equip(
    services: Services,
    options: OverrideOptions,
    settings?: Openness['settings'] | undefined,
  ): GuardServices {
    const policies = new PolicyBook(options.policies)
    const before = this.book.openness
    const open: Openness = { limits: options.limits === true, settings: settings ?? new Map() }
    const isOpen = open.limits || settings !== undefined
    const changed = { ...services, policies, runtime: isOpen ? this.book.wiring() : undefined }
    this.book.turn(open)
    try {
      // This wiring is discarded: it reports errors now, and makes the limits known before a handler uses them.
      for (const name of policies.names) new ChainPlan(changed, policies.definitionsOf(name, undefined))
    } catch (error) {
      this.book.turn(before)
      throw error
    }
    this.policies = policies
    if (isOpen) this.watch(services)
    return changed
  }

  private tellUnknown(services: Services): void {
    const { names } = this.policies
    for (const name of takeUnknown(names)) {
      const { message } = unknownPolicy('policy', name, names)
      services.warn('policy.unknown', `${message} Until it is defined, its handlers refuse everything.`)
    }
  }

  /** Returns a policy as a guard; a name is looked up at once, and again whenever the guard is wired, since options may change. */
  policy(which: string | Policy, own: PolicyOverride | undefined): Guard {
    // Behind another sentinel, the names are still those of this one.
    const guard = policyGuard(which, own, this.policies, ({ shared, policies }) =>
      shared === this.services().shared ? policies : this.policies,
    )
    // This wiring is discarded: it reports errors now, such as unknown roles.
    if (own !== undefined) new ChainPlan({ ...this.services(), runtime: undefined }, guard.definitions)
    return guard
  }

  /** Explains which limits apply to a subject under a policy, or under the sentinel itself. */
  async explain(
    whom: Subject,
    policy: string | Policy | Guard | undefined,
    main: ChainPlan,
  ): Promise<Explanation> {
    const services = this.services()
    const roleLimits = this.book.isOpen ? this.book.roles.all() : []
    const { explain } = await explaining.load()
    return explain(services, whom, policy, { main, policies: this.policies, roleLimits })
  }

  /** Returns a promise while limits that the first update of a bot depends on are loading; otherwise undefined. */
  ready(ctx: Context): Promise<void> | undefined {
    return this.book.isOpen ? this.book.roles.ready(ctx.me.id) : undefined
  }

  stop(): void {
    this.stopped = true
    this.goes()
    this.unwatch?.()
    this.book.roles.stop()
  }

  /** Watches the storage, once and until it is closed, because later options may need it again. */
  private watch({ storage, failed: report }: Services): void {
    if (this.watching) return
    this.watching = true
    const failed = (error: unknown): void => {
      this.watching = false
      report(error, 'limits.watch')
    }
    const watched = (unwatch: () => void): void => {
      this.unwatch = unwatch
      if (this.stopped) unwatch()
    }
    try {
      const watching = storage.watch((change) => this.changed(change))
      if (isPromise(watching)) watching.then(watched, failed)
      else watched(watching)
    } catch (error) {
      failed(error)
    }
  }

  private changed(change: StorageChange): void {
    this.book.changed(change)
    this.onChange?.(change)
  }
}
