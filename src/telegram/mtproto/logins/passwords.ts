import { pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import { sha256 } from '../../../mtproto/protocol/message.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import { badRequest } from '../rpc-error.js'
import { bytes, GENERATOR, number, PRIME, power } from '../sessions/diffie-hellman.js'

/** Prime and generator of https://core.telegram.org/api/srp are the same as in the key exchange. */
const [P, G] = [number(PRIME), BigInt(GENERATOR)]

interface Password {
  readonly salts: readonly [Buffer, Buffer]
  /** g^x, with which a password can be verified without storing it. */
  readonly verifier: bigint
}

interface Challenge {
  readonly id: bigint
  readonly b: bigint
  readonly gB: bigint
}

/** Passwords for two-step verification (https://core.telegram.org/api/srp). */
export class Passwords {
  readonly #passwords = new Map<Account, Password>()
  readonly #challenges = new Map<Account, Challenge>()

  set(account: Account, password: string): void {
    const salts = [randomBytes(8), randomBytes(16)] as const
    const x = number(passwordHash(password, ...salts))
    this.#passwords.set(account, { salts, verifier: power(G, x) })
  }

  has(account: Account): boolean {
    return this.#passwords.has(account)
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
    const gB = (multiplier() * known.verifier + power(G, b)) % P
    const challenge = { id: randomBytes(8).readBigInt64LE(), b, gB }
    this.#challenges.set(account, challenge)
    return {
      _: 'account.password',
      has_password: true,
      current_algo: algorithm(known.salts),
      srp_B: bytes(gB),
      srp_id: challenge.id,
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
    if (a % P === 0n) throw badRequest('SRP_A_INVALID')
    const u = number(sha256(bytes(a), bytes(challenge.gB)))
    const shared = power((a * power(known.verifier, u)) % P, challenge.b)
    const groups = xor(sha256(PRIME), sha256(bytes(G)))
    const [salt1, salt2] = known.salts
    const expected = sha256(
      groups,
      sha256(salt1),
      sha256(salt2),
      bytes(a),
      bytes(challenge.gB),
      sha256(bytes(shared)),
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
    g: GENERATOR,
    p: PRIME,
  }
}

function passwordHash(password: string, salt1: Buffer, salt2: Buffer): Buffer {
  const around = (data: Uint8Array, salt: Buffer) => sha256(salt, data, salt)
  const first = around(around(Buffer.from(password), salt1), salt2)
  return around(pbkdf2Sync(first, salt1, 100_000, 64, 'sha512'), salt2)
}

function multiplier(): bigint {
  return number(sha256(PRIME, bytes(G)))
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] as number)))
}
