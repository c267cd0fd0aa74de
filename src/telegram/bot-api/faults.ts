import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { getOrInsert } from '../../core/maps.js'
import { nearest } from '../../core/nearest.js'
import type { CallResult } from './calls.js'
import type { Params } from './params.js'
import { knownMethod, type MethodName } from './schema/schema.js'

/**
 * A fault injected into calls: an error response, a delay before the call is served, a cut connection (`true`: before the call
 * takes effect; `'after'`: after it took effect, so that the bot never sees the answer), or a wrong response body.
 *
 * @example
 * ```ts
 * import type { Fault } from 'grammy-sentinel/testing'
 *
 * const faults: Fault[] = [
 *   { code: 429, retryAfter: 3 },
 *   { code: 403, description: 'Forbidden: user is deactivated', chat: 42 },
 *   { code: 502, body: '<html>Bad Gateway</html>', times: 3 },
 *   { delay: '200ms', times: Number.POSITIVE_INFINITY },
 *   { drop: true },
 *   { body: 'half' },
 * ]
 * export { faults }
 * ```
 */
export interface Fault {
  /** HTTP status and `error_code` of the answer. */
  readonly code?: number
  /** Default: Telegram's usual description of the code. */
  readonly description?: string
  /** Seconds, answered as `parameters.retry_after`. Default for 429: 1. */
  readonly retryAfter?: number
  /** Real time to wait before the call is served. */
  readonly delay?: Duration
  readonly drop?: boolean | 'after'
  /**
   * `'half'`: the response breaks off in the middle and the connection closes; the call takes effect unless there is a `code`.
   * Any other text replaces the response body, like the error page of a proxy; without a `code` it is sent with status 200, and
   * the call takes effect.
   */
  readonly body?: string
  /** Only calls about this chat, by their `chat_id`: a number or `'@name'`. Default: all calls. */
  readonly chat?: number | string | { readonly id: number }
  /** Only calls of this bot. Default: all bots. */
  readonly bot?: { readonly id: number }
  /** Number of calls that the fault hits; `Infinity`: all, until cleared. Default: 1. */
  readonly times?: number
}

/**
 * Injects errors, delays and connection failures into calls of the Bot API.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
 * telegram.faults.next('getMe', { delay: '200ms' })
 * telegram.faults.clear()
 * await telegram.close()
 * ```
 */
export interface Faults {
  /**
   * Plans a fault for the next call of the method (`'*'`: any method). Faults of one method form a queue: each call takes the
   * first one that applies to it.
   *
   * @throws SentinelError `telegram.invalid` for an unknown method, and for an empty or invalid fault.
   */
  next(method: string, fault: Fault): void
  /** Removes all faults that have not been used up. */
  clear(): void
}

const WORDS = new Map([
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [409, 'Conflict'],
  [429, 'Too Many Requests'],
  [500, 'Internal Server Error'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
])

interface Strike {
  readonly delay: Ms
  readonly drop: boolean | 'after'
  readonly body?: string
  readonly answer?: CallResult
}

/** The parts of a call that a fault can select by. */
interface Target {
  readonly bot: { readonly id: number }
  readonly params: Params
}

export const FAULT_FIELDS = [
  'code',
  'description',
  'retryAfter',
  'delay',
  'drop',
  'body',
  'chat',
  'bot',
  'times',
] as const satisfies readonly (keyof Fault)[]

export class FaultPlan implements Faults {
  readonly #planned = new Map<string, { fault: Fault; left: number }[]>()

  next(method: string, fault: Fault): void {
    checkFault(fault)
    const name = method === '*' ? '*' : knownMethod(method, 'faults.next')
    getOrInsert(this.#planned, name, () => []).push({ fault, left: fault.times ?? 1 })
  }

  clear(): void {
    this.#planned.clear()
  }

  take(method: MethodName, target: Target): Strike | undefined {
    if (this.#planned.size === 0) return undefined
    return this.#takeOf(method, target) ?? this.#takeOf('*', target)
  }

  #takeOf(name: string, target: Target): Strike | undefined {
    const planned = this.#planned.get(name)
    const place = planned?.findIndex(({ fault }) => isMeant(fault, target)) ?? -1
    const found = planned?.[place]
    if (planned === undefined || found === undefined) return undefined
    if (--found.left <= 0) planned.splice(place, 1)
    if (planned.length === 0) this.#planned.delete(name)
    return strikeOf(found.fault)
  }
}

function checkFault(fault: Fault): void {
  for (const name of Object.keys(fault))
    if (!(FAULT_FIELDS as readonly string[]).includes(name)) {
      const meant = nearest(name, FAULT_FIELDS)
      throw invalid(
        `${JSON.stringify(name)} is not a field of a fault.${meant === undefined ? '' : ` Did you mean "${meant}"?`}`,
      )
    }
  const { code, delay, drop, body, times } = fault
  if (code === undefined && delay === undefined && drop === undefined && body === undefined)
    throw invalid('say what goes wrong: { code }, { delay }, { drop } or { body }.')
  if (code !== undefined && !(Number.isInteger(code) && code >= 400 && code <= 599))
    throw invalid(`code ${code} is not an error status; use 400-599.`)
  if (times !== undefined && !(times >= 1 && (Number.isInteger(times) || times === Number.POSITIVE_INFINITY)))
    throw invalid(`times ${times} is not a count; use 1 or more, or Infinity for all.`)
  if (drop !== undefined && body !== undefined)
    throw invalid('a dropped connection answers nothing: give { drop } or { body }, not both.')
  if (delay !== undefined) parseDuration(delay, 'faults.next: delay')
}

function invalid(what: string): SentinelError {
  return new SentinelError('telegram.invalid', `faults.next: ${what}`)
}

function isMeant({ bot, chat }: Fault, target: Target): boolean {
  if (bot !== undefined && bot.id !== target.bot.id) return false
  if (chat === undefined) return true
  const wanted = String(typeof chat === 'object' ? chat.id : chat).toLowerCase()
  return target.params.text('chat_id')?.trim().toLowerCase() === wanted
}

function strikeOf(fault: Fault): Strike {
  const strike = {
    delay: fault.delay === undefined ? 0 : parseDuration(fault.delay, 'faults.next: delay'),
    drop: fault.drop ?? false,
    ...(fault.body !== undefined && { body: fault.body }),
  }
  if (fault.code === undefined) return strike
  const retryAfter = fault.retryAfter ?? (fault.code === 429 ? 1 : undefined)
  const words = WORDS.get(fault.code) ?? 'Error'
  return {
    ...strike,
    answer: {
      ok: false,
      error_code: fault.code,
      description: fault.description ?? (fault.code === 429 ? `${words}: retry after ${retryAfter}` : words),
      ...(retryAfter !== undefined && { parameters: { retry_after: retryAfter } }),
    },
  }
}
