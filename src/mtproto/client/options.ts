import { z } from 'zod'
import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { shown } from '../../core/show.js'
import type { Storage } from '../../storage/contract/storage.js'
import type { MayCall } from './calls/permissions.js'
import { readSession } from './sessions/session-strings.js'

/**
 * Address of a server to use instead of Telegram: an embedded Telegram.
 *
 * @example
 * ```ts
 * import type { MtprotoServerAddress } from 'grammy-sentinel/mtproto'
 *
 * const address: MtprotoServerAddress = { host: '127.0.0.1', port: 4430, dc: 2, publicKey: '-----BEGIN RSA PUBLIC KEY-----…' }
 * ```
 */
export interface MtprotoServerAddress {
  readonly host: string
  readonly port: number
  /** Number of the data centre. */
  readonly dc: number
  /** RSA public key as PEM (PKCS#1). */
  readonly publicKey: string
}

/**
 * A wait before a call, to respect Telegram's limits.
 *
 * @example
 * ```ts
 * import { type FloodWait, mtproto } from 'grammy-sentinel/mtproto'
 *
 * const told = ({ method, waitMs }: FloodWait): void => console.warn(`${method} waits ${waitMs} ms`)
 * mtproto({ apiId: 1, apiHash: 'hash', botToken: '123:token', onWait: told })
 * ```
 */
export interface FloodWait {
  /** The waiting method, such as `channels.getParticipants`. */
  readonly method: string
  readonly waitMs: Ms
  /** `flood`: Telegram demanded the wait; `pace`: it follows from earlier demands. */
  readonly why: 'flood' | 'pace'
}

/**
 * Options of an MTProto client, validated when the client is created.
 *
 * @example
 * ```ts
 * import { type MtprotoOptions, mtproto } from 'grammy-sentinel/mtproto'
 * import { redis } from 'grammy-sentinel/redis'
 *
 * const options: MtprotoOptions = {
 *   apiId: 12345,
 *   apiHash: '0123456789abcdef0123456789abcdef',
 *   botToken: '123:token',
 *   storage: redis('redis://localhost:6379'),
 *   encryptionKeys: ['00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'],
 * }
 * const client = mtproto(options)
 * ```
 */
export interface MtprotoOptions {
  /** From https://my.telegram.org, like `apiHash`. */
  readonly apiId: number
  readonly apiHash: string
  /** Logs a bot in. Without it, the session or `logIn()` decides who is logged in. */
  readonly botToken?: string
  /**
   * A session string of mtcute, Telethon 1, Pyrogram or GramJS, used if the storage holds no session yet; `exportSession()`
   * creates one.
   */
  readonly session?: string
  /** Where the session and known peers are stored. Default: in memory, lost with the process. */
  readonly storage?: Storage
  /** Name of the session in the storage. Default: `main`. */
  readonly name?: string
  /**
   * Keys of 32 bytes in hexadecimal that encrypt sessions in the storage (AES-256-GCM): the first one encrypts, all decrypt.
   * Required with any storage other than memory: whoever can read an authorization key is logged in as you.
   */
  readonly encryptionKeys?: readonly string[]
  /** Longest wait of a call because of Telegram's limits; beyond it the call rejects with `mtproto.flood`. Default: 10s. */
  readonly patience?: Duration
  /**
   * Maximum number of username lookups within a day: after about two hundred Telegram refuses all of them until the next day.
   * `Infinity`: leaves the limit to Telegram. Default: 200.
   */
  readonly namesPerDay?: number
  /**
   * Who may call which methods, in addition to what is known: used only for hints after a refusal, never to prevent a call.
   */
  readonly permissions?: Readonly<Record<string, MayCall>>
  /** Called for every wait. */
  readonly onWait?: (wait: FloodWait) => void
  /** Server to connect to. Default: Telegram. */
  readonly server?: MtprotoServerAddress
}

/** {@link MtprotoOptions} with defaults filled in. */
export interface ReadOptions
  extends Omit<MtprotoOptions, 'patience' | 'name' | 'encryptionKeys' | 'namesPerDay'> {
  readonly namesPerDay: number
  readonly name: string
  readonly patience: Ms
  readonly encryptionKeys: readonly Buffer[]
}

const SCHEMA = z.strictObject({
  apiId: z.int().positive(),
  apiHash: z.string().min(1),
  botToken: z
    .string()
    .regex(/^\d+:\S+$/)
    .optional(),
  session: z.string().min(1).optional(),
  storage: z.custom<Storage>((value) => typeof value === 'object' && value !== null).optional(),
  name: z
    .string()
    .regex(/^[\w-]{1,32}$/)
    .optional(),
  encryptionKeys: z.array(z.string().regex(/^[0-9a-f]{64}$/i)).optional(),
  patience: z.union([z.string(), z.number()]).optional(),
  namesPerDay: z.union([z.int().nonnegative(), z.literal(Number.POSITIVE_INFINITY)]).optional(),
  permissions: z.record(z.string(), z.enum(['bots', 'people', 'everybody'])).optional(),
  onWait: z.custom<(wait: FloodWait) => void>((value) => typeof value === 'function').optional(),
  server: z
    .strictObject({
      host: z.string(),
      port: z.int().min(1).max(65_535),
      dc: z.int().positive(),
      publicKey: z.string(),
    })
    .optional(),
})

/** The expected values, for error messages; actual values are never shown, because they are secrets. */
const EXPECTED: Readonly<Record<string, string>> = {
  apiId: 'a whole number, from https://my.telegram.org',
  apiHash: 'the hash that https://my.telegram.org shows beside the id',
  botToken: 'a token such as 123:abc, from @BotFather',
  session: 'a session string',
  storage: 'a storage, such as redis(url)',
  name: '1 to 32 letters, digits, - or _',
  encryptionKeys: 'a list of keys of 64 hexadecimal digits, such as `openssl rand -hex 32` prints',
  namesPerDay: 'a whole number, or Infinity',
  permissions: "an object such as { 'messages.search': 'people' }, of 'bots', 'people' or 'everybody'",
  onWait: 'a function',
  server: '{ host, port, dc, publicKey }',
}

/**
 * Validates options and fills in defaults.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`.
 */
export function readOptions(given: MtprotoOptions): ReadOptions {
  const parsed = SCHEMA.safeParse(given)
  if (!parsed.success) throw refusalOf(parsed.error)
  if (given.session !== undefined) readSession(given.session)
  const { storage, encryptionKeys = [], name = 'main', patience, namesPerDay = 200 } = given
  if (storage?.remote === true && encryptionKeys.length === 0) {
    throw new SentinelError(
      'option.invalid',
      'mtproto.encryptionKeys: is missing, so anyone who reads the storage could log in as you. Pass a key from the environment, such as `openssl rand -hex 32` prints.',
    )
  }
  return {
    ...given,
    name,
    namesPerDay,
    patience: parseDuration(patience ?? '10s', 'mtproto.patience'),
    encryptionKeys: encryptionKeys.map((key) => Buffer.from(key, 'hex')),
  }
}

function refusalOf({ issues }: z.ZodError): SentinelError {
  const [issue] = issues
  if (issue?.code === 'unrecognized_keys') {
    return new SentinelError(
      'option.unknown',
      `mtproto.${issue.keys[0]}: there is no such option. Options: ${Object.keys(EXPECTED).join(', ')}, patience.`,
    )
  }
  const name = String(issue?.path[0])
  return new SentinelError('option.invalid', `mtproto.${name}: that is not ${EXPECTED[name] ?? shown(name)}.`)
}
