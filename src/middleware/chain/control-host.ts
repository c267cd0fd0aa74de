import type { Context, NextFunction } from 'grammy'
import type { Decision, MaybePromise } from '../../core/check.js'
import { later } from '../../core/later.js'
import { hintAt } from '../../core/nearest.js'
import type { Exemptions } from '../exempt/exemptions.js'
import type { GuardServices } from '../guard.js'
import { denied, type Refusals } from '../refusing/refusals.js'
import type { ChainPlan } from './chain-plan.js'
import type { Attempts, ControlHost, DenyOptions, LimitView, SentinelControl } from './control.js'
import type { Preparation } from './preparation.js'
import { noteCharge } from './redelivery/redelivered-charges.js'
import { decidedBy, type Redeliveries } from './redelivery/redeliveries.js'
import type { Settling } from './settling.js'
import type { Tally } from './tally.js'

type Permissions = typeof import('../roles/permissions.js')

const permitting = later('permissions', (): Promise<Permissions> => import('../roles/permissions.js'))

/** The chain of the guards that made a control, or of the sentinel upstream. */
interface HostedChain {
  readonly name: string
  readonly services: GuardServices
  readonly plan: ChainPlan
  readonly prepared: Preparation
  readonly exemptions: Exemptions
  readonly refusals: Refusals
  readonly redeliveries: Redeliveries
  readonly tally: Tally
  readonly entrance: { readonly settling: Settling }
  /** Whether it charges redelivered updates once by what it notes itself. */
  readonly follows: boolean
  /** The chain of a sentinel; undefined for guards that stand alone. */
  readonly root: HostedChain | undefined
  /** This chain, and those in front of single handlers behind it. */
  readonly within: readonly { readonly plan: ChainPlan }[]
}

/** What a chain does on behalf of the controls that handlers get. */
export class ChainHost implements ControlHost {
  constructor(private readonly chain: HostedChain) {}

  get tally(): object {
    return this.chain.tally
  }

  get root(): HostedChain | undefined {
    return this.chain.root
  }

  limitsOf(decision: Decision): readonly LimitView[] {
    const { remaining } = decision
    return decidedBy(decision, this.chain).plan.questions.flatMap(({ check, name }, index) => {
      const left = remaining[index] as number
      return Number.isNaN(left) ? [] : [{ guard: check.guard, name, remaining: left }]
    })
  }

  broughtFor(ctx: Context): Readonly<Record<string, unknown>> | undefined {
    return this.chain.services.hooks.broughtFor(ctx)
  }

  async refund(decision: Decision, limit: string | undefined): Promise<boolean> {
    const { receipt } = decision
    const { prepared, plan } = decidedBy(decision, this.chain)
    const index = plan.questions.findIndex(
      ({ check, name }) => name === limit && (check.kind === 'bucket' || check.kind === 'window'),
    )
    if (limit !== undefined && index < 0) return false
    if (receipt === undefined) return true
    try {
      await prepared.judge?.settle(receipt, 'refund', limit === undefined ? undefined : index)
    } catch (error) {
      // Called by a handler, which can do nothing about a failing storage, so nothing is thrown.
      this.chain.services.failed(error, 'storage.settle')
    }
    return true
  }

  get attempts(): Attempts | undefined {
    return this.chain.plan.released ? this.chain : undefined
  }

  chargeOf(ctx: Context): Decision | undefined {
    return this.chain.redeliveries.chargeOf(ctx)
  }

  noteCharge(decision: Decision, ctx: Context): MaybePromise<void> {
    return this.chain.follows ? noteCharge(this.chain, decision, ctx) : undefined
  }

  handle(decision: Decision | undefined, ctx: Context, next: NextFunction): MaybePromise<void> {
    return this.chain.entrance.settling.run(next, decision, ctx)
  }

  hasLimit(limit: string): boolean {
    const { services, root = this.chain } = this.chain
    const isThere = root.within.some(({ plan }) =>
      plan.questions.some(({ check, name }) => name === limit && 'limit' in check),
    )
    // A policy is wired with the first update of a handler that uses it; its limits bear the policy's name.
    return isThere || services.policies?.names.includes(limit.replace(/\.(inline|edits|joins)$/, '')) === true
  }

  limitNames(): readonly string[] {
    const { within } = this.chain.root ?? this.chain
    const asked = within.flatMap(({ plan }) => plan.questions)
    return asked.flatMap(({ check, name }) => ('limit' in check ? [name] : []))
  }

  unknownLimit(word: 'remaining' | 'refund', limit: string, known: readonly string[]): void {
    const result = word === 'refund' ? 'nothing was refunded' : 'what remains is unknown'
    this.chain.services.warn(
      'limit.unknown',
      `ctx.sentinel.${word}: no limit is named "${limit}", so ${result}.${hintAt(limit, known)} The limit of a handler is known once an update has reached it.`,
    )
  }

  async denyAdmitted(control: SentinelControl, options: DenyOptions): Promise<void> {
    if (!control.verdict.allowed) return
    const verdict = denied('denied', 'handler', options.note)
    control.decide(verdict)
    const denial = options.notice === false ? 'silent' : 'notice'
    await this.chain.refusals.deny(control.facts, control.ctx, { verdict, denial, wasAllowed: true })
    if (options.refund === true) await control.refund()
  }

  can(control: SentinelControl, permission: string): Promise<boolean> {
    const { services, exemptions } = this.chain
    return this.permitted(({ actorCan }) => actorCan(services, exemptions, control, permission))
  }

  hasRole(control: SentinelControl, role: string): Promise<boolean> {
    return this.permitted(({ actorHasRole }) => actorHasRole(this.chain.services, control, role))
  }

  /** A failure is reported, and counts as a no. */
  private async permitted(ask: (part: Permissions) => Promise<boolean>): Promise<boolean> {
    try {
      return await ask(await permitting.load())
    } catch (error) {
      this.chain.services.failed(error, 'permissions')
      return false
    }
  }
}
