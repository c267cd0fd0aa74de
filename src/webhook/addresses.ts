import { SentinelError } from '../core/errors.js'

/** The networks that Telegram sends webhooks from: https://core.telegram.org/bots/webhooks */
const TELEGRAM = ['149.154.160.0/20', '91.108.4.0/22'] as const

const MAPPED = 0xffffn << 32n

/** Parses an address to 128 bits; IPv4 as `::ffff:a.b.c.d`. Returns undefined if the text is not an address. */
export function parseAddress(text: string): bigint | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  // A zone names a local interface and is not part of the address.
  const zone = bare.indexOf('%')
  const address = zone < 0 ? bare : bare.slice(0, zone)
  if (!address.includes(':')) {
    const four = parseFour(address)
    return four === undefined ? undefined : MAPPED | four
  }
  return parseSix(address)
}

function parseFour(text: string): bigint | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let address = 0n
  for (const part of parts) {
    // Leading zeros are rejected: some programs read them as octal, which gives another address.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    address = (address << 8n) | BigInt(part)
  }
  return address
}

function parseSix(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0] as string, halves.length === 1)
  const tail = halves.length === 2 ? groupsOf(halves[1] as string, true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  return groups.reduce((address, group) => (address << 16n) | BigInt(group), 0n)
}

/** Parses the groups on one side of `::`; `last` if an IPv4 address may end it. */
function groupsOf(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (last && index === parts.length - 1 && part.includes('.')) {
      const four = parseFour(part)
      if (four === undefined) return undefined
      groups.push(Number(four >> 16n), Number(four & 0xffffn))
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups.length > 8 ? undefined : groups
}

interface Network {
  readonly address: bigint
  /** Number of low bits that are ignored. */
  readonly free: bigint
}

function parseNetwork(text: string, what: string): Network {
  const [address = '', length, ...rest] = text.split('/')
  const parsed = parseAddress(address)
  const most = address.includes(':') ? 128 : 32
  const bits = length === undefined ? most : Number(length)
  if (parsed === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length ?? '0') || bits > most) {
    throw new SentinelError(
      'option.invalid',
      `${what}: ${JSON.stringify(text)} is not a network. Write an address such as "10.0.0.7" or "::1", or a range such as "10.0.0.0/8".`,
    )
  }
  const free = BigInt(most - bits)
  return { address: parsed >> free, free }
}

/** A list of networks. */
class Networks {
  private readonly networks: readonly Network[]

  constructor(texts: readonly string[], what: string) {
    this.networks = texts.map((text) => parseNetwork(text, what))
  }

  has(address: bigint): boolean {
    return this.networks.some((network) => address >> network.free === network.address)
  }
}

/** Stands for a peer on a Unix domain socket: it has no address, and may be a proxy. */
export const UNIX = 'unix'

/** Rejects invalid networks of proxies, even if no address will be compared with them. */
export function checkProxies(texts: readonly string[]): void {
  for (const text of texts) if (text !== UNIX) parseNetwork(text, 'webhook.proxies')
}

/** Longest accepted header. Real chains of proxies are shorter, so a longer one is forged. */
const MOST_FORWARDED = 2048

/** Decides by address who may call. */
export class Callers {
  private readonly allowed: Networks
  private readonly proxies: Networks
  private readonly isUnixProxy: boolean

  constructor(addresses: 'telegram' | readonly string[], proxies: readonly string[]) {
    this.allowed = new Networks(addresses === 'telegram' ? TELEGRAM : addresses, 'webhook.addresses')
    this.proxies = new Networks(
      proxies.filter((text) => text !== UNIX),
      'webhook.proxies',
    )
    this.isUnixProxy = proxies.includes(UNIX)
  }

  /**
   * Whether a caller is allowed. The caller is the peer or, if the peer is a trusted proxy, the client it reports. Proxies append
   * to `X-Forwarded-For`, so it is read from the right up to the first untrusted address; what is left of that could be forged.
   */
  admits(peer: string | undefined, forwarded: string | undefined): boolean {
    let address = peer === undefined ? undefined : parseHop(peer)
    let believed = address === undefined ? peer === UNIX && this.isUnixProxy : this.proxies.has(address)
    if (forwarded !== undefined && believed) {
      if (forwarded.length > MOST_FORWARDED) return false
      const hops = forwarded.split(',')
      while (hops.length > 0 && believed) {
        address = parseHop((hops.pop() as string).trim())
        if (address === undefined) return false
        believed = this.proxies.has(address)
      }
    }
    return address !== undefined && this.allowed.has(address)
  }
}

/** Whether a peer is known by its address, or has none because its connection is closed or by a Unix domain socket. */
export function isKnown(peer: string | undefined): boolean {
  return peer === '' || peer === UNIX || (peer !== undefined && parseHop(peer) !== undefined)
}

/** Parses the address of a peer or an entry of `X-Forwarded-For`; some platforms and proxies append the port. */
function parseHop(text: string): bigint | undefined {
  const [, bracketed, plain] = /^(?:(\[[^\]]+\])|(\d+\.\d+\.\d+\.\d+)):\d{1,5}$/.exec(text) ?? []
  return parseAddress(bracketed ?? plain ?? text)
}
