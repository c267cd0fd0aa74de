import { isIPv4, isIPv6 } from 'node:net'
import { SentinelError } from '../../../core/errors.js'
import { FALSE, TlError, TRUE } from '../../protocol/tl/object.js'
import { TlReader } from '../../protocol/tl/reader.js'
import { NO_SCHEMA } from '../../protocol/tl/schema.js'
import { TlWriter } from '../../protocol/tl/writer.js'

/**
 * Format of a session string, named after the library that reads it.
 *
 * @example
 * ```ts
 * import type { MtprotoClient, SessionFormat } from 'grammy-sentinel/mtproto'
 *
 * const forPython: SessionFormat = 'telethon'
 * const exported = (client: MtprotoClient): Promise<string> => client.exportSession(forPython)
 * ```
 */
export type SessionFormat = 'mtcute' | 'telethon' | 'pyrogram'

/** The union of what the formats contain. */
export interface SessionParts {
  readonly format: SessionFormat | 'gramjs'
  readonly dc: number
  /** Absent in Pyrogram's format, which relies on built-in addresses. */
  readonly address?: { readonly host: string; readonly port: number }
  readonly isTest: boolean
  /** Absent in Telethon's and GramJS's formats, and before a log-in. */
  readonly self?: { readonly userId: number; readonly isBot: boolean }
  /** Present only in Pyrogram 2's format. */
  readonly apiId?: number
  readonly key: Buffer
}

const KEY = 256
/** Telegram's data centres (https://core.telegram.org/api/datacenter), as built into clients. */
const ADDRESSES: ReadonlyMap<number, string> = new Map([
  [1, '149.154.175.53'],
  [2, '149.154.167.51'],
  [3, '149.154.175.100'],
  [4, '149.154.167.91'],
  [5, '91.108.56.130'],
])

/** Address of one of Telegram's data centres; undefined for an unknown number. */
export function addressOf(dc: number): { readonly host: string; readonly port: number } | undefined {
  const host = ADDRESSES.get(dc)
  return host === undefined ? undefined : { host, port: 443 }
}

/**
 * Parses a session string of mtcute (version 3), Telethon 1, Pyrogram 1 or 2, or GramJS.
 *
 * @throws SentinelError `mtproto.session` for other strings. The message says what is wrong, but reveals nothing of the string.
 */
export function readSession(given: string): SessionParts {
  const text = given.trim()
  if (!/^[\w+/-]+={0,2}$/.test(text)) throw malformed('it contains invalid characters')
  const session = text.startsWith('1') ? readTelethon(text.slice(1)) : readOther(bytesOf(text))
  if (session.key.length !== KEY) throw malformed(`its key has ${session.key.length} bytes instead of ${KEY}`)
  if (session.key.every((byte) => byte === 0)) throw malformed('its key is empty: nobody was logged in')
  return session
}

/**
 * Writes a session as a string.
 *
 * @throws SentinelError `mtproto.session` if the format requires something that is not known.
 */
export function writeSession(format: SessionFormat, session: SessionParts, apiId: number): string {
  switch (format) {
    case 'telethon':
      return writeTelethon(session)
    case 'pyrogram':
      return writePyrogram(session, apiId)
    default:
      return writeMtcute(session)
  }
}

/*
 * Telethon: "1", then base64 of `>B{4 or 16}sH256s`: data centre, address, port, key (telethon/sessions/string.py). GramJS: the
 * same, but the address is text preceded by its length in two bytes.
 */

function readTelethon(text: string): SessionParts {
  const bytes = bytesOf(text)
  const named = readGramjs(bytes)
  if (named !== undefined) return named
  const length = bytes.length - 1 - 2 - KEY
  if (length !== 4 && length !== 16)
    throw malformed(`it has ${bytes.length} bytes; Telethon's have 263 or 275`)
  const packed = bytes.subarray(1, 1 + length)
  const address = { host: hostOf(packed), port: bytes.readUInt16BE(1 + length) }
  return { format: 'telethon', dc: bytes.readUInt8(0), address, isTest: false, key: bytes.subarray(-KEY) }
}

function readGramjs(bytes: Buffer): SessionParts | undefined {
  const length = bytes.length - 1 - 2 - 2 - KEY
  if (length < 1 || bytes.readUInt16BE(1) !== length) return undefined
  const host = bytes.toString('latin1', 3, 3 + length)
  if (!/^[\w.:-]+$/.test(host)) return undefined
  const address = { host, port: bytes.readUInt16BE(3 + length) }
  return { format: 'gramjs', dc: bytes.readUInt8(0), address, isTest: false, key: bytes.subarray(-KEY) }
}

function writeTelethon({ dc, address, key }: SessionParts): string {
  const { host, port } = address ?? unknown(dc)
  const head = Buffer.from([dc])
  const ending = Buffer.alloc(2)
  ending.writeUInt16BE(port)
  // Python's urlsafe_b64decode requires the padding.
  return `1${padded(Buffer.concat([head, packedOf(host), ending, key]).toString('base64url'))}`
}

/*
 * Pyrogram 2: base64 of `>BI?256sQ?`: data centre, api id, test mode, key, user id, whether a bot. Pyrogram 1: without the api
 * id, and with a user id of 8 bytes, or 4 in early versions (pyrogram/storage/storage.py).
 */

const PYROGRAM = { second: 271, first: 267, oldest: 263 } as const

function readOther(bytes: Buffer): SessionParts {
  const length: number = bytes.length
  if (length === PYROGRAM.second || length === PYROGRAM.first || length === PYROGRAM.oldest)
    return readPyrogram(bytes)
  if (bytes[0] === 3) return readMtcute(bytes)
  throw malformed('it is not one of mtcute (version 3), Telethon, Pyrogram or GramJS, or it was cut')
}

function readPyrogram(bytes: Buffer): SessionParts {
  const isSecond = bytes.length === PYROGRAM.second
  const from = isSecond ? 5 : 1
  const after = from + 1 + KEY
  const userId =
    bytes.length === PYROGRAM.oldest ? bytes.readUInt32BE(after) : Number(bytes.readBigUInt64BE(after))
  return {
    format: 'pyrogram',
    dc: bytes.readUInt8(0),
    isTest: bytes[from] === 1,
    key: bytes.subarray(from + 1, after),
    ...(userId > 0 && { self: { userId, isBot: bytes.at(-1) === 1 } }),
    ...(isSecond && { apiId: bytes.readUInt32BE(1) }),
  }
}

function writePyrogram({ dc, isTest, key, self }: SessionParts, apiId: number): string {
  if (self === undefined)
    throw new SentinelError(
      'mtproto.session',
      'mtproto: Pyrogram needs the id of the account. Log in before you export.',
    )
  const bytes = Buffer.alloc(PYROGRAM.second)
  bytes.writeUInt8(dc, 0)
  bytes.writeUInt32BE(apiId, 1)
  bytes.writeUInt8(isTest ? 1 : 0, 5)
  key.copy(bytes, 6)
  bytes.writeBigUInt64BE(BigInt(self.userId), 6 + KEY)
  bytes.writeUInt8(self.isBot ? 1 : 0, PYROGRAM.second - 1)
  return bytes.toString('base64url')
}

/*
 * mtcute: base64 of a version, flags (1: self, 2: test mode in old strings, 4: a media data centre), data centres and the key, in
 * TL encoding.
 */

const SELF = 1
const OLD_TEST = 2
const MEDIA = 4

function readMtcute(bytes: Buffer): SessionParts {
  try {
    const tl = new TlReader(NO_SCHEMA, bytes.subarray(1))
    const flags = tl.int()
    const main = readDc(tl.bytes())
    if ((flags & MEDIA) !== 0) tl.bytes()
    const self = (flags & SELF) === 0 ? undefined : { userId: Number(tl.long()), isBot: readBoolean(tl) }
    return {
      format: 'mtcute',
      dc: main.dc,
      address: { host: main.host, port: main.port },
      isTest: main.isTest || (flags & OLD_TEST) !== 0,
      key: tl.bytes(),
      ...(self !== undefined && { self }),
    }
  } catch (error) {
    throw error instanceof TlError ? malformed('it was cut') : error
  }
}

function readBoolean(tl: TlReader): boolean {
  const id = tl.uint()
  if (id !== TRUE && id !== FALSE) throw malformed('it was damaged')
  return id === TRUE
}

function readDc(bytes: Buffer) {
  const [version = 0, dc = 0, flags = 0] = bytes
  if (version !== 1 && version !== 2) throw malformed('its data centre is of an unknown version')
  const tl = new TlReader(NO_SCHEMA, bytes.subarray(3))
  const host = tl.bytes().toString()
  return { dc, host, port: tl.int(), isTest: version === 2 && (flags & 4) !== 0 }
}

function writeMtcute({ dc, address, isTest, self, key }: SessionParts): string {
  const { host, port } = address ?? unknown(dc)
  const flags = (isIPv6(host) ? 1 : 0) | (isTest ? 4 : 0)
  const option = new TlWriter(NO_SCHEMA)
    .raw(Buffer.from([2, dc, flags]))
    .bytes(Buffer.from(host))
    .uint(port)
    .result()
  const session = new TlWriter(NO_SCHEMA)
    .raw(Buffer.from([3]))
    .uint(self === undefined ? 0 : SELF)
    .bytes(option)
  if (self !== undefined) session.long(BigInt(self.userId)).uint(self.isBot ? TRUE : FALSE)
  return session.bytes(key).result().toString('base64url')
}

function bytesOf(text: string): Buffer {
  // Buffer decodes both base64 and base64url.
  return Buffer.from(text, 'base64')
}

function padded(text: string): string {
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}

function hostOf(packed: Buffer): string {
  if (packed.length === 4) return [...packed].join('.')
  const groups = Array.from({ length: 8 }, (_, nth) => packed.readUInt16BE(nth * 2).toString(16))
  // The longest run of zero groups is abbreviated (RFC 5952, 4.2).
  const runs = groups.join(':').match(/(?:^|:)0(?::0)+(?=:|$)/g) ?? []
  const longest = runs.sort((a, b) => b.length - a.length)[0]
  return longest === undefined
    ? groups.join(':')
    : groups
        .join(':')
        .replace(longest, ':')
        .replace(/^:(?!:)|(?<!:):$/, '::')
}

function packedOf(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from(host.split('.').map(Number))
  if (!isIPv6(host)) {
    throw new SentinelError(
      'mtproto.session',
      'mtproto: Telethon stores the address of the data centre as a number, and this one is a name. Pass an IP address as option `server`.',
    )
  }
  const [before = '', after] = host.split('::')
  const head = before === '' ? [] : before.split(':')
  const tail = after === undefined || after === '' ? [] : after.split(':')
  const groups = [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail]
  const packed = Buffer.alloc(16)
  for (const [nth, group] of groups.entries()) packed.writeUInt16BE(Number.parseInt(group, 16), nth * 2)
  return packed
}

function unknown(dc: number): { readonly host: string; readonly port: number } {
  const known = addressOf(dc)
  if (known === undefined) throw malformed(`there is no data centre ${dc}`)
  return known
}

function malformed(why: string): SentinelError {
  return new SentinelError(
    'mtproto.session',
    `mtproto: that is not a session string: ${why}. Export it again with mtcute, Telethon or Pyrogram, and pass all of it.`,
  )
}
