import type { TlObject, TlValue } from '../../mtproto/protocol/tl/object.js'
import { TlError } from '../../mtproto/protocol/tl/object.js'
import type { Call, Methods } from './call.js'
import type { DataCentre, Requests } from './data-centre.js'
import { badRequest, migrate, RpcError, rpcError } from './rpc-error.js'
import type { Device } from './sessions/auth-keys.js'
import type { ClientSession } from './sessions/client-session.js'

/** A planned failure of a method. */
interface Fault {
  readonly method: string
  readonly error: RpcError
  times: number
}

/** Runs methods, and converts errors to Telegram's format. */
export class Rpc implements Requests {
  readonly #faults: Fault[] = []
  /** Number of calls by method. */
  readonly counts = new Map<string, number>()
  readonly #methods: Methods

  constructor(methods: Methods) {
    this.#methods = methods
  }

  /** Makes the next `times` calls of a method fail. */
  fail(method: string, error: RpcError, times = 1): void {
    this.#faults.push({ method, error, times })
  }

  async run(
    centre: DataCentre,
    session: ClientSession,
    asked: TlObject,
    messageId: bigint,
  ): Promise<TlValue> {
    try {
      const { request, after } = this.#unwrap(session, asked)
      for (const id of after) await settled(session, messageId, BigInt.asUintN(64, id))
      return await this.#call({ centre, session, request, messageId })
    } catch (error) {
      if (error instanceof RpcError) return rpcError(error.code, error.message)
      if (error instanceof TlError) return rpcError(400, `INPUT_REQUEST_INVALID: ${error.message}`)
      // Every request gets an answer: an internal error names its place instead of leaving the client waiting.
      return rpcError(500, `INTERNAL: ${asked._}: ${error instanceof Error ? error.message : 'unknown'}`)
    }
  }

  /** Unwraps the actual request, and collects the messages that must be handled before it. */
  #unwrap(
    session: ClientSession,
    asked: TlObject,
  ): { readonly request: TlObject; readonly after: readonly bigint[] } {
    let request = asked
    const after: bigint[] = []
    for (;;) {
      switch (request._) {
        case 'invokeWithLayer':
          if ((request.layer as number) < 1) throw badRequest('CONNECTION_LAYER_INVALID')
          session.key.lasting.layer = request.layer as number
          break
        case 'invokeWithoutUpdates':
          session.wantsUpdates = false
          break
        case 'invokeAfterMsg':
          after.push(request.msg_id as bigint)
          break
        case 'invokeAfterMsgs':
          after.push(...(request.msg_ids as readonly bigint[]))
          break
        case 'initConnection':
          session.key.lasting.device = deviceOf(request)
          break
        case 'invokeWithTakeout':
        case 'invokeWithMessagesRange':
          break
        default:
          return { request, after }
      }
      request = request.query as TlObject
    }
  }

  #call(call: Call): TlValue | Promise<TlValue> {
    const { centre, session, request } = call
    const { _: name } = request
    if (centre.schema.byName(name)?.kind !== 'method') throw new RpcError(400, 'INPUT_METHOD_INVALID')
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    const index = this.#faults.findIndex(({ method }) => method === name)
    const fault = this.#faults[index]
    if (fault !== undefined) {
      if (--fault.times <= 0) this.#faults.splice(index, 1)
      throw fault.error
    }
    const { key } = session
    if (key.expiresAt !== undefined && key.boundTo === undefined && name !== 'auth.bindTempAuthKey') {
      throw new RpcError(401, 'AUTH_KEY_PERM_EMPTY')
    }
    key.lasting.heardAt = centre.now()
    const open = this.#methods.open.get(name)
    if (open !== undefined) return open(call)
    const known = this.#methods.account.get(name)
    // Reported even without a log-in, because a client that gets 401 gives up its log-in.
    if (known === undefined) throw new RpcError(400, `METHOD_NOT_IMPLEMENTED: ${name}`)
    const { account } = key.lasting
    if (account === undefined) throw new RpcError(401, 'AUTH_KEY_UNREGISTERED')
    const home = centre.centres.homeOf(account)
    if (home !== centre.dc) {
      if (!isServedAnywhere(name)) throw migrate('USER', home)
    } else if (session.wantsUpdates && !isAboutFiles(name))
      centre.view.subscriptions.subscribe(session, account)
    return centre.view.subscriptions.during(session, () => known({ ...call, account }))
  }
}

/** Waits until an earlier request is handled (https://core.telegram.org/api/invoking#invokeaftermsg). */
async function settled(session: ClientSession, own: bigint, id: bigint): Promise<void> {
  const outcome = id < own ? session.outcomeOf(id) : undefined
  // Messages arrive in order, so a request not known by now will not arrive.
  if (outcome === undefined) throw badRequest('MSG_WAIT_TIMEOUT')
  if (!(await outcome)) throw badRequest('MSG_WAIT_FAILED')
}

function deviceOf(told: TlObject): Device {
  return {
    apiId: told.api_id as number,
    model: told.device_model as string,
    system: told.system_version as string,
    app: told.app_version as string,
  }
}

/** Files and logging out are available in every data centre; other methods only in the account's own. */
function isServedAnywhere(method: string): boolean {
  return isAboutFiles(method) || method === 'auth.logOut'
}

/**
 * File methods do not subscribe to updates: "this is enabled by default for file queries"
 * (https://core.telegram.org/method/invokeWithoutUpdates).
 */
function isAboutFiles(method: string): boolean {
  return method.startsWith('upload.')
}
