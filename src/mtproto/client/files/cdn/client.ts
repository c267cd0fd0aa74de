import type { tl } from '@mtcute/core'
import { MemoryStorage } from '@mtcute/core'
import { BaseTelegramClient } from '@mtcute/core/client.js'
import { SentinelError } from '../../../../core/errors.js'
import type { Traffic } from '../../calls/traffic.js'
import { untilAborted } from '../../calls/until-aborted.js'
import { tellCallersAlone } from '../../calls-after-close.js'
import { NodeCrypto } from '../../crypto.js'
import { platformOf } from '../../platform.js'
import type { CdnAddress } from './address.js'
import { agreeOnKey } from './key-agreement.js'

/**
 * A connection to a CDN data centre. A CDN has a public key of its own, but mtcute treats every key that it knows as Telegram's.
 * Therefore the key exchange is done here, and mtcute continues with the resulting authorization key.
 */
export class CdnClient {
  isLost = false
  readonly #lost = new AbortController()

  private constructor(
    private readonly client: BaseTelegramClient,
    onLost: () => void,
  ) {
    client.onError.add((error) => {
      // mtcute reconnects broken connections by itself, but cannot recover from a lost authorization key.
      if (!/^(?:TransportError|MtSecurityError)$/.test(error.constructor.name)) return
      this.isLost = true
      this.#lost.abort()
      onLost()
      // The client is unusable now, and calls in progress have failed; errors of closing do not matter.
      this.close().catch(() => undefined)
    })
  }

  static async open(
    { apiId, traffic }: { readonly apiId: number; readonly traffic: Traffic },
    address: CdnAddress,
    onLost: () => void,
    signal: AbortSignal,
  ): Promise<CdnClient> {
    const key = await agreeOnKey(address, signal)
    const storage = new MemoryStorage()
    await storage.authKeys.set(address.dc, key)
    const dc = { id: address.dc, ipAddress: address.host, port: address.port }
    const client = new BaseTelegramClient({
      apiId,
      apiHash: '',
      storage,
      crypto: new NodeCrypto(),
      defaultDcs: { main: dc, media: dc },
      disableUpdates: true,
      ...platformOf(traffic),
    })
    tellCallersAlone(client)
    const made = new CdnClient(client, onLost)
    try {
      await untilAborted(client.connect(), signal)
    } catch (error) {
      await made.close()
      throw error
    }
    return made
  }

  async call<T extends tl.upload.RawGetCdnFileRequest>(
    request: T,
    signal: AbortSignal,
  ): Promise<tl.RpcCallReturn[T['_']]> {
    // Not AbortSignal.any: `#lost` lives long, and would keep a reference to the signal of every part.
    const stopping = new AbortController()
    const stop = () => stopping.abort(signal.reason)
    const either = [signal, this.#lost.signal]
    for (const each of either) {
      if (each.aborted) stop()
      each.addEventListener('abort', stop, { once: true })
    }
    const { signal: abortSignal } = stopping
    try {
      return (await this.client.call(request as never, { abortSignal })) as tl.RpcCallReturn[T['_']]
    } catch (error) {
      if (!this.isLost) throw error
      throw new SentinelError(
        'mtproto.transfer',
        'mtproto.download: a CDN data centre no longer knows this client. Try again.',
        { cause: error },
      )
    } finally {
      for (const each of either) each.removeEventListener('abort', stop)
    }
  }

  async close(): Promise<void> {
    await this.client.destroy()
  }
}
