import { randomBytes } from 'node:crypto'
import type { Ms } from '../../core/duration.js'
import { newServerKey, type ServerKey } from '../../mtproto/protocol/rsa.js'
import type { Account } from '../world/accounts.js'
import type { World } from '../world/world.js'
import { Face } from './face.js'
import { Phones } from './logins/phones.js'
import { Rpc } from './rpc.js'
import type { MtprotoServer } from './server.js'

/** How long somebody may take to another data centre; those who do, take less than a second. */
const EXPORT_HOLDS: Ms = 60_000
/** Exports that nobody came to import. */
const MOST_EXPORTS = 1000

/** Who may come to which data centre without logging in again. */
interface Export {
  readonly account: Account
  readonly dc: number
  readonly until: Ms
}

let key: ServerKey | undefined

/** What all data centres of one world share; each is a {@link MtprotoServer}. */
export class DataCentres {
  readonly face: Face
  readonly phones = new Phones()
  readonly rpc = new Rpc()
  /** Drawn once a process: it takes long, and clients keep keys for the process as well. */
  readonly key: ServerKey
  /** Where whoever has no account yet belongs by their address; undefined: wherever they are. */
  network: number | undefined
  readonly #servers = new Map<number, MtprotoServer>()
  readonly #homes = new Map<number, number>()
  readonly #exports = new Map<string, Export>()

  constructor(readonly world: World) {
    key ??= newServerKey()
    this.key = key
    this.face = new Face(world)
    this.face.describer.phoneOf = (account) => this.phones.numberOf(account)
  }

  add(server: MtprotoServer): void {
    this.#servers.set(server.dc, server)
    // Files are where the first is, unless they are moved.
    this.face.locations.home ??= server.dc
  }

  find(dc: number): MtprotoServer | undefined {
    return this.#servers.get(dc)
  }

  /** All, the first one first. */
  all(): readonly MtprotoServer[] {
    return [...this.#servers.values()]
  }

  /** Where an account is kept: the first data centre, unless it was moved. */
  homeOf(account: Account): number {
    return this.#homes.get(account.id) ?? (this.all()[0] as MtprotoServer).dc
  }

  move(account: Account, dc: number): void {
    this.#homes.set(account.id, dc)
  }

  /** What lets an account into another data centre, once (https://core.telegram.org/method/auth.exportAuthorization). */
  export(account: Account, dc: number): Buffer {
    const bytes = randomBytes(32)
    this.#exports.set(bytes.toString('hex'), { account, dc, until: this.world.clock.now() + EXPORT_HOLDS })
    if (this.#exports.size > MOST_EXPORTS) {
      for (const [first] of this.#exports) {
        this.#exports.delete(first)
        break
      }
    }
    return bytes
  }

  /** Whom those bytes let in; undefined if they do not, or not any longer. */
  import(bytes: Uint8Array, accountId: bigint, dc: number): Account | undefined {
    const name = Buffer.from(bytes).toString('hex')
    const found = this.#exports.get(name)
    this.#exports.delete(name)
    if (found === undefined || found.dc !== dc || found.until <= this.world.clock.now()) return undefined
    return BigInt(found.account.id) === accountId ? found.account : undefined
  }
}
