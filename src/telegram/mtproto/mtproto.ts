import { SentinelError } from '../../core/errors.js'
import type { Person } from '../people/person.js'
import type { TelegramChannel, TelegramGroup } from '../people/places.js'
import type { World } from '../world/world.js'
import { RpcError } from './rpc-error.js'
import { MtprotoServer } from './server.js'

/**
 * Where the MTProto face listens.
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
  /** On 127.0.0.1. Default: 0, any free one. */
  readonly port?: number
  /** Which data centre it is. Default: 2. */
  readonly dc?: number
}

/**
 * The other face of an embedded Telegram: the same people, chats and messages, for clients of MTProto. Made by `telegram.mtproto()`.
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
  readonly #server: MtprotoServer

  /** @internal */
  constructor(server: MtprotoServer) {
    this.#server = server
  }

  /** For the option `server` of `mtproto()`: where it is, and the key by which clients know it. */
  get address(): {
    readonly host: string
    readonly port: number
    readonly dc: number
    readonly publicKey: string
  } {
    const { port, dc, key } = this.#server
    return { host: '127.0.0.1', port, dc, publicKey: key.pem }
  }

  /** Gives a person a phone number to log in with, and a second password if told. */
  givePhone(person: Person, phone: string, password?: string): void {
    this.#server.phones.give(phone, person.account)
    if (password !== undefined) this.#server.phones.setPassword(person.account, password)
  }

  /**
   * The code that was sent last.
   *
   * @throws SentinelError `telegram.invalid` when none was.
   */
  codeFor(phone: string): string {
    const code = this.#server.phones.codeOf(phone)
    if (code === undefined) {
      throw new SentinelError(
        'telegram.invalid',
        'mtproto: no code was sent to that number yet. Ask for one first.',
      )
    }
    return code
  }

  /** How often a method was called. */
  calls(method: string): number {
    return this.#server.rpc.counts.get(method) ?? 0
  }

  /** The next calls of a method fail, such as by `420, 'FLOOD_WAIT_5'`. */
  fail(method: string, code: number, message: string, times = 1): void {
    this.#server.rpc.fail(method, new RpcError(code, message), times)
  }

  /** Cuts every connection; sessions stay. */
  cut(): void {
    this.#server.cut()
  }

  /** What happened in a chat so far is forgotten: who missed it is told that it is too long ago. */
  forget(chat: TelegramGroup | TelegramChannel): void {
    this.#server.face.channel(chat.room).forget()
  }

  /** How updates are sent from now on: some not at all, some twice, some later. By default each at once. */
  deliverBy(delivery: (send: () => void) => void): void {
    this.#server.face.deliver = delivery
  }

  /** Makes every salt that clients know worthless, as time does. */
  rotateSalts(): void {
    for (const key of this.#server.keys.all()) key.rotate(this.#server.now())
  }

  /** @internal */
  close(): Promise<void> {
    return this.#server.close()
  }
}

/** @internal */
export async function serveMtproto(world: World, { port = 0, dc = 2 }: NewMtproto): Promise<TelegramMtproto> {
  const server = new MtprotoServer(world, dc)
  await server.listen(port)
  return new TelegramMtproto(server)
}
