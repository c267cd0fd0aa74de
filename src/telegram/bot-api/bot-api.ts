import { setTimeout as sleep } from 'node:timers/promises'
import { getOrInsert } from '../../core/maps.js'
import type { BotAccount } from '../world/accounts.js'
import { Refusal } from '../world/refusal.js'
import type { World } from '../world/world.js'
import type { Call } from './call.js'
import { type BotCall, CallLog, type CallResult } from './calls.js'
import { runChecked, updateInspector } from './checks.js'
import { FaultPlan } from './faults.js'
import type { Flood } from './flood.js'
import { Link } from './link.js'
import { METHODS } from './methods/index.js'
import { assertLoggedIn } from './methods/session.js'
import { Params } from './params.js'
import { type MethodName, methodNamed, signatureOf } from './schema/schema.js'
import type { WebhookTiming } from './webhook.js'
import { WebhookHosts } from './webhook-delivery.js'

/** The outcome of a call: an answer, `'drop'` to cut the connection, or an answer with a wrong body. */
type Outcome = CallResult | 'drop' | Spoilt

/** An answer sent with a wrong body: `'half'` breaks off in the middle, any other text replaces the body but keeps the status. */
interface Spoilt {
  readonly ok: undefined
  readonly result: CallResult
  readonly body: string
}

/** Acting for a business account is not supported; ignoring the parameter would change the meaning of a call. */
const BUSINESS = 'business_connection_id'

/** Methods not allowed in the reply to a webhook delivery, besides those beginning with "get". */
const NOT_IN_REPLY = new Set(['setwebhook', 'deletewebhook', 'close', 'logout'])

const CLOSED = 'Conflict: the embedded Telegram was closed; stop the bot before it (await bot.stop())'

/** Executes the calls of bots, independent of how they arrive (HTTP, function call, webhook reply). */
export class BotApi {
  readonly log = new CallLog()
  readonly faults = new FaultPlan()
  readonly hosts = new WebhookHosts()
  /** Functions that answer in place of Telegram, by bot id; if they return undefined, Telegram answers. */
  readonly scripts = new Map<
    number,
    (method: string, params: BotCall['params']) => CallResult | 'drop' | undefined
  >()
  readonly #links = new Map<number, Link>()
  readonly #closing = new AbortController()

  constructor(
    readonly world: World,
    private readonly timing: WebhookTiming,
    /** Without it, bots may send without limit. */
    private readonly flood?: Flood,
  ) {
    world.inspect = updateInspector()
  }

  /** Whether the method is implemented; others answer 501. */
  isServed(method: MethodName): boolean {
    return METHODS[method] !== undefined
  }

  async perform(bot: BotAccount, name: string, params: Params, signal: AbortSignal): Promise<Outcome> {
    // 409 for bots that were left running and for late handlers: grammY's bots stop at a 409.
    if (this.#closing.signal.aborted) return failure(409, CLOSED)
    const method = methodNamed(name)
    if (method === undefined) return failure(404, 'Not Found: method not found')
    const call = this.log.add({
      bot: { id: bot.id, username: bot.me.username },
      method,
      params: params.describe(method),
      at: this.world.clock.now(),
    })
    const strike = this.faults.take(method, { bot, params })
    if (strike !== undefined && strike.delay > 0) {
      // The wait ends early if either side closes; then no answer is needed.
      const either = AbortSignal.any([signal, this.#closing.signal])
      const waited = await sleep(strike.delay, true, { signal: either }).catch(() => false)
      if (!waited) return 'drop'
    }
    if (strike?.drop === true) return 'drop'
    const scripted = strike?.answer ?? this.scripts.get(bot.id)?.(method, call.params)
    if (scripted === 'drop') return 'drop'
    const result =
      scripted ??
      (await this.#run({ world: this.world, bot, params, link: this.linkOf(bot), signal }, method))
    this.log.finish(call, result)
    if (strike?.drop === 'after') return 'drop'
    return strike?.body === undefined ? result : { ok: undefined, result, body: strike.body }
  }

  async #run(call: Call, method: MethodName): Promise<CallResult> {
    const run = METHODS[method]
    if (run === undefined)
      return failure(501, `Not Implemented: the embedded Telegram does not serve ${method} yet`)
    if (call.params.has(BUSINESS) && signatureOf(method).parameters.has(BUSINESS))
      return failure(
        501,
        `Not Implemented: the embedded Telegram has no business accounts, and no ${BUSINESS}`,
      )
    let takeBack: (() => void) | undefined
    try {
      assertLoggedIn(call)
      takeBack = this.flood?.admit(method, call)
      return { ok: true, result: await runChecked(method, run, call) }
    } catch (error) {
      takeBack?.()
      if (error instanceof Refusal) return failure(error.code, error.description, error.parameters)
      // A bug of the embedded Telegram: the message makes it visible to the bot and so to the test.
      return failure(500, `Internal Server Error: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  linkOf(bot: BotAccount): Link {
    return getOrInsert(
      this.#links,
      bot.id,
      () =>
        new Link(
          bot,
          this.timing,
          this.hosts,
          () => this.world.date(),
          (reply) => this.#performReply(bot, reply),
        ),
    )
  }

  #performReply(bot: BotAccount, reply: ReadonlyMap<string, unknown>): void {
    const params = new Map(reply)
    const name = String(params.get('method')).toLowerCase()
    params.delete('method')
    if (NOT_IN_REPLY.has(name) || name.startsWith('get')) return
    // The result is not sent to the bot, as in Telegram, but is in the call log.
    void this.perform(bot, name, new Params(params), this.#closing.signal)
  }

  /** Aborts calls in progress; all later calls are refused. */
  close(): void {
    this.#closing.abort()
    for (const link of this.#links.values()) {
      link.deleteWebhook()
      link.polling.interrupt(CLOSED)
    }
  }
}

export function failure(code: number, description: string, parameters?: Refusal['parameters']): CallResult {
  return { ok: false, error_code: code, description, ...(parameters !== undefined && { parameters }) }
}
