import { connectTcp } from '@fuman/node'
import {
  type ITelegramStorageProvider,
  networkMiddlewares,
  type RpcCallMiddleware,
  type tl,
} from '@mtcute/core'
import { BaseTelegramClient, TelegramClient } from '@mtcute/core/client.js'
import { addPublicKey } from '@mtcute/core/utils.js'
import { errorText } from '../../core/redact.js'
import type { FloodControl } from './calls/flood.js'
import { refusedOr } from './calls/refusal.js'
import { refusalIn } from './calls/rpc-error.js'
import { metered, type Traffic } from './calls/traffic.js'
import { closed, tellCallersAlone } from './calls-after-close.js'
import { PacketCodec } from './codec.js'
import { NodeCrypto } from './crypto.js'
import type { ReadOptions } from './options.js'
import { callOffSaltTimers } from './salt-timers.js'
import type { Gaps } from './updates/gaps.js'

/** What mtcute is built on, by one function, so that all of it is loaded at once and late. */
export interface Surroundings {
  readonly options: ReadOptions
  readonly storage: ITelegramStorageProvider
  readonly flood: FloodControl
  readonly traffic: Traffic
  readonly gaps: Gaps
  readonly onError: (error: unknown) => void
  /** Told of all that Telegram says: answers, and updates. */
  readonly onTold: (told: unknown) => void
  readonly onTooLong: (channel: number, newest: number) => void
}

/**
 * One key in 256 begins with a zero byte, which mtcute drops: its hash is then another than Telegram's, and mtcute takes that for an attack. It
 * agrees on a new key by itself. Where that fails as well, somebody may well be on the way.
 */
const ANOTHER_KEY = 'Step 4: invalid nonce hash from server'

/** mtcute's client, and what it stands on. */
export interface Opened {
  readonly base: BaseTelegramClient
  readonly client: TelegramClient
}

export function newClient({
  options,
  storage,
  flood,
  traffic,
  gaps,
  onError,
  onTold,
  onTooLong,
}: Surroundings): Opened {
  const crypto = new NodeCrypto()
  const { server } = options
  if (server !== undefined) addPublicKey(crypto, server.publicKey)
  const dc = server && { ipAddress: server.host, port: server.port, id: server.dc }
  let isKeyMissed = false
  // Who listens must not make a call fail that Telegram has done.
  const tell = (told: unknown) => {
    // Whoever is answered has a key.
    isKeyMissed = false
    try {
      onTold(told)
    } catch (error) {
      onError(error)
    }
  }
  const base = new BaseTelegramClient({
    apiId: options.apiId,
    apiHash: options.apiHash,
    storage,
    crypto,
    ...(dc !== undefined && { defaultDcs: { main: dc, media: dc } }),
    transport: {
      connect: async ({ ipAddress, port }) => {
        const connection = await connectTcp({ address: ipAddress, port })
        return metered(connection, traffic)
      },
      packetCodec: () => new PacketCodec(),
    },
    platform: {
      beforeExit: () => () => undefined,
      // What mtcute says in passing may hold what people wrote: errors come as errors.
      log: () => undefined,
      getDefaultLogLevel: () => 0,
      getDeviceModel: () => 'grammy-sentinel',
    },
    network: {
      middlewares: [
        gaps.watching,
        telling(tell),
        waiting(flood),
        counting(traffic),
        ...networkMiddlewares.basic({
          floodWaiter: { maxWait: 0, maxRetries: 0, store: false },
          internalErrors: { maxRetries: 3 },
        }),
      ],
    },
    updates: {
      catchUp: true,
      // Updates that a call of ours brings along are updates as well.
      disableNoDispatch: true,
      onChannelTooLong: (channel, { dialog }) =>
        onTooLong(channel, dialog._ === 'dialog' ? dialog.topMessage : 0),
    },
  })
  base.onServerUpdate.add(tell)
  callOffSaltTimers(base)
  tellCallersAlone(base)
  base.onError.add((error) => {
    const text = errorText(error)
    const isSilent = !isKeyMissed && text.includes(ANOTHER_KEY)
    isKeyMissed ||= isSilent
    if (!isSilent) onError(new Error(text))
  })
  return { base, client: new TelegramClient({ client: base }) }
}

/** Notes who we are from now on. */
export async function loggedIn(
  { base }: Pick<Opened, 'base'>,
  who: tl.auth.TypeAuthorization | tl.RawUser,
): Promise<void> {
  await base.storage.self.storeFrom(base.mt.network.notifyLoggedIn(who))
}

/** Logs a bot in, unless it is. Updates wait: mtcute's own way of telling lets them flow when nobody listens yet. */
export async function logInBot(
  { base, client }: Opened,
  token: string,
  apiId: number,
  apiHash: string,
): Promise<void> {
  await base.connect()
  await loggedIn({ base }, await authorization())

  async function authorization() {
    try {
      return (await client.getMe()).raw
    } catch (error) {
      if (Object(error).text !== 'AUTH_KEY_UNREGISTERED') throw refusedOr(error, 'users.getUsers')
    }
    const login = { _: 'auth.importBotAuthorization', flags: 0, apiId, apiHash, botAuthToken: token } as const
    return base.call(login).catch((error: unknown) => {
      throw refusedOr(error, login._)
    })
  }
}

/**
 * Lets updates flow, from where they were left off. Whoever begins anew begins here: mtcute would ask where it stands in the background,
 * and count what comes until it knows as seen.
 *
 * @throws SentinelError `mtproto.session` where it ends meanwhile.
 */
export async function startUpdates(
  { base, client }: Opened,
  channels: readonly number[],
  isEnding: () => boolean,
): Promise<void> {
  if ((await base.storage.updates.getState()) === null) {
    const state = { _: 'updates.getState' } as const
    const { pts, qts, date, seq } = await client.call(state).catch((error: unknown) => {
      throw refusedOr(error, state._)
    })
    const { updates } = base.storage
    await updates.setPts(pts)
    await updates.setQts(qts)
    await updates.setDate(date)
    await updates.setSeq(seq)
  }
  await base.updates?.prepare()
  // mtcute looks up where a channel stands only until it has caught up: one whose difference is refused meanwhile would begin anew with its next update.
  const stood = await Promise.all(channels.map((channel) => base.storage.updates.getChannelPts(channel)))
  channels.forEach((channel, nth) => {
    const pts = stood[nth] ?? 0
    if (pts > 0) base.updates?.cpts.set(channel, pts)
  })
  // mtcute does not look: the loop of a client that was destroyed would run for ever, and the process with it.
  if (base.destroyed || isEnding()) throw closed()
  await client.startUpdatesLoop()
  // Telegram tells of the account's own updates what was missed; of channels only once somebody speaks there again.
  const updates = channels.map((channelId): tl.TypeUpdate => ({ _: 'updateChannelTooLong', channelId }))
  if (updates.length > 0)
    base.updates?.handleUpdate({ _: 'updates', updates, users: [], chats: [], date: 0, seq: 0 })
}

function waiting(flood: FloodControl): RpcCallMiddleware {
  const secondsOf = (answer: unknown) => {
    const wait = /^(?:FLOOD|FLOOD_PREMIUM|FLOOD_TEST_PHONE)_WAIT_(\d+)$/.exec(
      refusalIn(answer)?.errorMessage ?? '',
    )
    return wait === null ? undefined : Number(wait[1])
  }
  return (ctx, next) => {
    const call = () => Promise.resolve(next(ctx))
    return flood.run(ctx.request._, call, secondsOf, ctx.params?.abortSignal)
  }
}

function telling(told: (answer: unknown) => void): RpcCallMiddleware {
  return async (ctx, next) => {
    const answer = await next(ctx)
    told(answer)
    return answer
  }
}

function counting(traffic: Traffic): RpcCallMiddleware {
  return async (ctx, next) => {
    const answered = traffic.begin(ctx.request._)
    try {
      const answer = await next(ctx)
      answered(refusalIn(answer)?.errorMessage)
      return answer
    } catch (error) {
      answered('CONNECTION')
      throw error
    }
  }
}
