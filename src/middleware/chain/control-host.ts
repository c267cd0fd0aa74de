import type { Context } from 'grammy'
import type { Decision } from '../../core/check.js'
import { later } from '../../core/later.js'
import { hintAt } from '../../core/nearest.js'
import type { Exemptions } from '../exempt/exemptions.js'
import type { GuardServices } from '../guard.js'
import type { Refusals } from '../refusing/refusals.js'
import type { ControlHost, DenyOptions, LimitView, SentinelControl } from './control.js'
import type { Preparation } from './preparation.js'
import type { Redeliveries } from './redeliveries.js'
import type { Tally } from './tally.js'
import type { Questions } from './wiring.js'

type Permissions = typeof import('../roles/permissions.js')

const permitting = later('permissions', (): Promise<Permissions> => import('../roles/permissions.js'))

/** The chain of the guards that made a control, or of the sentinel upstream. */
interface HostedChain {
  readonly name: string
  readonly services: GuardServices
  readonly questions: Questions
  readonly prepared: Preparation
  readonly exemptions: Exemptions
  readonly refusals: Refusals
  readonly redeliveries: Redeliveries
  readonly tally: Tally
  /** True for guards in front of a single handler. */
  readonly inner: boolean
  /** The chain of a sentinel; undefined for guards that stand alone. */
  readonly root: HostedChain | undefined
  /** This chain, and those in front of single handlers behind it. */
  readonly within: readonly { readonly questions: Questions }[]
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

  get redeliveries(): Redeliveries {
    return (this.chain.root ?? this.chain).redeliveries
  }

  limitsOf(decision: Decision): readonly LimitView[] {
    const { remaining } = decision
    return this.chain.questions.questions.flatMap(({ check, name }, index) => {
      const left = remaining[index] as number
      return Number.isNaN(left) ? [] : [{ guard: check.guard, name, remaining: left }]
    })
  }

  broughtFor(ctx: Context): Readonly<Record<string, unknown>> | undefined {
    return this.chain.services.hooks.broughtFor(ctx)
  }

  async refund({ receipt }: Decision, limit: string | undefined): Promise<boolean> {
    const index = this.chain.questions.questions.findIndex(
      ({ check, name }) => name === limit && (check.kind === 'bucket' || check.kind === 'window'),
    )
    if (limit !== undefined && index < 0) return false
    if (receipt === undefined) return true
    try {
      await this.chain.prepared.judge?.settle(receipt, 'refund', limit === undefined ? undefined : index)
    } catch (error) {
      // Called by a handler, which can do nothing about a failing storage, so nothing is thrown.
      this.chain.services.failed(error, 'storage.settle')
    }
    return true
  }

  takeBack(decision: Decision, ctx: Context): void {
    // Another part of the album has paid for an update that was waived, so there is no charge to give back.
    if (!this.chain.inner || decision.receipt === undefined || decision.waived) return
    this.chain.redeliveries.note(ctx)
    const refunding = (): Promise<unknown> => this.refund(decision, undefined)
    // If too much is running in the background, it runs detached instead. It reports its errors itself.
    if (!this.chain.services.background.run('refund', refunding)) void refunding()
  }

  hasLimit(limit: string): boolean {
    const { services, root = this.chain } = this.chain
    const isThere = root.within.some(({ questions }) =>
      questions.questions.some(({ check, name }) => name === limit && 'limit' in check),
    )
    // A policy is wired with the first update of a handler that uses it; its limits bear the policy's name.
    return isThere || services.policies?.names.includes(limit.replace(/\.(inline|edits|joins)$/, '')) === true
  }

  limitNames(): readonly string[] {
    const { within } = this.chain.root ?? this.chain
    const asked = within.flatMap(({ questions }) => questions.questions)
    return asked.flatMap(({ check, name }) => ('limit' in check ? [name] : []))
  }

  unknownLimit(word: 'remaining' | 'refund', limit: string, known: readonly string[]): void {
    const result = word === 'refund' ? 'nothing was refunded' : 'what remains is unknown'
    this.chain.services.warn(
      'limit.unknown',
      `ctx.sentinel.${word}: no limit is named "${limit}", so ${result}.${hintAt(limit, known)} The limit of a handler is known once an update has reached it.`,
    )
  }

  async denyLater(control: SentinelControl, options: DenyOptions): Promise<void> {
    if (!control.verdict.allowed) return
    const { facts } = control
    control.decide({
      allowed: false,
      guard: 'handler',
      limit: '',
      reason: 'denied',
      cause: 'check',
      retryAfterMs: Number.POSITIVE_INFINITY,
      note: options.note,
    })
    await this.chain.refusals.deny(
      facts,
      control.ctx,
      'denied',
      'handler',
      options.note,
      options.notice === false ? 'silent' : 'notice',
      true,
    )
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
