import type { TlObject } from '../../../mtproto/protocol/tl/object.js'

/**
 * What Telegram knows about a person but does not reveal in the Bot API.
 *
 * @example
 * ```ts
 * import { type Reputation, startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const mallory = telegram.createUser({ firstName: 'Mallory' })
 * const reputation: Reputation = { isScam: true, registered: '11.2026' }
 * ;(await telegram.mtproto()).repute(mallory, reputation)
 * await telegram.close()
 * ```
 */
export interface Reputation {
  readonly isScam?: boolean
  readonly isFake?: boolean
  /** Why the account is restricted, by platform, such as `all` or `ios`. */
  readonly restrictions?: readonly {
    readonly platform: string
    readonly reason: string
    readonly text: string
  }[]
  /** Month of registration, as `MM.YYYY`. Telegram reveals it for strangers who write first. */
  readonly registered?: string
  /** When the name was last changed, in seconds since 1970; likewise `photoChangedAt`. */
  readonly nameChangedAt?: number
  readonly photoChangedAt?: number
}

/** Reputations by account id. */
export class Reputations {
  readonly #known = new Map<number, Reputation>()

  set(account: number, reputation: Reputation): void {
    this.#known.set(account, reputation)
  }

  /** Fields for a `user`. */
  flagsOf(account: number): Omit<TlObject, '_'> {
    const known = this.#known.get(account)
    if (known === undefined) return {}
    const { isScam = false, isFake = false, restrictions = [] } = known
    return {
      scam: isScam,
      fake: isFake,
      restricted: restrictions.length > 0,
      ...(restrictions.length > 0 && {
        restriction_reason: restrictions.map((each) => ({ _: 'restrictionReason', ...each })),
      }),
    }
  }

  /** Returns the `peerSettings` of an account. */
  settingsOf(account: number): TlObject {
    const { registered, nameChangedAt, photoChangedAt } = this.#known.get(account) ?? {}
    return {
      _: 'peerSettings',
      ...(registered !== undefined && { registration_month: registered }),
      ...(nameChangedAt !== undefined && { name_change_date: nameChangedAt }),
      ...(photoChangedAt !== undefined && { photo_change_date: photoChangedAt }),
    }
  }
}
