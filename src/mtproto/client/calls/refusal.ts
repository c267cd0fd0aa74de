import { SentinelError } from '../../../core/errors.js'
import { hintFor, PERMISSIONS } from './permissions.js'

/** What Telegram called the reason; undefined for errors that are not its own. */
export function reasonOf(error: unknown): string | undefined {
  return error instanceof MtprotoRefusal ? error.reason : undefined
}

/**
 * Telegram refused a call. `reason` is its own word for why, such as `CHAT_ADMIN_REQUIRED`
 * (https://core.telegram.org/api/errors).
 *
 * @example
 * ```ts
 * import { type MtprotoClient, MtprotoRefusal } from 'grammy-sentinel/mtproto'
 *
 * async function isTaken(client: MtprotoClient, name: string): Promise<boolean> {
 *   try {
 *     await client.resolve(name)
 *     return true
 *   } catch (error) {
 *     if (error instanceof MtprotoRefusal && error.reason === 'USERNAME_NOT_OCCUPIED') return false
 *     throw error
 *   }
 * }
 * ```
 */
export class MtprotoRefusal extends SentinelError {
  constructor(
    readonly method: string,
    readonly reason: string,
    /** What may help, where that is known: such as what bots can do instead. */
    readonly hint?: string,
  ) {
    const refused = `mtproto: Telegram refuses ${method}: ${reason}.`
    super('mtproto.refused', hint === undefined ? refused : `${refused} ${hint}`)
  }
}

/** What mtcute calls it when a client ends while a call is under way, and when it has ended. */
const CUT_OFF = /^(?:Session is reset|Client is destroyed)$/

/** In words of ours, whatever becomes of a call. */
export function refusedOr(error: unknown, method: string, permissions = PERMISSIONS): unknown {
  const { text, message } = Object(error) as { readonly text?: unknown; readonly message?: unknown }
  if (typeof text !== 'string') return CUT_OFF.test(String(message)) ? cutOff(method, error) : error
  const reason = numbered(text, Object(error))
  return new MtprotoRefusal(method, reason, hintFor(method, reason, permissions))
}

function cutOff(method: string, cause: unknown): SentinelError {
  return new SentinelError(
    'mtproto.session',
    `mtproto: the client was closed while ${method} was under way. Whether Telegram has done it is not known.`,
    { cause },
  )
}

/** mtcute takes numbers out of names (`FILE_MIGRATE_%d`) and keeps them beside; Telegram's own word has them. */
function numbered(text: string, error: object): string {
  if (!text.includes('%d')) return text
  const found = Object.entries(error).find(([name, value]) => name !== 'code' && typeof value === 'number')
  return found === undefined ? text : text.replace('%d', String(found[1]))
}
