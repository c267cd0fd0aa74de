import type { tl } from '@mtcute/core'
import type { Ms } from '../../../../core/duration.js'
import { SentinelError } from '../../../../core/errors.js'
import { getOrInsert } from '../../../../core/maps.js'
import type { Caller } from '../../calls/caller.js'
import { refusedOr } from '../../calls/refusal.js'
import { untilAborted } from '../../calls/until-aborted.js'
import type { CdnAddress } from './address.js'
import type { CdnClient } from './client.js'

/** Opens a CDN connection; passed in because its module is loaded late. */
type ConnectCdn = (at: CdnAddress, onLost: () => void, signal: AbortSignal) => Promise<CdnClient>

/** Time limit of the key exchange, also for a server that keeps sending a little. */
const HANDSHAKE: Ms = 60_000

/** Connections to CDN data centres: one per data centre, opened on demand, kept until the client closes. */
export class CdnDataCentres {
  readonly #open = new Map<number, Promise<CdnClient>>()
  readonly #ending = new AbortController()
  #config: Promise<tl.RawCdnConfig> | undefined

  constructor(
    private readonly caller: () => Promise<Caller>,
    private readonly connect: ConnectCdn,
  ) {}

  /** @throws SentinelError `mtproto.refused`; `mtproto.transfer` if there is no CDN data centre of that number. */
  async call<T extends tl.upload.RawGetCdnFileRequest>(
    dc: number,
    request: T,
    signal: AbortSignal,
  ): Promise<tl.RpcCallReturn[T['_']]> {
    for (let tries = 1; ; tries++) {
      // An abort ends only this wait: other calls may wait for the same connection.
      const client = await untilAborted(this.#of(dc), signal)
      try {
        return await client.call(request, signal)
      } catch (error) {
        signal.throwIfAborted()
        // The CDN has dropped the authorization key: negotiates a new one, once.
        if (!client.isLost || tries > 1) throw refusedOr(error, request._)
      }
    }
  }

  async close(): Promise<void> {
    this.#ending.abort(new SentinelError('mtproto.session', 'mtproto: the client was closed.'))
    const open = [...this.#open.values()]
    this.#open.clear()
    // A failed connection has nothing to close, and its error was already reported.
    await Promise.all(open.map((opening) => opening.then((client) => client.close()).catch(() => undefined)))
  }

  #of(dc: number): Promise<CdnClient> {
    return getOrInsert(this.#open, dc, () => {
      const forget = () => {
        if (this.#open.get(dc) === opening) this.#open.delete(dc)
      }
      const opening = this.#address(dc).then((address) => this.#connect(address, forget))
      opening.catch(forget)
      return opening
    })
  }

  async #connect(address: CdnAddress, onLost: () => void): Promise<CdnClient> {
    try {
      const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(HANDSHAKE)])
      return await this.connect(address, onLost, signal)
    } catch (cause) {
      this.#ending.signal.throwIfAborted()
      throw new SentinelError(
        'mtproto.transfer',
        `mtproto.download: data centre ${address.dc} cannot be reached, or is not the one that Telegram named. Try again later.`,
        { cause },
      )
    }
  }

  async #address(dc: number): Promise<CdnAddress> {
    const caller = await this.caller()
    this.#config ??= caller.call({ _: 'help.getCdnConfig' })
    const keys = await this.#config.catch((error: unknown) => {
      this.#config = undefined
      throw error
    })
    const { dcOptions } = await caller.call({ _: 'help.getConfig' })
    const at = dcOptions.find((each) => each.cdn === true && each.id === dc && each.ipv6 !== true)
    const key = keys.publicKeys.find(({ dcId }) => dcId === dc)
    if (at === undefined || key === undefined) {
      this.#config = undefined
      throw new SentinelError(
        'mtproto.transfer',
        `mtproto.download: Telegram does not list data centre ${dc}. Try again later.`,
      )
    }
    return { dc, host: at.ipAddress, port: at.port, publicKey: key.publicKey }
  }
}
