import { SentinelError } from '../core/errors.js'

/** Where Telegram's webhooks come from: https://core.telegram.org/bots/webhooks */
const TELEGRAM = ['149.154.160.0/20', '91.108.4.0/22'] as const

const MAPPED = 0xffffn << 32n

/** An address as 128 bits; those of IPv4 as `::ffff:a.b.c.d`. Undefined for what is none. */
export function parseAddress(text: string): bigint | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  // A zone names an interface of this machine: no part of the address.
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
    // No leading zeros: some read them as octal, and then it is another address.
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

/** The groups of one side of `::`; `last` where an IPv4 address may end it. */
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
  /** Bits that are not compared. */
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
      `${what}: ${JSON.stringify(text)} is no network. Write an address such as "10.0.0.7" or "::1", or a range such as "10.0.0.0/8".`,
    )
  }
  const free = BigInt(most - bits)
  return { address: parsed >> free, free }
}

/** Some networks. */
class Networks {
  private readonly networks: readonly Network[]

  constructor(texts: readonly string[], what: string) {
    this.networks = texts.map((text) => parseNetwork(text, what))
  }

  has(address: bigint): boolean {
    return this.networks.some((network) => address >> network.free === network.address)
  }
}

/** Whoever calls by a socket of this machine: they have no address, and may be a proxy. */
export const UNIX = 'unix'

/** Refuses what is no network, whether or not anybody is compared with it. */
export function checkProxies(texts: readonly string[]): void {
  for (const text of texts) if (text !== UNIX) parseNetwork(text, 'webhook.proxies')
}

/** Longer than this no chain of proxies is; what is longer was made up. */
const MOST_FORWARDED = 2048

/** Tells by its address who may call. */
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
   * Whether a caller may: the peer, or where that is a proxy of ours, whoever it names. `X-Forwarded-For` grows to the right, so
   * it is read from there: what stands left of the first stranger is that stranger's own claim.
   */
  admits(peer: string | undefined, forwarded: string | undefined): boolean {
    let address = peer === undefined ? undefined : parseAddress(peer)
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

/** Some proxies name the port, too. */
function parseHop(text: string): bigint | undefined {
  const [, bracketed, plain] = /^(?:(\[[^\]]+\])|(\d+\.\d+\.\d+\.\d+)):\d{1,5}$/.exec(text) ?? []
  return parseAddress(bracketed ?? plain ?? text)
}
