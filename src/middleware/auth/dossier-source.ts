import type { Ms } from '../../core/duration.js'

/**
 * The part of a dossier that {@link auth} reads. Absent fields are unknown, and deny nobody.
 *
 * @example
 * ```ts
 * import type { DossierFacts } from 'grammy-sentinel'
 *
 * const fraud: DossierFacts = { profile: { isScam: true } }
 * const newcomer: DossierFacts = { age: { atMost: 3 * 86_400_000 } }
 * ```
 */
export interface DossierFacts {
  readonly profile?: {
    /** Whether Telegram has marked the account as a fraud. */
    readonly isScam?: boolean
    /** Whether Telegram has marked the account as impersonating somebody. */
    readonly isFake?: boolean
  }
  readonly age?: {
    /** Upper bound of the account's age in milliseconds, if known. */
    readonly atMost?: Ms
  }
}

/**
 * A source of what is known of users: a client from `mtproto()`, or any object with this method. If it rejects, nobody is denied.
 *
 * @example
 * ```ts
 * import { auth, type DossierSource } from 'grammy-sentinel'
 *
 * declare function isFraud(user: number): Promise<boolean> // a list of yours
 * const source: DossierSource = {
 *   dossier: async (user) => ({ profile: { isScam: await isFraud(user) } }),
 * }
 * auth({ registration: 'auto', dossier: source, denyScam: true })
 * ```
 */
export interface DossierSource {
  dossier(user: number): Promise<DossierFacts>
}
