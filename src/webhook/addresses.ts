import { SentinelError } from '../core/errors.js'

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

export interface Network {
  readonly address: bigint
  /** Number of low bits that are ignored. */
  readonly free: bigint
}

/**
 * Parses a network.
 *
 * @throws SentinelError `option.invalid`.
 */
export function parseNetwork(text: string, what: string): Network {
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

/** Stands for a peer on a Unix domain socket: it has no address, and may be a proxy. */
export const UNIX = 'unix'

/** Rejects invalid networks, before any address is compared with them. */
export function checkNetworks(texts: readonly string[], what: string): void {
  for (const text of texts) parseNetwork(text, what)
}

/** Returns the proxies that have an address. */
export function networksOf(proxies: readonly string[]): readonly string[] {
  return proxies.filter((text) => text !== UNIX)
}
