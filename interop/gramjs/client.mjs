import { createHash, createPublicKey } from 'node:crypto'
import bigInt from 'big-integer'
import gramjs from 'telegram'
import rsa from 'telegram/crypto/RSA.js'
import sockets from 'telegram/extensions/index.js'
import { LogLevel } from 'telegram/extensions/Logger.js'
import connections from 'telegram/network/connection/index.js'
import { StringSession } from 'telegram/sessions/index.js'

const { TelegramClient } = gramjs

/** The big-endian number in a field of a JSON web key. */
function numberIn(field) {
  return bigInt(Buffer.from(field, 'base64url').toString('hex'), 16)
}

/** Bytes as TL has them. */
function tlBytes(field) {
  const data = Buffer.from(field, 'base64url')
  const head =
    data.length < 254
      ? Buffer.from([data.length])
      : Buffer.from([254, data.length & 255, data.length >> 8, 0])
  return Buffer.concat([head, data, Buffer.alloc((4 - ((head.length + data.length) % 4)) % 4)])
}

/** Lets GramJS know our key: its list has Telegram's two (https://core.telegram.org/mtproto/auth_key). */
export function trust(publicKey) {
  const { n, e } = createPublicKey(publicKey).export({ format: 'jwk' })
  const digest = createHash('sha1')
    .update(Buffer.concat([tlBytes(n), tlBytes(e)]))
    .digest()
  rsa._serverKeys.set(digest.readBigInt64LE(12).toString(), { n: numberIn(n), e: Number(numberIn(e)) })
}

/** Sockets that go to our port: GramJS dials 80 or 443, whatever a session or the configuration says. */
function redirected(Sockets, port) {
  return class extends Sockets {
    connect(_port, ip, ...rest) {
      return super.connect(port, ip, ...rest)
    }
  }
}

/** By `tcp` or `ws`. */
export function newClient(address, { way = 'tcp', session = '' } = {}) {
  const { PromisedNetSockets, PromisedWebSockets } = sockets
  const stored = new StringSession(session)
  if (session === '') stored.setDC(address.dc, address.host, 80)
  const client = new TelegramClient(stored, 1, '0123456789abcdef0123456789abcdef', {
    connectionRetries: 3,
    requestRetries: 3,
    networkSocket: redirected(way === 'ws' ? PromisedWebSockets : PromisedNetSockets, address.port),
    // "full" over TCP; inside of WebSocket Telegram wants it obfuscated.
    connection: way === 'ws' ? connections.ConnectionTCPObfuscated : connections.ConnectionTCPFull,
    deviceModel: 'interop',
    systemVersion: '1',
    appVersion: '1',
  })
  client.setLogLevel(LogLevel[process.env.GRAMJS_LOG ?? 'NONE'])
  return client
}
