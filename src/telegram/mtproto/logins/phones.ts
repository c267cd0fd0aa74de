import { createHash, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import { badRequest } from '../rpc-error.js'
import { LoginTokens } from './login-tokens.js'

/** Prime and generator of https://core.telegram.org/api/srp, the same as in the key exchange. */
const PRIME = BigInt(
  '0xc71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b',
)
const GENERATOR = 3n

interface Password {
  readonly salts: readonly [Buffer, Buffer]
  /** g^x, with which a password can be verified without storing it. */
  readonly verifier: bigint
  readonly hint: string
}

interface Challenge {
  readonly id: bigint
  readonly b: bigint
  readonly gB: bigint
}

/** Phone numbers, login codes, and passwords for two-step verification. */
export class Phones {
  /** Tokens for log-ins by QR code. */
  readonly tokens = new LoginTokens()
  readonly #accounts = new Map<string, Account>()
  readonly #numbers = new Map<Account, string>()
  readonly #codes = new Map<string, string>()
  readonly #passwords = new Map<Account, Password>()
  readonly #challenges = new Map<Account, Challenge>()

  give(phone: string, account: Account): void {
    const number = phone.replace(/\D/g, '')
    this.#accounts.set(number, account)
    this.#numbers.set(account, number)
  }

  numberOf(account: Account): string | undefined {
    return this.#numbers.get(account)
  }

  accountOf(phone: string): Account | undefined {
    return this.#accounts.get(phone)
  }

  sent(phone: string, code: string): void {
    this.#codes.set(phone, code)
  }

  /** The code that was sent to a phone. */
  codeOf(phone: string): string | undefined {
    return this.#codes.get(phone.replace(/\D/g, ''))
  }

  setPassword(account: Account, password: string, hint = ''): void {
    const salts = [randomBytes(8), randomBytes(16)] as const
    const x = number(passwordHash(password, ...salts))
    this.#passwords.set(account, { salts, verifier: power(GENERATOR, x), hint })
  }

  passwordOf(account: Account): Password | undefined {
    return this.#passwords.get(account)
  }

  /** Starts an SRP check: the answer of `account.getPassword`, from which the client computes its proof. */
  challenge(account: Account): TlObject {
    const known = this.#passwords.get(account)
    const common = {
      new_algo: { _: 'passwordKdfAlgoUnknown' },
      new_secure_algo: { _: 'securePasswordKdfAlgoUnknown' },
      secure_random: randomBytes(256),
    }
    if (known === undefined) return { _: 'account.password', ...common }
    const b = number(randomBytes(256))
    const gB = (multiplier() * known.verifier + power(GENERATOR, b)) % PRIME
    const challenge = { id: randomBytes(8).readBigInt64LE(), b, gB }
    this.#challenges.set(account, challenge)
    return {
      _: 'account.password',
      has_password: true,
      current_algo: algorithm(known.salts),
      srp_B: bytes(gB),
      srp_id: challenge.id,
      ...(known.hint !== '' && { hint: known.hint }),
      ...common,
    }
  }

  /** Verifies the client's proof of the password (https://core.telegram.org/api/srp). */
  check(account: Account, proof: TlObject): void {
    const known = this.#passwords.get(account)
    const challenge = this.#challenges.get(account)
    if (known === undefined || challenge === undefined || proof._ !== 'inputCheckPasswordSRP') {
      throw badRequest('PASSWORD_HASH_INVALID')
    }
    if (proof.srp_id !== challenge.id) throw badRequest('SRP_ID_INVALID')
    // Each challenge allows one attempt.
    this.#challenges.delete(account)
    const a = number(proof.A as Buffer)
    if (a % PRIME === 0n) throw badRequest('SRP_A_INVALID')
    const u = number(digest(bytes(a), bytes(challenge.gB)))
    const shared = power((a * power(known.verifier, u)) % PRIME, challenge.b)
    const groups = xor(digest(bytes(PRIME)), digest(bytes(GENERATOR)))
    const [salt1, salt2] = known.salts
    const expected = digest(
      groups,
      digest(salt1),
      digest(salt2),
      bytes(a),
      bytes(challenge.gB),
      digest(bytes(shared)),
    )
    const given = proof.M1 as Buffer
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw badRequest('PASSWORD_HASH_INVALID')
    }
  }
}

function algorithm([salt1, salt2]: readonly [Buffer, Buffer]): TlObject {
  return {
    _: 'passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow',
    salt1,
    salt2,
    g: Number(GENERATOR),
    p: bytes(PRIME),
  }
}

function passwordHash(password: string, salt1: Buffer, salt2: Buffer): Buffer {
  const around = (data: Uint8Array, salt: Buffer) => digest(salt, data, salt)
  const first = around(around(Buffer.from(password), salt1), salt2)
  return around(pbkdf2Sync(first, salt1, 100_000, 64, 'sha512'), salt2)
}

function multiplier(): bigint {
  return number(digest(bytes(PRIME), bytes(GENERATOR)))
}

function digest(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] as number)))
}

function number(data: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(data).toString('hex') || '0'}`)
}

/** Encodes a number in 256 bytes, the form in which SRP hashes it. */
function bytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(512, '0'), 'hex')
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, square, left] = [1n, base % PRIME, exponent]
  while (left > 0n) {
    if ((left & 1n) === 1n) result = (result * square) % PRIME
    square = (square * square) % PRIME
    left >>= 1n
  }
  return result
}
