import { randomBytes } from 'node:crypto'
import type { Ms } from '../../../core/duration.js'
import { igeDecrypt, igeEncrypt } from '../../../mtproto/protocol/ige.js'
import { sha1 } from '../../../mtproto/protocol/message.js'
import { rsaDecrypt, type ServerKey } from '../../../mtproto/protocol/rsa.js'
import { TlError, type TlObject } from '../../../mtproto/protocol/tl/object.js'
import { TlReader } from '../../../mtproto/protocol/tl/reader.js'
import type { Schema } from '../../../mtproto/protocol/tl/schema.js'
import { encodeObject } from '../../../mtproto/protocol/tl/writer.js'
import { AuthKey, type AuthKeys } from './auth-keys.js'
import { bytes, GENERATOR, newPrivateKey, number, PRIME, power } from './diffie-hellman.js'
import { TransportError } from './transport-error.js'

/** Bounds of g_b, which prevent leaking information (https://core.telegram.org/mtproto/security_guidelines). */
const SAFE_FROM = 2n ** (2048n - 64n)
const SAFE_TO = number(PRIME) - SAFE_FROM

/** Two primes; clients must factorize their product as a proof of work. */
const [P, Q] = [Buffer.from('494c553b', 'hex'), Buffer.from('53911073', 'hex')]
const PQ = Buffer.from('17ed48941a08f981', 'hex')

/** Whether the client's number denotes this data centre; negative for media, plus 10,000 in test mode. */
function isMeant(dc: number, own: number): boolean {
  return Math.abs(dc) === own || Math.abs(dc) === own + 10_000
}

/** State of one key exchange. */
interface Progress {
  readonly nonce: Buffer
  readonly serverNonce: Buffer
  inner?: { readonly newNonce: Buffer; readonly expiresIn?: number }
  /** Private key of our half. */
  privateKey?: bigint
}

/** The server side of a key exchange (https://core.telegram.org/mtproto/auth_key). One for each connection. */
export class KeyExchange {
  #progress: Progress | undefined

  constructor(
    private readonly schema: Schema,
    private readonly serverKey: ServerKey,
    private readonly dc: number,
    private readonly keys: AuthKeys,
    private readonly now: () => Ms,
  ) {}

  /**
   * Returns the answer to a step; throws {@link TlError} for protocol violations, and a {@link TransportError} for another data
   * centre.
   */
  answer(request: TlObject): TlObject {
    switch (request._) {
      case 'mt_req_pq':
      case 'mt_req_pq_multi':
        return this.#begin(request.nonce as Buffer)
      case 'mt_req_DH_params':
        return this.#offer(request)
      case 'mt_set_client_DH_params':
        return this.#agree(request)
      default:
        throw new TlError(`${request._} is not part of a key exchange`)
    }
  }

  #begin(nonce: Buffer): TlObject {
    this.#progress = { nonce: Buffer.from(nonce), serverNonce: randomBytes(16) }
    return {
      _: 'mt_resPQ',
      nonce,
      server_nonce: this.#progress.serverNonce,
      pq: PQ,
      server_public_key_fingerprints: [this.serverKey.fingerprint],
    }
  }

  #offer(request: TlObject): TlObject {
    const progress = this.#continued(request)
    if (BigInt.asUintN(64, request.public_key_fingerprint as bigint) !== this.serverKey.fingerprint) {
      throw new TlError('a key that is not ours')
    }
    if (!P.equals(request.p as Buffer) || !Q.equals(request.q as Buffer)) throw new TlError('wrong factors')
    const plain = rsaDecrypt(this.serverKey, request.encrypted_data as Buffer)
    if (plain === undefined) throw new TlError('not encrypted for us')
    const inner = new TlReader(this.schema, plain).object()
    if (!inner._.startsWith('mt_p_q_inner_data')) throw new TlError(`${inner._} is not inner data`)
    this.#same(progress, inner)
    if (!PQ.equals(inner.pq as Buffer)) throw new TlError('another pq')
    if (inner.dc !== undefined && !isMeant(inner.dc as number, this.dc)) throw new TransportError(-444)
    const newNonce = Buffer.from(inner.new_nonce as Buffer)
    const { expires_in: expiresIn } = inner as { expires_in?: number }
    progress.inner = { newNonce, ...(expiresIn !== undefined && { expiresIn }) }
    progress.privateKey = newPrivateKey()
    const answer = encodeObject(this.schema, {
      _: 'mt_server_DH_inner_data',
      nonce: progress.nonce,
      server_nonce: progress.serverNonce,
      g: GENERATOR,
      dh_prime: PRIME,
      g_a: bytes(power(BigInt(GENERATOR), progress.privateKey)),
      server_time: Math.floor(this.now() / 1000),
    })
    const withHash = Buffer.concat([sha1(answer), answer])
    const padding = randomBytes((16 - (withHash.length % 16)) % 16)
    const [key, iv] = temporaryKey(progress.serverNonce, newNonce)
    return {
      _: 'mt_server_DH_params_ok',
      nonce: progress.nonce,
      server_nonce: progress.serverNonce,
      encrypted_answer: igeEncrypt(Buffer.concat([withHash, padding]), key, iv),
    }
  }

  #agree(request: TlObject): TlObject {
    const progress = this.#continued(request)
    const { inner, privateKey } = progress
    if (inner === undefined || privateKey === undefined) throw new TlError('a step was left out')
    const { newNonce, expiresIn } = inner
    const encrypted = request.encrypted_data as Buffer
    if (encrypted.length === 0 || encrypted.length % 16 !== 0) throw new TlError('no whole blocks')
    const [key, iv] = temporaryKey(progress.serverNonce, newNonce)
    const plain = Buffer.from(igeDecrypt(encrypted, key, iv))
    const reader = new TlReader(this.schema, plain.subarray(20))
    const client = reader.object()
    if (client._ !== 'mt_client_DH_inner_data') throw new TlError(`${client._} is not inner data`)
    if (!sha1(plain.subarray(20, 20 + reader.pos)).equals(plain.subarray(0, 20)))
      throw new TlError('a wrong digest')
    this.#same(progress, client)
    const half = number(client.g_b as Buffer)
    if (half <= SAFE_FROM || half >= SAFE_TO) throw new TlError('an unsafe g_b')
    const authKey = bytes(power(half, privateKey))
    const salt = Buffer.alloc(8)
    for (let i = 0; i < 8; i++) salt[i] = (newNonce[i] as number) ^ (progress.serverNonce[i] as number)
    const now = this.now()
    const made = new AuthKey(
      authKey,
      salt.readBigInt64LE(),
      now,
      expiresIn === undefined ? undefined : now + expiresIn * 1000,
    )
    // If the key's id is already taken, the client must generate another key.
    const isTaken = this.keys.find(made.id, now) !== undefined
    if (!isTaken) this.keys.add(made)
    const auxiliary = sha1(authKey).subarray(0, 8)
    const hash = sha1(newNonce, Buffer.from([isTaken ? 2 : 1]), auxiliary).subarray(4)
    const { nonce, serverNonce: server_nonce } = progress
    if (isTaken) return { _: 'mt_dh_gen_retry', nonce, server_nonce, new_nonce_hash2: hash }
    this.#progress = undefined
    return { _: 'mt_dh_gen_ok', nonce, server_nonce, new_nonce_hash1: hash }
  }

  #continued(request: TlObject): Progress {
    const progress = this.#progress
    if (progress === undefined) throw new TlError('a step was left out')
    this.#same(progress, request)
    return progress
  }

  #same({ nonce, serverNonce }: Progress, told: TlObject): void {
    const isSame = nonce.equals(told.nonce as Buffer) && serverNonce.equals(told.server_nonce as Buffer)
    if (!isSame) throw new TlError('another nonce')
  }
}

/** Key and IV for the rest of the exchange (https://core.telegram.org/mtproto/auth_key, 5). */
function temporaryKey(serverNonce: Buffer, newNonce: Buffer): readonly [Buffer, Buffer] {
  const first = sha1(newNonce, serverNonce)
  const second = sha1(serverNonce, newNonce)
  const third = sha1(newNonce, newNonce)
  const key = Buffer.concat([first, second.subarray(0, 12)])
  const iv = Buffer.concat([second.subarray(12, 20), third, newNonce.subarray(0, 4)])
  return [key, iv]
}
