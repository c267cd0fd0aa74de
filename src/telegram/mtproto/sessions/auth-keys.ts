import { randomBytes } from 'node:crypto'
import type { Ms } from '../../../core/duration.js'
import { authKeyId } from '../../../mtproto/protocol/message.js'
import type { Account } from '../../world/accounts.js'

/** How long a salt is current; it is accepted for as long again afterwards. */
const SALT_LIFETIME: Ms = 30 * 60_000
/** Maximum number of keys. Key exchanges cost clients nothing, so beyond it the oldest key without a log-in is dropped. */
const MOST_KEYS = 100_000

interface Salt {
  readonly since: Ms
  readonly until: Ms
  readonly value: bigint
}

/** The device a client reports (https://core.telegram.org/method/initConnection). */
export interface Device {
  readonly apiId: number
  readonly model: string
  readonly system: string
  readonly app: string
}

/** A login code that was sent to a phone number. */
export interface SentCode {
  /** The account of the number, if it has one. */
  readonly account: Account | undefined
  readonly phone: string
  readonly code: string
  readonly until: Ms
}

/** An authorization key, with the account logged in and the state of its client. */
export class AuthKey {
  readonly id: bigint
  account: Account | undefined
  loggedInAt: Ms | undefined
  /** Time of the latest call. */
  heardAt: Ms | undefined
  device: Device | undefined
  /** Layer of the client; undefined until reported. */
  layer: number | undefined
  /** Login codes that the client asked for, by their `phone_code_hash`. */
  readonly sentCodes = new Map<string, SentCode>()
  /** The account that a client is logging in to, while its password is asked for. */
  passwordNeededFor: Account | undefined
  /** For a temporary key: the permanent key that it is bound to. */
  boundTo: AuthKey | undefined
  #salts: Salt[]

  constructor(
    readonly key: Buffer,
    salt: bigint,
    now: Ms,
    /** Expiry of a temporary key. */
    readonly expiresAt?: Ms,
  ) {
    this.id = authKeyId(key)
    this.#salts = [{ since: now, until: now + SALT_LIFETIME, value: salt }]
  }

  /** The key that log-ins and sessions belong to. */
  get lasting(): AuthKey {
    return this.boundTo ?? this
  }

  salt(now: Ms): bigint {
    return (this.salts(now, 1)[0] as Salt).value
  }

  /** Returns the current salt and the following ones. */
  salts(now: Ms, count: number): readonly Salt[] {
    // An ended salt stays valid for as long again, for messages on their way.
    this.#salts = this.#salts.filter(({ until }) => until + SALT_LIFETIME > now)
    const from = () => this.#salts.findIndex(({ until }) => until > now)
    while (from() < 0 || this.#salts.length - from() < count) {
      const since = Math.max(this.#salts.at(-1)?.until ?? now, now - SALT_LIFETIME)
      this.#salts.push({ since, until: since + SALT_LIFETIME, value: randomBytes(8).readBigInt64LE() })
    }
    return this.#salts.slice(from(), from() + count)
  }

  /** Whether a message may use this salt. */
  accepts(salt: bigint, now: Ms): boolean {
    return this.#salts.some(
      ({ since, until, value }) => value === salt && since <= now && now < until + SALT_LIFETIME,
    )
  }

  /** Invalidates all salts. */
  rotate(now: Ms): void {
    this.#salts = [{ since: now, until: now + SALT_LIFETIME, value: randomBytes(8).readBigInt64LE() }]
  }
}

/** The keys of all clients. */
export class AuthKeys {
  readonly #keys = new Map<bigint, AuthKey>()

  find(id: bigint, now: Ms): AuthKey | undefined {
    const key = this.#keys.get(id)
    if (key?.expiresAt === undefined || now < key.expiresAt) return key
    this.#keys.delete(id)
    return undefined
  }

  add(key: AuthKey): void {
    if (this.#keys.size >= MOST_KEYS) {
      for (const [id, { account }] of this.#keys) {
        if (account !== undefined) continue
        this.#keys.delete(id)
        break
      }
    }
    this.#keys.set(key.id, key)
  }

  remove(key: AuthKey): boolean {
    return this.#keys.delete(key.id)
  }

  all(): Iterable<AuthKey> {
    return this.#keys.values()
  }
}
