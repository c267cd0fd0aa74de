import { SentinelError } from '../../../core/errors.js'
import { hintFor, PERMISSIONS } from './permissions.js'

/** Telegram's reason of a refusal; undefined for other errors. */
export function reasonOf(error: unknown): string | undefined {
  return error instanceof MtprotoRefusal ? error.reason : undefined
}

/**
 * Telegram refused a call. `reason` is its error name, such as `CHAT_ADMIN_REQUIRED` (https://core.telegram.org/api/errors).
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
    /** Advice, if there is any: for instance what bots can do instead. */
    readonly hint?: string,
  ) {
    const refused = `mtproto: Telegram refuses ${method}: ${reason}.`
    super('mtproto.refused', hint === undefined ? refused : `${refused} ${hint}`)
  }
}

/** mtcute's errors for a call in progress when a client is destroyed, and for a call afterwards. */
const CUT_OFF = /^(?:Session is reset|Client is destroyed)$/

/** Converts an error of a call: refusals and calls cut off by closing become errors of this package, others stay as they are. */
export function refusedOr(error: unknown, method: string, permissions = PERMISSIONS): unknown {
  const { text, message } = Object(error) as { readonly text?: unknown; readonly message?: unknown }
  if (typeof text !== 'string') return CUT_OFF.test(String(message)) ? cutOff(method, error) : error
  const reason = numbered(text, Object(error))
  return new MtprotoRefusal(method, reason, hintFor(method, reason, permissions))
}

function cutOff(method: string, cause: unknown): SentinelError {
  return new SentinelError(
    'mtproto.session',
    `mtproto: the client was closed while ${method} was under way. It is unknown whether Telegram has carried it out.`,
    { cause },
  )
}

/** mtcute replaces numbers in error names (`FILE_MIGRATE_%d`) and keeps them in a property; this puts them back. */
function numbered(text: string, error: object): string {
  if (!text.includes('%d')) return text
  const found = Object.entries(error).find(([name, value]) => name !== 'code' && typeof value === 'number')
  return found === undefined ? text : text.replace('%d', String(found[1]))
}

/** A refusal by Telegram, as mtcute passes it on before turning it into an error. */
export interface RpcRefusal {
  readonly _: 'mt_rpc_error'
  readonly errorCode: number
  readonly errorMessage: string
}

/** The refusal in an answer; undefined if the call succeeded. */
export function refusalIn(answer: unknown): RpcRefusal | undefined {
  const { _: name } = Object(answer) as { readonly _?: unknown }
  return name === 'mt_rpc_error' ? (answer as RpcRefusal) : undefined
}
