import type { MaybePromise, Plan } from '../core/check.js'
import { later } from '../core/later.js'
import type { Services } from '../middleware/services.js'
import type { RoleLimit, RoleLimits } from './role-limits.js'

const knowing = later('limits', () => import('./role-limits.js'))

/** Loads {@link RoleLimits} on demand. Does not reject: a failure is reported as an event, and roles keep the limits of the options. */
export class LaterRoleLimits {
  private made: RoleLimits | undefined
  private loading: Promise<RoleLimits | undefined> | undefined
  private stopped = false

  constructor(
    private readonly services: Pick<Services, 'storage' | 'clock' | 'failed' | 'timers'>,
    private readonly changed: () => void,
  ) {}

  /** Preloads the code; a failure is reported when it is used. */
  begin(): void {
    knowing.load().catch(() => undefined)
  }

  all(): readonly RoleLimit[] {
    return this.made?.all() ?? []
  }

  /** Returns the plan with the changed limits of roles. */
  planned(...args: Parameters<RoleLimits['planned']>): Plan {
    return this.made?.planned(...args) ?? args[0]
  }

  ready(bot: number): Promise<void> | undefined {
    return this.made === undefined
      ? this.load().then(async (limits) => limits?.ready(bot))
      : this.made.ready(bot)
  }

  read(bot: number): MaybePromise<void> {
    return this.made === undefined ? this.load().then((limits) => limits?.read(bot)) : this.made.read(bot)
  }

  readAll(): void {
    this.made?.readAll()
  }

  stop(): void {
    this.stopped = true
    this.made?.stop()
  }

  private load(): Promise<RoleLimits | undefined> {
    this.loading ??= knowing.load().then(
      ({ RoleLimits }) => {
        this.made = new RoleLimits(this.services, this.changed)
        if (this.stopped) this.made.stop()
        return this.made
      },
      (error: unknown) => {
        this.loading = undefined
        this.services.failed(error, 'limits.roles')
        return undefined
      },
    )
    return this.loading
  }
}
