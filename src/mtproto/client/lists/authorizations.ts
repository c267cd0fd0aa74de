import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import type { Caller } from '../calls/caller.js'

/**
 * A session (log-in) of an account.
 *
 * @example
 * ```ts
 * import type { AccountSession } from 'grammy-sentinel/mtproto'
 *
 * const isStale = ({ isCurrent, activeAt }: AccountSession) => !isCurrent && Date.now() - activeAt > 30 * 86_400_000
 * ```
 */
export interface AccountSession {
  /** For `endSession()`. */
  readonly id: string
  /** True for the session of this client. */
  readonly isCurrent: boolean
  readonly isOfficialApp: boolean
  readonly device: string
  readonly platform: string
  readonly system: string
  readonly app: string
  readonly appVersion: string
  readonly apiId: number
  /** In milliseconds since 1970; likewise `activeAt`. */
  readonly createdAt: Ms
  readonly activeAt: Ms
  readonly ip: string
  readonly country: string
  readonly region: string
}

/**
 * Lists the sessions of a person's account, the current one first.
 *
 * @throws SentinelError `mtproto.refused`: for bots with `BOT_METHOD_INVALID`.
 */
export async function sessionsOf(caller: Caller): Promise<readonly AccountSession[]> {
  const { authorizations } = await caller.call({ _: 'account.getAuthorizations' })
  const sessions = authorizations.map((each): AccountSession => {
    return {
      id: each.hash.toString(),
      isCurrent: each.current === true,
      isOfficialApp: each.officialApp === true,
      device: each.deviceModel,
      platform: each.platform,
      system: each.systemVersion,
      app: each.appName,
      appVersion: each.appVersion,
      apiId: each.apiId,
      createdAt: each.dateCreated * 1000,
      activeAt: each.dateActive * 1000,
      ip: each.ip,
      country: each.country,
      region: each.region,
    }
  })
  return sessions.sort((one, other) => Number(other.isCurrent) - Number(one.isCurrent))
}

/**
 * Ends a session of the account.
 *
 * @throws SentinelError `mtproto.refused`, with `HASH_INVALID` for an unknown id, or `FRESH_RESET_AUTHORISATION_FORBIDDEN` if
 * this session is younger than a day.
 */
export async function endSession(caller: Caller, id: string): Promise<void> {
  if (!/^-?\d{1,19}$/.test(id)) {
    throw new SentinelError(
      'mtproto.session',
      'mtproto.endSession: that is not an id of a session. Take one from sessions().',
    )
  }
  const { Long } = await import('@mtcute/core')
  await caller.call({ _: 'account.resetAuthorization', hash: Long.fromString(id) })
}
