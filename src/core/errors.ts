/**
 * Every code a {@link SentinelError} may carry. Codes are stable: match on them, never on the message.
 *
 * @example
 * ```ts
 * import { SentinelError } from 'grammy-sentinel'
 *
 * try {
 *   throw new SentinelError('limit.invalid', 'throttle.limit: "20" is not a limit; write it as "20/1m".')
 * } catch (error) {
 *   if (error instanceof SentinelError && error.code === 'limit.invalid') console.error(error.message)
 * }
 * ```
 */
export type SentinelErrorCode =
  | 'duration.invalid'
  | 'limit.invalid'
  | 'limit.duplicate'
  | 'limit.unknown'
  | 'option.invalid'
  | 'option.unknown'
  | 'scope.unknown'
  | 'subject.invalid'
  | 'plan.invalid'
  | 'cost.invalid'
  | 'bot.unknown'
  | 'bot.started'
  | 'hook.unknown'
  | 'hook.timeout'
  | 'callback.timeout'
  | 'storage.closed'
  | 'storage.failed'
  | 'storage.permission'
  | 'storage.readonly'
  | 'storage.cluster'
  | 'storage.overloaded'
  | 'storage.unavailable'
  | 'storage.unsupported'
  | 'value.invalid'
  | 'import.invalid'
  | 'peer.missing'
  | 'mtproto.missing'
  | 'mtproto.session'
  | 'mtproto.flood'
  | 'mtproto.refused'
  | 'mtproto.transfer'
  | 'mtproto.corrupted'
  | 'telegram.invalid'
  | 'telegram.diverged'
  | 'policy.unknown'
  | 'policy.cycle'
  | 'role.unknown'
  | 'role.cycle'
  | 'permission.unknown'
  | 'preference.invalid'
  | 'migrate.refused'
  | 'handler.invalid'
  | 'handler.undecorated'
  | 'module.failed'
  | 'webhook.body'

/**
 * An error of this package: names what was wrong and how to mend it, and carries a stable `code`.
 *
 * Thrown only where a developer can act on it: at construction, for a wrong argument, after `close()`.
 * While an update is handled, the package never throws its own errors into the bot.
 *
 * @example
 * ```ts
 * import { parseDuration, SentinelError } from 'grammy-sentinel'
 *
 * try {
 *   parseDuration('ten seconds')
 * } catch (error) {
 *   console.log((error as SentinelError).code) // 'duration.invalid'
 * }
 * ```
 */
export class SentinelError extends Error {
  override readonly name = 'SentinelError'
  /** Stable and machine-readable; see {@link SentinelErrorCode}. */
  readonly code: SentinelErrorCode

  constructor(code: SentinelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether an error is due to an outage of the storage, which `storage.down` has reported already. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof SentinelError && error.code === 'storage.unavailable'
}

/** Says in an error of this package where the problem is, unless its message does so already. */
export function located(where: string | undefined, error: unknown): unknown {
  const text = `${where}: `
  if (!(error instanceof SentinelError) || where === undefined || error.message.startsWith(text)) return error
  return new SentinelError(error.code, text + error.message, { cause: error })
}
