import { randomBytes } from 'node:crypto'
import type { Ms } from '../../../core/duration.js'
import { authKeyId } from '../../../mtproto/protocol/message.js'
import type { Account } from '../../world/accounts.js'

/** A salt holds for so long, and the one before it as long again. */
const SALT_LIFETIME: Ms = 30 * 60_000
/** Handshakes cost whoever makes them nothing: the oldest keys that nobody logged in with go first. */
const MOST_KEYS = 100_000

export interface Salt {
  readonly since: Ms
  readonly until: Ms
  readonly value: bigint
}

/** What a client says it runs on (https://core.telegram.org/method/initConnection). */
export interface Device {
  readonly apiId: number
  readonly model: string
  readonly system: string
  readonly app: string
}

/** Who holds a key, and who has logged in with it. */
export class AuthKey {
  readonly id: bigint
  account: Account | undefined
  loggedInAt: Ms | undefined
  /** The latest call. */
  heardAt: Ms | undefined
  device: Device | undefined
  /** Which constructors its client knows; undefined until it has told. */
  layer: number | undefined
  /** What a login waits for, such as a code. */
  readonly pending = new Map<string, unknown>()
  /** Of a temporary key: the permanent one it stands for. */
  boundTo: AuthKey | undefined
  #salts: Salt[]

  constructor(
    readonly key: Buffer,
    salt: bigint,
    now: Ms,
    /** When a temporary key ends. */
    readonly expiresAt?: Ms,
  ) {
    this.id = authKeyId(key)
    this.#salts = [{ since: now, until: now + SALT_LIFETIME, value: salt }]
  }

  /** The key that accounts and sessions belong to. */
  get lasting(): AuthKey {
    return this.boundTo ?? this
  }

  salt(now: Ms): bigint {
    return (this.salts(now, 1)[0] as Salt).value
  }

  /** The salt of now, and those to come. */
  salts(now: Ms, count: number): readonly Salt[] {
    // One that has ended is taken for as long again, for what was under way.
    this.#salts = this.#salts.filter(({ until }) => until + SALT_LIFETIME > now)
    const from = () => this.#salts.findIndex(({ until }) => until > now)
    while (from() < 0 || this.#salts.length - from() < count) {
      const since = Math.max(this.#salts.at(-1)?.until ?? now, now - SALT_LIFETIME)
      this.#salts.push({ since, until: since + SALT_LIFETIME, value: randomBytes(8).readBigInt64LE() })
    }
    return this.#salts.slice(from(), from() + count)
  }

  /** Whether a message may carry it. */
  accepts(salt: bigint, now: Ms): boolean {
    return this.#salts.some(
      ({ since, until, value }) => value === salt && since <= now && now < until + SALT_LIFETIME,
    )
  }

  /** Makes all that clients know worthless. */
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
