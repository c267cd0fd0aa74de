import { type Network, networksOf, parseAddress, parseNetwork, UNIX } from './addresses.js'

/** The networks that Telegram sends webhooks from: https://core.telegram.org/bots/webhooks */
const TELEGRAM = ['149.154.160.0/20', '91.108.4.0/22'] as const

/** Longest accepted header. Real chains of proxies are shorter, so a longer one is forged. */
const MOST_FORWARDED = 2048

/** Decides by address who may call. */
export class Callers {
  private readonly allowed: readonly Network[]
  private readonly proxies: readonly Network[]
  private readonly isUnixProxy: boolean

  constructor(addresses: 'telegram' | readonly string[], proxies: readonly string[]) {
    this.allowed = parsed(addresses === 'telegram' ? TELEGRAM : addresses, 'webhook.addresses')
    this.proxies = parsed(networksOf(proxies), 'webhook.proxies')
    this.isUnixProxy = proxies.includes(UNIX)
  }

  /**
   * Whether a caller is allowed. The caller is the peer or, if the peer is a trusted proxy, the client it reports. Proxies append
   * to `X-Forwarded-For`, so it is read from the right up to the first untrusted address; what is left of that could be forged.
   */
  admits(peer: string | undefined, forwarded: string | undefined): boolean {
    let address = peer === undefined ? undefined : parseHop(peer)
    let believed = address === undefined ? peer === UNIX && this.isUnixProxy : has(this.proxies, address)
    if (forwarded !== undefined && believed) {
      if (forwarded.length > MOST_FORWARDED) return false
      const hops = forwarded.split(',')
      while (hops.length > 0 && believed) {
        address = parseHop((hops.pop() as string).trim())
        if (address === undefined) return false
        believed = has(this.proxies, address)
      }
    }
    return address !== undefined && has(this.allowed, address)
  }
}

/** Whether a peer is known by its address, or has none because its connection is closed or by a Unix domain socket. */
export function isKnown(peer: string | undefined): boolean {
  return peer === '' || peer === UNIX || (peer !== undefined && parseHop(peer) !== undefined)
}

function parsed(texts: readonly string[], what: string): readonly Network[] {
  return texts.map((text) => parseNetwork(text, what))
}

function has(networks: readonly Network[], address: bigint): boolean {
  return networks.some((network) => address >> network.free === network.address)
}

/** Parses the address of a peer or an entry of `X-Forwarded-For`; some platforms and proxies append the port. */
function parseHop(text: string): bigint | undefined {
  const [, bracketed, plain] = /^(?:(\[[^\]]+\])|(\d+\.\d+\.\d+\.\d+)):\d{1,5}$/.exec(text) ?? []
  return parseAddress(bracketed ?? plain ?? text)
}
