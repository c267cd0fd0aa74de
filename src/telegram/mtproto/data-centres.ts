import { randomBytes } from 'node:crypto'
import type { Ms } from '../../core/duration.js'
import { keepLatest } from '../../core/maps.js'
import { newServerKey, type ServerKey } from '../../mtproto/protocol/rsa.js'
import type { Account } from '../world/accounts.js'
import type { World } from '../world/world.js'
import { LoginTokens } from './logins/login-tokens.js'
import { Passwords } from './logins/passwords.js'
import { Phones } from './logins/phones.js'
import type { MtprotoServer } from './server.js'
import { WorldView } from './world-view.js'

/** How long an exported authorization is valid; clients import it within a second. */
const EXPORT_HOLDS: Ms = 60_000
/** Maximum number of exports waiting to be imported. */
const MOST_EXPORTS = 1000

/** Permission for an account to use another data centre without logging in. */
interface Export {
  readonly account: Account
  readonly dc: number
  readonly until: Ms
}

let key: ServerKey | undefined

/** Generated once per process, because that is slow. */
function ownKey(): ServerKey {
  key ??= newServerKey()
  return key
}

/** State shared by all data centres of one world. */
export class DataCentres {
  /** The key by which clients authenticate each of them. */
  readonly key = ownKey()
  readonly view: WorldView
  readonly phones = new Phones()
  readonly passwords = new Passwords()
  readonly loginTokens = new LoginTokens()
  /** The data centre for phone numbers without an account; undefined: no redirection. */
  network: number | undefined
  readonly #servers = new Map<number, MtprotoServer>()
  readonly #homes = new Map<number, number>()
  readonly #exports = new Map<string, Export>()

  constructor(readonly world: World) {
    this.view = new WorldView(world)
    this.view.describer.phoneOf = (account) => this.phones.numberOf(account)
  }

  add(server: MtprotoServer): void {
    this.#servers.set(server.dc, server)
    // Files belong to the first data centre unless moved.
    this.view.locations.home ??= server.dc
  }

  find(dc: number): MtprotoServer | undefined {
    return this.#servers.get(dc)
  }

  /** All data centres, the first one first. */
  all(): readonly MtprotoServer[] {
    return [...this.#servers.values()]
  }

  /** The data centre of an account: the first one, unless it was moved. */
  homeOf(account: Account): number {
    return this.#homes.get(account.id) ?? (this.all()[0] as MtprotoServer).dc
  }

  move(account: Account, dc: number): void {
    this.#homes.set(account.id, dc)
  }

  /** Exports an authorization for another data centre, valid once (https://core.telegram.org/method/auth.exportAuthorization). */
  export(account: Account, dc: number): Buffer {
    const bytes = randomBytes(32)
    this.#exports.set(bytes.toString('hex'), { account, dc, until: this.world.clock.now() + EXPORT_HOLDS })
    keepLatest(this.#exports, MOST_EXPORTS)
    return bytes
  }

  /** Imports an authorization; undefined if it is invalid or expired. */
  import(bytes: Uint8Array, accountId: bigint, dc: number): Account | undefined {
    const name = Buffer.from(bytes).toString('hex')
    const found = this.#exports.get(name)
    this.#exports.delete(name)
    if (found === undefined || found.dc !== dc || found.until <= this.world.clock.now()) return undefined
    return BigInt(found.account.id) === accountId ? found.account : undefined
  }
}
