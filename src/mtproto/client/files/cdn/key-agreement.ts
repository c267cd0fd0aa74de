import {
  checkPrime,
  constants,
  createDiffieHellman,
  createPublicKey,
  type DiffieHellman,
  type KeyObject,
  publicEncrypt,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { promisify } from 'node:util'
import { igeDecrypt, igeEncrypt } from '../../../protocol/ige.js'
import { sha1, sha256 } from '../../../protocol/message.js'
import { fingerprintOf } from '../../../protocol/rsa.js'
import type { TlObject } from '../../../protocol/tl/object.js'
import { TlReader } from '../../../protocol/tl/reader.js'
import { currentSchema } from '../../../protocol/tl/schema.js'
import { encodeObject } from '../../../protocol/tl/writer.js'
import { NodeCrypto } from '../../crypto.js'
import type { CdnAddress } from './address.js'
import { PlainLine } from './plain-line.js'

const isPrime = promisify<bigint | Buffer, boolean>(checkPrime)
const schema = currentSchema()

/** The server does not hold the expected key, or violates the protocol. */
class Untrusted extends Error {
  override readonly name = 'Untrusted'
}

/**
 * Negotiates an authorization key with a CDN data centre (https://core.telegram.org/mtproto/auth_key), with every check of
 * https://core.telegram.org/mtproto/security_guidelines. Not left to mtcute, which has one list of public keys for all data
 * centres: with it, the holder of a CDN's key could impersonate Telegram.
 */
export async function agreeOnKey(
  { dc, host, port, publicKey }: CdnAddress,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const line = await PlainLine.connect(host, port, signal)
  try {
    return await new Agreement(line, createPublicKey(publicKey), dc).run()
  } finally {
    line.close()
  }
}

class Agreement {
  readonly #nonce = randomBytes(16)
  #serverNonce: Buffer = Buffer.alloc(0)
  readonly #newNonce = randomBytes(32)

  constructor(
    private readonly line: PlainLine,
    private readonly publicKey: KeyObject,
    private readonly dc: number,
  ) {}

  async run(): Promise<Buffer> {
    const offer = await this.#ask({ _: 'mt_req_pq_multi', nonce: this.#nonce }, 'mt_resPQ', true)
    this.#serverNonce = offer.server_nonce as Buffer
    const fingerprint = fingerprintOf(this.publicKey)
    const offered = offer.server_public_key_fingerprints as readonly bigint[]
    if (!offered.some((each) => BigInt.asUintN(64, each) === fingerprint)) throw new Untrusted('another key')
    const pq = offer.pq as Buffer
    const [p, q] = (await new NodeCrypto().factorizePQ(pq)).map((factor) => Buffer.from(factor)) as [
      Buffer,
      Buffer,
    ]
    const inner = encodeObject(schema, {
      _: 'mt_p_q_inner_data_dc',
      ...{
        pq,
        p,
        q,
        nonce: this.#nonce,
        server_nonce: this.#serverNonce,
        new_nonce: this.#newNonce,
        dc: this.dc,
      },
    })
    const params = await this.#ask(
      {
        _: 'mt_req_DH_params',
        ...{ nonce: this.#nonce, server_nonce: this.#serverNonce, p, q },
        public_key_fingerprint: BigInt.asIntN(64, fingerprint),
        encrypted_data: rsaPad(inner, this.publicKey),
      },
      'mt_server_DH_params_ok',
    )
    return this.#exchange(params.encrypted_answer as Buffer)
  }

  async #exchange(encrypted: Buffer): Promise<Buffer> {
    const [key, iv] = this.#temporary()
    if (encrypted.length === 0 || encrypted.length % 16 !== 0) throw new Untrusted('incomplete blocks')
    const plain = Buffer.from(igeDecrypt(encrypted, key, iv))
    const reader = new TlReader(schema, plain.subarray(20))
    const dh = reader.object()
    same(plain.subarray(0, 20), sha1(plain.subarray(20, 20 + reader.pos)))
    this.#assertOurs(dh)
    const prime = dh.dh_prime as Buffer
    const g = dh.g as number
    const exchange = await exchangeOf(prime, g)
    assertSafe(dh.g_a as Buffer, prime)
    const gB = drawn(exchange, prime)
    const secret = exchange.computeSecret(dh.g_a as Buffer)
    // computeSecret() omits leading zeros.
    const authKey = Buffer.concat([Buffer.alloc(256 - secret.length), secret])
    const client = encodeObject(schema, {
      _: 'mt_client_DH_inner_data',
      ...{ nonce: this.#nonce, server_nonce: this.#serverNonce, retry_id: 0n, g_b: gB },
    })
    const hashed = Buffer.concat([sha1(client), client])
    const padded = Buffer.concat([hashed, randomBytes((16 - (hashed.length % 16)) % 16)])
    const done = await this.#ask(
      {
        _: 'mt_set_client_DH_params',
        ...{ nonce: this.#nonce, server_nonce: this.#serverNonce },
        encrypted_data: igeEncrypt(padded, key, iv),
      },
      'mt_dh_gen_ok',
    )
    const expected = sha1(this.#newNonce, Buffer.from([1]), sha1(authKey).subarray(0, 8)).subarray(4)
    same(done.new_nonce_hash1 as Buffer, expected)
    return authKey
  }

  /** Key and IV for the rest of the exchange, derived from both nonces: only the holder of the private key could read the new one. */
  #temporary(): readonly [Buffer, Buffer] {
    const first = sha1(this.#newNonce, this.#serverNonce)
    const second = sha1(this.#serverNonce, this.#newNonce)
    const third = sha1(this.#newNonce, this.#newNonce)
    return [
      Buffer.concat([first, second.subarray(0, 12)]),
      Buffer.concat([second.subarray(12), third, this.#newNonce.subarray(0, 4)]),
    ]
  }

  async #ask(request: TlObject, expected: string, isFirst = false): Promise<TlObject> {
    const answer = await this.line.ask(encodeObject(schema, request))
    const object = new TlReader(schema, answer).object()
    if (object._ !== expected) throw new Untrusted(`${object._} in place of ${expected}`)
    if (isFirst) same(object.nonce as Buffer, this.#nonce)
    else this.#assertOurs(object)
    return object
  }

  #assertOurs({ nonce, server_nonce }: TlObject): void {
    same(nonce as Buffer, this.#nonce)
    same(server_nonce as Buffer, this.#serverNonce)
  }
}

function same(one: Buffer, other: Buffer): void {
  if (one.length !== other.length || !timingSafeEqual(one, other))
    throw new Untrusted('a wrong nonce or digest')
}

const number = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`)

/** Required residues of the prime for each g, as [modulus, residues]: g must generate a subgroup of prime order. */
const RESIDUES: ReadonlyMap<number, readonly [bigint, readonly bigint[]]> = new Map([
  [2, [8n, [7n]]],
  [3, [3n, [2n]]],
  [4, [1n, [0n]]],
  [5, [5n, [1n, 4n]]],
  [6, [24n, [19n, 23n]]],
  [7, [7n, [3n, 5n, 6n]]],
])

/** The last verified prime: Telegram uses the same one everywhere, and testing it takes 200 ms. */
let known: { readonly prime: Buffer; readonly g: number; readonly exchange: DiffieHellman } | undefined

async function exchangeOf(prime: Buffer, g: number): Promise<DiffieHellman> {
  if (known?.g !== g || !known.prime.equals(prime)) {
    await assertSafePrime(prime, g)
    known = { prime: Buffer.from(prime), g, exchange: createDiffieHellman(prime, g) }
  }
  return known.exchange
}

/** Generates our half of the exchange, from a new private key each time. */
function drawn(exchange: DiffieHellman, prime: Buffer): Buffer {
  for (;;) {
    exchange.setPrivateKey(randomBytes(256))
    const half = exchange.generateKeys()
    if (isSafe(half, prime)) return half
  }
}

async function assertSafePrime(bytes: Buffer, g: number): Promise<void> {
  const prime = number(bytes)
  const [modulus, allowed] = RESIDUES.get(g) ?? [1n, []]
  const fits = bytes.length === 256 && (bytes[0] as number) >= 128 && allowed.includes(prime % modulus)
  if (!fits || !(await isPrime(prime)) || !(await isPrime((prime - 1n) / 2n)))
    throw new Untrusted('not a safe prime')
}

const MARGIN = 2n ** (2048n - 64n)

function isSafe(half: Buffer, prime: Buffer): boolean {
  const value = number(half)
  return value >= MARGIN && value <= number(prime) - MARGIN
}

function assertSafe(half: Buffer, prime: Buffer): void {
  if (!isSafe(half, prime)) throw new Untrusted('an unsafe g_a')
}

/** RSA_PAD; 4.1 of https://core.telegram.org/mtproto/auth_key. */
function rsaPad(inner: Buffer, publicKey: KeyObject): Buffer {
  const modulus = number(Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url'))
  for (;;) {
    const data = Buffer.concat([inner, randomBytes(192 - inner.length)])
    const key = randomBytes(32)
    const withHash = Buffer.concat([Buffer.from(data).reverse(), sha256(key, data)])
    const encrypted = Buffer.from(igeEncrypt(withHash, key, Buffer.alloc(32)))
    const hash = sha256(encrypted)
    const masked = Buffer.from(key.map((byte, at) => byte ^ (hash[at] as number)))
    const whole = Buffer.concat([masked, encrypted])
    // Must be below the modulus; else try another key.
    if (number(whole) >= modulus) continue
    return publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, whole)
  }
}
