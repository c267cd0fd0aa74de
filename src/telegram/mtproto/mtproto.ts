import { SentinelError } from '../../core/errors.js'
import type { Person } from '../people/person.js'
import type { TelegramBot, TelegramChannel, TelegramGroup } from '../people/places.js'
import type { World } from '../world/world.js'
import { type NewCdn, TelegramCdn } from './cdn/cdn.js'
import { CdnRedirects } from './cdn/redirects.js'
import { CdnServer } from './cdn/server.js'

import { DataCentre } from './data-centre.js'
import { DataCentres } from './data-centres.js'
import { METHODS } from './methods/index.js'
import { Rpc } from './rpc.js'
import { RpcError } from './rpc-error.js'
import type { MtprotoServer } from './server.js'
import type { Reputation } from './views/reputation.js'

/**
 * Options of the MTProto server.
 *
 * @example
 * ```ts
 * import { createTelegram, type NewMtproto } from 'grammy-sentinel/testing'
 *
 * const options: NewMtproto = { port: 4430, dc: 1 }
 * const telegram = createTelegram()
 * await telegram.mtproto(options)
 * await telegram.close()
 * ```
 */
export interface NewMtproto {
  /** Port on 127.0.0.1. Default: 0, any free port. */
  readonly port?: number
  /** Number of the data centre. Default: 2. */
  readonly dc?: number
  /** Numbers of further data centres, over the same people and chats, each at a free port. Default: none. */
  readonly others?: readonly number[]
}

/**
 * Address of a data centre of the embedded Telegram, for the option `server` of `mtproto()`.
 *
 * @example
 * ```ts
 * import { type MtprotoAddress, startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const { host, port }: MtprotoAddress = (await telegram.mtproto()).address
 * console.log(host, port)
 * await telegram.close()
 * ```
 */
export interface MtprotoAddress {
  readonly host: string
  readonly port: number
  readonly dc: number
  /** RSA public key as PEM, by which clients authenticate the server. */
  readonly publicKey: string
}

/**
 * The MTProto side of an embedded Telegram: the same people, chats and messages, for MTProto clients. Created by
 * `telegram.mtproto()`.
 *
 * @example
 * ```ts
 * import { mtproto } from 'grammy-sentinel/mtproto'
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const account = telegram.createBot({ username: 'watcher_bot' })
 * const face = await telegram.mtproto()
 *
 * const client = mtproto({ apiId: 1, apiHash: 'any', botToken: account.token, server: face.address })
 * console.log((await client.connect()).username) // 'watcher_bot'
 *
 * await client.close()
 * await telegram.close()
 * ```
 */
export class TelegramMtproto {
  /** The main data centre. */
  readonly #main: DataCentre
  readonly #rpc: Rpc
  #cdn: MtprotoServer | undefined

  /** @internal */
  constructor(main: DataCentre, rpc: Rpc) {
    this.#main = main
    this.#rpc = rpc
  }

  /** Address and public key of the main data centre, for the option `server` of `mtproto()`. */
  get address(): MtprotoAddress {
    return addressOf(this.#main)
  }

  /**
   * Returns the address of another data centre.
   *
   * @throws SentinelError `telegram.invalid` if there is no data centre of that number.
   */
  addressOf(dc: number): MtprotoAddress {
    return addressOf(this.#centre(dc))
  }

  /**
   * Moves an account to another data centre: logging in elsewhere is redirected there (USER_MIGRATE_X, PHONE_MIGRATE_X).
   *
   * @throws SentinelError `telegram.invalid` if there is no data centre of that number.
   */
  move(who: Person | TelegramBot, dc: number): void {
    this.#main.centres.move(who.account, this.#centre(dc).dc)
  }

  /**
   * Redirects log-ins with unassigned phone numbers to that data centre (NETWORK_MIGRATE_X). By default they are not redirected.
   *
   * @throws SentinelError `telegram.invalid` if there is no data centre of that number.
   */
  sendNewcomersTo(dc: number): void {
    this.#main.centres.network = this.#centre(dc).dc
  }

  /** Gives a person a phone number to log in with, and optionally a password for two-step verification. */
  givePhone(person: Person, phone: string, password?: string): void {
    this.#main.phones.give(phone, person.account)
    if (password !== undefined) this.#main.passwords.set(person.account, password)
  }

  /**
   * Returns the login code that was last sent to the number.
   *
   * @throws SentinelError `telegram.invalid` if none was sent.
   */
  codeFor(phone: string): string {
    const code = this.#main.phones.codeOf(phone)
    if (code === undefined) {
      throw new SentinelError(
        'telegram.invalid',
        'mtproto: no code was sent to that number yet. Ask for one first.',
      )
    }
    return code
  }

  /**
   * Scans a login QR code with the person's phone and confirms: the client that shows the code is logged in.
   *
   * @throws SentinelError `telegram.invalid` if the URL is not a login code, or the code has expired or was already scanned.
   */
  scan(person: Person, url: string): void {
    const token = /^tg:\/\/login\?token=([\w-]+)$/.exec(url)?.[1]
    try {
      if (token === undefined) throw new RpcError(400, 'AUTH_TOKEN_INVALID')
      this.#main.loginTokens.accept(Buffer.from(token, 'base64url'), person.account, this.#main.now())
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      throw new SentinelError(
        'telegram.invalid',
        `mtproto: that code is not valid: ${error.message}. Scan the one that is shown now.`,
      )
    }
  }

  /** Sets what Telegram reports about a person from now on. */
  repute(who: Person, reputation: Reputation): void {
    this.#main.view.describer.reputations.set(who.id, reputation)
  }

  /** Returns how often a method was called. */
  calls(method: string): number {
    return this.#rpc.counts.get(method) ?? 0
  }

  /** Makes the next `times` calls of a method fail, for example with `420, 'FLOOD_WAIT_5'`. */
  fail(method: string, code: number, message: string, times = 1): void {
    this.#rpc.fail(method, new RpcError(code, message), times)
  }

  /** Cuts every connection; sessions survive. */
  cut(): void {
    for (const server of this.#main.centres.all()) server.cut()
  }

  /**
   * Discards the update history of a group or channel, or of an account's private chats: clients that missed updates are told
   * that the gap is too long.
   */
  forget(where: TelegramGroup | TelegramChannel | Person | TelegramBot): void {
    const { view } = this.#main
    if ('room' in where) view.channel(where.room).forget()
    else view.mailbox(where.account.id).journal.forget()
  }

  /** Sets how updates are sent: call `send` to send one now, later, twice or not at all. By default each is sent at once. */
  deliverBy(delivery: (send: () => void) => void): void {
    this.#main.view.subscriptions.deliver = delivery
  }

  /** Invalidates every server salt that clients know, as happens over time. */
  rotateSalts(): void {
    for (const server of this.#main.centres.all()) {
      for (const key of server.keys.all()) key.rotate(server.now())
    }
  }

  /** Invalidates every file reference that clients know: FILE_REFERENCE_EXPIRED until they fetch the message again. */
  expireFileReferences(): void {
    this.#main.view.locations.expire()
  }

  /**
   * Moves all files to another data centre: requests elsewhere are redirected there (FILE_MIGRATE_X).
   *
   * @throws SentinelError `telegram.invalid` if there is no data centre of that number.
   */
  moveFiles(dc: number): void {
    this.#main.view.locations.home = this.#centre(dc).dc
  }

  /**
   * Starts a CDN data centre and lets it serve files to clients that support CDNs.
   *
   * @throws SentinelError `telegram.invalid` if there is a CDN already, or the number is taken.
   */
  async cdn({ dc = 203, from = 0 }: NewCdn = {}): Promise<TelegramCdn> {
    const { view, centres, world } = this.#main
    if (this.#cdn !== undefined || centres.find(dc) !== undefined) {
      const why = `mtproto: there is a CDN data centre already, or ${dc} is one of Telegram's. One is enough.`
      throw new SentinelError('telegram.invalid', why)
    }
    const redirects = new CdnRedirects(dc, from)
    const server = new CdnServer(world, redirects)
    await server.listen()
    this.#cdn = server
    redirects.address = { port: server.port, publicKey: server.key.pem }
    view.cdn = redirects
    return new TelegramCdn(server, redirects)
  }

  /** @internal */
  async close(): Promise<void> {
    await this.#cdn?.close()
    await Promise.all(this.#main.centres.all().map((server) => server.close()))
  }

  #centre(dc: number): MtprotoServer {
    const found = this.#main.centres.find(dc)
    if (found !== undefined) return found
    const there = this.#main.centres.all().map((server) => server.dc)
    throw new SentinelError(
      'telegram.invalid',
      `mtproto: there is no data centre ${dc}, but ${there.join(', ')}. Name it among \`others\` of telegram.mtproto().`,
    )
  }
}

function addressOf({ port, dc, key }: MtprotoServer): MtprotoAddress {
  return { host: '127.0.0.1', port, dc, publicKey: key.pem }
}

/** @internal */
export async function serveMtproto(world: World, options: NewMtproto): Promise<TelegramMtproto> {
  const { port = 0, dc = 2, others = [] } = options
  const numbers = [dc, ...others]
  for (const number of numbers) {
    const isOne = Number.isInteger(number) && number > 0 && number < 1000
    if (isOne && numbers.indexOf(number) === numbers.lastIndexOf(number)) continue
    throw new SentinelError(
      'telegram.invalid',
      `mtproto: ${number} is not a valid number of a data centre, or is used twice. Use each of 1 to 999 once.`,
    )
  }
  const centres = new DataCentres(world)
  const rpc = new Rpc(METHODS)
  const main = new DataCentre(dc, centres, rpc)
  const served = new TelegramMtproto(main, rpc)
  try {
    await main.listen(port)
    for (const number of others) await new DataCentre(number, centres, rpc).listen()
  } catch (error) {
    await served.close()
    throw error
  }
  return served
}
