import { type MtprotoClient, type MtprotoOptions, mtproto } from '../../src/mtproto/index.js'
import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { type Person, startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import type { TelegramMtproto } from '../../src/telegram/mtproto/mtproto.js'
import { RawClient } from './raw-client.js'

// Set-up of most MTProto tests, new for each test: import what is needed, and call onStage().

export let telegram: Telegram
export let face: TelegramMtproto
/** A bot with its token. */
export let account: TelegramBot
export let alice: Person

let open: { close(): Promise<void> | void }[] = []

/** Options of the set-up. */
export interface StageOptions {
  /** Properties of the bot. By default, only a username. */
  readonly bot?: Partial<Parameters<Telegram['createBot']>[0]>
  readonly alice?: Partial<Parameters<Telegram['createUser']>[0]>
  /** Additional data centres. */
  readonly others?: readonly number[]
  readonly telegram?: Parameters<typeof startTelegram>[0]
}

/** Sets up Telegram before each test of a file; afterwards closes the clients, and then the Telegram. */
export function onStage(options: StageOptions = {}): void {
  beforeEach(async () => {
    open = []
    telegram = await startTelegram({ patience: '30s', ...options.telegram })
    face = await telegram.mtproto(options.others === undefined ? {} : { others: options.others })
    account = telegram.createBot({ username: 'watcher_bot', ...options.bot })
    alice = telegram.createUser({ firstName: 'Alice', username: 'alice', ...options.alice })
  })
  afterEach(async () => {
    for (const each of open) await each.close()
    await telegram.close()
  })
}

/** Closes the given object after the test. */
export function kept<T extends { close(): Promise<void> | void }>(made: T): T {
  open.push(made)
  return made
}

/** A client without a login. */
export function guest(options: Partial<MtprotoOptions> = {}): MtprotoClient {
  return kept(mtproto({ apiId: 1, apiHash: 'any', server: face.address, ...options }))
}

/** A client of the bot. */
export function client(options: Partial<MtprotoOptions> = {}): MtprotoClient {
  return guest({ botToken: account.token, ...options })
}

/** A client of a person. */
export async function person(who = alice, phone = '491701234567'): Promise<MtprotoClient> {
  face.givePhone(who, phone)
  const made = guest()
  await made.logIn({ phone, code: () => face.codeFor(phone) })
  return made
}

/** A raw client with an auth key, without a login. */
export async function raw(): Promise<RawClient> {
  const made = kept(await RawClient.connect(face.address.port))
  await made.shakeHands(face.address.publicKey)
  return made
}

/** A raw client, logged in as a bot. */
export async function rawBot({ token } = account): Promise<RawClient> {
  const made = await raw()
  const login = { _: 'auth.importBotAuthorization', flags: 0, api_id: 1, api_hash: 'x' }
  await made.call({ ...login, bot_auth_token: token })
  return made
}

/** Calls a method, and returns the answer as an object. */
export async function ask(
  of: RawClient,
  method: string,
  fields: Omit<TlObject, '_'> = {},
): Promise<TlObject> {
  return (await of.call({ ...fields, _: method })) as TlObject
}

/** The input object of a group or channel for an account that has met it. */
export function inputChannel({ id }: { readonly id: number }): TlObject {
  return { _: 'inputChannel', channel_id: BigInt(-id - 1_000_000_000_000), access_hash: 0n }
}

/** Collects all items of a list. */
export async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of list) items.push(item)
  return items
}
